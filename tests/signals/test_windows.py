"""Segments hold the signal, once and in order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from physiolect.errors import ConfigError
from physiolect.signals import segments


@given(st.integers(1, 3), st.integers(0, 50), st.integers(1, 20))
def test_pieces_put_together_are_the_signal_less_its_remainder(channels: int, time: int, length: int) -> None:
    signal = np.arange(channels * time, dtype=np.float32).reshape(channels, time)
    pieces = segments(signal, length)
    assert pieces.shape == (time // length, channels, length)
    kept = time - time % length
    np.testing.assert_array_equal(np.concatenate([signal[:, :0], *pieces], axis=1), signal[:, :kept])


def test_nothing_is_copied_and_no_length_is_refused() -> None:
    signal = np.zeros((12, 5000))
    assert np.shares_memory(segments(signal, 500), signal)
    with pytest.raises(ConfigError, match="segment of 0 samples"):
        segments(signal, 0)
