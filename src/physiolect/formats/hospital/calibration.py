"""The recorder's calibration pulse, which printed and exported ECGs carry before or behind the heart's own signal.

It is a rectangle of 1 mV in all leads at once: no heart makes one, and a model would continue it as if one did.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from physiolect.contract.units import conversion_factor

_LONGEST = 3.0
"""Seconds at an end that are looked at; a longer stretch is no pulse."""
_SHORTEST = 0.04
"""Seconds at least on the pulse, and beside it."""
_HEIGHT = (0.9, 1.1)
"""mV of a pulse."""
_SLACK = 0.05
"""mV around its two levels in which it is rectangular; an edge may take a tenth of its samples."""
_EDGES = 0.1
_SAME = 0.006
"""mV by which leads may differ from step to step: what rounding leaves."""


def calibration_ends(
    rows: Sequence[NDArray[np.generic]],
    gains: Sequence[float],
    units: Sequence[str | None],
    fs: float,
) -> tuple[int, int]:
    """Return how many samples at the beginning, and how many at the end, are a calibration pulse.

    Args:
        rows: Stored numbers of two independent leads or more, (time,) each; nothing is read but their ends.
        gains: Units a step of each lead.
        units: Unit of each lead; where one is no voltage, nothing is a pulse.
        fs: Sampling rate in Hz.
    """
    factors = [None if unit is None else conversion_factor(unit, "mV") for unit in units]
    window = min(round(_LONGEST * fs), len(rows[0]) // 2) if rows else 0
    if len(rows) < 2 or None in factors or window < 2 * _SHORTEST * fs:
        return 0, 0
    scale = [gain * float(factor or 0) for gain, factor in zip(gains, factors, strict=True)]
    first, last = (
        np.stack([np.asarray(row[part], np.float64) * step for row, step in zip(rows, scale, strict=True)])
        for part in (slice(None, window), slice(-window, None))
    )
    return _pulse_from_start(first, fs), _pulse_from_start(last[:, ::-1], fs)


def _pulse_from_start(leads: NDArray[np.float64], fs: float) -> int:
    """Return how many of the first samples (leads, time), in mV, are a calibration pulse in all leads."""
    steps = np.diff(leads, axis=1)
    together = np.ptp(steps, axis=0) <= _SAME
    n_same = len(together) if together.all() else int(together.argmin())
    if n_same == len(together):
        return 0
    shape = leads[0, : n_same + 1]
    low, high = float(shape.min()), float(shape.max())
    if not _HEIGHT[0] <= high - low <= _HEIGHT[1]:
        return 0
    beside, above = np.abs(shape - low) <= _SLACK, np.abs(shape - high) <= _SLACK
    held = min(beside.sum(), above.sum()) >= _SHORTEST * fs
    return len(shape) if held and (beside | above).mean() >= 1 - _EDGES else 0
