"""Times of beats finer than a sample: an even pulse has even intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physiolect import Recording, detect_beats, load_checkpoint
from physiolect.detection import summarise_intervals
from physiolect.detection.timing import fit_tops, pulse_times, trace_times

from .conftest import Make, Tops


def even_pulse(period: float, fs: float, seconds: float = 39.6, noise: float = 0.0) -> Recording:
    """Return a pulse that beats every `period` seconds exactly and ends after a whole beat."""
    time = np.arange(round(seconds * fs)) / fs
    signal = np.random.default_rng(0).normal(0, noise, len(time))
    for beat in np.arange(0.3, seconds + 1, period):
        signal += np.exp(-((time - beat) ** 2) / (2 * 0.08**2))
        signal += 0.3 * np.exp(-((time - beat - 0.25) ** 2) / (2 * 0.12**2))
    return Recording(signal, fs, ("PPG",), "au", "ppg")


@pytest.mark.parametrize("period", [0.75, 0.813, 0.93])
@pytest.mark.parametrize("fs", [50.0, 125.0])
def test_an_even_pulse_has_even_intervals(make: Make, period: float, fs: float) -> None:
    found = detect_beats(make("beats", kind=Tops), even_pulse(period, fs))
    assert len(found.samples) > 35
    assert summarise_intervals(found.times).rmssd > 0.005  # the marks lie on a grid of 20 ms
    assert found.intervals.rmssd < 0.001
    assert found.intervals.sd < 0.001
    assert found.intervals.mean == pytest.approx(period, abs=1e-4)
    np.testing.assert_allclose(found.peak_times, found.times, atol=0.1)


def test_an_even_pulse_has_even_intervals_by_the_published_model(weights: Path) -> None:
    checkpoint = load_checkpoint(weights / "PPGPT_beat_5k_iters.zip")
    found = detect_beats(checkpoint, even_pulse(0.813, 125.0))
    assert summarise_intervals(found.times).rmssd > 0.015
    assert found.intervals.rmssd < 0.001
    noisy = detect_beats(checkpoint, even_pulse(0.813, 125.0, noise=0.005))
    assert noisy.intervals.rmssd < 0.002


def test_a_model_of_another_modality_is_timed_by_its_trace(make: Make) -> None:
    recording = even_pulse(0.813, 50.0)
    ecg = Recording(recording.signal, 50.0, ("II",), "mV", "ecg")
    found = detect_beats(make("beats", kind=Tops, modality="ecg"), ecg)
    np.testing.assert_allclose(found.peak_times, found.times, atol=0.011)


def test_a_parabola_is_met_exactly_and_ends_stay() -> None:
    at = np.arange(40.0)
    values = -((at - 17.3) ** 2)
    for half in (1, 2, 5):
        np.testing.assert_allclose(fit_tops(values, np.array([17]), half), [17.3])
    assert fit_tops(values, np.array([0, 39]), 1).tolist() == [0, 39]
    assert fit_tops(np.zeros(9), np.array([4]), 1).tolist() == [4]
    assert trace_times(np.where(at == 18, np.nan, values), np.array([17]), 10.0).tolist() == [1.7]


def test_no_peak_is_looked_for_beyond_what_was_judged() -> None:
    pulse = np.exp(-((np.arange(100) - 53) ** 2) / 20)
    judged = np.ones(100, bool)
    judged[51] = False
    assert pulse_times(pulse, judged, np.array([49]), 50.0)[0] <= 50 / 50
    assert pulse_times(pulse, np.ones(100, bool), np.array([49]), 50.0)[0] == pytest.approx(53 / 50)
    assert pulse_times(pulse, judged, np.empty(0, np.int64), 50.0).tolist() == []
