"""Folds: every window tested once, nobody on both sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from physiolect.errors import ConfigError
from physiolect.evaluation import Fold, make_folds

GROUPS = [name for name, n in zip("abcdefgh", (9, 1, 4, 2, 7, 3, 3, 5), strict=True) for _ in range(n)]


def check(folds: list[Fold], groups: list[str]) -> None:
    tested = np.concatenate([fold.test for fold in folds])
    assert sorted(tested.tolist()) == list(range(len(groups)))
    for fold in folds:
        assert len(fold.test)
        assert len(fold.train)
        assert not {groups[i] for i in fold.train} & {groups[i] for i in fold.test}
        assert len(fold.train) + len(fold.test) == len(groups)


@given(
    st.lists(st.sampled_from("abcdefghij"), min_size=4, max_size=60), st.integers(2, 10), st.integers(0, 3)
)
def test_k_folds_share_nobody(groups: list[str], k: int, seed: int) -> None:
    k = min(k, len(set(groups)))
    if k < 2:
        return
    stratum = [ord(name) % 3 for name in groups]
    folds = make_folds(groups, "k-fold", k=k, seed=seed, stratify_by=stratum)
    assert [fold.name for fold in folds] == [str(i + 1) for i in range(k)]
    check(folds, groups)


def test_k_folds_are_alike_in_size_and_classes_and_the_seed_decides() -> None:
    groups = [f"p{i:02}" for i in range(40) for _ in range(5)]
    positive = np.repeat(np.arange(40) % 4 == 0, 5)  # a quarter of the patients
    folds = make_folds(groups, "k-fold", k=5, stratify_by=positive)
    assert {len(fold.test) for fold in folds} == {40}
    assert {int(positive[fold.test].sum()) for fold in folds} == {10}
    again, other = (make_folds(groups, "k-fold", k=5, seed=s, stratify_by=positive) for s in (0, 1))
    assert all(np.array_equal(a.test, b.test) for a, b in zip(folds, again, strict=True))
    assert not all(np.array_equal(a.test, b.test) for a, b in zip(folds, other, strict=True))


def test_leaving_one_out() -> None:
    folds = make_folds(GROUPS, "leave-one-out")
    assert [fold.name for fold in folds] == list("abcdefgh")
    check(folds, GROUPS)


def test_given_folds_leave_out_what_is_in_none() -> None:
    where = [None if name == "a" else "x" if name in "bcd" else "y" for name in GROUPS]
    folds = make_folds(GROUPS, "given", given=where)
    assert [fold.name for fold in folds] == ["x", "y"]
    assert np.array_equal(folds[0].test, folds[1].train)
    assert len(folds[0].test) + len(folds[1].test) == len(GROUPS) - 9


def test_a_group_in_two_given_folds_is_refused_by_name() -> None:
    where = ["x" if i % 2 else "y" for i in range(len(GROUPS))]
    with pytest.raises(ConfigError, match="a is in fold y and in fold x") as caught:
        make_folds(GROUPS, "given", given=where)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"protocol": "holdout"}, "not one of"),
        ({"protocol": "k-fold", "k": 9}, "k is 9"),
        ({"protocol": "k-fold", "k": 1}, "k is 1"),
        ({"protocol": "given"}, "0 folds are given"),
        ({"protocol": "given", "given": ["x"] * len(GROUPS)}, "1 given fold"),
        ({"protocol": "leave-one-out", "groups": ["a", "a"]}, "of 1 patient"),
    ],
)
def test_refusals(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        make_folds(**{"groups": GROUPS, **arguments})  # type: ignore[arg-type]
    assert caught.value.hint
