"""Splits: no patient and no recording on both sides, and what is there stays where it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from physiolect.datasets import Row, Store, choose_rows, named_split, row_groups, split_rows
from physiolect.errors import ConfigError

MakeRow = Callable[..., Row]
MakeStore = Callable[..., Store]


@pytest.mark.parametrize("seed", range(5))
def test_no_patient_and_no_source_is_on_both_sides(
    make_store: MakeStore, make_row: MakeRow, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        make_row(f"s{rng.integers(150)}", patient=rng.choice([None, *(f"p{k}" for k in range(150))]))
        for _ in range(120)
    ]
    store = make_store(rows)
    train, validation = split_rows(store, 0.3, seed)
    assert train.dtype == validation.dtype == np.int64
    assert sorted([*train, *validation]) == list(range(len(rows)))
    for names in (store.sources, store.patients):
        shared = {names[k] for k in train} & {names[k] for k in validation}
        assert shared <= {None}
    assert len(train)
    assert len(validation)


def test_the_share_is_met_and_the_seed_matters(make_store: MakeStore, make_row: MakeRow) -> None:
    store = make_store([make_row(f"s{k}") for k in range(1000)])
    sides = [set(split_rows(store, 0.2, seed)[1].tolist()) for seed in range(3)]
    assert all(150 < len(side) < 250 for side in sides)
    assert sides[0] != sides[1] != sides[2]
    assert sides[0] == set(split_rows(store, 0.2, 0)[1].tolist())


def test_new_rows_do_not_move_old_ones(make_store: MakeStore, make_row: MakeRow) -> None:
    small = make_store([make_row(f"s{k}") for k in range(50)])
    before = {small.sources[k] for k in split_rows(small, 0.2, 7)[1]}
    for path in small.path.iterdir():
        path.unlink()
    large = make_store([make_row(f"s{k}") for k in range(200, -1, -1)])
    after = {large.sources[k] for k in split_rows(large, 0.2, 7)[1]}
    assert before == {name for name in after if int(name[1:]) < 50}


def test_a_source_of_several_patients_is_one_group(make_store: MakeStore, make_row: MakeRow) -> None:
    rows = [("a", "p"), ("a", "q"), ("b", "q"), ("c", None), ("d", "r"), ("e", "r"), ("c", None)]
    groups = row_groups(make_store([make_row(source, patient=patient) for source, patient in rows]))
    assert groups[0] == groups[1] == groups[2]
    assert groups[3] == groups[6]
    assert groups[4] == groups[5]
    assert len(set(groups)) == 3


@pytest.mark.parametrize("fraction", [1e-9, 1 - 1e-9])
def test_each_side_gets_a_group(make_store: MakeStore, make_row: MakeRow, fraction: float) -> None:
    store = make_store([make_row(f"s{k}") for k in range(4)])
    train, validation = split_rows(store, fraction, 0)
    assert sorted([len(train), len(validation)]) == [1, 3]


def test_one_patient_cannot_be_split(make_store: MakeStore, make_row: MakeRow) -> None:
    store = make_store([make_row(f"s{k}", patient="p") for k in range(4)])
    with pytest.raises(ConfigError, match="holds 1 patients or recordings") as caught:
        split_rows(store, 0.1, 0)
    assert "more recordings" in (caught.value.hint or "")


@pytest.mark.parametrize("fraction", [0, 1, -0.1, float("nan")])
def test_an_impossible_share_is_refused(make_store: MakeStore, make_row: MakeRow, fraction: float) -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        split_rows(make_store([make_row("a"), make_row("b")]), fraction, 0)


@pytest.fixture
def folds(make_store: MakeStore, make_row: MakeRow) -> Store:
    """Three folds of four rows; the last of the third is of a patient of the first, and one row is in no fold."""
    rows = [make_row(f"s{k}", patient=f"p{k}", split=f"fold {k // 4 + 1}") for k in range(11)]
    return make_store([*rows, make_row("s11", patient="p0", split="fold 3"), make_row("s12", patient="p12")])


def test_parts_of_a_published_split_are_kept_apart(folds: Store) -> None:
    with pytest.warns(UserWarning, match="2 rows of .* are on neither side"):  # p0's other row, and s12
        train, validate = choose_rows(folds, 0.1, 0, validate_on=["fold 2"], leave_out=["fold 3"])
    assert (train.tolist(), validate.tolist()) == ([1, 2, 3], [4, 5, 6, 7])
    with pytest.warns(UserWarning, match="2 rows"):
        train, validate = choose_rows(folds, 0, 0, leave_out=["fold 3"])
    assert (train.tolist(), validate.tolist()) == ([1, 2, 3, 4, 5, 6, 7], [])
    with pytest.warns(UserWarning, match="1 rows"):
        train, validate = choose_rows(folds, 0, 0, validate_on=["fold 3"], leave_out=["s0"])
    assert (train.tolist(), validate.tolist()) == ([1, 2, 3, 4, 5, 6, 7], [8, 9, 10, 11])


@pytest.mark.filterwarnings("ignore:.*neither side")
@pytest.mark.parametrize("seed", range(20))
def test_a_share_is_drawn_from_what_is_not_left_out(folds: Store, seed: int) -> None:
    train, validate = choose_rows(folds, 0.1, seed, leave_out=["fold 3"])
    assert len(validate)
    assert sorted([*train.tolist(), *validate.tolist()]) == [1, 2, 3, 4, 5, 6, 7]


def test_a_published_split_that_is_not_kept_to_is_told(folds: Store) -> None:
    with pytest.warns(UserWarning, match=r"published split \(fold 1, fold 2, fold 3 …\)"):
        train, validate = choose_rows(folds, 0.3, 0)
    expected = split_rows(folds, 0.3, 0)
    assert (train.tolist(), validate.tolist()) == tuple(side.tolist() for side in expected)


def test_sources_are_left_out_of_a_store_without_a_published_split(
    make_store: MakeStore, make_row: MakeRow
) -> None:
    store = make_store([make_row(f"s{k}") for k in range(4)])
    train, validate = choose_rows(store, 0, 0)
    assert (train.tolist(), validate.tolist()) == ([0, 1, 2, 3], [])
    train, validate = choose_rows(store, 0.3, 0, leave_out=["s2"])
    assert sorted([*train.tolist(), *validate.tolist()]) == [0, 1, 3]


@pytest.mark.filterwarnings("ignore:.*neither side")
@pytest.mark.parametrize(
    ("validate_on", "leave_out", "told"),
    [
        ([], ["fold 4"], r"no row of .* is of 'fold 4'"),
        (["s1"], [], r"no row of .* is of 's1'"),
        (["fold 3"], [], "on both sides of the split would stand patient p0"),
        (["fold 1"], ["fold 1"], "'fold 1' is to validate and to be left out"),
        (["fold 1", "fold 2", "fold 3"], [], "no rows .* are left to train on"),
        (["fold 1"], ["s0", "s1", "s2", "s3"], "no rows .* are left to validate on"),
        ([], ["fold 1", "fold 2", "fold 3"], "no rows .* are left to train on"),
    ],
)
def test_parts_that_cannot_be_are_refused(
    folds: Store, validate_on: list[str], leave_out: list[str], told: str
) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        choose_rows(folds, 0.1, 0, validate_on=validate_on, leave_out=leave_out)
    assert caught.value.hint


def test_sides_by_name_share_nobody(make_store: MakeStore, make_row: MakeRow) -> None:
    rows = [make_row(f"r{k}", patient=f"p{k // 2}", split=f"fold {k // 4}") for k in range(8)]
    store = make_store(rows)
    train, validation = named_split(store, ["fold 0", "p2"], ["r6", "r7"])
    assert (train.tolist(), validation.tolist()) == ([0, 1, 2, 3, 4, 5], [6, 7])
    assert named_split(store, ["r0"], [])[1].tolist() == []
    with pytest.raises(ConfigError, match="both sides of the split would stand patient p3") as caught:
        named_split(store, ["fold 0", "r6"], ["r7"])
    assert caught.value.hint
    train, validation = named_split(store, ["fold 0", "r6"], ["r7"], leave_out=["r6"])
    assert (train.tolist(), validation.tolist()) == ([0, 1, 2, 3], [7])
    with pytest.raises(ConfigError, match="patient 'fold 9'") as caught:
        named_split(store, ["fold 9"], [])
    assert caught.value.hint
