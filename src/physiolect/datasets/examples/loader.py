"""Windows out of a store, each a function of (seed, step, row) and of nothing else."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from physiolect.datasets.store.store import Store
from physiolect.errors import ConfigError


def _signed(word: int) -> int:
    """Return the int64 that has the bits of this uint64: PyTorch's arithmetic on 64 bits is signed, and wraps."""
    word %= 2**64
    return word - 2**64 if word >= 2**63 else word


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_MIX_1 = _signed(0xBF58476D1CE4E5B9)
_MIX_2 = _signed(0x94D049BB133111EB)


class Places(NamedTuple):
    """Where windows lie in a store; columns (n,) of int64."""

    rows: Tensor
    """Row of the store."""
    channels: Tensor
    """Channel within the row."""
    starts: Tensor
    """First sample."""
    bits: Tensor
    """Random bits of each window, for what else is left to chance."""


class WindowLoader:
    """Random windows of a store's rows, as int16 steps: their gain and offset differ from window to window.

    Every window that fits into a row is as likely as every other. There is no state to save: a run goes on by
    asking for the next step.

    Args:
        store: The store.
        rows: Rows to draw from, (n,); those shorter than a window are left out.
        length: Samples in a window.
        seed: Another seed makes other windows.
        channel: Channel within each row, or None for any of the row's, each as likely.
        device: Where windows are drawn; the draws are the same everywhere.

    Raises:
        ConfigError: no row is long enough, or a row lacks the channel.
    """

    def __init__(
        self,
        store: Store,
        rows: ArrayLike,
        *,
        length: int,
        seed: int,
        channel: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        rows = np.asarray(rows, np.int64)
        longest = int(store.lengths[rows].max(initial=0))
        if not 1 <= length <= longest:
            raise ConfigError(
                f"a window of {length} samples was asked for, and the longest of {len(rows)} rows has {longest}",
                hint="choose a shorter window, or prepare longer recordings",
            )
        self.rows = rows[store.lengths[rows] >= length]
        """Rows of the store that windows come from."""
        n_channels, n_starts = store.n_channels[self.rows], store.lengths[self.rows] - length + 1
        if channel is not None and not 0 <= channel < n_channels.min():
            raise ConfigError(
                f"there is no channel {channel}: a row has {n_channels.min()}",
                hint="count channels from 0, or leave the channel open to draw from all",
            )
        self.store = store
        self.length = length
        self.seed = seed
        self.n_windows = int(n_starts.sum())
        """How many different windows there are, counting one channel of a row."""
        self._channel = channel
        self._rows, self._n_channels, self._n_starts, self._ends = (
            torch.tensor(each, dtype=torch.int64, device=device)
            for each in (
                self.rows,
                n_channels,
                n_starts,
                np.cumsum(n_starts),
            )  # ends: of all starts, laid end to end
        )

    def batch(self, step: int, size: int, *, first: int = 0) -> NDArray[np.int16]:
        """Return the windows of one step, (size, length) int16.

        Args:
            step: Which step, from 0.
            size: How many windows.
            first: Leave out this many of the step's windows: for accumulation, or several processes.
        """
        return self._windows(self.draw(step, size, first=first))

    def draw(self, step: int | Tensor, size: int, *, first: int = 0) -> Places:
        """Return where the windows of one step lie; the arguments are those of `batch`, or a tensor () for the step."""
        bits = _random_bits(self.seed, step, torch.arange(first, first + size, device=self._ends.device))
        # one multiple of 2**64 is no multiple of n_windows: a bias of at most n_windows / 2**64
        return self._places(_remainder(bits, self.n_windows), bits, _mix(bits + _GOLDEN))

    def windows(self, n: int) -> NDArray[np.int16]:
        """Return windows for evaluation, the same at every call, spread evenly, (n, length) int16.

        Fewer where there are fewer than `n` different ones.
        """
        return self._windows(self.spread(n))

    def spread(self, n: int) -> Places:
        """Return where the windows of `windows(n)` lie, in order of rows."""
        n = min(n, self.n_windows)
        k = torch.arange(n, device=self._ends.device)
        return self._places((2 * k + 1) * self.n_windows // (2 * max(n, 1)), k, k)

    def _places(self, positions: Tensor, bits: Tensor, channel_bits: Tensor) -> Places:
        """Return where the windows at these positions among all starts lie."""
        at = torch.searchsorted(self._ends, positions, right=True)
        starts = positions - (self._ends[at] - self._n_starts[at])
        if self._channel is None:
            channels = _remainder(channel_bits, self._n_channels[at])
        else:
            channels = torch.full_like(at, self._channel)
        return Places(self._rows[at], channels, starts, bits)

    def _windows(self, places: Places) -> NDArray[np.int16]:
        rows, channels, starts, _ = (each.cpu().numpy() for each in places)
        return self.store.windows(rows, channels, starts, self.length)


def _random_bits(seed: int, step: int | Tensor, rows: Tensor) -> Tensor:
    """Return 64 random bits for each row of a step: SplitMix64's mixing, once for each of seed, step and row.

    Source:
        Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    state = torch.zeros_like(rows[:1])
    for word in (_signed(seed), step if isinstance(step, Tensor) else _signed(step)):
        state = _mix(state + _GOLDEN + word)
    return _mix(state + _GOLDEN * (rows + 1))


def random_uniform(bits: Tensor, n: int, *, first: int = 0) -> Tensor:
    """Return float32 numbers (B, n) in [0, 1) out of bits (B, 1): numbers `first` and following of their sequence."""
    numbers = torch.arange(first + 2, first + n + 2, device=bits.device)  # number 1 draws the channel
    return _shifted(_mix(bits + _GOLDEN * numbers), 40).float() * 2.0**-24


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _shifted(x, 30)) * _MIX_1
    x = (x ^ _shifted(x, 27)) * _MIX_2
    return x ^ _shifted(x, 31)


def _shifted(x: Tensor, n: int) -> Tensor:
    """Shift 64 bits to the right, zeros coming after them (int64's own shift repeats the sign)."""
    return (x >> n) & ((1 << (64 - n)) - 1)


def _remainder(x: Tensor, n: int | Tensor) -> Tensor:
    """Divide 64 bits, read without a sign, by n < 2^62, and return what is left."""
    return (2 * (_shifted(x, 1) % n) + (x & 1)) % n
