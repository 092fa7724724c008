"""Features: finite for anything, and near the truth where it is known."""

from __future__ import annotations

import numpy as np
import pytest

from physiolect.errors import ContractError
from physiolect.signals.features import ecg_features, find_r_peaks
from physiolect.synthetic import ecg


@pytest.mark.parametrize("seed", range(5))
def test_beats_of_made_recordings_are_found(seed: int) -> None:
    made = ecg(seconds=20, fs=250, seed=seed)
    truth = made.annotations.sample
    lead = made.signal[min(1, len(made.signal) - 1)]
    found = find_r_peaks(lead, 250)
    inner = truth[(truth > 100) & (truth < made.n_samples - 100)]
    near = np.abs(found[:, np.newaxis] - inner).min(axis=0)
    assert (near <= 25).mean() >= 0.9  # 0.1 s
    assert abs(len(found) - len(truth)) <= 2


def test_rate_and_amplitude_are_what_was_made() -> None:
    fs, seconds = 500.0, np.arange(5000) / 500
    beats = 1.2 * np.exp(-(((seconds % 0.75) - 0.375) ** 2) / 2e-4)
    features = ecg_features(np.stack([0 * beats, beats, -beats]), fs)
    assert features.shape == (3 * 27 + 10,)
    rate, variation, unrest, density, r, _, width, _, _, st = features[-10:]
    assert rate == pytest.approx(80, rel=0.01)
    assert max(variation, unrest) < 0.01
    assert density == pytest.approx(80 / 60, rel=0.1)
    assert r == pytest.approx(1.2, rel=0.05)
    assert 0.02 < width < 0.08
    assert abs(st) < 0.01


@pytest.mark.parametrize("fs", [50.0, 100.0, 500.0, 1000.0])
@pytest.mark.parametrize("kind", ["noise", "flat", "ramp"])
def test_any_signal_gives_as_many_finite_numbers(kind: str, fs: float) -> None:
    n = round(2 * fs)
    signal = {
        "noise": np.random.default_rng(0).standard_normal((2, n)),
        "flat": np.full((2, n), 3.0),
        "ramp": np.linspace(-1, 1, 2 * n).reshape(2, n),
    }[kind]
    features = ecg_features(signal, fs)
    assert features.shape == (2 * 27 + 10,)
    assert np.isfinite(features).all()


@pytest.mark.parametrize("signal", [np.zeros((2, 999)), np.zeros(5000), np.full((2, 5000), np.nan)])
def test_too_little_is_refused(signal: np.ndarray) -> None:
    with pytest.raises(ContractError, match="two seconds") as caught:
        ecg_features(signal, 500)
    assert caught.value.hint
