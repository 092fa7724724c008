"""Rhythm, beats and their classes of one recording together, as a Holter's report has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint.outputs import FIBRILLATION
from physiolect.detection.beat_result import BeatResult
from physiolect.detection.ectopy import (
    LONGEST,
    PAUSE,
    RATE_INTERVALS,
    Ectopy,
    Stretch,
    find_ectopy,
    find_long_intervals,
    find_silence,
    joined_beats,
    running_rates,
)
from physiolect.detection.heart_rate_variability import HeartRateVariability, heart_rate_variability
from physiolect.detection.heartbeat_result import HeartbeatResult
from physiolect.detection.intervals import Intervals, summarise_intervals
from physiolect.detection.result import DetectionResult
from physiolect.detection.rhythm_result import THRESHOLD, Episode, RhythmResult
from physiolect.errors import PhysiolectError
from physiolect.recording import Annotations, clock_time

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HOUR = 3600.0
_ECTOPIC = ("V", "S")
"""AAMI's classes whose couplets and runs are counted: ventricular and supraventricular ectopic beats."""
_ATRIAL = "S"
"""The class that has no meaning while the atria fibrillate."""

_NOT_SINUS = ("V", "S", "F")
"""AAMI's classes that say nothing of the sinus node's rhythm."""


@dataclass(frozen=True)
class Hour:
    """One hour of the recording; numbers that are not known are NaN."""

    start: float
    """In seconds of the recording."""
    stop: float
    beats: dict[str, int]
    """Beats of each class."""
    rate: float
    """Beats a minute: 60 over the mean interval."""
    lowest: float
    """Least rate of eight intervals in a row."""
    highest: float
    pauses: int
    rhythm_share: float
    """Share of the judged time in the rhythm that the model detects."""
    judged: float
    """Share of the time in which beats were looked for."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class HolterResult(DetectionResult):
    """What the three detectors found in one recording."""

    task: str = "holter"
    beats: BeatResult
    """Where the beats are."""
    rhythm: RhythmResult
    """How likely the rhythm is, window after window."""
    heartbeats: HeartbeatResult
    """The class of each beat."""

    @property
    def anything_judged(self) -> bool:
        """Whether beats were looked for anywhere."""
        return self.beats.anything_judged

    @property
    def times(self) -> NDArray[np.float64]:
        """When each beat is, in seconds of the recording, (n,)."""
        return self.heartbeats.times

    @property
    def rhythm_name(self) -> str:
        """The rhythm that is looked for, as it is usually called."""
        return "AF" if self.rhythm.positive in FIBRILLATION else self.rhythm.positive

    @cached_property
    def joined(self) -> NDArray[np.bool_]:
        """Whether nothing unknown lies between a beat and the next, (n - 1,)."""
        return joined_beats(self.times, np.array([each.start for each in self.beats.unjudged]))

    @cached_property
    def pauses(self) -> tuple[Stretch, ...]:
        """Intervals of more than two and at most ten seconds, in order of time."""
        return find_long_intervals(self.times, self.joined, PAUSE, LONGEST)

    @cached_property
    def without_beats(self) -> tuple[Stretch, ...]:
        """Judged stretches of more than ten seconds without a beat, which need not mean that there is none.

        They lie between two beats, or at an end of the recording or of what was judged.
        """
        edges = [
            0.0,
            *(moment for each in self.beats.unjudged for moment in each[:2]),
            self.recording.duration,
        ]
        return find_silence(self.times, list(zip(edges[::2], edges[1::2], strict=True)), LONGEST)

    @cached_property
    def intervals(self) -> Intervals:
        """Rate and variability of all intervals but those of `without_beats`, which are none of the heart's."""
        return summarise_intervals(self.times, self._breaks)

    @property
    def _breaks(self) -> list[float]:
        """Moments across which no interval counts."""
        silent = [(each.start + each.stop) / 2 for each in self.without_beats]
        return [each.start for each in self.beats.unjudged] + silent

    @cached_property
    def ectopy(self) -> dict[str, Ectopy]:
        """How ventricular (V) and supraventricular (S) ectopic beats come, where the model knows these classes.

        S beats count outside atrial fibrillation alone: while the atria fibrillate, no beat is a premature atrial one.
        """
        return {
            name: find_ectopy(self.ectopic(name), self.times, self.joined)
            for name in _ECTOPIC
            if name in self.heartbeats.classes
        }

    def ectopic(self, name: str) -> NDArray[np.bool_]:
        """Return which beats count as ectopic beats of a class, (n,)."""
        hit = self.heartbeats.decided == self.heartbeats.classes.index(name)
        return hit & ~self.in_rhythm if name == _ATRIAL and self.rhythm.positive in FIBRILLATION else hit

    @cached_property
    def in_rhythm(self) -> NDArray[np.bool_]:
        """Which beats lie in an episode of the rhythm that the model detects, (n,)."""
        inside = np.zeros(len(self.times), np.bool_)
        for each in self.rhythm_episodes():
            inside |= (self.times >= each.start) & (self.times < each.stop)
        return inside

    @cached_property
    def rates(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """When the middle of each eight intervals in a row is, in seconds, and their rate a minute."""
        return running_rates(self.times, self.joined)

    @cached_property
    def steps(self) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Edges of equal steps of time, (k + 1,), and how likely the rhythm is in each, NaN where not judged, (k,).

        A step is as long as the rhythm's windows are apart; its probability is the mean of the windows around it.
        """
        duration, stride = self.recording.duration, self.rhythm.stride
        edges = np.append(np.arange(0, duration, stride), duration)
        if len(edges) > 2 and edges[-1] - edges[-2] < stride / 2:
            edges = np.delete(edges, -2)
        likely = self.rhythm.at((edges[:-1] + edges[1:]) / 2)
        for each in self.beats.unjudged:  # where no beat can be found there is no rhythm
            likely[(edges[:-1] >= each.start) & (edges[1:] <= each.stop)] = np.nan
        return edges, likely

    def episodes(self) -> list[Episode]:
        """Return the stretches of one rhythm, in order of time; None where it was not judged."""
        edges, likely = self.steps
        found = []
        for name, run in groupby(range(len(likely)), lambda k: self._name(float(likely[k]))):
            first, *rest = run
            last = rest[-1] if rest else first
            found.append(Episode(float(edges[first]), float(edges[last + 1]), name))
        return found

    def rhythm_episodes(self) -> list[Episode]:
        """Return the stretches of the rhythm that the model detects, the longest first."""
        found = [each for each in self.episodes() if each.rhythm == self.rhythm.positive]
        return sorted(found, key=lambda each: each.start - each.stop)

    @property
    def rhythm_share(self) -> float:
        """Share of the judged time in the rhythm that the model detects; NaN where nothing was judged."""
        return self._share(0.0, self.recording.duration)

    @cached_property
    def hours(self) -> list[Hour]:
        """The hours of the recording, from its beginning."""
        duration, times, rr = self.recording.duration, self.times, np.diff(self.times)
        n = max(1, int(np.ceil(duration / HOUR - 1e-9)))
        counts, (moments, rates) = self.heartbeats.hours(), self.rates
        pauses = np.array([each.start for each in self.pauses])
        found = []
        for k in range(n):
            start, stop = k * HOUR, min((k + 1) * HOUR, duration)
            here = self.joined & (rr <= LONGEST) & (times[1:] >= start) & (times[1:] < stop)
            inside = rates[(moments >= start) & (moments < stop)]
            missing = sum(
                max(0.0, min(each.stop, stop) - max(each.start, start)) for each in self.beats.unjudged
            )
            found.append(
                Hour(
                    start, stop, {name: int(each[k]) for name, each in counts.items()},
                    rate=60 / float(rr[here].mean()) if here.any() else np.nan,
                    lowest=float(inside.min()) if len(inside) else np.nan,
                    highest=float(inside.max()) if len(inside) else np.nan,
                    pauses=int(((pauses >= start) & (pauses < stop)).sum()),
                    rhythm_share=self._share(start, stop),
                    judged=1 - missing / (stop - start) if stop > start else np.nan,
                )
            )  # fmt: skip
        return found

    @cached_property
    def variability(self) -> HeartRateVariability | None:
        """Heart-rate variability outside the rhythm that the model detects, in which it means nothing.

        Beats that the model calls ectopic or fused are replaced by even steps. None where NeuroKit2 (extra
        `evaluation`) is not installed.
        """
        breaks = self._breaks
        breaks += [moment for each in self.rhythm_episodes() for moment in (each.start, each.stop)]
        keep = ~self.in_rhythm
        keep[1:] &= np.diff(self.times) > 0
        ectopic = np.isin(self.heartbeats.names, _NOT_SINUS)
        try:
            return heart_rate_variability(self.times[keep], breaks=breaks, ectopic=ectopic[keep])
        except PhysiolectError:
            return None

    def moment(self, seconds: float) -> str:
        """Return a moment of the recording in words: its time of day, where known, else hours since the start."""
        if self.recording.start_time is not None:
            return clock_time(self.recording.start_time, seconds)[:8]
        minutes, second = divmod(seconds + self.first, 60)
        return f"{int(minutes // 60)}:{int(minutes % 60):02d}:{int(second):02d}"

    def annotations(self) -> Annotations:
        """Return marks at the recording's own rate: each beat's class, and "+" where the rhythm changes, with its name.

        Classes are AAMI's (N, S, V, F, Q), which are symbols of WFDB too: S is a supraventricular ectopic beat, of
        which an atrial premature beat (A) is one kind. Names of rhythms are "(AFIB" or "(N".
        """
        beats = self.heartbeats.annotations()
        episodes = self.episodes()
        last = max(self.recording.n_samples - 1, 0)
        sample = np.array([min(round(each.start * self.recording_fs), last) for each in episodes], np.int64)
        samples = np.concatenate([sample, beats.sample])
        order = np.argsort(samples, kind="stable")
        symbols = [*("+" if each.rhythm else '"' for each in episodes), *beats.symbol]
        notes = [*(f"({each.rhythm}" if each.rhythm else "not judged" for each in episodes), *beats.note]
        return Annotations(samples[order], tuple(symbols[k] for k in order), tuple(notes[k] for k in order))

    def columns(self) -> dict[str, Any]:
        """Return the table of beats: time_s, sample at the recording's own rate, rr_s, class, and probabilities.

        rr_s is empty after a stretch that was not judged. Probabilities are of each class and of the rhythm. A
        recording that states when it began has the column clock_time too.
        """
        rr = np.append(np.nan, np.where(self.joined, np.diff(self.times), np.nan))[: len(self.times)]
        found = self.heartbeats.columns()
        first = {name: found.pop(name) for name in ("time_s", "sample")}
        found.setdefault("p_rhythm", self.rhythm.at(self.times))
        return {**first, **self._clock_times(self.times), "rr_s": rr, **found}

    def to_dict(self) -> dict[str, Any]:
        """Return counts, hours, episodes, pauses and ectopy, ready for JSON."""
        _, rates = self.rates
        share = self.rhythm_share
        return super().to_dict() | {
            "beats": len(self.times),
            "classes": self.heartbeats.counts,
            "rate_bpm": self.intervals.to_dict()["rate_bpm"],
            "lowest_bpm": float(rates.min()) if len(rates) else None,
            "highest_bpm": float(rates.max()) if len(rates) else None,
            "rhythm": {
                "name": self.rhythm.positive, "share": None if np.isnan(share) else share,
                "episodes": [self._moved(asdict(each)) for each in self.rhythm_episodes()],
            },
            "pauses": [self._moved(asdict(each)) for each in self.pauses],
            "without_beats": [self._moved(asdict(each)) for each in self.without_beats],
            "ectopy": {name: self._moved_run(each.to_dict()) for name, each in self.ectopy.items()},
            "hours": [{key: _known(value) for key, value in self._moved(asdict(each)).items()} for each in self.hours],
            "variability": None if self.variability is None else self.variability.to_dict(),
            "not_judged_s": sum(each.stop - each.start for each in self.beats.unjudged),
        }  # fmt: skip

    def plot(self) -> Figure:
        """Draw rate, rhythm, ectopic beats and pauses over the whole recording."""
        from physiolect.plots import holter_figure

        edges, likely = self.steps
        return holter_figure(
            *self.rates, edges=edges, likely=likely, rhythm=self.rhythm_name,
            ectopic={
                name: self.times[self.ectopic(name)] for name in self.ectopy
            },
            pauses=[each.start for each in self.pauses], start=self.first, title=self._title,
            clock=self.recording.start_time,
        )  # fmt: skip

    def _name(self, likely: float) -> str | None:
        if np.isnan(likely):
            return None
        return self.rhythm.positive if likely >= THRESHOLD else self.rhythm.negative

    def _share(self, start: float, stop: float) -> float:
        edges, likely = self.steps
        seconds = np.clip(np.minimum(edges[1:], stop) - np.maximum(edges[:-1], start), 0, None)
        judged = float(seconds[np.isfinite(likely)].sum())
        return float(seconds[likely >= THRESHOLD].sum()) / judged if judged else np.nan

    def _moved(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Return facts with their moments counted from the beginning of the recording that was cut."""
        return facts | {"start": facts["start"] + self.first, "stop": facts["stop"] + self.first}

    def _moved_run(self, facts: dict[str, Any]) -> dict[str, Any]:
        run = facts["longest_run"]
        return facts if run is None else facts | {"longest_run": self._moved(run)}

    def _lines(self) -> Iterator[tuple[str, str]]:
        n, counts, (_, rates) = len(self.times), self.heartbeats.counts, self.rates
        listed, left = [f"{name} {count:,}" for name, count in counts.items()], n - sum(counts.values())
        yield "beats", f"{n:,}: " + ", ".join([*listed, *([f"{left:,} not sorted"] if left else [])])
        if np.isfinite(self.intervals.rate):
            extremes = (
                f"; {rates.min():.0f} to {rates.max():.0f} over {RATE_INTERVALS} intervals"
                if len(rates)
                else ""
            )
            yield "rate", f"{self.intervals.rate:.0f} a minute on average{extremes}"
        if not np.isnan(self.rhythm_share):
            episodes = self.rhythm_episodes()
            longest = f"; the longest {length_text(episodes[0].stop - episodes[0].start)}" if episodes else ""
            many = _count(len(episodes), "episode")
            yield self.rhythm_name, f"{self.rhythm_share:.1%} of the judged time, {many}{longest}"
        longest_pause = max((each.stop - each.start for each in self.pauses), default=0.0)
        yield (
            "pauses",
            f"{len(self.pauses):,} over {PAUSE:g} s"
            + (f"; the longest {longest_pause:.2f} s" if self.pauses else ""),
        )
        if self.without_beats:
            seconds = sum(each.stop - each.start for each in self.without_beats)
            yield (
                "no beats",
                f"in {length_text(seconds)}, in stretches of over {LONGEST:g} s: look at the signal there",
            )
        for name, each in self.ectopy.items():
            outside = f" outside {self.rhythm_name}" if each.beats < counts[name] else ""
            patterns = (
                f": {each.single:,} single, {_count(len(each.couplets), 'couplet')}, "
                f"{_count(len(each.runs), 'run')}, {_count(len(each.bigeminy), 'stretch')} of bigeminy"
            )
            yield f"{name} beats", f"{each.beats:,}{outside}{patterns if each.beats else ''}"
        if self.variability is not None and np.isfinite(self.variability.measures["SDNN"]):
            measures, share = self.variability.measures, self.variability.corrected_share
            doubt = (
                f"; doubtful: {share:.0%} of the beats were corrected" if self.variability.doubtful else ""
            )
            yield "variability", f"SDNN {measures['SDNN']:.0f} ms, RMSSD {measures['RMSSD']:.0f} ms{doubt}"
        elif self.variability is None:
            yield "variability", "left out: it needs NeuroKit2 (pip install 'physiolect[evaluation]')"
        missing = sum(each.stop - each.start for each in self.beats.unjudged)
        if missing:
            yield "not judged", length_text(missing)


def length_text(seconds: float) -> str:
    """Return a length of time in words: "9.5 s", "12 min 5 s", "3 h 20 min"."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours} h {minute} min" if hours else f"{minute} min {second} s"


def _count(n: int, word: str) -> str:
    plural = "es" if word.endswith("h") else "s"
    return f"{n:,} {word}{plural * (n != 1)}"


def _known(value: object) -> object:
    return None if isinstance(value, float) and np.isnan(value) else value
