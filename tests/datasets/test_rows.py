"""Rows: samples come back within half a step, whatever their range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from physiolect.datasets import Row
from physiolect.datasets.rows import quantise
from physiolect.errors import FormatError
from physiolect.recording import Recording

FINITE = st.floats(-(2.0**100), 2.0**100, width=32)


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 30)), elements=FINITE))
def test_samples_come_back_within_half_a_step_and_a_rounding(signal: np.ndarray) -> None:
    samples, scale, offset = quantise(signal)
    assert samples.dtype == np.int16
    back = samples.astype(np.float64) * scale[:, None] + offset[:, None]
    rounding = np.spacing(np.abs(signal).max(axis=1))
    span = signal.max(axis=1).astype(np.float64) - signal.min(axis=1)
    allowed = np.where(span / 65534 < np.finfo(np.float32).tiny, span, span / 65534 * 0.501) + 2 * rounding
    assert (np.abs(back - signal) <= allowed[:, None]).all()


def test_a_large_constant_part_costs_no_resolution() -> None:
    t = np.linspace(0, 10, 1000, dtype=np.float32)
    samples, scale, _ = quantise(np.stack([1000 + np.sin(t), 1e-3 * np.sin(t)]))
    assert (np.ptp(samples.astype(int), axis=1) == 65534).all()
    assert scale[0] == pytest.approx(2 / 65534, rel=1e-3)


def test_a_flat_channel_comes_back_exactly() -> None:
    row = Row.from_recording(Recording(np.full((1, 5), 0.3, np.float32), 100.0), source="flat")
    assert (row.recording().signal == np.float32(0.3)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_missing_and_infinite_samples_are_refused(bad: float) -> None:
    with pytest.raises(FormatError, match="missing or infinite") as caught:
        quantise(np.array([[0, bad, 1]], np.float32))
    assert "adapt" in (caught.value.hint or "")
