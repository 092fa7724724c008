"""Samples as whole numbers of a step, for the formats that store nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MISSING = -32768
"""The whole number that stands for a missing sample."""
_MOST = 32767


@dataclass(frozen=True)
class Steps:
    """One channel: sample = whole * step + offset."""

    whole: NDArray[np.int16]
    step: float
    offset: float


def to_steps(row: NDArray[np.float32]) -> Steps:
    """Return a channel in 16-bit steps: those it was recorded in where that can be seen, else its range / 65,534.

    What is read back differs by nothing in the first case, and by at most half a step in the second.
    """
    valid = row[np.isfinite(row)].astype(np.float64)
    step = _recorded_step(valid)
    offset = 0.0
    if step is None:
        low, high = (float(valid.min()), float(valid.max())) if valid.size else (0.0, 0.0)
        # Eight digits, rounded up: a DICOM decimal has room for 16 characters.
        step = _short(max((high - low) / (2 * _MOST - 4), abs(low + high) * 2**-24, 1e-9))
        offset = _short((low + high) / 2)
    whole = np.round((np.where(np.isfinite(row), row, offset).astype(np.float64) - offset) / step)
    whole = np.where(np.isfinite(row), np.clip(whole, -_MOST, _MOST), MISSING)
    return Steps(whole.astype(np.int16), step, offset)


def _recorded_step(valid: NDArray[np.float64]) -> float | None:
    """Return the step of which all samples are whole multiples, or None where there is none."""
    levels = np.unique(valid)
    if len(levels) < 2:
        return None
    step = float(np.diff(levels).min())
    # A float32 far from zero is coarse: the step is made finer from the small levels outwards.
    reach = 16.0
    while reach <= 2 * _MOST:
        near = levels[np.abs(levels) <= reach * step]
        counts = np.round(near / step)
        if counts.any():
            step = float(near @ counts / (counts @ counts))
        reach *= 4
    counts = np.round(valid / step)
    most = float(np.abs(counts).max())
    if not 0 < most <= _MOST:
        return None
    step = _short(float(valid @ counts / (counts @ counts)))
    return step if np.abs(counts * step - valid).max() <= 1e-6 * np.abs(valid).max() else None


def _short(value: float) -> float:
    return float(f"{value:.8g}")
