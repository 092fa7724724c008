"""Intervals by resampling groups: windows of one patient are not independent of one another."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.errors import PhysiolectError


def bootstrap_interval(
    values: ArrayLike,
    groups: Sequence[Hashable] | NDArray,
    *,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile interval of the mean over all values, with whole groups drawn again.

    Args:
        values: (n, ...), one row a window.
        groups: the patient (or recording) of every row, (n,).
        n_resamples: how many times the groups are drawn with replacement.
        level: share of the resampled means that lie inside.
        seed: of the draw.

    Raises:
        PhysiolectError: the rows and groups do not match, or there are fewer than two groups.
    """
    rows = np.asarray(values, np.float64)
    rows = rows.reshape(len(rows), -1)
    if len(rows) != len(groups):
        raise PhysiolectError(
            f"{len(rows)} rows of values but {len(groups)} groups", hint="name the patient of every row once"
        )
    number = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    if len(number) < 2:
        raise PhysiolectError(
            f"an interval over patients needs at least two of them, got {len(number)}",
            hint="evaluate on more patients, or report the mean alone",
        )
    row_group = np.array([number[group] for group in groups])
    total = np.bincount(row_group, rows.sum(axis=1))  # (groups,)
    count = np.bincount(row_group) * rows.shape[1]
    shares = np.full(len(number), 1 / len(number))
    drawn = np.random.default_rng(seed).multinomial(len(number), shares, n_resamples)  # (resamples, groups)
    low, high = np.quantile((drawn @ total) / (drawn @ count), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    groups: Sequence[Hashable] | NDArray,
    *,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Return the mean of a - b with its interval, (mean, low, high): both were measured on the same windows.

    Args:
        a: (n, ...), for instance nats per token of one model.
        b: the same shape, of the other.
        groups: the patient of every row, (n,).
        n_resamples: how many times the groups are drawn with replacement.
        level: share of the resampled means that lie inside.
        seed: of the draw.

    Raises:
        PhysiolectError: the shapes differ, or see `bootstrap_interval`.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.shape != second.shape:
        raise PhysiolectError(
            f"a pair needs the same windows and positions, got shapes {first.shape} and {second.shape}",
            hint="score both on the same ids",
        )
    difference = first - second
    low, high = bootstrap_interval(difference, groups, n_resamples=n_resamples, level=level, seed=seed)
    return float(difference.mean()), low, high
