"""Heartbeats around their R peaks: waveforms, the typical beat, and RR intervals against those around them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float32]

SHORTEST, LONGEST = 0.15, 4.0
"""Seconds: intervals outside count as these, since a mark was missed or made twice."""

_REACH_OF_SLOPES = 0.08
"""Seconds around a mark in which its slopes are looked for."""
_PART = 500_000
"""Samples whose slopes are computed at once: those of a day would take a gigabyte."""
_AROUND = 3
"""Samples beside a stretch that its smoothed slopes depend on."""
_USUAL = 0.8
"""Seconds between two beats where nothing is known."""
_ALIKE = 0.85
"""Least correlation of two beats of one cluster."""
_LOOK = 600
"""Beats, spread over all, that are clustered."""
_LEAST_SHARE = 0.05
"""Share of the beats that a cluster needs, unless none has it."""
_CLUSTERS = 12


def slope_centres(
    signal: NDArray[np.floating], samples: NDArray[np.floating], fs: float
) -> NDArray[np.float64]:
    """Return the centre of the steep part of each beat, (n,) in samples and in order of time, between samples too.

    Marks of R peaks jitter by some samples, and so do the intervals between them. The centre of the squared slope
    within 80 ms of a mark, over all channels, lies at the same place in each beat of one shape.

    Args:
        signal: (C, T), filtered.
        samples: (n,) marks, in order.
        fs: in Hz.
    """
    reach = max(2, round(_REACH_OF_SLOPES * fs))
    marks = np.clip(np.rint(samples), 0, signal.shape[1] - 1).astype(np.int64)
    shift = np.zeros(len(marks))
    edges = np.searchsorted(marks, np.arange(0, signal.shape[1] + _PART, _PART)).tolist()
    for first, last in pairwise(edges):
        if first < last:
            start = max(0, int(marks[first]) - reach - _AROUND)
            part = signal[:, start : int(marks[last - 1]) + reach + _AROUND + 1]
            shift[first:last] = _slope_shifts(part, marks[first:last] - start, reach)
    return np.maximum.accumulate(marks + shift) if len(marks) else marks + shift


def _slope_shifts(signal: NDArray[np.floating], marks: NDArray[np.int64], reach: int) -> NDArray[np.float64]:
    """Return how far the centre of the squared slope within `reach` samples lies from each mark, (n,)."""
    steep = np.sqrt(np.square(np.gradient(np.asarray(signal, np.float64), axis=1)).sum(0))
    smooth = sliding_window_view(np.pad(steep, 2, mode="edge"), 5).sum(1)
    near = sliding_window_view(np.pad(np.square(smooth), reach), 2 * reach + 1)[marks]  # (n, 2 reach + 1)
    return (near * np.arange(-reach, reach + 1.0)).sum(1) / (near.sum(1) + 1e-12)


def cut_beats(signal: NDArray[np.floating], samples: NDArray[np.floating], before: int, after: int) -> Array:
    """Return the waveform around each beat, (n, C, before + after), with its level before the QRS at 0.

    A beat between two samples is cut from the cubic (Catmull-Rom) through the four samples around each point.

    Args:
        signal: (C, T); beyond its ends the first and last value are repeated.
        samples: (n,) where the beats are; fractions count.
        before: samples before each.
        after: samples from each on.
    """
    whole = np.floor(samples).astype(np.int64)
    rest = (samples - whole).astype(np.float32)[:, None]  # (n, 1)
    around = whole[:, None] + np.arange(-before, after)  # (n, D)
    cut = np.asarray(_at(signal, around), np.float32)  # (C, n, D)
    if rest.any():
        earlier, later, last = (np.asarray(_at(signal, around + k), np.float32) for k in (-1, 1, 2))
        curve = 2 * earlier - 5 * cut + 4 * later - last + rest * (3 * (cut - later) + last - earlier)
        cut = cut + 0.5 * rest * (later - earlier + rest * curve)
    cut = cut.swapaxes(0, 1)
    level = max(1, before - before // 3)
    return cut - np.median(cut[..., :level], axis=-1, keepdims=True).astype(np.float32)


def _at(signal: NDArray[np.floating], places: NDArray[np.int64]) -> NDArray[np.floating]:
    return signal[:, np.clip(places, 0, signal.shape[1] - 1)]


def typical_beat(waveforms: Array, intervals: NDArray[np.floating]) -> Array:
    """Return the median (D,) of the beats of a recording's basic rhythm.

    Beats are clustered by their correlation. Of the clusters with at least 5 % of the beats, the one with the longest
    median interval before its beats is taken: ectopic beats come early. A plain median fails where they dominate.

    Args:
        waveforms: (n, D), n above 0.
        intervals: (n,) RR interval that ends at each beat.
    """
    n = len(waveforms)
    chosen = np.linspace(0, n - 1, min(n, _LOOK)).astype(np.int64)
    shapes = waveforms[chosen] - waveforms[chosen].mean(1, keepdims=True)
    shapes /= np.linalg.norm(shapes, axis=1, keepdims=True) + 1e-9
    alike = shapes @ shapes.T > _ALIKE  # (m, m)
    left = np.ones(len(chosen), np.bool_)
    clusters: list[NDArray[np.bool_]] = []
    while len(clusters) < _CLUSTERS and left.sum() > max(0, 0.04 * len(chosen)):
        neighbours = alike[:, left].sum(1) * left
        members = left & alike[int(neighbours.argmax())]
        if not members.any():  # flat beats are like nothing
            break
        clusters.append(members)
        left &= ~members
    large = [each for each in clusters if each.sum() >= max(2, _LEAST_SHARE * len(chosen))] or clusters[:1]
    if not large:
        return np.median(waveforms[chosen], axis=0)
    basic = max(large, key=lambda members: float(np.median(intervals[chosen[members]])))
    return np.median(waveforms[chosen[basic]], axis=0)


def rr_intervals(samples: NDArray[np.floating], fs: float, *, causal: bool = False) -> NDArray[np.float64]:
    """Return the interval in seconds that ends at each beat, (n,); the first is the median of the others, or 0.8 s.

    Args:
        samples: (n,) where the beats are, in order.
        fs: in Hz.
        causal: the first interval depends on no later beat.
    """
    found = np.diff(samples, prepend=np.nan) / fs
    found[:1] = np.median(found[1:]) if len(found) > 1 and not causal else _USUAL
    return np.clip(found, SHORTEST, LONGEST)


def neighbour_features(rr: NDArray[np.float64], *, causal: bool) -> Array:
    """Return how each interval compares with its neighbours, (n, 6), or (n, 3) of the past alone.

    Args:
        rr: (n,) seconds, the interval that ends at each beat.
        causal: look at this interval and earlier ones alone.
    """
    before = np.append(rr[:1], rr[:-1])
    if causal:
        columns = [2 * np.log(rr), 4 * np.log(rr / before), np.clip(10 * (rr - before), -4, 4)]
        return np.stack(columns, 1).astype(np.float32)
    after = np.append(rr[1:], np.median(rr))
    second = np.append(after[1:], after[-1:])
    columns = [
        2 * np.log(rr), 2 * np.log(after), 4 * np.log(after / rr), np.clip(10 * (after - rr), -4, 4),
        4 * np.log(rr / before), 2 * np.log(second / after),
    ]  # fmt: skip
    return np.stack(columns, 1).astype(np.float32)


N_TEMPO = {False: (0, 1), True: (0,)}
"""Columns of `neighbour_features` that shift alike where the whole heart beats faster, by `causal`."""

_REACH = 33
"""Beats to each side, or in the past alone, whose intervals are the local rhythm."""


def pace_features(rr: NDArray[np.float64], *, causal: bool) -> Array:
    """Return how each interval compares with the pace around it and of the whole, (n, 7), or (n, 4) of the past alone.

    Args:
        rr: (n,) seconds, the interval that ends at each beat.
        causal: look at this interval and earlier ones alone.
    """
    if causal:
        around = _windows(rr, _REACH, 0)
        middle, upper = np.median(around, 1), np.percentile(around, 75, axis=1)
        mean = np.cumsum(rr) / np.arange(1, len(rr) + 1)
        columns = [np.log(rr / middle), np.log(rr / upper), np.log(rr / mean), around.std(1) / middle]
        return 2 * np.stack(columns, 1).astype(np.float32)
    around = _windows(rr, _REACH, _REACH)
    middle, upper = np.median(around, 1), np.percentile(around, 75, axis=1)
    mean, high = rr.mean(), np.percentile(rr, 75)
    after = np.append(rr[1:], np.median(rr))
    columns = [
        np.log(rr / middle), np.log(after / middle), np.log(rr / upper), np.log(rr / mean), np.log(rr / high),
        np.log(after / high), around.std(1) / middle,
    ]  # fmt: skip
    return 2 * np.stack(columns, 1).astype(np.float32)


def local_median(values: NDArray[np.floating], reach: int, *, causal: bool) -> NDArray[np.float64]:
    """Return the median around each of values (n, …) over `reach` of them to each side, or of the past alone."""
    columns = np.asarray(values, np.float64).reshape(len(values), -1).T
    found = [np.median(_windows(column, reach, 0 if causal else reach), 1) for column in columns]
    return np.stack(found, 1).reshape(np.shape(values))


def shape_features(waveforms: Array, typical: Array, before: int, fs: float) -> Array:
    """Return of each beat and channel: likeness to the typical beat, height, width: (n, 3 C).

    Args:
        waveforms: (n, C, D), scaled so that a beat of common height is about 1 high.
        typical: (C, D), or (n, C, D) with one for each beat.
        before: samples before the R peak.
        fs: in Hz.
    """
    norms = np.linalg.norm(waveforms, axis=2) * np.linalg.norm(typical, axis=-1)
    likeness = (waveforms * typical).sum(2) / (norms + 1e-6)
    near = max(2, round(0.08 * fs))
    height = np.log(np.ptp(waveforms[..., max(0, before - near) : before + near + 1], axis=2) + 0.05)
    size = np.abs(waveforms)
    width = 4 * (size > 0.25 * size.max(2, keepdims=True)).mean(2)
    return np.concatenate([likeness, height, width], 1).astype(np.float32)


def _windows(values: NDArray[np.floating], before: int, after: int) -> NDArray[np.float64]:
    """Return values and those around each, (n, before + 1 + after); beyond the ends they are mirrored, or repeated.

    Of the past alone (after 0) the first value is repeated, since a mirror would show what comes later.
    """
    mirrored = after > 0 and len(values) > max(before, after)
    padded = np.pad(np.asarray(values, np.float64), (before, after), mode="reflect" if mirrored else "edge")
    return sliding_window_view(padded, before + 1 + after)
