"""Waveforms of heartbeats, the typical beat, and RR intervals."""

from __future__ import annotations

import numpy as np
import pytest

from physiolect.signals import heartbeats
from physiolect.signals.heartbeats import (
    cut_beats,
    local_median,
    neighbour_features,
    pace_features,
    rr_intervals,
    shape_features,
    slope_centres,
    typical_beat,
)

TIME = np.arange(-30, 45) / 100


def test_waveforms_lie_around_their_beats_at_level_zero() -> None:
    signal = np.full((2, 500), 3.0)
    signal[:, 200] += [1.0, 2.0]
    cut = cut_beats(signal, np.array([200, 498]), 30, 45)
    assert cut.shape == (2, 2, 75)
    assert cut[0, :, 30].tolist() == [1.0, 2.0]
    assert np.count_nonzero(cut[0]) == 2
    assert not cut[1].any()  # the end is filled up with its last value


def test_a_beat_between_two_samples_is_cut_there() -> None:
    def wave(time: np.ndarray) -> np.ndarray:
        return np.exp(-(((time - 200.3) / 5) ** 2))

    cut = cut_beats(wave(np.arange(400.0))[None], np.array([200.3]), 30, 45)[0, 0]
    assert np.allclose(cut, wave(200.3 + np.arange(-30, 45)), atol=0.005)
    assert cut.argmax() == 30


def test_the_centre_of_the_slopes_is_found_between_samples_though_marks_jitter() -> None:
    time = np.arange(1000.0)
    true = np.array([100.0, 300.25, 500.5, 700.75])
    signal = sum(np.exp(-(((time - each) / 2) ** 2)) for each in true)[None] * np.array([[1.0], [-0.3]])
    for jitter in (np.zeros(4), np.array([2, -2, 1, -1])):
        assert np.abs(slope_centres(signal, np.round(true) + jitter, 100) - true).max() < 0.1
    assert len(slope_centres(signal, np.empty(0), 100)) == 0
    assert slope_centres(np.zeros((1, 50)), np.array([3.0, 49]), 100).tolist() == [3, 49]  # flat: the marks


def test_slopes_of_a_long_signal_are_computed_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(2, 5000))
    marks = np.sort(np.append(rng.uniform(0, 4999, 60), [0, 999, 1000, 1001, 4999]))
    whole = slope_centres(signal, marks, 100)
    sizes = []
    gradient = np.gradient
    monkeypatch.setattr(np, "gradient", lambda x, axis: sizes.append(x.shape[1]) or gradient(x, axis=axis))
    monkeypatch.setattr(heartbeats, "_PART", 1000)
    assert np.array_equal(slope_centres(signal, marks, 100), whole)
    assert len(sizes) == 5
    assert max(sizes) < 1030


def test_the_typical_beat_is_that_of_the_longest_intervals_though_ectopy_dominates() -> None:
    rng = np.random.default_rng(0)
    normal = np.exp(-((TIME / 0.02) ** 2))
    ectopic = 1.5 * np.exp(-((TIME / 0.08) ** 2)) - np.exp(-(((TIME - 0.25) / 0.1) ** 2))
    early = np.arange(300) % 3 > 0  # two of three
    waveforms = np.where(early[:, None], ectopic, normal) + 0.02 * rng.standard_normal((300, len(TIME)))
    found = typical_beat(waveforms.astype(np.float32), np.where(early, 0.5, 0.9))
    assert np.abs(found - normal).max() < 0.05
    plain = np.median(waveforms, 0)
    assert np.abs(plain - normal).max() > 0.5


def test_a_typical_beat_of_few_or_flat_beats() -> None:
    one = np.sin(TIME)[None].astype(np.float32)
    assert np.allclose(typical_beat(one, np.array([0.8])), one[0])
    assert not typical_beat(np.zeros((4, 10), np.float32), np.ones(4)).any()


def test_intervals_end_at_their_beats() -> None:
    rr = rr_intervals(np.array([0.0, 80, 160, 200, 1000]), 100)
    assert np.allclose(rr, [0.8, 0.8, 0.8, 0.4, 4.0])
    assert rr_intervals(np.array([5.0]), 100).tolist() == [0.8]
    assert len(rr_intervals(np.empty(0), 100)) == 0
    assert rr_intervals(np.array([0.0, 50]), 100, causal=True)[0] == 0.8


def test_causal_features_do_not_see_later_intervals() -> None:
    rng = np.random.default_rng(1)
    rr = rng.uniform(0.5, 1.2, 200)
    changed = rr.copy()
    changed[100:] = 0.4
    for make in (neighbour_features, pace_features):
        one, other = make(rr, causal=True), make(changed, causal=True)
        assert np.array_equal(one[:100], other[:100])
        assert not np.array_equal(make(rr, causal=False)[:100], make(changed, causal=False)[:100])
    assert np.array_equal(local_median(rr, 9, causal=True)[:100], local_median(changed, 9, causal=True)[:100])


def test_a_beat_like_the_typical_one_is_known_by_its_shape() -> None:
    normal = np.exp(-((TIME / 0.02) ** 2)).astype(np.float32)
    wide = np.exp(-((TIME / 0.08) ** 2)).astype(np.float32)
    found = shape_features(np.stack([normal, wide])[:, None], normal[None], 30, 100)
    likeness, height, width = found.T
    assert np.isclose(likeness[0], 1, atol=1e-4)
    assert likeness[1] < 0.8
    assert np.isclose(height[0], height[1], atol=0.5)
    assert width[1] > 2 * width[0]
