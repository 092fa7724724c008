"""Beats of made copies beside those of the store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from physiolect.datasets import Store, open_store
from physiolect.datasets.examples.beat_batches import BeatBatches
from physiolect.datasets.examples.beat_copies import BeatCopies, make_copies
from physiolect.datasets.examples.beat_examples import BeatExamples, make_beat_examples
from physiolect.datasets.examples.beat_table import NOTHING, FindRhythm
from physiolect.errors import ConfigError
from physiolect.tokenizers import BEAT_TOKENIZERS
from tests.beat_store import write_beat_store

TWO = BeatCopies(ectopic=1, fibrillating=1, share=0.5)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(write_beat_store(tmp_path_factory.mktemp("copies") / "store"))


def examples_of(
    store: Store, classes: tuple[str, ...], find_rhythm: FindRhythm | None = None
) -> BeatExamples:
    """Return the store's examples as if these classes were learned; it has N and V alone."""
    examples = make_beat_examples(
        store, "heartbeats", BEAT_TOKENIZERS["position"], context=16, length=3000, classes=("N", "V"),
        find_rhythm=find_rhythm,
    )  # fmt: skip
    value = np.array([classes.index("N"), classes.index("V")])[examples.table.value]
    return replace(examples, classes=classes, table=replace(examples.table, value=value))


def test_each_recording_has_its_copies(store: Store) -> None:
    examples = examples_of(store, ("N", "S", "V", "F"))
    made = make_copies(examples, TWO)
    assert made is not None
    assert len(made) == 2 * len(examples.table)
    assert len(made.bounds) == 2 * 8 + 1
    assert made.features.shape[1] == examples.tokenizer.n_features
    counts = np.bincount(made.value, minlength=4)
    assert (counts > 0).all()  # the store has no S and no F
    assert (made.value == NOTHING).sum() == 0
    for begin, end in zip(made.bounds[:-1], made.bounds[1:], strict=True):
        assert (made.begin[begin:end] == begin).all()
        assert (made.end[begin:end] == end).all()


def test_a_class_that_is_not_learned_is_no_target(store: Store) -> None:
    made = make_copies(examples_of(store, ("N", "V")), TWO)
    assert made is not None
    assert set(made.value) == {0, 1, NOTHING}


def test_copies_learn_from_training_patients_alone(store: Store) -> None:
    examples = examples_of(store, ("N", "S", "V", "F"))
    few = examples.take(np.isin(examples.groups, ["patient p1", "patient p2"]))
    made = make_copies(few, TWO)
    assert made is not None
    assert {store.patients[row] for row in made.row} == {"p1", "p2"}
    again = make_copies(few.take(few.rows >= 0), TWO)
    assert again is not None
    assert np.array_equal(made.features, again.features, equal_nan=True)


def test_fibrillation_is_made_where_there_is_none(store: Store) -> None:
    def find(row: int, recording: object, beats: np.ndarray) -> np.ndarray:
        return np.full(len(beats), float(store.sources[row] in ("r0", "r4")), np.float32)

    examples = examples_of(store, ("N", "S", "V", "F"), find)
    made = make_copies(examples, TWO)
    assert made is not None
    place = examples.tokenizer.places["rhythm"].start
    likely = (made.features[:, place] + 1) / 2
    of_af = np.isin(np.array(store.sources)[made.row], ["r0", "r4"])
    assert (likely[of_af] == 1).all()
    assert (made.value[of_af] == 0).all()  # nothing is made of fibrillating beats
    means = [
        likely[begin:end].mean()
        for begin, end in zip(made.bounds[:-1], made.bounds[1:], strict=True)
        if not of_af[begin]
    ]
    assert np.sum(np.array(means) == 0) == 6  # one copy each with ectopic beats
    assert np.sum(np.array(means) > 0.2) == 6


def test_batches_draw_from_copies_by_their_share(store: Store) -> None:
    examples = examples_of(store, ("N", "S", "V", "F"))
    tokenizer = examples.tokenizer.fitted(examples.table.features)
    batches = BeatBatches(examples, tokenizer, size=64, copies=TWO)
    assert batches.class_shares()[1] == 0  # of the real beats
    drawn = []
    for step in range(10):
        batches.stage(step)
        drawn.append(batches.batch(step, 0)[1].sum((0, 1)).numpy())
    assert (np.sum(drawn, 0) > 0).all()
    n = len(examples.table)
    upper = np.searchsorted(batches.beats, n)
    assert np.isclose(batches._up_to[upper - 1], 0.5)


@pytest.mark.parametrize("given", [{"ectopic": -1}, {"fibrillating": 21}, {"share": 1.0}])
def test_settings_out_of_range_are_refused(given: dict) -> None:
    with pytest.raises(ConfigError):
        BeatCopies(**given)
    assert not BeatCopies()


def test_no_copies_are_made_where_none_are_asked_for(store: Store, tmp_path: Path) -> None:
    assert make_copies(examples_of(store, ("N", "V")), BeatCopies()) is None
