"""What a stream and a model have between them: samples as they come, brought onto the model's grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.contract import InputContract
from physiolect.detection.windows import is_long, made_up
from physiolect.errors import ContractError
from physiolect.signals import StreamResampler, bridge_gaps, find_gaps

_MOST_PIECES = 4096
"""More pieces than these are put together: a sample in an array of its own takes thirty times its size."""


class Feed:
    """Samples as they come, brought onto a model's grid, gaps bridged and the long ones reported."""

    def __init__(self, contract: InputContract, fs: float) -> None:
        if contract.passband or contract.preprocessing:
            raise ContractError(
                "the model's recordings are filtered forwards and backwards, which a signal still coming in cannot be",
                hint="record first, and give the recording",
            )
        self._resampler = StreamResampler(fs, contract.fs)
        self.fs, self.ratio, self.delay = fs, self._resampler.ratio, self._resampler.delay
        self.received = 0
        self._max_gap = contract.max_gap
        self._waiting: list[NDArray[np.float32]] = []
        self._bridged = np.empty(0, np.float32)  # the last sample passed on, once there is one
        self._passed = 0
        self._due = 0

    def wait_for(self, n: int) -> None:
        """Let nothing be done before `n` samples of the grid can be given."""
        self._due = self._resampler.needed(n - 1)

    def push(self, samples: ArrayLike) -> bool:
        """Take samples, NaN or infinite where one is missing; say whether what is waited for may be there."""
        with np.errstate(over="ignore"):
            new = np.atleast_1d(np.asarray(samples, np.float32))
        present = np.isfinite(new)
        self.received += len(new)
        self._waiting.append(np.where(present, new, np.float32(np.nan)))
        if len(self._waiting) > _MOST_PIECES:
            self._waiting = [np.concatenate(self._waiting)]
        return self.received >= self._due and bool(present.any())  # in a gap there is nothing to be had

    def take(self, *, end: bool = False) -> tuple[NDArray[np.float32], list[tuple[int, int]]]:
        """Return the grid's next samples, and each long gap that has ended: its first, and the one after its last.

        A gap is held back until it ends, since what follows it decides how it is bridged; so it is reported before the
        grid reaches it.
        """
        x = np.concatenate([self._bridged, *self._waiting])
        present = np.flatnonzero(~np.isnan(x))
        stop = len(x) if end else int(present[-1]) + 1 if len(present) else 0
        known = len(self._bridged)
        self._waiting = [x[max(stop, known) :]]
        x = x[:stop] if len(present) else x[:0]
        gaps = find_gaps(x[np.newaxis])
        x = bridge_gaps(x[np.newaxis], gaps)[0]
        long = gaps[is_long(gaps[:, 1:], self.fs, self._max_gap), 1:] + self._passed - known
        self._bridged, self._passed = x[-1:], self._passed + max(0, len(x) - known)
        grid = self._resampler.push(x[known:])
        if end:
            grid = np.concatenate([grid, self._resampler.finish()])
        long_on_grid = [made_up(a, b, self.ratio, 2**62) for a, b in long.tolist()]
        return grid.astype(np.float32), long_on_grid

    def check_length(self, contract: InputContract) -> None:
        """Refuse a signal that ended before there was anything to judge, or that held nothing.

        Raises:
            ContractError: it did.
        """
        needed = contract.min_samples / contract.fs
        if self.received / self.fs < needed:
            raise ContractError(
                f"the signal ended after {self.received / self.fs:.5g} s ({self.received} samples at {self.fs:g} Hz), "
                f"but the model needs at least {needed:g} s",
                hint=f"give at least {needed:g} s",
            )
        if not self._passed and all(np.isnan(each).all() for each in self._waiting):
            raise ContractError(
                "every sample of the signal was missing", hint="check the sensor, or what sends it"
            )
