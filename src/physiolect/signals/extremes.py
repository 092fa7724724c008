"""The lowest and the highest sample of each column of a drawing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def column_starts(n_samples: int, n_columns: int) -> NDArray[np.int64]:
    """Return the first sample of each column, (n_columns,); lengths differ by at most one sample.

    Raises:
        ValueError: there are more columns than samples, or none.
    """
    if not 1 <= n_columns <= n_samples:
        raise ValueError(f"{n_columns} columns of {n_samples} samples: a column needs at least one sample")
    return np.arange(n_columns, dtype=np.int64) * n_samples // n_columns


def column_extremes(
    signal: NDArray[np.floating], n_columns: int
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the lowest and the highest sample of each column of a signal, (..., n_columns) each.

    Every sample is in one column (`column_starts`). Missing samples (NaN) are ignored; a column of missing samples
    only is NaN.

    Args:
        signal: (..., time).
        n_columns: columns, at most one a sample.

    Raises:
        ValueError: there are more columns than samples, or none.
    """
    starts = column_starts(signal.shape[-1], n_columns)
    return np.fmin.reduceat(signal, starts, axis=-1), np.fmax.reduceat(signal, starts, axis=-1)
