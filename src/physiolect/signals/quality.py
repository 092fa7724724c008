"""How usable a signal is: what is missing, flat, clipped or oddly large, and whether limb electrodes seem swapped."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from physiolect.signals.filters import filter_band
from physiolect.signals.gaps import bridge_gaps, find_gaps

Signal = NDArray[np.floating]
Swap = Literal["RA/LA", "RA/LL"]
RemarkKind = Literal["missing", "flat", "clipped", "amplitude", "swap", "derived", "zeros", "reading"]
REMARK_KINDS: tuple[RemarkKind, ...] = (
    "missing",
    "flat",
    "clipped",
    "amplitude",
    "swap",
    "derived",
    "zeros",
    "reading",
)
"""What may be remarked of a recording: "derived" and "zeros" of leads that are not its own, "reading" of its file."""

_FLAT = 1.0  # seconds at one value
_PLATEAU = 0.02  # seconds at a lead's highest or lowest value: what is cut off is flat and has edges
_LONG_PLATEAU = 0.2  # seconds after which a plateau needs no edges
_EDGE = 3  # steps of the converter
_BEATS = (0.5, 30.0)  # Hz
_OPPOSITE = -0.5
_BLOCK = 1 << 16  # samples looked at together


@dataclass(frozen=True, eq=False)
class Quality:
    """What was measured of each lead, (channels,) each."""

    missing: NDArray[np.float64]
    """Share of samples that are missing or infinite."""
    flat: NDArray[np.float64]
    """Share of samples in stretches of a second or more at one value."""
    clipped: NDArray[np.float64]
    """Share of samples at the highest or the lowest value, where the lead was cut off there."""
    largest: NDArray[np.float64]
    """Farthest that a sample lies from the lead's median; 0 where there is no sample."""


def measure_quality(signal: Signal, fs: float) -> Quality:
    """Measure each lead of a signal (channels, time) at fs Hz.

    A lead counts as cut off where it stays at its highest (or lowest) value for 20 ms, twice or more, and comes or
    goes there by three steps of its converter at once, as a smooth peak does not; or where it stays for 0.2 s. Zeros
    up to either end of it are what a short signal was filled up with, and not counted.
    """
    missing, flat, clipped, largest = np.zeros((4, len(signal)))
    for row, lead in enumerate(signal):
        present = lead[mask] if not (mask := np.isfinite(lead)).all() else lead
        missing[row] = 1 - present.size / max(1, lead.size)
        if not present.size:
            continue
        plateau = max(4, ceil(_PLATEAU * fs))
        start, stop = _runs(lead, min(plateau, ceil(_FLAT * fs)))
        length = stop - start
        flat[row] = length[length >= _FLAT * fs].sum() / lead.size
        kept = (length >= plateau) & (length < _FLAT * fs)  # longer ones count as flat
        clipped[row] = _clipped(lead, start[kept], stop[kept], fs) / lead.size
        middle = _median(present)
        largest[row] = max(float(present.max()) - middle, middle - float(present.min()))
    return Quality(missing, flat, clipped, largest)


def limb_swap(one: Signal, two: Signal, v6: Signal, fs: float) -> Swap | None:
    """Return which limb electrodes seem swapped, going by leads I, II and V6, each (time,).

    Both limb leads usually point the way V6 does, and aVR against it. Where lead I opposes V6 (correlation below -0.5
    between 0.5 and 30 Hz), right and left arm may be swapped; where lead II does and aVR does not, right arm and left
    leg. It is a hint: a heart that lies otherwise looks the same, and other swaps are not seen.
    """
    leads = np.stack([one, two, v6]).astype(np.float64)  # (3, time)
    leads[~np.isfinite(leads)] = np.nan
    if np.isnan(leads).all(axis=1).any() or leads.shape[1] < fs:
        return None
    low, high = _BEATS
    whole = bridge_gaps(leads, find_gaps(leads))
    leads = filter_band(whole, fs, (low, high if high < fs / 2 else None)).astype(np.float64, copy=False)
    leads -= leads.mean(axis=1, keepdims=True)
    size = np.linalg.norm(leads, axis=1)
    if (size < 1e-9).any():  # a flat lead points nowhere
        return None
    along = leads[:2] @ leads[2]
    one_and_v6, two_and_v6 = along / size[:2] / size[2]
    if one_and_v6 < _OPPOSITE and one_and_v6 < two_and_v6:
        return "RA/LA"
    return "RA/LL" if two_and_v6 < _OPPOSITE and along.sum() < 0 else None


