"""P and T waves: where they are over leads, and onset, peak and end in each lead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from physiolect.signals.delineation.beat_windows import Floats, Ints, at, cut_windows, draw_together

_TINY = 1e-9


@dataclass(frozen=True)
class WaveShape:
    """What is looked for; all in seconds, but for shares. Chosen on LUDB 1 to 80."""

    width: float
    """Standard deviation of the Gaussian whose second derivative finds the wave."""
    smoothing: float
    """Of the signal whose areas are measured."""
    slope_smoothing: float
    near: float
    """How far the peak of one lead may be from that of all."""
    flank: float
    """How far from the peak the steepest sample of a flank may be."""
    farthest: float
    """How far from the peak a boundary may be."""
    onset_ratio: float
    """A boundary lies within so many times the distance from the peak to the steepest sample."""
    end_ratio: float
    together: float
    """See `draw_together`."""


T_WAVE = WaveShape(0.035, 0.012, 0.02, 0.08, 0.12, 0.20, 3.0, 2.7, 0.7)
P_WAVE = WaveShape(0.020, 0.008, 0.012, 0.03, 0.06, 0.12, 3.0, 2.0, 0.5)


@dataclass(frozen=True)
class Waves:
    """One wave a beat, in samples."""

    centre: Ints
    """(beats,) over leads."""
    strength: Floats
    """(beats,) response there, in medians of the response."""
    onset: Floats
    """(beats, leads)"""
    peak: Floats
    """(beats, leads)"""
    end: Floats
    """(beats, leads)"""


def without_complexes(signal: Floats, first: Ints, last: Ints) -> Floats:
    """Return a signal (leads, time) with straight lines in place of the complexes from `first` to `last`, (beats,)."""
    n_samples = signal.shape[1]
    first, last = np.clip(first, 0, n_samples - 1), np.clip(last, 0, n_samples - 1)
    length = last - first + 1
    beat = np.repeat(np.arange(len(first)), length)
    position = first[beat] + np.arange(len(beat)) - np.repeat(np.cumsum(length) - length, length)
    share = (position - first[beat]) / np.maximum(length - 1, 1)[beat]
    flat = signal.copy()
    flat[:, position] = signal[:, first[beat]] * (1 - share) + signal[:, last[beat]] * share
    return flat


def wave_response(signal: Floats, fs: float, shape: WaveShape) -> Floats:
    """Return how much each sample is the middle of a wave, (leads, time), in medians of each lead; upright is above 0.

    It is the second derivative of a Gaussian (the Mexican-hat wavelet): blind to level and slope of the baseline.
    """
    from scipy.ndimage import gaussian_filter1d

    response = -gaussian_filter1d(signal, shape.width * fs, axis=1, order=2)
    size = np.median(np.abs(response), axis=1, keepdims=True)
    scaled: Floats = np.where(size > _TINY, response / np.maximum(size, _TINY), 0.0)
    return scaled


def find_waves(
    signal: Floats,
    response: Floats,
    fs: float,
    search: tuple[Ints, Ints],
    limits: tuple[Ints, Ints],
    shape: WaveShape,
) -> Waves:
    """Find the strongest wave in a stretch of each beat.

    Args:
        signal: (leads, time), without complexes.
        response: (leads, time), of `wave_response`.
        fs: in Hz.
        search: first and last sample of each beat's stretch, (beats,) each.
        limits: samples that onset and end may not pass, (beats,) each.
        shape: what is looked for.

    Source:
        Boundaries by the largest trapezium, Vázquez-Seisdedos et al., Biomed Eng Online 10:43, 2011, with an outer
        corner that depends on the wave's own width; used here for both ends of T and of P.
    """
    from scipy.ndimage import gaussian_filter1d

    centre, strength = _strongest(response, *search)
    before = after = round((shape.near + shape.farthest) * fs) + 2
    values = cut_windows(gaussian_filter1d(signal, shape.smoothing * fs, axis=1), centre, before, after)
    slope = cut_windows(
        gaussian_filter1d(signal, shape.slope_smoothing * fs, axis=1, order=1), centre, before, after
    )
    around = cut_windows(response, centre, before, after)  # (B, L, W)
    j = np.arange(around.shape[-1])
    origin = centre - before
    allowed = (j >= (search[0] - origin)[:, np.newaxis]) & (j <= (search[1] - origin)[:, np.newaxis])
    near = allowed & (np.abs(j - before) <= round(shape.near * fs))  # (B, W)
    likely = np.where(near[:, np.newaxis], np.abs(around), -1.0).argmax(axis=-1)  # (B, L)
    sign = np.where(at(around, likely) < 0, -1.0, 1.0)
    upright = sign[..., np.newaxis] * values
    close = allowed[:, np.newaxis] & (np.abs(j - likely[..., np.newaxis]) <= round(shape.near / 2 * fs))
    peak = np.where(close, upright, -np.inf).argmax(axis=-1)

    rising = sign[..., np.newaxis] * slope
    onset = _boundary(upright, rising, peak, (limits[0] - origin)[:, np.newaxis], fs, shape, side=-1)
    end = _boundary(upright, -rising, peak, (limits[1] - origin)[:, np.newaxis], fs, shape, side=1)
    found = [origin[:, np.newaxis] + part.astype(np.float64) for part in (onset, peak, end)]
    for part in found:
        part[at(np.abs(around), likely) < _TINY] = np.nan  # a flat lead
    return Waves(
        centre,
        strength,
        draw_together(found[0], shape.together),
        found[1],
        draw_together(found[2], shape.together),
    )


def _strongest(response: Floats, start: Ints, stop: Ints) -> tuple[Ints, Floats]:
    """Return where the response over leads is greatest between start and stop, and how great, (beats,) each."""
    common = np.sqrt(np.square(response).mean(axis=0))
    index = start[:, np.newaxis] + np.arange(int((stop - start).max()) + 1)  # (B, W)
    inside = index <= stop[:, np.newaxis]
    window = np.where(inside, common[np.clip(index, 0, len(common) - 1)], -1.0)
    best = window.argmax(axis=-1)
    return start + best, at(window, best)


def _boundary(
    upright: Floats, slope: Floats, peak: Ints, limit: Ints, fs: float, shape: WaveShape, *, side: int
) -> Ints:
    """Return the onset (side -1) or the end (side 1) of upright waves, (B, L), in samples of the window.

    From the steepest sample of the flank, the boundary is the corner of the largest trapezium towards an outer corner.
    """
    j = np.arange(upright.shape[-1])
    distance = side * (j - peak[..., np.newaxis])
    on_flank = (distance >= 0) & (distance <= round(shape.flank * fs))
    steepest = np.where(on_flank, slope, -np.inf).argmax(axis=-1)
    ratio = shape.onset_ratio if side < 0 else shape.end_ratio
    reach = np.minimum(np.round(ratio * np.abs(steepest - peak)), round(shape.farthest * fs)).astype(np.int64)
    corner = side * np.minimum(side * (peak + side * reach), side * limit)
    corner = np.where(side * (corner - steepest) < 2, steepest + 2 * side, corner)
    corner, inner = corner[..., np.newaxis], steepest[..., np.newaxis]
    area = (
        (np.take_along_axis(upright, np.clip(inner, 0, len(j) - 1), axis=-1) - upright)
        * side
        * (2 * corner - j - inner)
    )
    between = (side * (j - inner) >= 0) & (side * (corner - j) >= 0)
    return np.where(between, area, -np.inf).argmax(axis=-1)
