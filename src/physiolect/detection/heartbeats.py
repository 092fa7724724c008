"""The class of each heartbeat of a recording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint, as_checkpoint
from physiolect.contract import select_channels
from physiolect.contract.channels import channel_modality, choose_channels
from physiolect.contract.report import Findings
from physiolect.contract.samples import is_dead
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
    recording lacks counts as not known, and so does one in its gaps. What lies between two gaps longer than the
    contract's `max_gap` is described by itself, and a beat in a gap of the first lead is not judged.

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
    report, notices = laid_out[0].report, [*notices, *_lost_leads(recording, leads, laid_out)]
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
    """Return the channels that describe the beats: the one asked for, or the usual one and the best ECG beside it.

    A channel of which nothing says that it is an ECG is no second lead: it may be a pressure, or an empty input.
    """
    contract, tokenizer = checkpoint.contract, checkpoint.beats
    select_channels(recording, contract, channel)  # refuses a recording without any
    (usual,) = choose_channels(recording, contract, channel, Findings())
    if channel is not None or tokenizer.n_leads == 1:
        return [usual]
    others = [
        row for row in range(len(recording.channels)) if row != usual and _fits(recording, checkpoint, row)
    ]
    rows = [usual, *others]
    order = [rows[place] for place in tokenizer.choose_leads([recording.channels[row] for row in rows])]
    return [usual, *(row for row in order if row != usual)][: tokenizer.n_leads]


def _lost_leads(recording: Recording, leads: list[int], laid_out: list[Track]) -> Iterator[str]:
    """Yield how long further leads are missing, which describe no beat there."""
    for row, track in zip(leads[1:], laid_out[1:], strict=True):
        if len(track.gaps):
            seconds = float(np.diff(track.gaps).sum()) / track.fs
            yield f"{recording.channels[row]} is missing for {seconds:.1f} s: beats are described without it there"


def _fits(recording: Recording, checkpoint: Checkpoint, row: int) -> bool:
    modality = checkpoint.contract.modality
    if modality is not None and channel_modality(recording, row) != modality:
        return False
    if is_dead(recording.signal[row]):
        return False
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
    """Return what lies between long gaps: first beat, the one after the last, signal, first sample.

    The signal has the leads before the first that has a gap there; where the first lead has one, there is no stretch.
    """
    if len(tracks) == 0 or not len(samples):
        return []
    n = min(track.n_samples for track in tracks)
    signal = np.stack([track.signal[0, :n] for track in tracks])
    known = np.full(n, len(tracks), np.int8)  # leads
    for lead, track in reversed(list(enumerate(tracks))):
        for a, b in track.gaps.tolist():
            known[a:b] = lead
    edges = [0, *(np.flatnonzero(np.diff(known)) + 1).tolist(), n]
    found = []
    for a, b in pairwise(edges):
        begin, end = np.searchsorted(samples, (a, b)).tolist()
        if end > begin and known[a]:
            found.append((begin, end, signal[: known[a], a:b], a))
    return found
