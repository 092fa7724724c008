"""Baselines of heartbeats: they learn what their features show, and decide about test beats alone."""

from __future__ import annotations

import numpy as np
import pytest

from physiolect.evaluation.baselines.beat_cnn import decide_by_cnn, fit_beat_cnn
from physiolect.evaluation.baselines.heartbeats import (
    BOOSTING,
    CNN,
    FOREST,
    HEARTBEAT_BASELINES,
    RR_FOREST,
    heartbeat_baselines,
    missing_groups,
)
from physiolect.evaluation.protocol import Fold
from physiolect.tokenizers import BeatTokenizer

TOKENIZER = BeatTokenizer(n_leads=1, features=("waveform", "shape", "intervals", "pace"))


def made(n: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Beats of class 1 come early, and those of class 2 are wide."""
    rng = np.random.default_rng(0)
    value = rng.integers(0, 3, n)
    features = 0.1 * rng.standard_normal((n, TOKENIZER.n_features)).astype(np.float32)
    features[:, TOKENIZER.places["intervals"].start] -= value == 1
    wave = TOKENIZER.places["waveform"]
    features[:, wave.start + 28 : wave.start + 32] += 1
    features[:, wave.start + 24 : wave.start + 40] += (value == 2)[:, None]
    features[::7, wave.start] = np.nan
    return features, value


@pytest.mark.parametrize(
    ("name", "learned"), [(RR_FOREST, {0, 1}), (FOREST, {0, 1, 2}), (BOOSTING, {0, 1, 2})]
)
def test_each_learns_what_it_sees(name: str, learned: set[int]) -> None:
    features, value = made()
    fold = Fold("x", np.arange(400), np.arange(400, 600))
    told: list[int] = []
    found = heartbeat_baselines(
        features, value, [fold], TOKENIZER, 3, names=[name], on_baseline=lambda k, n: told.append(k)
    )[name]
    assert (found[:400] == -1).all()
    assert told == [1]
    right = found[400:] == value[400:]
    for k in range(3):
        share = right[value[400:] == k].mean()
        assert (share > 0.9) == (k in learned) or name == RR_FOREST


def test_a_network_learns_waveforms_and_repeats_itself() -> None:
    features, value = made()
    beats = features[:, TOKENIZER.places["waveform"]][:, None]
    wide = (value == 2).astype(np.int64)
    network = fit_beat_cnn(beats[:400], wide[:400], 2, epochs=10)
    decided = decide_by_cnn(network, beats[400:])
    assert (decided == wide[400:]).mean() > 0.95
    again = fit_beat_cnn(beats[:400], wide[:400], 2, epochs=10)
    assert (decide_by_cnn(again, beats[400:]) == decided).all()
    assert decide_by_cnn(network, beats[:0]).shape == (0,)


def test_a_fold_of_one_class_is_no_fault() -> None:
    features, _ = made(60)
    found = heartbeat_baselines(
        features, np.zeros(60, int), [Fold("x", np.arange(40), np.arange(40, 60))], TOKENIZER, 3
    )
    assert set(found) == set(HEARTBEAT_BASELINES)
    assert all((each[40:] == 0).all() for each in found.values())
    assert CNN in found
    assert missing_groups(BeatTokenizer(features=("waveform", "intervals"))) == ["pace", "shape"]
    assert not missing_groups(TOKENIZER)
