from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    f1_score,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)

from physiolect.errors import PhysiolectError
from physiolect.evaluation.bootstrap import Bootstrap
from physiolect.evaluation.classification import (
    measure_binary,
    measure_classes,
    measure_numbers,
    precision_band,
    reliability,
    roc_band,
)


def windows(seed: int = 0, n: int = 300, n_groups: int = 12) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Scores with ties, targets, and groups of several sizes."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, n)
    score = np.round(np.clip(0.25 + 0.3 * target + rng.normal(0, 0.25, n), 0, 1), 2)
    return score, target, [f"p{k}" for k in rng.integers(0, n_groups, n) ** 2 // n_groups]


def resampled_rows(draws: Bootstrap, k: int) -> np.ndarray:
    return np.repeat(np.arange(len(draws.row_group)), draws.times[k, draws.row_group])


def test_every_measure_is_that_of_the_resampled_rows_themselves() -> None:
    score, target, groups = windows()
    draws = Bootstrap(groups, n_resamples=25)
    found = measure_binary(score, target, draws)
    for k in range(-1, 25):
        rows = np.arange(len(score)) if k < 0 else resampled_rows(draws, k)
        s, t = score[rows], target[rows]
        yes = s >= 0.5
        expected = {
            "auroc": roc_auc_score(t, s), "auprc": average_precision_score(t, s), "f1": f1_score(t, yes),
            "sensitivity": recall_score(t, yes), "specificity": recall_score(1 - t, ~yes),
            "ppv": precision_score(t, yes), "accuracy": (yes == t).mean(), "brier": brier_score_loss(t, s),
            "ece": sum(
                abs(s[b].mean() - t[b].mean()) * b.mean()
                for b in (np.minimum((s * 10).astype(int), 9) == i for i in range(10))
                if b.any()
            ),
        }  # fmt: skip
        got = {name: each.value if k < 0 else each.resampled[k] for name, each in found.items()}
        assert got == pytest.approx(expected)


def test_areas_of_many_windows_cost_seconds_not_minutes() -> None:
    rng = np.random.default_rng(0)
    target, groups = rng.integers(0, 2, 5000), rng.integers(0, 40, 5000)
    begun = time.process_time()
    measure_binary(rng.random(5000), target, Bootstrap(groups.tolist(), n_resamples=500))
    assert time.process_time() - begun < 3  # 1000 calls of scikit-learn take several times as long


def test_resamples_of_one_class_are_left_out_and_counted() -> None:
    target = np.array([1] * 5 + [0] * 5 + [0] * 5)
    groups = ["sick"] * 5 + ["a"] * 5 + ["b"] * 5
    draws = Bootstrap(groups, n_resamples=500)
    area = measure_binary(np.linspace(0, 1, 15), target, draws)["auroc"]
    one_class = sum(not 0 < target[resampled_rows(draws, k)].mean() < 1 for k in range(500))
    assert area.undefined == one_class > 100
    assert np.isfinite([area.low, area.high]).all()
    told = area.to_dict()
    assert told["undefined_resamples"] == one_class


def test_no_interval_where_most_resamples_say_nothing_or_there_is_one_group() -> None:
    nobody = measure_binary([0.1, 0.9, 0.2], [0, 0, 0], Bootstrap(["a", "b", "c"]))["auroc"]
    assert nobody.to_dict() == {"value": None, "low": None, "high": None, "undefined_resamples": 2000}
    alone = measure_binary([0.1, 0.9], [0, 1], Bootstrap(["a", "a"]))["auroc"]
    assert alone.value == 1
    assert np.isnan(alone.low)
    assert not alone.excludes_zero


def test_a_paired_difference_is_narrower_than_its_parts_and_needs_the_same_draws() -> None:
    score, target, groups = windows()
    draws = Bootstrap(groups)
    worse = np.clip(score - 0.1 * target + np.random.default_rng(3).normal(0, 0.02, len(score)), 0, 1)
    a = measure_binary(score, target, draws)["auroc"]
    b = measure_binary(worse, target, draws)["auroc"]
    gain = a.minus(b)
    assert gain.value == pytest.approx(a.value - b.value)
    assert gain.excludes_zero
    assert gain.high - gain.low < a.high - a.low
    with pytest.raises(PhysiolectError, match="same windows and draws"):
        a.minus(measure_binary(worse, target, Bootstrap(groups))["auroc"])


def test_one_of_several_classes() -> None:
    rng = np.random.default_rng(1)
    kind = rng.integers(0, 3, 200)
    score = rng.dirichlet([1, 1, 1], 200) + 0.5 * np.eye(3)[kind]
    score /= score.sum(1, keepdims=True)
    draws = Bootstrap(rng.integers(0, 10, 200).tolist(), n_resamples=50)
    found = measure_classes(score, np.eye(3)[kind], ("N", "S", "V"), draws)
    said = score.argmax(1)
    assert found.overall["accuracy"].value == pytest.approx((said == kind).mean())
    assert found.overall["macro f1"].value == pytest.approx(f1_score(kind, said, average="macro"))
    assert found.overall["macro auroc"].value == pytest.approx(
        roc_auc_score(kind, score, average="macro", multi_class="ovr")
    )
    assert found.per_class["V"]["sensitivity"].value == pytest.approx((said == 2)[kind == 2].mean())
    assert found.overall["brier"].value == pytest.approx(((score - np.eye(3)[kind]) ** 2).sum(1).mean())


def test_several_classes_at_once() -> None:
    target = np.array([[1, 1], [0, 1], [0, 0], [1, 0]])
    score = np.array([[0.9, 0.8], [0.1, 0.4], [0.2, 0.1], [0.7, 0.6]])
    found = measure_classes(score, target, ("a", "b"), Bootstrap([1, 2, 3, 4]), several=True)
    assert found.overall["accuracy"].value == 0.5  # whole windows: the first and the third
    assert found.per_class["b"]["sensitivity"].value == 0.5
    assert found.overall["macro auroc"].value == pytest.approx((1 + 0.75) / 2)


def test_numbers() -> None:
    rng = np.random.default_rng(2)
    age = rng.normal(60, 10, 80)
    said = age + rng.normal(2, 3, 80)
    found = measure_numbers(said, age, Bootstrap(list(range(80)), n_resamples=50))
    assert found["bias"].value == pytest.approx((said - age).mean())
    assert found["rmse"].value == pytest.approx(np.sqrt(((said - age) ** 2).mean()))
    assert found["r"].value == pytest.approx(np.corrcoef(said, age)[0, 1])
    assert found["mae"].low < found["mae"].value < found["mae"].high
    assert np.isnan(measure_numbers([1.0, 2.0], [3.0, 3.0], Bootstrap([0, 1]))["r2"].value)
    tiny = measure_numbers(1e-7 * said, 1e-7 * age, Bootstrap(list(range(80)), n_resamples=50))
    assert tiny["r"].value == pytest.approx(found["r"].value)  # whatever the unit
    assert tiny["r2"].value == pytest.approx(found["r2"].value)


def test_curves_go_through_the_points_of_scikit_learn() -> None:
    score, target, groups = windows(4)
    draws = Bootstrap(groups, n_resamples=40)
    roc = roc_band(score, target, draws)
    fpr, tpr, _ = roc_curve(target, score, drop_intermediate=False)
    np.testing.assert_allclose(roc.y, np.interp(roc.x, fpr, tpr))
    assert (roc.low <= roc.high).all()
    precision = precision_band(score, target, draws)
    ppv, recall, _ = precision_recall_curve(target, score)
    for x, y in zip(precision.x, precision.y, strict=True):
        assert np.isclose(y, ppv[recall >= x - 1e-9][-1])


def test_reliability_counts_every_window_once() -> None:
    score, target, groups = windows(5)
    found = reliability(score, target, Bootstrap(groups, n_resamples=100))
    assert found.windows.sum() == len(score)
    ece = np.nansum(np.abs(found.predicted - found.observed) * found.windows) / len(score)
    assert measure_binary(score, target, Bootstrap(groups, n_resamples=5))["ece"].value == pytest.approx(ece)


def test_what_does_not_fit_is_refused() -> None:
    draws = Bootstrap(["a", "b"])
    for score, target, message in (
        ([0.5], [1], "do not match"),
        ([0.5, np.nan], [0, 1], "not finite"),
        ([0.5, 0.1], [0, 2], "must be 0 or 1"),
        ([0.5, 1.5], [0, 1], "from 0 to 1"),
    ):
        with pytest.raises(PhysiolectError, match=message):
            measure_binary(score, target, draws)
    with pytest.raises(PhysiolectError, match="do not fit 3 classes"):
        measure_classes(np.ones((2, 2)), np.ones((2, 2)), ("a", "b", "c"), draws)
    with pytest.raises(PhysiolectError, match="nothing to measure"):
        Bootstrap([])
