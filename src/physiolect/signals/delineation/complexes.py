"""Onset, peak and end of QRS complexes, over leads and then in each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from physiolect.signals.delineation.beat_windows import (
    Floats,
    Ints,
    at,
    cut_windows,
    draw_together,
    first_true,
    last_true,
)

_SMOOTHING = 0.007  # seconds: standard deviation of the Gaussian whose derivative gives the slope
_HOLD = 0.010  # seconds that the slope stays low outside a complex
_BEFORE, _AFTER = 0.16, 0.20  # seconds around R
_CORE = 0.06  # seconds to either side of R that hold the greatest slope
_OVER_LEADS = 0.05  # share of the greatest slope below which a complex has ended, over leads
_ONSET, _END = 0.05, 0.065  # the same in one lead
_QUIET = 2.0  # times the slope that 85 % of the window exceed
_REACH = 0.045  # seconds that one lead may differ from all
_TOGETHER = 0.5
_R = 0.1  # share of the depth: a complex that rises less has no R
_TINY = 1e-9


@dataclass(frozen=True)
class Complexes:
    """QRS complexes in samples."""

    first: Ints
    """(beats,) onset of the slope over leads."""
    last: Ints
    """(beats,) its end."""
    onset: Floats
    """(beats, leads)"""
    peak: Floats
    """(beats, leads): the highest sample, or the lowest of a complex that hardly rises above its onset."""
    end: Floats
    """(beats, leads)"""


def find_complexes(signal: Floats, fs: float, beats: Ints) -> Complexes:
    """Find QRS complexes.

    The slope over leads is followed from R outward until it stays below a twentieth of its greatest. In each lead the
    same is done within 45 ms of that. The share was chosen on LUDB 1 to 80.

    Args:
        signal: (leads, time), filtered, without missing samples.
        fs: in Hz.
        beats: (beats,) samples near R.

    Source:
        After Martínez et al., IEEE Trans Biomed Eng 51:570, 2004: boundaries where the slope falls below a share of
        its maximum at the scale of QRS complexes.
    """
    from scipy.ndimage import gaussian_filter1d, maximum_filter1d

    slope = np.abs(gaussian_filter1d(signal, _SMOOTHING * fs, axis=1, order=1))
    hold = max(3, round(_HOLD * fs)) | 1
    half = hold // 2
    before, after = round(_BEFORE * fs), round(_AFTER * fs)
    first, last = _over_leads(slope, fs, beats, hold)
    first, last = first + half, np.maximum(last - half, first + half + 1)

    window = cut_windows(slope, beats, before, after)  # (B, L, W)
    held = cut_windows(maximum_filter1d(slope, hold, axis=1), beats, before, after)
    j = np.arange(window.shape[-1])
    inside = (j >= first[:, np.newaxis]) & (j <= last[:, np.newaxis])  # (B, W)
    greatest = np.where(inside[:, np.newaxis], window, 0.0).max(axis=-1)  # (B, L)
    quiet = _QUIET * np.percentile(window, 15, axis=-1)
    reach = round(_REACH * fs)

    limit = np.stack([first - reach, first + reach])[:, :, np.newaxis]  # (2, B, 1)
    below = held < np.maximum(_ONSET * greatest, quiet)[..., np.newaxis]
    onset = last_true(below & (j <= limit[1][..., np.newaxis]), 0)
    onset = np.clip(onset, *limit) + half
    limit = np.stack([last - reach, last + reach])[:, :, np.newaxis]
    below = held < np.maximum(_END * greatest, quiet)[..., np.newaxis]
    end = first_true(below & (j >= limit[0][..., np.newaxis]), len(j) - 1)
    end = np.clip(end, *limit) - half
    end = np.maximum(end, onset + 1)

    values = cut_windows(signal, beats, before, after)
    level = at(values, np.clip(onset, 0, len(j) - 1))[..., np.newaxis]
    within = (j >= onset[..., np.newaxis]) & (j <= end[..., np.newaxis])
    peak = _peaks(np.where(within, values - level, 0.0))

    start = beats - before
    flat = greatest < _TINY
    marks = [np.where(flat, np.nan, start[:, np.newaxis] + part) for part in (onset, peak, end)]
    together = [draw_together(part, _TOGETHER) for part in (marks[0], marks[2])]
    return Complexes(start + first, start + last, together[0], marks[1], together[1])


def _peaks(complexes: Floats) -> Ints:
    """Return the peaks of complexes (B, L, W) above the level at their onset, (B, L)."""
    has_r = complexes.max(axis=-1) >= -_R * complexes.min(axis=-1)
    return np.where(has_r, complexes.argmax(axis=-1), complexes.argmin(axis=-1))


def _over_leads(slope: Floats, fs: float, beats: Ints, hold: int) -> tuple[Ints, Ints]:
    """Return where the slope over leads begins and ends, (beats,) each, in samples of the window."""
    from scipy.ndimage import maximum_filter1d

    before, after = round(_BEFORE * fs), round(_AFTER * fs)
    size = np.maximum(np.percentile(slope, 98, axis=1, keepdims=True), _TINY)
    relative = slope / size
    weight = 1 / np.maximum(np.median(relative, axis=1), 0.02)  # leads that are quiet between complexes
    weight *= slope.max(axis=1) > _TINY
    common = np.sqrt(weight @ np.square(relative) / max(weight.sum(), _TINY))[np.newaxis]  # (1, time)
    window = cut_windows(common, beats, before, after)[:, 0]  # (B, W)
    held = cut_windows(maximum_filter1d(common, hold, axis=1), beats, before, after)[:, 0]
    core = window[:, before - round(_CORE * fs) : before + round(_CORE * fs) + 1]
    centre = (before - round(_CORE * fs) + core.argmax(axis=-1))[:, np.newaxis]
    least = np.maximum(_OVER_LEADS * core.max(axis=-1), _QUIET * np.percentile(window, 15, axis=-1))
    below = held < least[:, np.newaxis]
    j = np.arange(window.shape[-1])
    return last_true(below & (j < centre), 0), first_true(below & (j > centre), len(j) - 1)
