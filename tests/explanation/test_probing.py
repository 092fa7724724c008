"""A head that looks at R peaks is found, and no other is."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from physiolect import Checkpoint, Recording, synthetic
from physiolect.errors import ContractError
from physiolect.explanation import cut_windows, probe_heads
from physiolect.explanation.probing import _auroc_at_all_shifts


@pytest.fixture(scope="module")
def long() -> Recording:
    return synthetic.ecg(seconds=30, fs=100.0, leads=("II",), noise=0.2, seed=6)


def beats(recording: Recording) -> np.ndarray:
    return recording.annotations.sample[1:] / recording.fs


def test_the_head_that_looks_at_the_top_is_found(top_gazer: Checkpoint, long: Recording) -> None:
    windows = cut_windows(top_gazer, long)
    found = probe_heads(
        top_gazer, windows, {"R": beats(long), "nothing": beats(long)[:-1] + 0.55}, tolerance=0.01
    )
    best, *others = [each for each in found.scores() if each.landmark == "R"]
    assert (best.layer, best.head) == (2, 1)
    assert best.auroc > 0.97
    assert best.lift > 2
    assert best.p < 0.002
    assert best.auroc > found.chance[0] > 0.5
    assert all(abs(each.auroc - 0.5) < 0.2 for each in others)
    assert found.n_windows == len(windows) == 10
    assert found.counts[0] == np.sum(beats(long) <= windows[-1].time[-1])
    false = max(each.auroc for each in found.scores() if each.landmark == "nothing")
    assert false < found.chance[1] + 0.02


def test_landmarks_may_be_given_window_by_window(top_gazer: Checkpoint, long: Recording) -> None:
    windows = cut_windows(top_gazer, long)
    together = probe_heads(top_gazer, windows, {"R": beats(long)})
    apart = probe_heads(top_gazer, windows, [{"R": beats(long)} for _ in windows])
    np.testing.assert_array_equal(together.auroc, apart.auroc)
    np.testing.assert_array_equal(together.best_by_chance, apart.best_by_chance)


def test_a_window_without_a_landmark_does_not_count(top_gazer: Checkpoint, long: Recording) -> None:
    windows = cut_windows(top_gazer, long)
    early = {"R": beats(long), "P": beats(long)[:2] - 0.15, "T": np.empty(0)}
    found = probe_heads(top_gazer, windows, early)
    assert found.landmarks == ("R", "P")
    assert np.isfinite(found.by_window[:, 1, 0, 0]).sum() == 1
    with pytest.raises(ContractError, match="no landmark lies in any window"):
        probe_heads(top_gazer, windows, {"R": np.array([99.0])})


def test_auroc_is_that_of_a_library_at_every_shift() -> None:
    rng = np.random.default_rng(0)
    values = np.round(rng.random((2, 3, 50)), 1)  # with ties
    at = rng.random(50) < 0.2
    found = _auroc_at_all_shifts(values, at)
    for shift in (0, 7, 49):
        expected = roc_auc_score(np.roll(at, shift), values[1, 2])
        assert found[1, 2, shift] == pytest.approx(expected)
