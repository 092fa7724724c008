"""Detection by whatever a checkpoint was trained for: in a recording, or in a signal while it comes in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from physiolect.checkpoint import Checkpoint, as_checkpoint
from physiolect.detection.beat_result import BeatResult
from physiolect.detection.beats import detect_beats
from physiolect.detection.rhythm import detect_rhythm
from physiolect.detection.rhythm_result import RhythmResult
from physiolect.detection.streaming import BeatStream, RhythmStream
from physiolect.detection.windows import check_answers, name_detectors
from physiolect.errors import CheckpointError, ConfigError, ContractError
from physiolect.events import Listener
from physiolect.recording import Modality, Recording
from physiolect.tasks import TASKS, Scope

_DETECT: dict[Scope, Callable[..., RhythmResult | BeatResult]] = {
    "window": detect_rhythm,
    "position": detect_beats,
}


def check_detector(checkpoint: Checkpoint, task: str | None = None) -> None:
    """Refuse a checkpoint that detects nothing, or something else than a task.

    Args:
        checkpoint: what is to detect.
        task: name of the task that it must be for; None accepts every task that is answered by yes or no.

    Raises:
        CheckpointError: it is for another task, or has several outputs.
    """
    if task is None and checkpoint.outputs.kind != "binary":
        detectors = [each for each in TASKS.values() if each.kind == "binary"]
        raise CheckpointError(
            f"the checkpoint {checkpoint.task.does}, and detects nothing in a recording",
            hint=f"use {name_detectors(checkpoint.contract.modality, *detectors)}",
        )
    if task is not None and checkpoint.task != TASKS[task]:
        raise CheckpointError(
            f"the checkpoint {checkpoint.task.does}, but one that {TASKS[task].does} is needed",
            hint=f"use {name_detectors(checkpoint.contract.modality, TASKS[task])}",
        )
    check_answers(checkpoint, checkpoint.outputs.scope)


def detect(
    checkpoint: Checkpoint | str | Path,
    recording: Recording | str | Path,
    *,
    channel: str | int | None = None,
    stride: float | None = None,
    batch_size: int = 64,
    first: float = 0.0,
    threads: int | None = None,
    on_event: Listener | None = None,
) -> RhythmResult | BeatResult:
    """Return the rhythm or the beats of a recording, as the checkpoint was trained for.

    See `detect_rhythm` and `detect_beats`, which also say what the arguments mean.

    Raises:
        ContractError: the recording cannot be made into what the model accepts.
        CheckpointError: the checkpoint detects nothing.
        ConfigError: a setting is out of range.
        Cancelled: `on_event` returned True.
    """
    checkpoint = as_checkpoint(checkpoint)
    check_detector(checkpoint)
    return _DETECT[checkpoint.outputs.scope](
        checkpoint,
        recording,
        channel=channel,
        stride=stride,
        batch_size=batch_size,
        first=first,
        threads=threads,
        on_event=on_event,
    )


def open_stream(
    checkpoint: Checkpoint,
    *,
    fs: float,
    modality: Modality | None = None,
    stride: float | None = None,
    latency: float | None = None,
    threads: int | None = None,
) -> RhythmStream | BeatStream:
    """Return what detects in a signal while it comes in, as the checkpoint was trained for.

    See `RhythmStream` and `BeatStream`.

    Args:
        checkpoint: a rhythm or beat model.
        fs: rate of the signal in Hz.
        modality: what the signal measures; None takes it to be what the model reads.
        stride: seconds from one window to the next.
        latency: for beats, seconds to wait for windows that cover a beat.
        threads: processor threads; default: one for a small model, PyTorch's setting for a large one.

    Raises:
        CheckpointError: the checkpoint detects nothing, or takes several channels.
        ContractError: the model reads another modality, or its recordings are filtered in a way that needs all of them.
        ConfigError: stride or latency is out of range.
    """
    check_detector(checkpoint)
    if modality not in (None, checkpoint.contract.modality):
        raise ContractError(
            f"the numbers are {modality}, but the model reads {checkpoint.contract.modality}",
            hint=f"give a checkpoint for {modality}",
        )
    if checkpoint.outputs.scope == "window":
        if latency is not None:
            raise ConfigError(
                f"latency is for beats, but the checkpoint {checkpoint.task.does}",
                hint="leave latency out; stride sets how often",
            )
        return RhythmStream(checkpoint, fs=fs, stride=stride, threads=threads)
    return BeatStream(checkpoint, fs=fs, stride=stride, latency=latency, threads=threads)
