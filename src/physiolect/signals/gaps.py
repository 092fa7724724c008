"""Runs of missing samples: finding them and bridging them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def find_gaps(signal: NDArray[np.floating]) -> NDArray[np.int64]:
    """Find every run of missing samples (NaN).

    Args:
        signal: (channels, time).

    Returns:
        (gaps, 3): channel, first sample and the sample after the last, by channel, then in order of time.
    """
    missing = np.isnan(signal)
    if not missing.any():
        return np.empty((0, 3), np.int64)
    padded = np.pad(missing, ((0, 0), (1, 1)))  # so that every run begins and ends
    row, edge = np.nonzero(padded[:, 1:] != padded[:, :-1])
    return np.stack([row[::2], edge[::2], edge[1::2]], axis=1).astype(np.int64)


def bridge_gaps(signal: NDArray[np.floating], gaps: NDArray[np.int64]) -> NDArray[np.floating]:
    """Replace gaps by straight lines between their neighbours.

    A gap at the beginning or the end has one neighbour, whose value it takes; a channel without any
    sample stays missing.

    Args:
        signal: (channels, time).
        gaps: (gaps, 3), all that `find_gaps` found, or some of them.

    Returns:
        A new array of the signal's shape and type; the signal itself where there is no gap.
    """
    if not len(gaps):
        return signal
    row, start, stop = gaps.T
    has_left, has_right = start > 0, stop < signal.shape[1]
    left = signal[row, np.maximum(start - 1, 0)].astype(np.float64)
    right = signal[row, np.minimum(stop, signal.shape[1] - 1)].astype(np.float64)
    left, right = np.where(has_left, left, right), np.where(has_right, right, left)

    length = stop - start
    gap = np.repeat(np.arange(len(gaps)), length)  # (missing samples,): the gap of each
    offset = np.arange(len(gap)) - np.repeat(np.cumsum(length) - length, length)
    bridged = signal.copy()
    bridged[row[gap], start[gap] + offset] = (
        left[gap] + (right - left)[gap] * (offset + 1) / (length + 1)[gap]
    )
    return bridged
