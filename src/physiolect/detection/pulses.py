"""The pulses of a PPG as NeuroKit2 finds them, for recordings that no detector of ours reads."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physiolect.contract import InputContract, select_channels
from physiolect.detection.intervals import Intervals, summarise_intervals
from physiolect.detection.result import DetectionResult
from physiolect.detection.timing import pulse_times
from physiolect.detection.windows import lay_out
from physiolect.errors import require
from physiolect.recording import Annotations, Recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FS = 100.0
"""Hz at which pulses are looked for."""
_LEAST = 2.0
"""Seconds: a shorter stretch is not judged."""
_MAX_GAP = 0.1
_OF_MODELS = "the model has learnt"
"""Is in a notice about slow recordings that is of models alone: pulses lie below 8 Hz."""
_LONGEST = 3.0
"""Seconds: there is no longer interval from a pulse to the next."""
_UNEVEN, _MOST_UNEVEN, _FEWEST = 0.3, 0.2, 5
"""Intervals that differ by more than so much of the median are uneven; so many of at least so many are remarked."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class PulseResult(DetectionResult):
    """The pulses of a PPG; the method is NeuroKit2's, after Elgendi et al., PLoS ONE 8:e76585, 2013."""

    task: str = "pulses"
    times: NDArray[np.float64]
    """(pulses,) when each peaks, in seconds of the recording."""
    breaks: tuple[float, ...] = ()
    """Moments across which no interval counts: where a stretch begins that was not judged, or is without pulses."""
    unjudged: tuple[tuple[float, float], ...] = ()
    """Long gaps and stretches of one value, in seconds, in which nothing is judged."""

    @property
    def samples(self) -> NDArray[np.int64]:
        """Positions in samples at the recording's own rate, (pulses,)."""
        last = max(self.recording.n_samples - 1, 0)
        return np.clip(np.rint(self.times * self.recording_fs).astype(np.int64), 0, last)

    @property
    def anything_judged(self) -> bool:
        """Always: what is too short has been refused."""
        return True

    @property
    def intervals(self) -> Intervals:
        """Rate and variability."""
        return summarise_intervals(self.times, self.breaks)

    def annotations(self) -> Annotations:
        """Return marks at the recording's own rate: "N" for each pulse."""
        return Annotations(self.samples, ("N",) * len(self.times), ("",) * len(self.times))

    def columns(self) -> dict[str, Any]:
        """Return the table of pulses: time_s, sample at the recording's own rate, clock_time where a start is known."""
        return {
            "time_s": self.times + self.first,
            "sample": self.samples + round(self.first * self.recording_fs),
            **self._clock_times(self.times),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return count, rate, variability and what was not judged, ready for JSON."""
        return super().to_dict() | {
            "method": "NeuroKit2 (Elgendi 2013)", "pulses": len(self.times), "intervals": self.intervals.to_dict(),
            "unjudged": [{"start": a + self.first, "stop": b + self.first} for a, b in self.unjudged],
        }  # fmt: skip

    def plot(self) -> Figure:
        """Draw the signal with its pulses, and the rate from pulse to pulse; of a long one three stretches."""
        from physiolect.plots import pulses_figure

        return pulses_figure(
            self.recording.signal[0], fs=self.recording_fs, times=self.times, breaks=self.breaks, start=self.first,
            unit=self.recording.units[0], title=self._title, clock=self.recording.start_time, unjudged=self.unjudged,
        )  # fmt: skip

    def _lines(self) -> Iterator[tuple[str, str]]:
        intervals = self.intervals
        yield "method", "NeuroKit2's pulses, after Elgendi 2013; no model of Physiolect's own"
        yield "pulses", f"{len(self.times):,}"
        if intervals.count:
            yield "rate", f"{intervals.rate:.1f} pulses a minute"
            yield "intervals", f"{intervals.count:,}: mean {intervals.mean:.3f} s, SD {intervals.sd:.3f} s"


def find_pulses(recording: Recording, channel: str | int | None, *, first: float = 0.0) -> PulseResult:
    """Return the pulses of a PPG; what lies between two gaps longer than 0.1 s is searched by itself.

    Args:
        recording: has a PPG.
        channel: the one to search; None chooses.
        first: when the recording begins, in seconds of the one it was cut from.

    Raises:
        ContractError: there is no PPG, or it is too short or too slow.
        PhysiolectError: NeuroKit2 is not installed.
    """
    require("neurokit2", extra="evaluation")
    contract = InputContract(
        modality="ppg", fs=_FS, min_samples=round(_LEAST * _FS), max_samples=round(10 * _FS), max_gap=_MAX_GAP
    )
    chosen, track = select_channels(recording, contract, channel), lay_out(recording, contract, channel)
    flat = flat_spans(chosen.signal[0], chosen.fs)
    found, breaks = [np.empty(0)], [float(a) / track.fs for a, _ in track.gaps] + flat[:, 0].tolist()
    for a, b in _between(track.stretches(), np.rint(flat * track.fs).astype(np.int64)):
        if b - a < contract.min_samples:
            breaks.append(a / track.fs)
            continue
        peaks = elgendi_peaks(track.signal[0, a:b].astype(np.float64), track.fs)
        found.append(a / track.fs + pulse_times(track.signal[0, a:b], np.ones(b - a, bool), peaks, track.fs))
    times = np.unique(np.concatenate(found))
    times = times[(times >= 0) & (times < recording.duration)]
    silent = np.flatnonzero(np.diff(times) > _LONGEST)
    breaks += times[silent + 1].tolist()
    told = (each for each in track.report.notices if _OF_MODELS not in each)
    unjudged = np.concatenate([track.gaps / track.fs, flat])
    notices = (*told, *_notices(times, breaks, flat, len(silent)))
    return PulseResult(
        recording=chosen, fs=track.fs, report=replace(track.report, notices=notices), first=first, times=times,
        breaks=tuple(sorted(breaks)), unjudged=tuple(sorted((float(a), float(b)) for a, b in unjudged)),
    )  # fmt: skip


def flat_spans(signal: NDArray[np.floating], fs: float) -> NDArray[np.float64]:
    """Return where a signal (T,) keeps one value for a second or longer, (n, 2) in seconds."""
    same = signal[1:] == signal[:-1]
    edges = np.flatnonzero(np.diff(same, prepend=False, append=False)).reshape(
        -1, 2
    )  # of runs of equal steps
    spans = np.stack([edges[:, 0], edges[:, 1] + 1], 1)
    return spans[spans[:, 1] - spans[:, 0] >= fs] / fs


def _between(stretches: list[tuple[int, int]], flat: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield what of the stretches lies between flat ones, all in samples."""
    for begin, end in stretches:
        for a, b in flat.tolist():
            if begin < b and a < end:
                if a > begin:
                    yield begin, a
                begin = max(begin, b)
        if end > begin:
            yield begin, end


def _notices(
    times: NDArray[np.float64], breaks: list[float], flat: NDArray[np.float64], n_silent: int
) -> Iterator[str]:
    """Yield what users should know of the pulses."""
    if len(flat):
        seconds = float(np.diff(flat).sum())
        yield f"the signal keeps one value for {seconds:.1f} s in all: nothing is judged there"
    if n_silent:
        yield (
            f"{n_silent} stretch{'es' * (n_silent > 1)} of more than {_LONGEST:g} s without a pulse: no interval "
            "counts across"
        )
    intervals = np.concatenate(
        [np.diff(each) for each in np.split(times, np.searchsorted(times, sorted(breaks)))]
    )
    if len(intervals) >= _FEWEST:
        share = float((np.abs(intervals / np.median(intervals) - 1) > _UNEVEN).mean())
        if share > _MOST_UNEVEN:
            yield (
                f"{share:.0%} of the intervals differ by more than {_UNEVEN:.0%} from the median: the signal is noisy, "
                "or the rhythm is irregular; do not rely on the rate without looking at the figure"
            )


def elgendi_peaks(signal: NDArray[np.float64], fs: float) -> NDArray[np.int64]:
    """Return the systolic peaks that NeuroKit2 finds in a PPG (n,), in order; none where it gives up.

    Raises:
        PhysiolectError: NeuroKit2 is not installed.
    """
    nk = require("neurokit2", extra="evaluation")
    if np.ptp(signal) == 0:
        return np.empty(0, np.int64)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of the library, about signals without pulses
            clean = nk.ppg_clean(signal, sampling_rate=fs, method="elgendi")
            peaks = nk.ppg_findpeaks(clean, sampling_rate=fs, method="elgendi")["PPG_Peaks"]
    except (ValueError, IndexError, ZeroDivisionError):  # what it raises where there is nothing to find
        return np.empty(0, np.int64)
    return np.unique(np.asarray(peaks, np.int64))
