"""Heartbeats of a store as examples, and the batches drawn from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from physiolect.datasets import Row, Store, StoreWriter, make_examples, open_store
from physiolect.datasets.examples.beat_batches import BeatAugmentation, BeatBatches, BeatDraws
from physiolect.datasets.examples.beat_examples import BeatExamples, lay_beats, make_beat_examples
from physiolect.datasets.examples.beat_table import NOTHING
from physiolect.datasets.examples.labels import beat_samples
from physiolect.errors import ConfigError
from physiolect.tokenizers import BEAT_TOKENIZERS
from tests.beat_store import CONTRACT, make_recording, write_beat_store

STILL = BeatAugmentation(noise=0, gain=0, lead=0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(write_beat_store(tmp_path_factory.mktemp("beats") / "store"))


@pytest.fixture(scope="module")
def beats(store: Store) -> BeatExamples:
    return make_beat_examples(store, "heartbeats", BEAT_TOKENIZERS["position"], context=16, length=3000)


@pytest.fixture(scope="module")
def rhythms(store: Store) -> BeatExamples:
    return make_beat_examples(store, "rhythm", BEAT_TOKENIZERS["window"], context=64, length=3000)


@pytest.mark.parametrize("n", [1, 5, 16, 17, 23, 40, 1000])
@pytest.mark.parametrize("context", [1, 2, 7, 16])
def test_each_beat_is_asked_for_once_and_far_from_the_ends(n: int, context: int) -> None:
    first, counts, core = lay_beats(n, context)
    asked = [range(f + a, f + b) for f, (a, b) in zip(first, core, strict=True)]
    assert [beat for each in asked for beat in each] == list(range(n))
    assert (counts == min(n, context)).all()
    assert (first + counts <= n).all()
    assert (core[1:, 0] >= (context - max(1, context // 2)) // 2).all()


def test_beats_have_their_classes_and_both_leads(store: Store, beats: BeatExamples) -> None:
    assert beats.classes == ("N", "V")
    marks = [make_recording(k).annotations for k in range(8)]
    n_beats = sum(len(beat_samples(each)) for each in marks)
    assert len(beats.table) == n_beats
    target = beats.target
    assert target.shape == (len(beats), 16, 2)
    assert target.sum() == n_beats
    assert target[..., 1].sum() == sum(each.symbol.count("V") for each in marks)
    numbers = beats.beat_numbers(np.arange(len(beats)))
    assert np.sort(numbers[numbers != NOTHING]).tolist() == list(range(n_beats))
    tokenizer = BEAT_TOKENIZERS["position"]
    assert np.isfinite(beats.table.features[:, tokenizer.lead_places(1)]).all()
    both = np.concatenate([store.recording(row).signal for row in (0, 1)])
    expected = tokenizer.encode(both, np.sort(beat_samples(store.annotations(0))))
    assert np.array_equal(
        beats.table.features[: len(expected), tokenizer.places["waveform"]][:, :75],
        expected[:, tokenizer.places["waveform"]][:, :75],
    )


def test_windows_are_beats_in_order_with_nan_after_the_last(beats: BeatExamples) -> None:
    windows = beats.windows([0, 1])
    assert windows.shape == (2, beats.tokenizer.n_features, 16)
    second = beats.table.features[beats.first[1] : beats.first[1] + 16]
    assert np.array_equal(windows[1].T, second, equal_nan=True)


def test_a_rhythm_has_windows_of_each_lead(rhythms: BeatExamples) -> None:
    assert rhythms.classes == ("AFIB",)
    assert len(rhythms) == 8 * 2 * 3
    assert rhythms.target.sum() == 2 * 2 * 3
    assert rhythms.strata is not None
    assert rhythms.core.sum() == 0
    assert (rhythms.counts >= 20).all()
    windows = rhythms.windows(np.arange(len(rhythms)))
    real = ~np.isnan(windows).all(1)
    assert np.array_equal(real.sum(1), rhythms.counts)


def test_some_windows_keep_what_is_theirs(beats: BeatExamples) -> None:
    chosen = np.isin(beats.rows, [2, 6])
    taken = beats.take(chosen)
    assert isinstance(taken, BeatExamples)
    assert np.array_equal(taken.windows([0]), beats.windows(np.flatnonzero(chosen)[:1]), equal_nan=True)
    assert set(taken.table.row[taken.known_beats]) == {2, 6}
    assert len(taken.known_beats) == taken.target.sum()


def test_named_classes_leave_other_beats_unknown(store: Store) -> None:
    with pytest.raises(ConfigError, match=r"no beat of .* is of class S"):
        make_beat_examples(
            store, "heartbeats", BEAT_TOKENIZERS["position"], context=16, length=3000, classes=("N", "S")
        )
    with pytest.raises(ConfigError, match="nothing to tell apart"):
        make_beat_examples(
            store, "heartbeats", BEAT_TOKENIZERS["position"], context=16, length=3000, classes=("V",)
        )
    with pytest.raises(ConfigError, match="not for beats"):
        make_beat_examples(store, "beats", BEAT_TOKENIZERS["position"], context=16, length=3000)
    with pytest.raises(ConfigError, match="from heartbeats, not from windows"):
        make_examples(store, "heartbeats", length=100)


def test_rows_without_marks_get_their_beats_from_what_finds_them(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", CONTRACT) as writer:
        for k in range(2):
            recording = make_recording(4 * k + (k == 1), seconds=12)
            marks = recording.annotations
            bare = Row.from_recording(recording.select([0]), source=f"r{k}", labels=(("AF", "sinus")[k],))
            object.__setattr__(bare, "annotations", type(marks)())
            writer.add(f"r{k}", [bare])
    opened = open_store(tmp_path / "store")
    given = {"context": 64, "length": 3000}
    with pytest.raises(ConfigError, match="has marks of beats"):
        make_beat_examples(opened, "rhythm", BEAT_TOKENIZERS["window"], **given)
    found = make_beat_examples(
        opened, "rhythm", BEAT_TOKENIZERS["window"], find_beats=lambda row, recording: np.arange(50, 1150, 80), **given
    )  # fmt: skip
    assert found.target.tolist() == [1.0, 0.0]
    assert found.counts.tolist() == [14, 14]


def test_the_probability_of_a_rhythm_describes_beats(store: Store) -> None:
    tokenizer = BEAT_TOKENIZERS["position"]
    found = make_beat_examples(
        store, "heartbeats", tokenizer, context=16, length=3000,
        find_rhythm=lambda row, recording, samples: np.full(len(samples), row / 100, np.float32),
    )  # fmt: skip
    column = found.table.features[:, tokenizer.places["rhythm"]][:, 0]
    assert np.allclose(column, 2 * found.table.row / 100 - 1)


def batches_of(examples: BeatExamples, **given: object) -> BeatBatches:
    tokenizer = examples.tokenizer.fitted(examples.table.features)
    return BeatBatches(examples, tokenizer, size=64, **given)  # type: ignore[arg-type]


def test_batches_are_windows_of_one_recording_with_their_classes(beats: BeatExamples) -> None:
    batches = batches_of(beats, draws=BeatDraws(balance=0.0, fewest=16, most=16), augmentation=STILL)
    batches.stage(3)
    inputs, target = (each.clone() for each in batches.batch(3, 0))
    assert inputs.shape == (64, beats.tokenizer.n_features + 1, 16)
    assert target.shape == (64, 16, 2)
    assert (target.sum(-1) == inputs[:, -1]).all()
    standard = torch.from_numpy(batches.tokenizer.standardise(beats.table.features.copy()))
    window = inputs[0, :-1].T
    at = int((standard - window[0]).abs().sum(1).argmin())
    assert torch.allclose(standard[at : at + 16], window, atol=1e-5)
    assert len(set(beats.table.row[at : at + 16])) == 1
    again = batches_of(beats, draws=BeatDraws(balance=0.0, fewest=16, most=16), augmentation=STILL)
    again.stage(3)
    assert torch.equal(again.batch(3, 0)[0], inputs)
    again.stage(4)
    assert not torch.equal(again.batch(4, 0)[0], inputs)


def test_balance_decides_how_often_a_rare_class_is_drawn(beats: BeatExamples) -> None:
    value = beats.table.value[beats.known_beats]
    for balance, expected in ((0.0, 0.5), (1.0, float((value == 1).mean()))):
        batches = batches_of(beats, draws=BeatDraws(balance=balance))
        shares = np.bincount(value, batches._shares(batches.beats))
        assert np.isclose(shares[1], expected)


def test_each_lead_is_turned_over_by_itself(beats: BeatExamples) -> None:
    draws = BeatDraws(fewest=16, most=16)
    turned = batches_of(beats, draws=draws, augmentation=replace(STILL, flip=0.5))
    plain = batches_of(beats, draws=draws, augmentation=STILL)
    tokenizer = turned.tokenizer
    for batches in (turned, plain):
        batches.stage(0)
    one, other = turned.batch(0, 0)[0], plain.batch(0, 0)[0]
    changed = torch.stack(
        [
            (one[:, tokenizer.wave_places(lead)] != other[:, tokenizer.wave_places(lead)]).any(2).any(1)
            for lead in (0, 1)
        ]
    )
    assert {tuple(each) for each in changed.T.tolist()} == {
        (False, False), (False, True), (True, False), (True, True),
    }  # fmt: skip
    others = torch.ones(tokenizer.n_features, dtype=torch.bool)
    others[np.concatenate([tokenizer.wave_places(lead) for lead in (0, 1)])] = False
    assert torch.equal(one[:, :-1][:, others], other[:, :-1][:, others])


def test_windows_of_a_rhythm_stay_in_it(rhythms: BeatExamples) -> None:
    batches = batches_of(
        rhythms, draws=BeatDraws(balance=0.0, fewest=7, most=60), augmentation=BeatAugmentation(tempo=1.2)
    )
    lengths = []
    for step in range(6):
        batches.stage(step)
        inputs, target = batches.batch(step, 0)
        assert target.shape == (64,)
        assert torch.isfinite(inputs).all()
        lengths += inputs[:, -1].sum(-1).tolist()
    assert min(lengths) >= 7
    assert max(lengths) > 50
    beats_, inside, drawn = batches._drawn(np.random.default_rng(0))
    for row, real, one in zip(beats_, inside, drawn, strict=True):
        assert one in row[real]
        assert (rhythms.table.begin[row[real]] == rhythms.table.begin[one]).all()


@pytest.mark.parametrize("given", [{"noise": -1}, {"tempo": 0.5}, {"lead": 2}, {"flip": -0.1}, {"gain": 9}])
def test_augmentation_out_of_range_is_refused(given: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(given))):
        BeatAugmentation(**given)
