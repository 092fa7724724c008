"""Intervals by resampling groups: windows of one patient are not independent of one another."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.errors import PhysiolectError

_CELLS = 4_000_000
"""Numbers a block of weights may hold: 32 MB."""
_ENOUGH = 0.5
"""Share of the resamples that must be defined for an interval to be given."""


class Bootstrap:
    """Groups drawn again with replacement, the same draws for whatever is measured on the same windows.

    Args:
        groups: the patient (or recording) of every row, (n,).
        n_resamples: how many times the groups are drawn.
        level: least share of the resampled values that lie inside an interval.
        seed: of the draw.

    Raises:
        PhysiolectError: there are no rows.
    """

    def __init__(
        self,
        groups: Sequence[Hashable] | NDArray,
        *,
        n_resamples: int = 2000,
        level: float = 0.95,
        seed: int = 0,
    ) -> None:
        number = {group: i for i, group in enumerate(dict.fromkeys(groups))}
        if not number:
            raise PhysiolectError("there is nothing to measure", hint="choose windows that are there")
        self.names = tuple(number)
        """Each group once, in order of appearance."""
        self.row_group = np.array([number[group] for group in groups])
        """Number of every row's group, (n,)."""
        self.level = level
        n = len(number)
        self.times = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), n_resamples)
        """How often each group is drawn, (resamples, groups)."""

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return len(self.names)

    def sums(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the sums of rows (n, K) in all, and in each resample: (1 + resamples, K).

        Whatever is a function of sums (a count, a mean, a rate) costs one product of matrices this way.
        """
        rows = np.asarray(values, np.float64).reshape(len(self.row_group), -1)
        by_group = np.stack(
            [np.bincount(self.row_group, column, minlength=self.n_groups) for column in rows.T], axis=1
        )  # (groups, K)
        return np.concatenate([by_group.sum(0)[None], self.times @ by_group])

    def weights(self, order: NDArray[np.int64] | None = None) -> Iterator[NDArray[np.float64]]:
        """Yield how often each row counts, (b, n): once in all, then in each resample, block by block.

        Args:
            order: rows in the order they are wanted in.
        """
        group = self.row_group if order is None else self.row_group[order]
        yield np.ones((1, len(group)))
        step = max(1, _CELLS // max(1, len(group)))
        for first in range(0, len(self.times), step):
            yield self.times[first : first + step, group].astype(np.float64)

    def estimate(self, values: NDArray[np.float64]) -> Estimate:
        """Return a measure with its interval, of its values (1 + resamples,): in all, and in each resample.

        The interval reaches from percentile to percentile, and to the value itself where that lies beyond. This matters
        for measures that resampling biases. A constant that equals the targets' mean has a calibration error of 0 and
        an R² of 0 on all rows. In each resample the mean differs a little: every resampled error is above 0, and every
        resampled R² is below 0. The percentiles alone would exclude the measured value.

        A value that is not finite (a resample of one class alone has no AUROC) is left out, and counted.
        """
        resampled = values[1:]
        defined = resampled[np.isfinite(resampled)]
        low = high = float("nan")
        if self.n_groups > 1 and len(defined) > _ENOUGH * len(resampled) and isfinite(values[0]):
            low, high = np.quantile(defined, [(1 - self.level) / 2, (1 + self.level) / 2]).tolist()
            low, high = min(low, float(values[0])), max(high, float(values[0]))
        return Estimate(float(values[0]), low, high, len(resampled) - len(defined), self, resampled)


@dataclass(frozen=True, eq=False)
class Estimate:
    """A measure with its interval; NaN stands for what is not defined."""

    value: float
    """On all rows."""
    low: float
    """Lower end of the interval; NaN with one group, or where most resamples leave the measure undefined."""
    high: float
    """Upper end."""
    undefined: int
    """Resamples that were left out, since the measure does not exist in them."""
    draws: Bootstrap = field(repr=False)
    resampled: NDArray[np.float64] = field(repr=False)
    """(resamples,) what the interval is made of."""

    def minus(self, other: Estimate) -> Estimate:
        """Return the difference with an interval of its own, each resample being the same windows for both.

        Raises:
            PhysiolectError: the two were not measured with the same draws.
        """
        if self.draws is not other.draws:
            raise PhysiolectError(
                "a paired difference needs the same windows and draws", hint="measure both with one Bootstrap"
            )
        values = np.concatenate([[self.value - other.value], self.resampled - other.resampled])
        return self.draws.estimate(values)

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside the interval; never where there is none."""
        return self.low > 0 or self.high < 0

    def to_dict(self) -> dict[str, Any]:
        """Return value, interval and count of undefined resamples, ready for JSON."""
        found: dict[str, Any] = {
            name: number if isfinite(number) else None
            for name, number in (("value", self.value), ("low", self.low), ("high", self.high))
        }
        return {**found, "undefined_resamples": self.undefined}


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
    draws = Bootstrap(groups, n_resamples=n_resamples, level=level, seed=seed)
    if draws.n_groups < 2:
        raise PhysiolectError(
            f"an interval over patients needs at least two of them, got {draws.n_groups}",
            hint="evaluate on more patients, or report the mean alone",
        )
    total, count = draws.sums(np.stack([rows.sum(1), np.full(len(rows), float(rows.shape[1]))], axis=1)).T
    found = draws.estimate(total / count)
    return found.low, found.high


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
