from __future__ import annotations

import numpy as np
import pytest

from physiolect.errors import PhysiolectError
from physiolect.evaluation import (
    Bootstrap,
    Estimate,
    bootstrap_interval,
    measure_binary,
    measure_classes,
    measure_numbers,
    paired_difference,
)
from physiolect.evaluation.baselines import majority


def patients(rng: np.random.Generator, n_patients: int = 25) -> tuple[np.ndarray, np.ndarray]:
    """Values whose mean differs between patients far more than inside one."""
    groups = np.repeat(np.arange(n_patients), 8)
    return rng.normal(0, 1, n_patients)[groups, None] + rng.normal(0, 0.2, (len(groups), 3)), groups


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    covered = 0
    for trial in range(200):
        values, groups = patients(np.random.default_rng(trial))
        low, high = bootstrap_interval(values, groups, n_resamples=400, level=0.9)
        covered += low <= 0 <= high
    assert 0.82 <= covered / 200 <= 0.95


def test_resampling_patients_is_wider_than_pretending_windows_are_independent() -> None:
    values, groups = patients(np.random.default_rng(0))
    by_patient = np.diff(bootstrap_interval(values, groups))[0]
    by_window = np.diff(bootstrap_interval(values, np.arange(len(groups))))[0]
    assert by_patient > 2 * by_window


def test_names_of_patients_and_their_order_do_not_matter() -> None:
    values, groups = patients(np.random.default_rng(1))
    named = [f"patient {g}" for g in groups]
    assert bootstrap_interval(values, named) == bootstrap_interval(values, groups)
    assert bootstrap_interval(values, groups, seed=1) != bootstrap_interval(values, groups, seed=2)


def test_a_pair_sees_through_what_both_share() -> None:
    rng = np.random.default_rng(2)
    base, groups = patients(rng)
    better = base - 0.05 + rng.normal(0, 0.01, base.shape)
    mean, low, high = paired_difference(better, base, groups)
    assert mean == pytest.approx(-0.05, abs=0.005)
    assert low < mean < high < 0


def test_one_patient_or_a_wrong_count_is_refused() -> None:
    with pytest.raises(PhysiolectError, match="at least two"):
        bootstrap_interval(np.zeros((3, 2)), ["a", "a", "a"])
    with pytest.raises(PhysiolectError, match="3 rows of values but 2 groups"):
        bootstrap_interval(np.zeros((3, 2)), ["a", "b"])
    with pytest.raises(PhysiolectError, match="same windows"):
        paired_difference(np.zeros((3, 2)), np.zeros((3, 3)), ["a", "b", "c"])


@pytest.mark.parametrize("seed", range(6))
def test_every_measure_lies_in_its_interval(seed: int) -> None:
    """Also that of a constant, whose calibration error and R² are 0 in all and never in a resample."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(12), 9)
    draws = Bootstrap(groups, n_resamples=300, seed=seed)
    target = (rng.uniform(size=len(groups)) < rng.uniform(0.1, 0.9, 12)[groups]).astype(float)
    age = rng.normal(60, 12, 12)[groups] + rng.normal(0, 2, len(groups))
    perfect = np.clip(target + rng.normal(0, 0.01, len(groups)), 0, 1)
    measured: list[Estimate] = []
    for said in (majority(target).score, perfect, rng.uniform(size=len(groups))):
        measured += measure_binary(said, target, draws).values()
        classes = measure_classes(
            np.stack([said, 1 - said], 1), np.stack([target, 1 - target], 1), "ab", draws
        )
        measured += classes.overall.values()
    for said in (majority(age).score, age + 1e-9, rng.normal(60, 20, len(groups))):
        measured += measure_numbers(said, age, draws).values()
    known = [each for each in measured if np.isfinite(each.low)]
    assert len(known) > 50
    assert all(each.low <= each.value <= each.high for each in known)
