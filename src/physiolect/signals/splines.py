"""Cubic splines through many signals on one grid, each grid's equations solved once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def spline_resample(signals: NDArray[np.float64], n_samples: int) -> NDArray[np.float64]:
    """Return `n_samples` values, evenly spaced from the first sample to the last, of the cubic spline through each.

    It is the spline of `scipy.interpolate.interp1d(kind="cubic")`: ends are "not a knot". The first and the last
    sample stay where they are, so that the spacing is (time - 1) / (n_samples - 1) and not a ratio of rates.

    Args:
        signals: (n, time), at least four samples.
        n_samples: how many values, at least one.

    Returns:
        (n, n_samples).
    """
    from scipy.linalg.lapack import dgbtrs

    grid = _grid(signals.shape[1], n_samples)
    # LAPACK wants columns of memory: rows of ours, transposed, are just that
    weights, _ = dgbtrs(grid.factors, grid.below, grid.above, signals.T, grid.pivots)  # (time, n)
    weights = weights.T
    resampled = weights[:, grid.first] * grid.basis[0]
    for k in range(1, 4):
        resampled += weights[:, grid.first + k] * grid.basis[k]
    return resampled


@dataclass(frozen=True)
class _Grid:
    """All that depends on the two numbers of samples alone."""

    factors: NDArray[np.float64]
    """LU factors of the B-splines' values at the samples, banded as LAPACK's gbtrf leaves them."""
    pivots: NDArray[np.int32]
    below: int
    """Diagonals under the main one."""
    above: int
    """Diagonals over it."""
    first: NDArray[np.int64]
    """First of the four B-splines that reach each wanted place, (n_samples,)."""
    basis: NDArray[np.float64]
    """Their values there, (4, n_samples)."""


@lru_cache(maxsize=4)
def _grid(time: int, n_samples: int) -> _Grid:
    from scipy.interpolate import BSpline
    from scipy.linalg.lapack import dgbtrf

    places = np.arange(float(time))
    knots = np.concatenate(
        [places[[0] * 4], places[2:-2], places[[-1] * 4]]
    )  # the second and last but one are none
    matrix = BSpline.design_matrix(places, knots, 3).tocoo()
    below, above = int((matrix.row - matrix.col).max()), int((matrix.col - matrix.row).max())
    banded = np.zeros((2 * below + above + 1, time))
    banded[below + above + matrix.row - matrix.col, matrix.col] = matrix.data
    factors, pivots, failed = dgbtrf(banded, below, above)
    assert failed == 0  # B-splines of distinct places are independent (Schoenberg & Whitney 1953)

    wanted = np.linspace(0, time - 1, n_samples)
    values = BSpline.design_matrix(wanted, knots, 3)  # four entries a row
    first = values.indices[::4].astype(np.int64)
    return _Grid(factors, pivots, below, above, first, np.ascontiguousarray(values.data.reshape(-1, 4).T))
