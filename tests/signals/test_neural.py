"""Features of neural signals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from physiolect import Recording, synthetic
from physiolect.contract import InputContract, features_of, with_features
from physiolect.datasets import open_store, prepare
from physiolect.errors import ConfigError, ContractError
from physiolect.formats.npy import write
from physiolect.signals.neural import (
    NeuralFeatures,
    band_power,
    bin_spikes,
    common_average,
    neural_features,
    remove_line_noise,
)

FS = 500.0
TIME = np.arange(5000) / FS


def test_band_power_of_a_sine_is_that_of_the_sine() -> None:
    x = np.stack([3 * np.sin(2 * np.pi * 100 * TIME), 3 * np.sin(2 * np.pi * 20 * TIME)])
    power = band_power(x, FS, (70.0, 150.0), 25)
    assert power.shape == (2, 200)
    assert power[0, 50:].mean() == pytest.approx(10 * np.log10(4.5), abs=0.1)
    assert power[1, 50:].max() < -20


def test_the_notch_takes_line_noise_and_its_harmonics_away() -> None:
    x = np.sin(2 * np.pi * 60 * TIME) + np.sin(2 * np.pi * 180 * TIME) + np.sin(2 * np.pi * 33 * TIME)
    left = remove_line_noise(x[None], FS, 60.0)[0, 2500:]
    spectrum = np.abs(np.fft.rfft(left)) / 1250
    frequency = np.fft.rfftfreq(len(left), 1 / FS)
    assert spectrum[np.abs(frequency - 60) < 0.3].max() < 0.02
    assert spectrum[np.abs(frequency - 180) < 0.3].max() < 0.02
    assert spectrum[np.abs(frequency - 33) < 0.3].max() > 0.95


def test_the_common_average_takes_away_what_all_share() -> None:
    x = np.random.default_rng(0).standard_normal((4, 100))
    np.testing.assert_allclose(common_average(x + 7.0).sum(0), 0, atol=1e-9)


def test_no_feature_looks_ahead() -> None:
    x = np.random.default_rng(0).standard_normal((3, 1000))
    features = NeuralFeatures(("70-150", "10-30"), common_average=True, notch=50.0)
    whole = neural_features(x, FS, features)
    assert whole.shape == (6, 40)
    np.testing.assert_allclose(neural_features(x[:, :500], FS, features), whole[:, :20], rtol=1e-5)


def test_spikes_in_bins() -> None:
    times = [0.0, 0.049, 0.05, 0.99, 1.0, -0.1, np.nan, 7.0]
    counts = bin_spikes(times, 1.0)
    assert counts.tolist() == [2, 1, *[0] * 17, 1]


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (NeuralFeatures(("70",)), "LOW-HIGH"),
        (NeuralFeatures(("150-70",)), "must rise"),
        (NeuralFeatures(()), "without bands"),
        (NeuralFeatures(rate=0.0), "rate of the bins is 0"),
        (NeuralFeatures(notch=5.0), "notch is 5"),
        (NeuralFeatures(("70-250",)), "more than 500 samples"),
        (NeuralFeatures(rate=30.0), "no whole number"),
    ],
)
def test_features_that_cannot_be(features: NeuralFeatures, words: str) -> None:
    assert any(words in each for each in features.problems(FS))


def ecog() -> Recording:
    return synthetic.ecog_reaches(30, grid=(2, 2), fs=500.0)


def test_a_contract_computes_its_features() -> None:
    features = NeuralFeatures(("70-150", "15-30"), notch=60.0)
    made = features_of(ecog(), features, ecog().channels[:4])
    assert made.fs == 20.0
    assert made.channels[:2] == ("ecog 1.1 70-150 Hz", "ecog 1.2 70-150 Hz")
    assert made.channels[8:] == made.beside == ("velocity_x", "velocity_y")
    assert made.units[0] == "dB"
    assert len(made.annotations) == len(ecog().annotations)
    contract = InputContract(
        20.0, 1, 1000, channels=made.channels[:8], modality="ecog", features=features, normalisation="none"
    )
    np.testing.assert_array_equal(with_features(ecog(), contract).signal, made.signal)
    assert with_features(made, contract) is made
    with pytest.raises(ContractError, match=r"has no ecog 2\.2"):
        with_features(ecog().select([0, 1, 2, 4, 5]), contract)
    with pytest.raises(ContractError, match="no whole number"):
        with_features(replace(ecog(), fs=510.0), contract)
    with pytest.raises(ConfigError, match="fs is 10 Hz"):
        replace(contract, fs=10.0)


def test_missing_samples_make_their_bins_missing() -> None:
    held = ecog()
    held.signal[1, 100:110] = np.nan
    made = features_of(held, NeuralFeatures(), held.channels[:4])
    assert np.flatnonzero(np.isnan(made.signal).any(0)).tolist() == [4, 5]
    assert not np.isnan(made.signal[0]).any()


def test_a_store_of_features(tmp_path: Path) -> None:
    write(ecog(), tmp_path / "a.npz")
    prepare(
        tmp_path / "a.npz", tmp_path / "store", targets=["velocity_x"], bands="70-150", notch=60.0, workers=1
    )
    store = open_store(tmp_path / "store", verify=True)
    assert store.contract.features == NeuralFeatures(("70-150",), notch=60.0)
    assert store.recording(0).channels[-1] == "velocity_x"
    prepare(
        tmp_path / "a.npz", tmp_path / "again", contract=store.contract, targets=["velocity_x"], workers=1
    )
    np.testing.assert_array_equal(open_store(tmp_path / "again").samples(0), store.samples(0))
    with pytest.raises(ConfigError, match="come before band power"):
        prepare(tmp_path / "a.npz", tmp_path / "b", targets=["velocity_x"], notch=60.0, workers=1)
