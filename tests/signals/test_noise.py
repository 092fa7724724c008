"""Noise at a ratio: its power, its place, and that a lead of no height gets none."""

from __future__ import annotations

import numpy as np
import pytest

from physiolect.signals.noise import add_noise


@pytest.mark.parametrize("snr_db", [24.0, 0.0, -6.0])
def test_the_ratio_is_that_of_the_powers(snr_db: float) -> None:
    beats = np.arange(50, 10_000, 80)
    signal = np.zeros((2, 10_000))
    signal[0, beats], signal[1, beats] = 1.0, 0.25
    noise = np.random.default_rng(0).standard_normal(3000) * 7 + 100
    added = add_noise(signal, noise, beats, 100.0, snr_db) - signal
    for lead, height in enumerate((1.0, 0.25)):
        assert 10 * np.log10(height**2 / 8 / added[lead].var()) == pytest.approx(snr_db, abs=0.2)
    assert not np.allclose(added[0], 4 * added[1])
    assert (
        add_noise(signal, noise, beats, 100.0, 6.0, seed=1) != add_noise(signal, noise, beats, 100.0, 6.0)
    ).any()


def test_a_flat_lead_and_flat_noise_stay_flat() -> None:
    signal, beats = np.zeros((1, 500)), np.array([100])
    assert not add_noise(signal, np.ones(30), beats, 100.0, 0.0).any()
    signal[0, 100] = 1
    assert np.array_equal(add_noise(signal, np.ones(30), beats, 100.0, 0.0), signal)
