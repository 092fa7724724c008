"""Percentiles of a store's samples: exact at any size, in little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.datasets.store import Store
from physiolect.errors import FormatError

_HALF = 1 << 16
_SIGN = np.uint32(1 << 31)


def store_percentiles(store: Store, rows: ArrayLike, percents: Sequence[float]) -> tuple[float, ...]:
    """Return percentiles over all samples of rows, as `numpy.percentile` has them, in the store's unit.

    The rows are read twice, whatever their number, and counted in tables of 65,536 entries.

    Args:
        store: the store.
        rows: which rows, (n,): those that train, and no others.
        percents: from 0 to 100.

    Raises:
        FormatError: there are no samples.
    """
    wanted = np.asarray(rows, np.int64).tolist()
    return percentiles(lambda: (store.recording(row).signal for row in wanted), percents)


def percentiles(
    signals: Callable[[], Iterable[NDArray[np.float32]]], percents: Sequence[float]
) -> tuple[float, ...]:
    """Return percentiles over float32 samples that are gone through twice; NaN is not allowed."""
    upper = np.zeros(_HALF, np.int64)
    for signal in signals():
        upper += np.bincount(_ordered(signal) >> 16, minlength=_HALF)
    n = int(upper.sum())
    if n == 0:
        raise FormatError("there are no samples to take percentiles of", hint="name rows that hold samples")
    place = np.asarray(percents, np.float64) / 100 * (n - 1)
    below = np.floor(place).astype(np.int64)
    ranks = np.unique(np.concatenate([below, np.minimum(below + 1, n - 1)]))
    values = dict(zip(ranks.tolist(), _values_at(signals, upper, ranks), strict=True))
    return tuple(
        values[rank] + (values[min(rank + 1, n - 1)] - values[rank]) * float(part)
        for rank, part in zip(below.tolist(), place - below, strict=True)
    )


def _values_at(
    signals: Callable[[], Iterable[NDArray[np.float32]]], upper: NDArray[np.int64], ranks: NDArray[np.int64]
) -> list[float]:
    """Return the samples that take these places in ascending order, knowing how many share each upper half."""
    ends = np.cumsum(upper)
    halves = np.searchsorted(ends, ranks, side="right")
    lower = {int(half): np.zeros(_HALF, np.int64) for half in halves}
    for signal in signals():
        bits = _ordered(signal)
        for half, counts in lower.items():
            counts += np.bincount(bits[bits >> 16 == half] & (_HALF - 1), minlength=_HALF)
    found = []
    for rank, half in zip(ranks.tolist(), halves.tolist(), strict=True):
        inside = rank - int(ends[half] - upper[half])
        found.append((half << 16) | int(np.searchsorted(np.cumsum(lower[half]), inside, side="right")))
    bits = np.array(found, np.uint32)
    return np.where(bits & _SIGN, bits ^ _SIGN, ~bits).view(np.float32).astype(np.float64).tolist()


def _ordered(signal: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return whole numbers in the order of the samples, (samples,)."""
    bits = np.ascontiguousarray(signal, np.float32).reshape(-1).view(np.uint32)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)
