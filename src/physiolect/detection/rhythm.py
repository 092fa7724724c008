"""Atrial fibrillation or not, window after window."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.contract import AdaptationReport
from physiolect.detection.windows import (
    OnWindow,
    Reason,
    check_task,
    judged_windows,
    lay_out,
    stride_samples,
)
from physiolect.recording import Annotations, Recording
from physiolect.tasks import TASKS

RhythmMark = Literal["AFIB", "N"]
"""Atrial fibrillation, or anything else that the model learnt as its opposite; the words of WFDB."""

THRESHOLD = 0.5
"""Probability from which on a window counts as atrial fibrillation."""


@dataclass(frozen=True)
class Episode:
    """A stretch of windows that say the same."""

    start: float
    """In seconds of the recording."""
    stop: float
    """In seconds of the recording."""
    rhythm: RhythmMark | None
    """None where nothing was judged."""
    reason: Reason = ""
    """Why nothing was."""


@dataclass(frozen=True, eq=False)
class RhythmResult:
    """How likely atrial fibrillation is in each window of a recording."""

    probability: NDArray[np.float32]
    """(windows,) from 0 to 1; NaN where a window was not judged."""
    start: NDArray[np.float64]
    """(windows,) where each begins, in seconds of the recording."""
    time: NDArray[np.float64]
    """(windows,) where each ends: what the model says holds at the end of what it saw."""
    reasons: tuple[Reason, ...]
    """One a window: why it was not judged, "" where it was."""
    window: float
    """Length of a window in seconds."""
    stride: float
    """Seconds from one window to the next."""
    fs: float
    """Rate in Hz at which the model saw them: the contract's."""
    recording_fs: float
    """The recording's own rate in Hz."""
    report: AdaptationReport
    """How the recording was adapted."""
    interrupted: bool = False
    """Ctrl-C came first; what was judged by then is here."""

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Which windows were judged, (windows,)."""
        return ~np.isnan(self.probability)

    @property
    def is_af(self) -> NDArray[np.bool_]:
        """Which windows count as atrial fibrillation, (windows,); one that was not judged does not."""
        return self.probability >= THRESHOLD  # NaN is never

    def episodes(self) -> list[Episode]:
        """Return the stretches of one rhythm, in order of time.

        The first window speaks for all of itself, each other one for what it adds: the last `stride` seconds, or all
        of it where windows do not overlap.
        """
        begin = np.maximum(self.start, self.time - self.stride)
        begin[:1] = self.start[:1]
        rhythms: list[RhythmMark | None] = [
            None if reason else "AFIB" if af else "N"
            for af, reason in zip(self.is_af.tolist(), self.reasons, strict=True)
        ]
        found = []
        for _, run in groupby(range(len(rhythms)), lambda i: (rhythms[i], self.reasons[i])):
            first, *rest = run
            last = rest[-1] if rest else first
            found.append(
                Episode(float(begin[first]), float(self.time[last]), rhythms[first], self.reasons[first])
            )
        return found

    def annotations(self) -> Annotations:
        """Return marks at the recording's own rate: "+" with "(AFIB" or "(N" where the rhythm changes.

        What was not judged begins with a note (symbol '"'), and what follows it with the rhythm anew.
        """
        episodes = self.episodes()
        return Annotations(
            np.array([round(each.start * self.recording_fs) for each in episodes], np.int64),
            tuple("+" if each.rhythm else '"' for each in episodes),
            tuple(f"({each.rhythm}" if each.rhythm else f"not judged: {each.reason}" for each in episodes),
        )


def detect_rhythm(
    checkpoint: Checkpoint,
    recording: Recording,
    *,
    channel: str | int | None = None,
    stride: float | None = None,
    batch_size: int = 64,
    on_window: OnWindow | None = None,
) -> RhythmResult:
    """Say of each window of a recording how likely atrial fibrillation is.

    Windows are laid back from the recording's end, so that one as long as a window gives one probability, that of its
    last window as published; what is left at the beginning and fills no window is not judged. A window that is flat,
    or holds a gap longer than the contract's `max_gap`, has the probability NaN and a reason. Memory beyond the
    recording and its adapted copy does not grow with its length.

    Args:
        checkpoint: a rhythm model. It runs where its weights are, and in their type.
        recording: of any length from a window on.
        channel: which one to judge; None lets the contract choose.
        stride: seconds from one window to the next; None lays them one after another.
        batch_size: windows that go through the model at once.
        on_window: called with the windows judged so far and the number of all.

    Raises:
        ContractError: the recording cannot be made into what the model accepts.
        CheckpointError: the checkpoint is for another task.
        ConfigError: a setting is out of range.

    Source: Davies et al. 2024, arXiv:2407.20775: sigmoid of the fine-tuned head at the last position.
    """
    check_task(checkpoint, TASKS["rhythm"])
    contract = checkpoint.contract
    step = stride_samples(stride, contract.fs, contract.max_samples)
    track = lay_out(recording, contract, channel)
    length = min(contract.max_samples, len(track.signal))
    start = np.arange(len(track.signal) - length, -1, -step)[::-1].copy()  # (windows,)
    reasons = np.where(track.touches_gap(start, length), "gap", "interrupted").astype(object)
    probability = np.full(len(start), np.nan, np.float32)
    rows = np.flatnonzero(reasons != "gap")
    interrupted = False
    try:
        for batch, said, flat in judged_windows(
            checkpoint, track.signal, start[rows], start[rows] + length, length,
            batch_size=batch_size, last_only=True, on_window=on_window,
        ):  # fmt: skip
            last = np.where(flat, np.nan, said[:, -1])
            probability[rows[batch]] = last
            reasons[rows[batch]] = np.where(flat, "flat", np.where(np.isnan(last), "no number", ""))
    except KeyboardInterrupt:
        interrupted = True
    return RhythmResult(
        probability=probability,
        start=start / contract.fs,
        time=(start + length) / contract.fs,
        reasons=tuple(reasons.tolist()),
        window=length / contract.fs,
        stride=step / contract.fs,
        fs=contract.fs,
        recording_fs=recording.fs,
        report=track.report,
        interrupted=interrupted,
    )
