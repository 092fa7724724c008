"""What rhythms and beats share: a recording of any length on the model's grid, and its windows through the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor, inf
from typing import Literal

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

from physiolect.checkpoint import PUBLISHED, Checkpoint
from physiolect.contract import AdaptationReport, InputContract, adapt, check_adaptable, select_channels
from physiolect.contract.channels import choose_channels
from physiolect.contract.report import Findings
from physiolect.errors import CheckpointError, ConfigError
from physiolect.events import Tell
from physiolect.recording import Recording
from physiolect.signals import find_gaps, rate_ratio
from physiolect.tasks import TASKS, Scope, Task

OnWindow = Callable[[int, int], None]
"""Called with the windows judged so far and the number of all."""

Reason = Literal["", "gap", "flat", "short", "few beats", "no number", "interrupted"]
"""Why something was not judged: samples are missing, have one value, or are too few between two gaps; there are too
few beats; the model's output is not a number; or Ctrl-C."""

_TOLERANCE = 1 + 1e-9
"""A gap of 0.1 s at 100 Hz is 10 samples, whatever floats make of it."""


@dataclass(frozen=True, eq=False)
class Track:
    """The channels of a recording that a model takes, whole, with their long gaps marked."""

    signal: NDArray[np.float32]
    """(C, N) at `fs`, all finite: gaps are filled, the long ones only so that all lies on one grid."""
    fs: float
    """The contract's sampling rate in Hz."""
    gaps: NDArray[np.int64]
    """(gaps, 2) first sample of each long gap of any channel at `fs`, and the sample after its last; in order."""
    ratio: Fraction
    """`fs` / the recording's own rate."""
    n_source: int
    """Samples of the recording at its own rate."""
    report: AdaptationReport
    """What was done to the recording."""

    @property
    def n_samples(self) -> int:
        """Samples at `fs`."""
        return self.signal.shape[1]

    def at_source(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the samples of the recording at its own rate that lie nearest to these at `fs`."""
        nearest = np.rint(samples * self.ratio.denominator / self.ratio.numerator).astype(np.int64)
        return np.minimum(nearest, self.n_source - 1)

    def touches_gap(self, start: NDArray[np.int64], length: int) -> NDArray[np.bool_]:
        """Tell which stretches of `length` samples from `start` (W,) on hold samples of a long gap."""
        if not len(self.gaps):
            return np.zeros(len(start), np.bool_)
        begins = np.append(self.gaps[:, 0], np.iinfo(np.int64).max)
        first_to_end = np.searchsorted(
            self.gaps[:, 1], start, side="right"
        )  # (W,) of those that end after the start
        return begins[first_to_end] < start + length

    def stretches(self) -> list[tuple[int, int]]:
        """Return what lies between the long gaps: first sample, and the sample after the last."""
        edges = [0, *self.gaps.ravel().tolist(), self.n_samples]
        return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a]


class Tracks:
    """The channels of one recording on the grids of models: what several of them need alike is adapted once."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self._laid_out: dict[tuple[tuple[int, ...], InputContract], Track] = {}

    def lay_out(self, contract: InputContract, channel: str | int | None) -> Track:
        """Return what `lay_out` returns.

        Raises:
            ContractError: the recording cannot be made into what the model accepts, whatever its gaps.
        """
        rows = tuple(choose_channels(self.recording, contract, channel, Findings()))
        key = (rows, replace(contract, min_samples=1, max_samples=1))
        track = self._laid_out.get(key)
        if track is None or track.n_samples < contract.min_samples:  # is refused
            track = self._laid_out[key] = lay_out(self.recording, contract, channel)
        return track


def check_answers(checkpoint: Checkpoint, scope: Scope) -> None:
    """Refuse a checkpoint that does not answer yes or no about windows, or positions, or that has several outputs.

    Raises:
        CheckpointError: it is of another kind or scope.
    """
    outputs = checkpoint.outputs
    if (outputs.kind, outputs.scope) != ("binary", scope):
        wanted = [task for task in TASKS.values() if (task.kind, task.scope) == ("binary", scope)]
        does = " or ".join(task.does for task in wanted)
        raise CheckpointError(
            f"the checkpoint {checkpoint.task.does}, but one that {does} is needed",
            hint=f"use {name_detectors(checkpoint.contract.modality, *wanted)}",
        )
    if checkpoint.model.n_outputs != 1:
        raise CheckpointError(
            "the checkpoint has more than one output, but detection reads one",
            hint="use a model with a head of one output",
        )


def name_detectors(modality: str | None, *tasks: Task) -> str:
    """Return in words which models do a task, or one of several: those published for a modality, and one's own."""
    names = [task.name for task in tasks]
    published = [
        f"{each.name}.zip"
        for each in PUBLISHED.values()
        if each.task in names and modality in (None, each.modality)
    ]
    return " or ".join([*published, f"a run of finetune --task {' or '.join(names)}"])


def check_recording(recording: Recording, contract: InputContract, channel: str | int | None) -> None:
    """Refuse a recording that `lay_out` would refuse, without adapting it.

    Raises:
        ContractError: the recording cannot be made into what the model accepts, whatever its gaps.
    """
    chosen, n_infinite = _without_infinite(recording, contract, channel)
    recording, channel = (chosen, _only(chosen)) if n_infinite else (recording, channel)
    check_adaptable(recording, replace(contract, max_gap=inf), channel, window="all")


def _without_infinite(
    recording: Recording, contract: InputContract, channel: str | int | None
) -> tuple[Recording, int]:
    """Return the channel to use, infinite samples as missing, and their number."""
    chosen = select_channels(recording, contract, channel)
    infinite = np.isinf(chosen.signal)
    n_infinite = int(np.count_nonzero(infinite))
    if n_infinite:
        chosen = replace(chosen, signal=np.where(infinite, np.float32(np.nan), chosen.signal))
    return chosen, n_infinite


def _only(chosen: Recording) -> int | None:
    """Return the channel to name where there is one; several are those that the contract names."""
    return 0 if len(chosen.channels) == 1 else None


def progress_name(chosen: Recording) -> str:
    """Return what is counted while the windows of a recording are judged."""
    return f"windows of {chosen.source or 'the recording'}, {', '.join(chosen.channels)}"


def lay_out(recording: Recording, contract: InputContract, channel: str | int | None) -> Track:
    """Adapt the whole of a recording, in spite of gaps that the contract would not bridge, and say where those are.

    Infinite samples count as missing. A gap in any channel is a gap.

    Raises:
        ContractError: the recording cannot be made into what the model accepts, whatever its gaps.
    """
    chosen, n_infinite = _without_infinite(recording, contract, channel)
    recording, channel = (chosen, _only(chosen)) if n_infinite else (recording, channel)
    gaps = find_gaps(chosen.signal)[:, 1:]
    gaps = _joined(gaps[is_long(gaps, chosen.fs, contract.max_gap)])
    adapted, report = adapt(recording, replace(contract, max_gap=inf), channel, window="all")
    notices = list(report.notices)
    if n_infinite:
        notices.append(f"{n_infinite} infinite samples are taken as missing")
    if len(gaps):
        notices.append(
            f"{len(gaps)} gap{'s' * (len(gaps) > 1)} longer than {contract.max_gap:g} s "
            f"{'were' if len(gaps) > 1 else 'was'} bridged only to keep time; nothing is judged there"
        )
    ratio = rate_ratio(recording.fs, contract.fs)
    inside = [made_up(start, stop, ratio, adapted.n_samples) for start, stop in gaps.tolist()]
    return Track(
        signal=adapted.signal,
        fs=contract.fs,
        gaps=np.array(inside, np.int64).reshape(-1, 2),
        ratio=ratio,
        n_source=recording.n_samples,
        report=replace(report, notices=tuple(notices)),
    )


def _joined(gaps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return gaps (gaps, 2) of several channels in order, those that overlap or touch as one."""
    found: list[list[int]] = []
    for start, stop in sorted(gaps.tolist()):
        if found and start <= found[-1][1]:
            found[-1][1] = max(found[-1][1], stop)
        else:
            found.append([start, stop])
    return np.array(found, np.int64).reshape(-1, 2)


def made_up(start: int, stop: int, ratio: Fraction, n_samples: int) -> tuple[int, int]:
    """Return which of `n_samples` at the new rate lie between the last sample before a gap and the first after it.

    Args:
        start: first sample of the gap at the old rate.
        stop: the sample after its last.
        ratio: new rate / old rate.
        n_samples: length of the recording at the new rate.
    """
    return max(0, floor((start - 1) * ratio) + 1), min(ceil(stop * ratio), n_samples)


def is_long(gaps: NDArray[np.int64], fs: float, max_gap: float) -> NDArray[np.bool_]:
    """Tell which gaps (gaps, 2), in samples at fs Hz, are longer than `max_gap` seconds."""
    return gaps[:, 1] - gaps[:, 0] > max_gap * fs * _TOLERANCE


def stride_samples(stride: float | None, fs: float, default: int) -> int:
    """Return a stride in samples, given in seconds or not at all.

    Raises:
        ConfigError: it is less than a sample.
    """
    if stride is None:
        return default
    if not 0.5 / fs <= stride < inf:
        raise ConfigError(
            f"stride is {stride:g} s, but must be at least one sample ({1 / fs:g} s)",
            hint="leave it out for the usual one",
        )
    return round(stride * fs)


def encode_windows(
    checkpoint: Checkpoint,
    signal: NDArray[np.float32],
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    length: int,
) -> tuple[Tensor, NDArray[np.bool_]]:
    """Cut windows [start, stop) out of a signal (C, N), and encode each by itself.

    A window shorter than `length`, at the end of a signal, is filled up with level 0, as published, or with 0.

    Returns:
        what the model takes, (W, length) levels or (W, C, length) numbers, and which windows are flat (W,); a short
        one never counts as that.
    """
    full = stop - start == length
    parts = (
        np.moveaxis(sliding_window_view(signal, length, axis=1)[:, start[full]], 1, 0) if full.any() else None
    )
    flat = np.zeros(len(start), np.bool_)
    inputs: Tensor | None = None
    if parts is not None:  # (full, C, length)
        encoded, flat[full] = checkpoint.encode(parts)
        if full.all():
            return encoded, flat
        inputs = encoded.new_zeros((len(start), *encoded.shape[1:]))
        inputs[torch.from_numpy(full)] = encoded
    for i in np.flatnonzero(~full):
        encoded, _ = checkpoint.encode(signal[np.newaxis, :, start[i] : stop[i]])
        if inputs is None:
            inputs = encoded.new_zeros((len(start), *encoded.shape[1:-1], length))
        inputs[i, ..., : stop[i] - start[i]] = encoded[0]
    assert inputs is not None
    return inputs, flat


def _real_samples(lengths: NDArray[np.int64], length: int) -> Tensor | None:
    """Return which samples of windows are not filled up, (W, length); None where all are full."""
    if (lengths == length).all():
        return None
    return torch.from_numpy(np.arange(length) < lengths[:, np.newaxis])


@torch.inference_mode()
def probabilities(
    checkpoint: Checkpoint, inputs: Tensor, *, last_only: bool, mask: Tensor | None = None
) -> NDArray[np.float32]:
    """Return the model's probabilities for encoded windows: at every position (B, T), or at the last (B, 1).

    Args:
        checkpoint: what judges.
        inputs: what the model takes.
        last_only: one probability a window.
        mask: (B, T) which positions are real; None means all, as a model needs that never looks ahead.
    """
    model = checkpoint.model.eval()
    beside = {} if mask is None else {"attention_mask": mask.to(model.device)}
    logits = model(inputs.to(model.device), last_only=last_only, **beside)[..., 0]
    return torch.sigmoid(logits.float()).cpu().numpy()


def judged_windows(
    checkpoint: Checkpoint,
    signal: NDArray[np.float32],
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    length: int,
    *,
    batch_size: int,
    last_only: bool,
    tell: Tell,
) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.bool_]]]:
    """Run windows [start, stop) of a signal (C, N) through the model, batch after batch.

    Yields:
        which of the windows, the model's probabilities for them (B, T or 1), and which are flat (B,): their
        probabilities mean nothing.

    Raises:
        ConfigError: the batch size is not above 0.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size is {batch_size}, but must be at least 1", hint="64 is usual")
    for first in range(0, len(start), batch_size):
        batch = slice(first, min(first + batch_size, len(start)))
        inputs, flat = encode_windows(checkpoint, signal, start[batch], stop[batch], length)
        mask = None if checkpoint.model.causal else _real_samples(stop[batch] - start[batch], length)
        yield batch, probabilities(checkpoint, inputs, last_only=last_only, mask=mask), flat
        tell(batch.stop, len(start))
