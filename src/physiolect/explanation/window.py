"""One window of a recording as a model sees it, with its place in the recording's time."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physiolect.checkpoint import Checkpoint
from physiolect.contract import AdaptationReport, select_channels
from physiolect.detection import Track, encode_windows, lay_out
from physiolect.errors import CheckpointError, ConfigError, ContractError
from physiolect.recording import Recording


@dataclass(frozen=True, eq=False)
class Window:
    """What a model saw, sample by sample, and when that was."""

    ids: NDArray[np.int64]
    """(T,) level of each sample."""
    signal: NDArray[np.float32]
    """(T,) the samples on the model's grid, in `unit`."""
    start: float
    """When the first sample was, in seconds of the recording."""
    fs: float
    """Rate in Hz: the contract's."""
    channel: str
    """Which channel of the recording."""
    unit: str | None
    """Of the signal; None where unknown."""
    report: AdaptationReport
    """How the recording was adapted."""

    @property
    def time(self) -> NDArray[np.float64]:
        """When each sample was, in seconds of the recording, (T,)."""
        return self.start + np.arange(len(self.ids)) / self.fs

    def sample(self, moment: float | None) -> int:
        """Return the sample nearest to a moment in seconds of the recording; None means the last.

        Raises:
            ConfigError: the moment lies outside the window.
        """
        if moment is None:
            return len(self.ids) - 1
        at = round((moment - self.start) * self.fs) if isfinite(moment) else -1
        if not 0 <= at < len(self.ids):
            raise ConfigError(
                f"{moment:g} s lies outside the window, which is {self.start:.2f} to {self.time[-1]:.2f} s",
                hint="choose a moment within it, or another stretch of the recording: the window is the last one in it",
            )
        return at

    def tensor(self, checkpoint: Checkpoint) -> Tensor:
        """Return the ids as a batch of one, (1, T), where the model is."""
        return torch.from_numpy(self.ids)[None].to(checkpoint.model.device)


def cut_window(
    checkpoint: Checkpoint, recording: Recording, *, channel: str | int | None = None, first: float = 0.0
) -> Window:
    """Return the last window of a recording as the model sees it.

    Args:
        checkpoint: whose contract and tokenizer make the window.
        recording: what there is.
        channel: which one to look at; None lets the contract choose.
        first: when the recording begins, in seconds of the one it was cut from.

    Raises:
        ContractError: the recording cannot be adapted, or its last window is flat or holds a long gap.
        CheckpointError: the model takes several channels.
    """
    found = cut_windows(checkpoint, recording, channel=channel, first=first, limit=1)
    if not found:
        raise ContractError(
            "the last window of the recording is flat, or has a longer gap than can be bridged",
            hint="choose another stretch or channel",
        )
    return found[0]


def cut_windows(
    checkpoint: Checkpoint,
    recording: Recording,
    *,
    channel: str | int | None = None,
    first: float = 0.0,
    limit: int | None = None,
) -> list[Window]:
    """Return the windows of a recording, counted back from its end without overlap, in order of time.

    A window that is flat or touches a long gap is left out.

    Args:
        checkpoint: whose contract and tokenizer make the windows.
        recording: what there is.
        channel: which one to look at; None lets the contract choose.
        first: when the recording begins, in seconds of the one it was cut from.
        limit: how many of the last windows are cut; None means all.

    Raises:
        ContractError: the recording cannot be adapted.
        CheckpointError: the model takes several channels, or reads real numbers or heartbeats.
    """
    contract = checkpoint.contract
    if checkpoint.tokenizer is None:
        raise CheckpointError(
            "the checkpoint's model reads real numbers, but explanations are of levels",
            hint="use a decoder, or one fine-tuned for the task",
        )
    if len(contract.channels) > 1:
        raise CheckpointError(
            f"the checkpoint takes {len(contract.channels)} channels, but explanations are of one",
            hint="use a model whose contract names one channel, or any (*)",
        )
    if checkpoint.reads_beats:
        raise CheckpointError(
            "the checkpoint reads heartbeats, and explanations are of windows of signal so far",
            hint="use a model that reads the signal itself",
        )
    name = select_channels(recording, contract, channel).channels[0]
    track = lay_out(recording, contract, channel)
    length = min(contract.max_samples, track.n_samples)
    starts = np.arange(track.n_samples - length, -1, -length)[:limit][::-1].copy()  # (windows,)
    inputs, flat = encode_windows(checkpoint, track.signal, starts, starts + length, length)
    ids = inputs.numpy()
    good = ~flat & ~track.touches_gap(starts, length)
    return [_window(track, ids[i], int(starts[i]), name, first) for i in np.flatnonzero(good)]


def _window(track: Track, ids: NDArray[np.int64], start: int, channel: str, first: float) -> Window:
    signal = track.report.restore(track.signal[:, start : start + len(ids)])[0]
    return Window(
        ids=ids,
        signal=signal.astype(np.float32),
        start=first + start / track.fs,
        fs=track.fs,
        channel=channel,
        unit=track.report.units[0],
        report=track.report,
    )
