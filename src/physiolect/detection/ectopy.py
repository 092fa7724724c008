"""What a day of heartbeats shows: rates, pauses, and ectopic beats alone, in pairs, in runs and in turns."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]
Flags = NDArray[np.bool_]

PAUSE = 2.0
"""Seconds: a longer interval between two beats is a pause."""
LONGEST = 10.0
"""Seconds: a longer interval is no pause but a stretch in which no beat was found, and enters no rate.

It may be noise, ventricular flutter or fibrillation, in which no beat is marked, or a standstill.
"""
RATE_INTERVALS = 8
"""Intervals in a row whose mean gives a rate: the least and the greatest of a day are of these."""
_RUN = 3
"""Ectopic beats in a row that are a run."""
_TURNS = 3
"""Ectopic beats in turn with others that are bigeminy."""


@dataclass(frozen=True)
class Stretch:
    """A stretch of beats."""

    start: float
    """When its first beat is, in seconds of the recording; or, without a beat there, what was judged begins."""
    stop: float
    """When its last beat is, or what was judged ends."""
    beats: int
    """How many beats count."""


@dataclass(frozen=True)
class Ectopy:
    """How the beats of one class come."""

    beats: int
    single: int
    """Beats with no neighbour of the class."""
    couplets: tuple[Stretch, ...]
    """Two in a row."""
    runs: tuple[Stretch, ...]
    """Three or more in a row, in order of time."""
    bigeminy: tuple[Stretch, ...]
    """Three or more in turn with other beats; `beats` counts those of the class."""

    @property
    def longest_run(self) -> Stretch | None:
        """The run of most beats; of several, the first."""
        return max(self.runs, key=lambda run: run.beats, default=None)

    def to_dict(self) -> dict[str, object]:
        """Return counts, and the longest run, ready for JSON."""
        longest = self.longest_run
        return {
            "beats": self.beats, "single": self.single, "couplets": len(self.couplets), "runs": len(self.runs),
            "bigeminy": len(self.bigeminy), "longest_run": None if longest is None else asdict(longest),
        }  # fmt: skip


def joined_beats(times: Times, breaks: Times) -> Flags:
    """Return for each interval between two beats (n - 1,) whether nothing unknown lies in it.

    Args:
        times: of the beats, (n,), in order.
        breaks: (b,) moments at which a stretch begins that was not judged.
    """
    return np.searchsorted(breaks, times[:-1], side="right") == np.searchsorted(breaks, times[1:])


def find_ectopy(hit: Flags, times: Times, joined: Flags) -> Ectopy:
    """Return how the beats of one class come.

    Args:
        hit: which beats are of the class, (n,).
        times: of all beats, (n,).
        joined: of `joined_beats`, (n - 1,).
    """
    groups = _groups(hit, joined)
    sizes = groups[:, 1] - groups[:, 0] + 1
    turns = _groups(np.append(joined & (hit[1:] != hit[:-1]), False), None) if len(hit) else groups
    bigeminy = []
    for first, last in turns.tolist():
        count = int(hit[first : last + 2].sum())
        if count >= _TURNS:
            bigeminy.append(Stretch(float(times[first]), float(times[last + 1]), count))
    return Ectopy(
        beats=int(hit.sum()), single=int((sizes == 1).sum()), couplets=_stretches(groups[sizes == 2], times),
        runs=_stretches(groups[sizes >= _RUN], times), bigeminy=tuple(bigeminy),
    )  # fmt: skip


def find_long_intervals(times: Times, joined: Flags, least: float, most: float) -> tuple[Stretch, ...]:
    """Return the intervals longer than `least` seconds, and at most as long as `most`, in order of time."""
    seconds = np.diff(times)
    long = np.flatnonzero(joined & (seconds > least) & (seconds <= most))
    return _stretches(np.stack([long, long + 1], axis=1), times)


def find_silence(times: Times, spans: list[tuple[float, float]], least: float) -> tuple[Stretch, ...]:
    """Return the stretches longer than `least` seconds without a beat, in order of time.

    Args:
        times: of the beats, (n,), in order.
        spans: what was judged, in seconds. A stretch may begin or end with a span, where no beat is.
        least: in seconds.
    """
    found = []
    for begin, end in spans:
        inside = times[(times >= begin) & (times <= end)]
        edges = np.concatenate([[begin], inside, [end]])
        for k in np.flatnonzero(np.diff(edges) > least).tolist():
            n_beats = int(k > 0) + int(k < len(inside))
            found.append(Stretch(float(edges[k]), float(edges[k + 1]), n_beats))
    return tuple(found)


def running_rates(times: Times, joined: Flags) -> tuple[Times, Times]:
    """Return when the middle of each eight intervals in a row is, in seconds, and their rate a minute, (m,) each."""
    n = RATE_INTERVALS
    if len(times) <= n:
        return np.empty(0), np.empty(0)
    whole = np.convolve(joined & (np.diff(times) <= LONGEST), np.ones(n, int), "valid") == n
    span = times[n:] - times[:-n]
    return (times[n:] + times[:-n])[whole] / 2, 60 * n / span[whole]


def _groups(hit: Flags, joined: Flags | None) -> NDArray[np.int64]:
    """Return first and last of each group of neighbours that are hit, (groups, 2)."""
    found = np.flatnonzero(hit)
    if not len(found):
        return np.empty((0, 2), np.int64)
    goes_on = np.diff(found) == 1
    if joined is not None:
        goes_on &= joined[found[:-1]]
    first = np.append(True, ~goes_on)
    last = np.append(~goes_on, True)
    return np.stack([found[first], found[last]], axis=1)


def _stretches(groups: NDArray[np.int64], times: Times) -> tuple[Stretch, ...]:
    return tuple(Stretch(float(times[a]), float(times[b]), b - a + 1) for a, b in groups.tolist())
