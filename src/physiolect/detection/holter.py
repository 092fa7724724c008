"""Rhythm, beats and their classes of a recording in one pass, by the detectors that come with the package."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from physiolect.checkpoint import EMBEDDED, Checkpoint, load_checkpoint
from physiolect.checkpoint.fingerprint import weights_digest
from physiolect.contract.channels import channel_modality
from physiolect.detection.beats import judge_beats
from physiolect.detection.heartbeats import OVERLAP, check_heartbeats, judge_heartbeats
from physiolect.detection.holter_result import HolterResult
from physiolect.detection.pulses import PulseResult, find_pulses
from physiolect.detection.rhythm import judge_rhythm
from physiolect.detection.windows import Tracks, check_answers
from physiolect.events import Listener, Reporter
from physiolect.formats import as_recording
from physiolect.recording import Modality, Recording

NAMES = ("ecg-beats", "ecg-rhythm", "ecg-heartbeats")
"""The embedded checkpoints: what finds R peaks, what judges the rhythm, what sorts the beats."""


@dataclass(frozen=True)
class Detectors:
    """Three models that judge an ECG one after another.

    Raises:
        CheckpointError: one of them does something else.
    """

    beats: Checkpoint
    rhythm: Checkpoint
    heartbeats: Checkpoint

    def __post_init__(self) -> None:
        check_answers(self.beats, "position")
        check_answers(self.rhythm, "window")
        check_heartbeats(self.heartbeats)

    @property
    def digests(self) -> dict[str, str]:
        """Digest of the weights of each, by the name of its task."""
        return {
            each.task.name: weights_digest(each.model.state_dict())
            for each in (self.beats, self.rhythm, self.heartbeats)
        }

    def to(self, device: torch.device | str) -> Detectors:
        """Move all three to a device, and return them."""
        for each in (self.beats, self.rhythm, self.heartbeats):
            each.model.to(device)
        return self


def load_detectors() -> Detectors:
    """Load the three detectors that come with the package."""
    return Detectors(*(load_checkpoint(EMBEDDED[name]) for name in NAMES))


def modality_to_judge(recording: Recording, channel: str | int | None) -> Modality:
    """Return what a recording is judged as: "ppg" where the channel asked for is one, or only PPGs are there."""
    rows = [recording.index(channel)] if channel is not None else range(len(recording.channels))
    found = {channel_modality(recording, row) for row in rows}
    return "ppg" if "ppg" in found and "ecg" not in found else "ecg"


def detect_all(
    recording: Recording | str | Path,
    *,
    detectors: Detectors | None = None,
    channel: str | int | None = None,
    batch_size: int = 64,
    first: float = 0.0,
    threads: int | None = None,
    on_event: Listener | None = None,
) -> HolterResult | PulseResult:
    """Return beats, rhythm and classes of beats of an ECG, or the pulses of a PPG.

    On an ECG one detector finds the R peaks, the next judges the rhythm of these beats, and the last sorts the beats by
    their shapes, intervals and rhythm. What the three need alike of the recording is filtered and resampled once. On a
    PPG there is no detector of ours: NeuroKit2 finds the pulses, and `on_event` gets a message that says so.

    Args:
        recording: or its file; of any length.
        detectors: three others than those that come with the package.
        channel: the one channel to judge; None chooses, and describes beats by a second lead where there is one.
        batch_size: windows that go through a model at once.
        first: when the recording begins, in seconds of the one it was cut from.
        threads: processor threads; default: one for a small model, PyTorch's setting for a large one.
        on_event: gets the progress, and messages.

    Raises:
        ContractError: the recording cannot be made into what the models accept.
        CheckpointError: the detectors are missing, or one of those given does something else.
        PhysiolectError: it is a PPG, and NeuroKit2 is not installed.
        Cancelled: `on_event` returned True.
    """
    recording, reporter = as_recording(recording, channel, "ecg"), Reporter(on_event)
    if modality_to_judge(recording, channel) == "ppg":
        reporter.say(
            "this is a PPG, which no detector of Physiolect's own reads: NeuroKit2 finds its pulses (Elgendi 2013)"
        )
        return find_pulses(recording, channel, first=first)
    detectors = detectors or load_detectors()
    tracks = Tracks(recording)
    shared: dict[str, Any] = {"channel": channel, "threads": threads, "on_event": on_event}
    beats = judge_beats(detectors.beats, tracks, batch_size=batch_size, first=first, **shared)
    stride = detectors.rhythm.contract.max_samples / detectors.rhythm.contract.fs / OVERLAP
    rhythm = judge_rhythm(
        detectors.rhythm, tracks, beats=beats if detectors.rhythm.reads_beats else None, stride=stride,
        batch_size=batch_size, first=first, **shared,
    )  # fmt: skip
    heartbeats = judge_heartbeats(
        detectors.heartbeats, tracks, beats=beats, rhythm=rhythm, batch_size=batch_size, first=first, **shared
    )  # fmt: skip
    report, leads = heartbeats.report, heartbeats.recording.channels
    if len(leads) > 1:
        report = replace(report, steps=(*report.steps, f"described the beats by {' and '.join(leads)}"))
    return HolterResult(
        recording=heartbeats.recording, fs=heartbeats.fs, report=report, first=first,
        interrupted=beats.interrupted or rhythm.interrupted or heartbeats.interrupted,
        beats=beats, rhythm=rhythm, heartbeats=heartbeats,
    )  # fmt: skip
