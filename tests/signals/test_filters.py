from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physiolect.signals import filter_band, settling_samples

FS = 360.0
TIME = np.arange(20 * 360) / FS


def tone(frequency: float) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * TIME)[np.newaxis]


def gain(frequency: float, band: tuple[float | None, float | None]) -> float:
    inner = slice(1800, -1800)
    filtered = filter_band(tone(frequency), FS, band)
    return float(np.sqrt((filtered[:, inner] ** 2).mean() * 2))


@pytest.mark.parametrize(
    ("band", "kept", "lost"),
    [((0.5, 40.0), 8.0, (0.05, 170.0)), ((0.5, None), 100.0, (0.05,)), ((None, 40.0), 1.0, (170.0,))],
)
def test_band_is_kept_and_the_rest_is_not(
    band: tuple[float | None, float | None], kept: float, lost: tuple[float, ...]
) -> None:
    assert gain(kept, band) == pytest.approx(1, abs=0.01)
    assert all(gain(frequency, band) < 0.02 for frequency in lost)
    for edge in band:
        if edge is not None:
            assert gain(edge, band) == pytest.approx(0.5, abs=0.02)


def test_phase_is_untouched() -> None:
    filtered = filter_band(tone(8.0), FS, (0.5, 40.0))
    np.testing.assert_allclose(filtered[:, 1800:-1800], tone(8.0)[:, 1800:-1800], atol=0.01)


def test_open_band_and_types() -> None:
    signal = tone(3.0).astype(np.float32)
    assert filter_band(signal, FS, (None, None)) is signal
    assert settling_samples(FS, (None, None)) == 0
    assert filter_band(signal, FS, (1.0, None)).dtype == np.float32


@pytest.mark.parametrize("band", [(0.5, 40.0), (0.5, None), (None, 40.0)])
def test_what_lies_before_the_settling_time_is_forgotten(band: tuple[float | None, float | None]) -> None:
    signal = np.random.default_rng(0).normal(size=(1, 12_000)) + 5
    start = 10_000 - settling_samples(FS, band)
    assert start > 0
    whole, part = filter_band(signal, FS, band), filter_band(signal[:, start:], FS, band)
    np.testing.assert_allclose(whole[:, 10_000:], part[:, 10_000 - start :], atol=1e-7)


def test_short_signals_are_filtered_too() -> None:
    assert np.isfinite(filter_band(np.arange(3.0)[np.newaxis], FS, (0.5, 40.0))).all()


def test_real_ecg_bends_less_at_the_end_than_by_default(data: Path) -> None:
    import wfdb
    from scipy.signal import butter, sosfiltfilt

    signal = wfdb.rdrecord(str(data / "mitdb" / "100"), sampto=60_000).p_signal[:, 0]
    sections = butter(2, [0.5, 40.0], btype="bandpass", fs=FS, output="sos")
    truth, span = sosfiltfilt(sections, signal), np.ptp(signal)
    stops = np.random.default_rng(0).integers(12_000, 50_000, 40)
    ours = [
        abs(filter_band(signal[np.newaxis, :stop], FS, (0.5, 40.0))[0, -1] - truth[stop - 1])
        for stop in stops
    ]
    default = [abs(sosfiltfilt(sections, signal[:stop])[-1] - truth[stop - 1]) for stop in stops]
    assert np.median(ours) < 0.5 * np.median(default)
    assert np.median(ours) < 0.02 * span


@pytest.mark.parametrize("band", [(0.5, 40.0), (None, 40.0), (0.5, None)])
def test_a_long_signal_in_parts_is_the_whole(band: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    signal = np.random.default_rng(0).normal(size=(2, 50_001)).cumsum(1)
    whole = filter_band(signal, 250.0, band)
    monkeypatch.setattr("physiolect.signals.filters._LONG", 20_000)
    np.testing.assert_allclose(filter_band(signal, 250.0, band), whole, atol=1e-8 * np.abs(signal).max())
