"""Where the beats of a signal of any length are, and how sure the model is of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint, as_checkpoint
from physiolect.contract import select_channels
from physiolect.detection.beat_result import BeatResult, Unjudged
from physiolect.detection.timing import pulse_times, trace_times
from physiolect.detection.windows import (
    Reason,
    Track,
    Tracks,
    check_answers,
    judged_windows,
    progress_name,
    stride_samples,
)
from physiolect.errors import ConfigError
from physiolect.events import Listener, Reporter, Tell
from physiolect.formats import as_recording
from physiolect.recording import Modality, Recording
from physiolect.signals import find_gaps
from physiolect.signals.r_peaks import LEAST_FS, refine_peaks
from physiolect.training import using_threads

HEIGHT = 0.015
"""Least height of a beat's peak in the trace."""
WIDEST, NEAREST = 0.4, 0.28
"""Seconds: a peak's greatest width at half its prominence, and the least distance of two.

These are the published ones; 0.4 and 0.28 s are 20 and 14 samples at the published model's 50 Hz.
"""

STRIDES_A_WINDOW = 5
"""A window begins a fifth of its length after the last one: 100 of 500 samples, as published."""

MARGIN = 1.0
"""Seconds at either end of a window in which an encoder, which looks both ways, sees too little around a beat."""
CERTAIN, NEAREST_COMPLEXES = 0.5, 0.2
"""Of an encoder, least height of a beat's peak, and least distance of two in seconds."""


class Peaks(NamedTuple):
    """What counts as a peak of a trace."""

    height: float = HEIGHT
    """Least height."""
    nearest: float = NEAREST
    """Least distance of two in seconds."""


PUBLISHED_PEAKS = Peaks()


def peaks_of(checkpoint: Checkpoint) -> Peaks:
    """Return what counts as a peak of a model's trace: the published numbers, or an encoder's."""
    return PUBLISHED_PEAKS if checkpoint.model.causal else Peaks(CERTAIN, NEAREST_COMPLEXES)


