"""Minimum and maximum of the columns of a drawing."""

from __future__ import annotations

import numpy as np
import pytest

from physiolect.signals.extremes import column_extremes, column_starts


@pytest.mark.parametrize(("n_samples", "n_columns"), [(10, 10), (10, 3), (1001, 7), (5, 1)])
def test_every_sample_is_in_one_column(n_samples: int, n_columns: int) -> None:
    signal = np.random.default_rng(0).standard_normal((2, n_samples)).astype(np.float32)
    low, high = column_extremes(signal, n_columns)
    parts = np.split(signal, column_starts(n_samples, n_columns)[1:], axis=-1)
    assert len(parts) == n_columns
    assert max(part.shape[-1] for part in parts) - min(part.shape[-1] for part in parts) <= 1
    np.testing.assert_array_equal(low, np.stack([part.min(-1) for part in parts], -1))
    np.testing.assert_array_equal(high, np.stack([part.max(-1) for part in parts], -1))
    assert low.dtype == signal.dtype


def test_missing_samples_are_ignored_and_a_column_of_them_stays_missing() -> None:
    signal = np.array([1.0, np.nan, 3.0, np.nan, np.nan, np.nan])
    low, high = column_extremes(signal, 2)
    np.testing.assert_array_equal(low, [1.0, np.nan])
    np.testing.assert_array_equal(high, [3.0, np.nan])


@pytest.mark.parametrize("n_columns", [0, 4])
def test_a_column_needs_a_sample(n_columns: int) -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        column_extremes(np.zeros(3), n_columns)
