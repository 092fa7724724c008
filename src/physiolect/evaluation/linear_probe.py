"""What a linear model reads from frozen features, with its regularisation chosen inside the training part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.evaluation.baselines import Predictions
from physiolect.evaluation.protocol import Fold, make_folds

STRENGTHS = tuple(10.0 ** np.arange(-4, 2).astype(float))
"""Inverse strengths of the regularisation (C) that are tried, the strongest first."""
_INNER = 3
"""Folds by patient of the training part, in which the strength is chosen."""


def fit_linear_probe(
    features: NDArray[np.floating],
    target: ArrayLike,
    folds: Sequence[Fold],
    groups: Sequence[str],
    *,
    strengths: Sequence[float] = STRENGTHS,
    seed: int = 0,
) -> Predictions:
    """Predict each class of each test window by a logistic regression on standardised features.

    The strength of each class's regularisation is the one with the smallest mean log loss over folds by patient of the
    training windows. Test windows choose nothing. A class that all training windows have, or none, is predicted
    as such.

    Args:
        features: (n, F), such as `window_features` gives; NaN is replaced by the training part's median.
        target: (n, classes) or (n,), 0 or 1; a window may be of several classes.
        folds: training and test windows; one fold whose test part is a stated split is a list of one.
        groups: patient, or recording, of each window (n names).
        strengths: inverse strengths that are tried.
        seed: of the inner folds.

    Returns:
        probabilities in the shape of the target; NaN where no fold tests a window.
    """
    x, t = np.asarray(features, np.float64), np.asarray(target, np.float64)
    columns = t.reshape(len(t), -1)
    score = np.full(columns.shape, np.nan)
    names = np.asarray(groups, dtype=object)
    for fold in folds:
        inner = _inner_folds(names[fold.train].tolist(), seed)
        for k, column in enumerate(columns.T):
            train = x[fold.train], column[fold.train]
            strength = _choose(*train, inner, strengths)
            score[fold.test, k] = _fit_and_predict(*train, x[fold.test], [strength])[0]
    note = "logistic regression on frozen features, its regularisation chosen by patient inside the training part"
    return Predictions(score.reshape(t.shape), note=note)


def _inner_folds(groups: list[str], seed: int) -> list[Fold]:
    n = len(set(groups))
    return make_folds(groups, "k-fold", k=min(_INNER, n), seed=seed) if n > 1 else []


def _choose(
    x: NDArray[np.float64], t: NDArray[np.float64], inner: Sequence[Fold], strengths: Sequence[float]
) -> float:
    """Return the strength with the smallest log loss; the strongest where no inner fold has both answers."""
    loss, n = np.zeros(len(strengths)), 0
    for fold in inner:
        if len(np.unique(t[fold.train])) < 2:
            continue
        truth = t[fold.test]
        for i, p in enumerate(_fit_and_predict(x[fold.train], t[fold.train], x[fold.test], strengths)):
            held = np.clip(np.where(truth > 0, p, 1 - p), 1e-12, None)
            loss[i] -= np.log(held).sum()
        n += len(truth)
    return strengths[int(loss.argmin())] if n else min(strengths)


def _fit_and_predict(
    x: NDArray[np.float64], t: NDArray[np.float64], test: NDArray[np.float64], strengths: Sequence[float]
) -> list[NDArray[np.float64]]:
    """Return the probabilities of test windows for each strength, each fit beginning where the last one ended."""
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(t)) < 2:
        return [np.full(len(test), t[0]) for _ in strengths]
    prepare = _preparation().fit(x)
    x, test = prepare.transform(x), prepare.transform(test)
    model = LogisticRegression(max_iter=500, warm_start=True)
    return [model.set_params(C=C).fit(x, t).predict_proba(test)[:, 1] for C in strengths]


def _preparation() -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