def find_beats(trace: NDArray[np.floating], fs: float, kind: Peaks = PUBLISHED_PEAKS) -> NDArray[np.int64]:
    """Return the samples of a trace (n,) at which a beat stands out, in order; NaN counts as 0."""
    from scipy.signal import find_peaks

    peaks, _ = find_peaks(
        np.nan_to_num(trace.astype(np.float64), nan=0.0, copy=False),
        height=kind.height,
        width=(None, WIDEST * fs),
        distance=max(1, round(kind.nearest * fs)),
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
    An encoder looks both ways: its windows overlap by 2 s, and each sample's trace is that of the window in whose inner
    part it lies. A beat of an ECG is then moved to the R peak within 0.05 s, at the recording's own rate.
    A stretch between two gaps longer than the contract's `max_gap` is a recording of its own. It is not judged where it
    is shorter than the contract's least, or where only flat windows cover it. Memory beyond the recording, its adapted
    copy and the trace does not grow with its length.

    Args:
        checkpoint: a beat model, opened or as `load_checkpoint` takes it. It runs where its weights are, and in
            their type.
        recording: or its file; of any length from the contract's least on.
        channel: which one to judge; None lets the contract choose, and takes all channels that it names.
        stride: seconds from the beginning of a window to that of the next; by default a fifth of a window, or of an
            encoder a window less 2 s.
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
    tracks = Tracks(as_recording(recording, channel, checkpoint.contract.modality))
    return judge_beats(
        checkpoint, tracks, channel=channel, stride=stride, batch_size=batch_size, first=first, threads=threads,
        on_event=on_event,
    )  # fmt: skip


def judge_beats(
    checkpoint: Checkpoint,
    tracks: Tracks,
    *,
    channel: str | int | None,
    batch_size: int,
    threads: int | None,
    on_event: Listener | None,
    stride: float | None = None,
    first: float = 0.0,
) -> BeatResult:
    """Return what `detect_beats` does, for a recording that other models judge too."""
    check_answers(checkpoint, "position")
    contract, recording = checkpoint.contract, tracks.recording
    length = contract.max_samples
    margin = 0 if checkpoint.model.causal else min(round(MARGIN * contract.fs), length // 4)
    step = beat_stride(stride, contract.fs, length, usual=length - 2 * margin if margin else None)
    chosen = select_channels(recording, contract, channel)
    track = tracks.lay_out(contract, channel)
    tell = Reporter(on_event).progress(progress_name(chosen))
    windows = _lay_windows(track, contract.min_samples, step, length, margin)
    with using_threads(threads, checkpoint.model):
        trace, interrupted = _trace(checkpoint, track, windows, length, batch_size, tell)
    peaks = find_beats(trace, track.fs, peaks_of(checkpoint))
    samples, times = _place(chosen, contract.modality, track, trace, peaks)
    return BeatResult(
        task=checkpoint.task.name,
        recording=chosen,
        fs=track.fs,
        report=track.report,
        first=first,
        interrupted=interrupted,
        samples=samples,
        confidence=trace[peaks],
        trace=trace,
        unjudged=tuple(_unjudged(trace, windows.reasons, track)),
        peak_times=times,
    )


def _place(
    chosen: Recording,
    modality: Modality | None,
    track: Track,
    trace: NDArray[np.float32],
    peaks: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the samples of beats at the recording's own rate, and when they peak in seconds, (beats,) each."""
    samples, alone = track.at_source(peaks), len(track.signal) == 1
    if alone and modality == "ppg":
        return samples, pulse_times(track.signal[0], np.isfinite(trace), peaks, track.fs)
    times = trace_times(trace, peaks, track.fs)
    if not alone or modality != "ecg" or chosen.fs < LEAST_FS:
        return samples, times
    lead = chosen.signal[0]
    if np.isinf(lead).any():
        lead = np.where(np.isinf(lead), np.float32(np.nan), lead)
    refined = refine_peaks(lead, samples, chosen.fs)
    known = np.isfinite(refined)
    samples[known] = np.rint(refined[known]).astype(np.int64)
    return samples, np.where(known, refined / chosen.fs, times)


def beat_stride(stride: float | None, fs: float, length: int, usual: int | None = None) -> int:
    """Return the stride in samples. Without a stride it is `usual`, or a fifth of a window.

    Raises:
        ConfigError: it is less than a sample, or more than a window.
    """
    step = stride_samples(stride, fs, usual or max(1, length // STRIDES_A_WINDOW))
    if step > length:
        raise ConfigError(
            f"stride is {stride:g} s, but a window is {length / fs:g} s: beats between two would be missed",
            hint="leave it out for a fifth of a window",
        )
    return step


@dataclass(frozen=True)
class _Windows:
    """Windows over a recording, and what of each enters the trace."""

    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    inner: NDArray[np.int64]
    """(windows, 2) first sample of the inner part, and the one after its last."""
    reasons: list[tuple[int, int, Reason]]
    """First sample, the one after the last, and why it is not judged."""


def _lay_windows(track: Track, shortest: int, step: int, length: int, margin: int) -> _Windows:
    """Lay windows over what lies between long gaps: without a margin as published, else none beyond a stretch."""
    reasons: list[tuple[int, int, Reason]] = [(a, b, "gap") for a, b in track.gaps.tolist()]
    rows = [np.empty((0, 4), np.int64)]
    for a, b in track.stretches():
        if b - a < shortest:
            reasons.append((a, b, "short"))
            continue
        if margin:
            last = max(a, b - length)
            start = np.unique(np.minimum(np.arange(a, last + step, step), last))
        else:
            start = np.arange(a, b, step)
        stop = np.minimum(start + length, b)
        trimmed = min(margin, (length - step) // 2)
        inner = (np.where(start > a, start + trimmed, a), np.where(stop < b, stop - trimmed, b))
        rows.append(np.stack([start, stop, *(inner if margin else (start, stop))], axis=1))
    laid = np.concatenate(rows)
    return _Windows(laid[:, 0], laid[:, 1], laid[:, 2:], reasons)


def _trace(
    checkpoint: Checkpoint, track: Track, windows: _Windows, length: int, batch_size: int, tell: Tell
) -> tuple[NDArray[np.float32], bool]:
    """Return the trace (N,), and whether Ctrl-C came; add to `reasons` what could not be judged."""
    start, reasons = windows.start, windows.reasons
    total = np.zeros(track.n_samples)
    n_windows = np.zeros(track.n_samples, np.uint16)
    begun, interrupted = 0, False
    try:
        for batch, likely, flat in judged_windows(
            checkpoint, track.signal, start, windows.stop, length,
            batch_size=batch_size, last_only=False, tell=tell,
        ):  # fmt: skip
            for i in np.flatnonzero(~flat):
                a, b = windows.inner[batch][i].tolist()
                found = likely[i, a - start[batch][i] : b - start[batch][i]]
                if not np.isfinite(found).all():
                    if reasons and reasons[-1][2] == "no number" and a <= reasons[-1][1]:
                        a = reasons.pop()[0]  # windows overlap: one stretch
                    reasons.append((a, b, "no number"))
                    continue
                total[a:b] += found
                n_windows[a:b] += 1
            begun = int(batch.stop)
    except KeyboardInterrupt:
        interrupted = True
        if begun < len(start):
            reasons.append((int(start[begun]), len(total), "interrupted"))
    with np.errstate(invalid="ignore"):
        return np.divide(total, n_windows, out=total).astype(np.float32), interrupted


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
