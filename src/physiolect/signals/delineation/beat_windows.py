"""Windows of a signal around beats, as one array, and searches along them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def cut_windows(signal: Floats, centres: Ints, before: int, after: int) -> Floats:
    """Return the samples from `before` before each centre to `after` after it, (beats, leads, window).

    Beyond the signal's ends stands its first, or last, sample.

    Args:
        signal: (leads, time).
        centres: (beats,) samples.
        before: samples.
        after: samples.
    """
    index = centres[:, np.newaxis] + np.arange(-before, after + 1)  # (beats, window)
    return signal[:, np.clip(index, 0, signal.shape[1] - 1)].swapaxes(0, 1)


def last_true(mask: Bools, otherwise: int) -> Ints:
    """Return the last index along the last axis at which the mask is true, or `otherwise`."""
    index = mask.shape[-1] - 1 - mask[..., ::-1].argmax(axis=-1)
    return np.where(mask.any(axis=-1), index, otherwise)


def first_true(mask: Bools, otherwise: int) -> Ints:
    """Return the first index along the last axis at which the mask is true, or `otherwise`."""
    return np.where(mask.any(axis=-1), mask.argmax(axis=-1), otherwise)


def at(values: NDArray[np.floating], index: Ints) -> Floats:
    """Return values (..., window) at one index each, (...)."""
    return np.asarray(np.take_along_axis(values, index[..., np.newaxis], axis=-1)[..., 0], np.float64)


def draw_together(marks: Floats, share: float) -> Floats:
    """Return marks (beats, leads) moved towards the median over leads; `share` of the distance remains.

    A boundary is about the same in all leads. What one lead says alone is partly noise.
    """
    with np.errstate(invalid="ignore"):
        middle = nan_quantile(marks, 0.5)[:, np.newaxis]
    return middle + share * (marks - middle)


def nan_quantile(marks: Floats, quantile: float) -> Floats:
    """Return a quantile over leads of marks (beats, leads), (beats,); NaN where no lead has one."""
    ordered = np.sort(marks, axis=1)  # NaN last
    n_known = np.isfinite(marks).sum(axis=1)
    position = quantile * np.maximum(n_known - 1, 0)
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(n_known - 1, 0))
    rows = np.arange(len(marks))
    share = position - low
    return ordered[rows, low] * (1 - share) + ordered[rows, high] * share
