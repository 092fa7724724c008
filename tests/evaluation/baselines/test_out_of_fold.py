from __future__ import annotations

import numpy as np
import pytest

from physiolect.evaluation import Bootstrap, Fold, make_folds, measure_predictions
from physiolect.evaluation.baselines import (
    linear_probe,
    majority,
    out_of_fold,
    rr_regression,
    rr_rule,
)
from physiolect.evaluation.baselines.rr import FEATURES

RNG = np.random.default_rng(0)
GROUPS = [f"p{k // 10}" for k in range(120)]
TARGET = (np.arange(120) // 10 % 2).astype(float)
FOLDS = make_folds(GROUPS, "k-fold", k=4, stratify_by=TARGET)


def beats_of(target: np.ndarray) -> list[np.ndarray]:
    return [np.cumsum(0.8 + (0.2 if t else 0.02) * RNG.standard_normal(8)) for t in target]


def area(said, target=TARGET) -> float:  # type: ignore[no-untyped-def]
    return measure_predictions("binary", said, target, Bootstrap(GROUPS)).overall["auroc"].value


def test_intervals_tell_an_irregular_rhythm() -> None:
    beats = beats_of(TARGET)
    rule, regression = rr_rule(beats, TARGET, FOLDS), rr_regression(beats, TARGET, FOLDS)
    assert area(rule) > 0.95
    assert area(regression) > 0.95
    assert not rule.probability
    assert rule.decided is not None
    assert (rule.decided == (TARGET > 0)).mean() > 0.85
    assert "ece" not in measure_predictions("binary", rule, TARGET, Bootstrap(GROUPS)).overall


def test_windows_with_too_few_beats_count_as_not_and_are_told() -> None:
    beats = beats_of(TARGET)
    beats[-1] = np.array([1.0])
    rule = rr_rule(beats, TARGET, FOLDS)
    assert rule.decided is not None
    assert not rule.decided[-1]
    assert "1 of 120 windows" in rule.note
    assert np.isfinite(rr_regression(beats, TARGET, FOLDS).score).all()


def test_what_cannot_be_learnt_from_other_patients_is_not_learnt() -> None:
    """Each patient has a mark of its own: whoever trains on the judged patient would know all."""
    names = np.eye(12)[np.arange(120) // 10].astype(np.float32)
    target = RNG.permuted(np.repeat([0.0, 1.0], 6))[np.arange(120) // 10]
    said = linear_probe(names, target, make_folds(GROUPS, "leave-one-out"))
    assert area(said, target) < 0.6


def test_a_probe_reads_features_of_every_task() -> None:
    kind = RNG.integers(0, 3, 120)
    features = (np.eye(3)[kind] + 0.1 * RNG.standard_normal((120, 3))).astype(np.float32)
    one = linear_probe(features, np.eye(3)[kind], FOLDS, kind="one-of")
    np.testing.assert_allclose(one.score.sum(1), 1)
    assert (one.score.argmax(1) == kind).mean() > 0.95
    several = linear_probe(features, np.eye(3)[kind], FOLDS, kind="several")
    assert ((several.score > 0.5) == np.eye(3)[kind]).mean() > 0.95
    number = linear_probe(features, kind.astype(float), FOLDS, kind="number")
    assert np.abs(number.score - kind).mean() < 0.3


def test_a_class_that_no_training_window_has_is_never_said() -> None:
    target = np.zeros(120)
    target[:10] = 1  # of one patient alone
    said = linear_probe(
        RNG.standard_normal((120, 2)).astype(np.float32), target, make_folds(GROUPS, "leave-one-out")
    )
    assert (said.score[:10] == 0).all()


def test_always_the_same_ranks_nothing() -> None:
    said = majority(TARGET)
    assert (said.score == TARGET.mean()).all()
    assert area(said) == 0.5
    assert majority(np.eye(3)[[0, 0, 1, 2]]).score.tolist() == [[0.5, 0.25, 0.25]] * 4


def test_the_rule_takes_its_threshold_from_the_other_folds_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    value = np.array([0.0, 1, 2, 3, 10, 11, 12, 13])
    monkeypatch.setattr(out_of_fold, "all_features", lambda _: np.tile(value[:, None], len(FEATURES)))
    first, second = np.arange(4), np.arange(4, 8)
    folds = [Fold("1", first, second), Fold("2", second, first)]
    said = rr_rule([], [0, 0, 1, 1, 0, 0, 1, 1], folds)
    assert said.decided is not None
    assert said.decided.tolist() == [False] * 4 + [True] * 4
