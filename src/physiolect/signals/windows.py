"""Signals cut into pieces of one length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import ConfigError


def segments(signal: NDArray[np.floating], length: int) -> NDArray[np.floating]:
    """Return a signal as pieces of one length, one after the other, without copying it.

    What is left at the end and fills no piece is dropped: `signal.shape[-1] % length` samples.

    Args:
        signal: (channels, time).
        length: samples in a piece.

    Returns:
        (pieces, channels, length).

    Raises:
        ConfigError: the length is not above 0.
    """
    if length < 1:
        raise ConfigError(f"a segment of {length} samples is none", hint="give a length of 1 or more")
    n = signal.shape[1] // length
    return signal[:, : n * length].reshape(len(signal), n, length).swapaxes(0, 1)
