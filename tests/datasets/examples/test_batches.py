"""Batches of ids: each window a function of its place alone, cut into levels as by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from physiolect.datasets import Row, Store, WindowLoader
from physiolect.datasets.examples.augmentation import Augmentation
from physiolect.datasets.examples.batches import Leads, LevelBatches, StreamedBatches
from physiolect.errors import ConfigError
from physiolect.tokenizers import LevelTokenizer

LENGTH = 10
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
TOKENIZER = LevelTokenizer()


@pytest.fixture
def store(make_store: Callable[..., Store], make_row: Callable[..., Row]) -> Store:
    rows = [
        make_row("a", length=60),
        make_row("b", length=25),
        make_row("c", length=40, channels=("I", "II")),
    ]
    return make_store(rows)


def make(store: Store, scale_samples: int | None = None, seed: int = 3) -> LevelBatches:
    return LevelBatches(store, [0, 1, 2], TOKENIZER, length=LENGTH, seed=seed, scale_samples=scale_samples)


@pytest.mark.parametrize("scale_samples", [None, 24])
def test_ids_depend_on_seed_step_and_row_alone(store: Store, scale_samples: int | None) -> None:
    batches = make(store, scale_samples)
    ids = batches.batch(5, 32)
    assert ids.shape == (32, LENGTH)
    assert ids.dtype == torch.int64
    batches.batch(6, 3)
    assert torch.equal(make(store, scale_samples).batch(5, 8), ids[:8])
    assert torch.equal(batches.batch(5, 8, first=24), ids[24:])
    for other in (batches.batch(6, 32), make(store, scale_samples, seed=4).batch(5, 32)):
        assert not torch.equal(other, ids)


def test_a_window_has_levels_from_0_to_100(store: Store) -> None:
    ids = make(store).batch(0, 64)
    assert (ids.amin(1) == 0).all()
    assert (ids.amax(1) == 100).all()
    wide = make(store, 24).batch(0, 64)
    assert wide.min() >= 0
    assert wide.max() <= 100
    assert (wide.amax(1) < 100).any()  # the peak of the range lies outside some windows


def test_ids_are_those_encoded_by_hand(store: Store) -> None:
    loader = WindowLoader(store, [0, 1, 2], length=LENGTH, seed=3)
    by_hand, _ = TOKENIZER.encode(loader.batch(2, 16))
    assert np.array_equal(make(store).batch(2, 16).numpy(), by_hand)
    by_hand, _ = TOKENIZER.encode(loader.windows(12))
    assert np.array_equal(make(store).fixed(12).numpy(), by_hand)


@pytest.mark.parametrize("stretch", [11, 24])
def test_the_scale_comes_from_a_stretch_centred_on_the_window_and_inside_its_row(
    store: Store, stretch: int
) -> None:
    places = WindowLoader(store, [0, 1, 2], length=LENGTH, seed=3).draw(1, 64)
    ids = make(store, stretch).batch(1, 64).numpy()
    ends = set()
    for got, row, channel, start in zip(ids, *(each.tolist() for each in places[:3]), strict=True):
        samples = store.samples(row)[channel]
        begin = min(max(start - (stretch - LENGTH) // 2, 0), len(samples) - stretch)
        levels, _ = TOKENIZER.encode(samples[begin : begin + stretch])
        assert np.array_equal(got, levels[start - begin : start - begin + LENGTH])
        ends.add("first" if begin == 0 else "last" if begin == len(samples) - stretch else "inside")
    assert ends == {"first", "last", "inside"}


def test_rows_too_short_for_the_scale_are_left_out_and_none_left_is_refused(store: Store) -> None:
    assert make(store, 40).loader.rows.tolist() == [0, 2]
    with pytest.raises(ConfigError, match=r"no row of .* is 61 samples long") as refused:
        make(store, 61)
    assert refused.value.hint


ALL = Augmentation(tempo=1.2, noise=0.02, wander=0.1, flip=0.3, mix=0.5)
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, needs_gpu])]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("augmentation", [None, ALL])
def test_wherever_a_store_lives_its_batches_are_the_same(
    store: Store, augmentation: Augmentation | None, device: str
) -> None:
    def batches(*, resident: bool = False, device: str = device) -> LevelBatches:
        return LevelBatches(
            store, [0, 1, 2], TOKENIZER, length=LENGTH, seed=3, augmentation=augmentation, device=device,
            resident=resident,
        )  # fmt: skip

    plain, resident = batches(device="cpu"), batches(resident=True)
    streamed = StreamedBatches(batches(), 4, parts=2, first=1)
    for step in (0, 1, 2, 7, 3):  # a run that is resumed goes elsewhere
        streamed.stage(step)
        wanted = plain.batch(step, 8, first=1)
        near(torch.cat([streamed.batch(step, part) for part in (0, 1)]), wanted)
        near(resident.batch(torch.tensor(step, device=device), 8, first=1), wanted)


def near(got: torch.Tensor, wanted: torch.Tensor) -> None:
    """Levels of a window that was varied may round otherwise on another device."""
    apart = (got.cpu() - wanted).abs()
    assert apart.max() <= (0 if got.device.type == "cpu" else 1)
    assert (apart > 0).float().mean() < 0.01


def test_rows_named_twice_are_twice_as_likely(store: Store) -> None:
    batches = LevelBatches(store, [0, 1, 1, 1], TOKENIZER, length=LENGTH, seed=3, resident=True)
    rows = batches.loader.draw(0, 10_000).rows
    share = 3 * 16 / (51 + 3 * 16)  # starts of row 1, three times
    assert (rows == 1).float().mean() == pytest.approx(share, abs=5 * (share * (1 - share) / 10_000) ** 0.5)
    again = LevelBatches(store, [0, 1, 1, 1], TOKENIZER, length=LENGTH, seed=3)
    assert torch.equal(batches.batch(1, 64), again.batch(1, 64))


def test_leads_beside_are_those_of_the_same_recording(
    make_store: Callable[..., Store], make_row: Callable[..., Row]
) -> None:
    rows = [
        make_row("a"),
        make_row("b", channels=("I", "II", "V1")),
        make_row("a"),
        make_row("c"),
        make_row("a"),
    ]
    leads = Leads(make_store(rows), np.arange(5), torch.device("cpu"))
    bits = torch.arange(0, 2**18, 2**8)
    found = {}
    for row, channel in ((0, 0), (1, 0), (1, 2), (2, 0), (3, 0)):
        beside = leads.beside(torch.full_like(bits, row), torch.full_like(bits, channel), bits)
        found[row, channel] = set(zip(*(each.tolist() for each in beside), strict=True))
    assert found == {
        (0, 0): {(2, 0), (4, 0)},
        (1, 0): {(1, 1), (1, 2)},
        (1, 2): {(1, 0), (1, 1)},
        (2, 0): {(0, 0), (4, 0)},
        (3, 0): {(3, 0)},
    }


def test_varied_and_scaled_by_the_surroundings_is_refused(store: Store) -> None:
    with pytest.raises(ConfigError, match="both varied and scaled") as refused:
        LevelBatches(store, [0], TOKENIZER, length=LENGTH, seed=3, scale_samples=24, augmentation=ALL)
    assert refused.value.hint
