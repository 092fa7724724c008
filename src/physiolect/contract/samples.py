"""What the samples of a channel say that it is: a ramp, a counter, two states, or nothing at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LOOK = 4096
"""Samples of the beginning that decide whether the rest is looked at."""
_LEAST = 16
"""Samples below which nothing is concluded."""
_MONOTONE = 2.0
"""Seconds over which no ECG or pulse only rises, or only falls."""
_FAR = 1e4
"""Values this many times as far from 0 as they span are a date in seconds, not a signal."""
_EVEN = 0.9
"""Share of equal steps that makes a counter."""


def sampled_kind(signal: NDArray[np.floating], fs: float) -> str | None:
    """Return what the samples of one channel show: "a ramp …", "a counter"; None where they may be a signal.

    A time column rises throughout, a counter rises by one step and may begin anew now and then. The whole channel is
    looked at only where its beginning looks like that.

    Args:
        signal: (time,); missing samples are NaN.
        fs: rate in Hz.
    """
    look = max(_LOOK, int(2 * _MONOTONE * fs))
    return _of_all(signal, fs) if _of_all(signal[:look], fs) or not _moves(signal[:look]) else None


def is_dead(signal: NDArray[np.floating]) -> bool:
    """Return whether a channel has no sample, or one value throughout."""
    return not _moves(signal[:_LOOK]) and not _moves(signal)


def has_two_states(signal: NDArray[np.floating]) -> bool:
    """Return whether a channel holds no more than two values, as a switch or a marker does."""
    for part in (signal[: _LOOK // 16], signal):
        present = part[np.isfinite(part)]
        if present.size and ((present != present.min()) & (present != present.max())).any():
            return False
    return True


def _moves(signal: NDArray[np.floating]) -> bool:
    present = signal[np.isfinite(signal)]
    return bool(present.size) and bool(present.min() < present.max())


def _of_all(signal: NDArray[np.floating], fs: float) -> str | None:
    present = signal[np.isfinite(signal)]
    steps = np.diff(present.astype(np.float64))
    rises, falls = np.count_nonzero(steps > 0), np.count_nonzero(steps < 0)
    if present.size < _LEAST or min(rises, falls) > (1 - _EVEN) * steps.size or not rises + falls:
        return None
    usual, largest = float(np.median(steps)), float(np.abs(present).max())
    grain = 4 * float(np.spacing(np.float32(largest)))
    even = np.abs(steps - usual) <= max(grain, 1e-6 * abs(usual))
    if abs(usual) > grain and even.mean() >= _EVEN:
        return f"a counter or a time: it {'rises' if usual > 0 else 'falls'} by equal steps"
    if present.size / fs < _MONOTONE:
        return None
    span = float(np.ptp(present))
    back = steps[steps < 0]
    # in float32 a time of this century moves in few and large steps
    enough = _LEAST if largest < _FAR * span else 1
    # counters begin anew with a fall across their whole range; a pulse rises and falls over many samples
    if rises >= enough and falls <= 0.02 * steps.size and bool((back <= -0.9 * span).all()):
        return "a counter: it rises and begins anew" if falls else "a time or a counter: it never falls"
    return "a ramp: it never rises" if falls >= _LEAST and not rises else None
