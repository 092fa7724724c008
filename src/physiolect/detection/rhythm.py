"""A rhythm or not, such as atrial fibrillation, window after window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint, as_checkpoint
from physiolect.contract import select_channels
from physiolect.detection.beat_windows import FEWEST, Beats, beat_seconds, likely_of_windows
from physiolect.detection.rhythm_result import RhythmResult
from physiolect.detection.windows import (
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
from physiolect.recording import Recording
from physiolect.training import using_threads


def detect_rhythm(
    checkpoint: Checkpoint | str | Path,
    recording: Recording | str | Path,
    *,
    channel: str | int | None = None,
    stride: float | None = None,
    batch_size: int = 64,
    first: float = 0.0,
    beats: Beats | None = None,
    threads: int | None = None,
    on_event: Listener | None = None,
) -> RhythmResult:
    """Return how likely a rhythm, such as atrial fibrillation, is in each window of a recording.

    Windows are laid back from the recording's end, so that a recording as long as a window gives one probability, as
    published. The beginning is not judged where it fills no window. A window that is flat, or holds a gap longer than
    the contract's `max_gap`, has the probability NaN and a reason. Memory beyond the recording and its adapted copy
    does not grow with its length.

    Args:
        checkpoint: a rhythm model, opened or as `load_checkpoint` takes it. It runs where its weights are, and in
            their type.
        recording: or its file; of any length from a window on.
        channel: which one to judge; None lets the contract choose, and takes all channels that it names.
        stride: seconds from one window to the next; None lays them one after another.
        batch_size: windows that go through the model at once.
        first: when the recording begins, in seconds of the one it was cut from.
        beats: of a model that reads heartbeats, where these are: a `BeatResult`, samples at the recording's rate, or
            a checkpoint that finds them.
        threads: processor threads; default: one for a small model, PyTorch's setting for a large one.
        on_event: gets the progress, and messages.

    Raises:
        ContractError: the recording cannot be made into what the model accepts.
        CheckpointError: the checkpoint is for another task.
        ConfigError: a setting is out of range.
        Cancelled: `on_event` returned True.

    Source: Davies et al. 2024, arXiv:2407.20775: sigmoid of the fine-tuned head at the last position.
    """
    checkpoint = as_checkpoint(checkpoint)
    tracks = Tracks(as_recording(recording, channel, checkpoint.contract.modality))
    return judge_rhythm(
        checkpoint, tracks, channel=channel, stride=stride, batch_size=batch_size, first=first, beats=beats,
        threads=threads, on_event=on_event,
    )  # fmt: skip


def judge_rhythm(
    checkpoint: Checkpoint,
    tracks: Tracks,
    *,
    channel: str | int | None,
    batch_size: int,
    beats: Beats | None,
    threads: int | None,
    on_event: Listener | None,
    stride: float | None = None,
    first: float = 0.0,
) -> RhythmResult:
    """Return what `detect_rhythm` does, for a recording that other models judge too."""
    check_answers(checkpoint, "window")
    contract, recording = checkpoint.contract, tracks.recording
    step = stride_samples(stride, contract.fs, contract.max_samples)
    chosen = select_channels(recording, contract, channel)
    track = tracks.lay_out(contract, channel)
    length = min(contract.max_samples, track.n_samples)
    start = np.arange(track.n_samples - length, -1, -step)[::-1].copy()  # (windows,)
    reasons = np.where(track.touches_gap(start, length), "gap", "interrupted").astype(object)
    probability = np.full(len(start), np.nan, np.float32)
    given = {"channel": channel, "batch_size": batch_size, "threads": threads, "on_event": on_event}
    judge = _judge_of(checkpoint, recording, beats, length, given)
    rows = np.flatnonzero(reasons != "gap")
    tell = Reporter(on_event).progress(progress_name(chosen), len(rows))
    interrupted = False
    try:
        with using_threads(threads, checkpoint.model):
            for which, last, missing in judge(
                checkpoint, track, start[rows], batch_size=batch_size, tell=tell
            ):
                probability[rows[which]] = np.where(missing == "", last, np.nan)
                reasons[rows[which]] = np.where((missing == "") & np.isnan(last), "no number", missing)
    except KeyboardInterrupt:
        interrupted = True
    negative, positive = checkpoint.outputs.answers
    return RhythmResult(
        task=checkpoint.task.name,
        positive=positive,
        negative=negative,
        recording=chosen,
        fs=contract.fs,
        report=track.report,
        first=first,
        interrupted=interrupted,
        probability=probability,
        start=start / contract.fs,
        time=(start + length) / contract.fs,
        reasons=tuple(reasons.tolist()),
        window=length / contract.fs,
        stride=step / contract.fs,
    )


Judged: TypeAlias = Iterator[tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.str_]]]
"""Numbers of windows (b,), their probabilities (b,), and why they have none (b,), "" where they have."""


def _judge_of(
    checkpoint: Checkpoint, recording: Recording, beats: Beats | None, length: int, given: dict[str, Any]
) -> Callable[..., Judged]:
    """Return what judges windows of a recording: by their signal, or by their heartbeats.

    Raises:
        ConfigError: beats are given to a model that reads the signal, or none to one that reads beats.
    """
    if checkpoint.reads_beats:
        samples = beat_seconds(beats, recording, **given) * checkpoint.contract.fs
        return partial(_of_beats, samples=samples, length=length)
    if beats is not None:
        raise ConfigError(
            "beats were given, but the checkpoint reads the signal itself", hint="leave beats out"
        )
    return partial(_of_signal, length=length)


def _of_signal(
    checkpoint: Checkpoint,
    track: Track,
    start: NDArray[np.int64],
    *,
    length: int,
    batch_size: int,
    tell: Tell,
) -> Judged:
    """Judge windows of signal."""
    for batch, likely, flat in judged_windows(
        checkpoint, track.signal, start, start + length, length,
        batch_size=batch_size, last_only=True, tell=tell,
    ):  # fmt: skip
        yield np.arange(batch.start, batch.stop), likely[:, -1], np.where(flat, "flat", "")


def _of_beats(
    checkpoint: Checkpoint,
    track: Track,
    start: NDArray[np.int64],
    *,
    samples: NDArray[np.float64],
    length: int,
    batch_size: int,
    tell: Tell,
) -> Judged:
    """Judge the heartbeats of windows; `samples` (n,) says where they are in the track."""
    tokens = checkpoint.encode_beats(track.signal, samples)
    first, end = np.searchsorted(samples, start), np.searchsorted(samples, start + length)
    few = np.flatnonzero(end - first < FEWEST)
    yield few, np.full(len(few), np.nan, np.float32), np.full(len(few), "few beats")
    rows = np.flatnonzero(end - first >= FEWEST)
    counts = np.minimum(end - first, checkpoint.model.context_length)[rows]
    for batch, likely in likely_of_windows(
        checkpoint, tokens, first[rows], counts, batch_size=batch_size, tell=tell
    ):
        yield rows[batch], likely, np.full(len(likely), "")
