"""A linear probe: what it reads, what it chooses, and that no test window chooses anything."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from physiolect.evaluation import make_folds
from physiolect.evaluation.linear_probe import fit_linear_probe
from physiolect.evaluation.protocol import Fold


@pytest.fixture
def made() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """120 windows of 60 patients: two classes that two of thirty features show, and one that no window has."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((120, 30))
    t = np.stack([x[:, 0] + 0.3 * rng.standard_normal(120) > 0.5, x[:, 1] > 0, np.zeros(120)], 1).astype(
        float
    )
    return x, t, [f"p{i // 2}" for i in range(120)]


def test_classes_are_read_from_features(made: tuple) -> None:
    x, t, groups = made
    found = fit_linear_probe(x, t, make_folds(groups, "k-fold", k=4), groups)
    assert found.score.shape == t.shape
    assert np.isfinite(found.score).all()
    assert min(roc_auc_score(t[:, k], found.score[:, k]) for k in (0, 1)) > 0.85
    assert (found.score[:, 2] == 0).all()
    assert found.probability


def test_noise_is_regularised_away(made: tuple) -> None:
    _, t, groups = made
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((120, 300))
    folds = make_folds(groups, "k-fold", k=4)
    target = t[:, 0]
    chosen = fit_linear_probe(noise, target, folds, groups).score
    loose = fit_linear_probe(noise, target, folds, groups, strengths=(1e3,)).score

    def loss(p: np.ndarray) -> float:
        return float(-np.log(np.clip(np.where(target > 0, p, 1 - p), 1e-12, None)).mean())

    constant = loss(np.full(120, target.mean()))
    assert loss(chosen) < 1.1 * constant
    assert loss(loose) > 2 * constant


def test_test_windows_choose_nothing(made: tuple) -> None:
    x, t, groups = made
    fold = Fold("given", np.arange(80), np.arange(80, 120))
    found = fit_linear_probe(x, t, [fold], groups).score
    assert np.isnan(found[:80]).all()
    other = t.copy()
    other[80:] = 1 - other[80:]
    np.testing.assert_array_equal(fit_linear_probe(x, other, [fold], groups).score[80:], found[80:])
    moved = x.copy()
    moved[100:] += 5
    np.testing.assert_array_equal(fit_linear_probe(moved, t, [fold], groups).score[80:100], found[80:100])


def test_missing_features_and_one_patient(made: tuple) -> None:
    x, t, _ = made
    holes = x.copy()
    holes[::7, 1] = np.nan
    holes[:, 2] = np.nan
    fold = Fold("given", np.arange(80), np.arange(80, 120))
    assert np.isfinite(fit_linear_probe(holes, t, [fold], ["one"] * 120).score[80:]).all()
