"""Rows: samples come back within half a step, whatever their range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from physiolect.datasets import Row
from physiolect.datasets.store.rows import quantise
from physiolect.errors import FormatError
from physiolect.recording import Recording

FINITE = st.floats(-(2.0**100), 2.0**100, width=32)


@settings(max_examples=300, deadline=None)
@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 30)), elements=FINITE))
def test_no_sample_is_further_away_than_half_a_step_of_its_channel(signal: np.ndarray) -> None:
    samples, scale, offset = quantise(signal)
    assert samples.dtype == np.int16
    assert scale.dtype == offset.dtype == np.float32
    step = scale.astype(np.float64)[:, None]
    error = np.abs(samples * step + offset.astype(np.float64)[:, None] - signal)
    # arithmetic on numbers up to 2^100 rounds in float64 too, some 2^-52 of them
    assert (error <= step / 2 + 2.0**-50 * np.abs(signal).max(axis=1, keepdims=True)).all()
    assert (np.abs(samples.astype(int)) <= 32767).all()


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(np.float32, (2, 20), elements=st.floats(-100, 100, width=32)))
def test_a_row_states_its_error_and_keeps_to_it(signal: np.ndarray) -> None:
    row = Row.from_recording(Recording(signal, 100.0, ("I", "II")), source="x")
    error = np.abs(row.recording().signal.astype(np.float64) - signal).max()
    rounding = float(np.spacing(np.float32(np.abs(signal).max()))) / 2
    assert error <= row.max_error + min(row.max_error, rounding)  # rounding to float32 comes on top
    span = np.ptp(signal.astype(np.float64), axis=1).max()
    assert row.max_error <= 0.51 * span / 65534 + rounding + np.finfo(np.float32).tiny


def test_a_large_constant_part_costs_no_resolution() -> None:
    t = np.linspace(0, 10, 1000, dtype=np.float32)
    samples, scale, _ = quantise(np.stack([1000 + np.sin(t), 1e-3 * np.sin(t)]))
    assert (np.ptp(samples.astype(int), axis=1) >= 65530).all()
    assert scale[0] == pytest.approx(2 / 65534, rel=1e-3)


def test_a_flat_channel_comes_back_exactly() -> None:
    row = Row.from_recording(Recording(np.full((1, 5), 0.3, np.float32), 100.0), source="flat")
    assert (row.recording().signal == np.float32(0.3)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_missing_and_infinite_samples_are_refused(bad: float) -> None:
    with pytest.raises(FormatError, match="missing or infinite") as caught:
        quantise(np.array([[0, bad, 1]], np.float32))
    assert "adapt" in (caught.value.hint or "")


@pytest.mark.parametrize("outlier", [1.5e9, 1e6, 3e3, -1e7])
@pytest.mark.parametrize("place", [0, 700, 1919])
def test_an_outlier_that_leaves_the_rest_one_value_is_refused_by_name(outlier: float, place: int) -> None:
    signal = np.sin(np.arange(1920) / 10).astype(np.float32)
    signal[place] = outlier
    with pytest.raises(
        FormatError, match=f"sample {place} of channel II, at {5 + place / 64:.5g} s, is"
    ) as caught:
        Row.from_recording(Recording(signal, 64.0, "II"), source="r", start=5)
    assert "the rest lies within" in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    "signal",
    [
        np.abs(np.sin(np.arange(5000) / 80)) ** 40,
        np.r_[np.zeros(4990), np.ones(10)],
        np.r_[100.0, np.random.default_rng(0).standard_normal(4999)],
        1e6 + np.sin(np.arange(5000) / 10),
    ],
)
def test_peaks_artefacts_and_large_means_are_no_outliers(signal: np.ndarray) -> None:
    Row.from_recording(Recording(signal, 500.0, "II"), source="r")
