"""How well windows are classified: areas, rates at a threshold, calibration, each with an interval by group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.errors import PhysiolectError
from physiolect.evaluation.bootstrap import Bootstrap, Estimate

N_BINS = 10
"""Bins of equal width between 0 and 1 for the calibration error."""

_RATES = ("sensitivity", "specificity", "ppv", "f1", "accuracy")
RANKS = ("auroc", "auprc")
PROBABILITIES = ("ece", "brier")


class ClassScores(NamedTuple):
    """What was measured of several classes."""

    overall: dict[str, Estimate]
    """Of all classes: macro means, and what speaks of whole windows."""
    per_class: dict[str, dict[str, Estimate]]
    """Of each class against all others."""


def measure_binary(
    score: ArrayLike,
    target: ArrayLike,
    draws: Bootstrap,
    *,
    threshold: float = 0.5,
    decided: ArrayLike | None = None,
    probability: bool = True,
) -> dict[str, Estimate]:
    """Measure scores of a yes-or-no question.

    Args:
        score: higher is more likely, (n,).
        target: 0 or 1, (n,).
        draws: of the rows' groups.
        threshold: a score from here on counts as yes.
        decided: what was decided instead of by the threshold, (n,) 0 or 1.
        probability: the scores are probabilities, so that they have a calibration error and a Brier score.

    Returns:
        "auroc", "auprc" (average precision), "sensitivity", "specificity", "ppv", "f1", "accuracy"; of probabilities
        "ece", the mean distance of predicted from observed frequency over `N_BINS` bins of equal width, weighed by
        their windows, and "brier", the mean squared distance.

    Raises:
        PhysiolectError: the arrays differ in length, are not finite, or the targets are not 0 and 1.

    Source: calibration error: Naeini, Cooper and Hauskrecht, AAAI 2015; Brier, Monthly Weather Review 78:1, 1950.
    """
    s, t = _checked(score, target, draws)
    yes = (s >= threshold) if decided is None else np.asarray(decided).astype(bool)
    found = dict(zip(RANKS, _areas(s, t, draws), strict=True))
    found.update(_rates(yes, t, draws))
    if probability:
        if s.min() < 0 or s.max() > 1:
            raise PhysiolectError(
                f"probabilities lie between {s.min():g} and {s.max():g}, but must be from 0 to 1",
                hint="give probability=False for scores of another kind",
            )
        found["ece"] = draws.estimate(_calibration(s, t, draws))
        found["brier"] = _mean((s - t) ** 2, draws)
    return found


def measure_classes(
    score: ArrayLike, target: ArrayLike, classes: Sequence[str], draws: Bootstrap, *, several: bool = False
) -> ClassScores:
    """Measure probabilities of several classes.

    Macro figures are plain means over the classes; in a resample that lacks a class they are undefined. Where a window
    is of one class, the likeliest is decided for, "accuracy" counts right windows, "ece" is that of the decision's
    probability and "brier" sums over classes. Where it may be of several, each is decided for from 0.5 on, "accuracy"
    counts windows that are right in all, and "ece" and "brier" are macro means.

    Args:
        score: (n, classes).
        target: (n, classes), 0 or 1.
        classes: names.
        draws: of the rows' groups.
        several: whether a window may be of several classes.

    Raises:
        PhysiolectError: shapes do not match, or see `measure_binary`.

    Source: calibration of the decided class: Guo et al., ICML 2017.
    """
    s, t = np.asarray(score, np.float64), np.asarray(target, np.float64)
    if s.shape != t.shape or s.ndim != 2 or s.shape[1] != len(classes):
        raise PhysiolectError(
            f"scores {s.shape} and targets {t.shape} do not fit {len(classes)} classes",
            hint="give one column a class, in the order of the names",
        )
    decided = s >= 0.5 if several else s.argmax(1)[:, None] == np.arange(s.shape[1])
    per_class = {
        name: measure_binary(s[:, k], t[:, k], draws, decided=decided[:, k]) for k, name in enumerate(classes)
    }
    macro = [*RANKS, "sensitivity", "specificity", "ppv", "f1", *(PROBABILITIES if several else ())]
    overall = {f"macro {name}": _macro([each[name] for each in per_class.values()], draws) for name in macro}
    overall["accuracy"] = _mean((decided == (t > 0)).all(1), draws)
    if not several:
        right = t[np.arange(len(t)), s.argmax(1)]
        overall["ece"] = draws.estimate(_calibration(s.max(1), right, draws))
        overall["brier"] = _mean(((s - t) ** 2).sum(1), draws)
    return ClassScores(overall, per_class)


def measure_numbers(predicted: ArrayLike, target: ArrayLike, draws: Bootstrap) -> dict[str, Estimate]:
    """Measure predicted numbers: "mae", "rmse", "bias" (predicted - true), "r2" and Pearson's "r".

    Args:
        predicted: (n,).
        target: (n,), in the same unit.
        draws: of the rows' groups.

    Raises:
        PhysiolectError: the arrays differ in length or are not finite.
    """
    y, x = _finite(predicted, target, draws)
    offset = x.mean()  # sums of squares of large numbers would lose their digits
    y, x = y - offset, x - offset
    e = y - x
    columns = np.stack([np.ones_like(x), np.abs(e), e**2, e, x, x**2, y, y**2, x * y], axis=1)
    n, absolute, square, bias, sx, sxx, sy, syy, sxy = draws.sums(columns).T
    with np.errstate(invalid="ignore", divide="ignore"):
        vx, vy = sxx - sx**2 / n, syy - sy**2 / n
        varies_x, varies_y = (
            vx > 1e-9 * sxx,
            vy > 1e-9 * syy,
        )  # more than rounding makes of what is all the same
        values = {
            "mae": absolute / n,
            "rmse": np.sqrt(square / n),
            "bias": bias / n,
            "r2": np.where(varies_x, 1 - square / vx, np.nan),
            "r": np.where(varies_x & varies_y, (sxy - sx * sy / n) / np.sqrt(vx * vy), np.nan),
        }
    return {name: draws.estimate(value) for name, value in values.items()}


class Curve(NamedTuple):
    """A curve with its band."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def roc_band(score: ArrayLike, target: ArrayLike, draws: Bootstrap, *, most: int = 300) -> Curve:
    """Return sensitivity over 1 - specificity with the band of its resamples, pointwise.

    Args:
        score: (n,).
        target: (n,).
        draws: of the rows' groups.
        most: resamples that make the band.
    """
    return _band(score, target, draws, most, np.linspace(0, 1, 201), _roc_at)


