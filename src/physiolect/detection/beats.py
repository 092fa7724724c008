"""Where the beats of a signal of any length are, and how sure the model is of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.contract import AdaptationReport
from physiolect.detection.intervals import Intervals, summarise_intervals
from physiolect.detection.timing import pulse_times, trace_times
from physiolect.detection.windows import (
    OnWindow,
    Reason,
    Track,
    check_task,
    judged_windows,
    lay_out,
    stride_samples,
)
from physiolect.errors import ConfigError
from physiolect.recording import Annotations, Recording
from physiolect.signals import find_gaps
from physiolect.tasks import TASKS

Confidence = Literal["low", "medium", "high"]

HEIGHT = 0.015
"""Least height of a beat's peak in the trace."""
WIDEST, NEAREST = 0.4, 0.28
"""Seconds: a peak's greatest width at half its prominence, and the least distance of two."""
MEDIUM, HIGH = 0.2051, 0.4598
"""Below the first a peak is of low confidence, up to the second of medium, above it of high.

All of these are the published ones; 0.4 and 0.28 s are 20 and 14 samples at the published model's 50 Hz.
"""

STRIDES_A_WINDOW = 5
"""A window begins a fifth of its length after the last one: 100 of 500 samples, as published."""


class Unjudged(NamedTuple):
    """A stretch of which nothing is known."""

    start: float
    """In seconds of the recording."""
    stop: float
    """In seconds of the recording."""
    reason: Reason
    """Why."""


@dataclass(frozen=True, eq=False)
class BeatResult:
    """The beats of a recording; `found` says whether there are any."""

    samples: NDArray[np.int64]
    """(beats,) positions in samples at the recording's own rate; the model's grid is that of `fs`, so a beat is
    placed within half of 1 / fs."""
    confidence: NDArray[np.float32]
    """(beats,) height of each beat's peak in the trace, from 0 to 1."""
    trace: NDArray[np.float32]
    """(n,) at `fs`: how much each sample looks like a beat, from 0 to 1, mean of all windows that cover it; NaN where
    nothing was judged."""
    fs: float
    """Rate of the trace in Hz: the contract's."""
    recording_fs: float
    """The recording's own rate in Hz."""
    unjudged: tuple[Unjudged, ...]
    """The stretches that were not judged, in order of time."""
    report: AdaptationReport
    """How the recording was adapted."""
    interrupted: bool = False
    """Ctrl-C came first; what was judged by then is here."""
    peak_times: NDArray[np.float64] | None = None
    """(beats,) when each beat peaks, in seconds of the recording, finer than a sample; `intervals` uses these times.

    It is the top of a parabola fitted to the pulse near the mark, or, for a model of another modality, to the trace.
    """

    @property
    def found(self) -> bool:
        """Whether there is any beat."""
        return len(self.samples) > 0

    @property
    def times(self) -> NDArray[np.float64]:
        """When each beat is, in seconds of the recording, (beats,)."""
        return self.samples / self.recording_fs

    @property
    def trace_times(self) -> NDArray[np.float64]:
        """When each sample of the trace is, in seconds of the recording, (n,)."""
        return np.arange(len(self.trace)) / self.fs

    @property
    def categories(self) -> tuple[Confidence, ...]:
        """How sure the model is of each beat, in a word."""
        return tuple(confidence_category(height) for height in self.confidence.tolist())

    @property
    def category(self) -> Confidence | None:
        """How sure it is of all, by the median; None where there is no beat to be sure of."""
        return confidence_category(float(np.median(self.confidence))) if self.found else None

    @property
    def intervals(self) -> Intervals:
        """Rate and variability, from `peak_times`; no interval counts across a stretch that was not judged."""
        times = self.times if self.peak_times is None else self.peak_times
        return summarise_intervals(times, [each.start for each in self.unjudged])

    def annotations(self) -> Annotations:
        """Return marks at the recording's own rate: "N" for each beat, with its confidence in a word as the note."""
        return Annotations(self.samples, ("N",) * len(self.samples), self.categories)


def confidence_category(height: float) -> Confidence:
    """Return how sure the model is of a peak of this height, by the published thresholds."""
    return "low" if height < MEDIUM else "medium" if height <= HIGH else "high"


def find_beats(trace: NDArray[np.floating], fs: float) -> NDArray[np.int64]:
    """Return the samples of a trace (n,) at which a beat stands out, in order; NaN counts as 0."""
    from scipy.signal import find_peaks

    peaks, _ = find_peaks(
        np.nan_to_num(trace.astype(np.float64), nan=0.0),
        height=HEIGHT,
        width=(None, WIDEST * fs),
        distance=max(1, round(NEAREST * fs)),
    )
    return np.asarray(peaks, np.int64)


