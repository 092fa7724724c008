"""Batches of token ids, made of a store's windows on the device that trains."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from physiolect.datasets.examples.augmentation import Augmentation
from physiolect.datasets.examples.loader import Places, WindowLoader
from physiolect.datasets.store.store import Store
from physiolect.errors import ConfigError
from physiolect.tokenizers import LevelTokenizer

_SHARE_OF_MEMORY = 0.25
"""Of a device's free memory that a store may take to live there."""


class Stretches(NamedTuple):
    """What is read of a store for a batch, and what decides the rest."""

    signal: Tensor
    """(B, S) int16."""
    other: Tensor
    """The same stretches in another lead of the recording, where windows are mixed; else (B, 0)."""
    cuts: Tensor
    """Where the window begins in its stretch, (B,) int64."""
    bits: Tensor
    """Random bits of each window, (B,) int64."""


class LevelBatches:
    """Random windows as level ids, each a function of (seed, step, row) alone.

    Args:
        store: where the signals are.
        rows: rows to draw from.
        tokenizer: cuts windows into levels.
        length: ids in a window: the context and one more.
        seed: another seed makes other windows.
        scale_samples: samples around the window that give its range; None is the window itself, as when a
            model is used, and 1000 is HeartGPT's training on ten-second records.
        augmentation: how windows are varied before they are cut into levels.
        device: where the ids are made.
        resident: keep the rows' samples on the device and draw there too, so that nothing but the number of the
            step comes from outside.
    """

    def __init__(
        self,
        store: Store,
        rows: ArrayLike,
        tokenizer: LevelTokenizer,
        *,
        length: int,
        seed: int,
        scale_samples: int | None = None,
        augmentation: Augmentation | None = None,
        device: torch.device | str = "cpu",
        resident: bool = False,
    ) -> None:
        rows = np.asarray(rows, np.int64)
        self.augmentation = augmentation or Augmentation()
        read = self.augmentation.samples_for(length)  # samples that a window is made of
        self.stretch = max(read, scale_samples or 0)
        if self.stretch > read and augmentation is not None and augmentation != Augmentation():
            raise ConfigError(
                "windows cannot be both varied and scaled by what surrounds them",
                hint="leave scale_samples out, or the augmentation",
            )
        long_enough = rows[store.lengths[rows] >= self.stretch]
        if not len(long_enough):
            raise ConfigError(
                f"no row of {store.path} is {self.stretch} samples long, which a window and its scale need",
                hint="choose a shorter context, or prepare longer recordings",
            )
        self.length, self.tokenizer, self.device, self.resident = (
            length,
            tokenizer,
            torch.device(device),
            resident,
        )
        self._recorded = self.augmentation.recorded_noise(store.contract.fs, self.device)
        drawn_on = self.device if resident else torch.device("cpu")
        self.loader = WindowLoader(store, long_enough, length=read, seed=seed, device=drawn_on)
        self._lengths = torch.tensor(store.lengths, dtype=torch.int64, device=drawn_on)
        self._leads = Leads(store, long_enough, drawn_on) if self.augmentation.mix else None
        self._samples: Tensor | None = None
        if resident:
            begins, kept = np.zeros(len(store), np.int64), np.unique(long_enough)
            parts = [np.ravel(store.samples(row)) for row in kept.tolist()]
            begins[kept] = np.cumsum([0, *map(len, parts[:-1])])
            self._samples = torch.from_numpy(np.concatenate(parts)).to(self.device)
            self._begins = torch.from_numpy(begins).to(self.device)

    def batch(self, step: int | Tensor, size: int, *, first: int = 0) -> Tensor:
        """Return the ids of one step (size, length) int64.

        Args:
            step: which step, from 0; a resident store also takes a tensor ().
            size: how many windows.
            first: leave out this many of the step's windows.
        """
        return self.ids(self.read(step, size, first=first))

    def fixed(self, n: int) -> Tensor:
        """Return up to n windows for evaluation, spread evenly over the rows and the same at every call."""
        return self.ids(self._read(self.loader.spread(n)))

    def read(self, step: int | Tensor, size: int, *, first: int = 0) -> Stretches:
        """Return what `ids` makes the windows of one step of."""
        return self._read(self.loader.draw(step, size, first=first))

    def ids(self, stretches: Stretches) -> Tensor:
        """Return the ids (B, length) of what was read, made on this object's device without waiting for it."""
        signal, other, cuts, bits = (each.to(self.device) for each in stretches)
        if self.augmentation != Augmentation():
            beside = other if self._leads else None
            signal = self.augmentation.vary(signal, beside, bits, self.length, self._recorded)
        ids, _ = self.tokenizer.cut(signal, signal)
        if ids.shape[1] == self.length:
            return ids
        return ids.gather(1, cuts.unsqueeze(1) + torch.arange(self.length, device=ids.device))

    def _read(self, places: Places) -> Stretches:
        rows, channels, starts, bits = places
        begins = starts - (self.stretch - self.loader.length) // 2  # centred as far as the row's ends allow
        begins = torch.minimum(begins.clamp(min=0), self._lengths[rows] - self.stretch)
        signal = self._stretches(rows, channels, begins)
        if self._leads is None:
            return Stretches(signal, signal[:, :0], starts - begins, bits)
        return Stretches(
            signal, self._stretches(*self._leads.beside(rows, channels, bits), begins), starts - begins, bits
        )

    def _stretches(self, rows: Tensor, channels: Tensor, begins: Tensor) -> Tensor:
        if self._samples is None:
            at = rows.numpy(), channels.numpy(), begins.numpy()
            return torch.from_numpy(self.loader.store.windows(*at, self.stretch))
        first = self._begins[rows] + channels * self._lengths[rows] + begins  # (B,)
        return self._samples[first.unsqueeze(1) + torch.arange(self.stretch, device=first.device)]


