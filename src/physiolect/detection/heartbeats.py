"""The class of each heartbeat of a recording."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint, as_checkpoint
from physiolect.contract import select_channels
from physiolect.datasets.examples.beat_examples import lay_beats
from physiolect.detection.beat_windows import Beats, beat_seconds, likely_of_windows
from physiolect.detection.heartbeat_result import HeartbeatResult
from physiolect.detection.rhythm import detect_rhythm
from physiolect.detection.rhythm_result import RhythmResult
from physiolect.detection.windows import Track, Tracks, check_recording, name_detectors
from physiolect.errors import CheckpointError, ContractError
from physiolect.events import Listener, Reporter
from physiolect.formats import as_recording
from physiolect.recording import Recording
from physiolect.tasks import TASKS
from physiolect.training import using_threads

OVERLAP = 3
"""Windows of the rhythm that cover a beat."""


def detect_heartbeats(
    checkpoint: Checkpoint | str | Path,
    recording: Recording | str | Path,
    *,
    beats: Beats | None = None,
    rhythm: RhythmResult | Checkpoint | str | Path | None = None,
    channel: str | int | None = None,
    batch_size: int = 64,
    first: float = 0.0,
    threads: int | None = None,
    on_event: Listener | None = None,
) -> HeartbeatResult:
    """Return the class of each heartbeat of a recording.

    Beats are described by as many leads as the model takes: lead II or the usual one, then V1, V5 … A lead that the
    recording lacks counts as not known. What lies between two gaps longer than the contract's `max_gap` is described
    by itself, and a beat in a gap is not judged.

    Args:
        checkpoint: a model of heartbeats, opened or as `load_checkpoint` takes it.
        recording: or its file; of any length.
        beats: where the beats are: a `BeatResult`, samples at the recording's rate, or a checkpoint that finds them.
        rhythm: how likely a rhythm is around each beat: a `RhythmResult`, or a checkpoint; needed by models that were
            trained with it, and left aside by others.
        channel: the one channel to describe beats by; None chooses.
        batch_size: windows that go through a model at once.
        first: when the recording begins, in seconds of the one it was cut from.
        threads: processor threads; default: one for a small model, PyTorch's setting for a large one.
        on_event: gets the progress, and messages.

    Raises:
        ContractError: the recording cannot be made into what the model accepts.
        CheckpointError: a checkpoint is for another task.
        ConfigError: nothing says where the beats are, or a setting is out of range.
        Cancelled: `on_event` returned True.
    """
    checkpoint, tracks = as_checkpoint(checkpoint), Tracks(as_recording(recording, channel))
    return judge_heartbeats(
        checkpoint, tracks, beats=beats, rhythm=rhythm, channel=channel, batch_size=batch_size, first=first,
        threads=threads, on_event=on_event,
    )  # fmt: skip


def judge_heartbeats(
    checkpoint: Checkpoint,
    tracks: Tracks,
    *,
    beats: Beats | None,
    rhythm: RhythmResult | Checkpoint | str | Path | None,
    channel: str | int | None,
    batch_size: int,
    threads: int | None,
    on_event: Listener | None,
    first: float = 0.0,
) -> HeartbeatResult:
    """Return what `detect_heartbeats` does, for a recording that other models judge too."""
    check_heartbeats(checkpoint)
    contract, recording = checkpoint.contract, tracks.recording
    leads = beat_leads(checkpoint, recording, channel)
    times = beat_seconds(
        beats, recording, channel=leads[0], batch_size=batch_size, threads=threads, on_event=on_event
    )
    laid_out = [tracks.lay_out(contract, lead) for lead in leads]
    likely_rhythm, notices = rhythm_around(
        checkpoint, recording, rhythm, times, channel=leads[0], batch_size=batch_size, threads=threads,
        on_event=on_event,
    )  # fmt: skip
    probability = np.full((len(times), len(checkpoint.outputs.classes)), np.nan, np.float32)
    tell = Reporter(on_event).progress("windows of heartbeats")
    interrupted = False
    try:
        with using_threads(threads, checkpoint.model):
            for begin, end, signal, offset in beat_stretches(laid_out, times * contract.fs):
                around = None if likely_rhythm is None else likely_rhythm[begin:end]
                tokens = checkpoint.encode_beats(signal, times[begin:end] * contract.fs - offset, around)
                start, counts, core = lay_beats(end - begin, checkpoint.model.context_length)
                for batch, likely in likely_of_windows(
                    checkpoint, tokens, start, counts, batch_size=batch_size, tell=tell
                ):
                    for row, (at, (a, b)) in enumerate(zip(start[batch], core[batch], strict=True)):
                        probability[begin + at + a : begin + at + b] = likely[row, a:b]
    except KeyboardInterrupt:
        interrupted = True
    report = laid_out[0].report
    return HeartbeatResult(
        task=checkpoint.task.name, recording=recording.select(leads), fs=contract.fs,
        report=replace(report, notices=(*report.notices, *notices)), first=first, interrupted=interrupted,
        classes=checkpoint.outputs.classes, times=times, probability=probability, rhythm=likely_rhythm,
    )  # fmt: skip


def check_heartbeats(checkpoint: Checkpoint) -> None:
    """Refuse a checkpoint that does not sort heartbeats into classes.

    Raises:
        CheckpointError: it does something else.
    """
    if (checkpoint.outputs.kind, checkpoint.outputs.scope) != ("one-of", "position"):
        wanted = [task for task in TASKS.values() if (task.kind, task.scope) == ("one-of", "position")]
        raise CheckpointError(
            f"the checkpoint {checkpoint.task.does}, but one that {wanted[0].does} is needed",
            hint=f"use {name_detectors(checkpoint.contract.modality, *wanted)}",
        )
    _ = checkpoint.beats


def beat_leads(checkpoint: Checkpoint, recording: Recording, channel: str | int | None) -> list[int]:
    """Return the channels that describe the beats: the one asked for, or the usual one and the best beside it."""
    contract, tokenizer = checkpoint.contract, checkpoint.beats
    chosen = select_channels(recording, contract, channel)  # refuses a recording without any
    usual = next(
        row for row in range(len(recording.channels))
        if recording.channels[row] == chosen.channels[0]
        and np.array_equal(recording.signal[row, :1000], chosen.signal[0, :1000], equal_nan=True)
    )  # fmt: skip
    if channel is not None or tokenizer.n_leads == 1:
        return [usual]
    fitting = [
        row for row in range(len(recording.channels)) if row == usual or _fits(recording, checkpoint, row)
    ]
    names = [recording.channels[row] for row in fitting]
    order = [fitting[place] for place in tokenizer.choose_leads(names)]
    return order if usual in order else [usual, *order][: tokenizer.n_leads]


def _fits(recording: Recording, checkpoint: Checkpoint, row: int) -> bool:
    try:
        check_recording(recording, checkpoint.contract, row)
    except ContractError:
        return False
    return True


def rhythm_around(
    checkpoint: Checkpoint,
    recording: Recording,
    rhythm: RhythmResult | Checkpoint | str | Path | None,
    times: NDArray[np.float64],
    *,
    channel: int,
    batch_size: int,
    threads: int | None,
    on_event: Listener | None,
) -> tuple[NDArray[np.float32] | None, list[str]]:
    """Return the probability of the rhythm around each beat, None where not known, and what users should know."""
    if "rhythm" not in checkpoint.beats.places:
        return None, []
    if rhythm is None:
        return None, [
            "the model reads the probability of a rhythm around each beat, but no rhythm is given: it is taken "
            "as not known"
        ]
    if not isinstance(rhythm, RhythmResult):
        detector = as_checkpoint(rhythm)
        contract = detector.contract
        if recording.duration * contract.fs < contract.min_samples:
            return None, ["the recording is too short for its rhythm, which is taken as not known"]
        rhythm = detect_rhythm(
            detector, recording, channel=channel, stride=contract.max_samples / contract.fs / OVERLAP,
            beats=np.rint(times * recording.fs).astype(np.int64) if detector.reads_beats else None,
            batch_size=batch_size, threads=threads, on_event=on_event,
        )  # fmt: skip
        if rhythm.interrupted:
            raise KeyboardInterrupt
    return rhythm.at(times), []


def beat_stretches(
    tracks: list[Track], samples: NDArray[np.float64]
) -> list[tuple[int, int, NDArray[np.float32], int]]:
    """Return what lies between long gaps of any lead: first beat, the one after the last, signal, first sample."""
    if len(tracks) == 0 or not len(samples):
        return []
    n = min(track.n_samples for track in tracks)
    signal = np.stack([track.signal[0, :n] for track in tracks])
    missing = np.zeros(n, np.bool_)
    for track in tracks:
        for a, b in track.gaps.tolist():
            missing[a:b] = True
    edges = np.flatnonzero(np.diff(missing, prepend=True, append=True))
    found = []
    for a, b in edges.reshape(-1, 2).tolist():
        begin, end = np.searchsorted(samples, (a, b)).tolist()
        if end > begin:
            found.append((begin, end, signal[:, a:b], a))
    return found
