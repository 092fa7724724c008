"""Heart-rate variability out of when beats are: artefacts corrected, then time, frequency and non-linear measures."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.errors import ConfigError, require
from physiolect.result import Result, make_frame

if TYPE_CHECKING:
    import pandas

Times = NDArray[np.float64]

UNITS = {
    "MeanNN": "ms", "SDNN": "ms", "RMSSD": "ms", "pNN50": "%", "pNN20": "%", "SDANN5": "ms", "SDNNI5": "ms",
    "VLF": "ms2", "LF": "ms2", "HF": "ms2", "TP": "ms2", "LFHF": "", "LFn": "", "HFn": "",
    "SD1": "ms", "SD2": "ms", "SD1SD2": "", "DFA_alpha1": "", "SampEn": "",
}  # fmt: skip
"""Measure -> its unit, in the order of the table; NeuroKit2's names without their "HRV_"."""

_TIME = ("MeanNN", "SDNN", "RMSSD", "pNN50", "pNN20", "SDANN5", "SDNNI5")
_FREQUENCY = {"VLF": 300, "LF": 120, "HF": 60, "TP": 300, "LFHF": 120, "LFn": 120, "HFn": 120}
"""Measure -> the shortest stretch, in seconds, that shows it: about ten periods of the band's slowest part."""
_LEAST_BEATS = 100
"""Intervals below which neither entropy nor fluctuations are measured."""
_GRID = 10_000.0
"""Hz at which NeuroKit2 gets the beats: it corrects whole samples, and these are 0.1 ms."""
_KINDS = {"ectopic": "ectopic", "missed": "missed", "extra": "extra", "longshort": "too long or too short"}
_MANY = 0.05
"""Share of corrected beats above which the summary warns."""
_LEAST = 4
_MOST_REPLACED = 2
"""Ectopic beats in a row that are replaced; a longer run parts the beats before it from those after."""
_AROUND = 20
"""Intervals to either side whose median says how many beats an ectopic one stands for."""
_FULL = 0.8
"""Share of a window that its intervals must cover."""


