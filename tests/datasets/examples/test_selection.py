"""A selection is drawn equally from clusters, by a seed, and from the rows named."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from physiolect.datasets import Row, Store, select_rows
from physiolect.datasets.examples.selection import select_diverse
from physiolect.errors import ConfigError


def groups(sizes: list[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return features (n, 20) in well parted groups, shuffled, and the group of each."""
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = rng.standard_normal((len(sizes), 20)) * 10
    return centres[group] + rng.standard_normal((len(group), 20)), group


def test_each_cluster_gives_as_much_as_the_others() -> None:
    features, group = groups([400, 300, 60, 40])
    chosen = select_diverse(features, 120)
    assert len(set(chosen.tolist())) == 120
    assert (np.diff(chosen) > 0).all()
    assert np.bincount(group[chosen]).tolist() == [30, 30, 30, 30]


def test_what_a_small_cluster_lacks_the_others_give() -> None:
    features, group = groups([400, 300, 200, 5])
    counts = np.bincount(group[select_diverse(features, 101)])
    assert counts[3] == 5
    assert counts.sum() == 101
    assert np.ptp(counts[:3]) <= 1


def test_the_seed_decides_and_nothing_else() -> None:
    features, _ = groups([100, 100, 100])
    one, again, other = (select_diverse(features, 30, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("features", [np.zeros((50, 4)), np.repeat(np.eye(5), 10, axis=0), np.eye(10)])
def test_recordings_that_hardly_differ_are_drawn_by_lot(features: np.ndarray) -> None:
    chosen = select_diverse(features, 7)
    assert len(set(chosen.tolist())) == 7


def test_time_grows_with_the_number_and_not_with_its_square() -> None:
    """What is quadratic, the silhouette, sees no more than its share."""
    import sklearn.metrics

    seen = []
    real = sklearn.metrics.silhouette_score

    def watched(points: np.ndarray, labels: np.ndarray) -> float:
        seen.append(len(points))
        return real(points, labels)

    features, _ = groups([2000, 1500, 1000])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sklearn.metrics, "silhouette_score", watched)
        select_diverse(features, 100)
    assert max(seen) == 2000


def test_rows_of_a_store(make_store: Callable[..., Store], make_row: Callable[..., Row]) -> None:
    store = make_store([make_row(f"r{k}", length=250, channels=("I", "II")) for k in range(40)])
    looked_at = []
    train = np.arange(5, 40)
    chosen = select_rows(store, train, 12, on_row=lambda: looked_at.append(1))
    assert len(set(chosen.tolist())) == 12
    assert set(chosen.tolist()) <= set(train.tolist())
    assert len(looked_at) == len(train)
    np.testing.assert_array_equal(select_rows(store, train, 99), train)
    with pytest.raises(ConfigError, match="no selection"):
        select_rows(store, train, 0)
