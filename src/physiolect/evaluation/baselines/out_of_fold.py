"""Baselines that learn from labels: each window is predicted by what was trained on other patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.evaluation.baselines.rr import FEATURES, all_features
from physiolect.evaluation.protocol import Fold

CONSTANT = "always the same"
"""Name of the baseline that predicts the same for every window."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of a model or a baseline for windows."""

    score: NDArray[np.float64]
    """(n,), or (n, classes); NaN where no fold tests a window."""
    probability: bool = True
    """The scores are probabilities (or, of a regression, the numbers)."""
    decided: NDArray[np.bool_] | None = None
    """(n,) decisions, where they are not those of the threshold 0.5."""
    note: str = ""
    """A remark on how they were made."""


def majority(target: ArrayLike) -> Predictions:
    """Predict for every window how common each class is, or the mean of the numbers.

    It is the mean of all windows, the evaluated ones themselves. The mean of the training folds alone is lower the more
    positive windows the test fold has, and would rank folds backwards.

    Args:
        target: (n,) or (n, classes).
    """
    t = np.asarray(target, np.float64)
    note = (
        "predicts the mean of the evaluated windows themselves for each; a difference from it is a difference from a "
        "constant that knows the mean of the targets"
    )
    return Predictions(np.broadcast_to(t.mean(0), t.shape).copy(), note=note)


def rr_rule(beats: Sequence[NDArray[np.float64]], target: ArrayLike, folds: Sequence[Fold]) -> Predictions:
    """Predict a rhythm from the coefficient of sample entropy of its intervals alone.

    The rule learns one number: the threshold with the best Youden index on the training folds. A window with too few
    beats gets the lowest value, and so counts as negative.

    Args:
        beats: of each window, in seconds, from `window_beats`.
        target: (n,) 0 or 1.
        folds: training and test windows.

    Source: Lake and Moorman 2011; see `cosen`.
    """
    t = np.asarray(target, np.float64)
    value = all_features(beats)[:, FEATURES.index("cosen")]
    lost = ~np.isfinite(value)
    value = np.where(lost, np.min(value[~lost], initial=0.0), value)
    decided = np.zeros(len(t), bool)
    score = np.full(len(t), np.nan)
    for fold in folds:
        decided[fold.test] = value[fold.test] >= _youden(value[fold.train], t[fold.train])
        score[fold.test] = value[fold.test]
    note = f"threshold out of fold; {int(lost.sum())} of {len(t)} windows have too few beats and count as negative"
    return Predictions(score, probability=False, decided=decided, note=note)


def rr_regression(
    beats: Sequence[NDArray[np.float64]], target: ArrayLike, folds: Sequence[Fold]
) -> Predictions:
    """Predict a rhythm by a logistic regression on `FEATURES` of its intervals, with balanced class weights.

    Args:
        beats: of each window, in seconds, from `window_beats`.
        target: (n,) 0 or 1.
        folds: training and test windows.
    """
    return fit_out_of_fold(all_features(beats), target, folds, note="trained out of fold")


def fit_out_of_fold(
    features: NDArray[np.floating],
    target: ArrayLike,
    folds: Sequence[Fold],
    *,
    note: str,
    kind: str = "binary",
) -> Predictions:
    """Fit a linear model on each fold's training windows and predict its test windows.

    Args:
        features: (n, features); NaN is replaced by the training part's median.
        target: (n,), or (n, classes).
        folds: training and test windows.
        note: a remark on how the predictions were made.
        kind: "binary", "one-of", "several" or "number".
    """
    t, x = np.asarray(target, np.float64), features.astype(np.float64)
    score = np.full(t.shape, np.nan)
    for fold in folds:
        score[fold.test] = _fit_and_predict(x[fold.train], t[fold.train], x[fold.test], kind)
    return Predictions(score, note=note)


def _fit_and_predict(
    train: NDArray[np.floating], target: NDArray[np.float64], test: NDArray[np.floating], kind: str
) -> NDArray[np.float64]:
    if kind == "number":
        return _line(target_is_class=False).fit(train, target).predict(test)
    if kind == "several":
        each = [_fit_and_predict(train, column, test, "binary") for column in target.T]
        return np.stack(each, axis=1)
    labels = target.argmax(1) if kind == "one-of" else target.astype(np.int64)
    n_classes = target.shape[1] if kind == "one-of" else 2
    predicted = np.zeros((len(test), n_classes))
    if len(np.unique(labels)) == 1:  # the training windows are of one class
        predicted[:, labels[0]] = 1.0
    else:
        model = _line(target_is_class=True).fit(train, labels)
        predicted[:, model.classes_] = model.predict_proba(test)
    return predicted if kind == "one-of" else predicted[:, 1]


def _line(*, target_is_class: bool) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    last = LogisticRegression(class_weight="balanced", max_iter=2000) if target_is_class else Ridge()
    return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler(), last)


def _youden(value: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    """Return the threshold with the greatest sensitivity + specificity."""
    order = np.argsort(-value, kind="stable")
    ends = np.append(np.diff(value[order]) != 0, True)
    positive = target[order]
    gain = np.cumsum(positive) / max(positive.sum(), 1) - np.cumsum(1 - positive) / max(
        (1 - positive).sum(), 1
    )
    best = int(np.argmax(np.where(ends, gain, -np.inf)))
    return float(value[order][best])
