"""Percentiles in little memory are those of numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from physiolect.datasets import Row, Store, store_percentiles
from physiolect.datasets.percentiles import percentiles
from physiolect.errors import FormatError

PERCENTS = (0, 1, 33.3, 50, 99, 100)


@settings(deadline=None, max_examples=80)
@given(
    st.lists(
        arrays(
            np.float32, st.tuples(st.just(2), st.integers(1, 30)), elements=st.floats(-1e6, 1e6, width=32)
        ),
        min_size=1,
        max_size=4,
    )
)
def test_same_as_numpy(signals: list[np.ndarray]) -> None:
    everything = np.concatenate([signal.ravel() for signal in signals]).astype(np.float64)
    expected = np.percentile(everything, PERCENTS)
    np.testing.assert_allclose(percentiles(lambda: signals, PERCENTS), expected, rtol=1e-12, atol=1e-12)


def test_many_samples_of_both_signs() -> None:
    signals = [
        np.random.default_rng(seed).standard_normal((12, 20_000)).astype(np.float32) for seed in range(5)
    ]
    found = percentiles(lambda: signals, PERCENTS)
    np.testing.assert_allclose(
        found, np.percentile(np.stack(signals).astype(np.float64), PERCENTS), rtol=1e-12
    )


def test_only_the_rows_that_are_named_count(
    make_store: Callable[..., Store], make_row: Callable[..., Row]
) -> None:
    store = make_store([make_row(name, channels=("I", "II")) for name in "abcd"])
    some = np.concatenate([store.recording(row).signal.ravel() for row in (1, 3)]).astype(np.float64)
    np.testing.assert_allclose(
        store_percentiles(store, [1, 3], (1, 99)), np.percentile(some, (1, 99)), rtol=1e-12
    )


def test_no_samples() -> None:
    with pytest.raises(FormatError, match="no samples to take percentiles of"):
        percentiles(lambda: (), (1, 99))