def _runs(lead: Signal, shortest: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each stretch of one value begins, and where it ends, for those of `shortest` samples or more.

    A missing sample is a stretch by itself. What is held beside the lead is a few bytes a sample: most samples begin a
    stretch, and few a long one.
    """
    if shortest < 2:
        bounds = np.concatenate([[0], np.flatnonzero(lead[1:] != lead[:-1]) + 1, [len(lead)]])
        return bounds[:-1], bounds[1:]
    if len(lead) < shortest:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    same = lead[1:] == lead[:-1]  # (time - 1,)
    pairs = 1
    while pairs < shortest - 1:  # same[i]: from i on, this many neighbours are equal
        more = min(pairs, shortest - 1 - pairs)
        same = same[: len(same) - more] & same[more:]
        pairs += more
    if not same.any():
        return np.empty(0, np.int64), np.empty(0, np.int64)
    edges = np.flatnonzero(same[1:] != same[:-1]) + 1
    edges = np.concatenate([[0] * bool(same[0]), edges, [len(same)] * bool(same[-1])]).astype(np.int64)
    return edges[::2], edges[1::2] + shortest - 1


def _median(present: Signal) -> float:
    """Return the median, as numpy's is in float64, without a copy in float64."""
    middle = present.size // 2
    low = middle if present.size % 2 else middle - 1
    ordered = np.partition(present, [low, middle])
    return (float(ordered[low]) + float(ordered[middle])) / 2


def _clipped(lead: Signal, start: NDArray[np.int64], stop: NDArray[np.int64], fs: float) -> int:
    """Count the samples at which a lead was cut off.

    Args:
        lead: (time,).
        start: where each plateau begins: a stretch of one value that is neither short nor flat.
        stop: where each ends.
        fs: in Hz.
    """
    filling = (lead[start] == 0) & ((start == 0) | (stop == len(lead)))
    start, stop = start[~filling], stop[~filling]
    lowest, highest = np.fmin.reduce(lead), np.fmax.reduce(lead)
    value = lead[start]
    if not ((value == lowest) | (value == highest)).any():
        return 0
    step = _least_step(lead)
    if step == np.inf:
        return 0
    edge = _EDGE * step * (1 - 1e-6)  # less what float32 rounds off
    into, out = _steps_around(lead, start, stop)
    steep = (into >= edge) | (out >= edge)
    length, count = stop - start, 0
    for extreme in (highest, lowest):
        there = value == extreme
        if (there & steep).sum() >= 2 or (there & (length >= _LONG_PLATEAU * fs)).any():
            count += int(length[there].sum())
    return count


def _steps_around(
    lead: Signal, start: NDArray[np.int64], stop: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return by how much a lead changes where each stretch begins and ends; at its own ends, as at the other side."""
    value = lead[start].astype(np.float64)
    into = np.abs(value - lead[np.maximum(start - 1, 0)])
    out = np.abs(lead[np.minimum(stop, len(lead) - 1)] - value)
    return np.where(start == 0, out, into), np.where(stop == len(lead), into, out)


def _least_step(lead: Signal) -> float:
    """Return the smallest change from one sample to the next; infinity where there is none."""
    least = np.inf
    for begin in range(0, len(lead) - 1, _BLOCK):
        step = np.abs(np.diff(lead[begin : begin + _BLOCK + 1].astype(np.float64)))
        step = step[(step > 0) & (step < np.inf)]
        least = min(least, float(step.min(initial=np.inf)))
    return least