def detect_beats(
    checkpoint: Checkpoint,
    recording: Recording,
    *,
    channel: str | int | None = None,
    stride: float | None = None,
    batch_size: int = 64,
    on_window: OnWindow | None = None,
) -> BeatResult:
    """Find the beats of a recording, and say how sure each is.

    As published: a window begins every fifth of its length, each is cut into levels by itself, what it lacks at the
    end is level 0, every sample's trace is the mean of the windows that cover it, and beats are the trace's peaks.
    What lies between two gaps longer than the contract's `max_gap` is a recording of its own, and not judged where it
    is shorter than the contract's least; nor is what only flat windows cover. Memory beyond the recording, its adapted
    copy and the trace does not grow with its length.

    Args:
        checkpoint: a beat model. It runs where its weights are, and in their type.
        recording: of any length from the contract's least on.
        channel: which one to judge; None lets the contract choose.
        stride: seconds from the beginning of a window to that of the next; None is a fifth of a window.
        batch_size: windows that go through the model at once.
        on_window: called with the windows judged so far and the number of all.

    Raises:
        ContractError: the recording cannot be made into what the model accepts.
        CheckpointError: the checkpoint is for another task.
        ConfigError: a setting is out of range, or leaves samples that no window covers.

    Source: Davies et al. 2024, arXiv:2407.20775, and the authors' program for long signals.
    """
    check_task(checkpoint, TASKS["beats"])
    contract = checkpoint.contract
    length = contract.max_samples
    step = beat_stride(stride, contract.fs, length)
    track = lay_out(recording, contract, channel)
    trace, reasons, interrupted = _trace(
        checkpoint, track, step, length, contract.min_samples, batch_size, on_window
    )
    peaks = find_beats(trace, track.fs)
    return BeatResult(
        samples=track.at_source(peaks),
        confidence=trace[peaks],
        trace=trace,
        fs=track.fs,
        recording_fs=recording.fs,
        unjudged=tuple(_unjudged(trace, reasons, track)),
        report=track.report,
        interrupted=interrupted,
        peak_times=(
            pulse_times(track.signal, np.isfinite(trace), peaks, track.fs)
            if contract.modality == "ppg"
            else trace_times(trace, peaks, track.fs)
        ),
    )


def beat_stride(stride: float | None, fs: float, length: int) -> int:
    """Return the stride in samples.

    Raises:
        ConfigError: it is less than a sample, or more than a window.
    """
    step = stride_samples(stride, fs, max(1, length // STRIDES_A_WINDOW))
    if step > length:
        raise ConfigError(
            f"stride is {stride:g} s, but a window is {length / fs:g} s: beats between two would be missed",
            hint="leave it out for a fifth of a window",
        )
    return step


def _trace(
    checkpoint: Checkpoint,
    track: Track,
    step: int,
    length: int,
    shortest: int,
    batch_size: int,
    on_window: OnWindow | None,
) -> tuple[NDArray[np.float32], list[tuple[int, int, Reason]], bool]:
    """Return the trace (N,), what is not judged of it for a reason known beforehand, and whether Ctrl-C came."""
    reasons: list[tuple[int, int, Reason]] = [(a, b, "gap") for a, b in track.gaps.tolist()]
    starts, stops = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for a, b in track.stretches():
        if b - a < shortest:
            reasons.append((a, b, "short"))
            continue
        starts.append(np.arange(a, b, step))
        stops.append(np.minimum(starts[-1] + length, b))
    start, stop = np.concatenate(starts), np.concatenate(stops)  # (windows,) each
    total = np.zeros(len(track.signal))
    n_windows = np.zeros(len(track.signal), np.uint16)
    begun, interrupted = 0, False
    try:
        for batch, said, flat in judged_windows(
            checkpoint, track.signal, start, stop, length,
            batch_size=batch_size, last_only=False, on_window=on_window,
        ):  # fmt: skip
            for i in np.flatnonzero(~flat):
                a, b = start[batch][i], stop[batch][i]
                if not np.isfinite(said[i, : b - a]).all():
                    if reasons and reasons[-1][2] == "no number" and a <= reasons[-1][1]:
                        a = reasons.pop()[0]  # windows overlap: one stretch
                    reasons.append((int(a), int(b), "no number"))
                    continue
                total[a:b] += said[i, : b - a]
                n_windows[a:b] += 1
            begun = int(batch.stop)
    except KeyboardInterrupt:
        interrupted = True
        if begun < len(start):
            reasons.append((int(start[begun]), len(total), "interrupted"))
    with np.errstate(invalid="ignore"):
        return (total / n_windows).astype(np.float32), reasons, interrupted


def _unjudged(
    trace: NDArray[np.float32], reasons: list[tuple[int, int, Reason]], track: Track
) -> list[Unjudged]:
    """Return the stretches where the trace is missing, each with its reason: flat where there is no other."""
    found = []
    for _, begin, end in find_gaps(trace[np.newaxis]).tolist():
        known = sorted((max(a, begin), min(b, end), why) for a, b, why in reasons if a < end and b > begin)
        at = begin
        for a, b, why in [*known, (end, end, "flat")]:
            if a > at:
                found.append(Unjudged(at / track.fs, a / track.fs, "flat"))
            if b > max(a, at):
                found.append(Unjudged(max(a, at) / track.fs, b / track.fs, why))
            at = max(at, b)
    return found
