"""Windows out of a store, each a function of (seed, step, row) and of nothing else."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.datasets.store import Store
from physiolect.errors import ConfigError

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


class Places(NamedTuple):
    """Where windows lie in a store; three columns of one length."""

    rows: NDArray[np.int64]
    """Row of the store."""
    channels: NDArray[np.int64]
    """Channel within the row."""
    starts: NDArray[np.int64]
    """First sample."""


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

    Raises:
        ConfigError: no row is long enough, or a row lacks the channel.
    """

    def __init__(
        self, store: Store, rows: ArrayLike, *, length: int, seed: int, channel: int | None = None
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
        self._n_channels = store.n_channels[self.rows]
        if channel is not None and not 0 <= channel < self._n_channels.min():
            raise ConfigError(
                f"there is no channel {channel}: a row has {self._n_channels.min()}",
                hint="count channels from 0, or leave the channel open to draw from all",
            )
        self.store = store
        self.length = length
        self.seed = seed
        self._channel = channel
        self._ends = np.cumsum(
            store.lengths[self.rows] - length + 1
        )  # (rows,) of all starts, laid end to end

    @property
    def n_windows(self) -> int:
        """How many different windows there are, counting one channel of a row."""
        return int(self._ends[-1])

    def batch(self, step: int, size: int, *, first: int = 0) -> NDArray[np.int16]:
        """Return the windows of one step, (size, length) int16.

        Args:
            step: Which step, from 0.
            size: How many windows.
            first: Leave out this many of the step's windows: for accumulation, or several processes.
        """
        return self._windows(self.draw(step, size, first=first))

    def draw(self, step: int, size: int, *, first: int = 0) -> Places:
        """Return where the windows of one step lie; the arguments are those of `batch`."""
        counters = np.arange(first, first + size, dtype=np.uint64)
        bits = _random_bits(self.seed, step, counters)
        # one multiple of 2**64 is no multiple of n_windows: a bias of at most n_windows / 2**64
        positions = (bits % np.uint64(self.n_windows)).astype(np.int64)
        return self._places(positions, _mix(bits + _GOLDEN))

    def windows(self, n: int) -> NDArray[np.int16]:
        """Return windows for evaluation, the same at every call, spread evenly, (n, length) int16.

        Fewer where there are fewer than `n` different ones.
        """
        return self._windows(self.spread(n))

    def spread(self, n: int) -> Places:
        """Return where the windows of `windows(n)` lie, in order of rows."""
        n = min(n, self.n_windows)
        k = np.arange(n, dtype=np.int64)
        return self._places((2 * k + 1) * self.n_windows // (2 * max(n, 1)), k.astype(np.uint64))

    def _places(self, positions: NDArray[np.int64], channel_bits: NDArray[np.uint64]) -> Places:
        """Return where the windows at these positions among all starts lie."""
        at = np.searchsorted(self._ends, positions, side="right")
        begin = self._ends[at] - (self.store.lengths[self.rows[at]] - self.length + 1)
        if self._channel is None:
            channels = (channel_bits % self._n_channels[at].astype(np.uint64)).astype(np.int64)
        else:
            channels = np.full(len(at), self._channel, np.int64)
        return Places(self.rows[at], channels, positions - begin)

    def _windows(self, places: Places) -> NDArray[np.int16]:
        return self.store.windows(places.rows, places.channels, places.starts, self.length)


def _random_bits(seed: int, step: int, rows: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return 64 random bits for each row of a step: SplitMix64's mixing, once for each of seed, step and row.

    Source:
        Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    state = np.zeros(1, np.uint64)
    for word in (seed, step):
        state = _mix(state + _GOLDEN + np.uint64(word % 2**64))
    return _mix(state + _GOLDEN * (rows + np.uint64(1)))


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return x ^ (x >> np.uint64(31))
