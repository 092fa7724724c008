"""Samples as every recording holds them: (channels, time) float32."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError

_MOST_CHANNELS = 512
"""Arrays of more rows than this, and than columns, are taken for (time, channels)."""


def as_signal(given: Any) -> NDArray[np.float32]:
    """Return samples as (channels, time) float32.

    Raises:
        FormatError: they are not numbers, or have another shape.
    """
    try:
        signal = np.asarray(given)
        if signal.dtype != np.float32:
            signal = signal.astype(np.float32)
    except (ValueError, TypeError) as error:
        raise FormatError(
            f"the signal does not hold real numbers: {error}", hint="pass an array of (channels, time)"
        ) from error
    signal = signal[np.newaxis] if signal.ndim == 1 else signal
    if signal.ndim == 2 and signal.shape[0] > max(signal.shape[1], _MOST_CHANNELS) and signal.shape[1]:
        raise transposed(signal.shape)
    if signal.ndim != 2 or signal.shape[0] == 0:
        raise FormatError(
            f"a signal is (channels, time), got shape {np.shape(given)}", hint="pass one row per channel"
        )
    return signal


def transposed(shape: tuple[int, ...]) -> FormatError:
    """Return the error for an array of more channels than samples."""
    return FormatError(
        f"the signal has {shape[0]} channels of {shape[1]} samples: more channels than samples",
        hint="a signal is (channels, time): transpose it, Recording(array.T, fs)",
    )