class Leads:
    """Which rows and channels of a store are simultaneous leads: those of one source, start and length.

    Args:
        store: where the signals are.
        rows: rows that may be drawn.
        device: where they are drawn.
    """

    def __init__(self, store: Store, rows: NDArray[np.int64], device: torch.device) -> None:
        together: dict[tuple[str, float, int], list[tuple[int, int]]] = {}
        for row in np.unique(rows).tolist():
            about = store.row(row)
            key = about.source, about.start, int(store.lengths[row])
            together.setdefault(key, []).extend(
                (row, channel) for channel in range(int(store.n_channels[row]))
            )
        leads = [lead for group in together.values() for lead in group]  # laid end to end
        sizes = [len(group) for group in together.values() for _ in group]
        firsts = np.repeat(
            np.cumsum([0, *map(len, together.values())])[:-1], [len(g) for g in together.values()]
        )
        at = np.zeros(len(store), np.int64)
        for place, (row, channel) in reversed(list(enumerate(leads))):
            at[row] = place - channel
        self._leads, self._sizes, self._firsts, self._at = (
            torch.tensor(each, dtype=torch.int64, device=device) for each in (leads, sizes, firsts, at)
        )

    def beside(self, rows: Tensor, channels: Tensor, bits: Tensor) -> tuple[Tensor, Tensor]:
        """Return row and channel of another lead of the same recording, as bits (B,) choose; of itself if alone."""
        place = self._at[rows] + channels
        size = self._sizes[place]
        step = 1 + ((bits >> 8) & 0xFFFF) % (size - 1).clamp(min=1)
        other = self._leads[self._firsts[place] + (place - self._firsts[place] + step) % size]  # (B, 2)
        return other[:, 0], other[:, 1]


class _Slot(NamedTuple):
    """Where the stretches of a step wait for the device."""

    stretches: Stretches
    sent: torch.cuda.Event | None
    """Passed when the device has them."""


class StreamedBatches:
    """The same batches of a store too large for the device: a thread reads ahead into pinned memory.

    `stage` brings a step's stretches to where `batch` finds them, so that a captured step finds them there too.

    Args:
        batches: reads on the host; its device is the GPU that trains.
        size: windows a batch.
        parts: batches a step.
        first: leave out this many of each step's windows.
    """

    def __init__(self, batches: LevelBatches, size: int, parts: int = 1, *, first: int = 0) -> None:
        self.batches, self.size = batches, size
        self._n, self._first = size * parts, first
        self._reader = ThreadPoolExecutor(1, "physiolect-read-ahead")
        self._ahead: tuple[int, Future[_Slot]] | None = None
        on_gpu = batches.device.type == "cuda"
        read = batches.read(0, self._n, first=first)
        self._slots = [
            _Slot(
                Stretches(*(torch.empty_like(each, pin_memory=on_gpu) for each in read)),
                torch.cuda.Event() if on_gpu else None,
            )
            for _ in range(2)
        ]
        self._here = Stretches(*(each.to(batches.device, copy=True) for each in read))

    def stage(self, step: int) -> None:
        """Send the stretches of this step to the device, and begin to read those of the next."""
        if self._ahead is None or self._ahead[0] != step:
            self._ahead = (step, self._reader.submit(self._fill, step))
        slot = self._ahead[1].result()
        for here, there in zip(self._here, slot.stretches, strict=True):
            here.copy_(there, non_blocking=True)
        if slot.sent is not None:
            slot.sent.record(torch.cuda.current_stream(self.batches.device))
        self._ahead = (step + 1, self._reader.submit(self._fill, step + 1))

    def batch(self, step: int | Tensor, part: int) -> Tensor:
        """Return the ids of a part of the step last staged, (size, length)."""
        mine = slice(part * self.size, (part + 1) * self.size)
        return self.batches.ids(Stretches(*(each[mine] for each in self._here)))

    def _fill(self, step: int) -> _Slot:
        slot = self._slots[step % 2]
        read = self.batches.read(step, self._n, first=self._first)
        if slot.sent is not None:
            slot.sent.synchronize()  # what lies there may still be under way
        for there, here in zip(slot.stretches, read, strict=True):
            there.copy_(here)
        return slot


def fits_on(store: Store, rows: ArrayLike, device: torch.device) -> bool:
    """Say whether these rows' samples take little enough of a GPU's free memory to live there."""
    rows = np.asarray(rows, np.int64)
    n_bytes = 2 * int((store.lengths[rows] * store.n_channels[rows]).sum())
    return n_bytes <= _SHARE_OF_MEMORY * torch.cuda.mem_get_info(device)[0]
