from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from physiolect.signals import bridge_gaps, find_gaps

NAN = np.nan


def test_gaps_are_found_by_channel_and_time() -> None:
    signal = np.array([[NAN, 1, NAN, NAN, 2, NAN], [1, 2, 3, 4, 5, 6], [NAN] * 6])
    assert find_gaps(signal).tolist() == [[0, 0, 1], [0, 2, 4], [0, 5, 6], [2, 0, 6]]


def test_gaps_become_lines_and_ends_repeat() -> None:
    signal = np.array([[NAN, 1, NAN, NAN, 4, NAN], [NAN] * 6], np.float32)
    bridged = bridge_gaps(signal, find_gaps(signal))
    assert bridged[0].tolist() == [1, 1, 2, 3, 4, 4]
    assert np.isnan(bridged[1]).all()
    assert bridged.dtype == np.float32
    assert np.isnan(signal[0, 2])


def test_without_gaps_nothing_is_copied() -> None:
    signal = np.ones((2, 3))
    assert bridge_gaps(signal, find_gaps(signal)) is signal


@settings(max_examples=100, deadline=None)
@given(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
        elements=st.sampled_from([NAN, NAN, 0.0, 1.0, -3.5]),
    )
)
def test_agrees_with_interpolation_channel_by_channel(signal: np.ndarray) -> None:
    bridged = bridge_gaps(signal, find_gaps(signal))
    time = np.arange(signal.shape[1])
    for row, got in zip(signal, bridged, strict=True):
        known = ~np.isnan(row)
        truth = np.interp(time, time[known], row[known]) if known.any() else row
        np.testing.assert_allclose(got, truth, atol=1e-12)
