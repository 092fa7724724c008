from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physiolect.errors import ContractError
from physiolect.signals import StreamResampler, kernel_reach, rate_ratio, resample

RATES = (50.0, 100.0, 125.0, 128.0, 200.0, 250.0, 257.3, 360.0, 400.0, 500.0, 1000.0)


def sine(frequency: float, fs: float, duration: float) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(round(duration * fs)) / fs + 0.3)


@pytest.mark.parametrize(
    ("fs", "target", "ratio"),
    [
        (360, 100, Fraction(5, 18)),
        (100, 360, Fraction(18, 5)),
        (257.3, 100, Fraction(1000, 2573)),
        (100, 100, Fraction(1)),
        (44100, 100, Fraction(1, 441)),
        (100.00001, 100, Fraction(1)),
    ],
)
def test_ratio_is_the_reduced_fraction(fs: float, target: float, ratio: Fraction) -> None:
    assert rate_ratio(fs, target) == ratio


@settings(max_examples=200, deadline=None)
@given(fs=st.floats(20, 5000), target=st.floats(20, 5000))
def test_ratio_keeps_its_stated_bound(fs: float, target: float) -> None:
    ratio = rate_ratio(fs, target)
    assert abs(float(ratio) * fs / target - 1) <= 1e-4
    assert max(ratio.numerator, ratio.denominator) <= 10_001


@pytest.mark.parametrize(("fs", "target"), [(0, 100), (-1, 100), (float("nan"), 100), (100, 0), (1e6, 100)])
def test_absurd_rates_are_refused(fs: float, target: float) -> None:
    with pytest.raises(ContractError, match="cannot resample") as caught:
        rate_ratio(fs, target)
    assert caught.value.hint


@settings(max_examples=40, deadline=None)
@given(fs=st.sampled_from(RATES), target=st.sampled_from(RATES), share=st.floats(0.02, 0.4))
def test_band_limited_sine_is_accurate(fs: float, target: float, share: float) -> None:
    frequency = share * min(fs, target)
    result = resample(sine(frequency, fs, 3), fs, target)
    inner = slice(round(0.2 * len(result)), round(0.8 * len(result)))
    truth = np.sin(2 * np.pi * frequency * np.arange(len(result)) / target + 0.3)
    np.testing.assert_allclose(result[inner], truth[inner], atol=1e-3)


@pytest.mark.parametrize("frequency", [60.0, 75.0, 140.0, 175.0])
def test_what_the_new_rate_cannot_hold_is_gone(frequency: float) -> None:
    result = resample(sine(frequency, 360, 4), 360, 100)
    assert np.abs(result[40:-40]).max() < 1e-3


@pytest.mark.parametrize("target", [50.0, 100.0, 257.3, 500.0])
def test_a_constant_stays_constant_to_both_ends(target: float) -> None:
    np.testing.assert_allclose(resample(np.full(700, 1e4), 360, target), 1e4, rtol=1e-12)


def test_length_type_and_axis() -> None:
    signal = np.random.default_rng(0).normal(size=(3, 721))
    result = resample(signal, 360, 100)
    assert result.shape == (3, 201)
    assert result.dtype == np.float64
    single = resample(signal.astype(np.float32), 360, 100)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, result, atol=1e-5)
    np.testing.assert_allclose(resample(signal.T, 360, 100, axis=0), result.T, atol=1e-12)
    assert resample(np.arange(36), 360, 100).dtype == np.float64


def test_equal_rates_change_nothing() -> None:
    signal = np.zeros((1, 5), np.float32)
    assert resample(signal, 100, 100) is signal


@pytest.mark.parametrize("target", [100.0, 200.0, 500.0])
def test_a_value_depends_on_no_more_than_the_reach(target: float) -> None:
    ratio = rate_ratio(360, target)
    impulse = np.zeros(1000)
    impulse[500] = 1
    touched = np.flatnonzero(resample(impulse, 360, target)) / float(ratio)
    assert np.abs(touched - 500).max() <= kernel_reach(ratio)
    assert kernel_reach(Fraction(1)) == 0


def test_real_ecg_does_not_bend_at_the_end(data: Path) -> None:
    import wfdb
    from scipy.signal import resample_poly

    signal = wfdb.rdrecord(str(data / "mitdb" / "100"), sampto=120_000).p_signal[:, 0]
    cut = np.random.default_rng(0).integers(20_000, 100_000, 60)
    error, zero_padded = [], []
    for stop in cut:
        start = (stop - 1800) // 18 * 18
        truth = resample(signal[start : stop + 720], 360, 100)
        short = resample(signal[start:stop], 360, 100)
        span = np.ptp(truth)
        error.append(abs(short[-1] - truth[len(short) - 1]) / span)
        zero_padded.append(abs(resample_poly(signal[start:stop], 5, 18)[-1] - truth[len(short) - 1]) / span)
    assert np.median(error) < 0.005
    assert np.median(error) < 0.2 * np.median(zero_padded)


@given(
    rates=st.sampled_from([(360, 100), (125, 50), (100, 100), (30, 50), (257.3, 100), (50, 100)]),
    n=st.integers(1, 900),
    cuts=st.lists(st.integers(0, 900), max_size=6),
    seed=st.integers(0, 9),
)
@settings(max_examples=80, deadline=None)
def test_a_stream_in_pieces_is_the_whole(
    rates: tuple[float, float], n: int, cuts: list[int], seed: int
) -> None:
    signal = np.random.default_rng(seed).normal(size=n).cumsum()
    stream = StreamResampler(*rates)
    pieces = [stream.push(piece) for piece in np.split(signal, sorted(min(cut, n) for cut in cuts))]
    whole = resample(signal, *rates)
    np.testing.assert_allclose(np.concatenate([*pieces, stream.finish()]), whole, rtol=0, atol=1e-9)


@pytest.mark.parametrize("rates", [(360, 100), (125, 50), (100, 100), (30, 50)])
def test_a_stream_gives_a_sample_as_soon_as_it_can_and_says_when(rates: tuple[float, float]) -> None:
    stream = StreamResampler(*rates)
    came = [(n, len(stream.push(np.ones(1)))) for n in range(1, 400)]
    given = np.cumsum([count for _, count in came])
    for k in range(given[-1]):
        n = came[int(np.argmax(given > k))][0]
        assert n == max(1, stream.needed(k))
        assert (n - 1) / rates[0] - k / rates[1] <= stream.delay + 1e-9


def test_a_stream_forgets_what_is_past() -> None:
    stream = StreamResampler(360, 100)
    for _ in range(50):
        stream.push(np.zeros(1000))
    assert len(stream._held) < 500


@pytest.mark.parametrize(("fs", "target"), [(250.0, 100.0), (360.0, 100.0), (257.3, 100.0), (100.0, 250.0)])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_long_signal_in_parts_is_the_whole(
    fs: float, target: float, axis: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = np.random.default_rng(0).normal(size=(2, 50_001)).cumsum(1)
    signal = signal if axis else signal.T
    whole = resample(signal, fs, target, axis=axis)
    monkeypatch.setattr("physiolect.signals.resampling._LONG", 10_000)
    np.testing.assert_array_equal(resample(signal, fs, target, axis=axis), whole)
