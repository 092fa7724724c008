"""Where the beats of a signal of any length are, and how sure the model is of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint, as_checkpoint
from physiolect.contract import select_channels
from physiolect.detection.beat_result import BeatResult, Unjudged
from physiolect.detection.timing import pulse_times, trace_times
from physiolect.detection.windows import (
    Reason,
    Track,
    check_answers,
    judged_windows,
    lay_out,
    progress_name,
    stride_samples,
)
from physiolect.errors import ConfigError
from physiolect.events import Listener, Reporter, Tell
from physiolect.formats import as_recording
from physiolect.recording import Recording
from physiolect.signals import find_gaps
from physiolect.training import using_threads

HEIGHT = 0.015
"""Least height of a beat's peak in the trace."""
WIDEST, NEAREST = 0.4, 0.28
"""Seconds: a peak's greatest width at half its prominence, and the least distance of two.

These are the published ones; 0.4 and 0.28 s are 20 and 14 samples at the published model's 50 Hz.
"""

STRIDES_A_WINDOW = 5
"""A window begins a fifth of its length after the last one: 100 of 500 samples, as published."""


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
    checkpoint: Checkpoint | str | Path,
    recording: Recording | str | Path,
    *,
    channel: str | int | None = None,
    stride: float | None = None,
    batch_size: int = 64,
    first: float = 0.0,
    threads: int | None = None,
    on_event: Listener | None = None,
) -> BeatResult:
    """Return the beats of a recording, and how sure the model is of each.

    As published: a window begins every fifth of its length, each is cut into levels by itself, a short one is filled
    up with level 0, every sample's trace is the mean of the windows that cover it, and beats are the trace's peaks.
    A stretch between two gaps longer than the contract's `max_gap` is a recording of its own. It is not judged where it
    is shorter than the contract's least, or where only flat windows cover it. Memory beyond the recording, its adapted
    copy and the trace does not grow with its length.

    Args:
        checkpoint: a beat model, opened or as `load_checkpoint` takes it. It runs where its weights are, and in
            their type.
        recording: or its file; of any length from the contract's least on.
        channel: which one to judge; None lets the contract choose, and takes all channels that it names.
        stride: seconds from the beginning of a window to that of the next; None is a fifth of a window.
        batch_size: windows that go through the model at once.
        first: when the recording begins, in seconds of the one it was cut from.
        threads: processor threads; default: one for a small model, PyTorch's setting for a large one.
        on_event: gets the progress, and messages.

    Raises:
        ContractError: the recording cannot be made into what the model accepts.
        CheckpointError: the checkpoint is for another task.
        ConfigError: a setting is out of range, or leaves samples that no window covers.
        Cancelled: `on_event` returned True.

    Source: Davies et al. 2024, arXiv:2407.20775, and the authors' program for long signals.
    """
    checkpoint = as_checkpoint(checkpoint)
    recording = as_recording(recording, channel, checkpoint.contract.modality)
    check_answers(checkpoint, "position")
    contract = checkpoint.contract
    length = contract.max_samples
    step = beat_stride(stride, contract.fs, length)
    chosen = select_channels(recording, contract, channel)
    track = lay_out(recording, contract, channel)
    tell = Reporter(on_event).progress(progress_name(chosen))
    with using_threads(threads, checkpoint.model):
        trace, reasons, interrupted = _trace(
            checkpoint, track, step, length, contract.min_samples, batch_size, tell
        )
    peaks = find_beats(trace, track.fs)
    return BeatResult(
        task=checkpoint.task.name,
        recording=chosen,
        fs=track.fs,
        report=track.report,
        first=first,
        interrupted=interrupted,
        samples=track.at_source(peaks),
        confidence=trace[peaks],
        trace=trace,
        unjudged=tuple(_unjudged(trace, reasons, track)),
        peak_times=(
            pulse_times(track.signal[0], np.isfinite(trace), peaks, track.fs)
            if contract.modality == "ppg" and len(track.signal) == 1
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
    tell: Tell,
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
    total = np.zeros(track.n_samples)
    n_windows = np.zeros(track.n_samples, np.uint16)
    begun, interrupted = 0, False
    try:
        for batch, likely, flat in judged_windows(
            checkpoint, track.signal, start, stop, length,
            batch_size=batch_size, last_only=False, tell=tell,
        ):  # fmt: skip
            for i in np.flatnonzero(~flat):
                a, b = start[batch][i], stop[batch][i]
                if not np.isfinite(likely[i, : b - a]).all():
                    if reasons and reasons[-1][2] == "no number" and a <= reasons[-1][1]:
                        a = reasons.pop()[0]  # windows overlap: one stretch
                    reasons.append((int(a), int(b), "no number"))
                    continue
                total[a:b] += likely[i, : b - a]
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
