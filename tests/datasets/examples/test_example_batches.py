"""Batches of examples: each window once an epoch, in an order that the seed and the step decide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from physiolect.contract import InputContract
from physiolect.datasets import Examples, Row, StoreWriter, make_examples, open_store
from physiolect.datasets.examples.augmentation import Augmentation
from physiolect.datasets.examples.example_batches import ExampleBatches, balanced_shares
from physiolect.recording import Recording
from physiolect.tokenizers import LevelTokenizer


@pytest.fixture
def examples(tmp_path: Path) -> Examples:
    rng = np.random.default_rng(0)
    with StoreWriter(tmp_path / "store", InputContract(fs=100.0, min_samples=8, max_samples=8)) as writer:
        for k in range(11):
            recording = Recording(rng.standard_normal((1, 8)).astype(np.float32), 100.0, ("II",))
            writer.add(str(k), [Row.from_recording(recording, source=f"r{k}")])
    (tmp_path / "t.csv").write_text("recording,age\n" + "".join(f"r{k},{k}\n" for k in range(11)))
    return make_examples(
        open_store(tmp_path / "store"), "regress", length=8, labels=str(tmp_path / "t.csv"), column="age"
    )


def batches_of(
    examples: Examples, tokenizer: LevelTokenizer | None = None, **settings: Any
) -> ExampleBatches:
    """Return batches of levels."""
    levels = tokenizer or LevelTokenizer()

    def encode(windows: NDArray[np.float32]) -> tuple[torch.Tensor, NDArray[np.bool_]]:
        ids, scale = levels.encode(windows, flat="level")
        return torch.from_numpy(ids), (scale.high <= scale.low)[:, 0]

    return ExampleBatches(examples, encode, levels=levels, **settings)


def numbers(batches: ExampleBatches, step: int, part: int = 0) -> list[int]:
    batches.stage(step)
    return batches.batch(step, part)[1].round().int().tolist()


def test_every_window_comes_once_an_epoch_in_another_order(examples: Examples) -> None:
    batches = batches_of(examples, size=3, seed=1)
    seen = [n for step in range(11) for n in numbers(batches, step)]
    epochs = [seen[first : first + 11] for first in (0, 11, 22)]
    assert all(sorted(epoch) == list(range(11)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_a_step_is_the_same_whatever_came_before(examples: Examples) -> None:
    one, other = (batches_of(examples, size=3, parts=2, seed=s) for s in (1, 1))
    for step in range(4):
        numbers(one, step)
    assert [numbers(one, 4, part) for part in (0, 1)] == [numbers(other, 4, part) for part in (0, 1)]
    third = batches_of(examples, size=3, parts=2, seed=2)
    assert [numbers(third, step) for step in range(3)] != [numbers(other, step) for step in range(3)]


def test_a_batch_larger_than_all_goes_round(examples: Examples) -> None:
    batches = batches_of(examples, size=25, seed=1)
    assert set(np.bincount(numbers(batches, 0))) == {2, 3}


@pytest.mark.parametrize("vocabulary_size", [101, 300])
def test_ids_and_targets_belong_together(examples: Examples, vocabulary_size: int) -> None:
    tokenizer = LevelTokenizer(101, vocabulary_size)
    batches = batches_of(examples, tokenizer, size=4, seed=1, mean=5.0, sd=2.0)
    batches.stage(0)
    ids, target = batches.batch(0, 0)
    places = (target * 2 + 5).round().int().numpy()
    assert torch.equal(ids, torch.from_numpy(tokenizer.encode(examples.windows(places))[0]))
    in_order = torch.cat(batches.in_order(4))
    assert torch.equal(in_order, torch.from_numpy(tokenizer.encode(examples.windows(np.arange(11)))[0]))
    torch.testing.assert_close(batches.target, (torch.arange(11) - 5) / 2)


@pytest.fixture
def lopsided(tmp_path: Path) -> Examples:
    """Return 64 windows of one patient and 16 and 4 of two without the rhythm, and 9 of one of them with it."""
    rng = np.random.default_rng(0)
    told = [("a", "sinus", 64), ("b", "sinus", 16), ("c", "sinus", 4), ("c", "AF", 9)]
    with StoreWriter(tmp_path / "store", InputContract(fs=100.0, min_samples=8, max_samples=8)) as writer:
        for k, (patient, label, n) in enumerate(told):
            recording = Recording(rng.standard_normal((1, 8 * n)).astype(np.float32), 100.0, ("II",))
            row = Row.from_recording(recording, source=f"r{k}", patient=patient, labels=(label,))
            writer.add(str(k), [row])
    return make_examples(open_store(tmp_path / "store"), "rhythm", length=8)


def test_balanced_draws_are_of_classes_alike_and_of_patients_by_the_root_of_their_windows(
    lopsided: Examples,
) -> None:
    shares = balanced_shares(lopsided)
    rows = lopsided.rows
    by_row = [shares[rows == row].sum() for row in range(4)]
    np.testing.assert_allclose(by_row, [4 / 14, 2 / 14, 1 / 14, 0.5])
    assert np.ptp(shares[rows == 0]) == 0
    batches = batches_of(lopsided, size=50, draws="balanced", seed=3)
    drawn = []
    for step in range(200):
        batches.stage(step)
        drawn.append(batches.batch(step, 0)[1].mean())
    assert abs(float(torch.stack(drawn).mean()) - 0.5) < 0.02
    again = batches_of(lopsided, size=50, draws="balanced", seed=3)
    again.stage(199)
    assert torch.equal(again.batch(199, 0)[0], batches.batch(199, 0)[0])


def test_varied_windows_are_levels_anew_and_the_same_for_the_same_step(lopsided: Examples) -> None:
    flipped = batches_of(lopsided, size=5, augmentation=Augmentation(flip=1.0))
    plain = batches_of(lopsided, size=5)
    noisy = [batches_of(lopsided, size=5, augmentation=Augmentation(noise=0.2)) for _ in "ab"]
    for batches in (flipped, plain, *noisy):
        batches.stage(7)
    assert torch.equal(flipped.batch(7, 0)[0], 100 - plain.batch(7, 0)[0])
    one, other = (batches.batch(7, 0)[0] for batches in noisy)
    assert torch.equal(one, other)
    assert not torch.equal(one, plain.batch(7, 0)[0])
    assert int(one.min()) == 0
    assert int(one.max()) == 100
    for batches in noisy:
        batches.stage(8)
    assert not torch.equal(one, noisy[0].batch(8, 0)[0])


def test_real_numbers_of_several_channels_stay_as_they_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    contract = InputContract(fs=100.0, channels=("I", "II"), min_samples=8, max_samples=8)
    with StoreWriter(tmp_path / "store", contract) as writer:
        for k in range(3):
            recording = Recording(rng.standard_normal((2, 16)).astype(np.float32), 100.0, ("I", "II"))
            writer.add(str(k), [Row.from_recording(recording, source=f"r{k}", labels=("ab"[k % 2],))])
    store = open_store(tmp_path / "store")
    examples = make_examples(store, "classify", length=8, channel=("II", "I"))
    windows = examples.windows(np.arange(len(examples)))  # (6, 2, 8)
    alone = [
        make_examples(store, "classify", length=8, channel=name).windows(np.arange(6)) for name in ("II", "I")
    ]
    np.testing.assert_array_equal(windows, np.stack(alone, 1))
    batches = ExampleBatches(examples, lambda x: (torch.from_numpy(x), np.zeros(len(x), np.bool_)), size=4)
    assert torch.equal(torch.cat(batches.in_order(4)), torch.from_numpy(windows))
    batches.stage(0)
    assert batches.batch(0, 0)[0].shape == (4, 2, 8)
    assert examples.channel_names(0) == ("II", "I")
    assert len(set(examples.places)) == 6
