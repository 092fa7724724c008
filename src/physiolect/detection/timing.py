"""When a beat peaks, finer than the sample that marks it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_REACH, _HALF = 0.1, 0.04
"""Seconds: a pulse peaks at most so far from its mark, and a parabola is fitted to so much on either side."""


def pulse_times(
    pulse: NDArray[np.floating], judged: NDArray[np.bool_], samples: NDArray[np.int64], fs: float
) -> NDArray[np.float64]:
    """Return when pulses peak, in seconds, (beats,).

    The highest judged sample within 0.1 s of a mark is taken, and the top of a parabola that is fitted by least squares
    to the 0.04 s on either side of it. At 50 Hz marks spread the intervals of an even pulse by 10 ms; these times
    spread them by 0.1 ms without noise and by 1 ms with noise of half a percent of the pulse's height.

    Args:
        pulse: (n,) at `fs`, finite.
        judged: (n,) whether a sample was judged; no peak is looked for elsewhere.
        samples: marks of the beats, (beats,), in order.
        fs: rate in Hz.
    """
    reach = round(_REACH * fs)
    around = samples[:, None] + np.arange(-reach, reach + 1)  # (beats, 2 * reach + 1)
    inside = np.clip(around, 0, len(pulse) - 1)
    known = judged[inside] & (inside == around)
    # what lies beyond a stretch that was not judged is another beat's
    before = np.logical_and.accumulate(known[:, reach::-1], axis=1)[:, ::-1]
    after = np.logical_and.accumulate(known[:, reach:], axis=1)
    known = np.concatenate([before, after[:, 1:]], axis=1)
    heights = np.where(known, pulse[inside], -np.inf)
    top = np.where(known.any(1), samples - reach + heights.argmax(1), samples)
    last = np.where(known, around, samples[:, None])
    found = fit_tops(pulse, top, max(1, round(_HALF * fs)))
    return np.clip(found, last.min(1), last.max(1)) / fs


def trace_times(trace: NDArray[np.floating], samples: NDArray[np.int64], fs: float) -> NDArray[np.float64]:
    """Return when a trace (n,) peaks near `samples` (beats,): the top of a parabola through 3 samples, in seconds."""
    return fit_tops(trace, samples, 1) / fs


def fit_tops(values: NDArray[np.floating], samples: NDArray[np.int64], half: int) -> NDArray[np.float64]:
    """Return the tops of parabolas fitted to `half` samples on either side of each of `samples`, as fractions of one.

    A sample stays where it is if it lies too near an end, or no parabola with a top fits there.
    """
    whole = samples.astype(np.float64)
    fits = (samples >= half) & (samples < len(values) - half)
    k = np.arange(-half, half + 1.0)
    near = values[samples[fits, None] + k.astype(np.int64)].astype(np.float64)  # (fits, 2 * half + 1)
    curve = k**2 - np.mean(k**2)
    slope, bend = near @ k / (k @ k), near @ curve / (curve @ curve)
    with np.errstate(invalid="ignore", divide="ignore"):
        offset = np.where(bend < 0, -slope / (2 * bend), 0.0)
    whole[fits] += np.clip(np.nan_to_num(offset), -half, half)
    return whole
