"""Percentiles of more samples than memory holds, the same however the samples are divided among processes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.errors import ContractError

EXACT_BELOW = 2**22
"""Samples up to which percentiles are exact: 140 ten-second records of twelve leads at 250 Hz, in 32 MB."""

RELATIVE_ERROR = 1 / 4000
"""Beyond that, how far a sample may be from its bin's middle, as a share of the sample."""

_SHIFT = 12  # bits of a float32 that do not count: 11 of its 23 bits of mantissa remain
_LARGEST = float(np.finfo(np.float32).max)
_BINS = 2 ** (32 - _SHIFT)


class Percentiles:
    """Gathers samples and tells their percentiles: exactly for few, by a histogram of fixed size for many.

    The histogram's bins are as wide as one part in 2,048 of what lies in them: a sample's bin is the upper 20 bits of
    its float32. Whatever the distribution, each sample is known to one part in 4,000, and a percentile as well as the
    two samples it lies between: |told - true| <= RELATIVE_ERROR * the larger of them. Counts add up, so that the result
    depends on which samples there are, and neither on their order nor on how they were divided and merged.

    Args:
        exact_below: samples up to which all are kept.

    Source:
        The idea of relative bins is that of DDSketch (Masson, Rim & Lee 2019); bits take the place of its logarithm.
    """

    def __init__(self, exact_below: int = EXACT_BELOW) -> None:
        self.exact_below = exact_below
        self.n = 0
        """Samples gathered."""
        self._kept: list[NDArray[np.float64]] = []
        self._counts: NDArray[np.int64] | None = None  # (_BINS,)
        self._ends = (np.inf, -np.inf)

    @property
    def exact(self) -> bool:
        """Whether every sample is still there."""
        return self._counts is None

    def add(self, samples: ArrayLike) -> None:
        """Take samples of any shape.

        Raises:
            ContractError: a sample is missing, infinite, or beyond float32.
        """
        values = np.array(samples, np.float64).ravel()  # a copy: the caller may write into it
        if not values.size:
            return
        low, high = float(values.min()), float(values.max())
        if not max(abs(low), abs(high)) <= _LARGEST:
            raise ContractError(
                "percentiles were asked for of samples that are missing or infinite",
                hint="leave out missing samples first (signal[np.isfinite(signal)])",
            )
        self.n += values.size
        self._ends = min(self._ends[0], low), max(self._ends[1], high)
        self._kept.append(values)
        self._settle()

    def merge(self, other: Percentiles) -> None:
        """Take all that another has gathered; the other stays as it is.

        Raises:
            ValueError: the two keep different numbers of samples.
        """
        if other.exact_below != self.exact_below:
            raise ValueError("only percentiles with the same exact_below can be merged")
        self.n += other.n
        self._ends = min(self._ends[0], other._ends[0]), max(self._ends[1], other._ends[1])
        self._kept.extend(other._kept)
        if other._counts is not None:
            self._counts = other._counts + (0 if self._counts is None else self._counts)
        self._settle()

    def at(self, percents: Sequence[float]) -> tuple[float, ...]:
        """Return percentiles, between samples by a straight line as `numpy.percentile` does.

        Args:
            percents: which, from 0 to 100.

        Raises:
            ContractError: nothing was added.
        """
        if not self.n:
            raise ContractError("percentiles were asked for of no samples", hint="add samples first")
        if self._counts is None:
            return tuple(np.percentile(np.concatenate(self._kept), percents).tolist())
        place = np.asarray(percents, np.float64) / 100 * (self.n - 1)
        below = np.floor(place).astype(np.int64)
        up_to = np.cumsum(self._counts)
        one, two = (
            np.clip(_middle(np.searchsorted(up_to, rank, side="right")), *self._ends)
            for rank in (below, np.minimum(below + 1, self.n - 1))
        )
        told = one + (two - one) * (place - below)
        told[place == 0], told[place == self.n - 1] = self._ends
        return tuple(told.tolist())

    def _settle(self) -> None:
        """Count what is kept, once there is too much of it."""
        if self._counts is None:
            if self.n <= self.exact_below:
                return
            self._counts = np.zeros(_BINS, np.int64)
        for values in self._kept:
            np.add.at(self._counts, _bin(values), 1)
        self._kept = []


def _bin(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the bin of each value; bins are in the order of their values."""
    bits = (values.astype(np.float32) + np.float32(0)).view(np.int32)  # + 0 leaves one zero of the two
    ordered = np.where(bits < 0, bits ^ 0x7FFFFFFF, bits)  # as integers in the order of the floats
    return (ordered >> _SHIFT).astype(np.int64) + _BINS // 2


def _middle(bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the value halfway through each bin."""
    first = (np.asarray(bins, np.int64) - _BINS // 2) << _SHIFT
    edges = [_float(first), _float(first + 2**_SHIFT - 1)]
    return (edges[0] + edges[1]) / 2


def _float(ordered: NDArray[np.int64]) -> NDArray[np.float64]:
    bits = ordered.astype(np.int32)
    return np.where(bits < 0, bits ^ 0x7FFFFFFF, bits).astype(np.int32).view(np.float32).astype(np.float64)