@dataclass(frozen=True, eq=False, repr=False)
class HeartRateVariability(Result):
    """Measures of heart-rate variability; NaN where the recording is too short for one."""

    n_beats: int
    """Beats that were given."""
    corrected: Mapping[str, int]
    """Kind of artefact -> how many corrections, over all passes: ectopic, missed, extra, longshort."""
    measures: Mapping[str, float]
    """Name -> value, in the units of `UNITS`."""
    n_windows: int
    """Windows whose median the frequency and non-linear measures are."""
    window: float
    """Their length in seconds."""
    times: Times
    """Beats after the correction, in seconds."""

    @property
    def corrected_share(self) -> float:
        """Corrections over beats."""
        return sum(self.corrected.values()) / self.n_beats if self.n_beats else 0.0

    @property
    def doubtful(self) -> bool:
        """Whether so many beats were corrected that the measures may not be reliable."""
        return self.corrected_share > _MANY

    @property
    def summary(self) -> str:
        """The measures, line under line."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        kinds = ", ".join(f"{n} {_KINDS[kind]}" for kind, n in self.corrected.items() if n)
        yield f"{self.n_beats:,} beats; corrected: {kinds or 'none'} ({self.corrected_share:.1%})"
        if self.doubtful:
            yield "more than 5 % of the beats were corrected: the measures may not be reliable"
        for group in (
            _TIME,
            tuple(_FREQUENCY),
            tuple(name for name in UNITS if name not in (*_TIME, *_FREQUENCY)),
        ):
            known = [(name, self.measures[name]) for name in group if np.isfinite(self.measures[name])]
            if known:
                yield "  " + ", ".join(f"{name} {value:.4g} {UNITS[name]}".rstrip() for name, value in known)
        if self.n_windows > 1:
            yield f"  frequency and non-linear measures: medians of {self.n_windows} windows of {self.window:g} s"

    def columns(self) -> dict[str, Any]:
        """Return the columns of the table by name: measure, value, unit."""
        return {
            "measure": list(UNITS),
            "value": [self.measures[name] for name in UNITS],
            "unit": list(UNITS.values()),
        }

    def to_frame(self) -> pandas.DataFrame:
        """Return the table as a pandas DataFrame.

        Raises:
            PhysiolectError: pandas is not installed.
        """
        return make_frame(self.columns())

    def to_dict(self) -> dict[str, Any]:
        """Return counts and measures, ready for JSON; None for what is not measured."""
        return {
            "n_beats": self.n_beats,
            "corrected": dict(self.corrected),
            "windows": self.n_windows,
            "window_s": self.window,
            "measures": {name: float(v) if np.isfinite(v) else None for name, v in self.measures.items()},
        }


def heart_rate_variability(
    times: ArrayLike,
    *,
    breaks: Sequence[float] = (),
    ectopic: ArrayLike | None = None,
    correct: bool = True,
    window: float = 300.0,
) -> HeartRateVariability:
    """Measure heart-rate variability.

    Ectopic, missed, extra and misplaced beats are corrected first. The correction finds no ectopic beats where these
    are many: say which they are, where it is known. Time measures are of all intervals. Frequency and
    non-linear measures are medians over consecutive windows, or of the whole where it is shorter than two. Beats
    should be finer than a sample: at 125 Hz, whole samples alone add 3 ms to RMSSD. In atrial fibrillation the
    measures do not describe the autonomic nervous system.

    Args:
        times: of the beats in seconds, (beats,), in order: `delineate(...).r_peaks / fs`, `BeatResult.peak_times`.
        breaks: moments in seconds across which no interval counts.
        ectopic: (beats,) which are known to be ectopic. One or two in a row are replaced by beats in even steps, and a
            longer run is left out; they count as corrected.
        correct: whether to correct artefacts; without it every interval counts.
        window: length of a window in seconds.

    Raises:
        ConfigError: the times are not in order, or the window is shorter than a minute.
        PhysiolectError: NeuroKit2 is not installed.

    Source:
        NeuroKit2 (Makowski et al., Behav Res Methods 53:1689, 2021): correction by Lipponen & Tarvainen, J Med Eng
        Technol 43:173, 2019; measures after the Task Force, Circulation 93:1043, 1996. SD1 and SD2 follow from SDNN
        and SDSD (Brennan et al., IEEE Trans Biomed Eng 48:1342, 2001).
    """
    beats = np.asarray(times, np.float64)
    if beats.ndim != 1 or not np.isfinite(beats).all() or (np.diff(beats) <= 0).any():
        raise ConfigError(
            "the beats are not seconds in order, without doubles", hint="sort them, and remove doubles"
        )
    if not window >= 60:
        raise ConfigError(f"the window is {window:g} s", hint="give 60 s or more; 300 s is the standard")
    neurokit = require("neurokit2", extra="evaluation")
    corrected = dict.fromkeys(_KINDS, 0)
    edges = np.searchsorted(beats, sorted(breaks))
    pieces = [piece for piece in np.split(beats, edges) if len(piece)]
    if ectopic is not None:
        known = [each for each in np.split(_flags(ectopic, beats), edges) if len(each)]
        whole = zip(pieces, known, strict=True)
        pieces = [part for each, flags in whole for part in _without_ectopy(each, flags, corrected)]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # NeuroKit2 warns about short bands, which are NaN here
        if correct:
            pieces = [_correct(neurokit, piece, corrected) for piece in pieces]
        measures, n_windows = _measure(neurokit, pieces, window)
    every = np.concatenate([np.empty(0), *pieces])
    return HeartRateVariability(len(beats), corrected, measures, n_windows, window, every)


def _flags(ectopic: ArrayLike, beats: Times) -> NDArray[np.bool_]:
    flags = np.asarray(ectopic, np.bool_)
    if flags.shape != beats.shape:
        raise ConfigError(
            f"ectopic says something of {flags.size} beats, but there are {len(beats)}",
            hint="give True or False for each beat",
        )
    return flags


def _without_ectopy(beats: Times, ectopic: NDArray[np.bool_], corrected: dict[str, int]) -> list[Times]:
    """Return the beats of a piece with even steps in place of ectopic ones, parted at runs of them."""
    corrected["ectopic"] += int(ectopic.sum())
    normal = np.flatnonzero(~ectopic)
    kept, seconds, between = beats[normal], np.diff(beats[normal]), np.diff(normal) - 1
    found: list[Times] = []
    parts: list[Times] = []
    at = 0
    for k in np.flatnonzero(between).tolist():
        parts.append(kept[at : k + 1])
        at = k + 1
        around = slice(max(0, k - _AROUND), k + _AROUND + 1)
        usual = seconds[around][between[around] == 0]
        if between[k] <= _MOST_REPLACED and len(usual):
            steps = max(1, round(float(seconds[k] / np.median(usual))))
            parts.append(np.linspace(kept[k], kept[k + 1], steps + 1)[1:-1])
        else:
            found.append(np.concatenate(parts))
            parts = []
    return [each for each in (*found, np.concatenate([*parts, kept[at:]])) if len(each)]


def _correct(neurokit: Any, beats: Times, corrected: dict[str, int]) -> Times:
    """Return the beats of a piece without artefacts, and count what was corrected."""
    if len(beats) < _LEAST:
        return beats
    ticks = np.rint(beats * _GRID).astype(np.int64)
    clean, before = ticks, len(ticks) + 1
    while (
        True
    ):  # pass after pass as long as there are fewer artefacts: its own loop forgets what earlier passes found
        found, cleaner = neurokit.signal_fixpeaks(
            clean, sampling_rate=_GRID, iterative=False, method="Kubios"
        )
        now = sum(len(found[kind]) for kind in corrected)
        if not 0 < now < before:
            break
        for kind in corrected:
            corrected[kind] += len(found[kind])
        clean, before = np.unique(cleaner), now
    same = np.isin(clean, ticks)
    fine = clean / _GRID
    fine[same] = beats[np.searchsorted(ticks, clean[same])]  # what was not moved keeps its digits
    return fine


def _measure(neurokit: Any, pieces: list[Times], window: float) -> tuple[dict[str, float], int]:
    """Return all measures, and how many windows stand behind the later ones."""
    measures = dict.fromkeys(UNITS, float("nan"))
    intervals = [np.diff(piece) * 1000 for piece in pieces if len(piece) > 1]
    if sum(map(len, intervals)) < _LEAST:
        return measures, 0
    ends = np.concatenate([piece[1:] for piece in pieces if len(piece) > 1])
    whole = _table(neurokit.hrv_time({"RRI": np.concatenate(intervals), "RRI_Time": ends}))
    measures.update({name: whole.get(name, float("nan")) for name in _TIME})
    rows = []
    for part in _windows(pieces, window):
        row = _window_measures(neurokit, part)
        if row:
            rows.append(row)
    later = [name for name in UNITS if name not in _TIME]
    for name in later:
        values = np.array([row[name] for row in rows if np.isfinite(row.get(name, np.nan))])
        if len(values):
            measures[name] = float(np.median(values))
    return measures, len(rows)


def _windows(pieces: list[Times], window: float) -> Iterator[Times]:
    """Yield the beats of each window that lies in one piece and is nearly full."""
    for piece in pieces:
        seconds = piece[-1] - piece[0] if len(piece) else 0.0
        if seconds < 2 * window:
            yield piece
            continue
        edges = piece[0] + window * np.arange(int(seconds // window) + 1)
        for part in np.split(piece, np.searchsorted(piece, edges[1:]))[: len(edges) - 1]:
            if len(part) > 1 and part[-1] - part[0] >= _FULL * window:
                yield part


def _window_measures(neurokit: Any, beats: Times) -> dict[str, float]:
    """Return the frequency and non-linear measures of a window; empty where it shows none."""
    if len(beats) < _LEAST:
        return {}
    intervals, seconds = np.diff(beats) * 1000, beats[-1] - beats[0]
    row: dict[str, float] = {}
    if seconds >= _FULL * min(_FREQUENCY.values()):
        given = {"RRI": intervals, "RRI_Time": beats[1:]}
        power = _table(neurokit.hrv_frequency(given, normalize=False, silent=True))
        row = {name: power[name] for name, least in _FREQUENCY.items() if seconds >= _FULL * least}
    deviation, change = intervals.std(ddof=1), np.diff(intervals).std(ddof=1)
    row["SD1"] = float(change / np.sqrt(2))
    row["SD2"] = float(np.sqrt(max(2 * deviation**2 - change**2 / 2, 0.0)))
    row["SD1SD2"] = row["SD1"] / row["SD2"] if row["SD2"] > 0 else float("nan")
    if len(intervals) >= _LEAST_BEATS and deviation > 0:
        row["DFA_alpha1"] = float(neurokit.fractal_dfa(intervals, scale=np.arange(4, 17))[0])
        row["SampEn"] = float(
            neurokit.entropy_sample(intervals, delay=1, dimension=2, tolerance=0.2 * deviation)[0]
        )
    return row


def _table(frame: Any) -> dict[str, float]:
    """Return the one row of NeuroKit2's table by name."""
    return {name.removeprefix("HRV_"): float(value) for name, value in frame.iloc[0].items()}