def precision_band(score: ArrayLike, target: ArrayLike, draws: Bootstrap, *, most: int = 300) -> Curve:
    """Return PPV over sensitivity with the band of its resamples, pointwise; see `roc_band`."""
    return _band(score, target, draws, most, np.linspace(0.01, 1, 100), _precision_at)


class Reliability(NamedTuple):
    """Predicted against observed frequency, bin by bin; NaN where a bin is empty."""

    predicted: NDArray[np.float64]
    """(bins,) mean probability."""
    observed: NDArray[np.float64]
    """(bins,) share of positive windows."""
    windows: NDArray[np.int64]
    """(bins,) how many there are."""
    low: NDArray[np.float64]
    """(bins,) ends of the interval of `observed`."""
    high: NDArray[np.float64]


def reliability(score: ArrayLike, target: ArrayLike, draws: Bootstrap) -> Reliability:
    """Return what the calibration error is made of, with intervals by group."""
    s, t = _checked(score, target, draws)
    sums = draws.sums(_binned(s, t)).reshape(-1, 3, N_BINS)
    with np.errstate(invalid="ignore", divide="ignore"):
        observed, predicted = sums[:, 2] / sums[:, 0], sums[0, 1] / sums[0, 0]
    ends = [draws.estimate(column) for column in observed.T]
    return Reliability(
        predicted, observed[0], sums[0, 0].astype(np.int64),
        np.array([each.low for each in ends]), np.array([each.high for each in ends]),
    )  # fmt: skip


