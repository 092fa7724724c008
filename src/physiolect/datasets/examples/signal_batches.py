"""Batches of signals of all channels, with what is written about each where there is such a text."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physiolect.datasets.store.store import Store
from physiolect.errors import ConfigError

SignalBatch: TypeAlias = tuple[Tensor, tuple[Tensor, ...]]
"""Windows (B, C, T) in their physical units, and what there is of their texts, one row a window."""


class _Read(NamedTuple):
    """What is read of a store for some windows."""

    signal: Tensor
    """(B, C, T) int16."""
    scale: Tensor
    """(B, C, 2): size of a step, and value of sample 0."""
    rows: Tensor
    """(B,) int64."""


class _Slot(NamedTuple):
    """Where the windows of a step wait for the device."""

    read: _Read
    sent: torch.cuda.Event | None
    """Passed when the device has them."""


class SignalBatches:
    """Windows of a store's rows, each row once an epoch, from a random start; a function of (seed, step) alone.

    The step's windows are divided into parts, and each part among processes: the parts of all processes together are
    what one process alone would get. `stage` chooses the windows of a step; `batch` gives them.

    Args:
        store: where the signals are.
        rows: rows to draw from; those shorter than a window are left out.
        length: samples of a window.
        size: windows of a part, of all processes together.
        parts: of a step.
        share: number of this process, and how many there are.
        seed: another seed gives another order and other starts.
        texts: what there is of the text of each row of the store, (rows, …) each; on any device.
        device: where batches are made.
        resident: keep the rows' samples on the device; otherwise a thread reads ahead.

    Raises:
        ConfigError: no row is long enough.
    """

    def __init__(
        self,
        store: Store,
        rows: Sequence[int] | NDArray[np.int64],
        *,
        length: int,
        size: int,
        parts: int = 1,
        share: tuple[int, int] = (0, 1),
        seed: int = 0,
        texts: tuple[Tensor, ...] = (),
        device: torch.device | str = "cpu",
        resident: bool = False,
    ) -> None:
        rows = np.asarray(rows, np.int64)
        self.rows = rows[store.lengths[rows] >= length]
        if not len(self.rows):
            raise ConfigError(
                f"no row of {store.path} is {length} samples long, which a window needs",
                hint="choose a model with a shorter context, or prepare longer recordings",
            )
        self.store, self.length, self.parts, self.seed = store, length, parts, seed
        self.size, self._whole, self._rank = size // share[1], size, share[0]
        self.device, self.resident = torch.device(device), resident
        self.texts = tuple(each.to(self.device) for each in texts)
        n_channels = set(store.n_channels[self.rows].tolist())
        if len(n_channels) > 1:
            raise ConfigError(
                f"rows of {store.path} have {min(n_channels)} to {max(n_channels)} channels",
                hint="prepare the recordings with a contract that names its channels",
            )
        (self.n_channels,) = n_channels
        n = self.size * parts
        self._here = _Read(
            torch.zeros(
                (n, self.n_channels, 0 if resident else length), dtype=torch.int16, device=self.device
            ),
            torch.zeros((n, self.n_channels, 2), device=self.device),
            torch.zeros(n, dtype=torch.int64, device=self.device),
        )
        scale = np.stack([np.stack([store.scale(row), store.offset(row)], -1) for row in self.rows.tolist()])
        self._scale = torch.from_numpy(scale)  # (rows, C, 2)
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))
        self._samples: Tensor | None = None
        self._first = np.empty(0, np.int64)
        if resident:
            self._samples, self._first = self._held()
        self._reader = None if resident else ThreadPoolExecutor(1, "physiolect-read-ahead")
        self._ahead: tuple[int, Future[_Slot]] | None = None
        self._slots: list[_Slot] = []

    def __len__(self) -> int:
        return len(self.rows)

    def stage(self, step: int) -> None:
        """Choose the windows of this step; where the store is not on the device, begin to read those of the next."""
        if self._samples is not None:
            places, starts = self._chosen(step)
            begin = self._first[places] + starts
            for here, there in zip(
                (self._here.scale, self._here.rows, self._begin), self._looked_up(places, begin), strict=True
            ):
                here.copy_(there, non_blocking=True)
            return
        assert self._reader is not None
        if self._ahead is None or self._ahead[0] != step:
            self._ahead = (step, self._reader.submit(self._fill, step))
        slot = self._ahead[1].result()
        for here, there in zip(self._here, slot.read, strict=True):
            here.copy_(there, non_blocking=True)
        if slot.sent is not None:
            slot.sent.record(torch.cuda.current_stream(self.device))
        self._ahead = (step + 1, self._reader.submit(self._fill, step + 1))

    def batch(self, step: int | Tensor, part: int) -> SignalBatch:
        """Return a part of the step last staged."""
        mine = slice(part * self.size, (part + 1) * self.size)
        signal, scale, rows = (each[mine] for each in self._here)
        if self._samples is not None:
            signal = self._samples[self._begin[mine, :, None] + torch.arange(self.length, device=self.device)]
        return self._made(signal, scale, rows)

    def fixed(self, n: int) -> SignalBatch:
        """Return up to n windows for validation, spread evenly over the rows: the middle of each."""
        at = np.unique(np.linspace(0, len(self.rows) - 1, min(n, len(self.rows))).round().astype(np.int64))
        read = self._read(at, (self.store.lengths[self.rows[at]] - self.length) // 2)
        return self._made(*(each.to(self.device) for each in read))

    def _made(self, signal: Tensor, scale: Tensor, rows: Tensor) -> SignalBatch:
        x = signal.float() * scale[..., :1] + scale[..., 1:]
        return x, tuple(each[rows] for each in self.texts)

    def _chosen(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return which rows a step takes for this process, by their place in `rows`, and where its windows begin."""
        n = self._whole * self.parts
        epochs, at = np.divmod(np.arange(step * n, (step + 1) * n), len(self))
        places = np.concatenate(
            [self._shuffled(epoch)[at[epochs == epoch]] for epoch in np.unique(epochs).tolist()]
        )
        room = self.store.lengths[self.rows[places]] - self.length + 1
        starts = np.floor(np.random.default_rng([self.seed, step, 1]).random(n) * room).astype(np.int64)
        own = slice(self._rank * self.size, (self._rank + 1) * self.size)
        places, starts = (each.reshape(self.parts, -1)[:, own].ravel() for each in (places, starts))
        return places, starts

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        if self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng([self.seed, epoch]).permutation(len(self)))
        return self._order[1]

    def _read(self, places: NDArray[np.int64], starts: NDArray[np.int64]) -> _Read:
        rows = self.rows[places]
        channels = np.arange(self.n_channels)
        signal = self.store.windows(rows[:, None], channels, starts[:, None], self.length)
        return _Read(torch.from_numpy(signal), self._scale[places], torch.from_numpy(rows))

    def _looked_up(self, places: NDArray[np.int64], begin: NDArray[np.int64]) -> tuple[Tensor, ...]:
        """Return scales, rows and where each channel of a window begins among the samples on the device."""
        lengths = self.store.lengths[self.rows[places]]
        begins = begin[:, None] + np.arange(self.n_channels) * lengths[:, None]
        return self._scale[places], torch.from_numpy(self.rows[places]), torch.from_numpy(begins)

    def _held(self) -> tuple[Tensor, NDArray[np.int64]]:
        """Return all rows' samples end to end on the device, and where each row begins."""
        parts = [np.ravel(self.store.samples(row)) for row in self.rows.tolist()]
        self._begin = torch.zeros(
            (self.size * self.parts, self.n_channels), dtype=torch.int64, device=self.device
        )
        return torch.from_numpy(np.concatenate(parts)).to(self.device), np.cumsum([0, *map(len, parts[:-1])])

    def _fill(self, step: int) -> _Slot:
        read = self._read(*self._chosen(step))
        on_gpu = self.device.type == "cuda"
        if len(self._slots) < 2:
            empty = _Read(*(torch.empty_like(each, pin_memory=on_gpu) for each in read))
            self._slots.append(_Slot(empty, torch.cuda.Event() if on_gpu else None))
            slot = self._slots[-1]
        else:
            self._slots.reverse()  # the one that was filled before the last
            slot = self._slots[-1]
            if slot.sent is not None:
                slot.sent.synchronize()  # what lies there may still be under way
        for there, here in zip(slot.read, read, strict=True):
            there.copy_(here)
        return slot
