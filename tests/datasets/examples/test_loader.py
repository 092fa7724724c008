"""Windows: each a function of seed, step and row alone, every start as likely as every other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from physiolect.datasets import Row, Store, WindowLoader
from physiolect.errors import ConfigError

MakeRow = Callable[..., Row]
MakeStore = Callable[..., Store]


@pytest.fixture
def store(make_store: MakeStore, make_row: MakeRow) -> Store:
    leads = ("I", "II", "V5")
    return make_store(
        [make_row("a", length=15), make_row("b", length=9), make_row("c", length=30, channels=leads)],
        shard_bytes=40,
    )


def test_a_window_depends_on_seed_step_and_row_alone(store: Store) -> None:
    loader = WindowLoader(store, [0, 2], length=10, seed=3)
    batch = loader.batch(7, 64)
    assert batch.shape == (64, 10)
    assert batch.dtype == np.int16
    again = WindowLoader(store, [0, 2], length=10, seed=3)
    again.batch(1, 5)
    assert np.array_equal(again.batch(7, 64), batch)
    assert np.array_equal(loader.batch(7, 16), batch[:16])
    assert np.array_equal(loader.batch(7, 16, first=48), batch[48:])
    for other in (
        loader.batch(8, 64),
        WindowLoader(store, [0, 2], length=10, seed=4).batch(7, 64),
        np.roll(batch, 1, axis=0),
    ):
        assert not np.array_equal(other, batch)


def test_seed_and_step_are_not_interchangeable(store: Store) -> None:
    draws = {
        WindowLoader(store, [0, 2], length=10, seed=seed).batch(step, 32).tobytes()
        for seed in range(4)
        for step in range(4)
    }
    assert len(draws) == 16


def test_windows_are_stretches_of_their_rows(store: Store) -> None:
    loader = WindowLoader(store, [0, 1, 2], length=10, seed=0)
    assert loader.rows.tolist() == [0, 2]
    places = loader.draw(0, 200)
    for row, channel, start, window in zip(
        *(each.tolist() for each in places[:3]), loader.batch(0, 200), strict=True
    ):
        assert np.array_equal(store.samples(row)[channel, start : start + 10], window)


def test_every_start_of_every_row_is_equally_likely(store: Store) -> None:
    loader = WindowLoader(store, [0, 2], length=10, seed=1)
    assert loader.n_windows == 6 + 21
    n = 27_000
    rows, channels, starts, _ = (each.numpy() for each in loader.draw(0, n))
    counts = np.bincount(np.where(rows == 0, starts, 6 + starts), minlength=27)
    assert len(counts) == 27
    # 5 standard deviations of a binomial of mean 1000
    assert np.abs(counts - n / 27).max() < 5 * np.sqrt(n / 27)
    assert (channels[rows == 0] == 0).all()
    of_three = np.bincount(channels[rows == 2], minlength=3)
    assert np.abs(of_three - of_three.sum() / 3).max() < 5 * np.sqrt(of_three.sum() / 3)


def test_one_step_is_no_copy_of_the_next(store: Store) -> None:
    """A counter shared by steps and rows would repeat one step's windows, shifted, in the next."""
    loader = WindowLoader(store, [2], length=1, seed=0)
    starts = np.stack([loader.draw(step, 500).starts for step in range(20)])  # (20, 500) of 0 … 29
    for shift in range(-3, 4):
        same = np.mean(np.roll(starts, shift, axis=1)[1:] == starts[:-1])
        assert same == pytest.approx(1 / 30, abs=0.01)


def test_a_channel_can_be_fixed(store: Store) -> None:
    assert (WindowLoader(store, [2], length=10, seed=0, channel=2).draw(0, 50).channels == 2).all()
    with pytest.raises(ConfigError, match="no channel 2: a row has 1"):
        WindowLoader(store, [0, 2], length=10, seed=0, channel=2)


def test_evaluation_windows_are_evenly_spread(store: Store) -> None:
    loader = WindowLoader(store, [0, 2], length=10, seed=0)
    rows, _, starts, _ = (each.numpy() for each in loader.spread(9))
    assert np.where(rows == 0, starts, 6 + starts).tolist() == list(range(1, 27, 3))
    assert loader.windows(9).shape == (9, 10)
    assert np.array_equal(loader.windows(9), WindowLoader(store, [0, 2], length=10, seed=5).windows(9))
    assert loader.windows(1000).shape == (27, 10)
    assert len(set(zip(*(each.tolist() for each in loader.spread(1000)[:3]), strict=True))) == 27


@pytest.mark.parametrize(("rows", "length"), [([0, 2], 31), ([1], 10), ([], 1), ([0], 0)])
def test_windows_that_fit_no_row_are_refused(store: Store, rows: list[int], length: int) -> None:
    with pytest.raises(ConfigError, match=f"a window of {length} samples") as caught:
        WindowLoader(store, rows, length=length, seed=0)
    assert "shorter window" in (caught.value.hint or "")


@pytest.mark.parametrize("place", [(0, 0, 6), (0, 1, 0), (0, 0, -1)])
def test_a_window_outside_its_row_is_refused(store: Store, place: tuple[int, int, int]) -> None:
    row, channel, start = place
    with pytest.raises(ValueError, match="within its row"):
        store.windows([row], [channel], [start], 10)
