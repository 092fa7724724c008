"""Made ECoG of reaches."""

from __future__ import annotations

import numpy as np
import pytest

from physiolect import synthetic
from physiolect.errors import ConfigError
from physiolect.evaluation.baselines.decoders import Trials, ridge


def r2_of_ridge(noise: float, seed: int = 0) -> float:
    made = synthetic.ecog_reaches(600, noise=noise, seed=seed)
    x, y = made.signal[:64].T.astype(np.float64), made.signal[64:].T.astype(np.float64)
    x = (x - x.mean(0)) / x.std(0)
    first, last = int(0.7 * len(x)), int(0.85 * len(x))
    found, _ = ridge(Trials([x[:first]], [y[:first]]), Trials([x[last:]], [y[last:]]), 10)
    truth = y[last:]
    return float((1 - ((found - truth) ** 2).sum(0) / ((truth - truth.mean(0)) ** 2).sum(0)).mean())


def test_at_the_middle_noise_ridge_finds_half() -> None:
    assert r2_of_ridge(1.0) == pytest.approx(0.5, abs=0.02)
    assert r2_of_ridge(0.2) > 0.6 > 0.4 > r2_of_ridge(2.0)


def test_what_it_holds() -> None:
    made = synthetic.ecog_reaches(60, grid=(4, 5), seed=1)
    assert len(made.channels) == 22
    assert made.beside == ("velocity_x", "velocity_y")
    assert made.fs == 20.0
    assert {note for note in made.annotations.note if note} <= {f"target {k}" for k in range(1, 9)}
    begins, ends = (made.annotations.sample[k::2] for k in (0, 1))
    moved = np.stack([made.signal[20:, a:b].sum(1) / 20 for a, b in zip(begins, ends, strict=True)])
    aimed = np.array([int(note.split()[1]) - 1 for note in made.annotations.note[::2]]) * np.pi / 4
    angles = np.arctan2(moved[:, 1], moved[:, 0])
    assert np.abs(np.angle(np.exp(1j * (angles - aimed)))).max() < 0.4  # movements go to their targets


def test_days_share_tuning_and_differ_in_gain() -> None:
    days = [synthetic.ecog_reaches(300, noise=0.1, day=day) for day in (0, 1)]
    tuning = [day.signal[:64] @ day.signal[64:].T / day.n_samples for day in days]
    assert np.corrcoef(tuning[0].ravel(), tuning[1].ravel())[0, 1] > 0.8
    assert np.abs(days[0].signal[:64].mean(1) - days[1].signal[:64].mean(1)).mean() > 0.5
    again = synthetic.ecog_reaches(300, noise=0.1, day=1)
    np.testing.assert_array_equal(again.signal, days[1].signal)


def test_voltages_carry_the_power() -> None:
    from physiolect.signals import filter_band

    power = synthetic.ecog_reaches(20, grid=(2, 2), noise=4.0, fs=20.0)
    made = synthetic.ecog_reaches(20, grid=(2, 2), noise=4.0, fs=500.0)
    assert made.units[0] == "uV"
    band = filter_band(made.signal[:4], 500.0, (85.0, 150.0))
    level = 10 * np.log10((band**2).reshape(4, -1, 25).mean(-1))  # in bins of 50 ms
    r = [np.corrcoef(a[5:-5], b[5:-5])[0, 1] for a, b in zip(level, power.signal[:4], strict=True)]
    assert np.mean(r) > 0.8


def test_settings_out_of_range() -> None:
    with pytest.raises(ConfigError, match="out of range"):
        synthetic.ecog_reaches(600, fs=100.0)
