"""Detection by whatever a checkpoint was trained for: in a recording, or in a signal while it comes in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from physiolect.checkpoint import Checkpoint, as_checkpoint
from physiolect.detection.beat_result import BeatResult
from physiolect.detection.beat_windows import Beats
from physiolect.detection.beats import detect_beats
from physiolect.detection.heartbeat_result import HeartbeatResult
from physiolect.detection.heartbeats import check_heartbeats, detect_heartbeats
from physiolect.detection.holter import detect_all
from physiolect.detection.holter_result import HolterResult
from physiolect.detection.pulses import PulseResult
from physiolect.detection.rhythm import detect_rhythm
from physiolect.detection.rhythm_result import RhythmResult
from physiolect.detection.streaming import BeatStream, RhythmStream
from physiolect.detection.windows import check_answers, name_detectors
from physiolect.errors import CheckpointError, ConfigError, ContractError
from physiolect.events import Listener
from physiolect.recording import Modality, Recording
from physiolect.tasks import TASKS, Kind, Scope

_DETECT: dict[tuple[Kind, Scope], Callable[..., RhythmResult | BeatResult | HeartbeatResult]] = {
    ("binary", "window"): detect_rhythm,
    ("binary", "position"): detect_beats,
    ("one-of", "position"): detect_heartbeats,
}
_TAKES: dict[tuple[Kind, Scope], tuple[str, ...]] = {
    ("binary", "window"): ("stride", "beats"),
    ("binary", "position"): ("stride",),
    ("one-of", "position"): ("beats", "rhythm"),
}
"""Arguments that not all of them take."""


def check_detector(checkpoint: Checkpoint, task: str | None = None) -> None:
    """Refuse a checkpoint that detects nothing, or something else than a task.

    Args:
        checkpoint: what is to detect.
        task: name of the task that it must be for; None accepts every task that `detect` does.

    Raises:
        CheckpointError: it is for another task, or has several outputs.
    """
    if task is None and not checkpoint.task.detected:
        detectors = [each for each in TASKS.values() if each.detected]
        raise CheckpointError(
            f"the checkpoint {checkpoint.task.does}, and detects nothing in a recording",
            hint=f"use {name_detectors(checkpoint.contract.modality, *detectors)}",
        )
    if task is not None and checkpoint.task != TASKS[task]:
        raise CheckpointError(
            f"the checkpoint {checkpoint.task.does}, but one that {TASKS[task].does} is needed",
            hint=f"use {name_detectors(checkpoint.contract.modality, TASKS[task])}",
        )
    if checkpoint.outputs.kind == "binary":
        check_answers(checkpoint, checkpoint.outputs.scope)
    else:
        check_heartbeats(checkpoint)


def detect(
    checkpoint: Checkpoint | Recording | str | Path,
    recording: Recording | str | Path | None = None,
    *,
    channel: str | int | None = None,
    stride: float | None = None,
    batch_size: int = 64,
    first: float = 0.0,
    beats: Beats | None = None,
    rhythm: RhythmResult | Checkpoint | str | Path | None = None,
    threads: int | None = None,
    on_event: Listener | None = None,
) -> RhythmResult | BeatResult | HeartbeatResult | HolterResult | PulseResult:
    """Return the rhythm, the beats or the classes of heartbeats of a recording, as the checkpoint was trained for.

    `detect(recording)`, without a checkpoint, returns all three of an ECG, by the detectors that come with the package,
    or the pulses of a PPG; see `detect_all`. With a checkpoint, see `detect_rhythm`, `detect_beats` and
    `detect_heartbeats`, which also say what the arguments mean.

    Raises:
        ContractError: the recording cannot be made into what the model accepts.
        CheckpointError: the checkpoint detects nothing, or there is none and the package's detectors are missing.
        ConfigError: a setting is out of range.
        Cancelled: `on_event` returned True.
    """
    if recording is None or isinstance(checkpoint, Recording):
        return _detect_all(
            checkpoint, recording, {"stride": stride, "beats": beats, "rhythm": rhythm}, channel=channel,
            batch_size=batch_size, first=first, threads=threads, on_event=on_event,
        )  # fmt: skip
    checkpoint = as_checkpoint(checkpoint)
    check_detector(checkpoint)
    kind = (checkpoint.outputs.kind, checkpoint.outputs.scope)
    given = {"beats": beats, "rhythm": rhythm, "stride": stride}
    useless = [name for name, value in given.items() if value is not None and name not in _TAKES[kind]]
    if beats is not None and not checkpoint.reads_beats and "beats" not in useless:
        useless.append("beats")
    if useless:
        raise ConfigError(
            f"{' and '.join(useless)} cannot be used with a checkpoint that {checkpoint.task.does}"
            + ("" if checkpoint.reads_beats else " in the signal itself"),
            hint="leave it out",
        )
    return _DETECT[kind](
        checkpoint,
        recording,
        channel=channel,
        batch_size=batch_size,
        first=first,
        threads=threads,
        on_event=on_event,
        **{name: given[name] for name in _TAKES[kind]},
    )


def _detect_all(
    recording: Checkpoint | Recording | str | Path,
    second: Recording | str | Path | None,
    given: dict[str, object],
    **settings: Any,
) -> HolterResult | PulseResult:
    """Return what the package's own detectors find.

    Raises:
        ConfigError: there is no recording, there are two, or a setting is for one checkpoint.
    """
    if second is not None or isinstance(recording, Checkpoint):
        raise ConfigError(
            "detect takes a recording alone, or first a checkpoint and then a recording",
            hint="detect(recording), or detect(checkpoint, recording)",
        )
    useless = [name for name, value in given.items() if value is not None]
    if useless:
        raise ConfigError(
            f"{' and '.join(useless)} cannot be used without a checkpoint", hint="leave it out, or give one"
        )
    return detect_all(recording, **settings)


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
    if checkpoint.reads_beats:
        raise CheckpointError(
            "the checkpoint reads heartbeats, which have to be found first: it does not read a signal as it comes in",
            hint="detect in whole recordings",
        )
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