def _checked(
    score: ArrayLike, target: ArrayLike, draws: Bootstrap
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    s, t = _finite(score, target, draws)
    if not np.isin(t, (0, 1)).all():
        raise PhysiolectError("targets must be 0 or 1", hint="give one column a class")
    return s, t


def _finite(
    score: ArrayLike, target: ArrayLike, draws: Bootstrap
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    s, t = np.asarray(score, np.float64), np.asarray(target, np.float64)
    if not s.shape == t.shape == draws.row_group.shape:
        raise PhysiolectError(
            f"scores {s.shape}, targets {t.shape} and groups {draws.row_group.shape} do not match",
            hint="give one score, one target and one group a window",
        )
    if not (np.isfinite(s).all() and np.isfinite(t).all()):
        raise PhysiolectError(
            "scores or targets are not finite", hint="leave out windows that are not judged"
        )
    return s, t


def _areas(s: NDArray[np.float64], t: NDArray[np.float64], draws: Bootstrap) -> tuple[Estimate, Estimate]:
    """Return AUROC (Mann and Whitney's, ties half) and average precision, from ranks that are sorted once."""
    order = np.argsort(-s, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(s[order]) != 0, True))  # last row of each distinct score
    positive = t[order]
    roc, precision = [], []
    with np.errstate(invalid="ignore", divide="ignore"):
        for weights in draws.weights(order):
            seen = np.cumsum(weights, 1)[:, ends]  # (b, thresholds)
            true = np.cumsum(weights * positive, 1)[:, ends]
            false = seen - true
            gain, cost = (np.diff(each, axis=1, prepend=0) for each in (true, false))
            n_true, n_false = true[:, -1], false[:, -1]
            roc.append(((true - gain / 2) * cost).sum(1) / (n_true * n_false))
            share = np.divide(true, seen, out=np.zeros_like(true), where=seen > 0)
            area = (gain * share).sum(1) / n_true
            precision.append(np.where(n_true > 0, area, np.nan))
    return draws.estimate(np.concatenate(roc)), draws.estimate(np.concatenate(precision))


def _rates(yes: NDArray[np.bool_], t: NDArray[np.float64], draws: Bootstrap) -> dict[str, Estimate]:
    true = t > 0
    cells = np.stack([yes & true, yes & ~true, ~yes & true, ~yes & ~true], axis=1)
    tp, fp, fn, tn = draws.sums(cells).T
    with np.errstate(invalid="ignore", divide="ignore"):
        values = (
            tp / (tp + fn), tn / (tn + fp), tp / (tp + fp), 2 * tp / (2 * tp + fp + fn),
            (tp + tn) / (tp + fp + fn + tn),
        )  # fmt: skip
    return {name: draws.estimate(value) for name, value in zip(_RATES, values, strict=True)}


def _binned(s: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, for each row and bin, whether it lies there, and its score and target if so, (n, 3 * bins)."""
    place = np.minimum((s * N_BINS).astype(np.int64), N_BINS - 1)
    here = np.eye(N_BINS)[place]  # (n, bins)
    return np.concatenate([here, here * s[:, None], here * t[:, None]], axis=1)


def _calibration(s: NDArray[np.float64], t: NDArray[np.float64], draws: Bootstrap) -> NDArray[np.float64]:
    sums = draws.sums(_binned(s, t)).reshape(-1, 3, N_BINS)
    return np.abs(sums[:, 1] - sums[:, 2]).sum(1) / sums[:, 0].sum(1)


def _mean(values: ArrayLike, draws: Bootstrap) -> Estimate:
    rows = np.asarray(values, np.float64)
    total, count = draws.sums(np.stack([rows, np.ones_like(rows)], axis=1)).T
    return draws.estimate(total / count)


def _macro(each: list[Estimate], draws: Bootstrap) -> Estimate:
    return draws.estimate(np.mean([np.append(one.value, one.resampled) for one in each], axis=0))


def _band(
    score: ArrayLike,
    target: ArrayLike,
    draws: Bootstrap,
    most: int,
    grid: NDArray[np.float64],
    at: Callable[[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
) -> Curve:
    s, t = _checked(score, target, draws)
    order = np.argsort(-s, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(s[order]) != 0, True))
    rows: list[NDArray[np.float64]] = []
    for weights in draws.weights(order):
        for weight in weights[: most + 1 - len(rows)]:
            seen, true = np.cumsum(weight)[ends], np.cumsum(weight * t[order])[ends]
            rows.append(at(grid, true, seen - true))
        if len(rows) > most:
            break
    curves = np.array(rows)  # (1 + resamples, points)
    tails = [(1 - draws.level) / 2, (1 + draws.level) / 2]
    kept = curves[1:][np.isfinite(curves[1:]).all(1)]
    if draws.n_groups < 2 or not len(kept):
        return Curve(grid, curves[0], np.full(len(grid), np.nan), np.full(len(grid), np.nan))
    low, high = np.quantile(kept, tails, axis=0)
    return Curve(grid, curves[0], low, high)


def _roc_at(
    grid: NDArray[np.float64], true: NDArray[np.float64], false: NDArray[np.float64]
) -> NDArray[np.float64]:
    if not (true[-1] and false[-1]):
        return np.full(len(grid), np.nan)
    return np.interp(grid, np.append(0, false / false[-1]), np.append(0, true / true[-1]))


def _precision_at(
    grid: NDArray[np.float64], true: NDArray[np.float64], false: NDArray[np.float64]
) -> NDArray[np.float64]:
    if not true[-1]:
        return np.full(len(grid), np.nan)
    first = np.minimum(np.searchsorted(true, grid * true[-1] - 1e-9), len(true) - 1)
    return true[first] / (true[first] + false[first])
