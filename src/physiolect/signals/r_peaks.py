"""R peaks of an ECG: a fast detector over all its leads, and peaks to a fraction of a sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import ContractError
from physiolect.signals.filters import filter_band
from physiolect.signals.gaps import bridge_gaps, find_gaps

Signal = NDArray[np.floating]

LEAST_FS = 50.0
"""Hz; a QRS complex has fewer than five samples below this rate."""
_QRS_BAND = (6.0, 22.0)  # Hz
_ENERGY = 0.1  # seconds over which energy is averaged
_BLOCK = 1.5  # seconds; one maximum each
_BLOCKS = 9  # blocks whose median is the local level
_HIGH, _LOW = 0.33, 0.25  # shares of the local level: a beat, and a beat found by searching back
_NEAREST = 0.2  # seconds between two beats
_T_WAVES = ((0.36, 0.6), (0.25, 0.8))  # seconds after a beat, share of its height: below both, a T wave
_EARLIER = (0.3, 0.5)  # seconds before a beat, share of its height: below both, a P wave or noise
_LONG = 1.6  # times the local median interval: search back
_EDGE = 0.06  # seconds at either end of the signal, where a complex would be cut off
_STRETCH, _MARGIN = 600.0, 2.0  # seconds filtered at once, and around them
_LOUDEST = 3.0  # times the loudest slopes: an artefact counts as no more
_TINY = 1e-12


def detect_r_peaks(signal: Signal, fs: float) -> NDArray[np.int64]:
    """Return the samples of the R peaks of an ECG, in order.

    The slope of what lies between 6 and 22 Hz is squared and averaged over 0.1 s and over the leads, of which those
    that are quiet between complexes weigh most. A beat reaches a third of the local level. T waves are removed by their
    distance and height. Where an interval is 1.6 times its neighbours, beats down to 0.25 of the level are accepted.

    Args:
        signal: (leads, time) in any unit; missing samples are NaN. A missing or flat lead has no effect.
        fs: sampling rate in Hz, at least 50.

    Returns:
        (beats,): samples of greatest slope energy, within a few ms of R. No beat lies where all leads are
        missing, or within 60 ms of an end.

    Raises:
        ContractError: the shape or the rate is none of an ECG.

    Source:
        After Pan & Tompkins, IEEE Trans Biomed Eng 32:230, 1985: slope energy, adaptive level, search back.
    """
    signal = check_ecg(signal, fs)
    n_samples = signal.shape[1]
    if n_samples < fs / 2:
        return np.empty(0, np.int64)
    energy = _slope_energy(signal, fs)
    level = _local_level(energy, fs)
    if level.max(initial=0.0) < _TINY:
        return np.empty(0, np.int64)
    from scipy.signal import find_peaks

    peaks, _ = find_peaks(energy, height=_LOW * level, distance=max(1, round(_NEAREST * fs)))
    edge = round(_EDGE * fs)
    peaks = peaks[(peaks >= edge) & (peaks < n_samples - edge)]
    peaks = peaks[~np.isnan(signal[:, peaks]).all(axis=0)]
    height = energy[peaks] / np.maximum(level[peaks], _TINY)
    beats = _without_waves(peaks / fs, height, np.flatnonzero(height >= _HIGH))
    return np.asarray(peaks[_searched_back(peaks / fs, height, beats)], np.int64)


def refine_peaks(
    lead: Signal, peaks: NDArray[np.integer], fs: float, *, reach: float = 0.05
) -> NDArray[np.float64]:
    """Return peaks to a fraction of a sample: the vertex of a parabola through the extreme sample and its neighbours.

    All beats are refined on the side, above or below the baseline, on which most of them are higher.

    Args:
        lead: (time,); missing samples are NaN.
        peaks: (beats,) samples near the peaks.
        fs: sampling rate in Hz.
        reach: seconds that a peak is looked for to either side.

    Returns:
        (beats,) in samples; NaN where samples are missing around the peak.
    """
    samples = np.asarray(peaks, np.int64)
    if not len(samples) or len(lead) < 3:
        return samples.astype(np.float64)
    up, down = np.full((2, len(samples)), np.nan), np.full((2, len(samples)), np.nan)  # place, height
    length, margin = round(_STRETCH * fs), round(_MARGIN * fs)
    stretch = samples // length
    for number in np.unique(stretch).tolist():
        here = stretch == number
        begin = max(0, number * length - margin)
        part = lead[begin : (number + 1) * length + margin]
        up[:, here], down[:, here] = _extremes_near(part, samples[here] - begin, fs, reach)
        up[0, here] += begin
        down[0, here] += begin
    known = np.isfinite(up[1])
    upward = not known.any() or np.median(up[1, known]) >= np.median(down[1, known])
    return up[0] if upward else down[0]


def _extremes_near(
    lead: Signal, peaks: NDArray[np.int64], fs: float, reach: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return place and height over the middle of the highest and of the lowest point near each peak, (2, beats) each.

    Both are NaN where samples are missing.
    """
    row = np.asarray(lead, np.float64)[np.newaxis]
    unknown = np.full((2, len(peaks)), np.nan)
    bridged = bridge_gaps(row, find_gaps(row))
    if len(lead) < 3 or np.isnan(bridged).any():
        return unknown, unknown
    smooth = filter_band(bridged, fs, (0.5, 40.0 if fs > 90 else None))[0]
    half = max(1, round(reach * fs))
    at = np.clip(peaks[:, np.newaxis] + np.arange(-half, half + 1), 1, len(smooth) - 2)  # (beats, window)
    middle = np.median(smooth[at], axis=1)
    missing = np.isnan(row[0][at]).any(axis=1)
    found = []
    for sign in (1, -1):
        best = at[np.arange(len(peaks)), (sign * smooth[at]).argmax(axis=1)]
        left, top, right = (sign * smooth[best + k] for k in (-1, 0, 1))
        bend = left - 2 * top + right
        shift = np.where(bend < -_TINY, 0.5 * (left - right) / np.where(bend < -_TINY, bend, -1.0), 0.0)
        places = best + np.clip(shift, -0.5, 0.5)
        heights = top - sign * middle
        found.append(np.where(missing, np.nan, np.stack([places, heights])))
    return found[0], found[1]


def check_ecg(signal: Signal, fs: float) -> Signal:
    """Return the signal as (leads, time).

    Raises:
        ContractError: the shape or the rate is none of an ECG.
    """
    signal = np.asarray(signal)
    if signal.ndim != 2 or 0 in signal.shape:
        raise ContractError(
            f"an ECG is (leads, time), got shape {signal.shape}",
            hint="pass one row a lead: signal[np.newaxis]",
        )
    if not fs >= LEAST_FS:
        raise ContractError(
            f"at {fs:g} Hz the waves of an ECG have too few samples",
            hint=f"give a recording of {LEAST_FS:g} Hz or more; resampling a slower one does not help",
        )
    return signal


def _slope_energy(signal: Signal, fs: float) -> NDArray[np.float64]:
    """Return the root of the slope energy over leads, (time,).

    Stretches of ten minutes are taken one after another: a day needs little memory, and a lead that fails later
    weighs less from then on.
    """
    n_samples, length, margin = signal.shape[1], round(_STRETCH * fs), round(_MARGIN * fs)
    energy = np.zeros(n_samples)
    for first in range(0, n_samples, length):
        begin, stop = max(0, first - margin), min(first + length, n_samples)
        part = _stretch_energy(signal[:, begin : stop + margin], fs)
        energy[first:stop] = part[first - begin : stop - begin]
    return energy


def _stretch_energy(signal: Signal, fs: float) -> NDArray[np.float64]:
    """Return the root of the slope energy over leads, each in units of its own loudest slopes, (time,)."""
    from scipy.ndimage import uniform_filter1d

    low, high = _QRS_BAND
    rows = signal.astype(np.float64)
    bridged = bridge_gaps(rows, find_gaps(rows))
    bridged = bridged[~np.isnan(bridged[:, 0])]  # a lead without any sample stays missing
    total = np.zeros(signal.shape[1])
    if not len(bridged) or len(total) < 2:
        return total
    slope = np.gradient(filter_band(bridged, fs, (low, high if high < 0.45 * fs else None)), axis=1)
    np.abs(slope, out=slope)
    quiet, loud = np.percentile(slope, (50, 98), axis=1)
    weight = np.where(loud < _TINY, 0.0, 1 / np.maximum(quiet / np.maximum(loud, _TINY), 0.02) ** 4)
    if weight.any():
        relative = np.minimum(slope / np.maximum(loud, _TINY)[:, np.newaxis], _LOUDEST)
        total = weight @ np.square(relative) / weight.sum()
    return np.sqrt(np.maximum(uniform_filter1d(total, max(1, round(_ENERGY * fs))), 0.0))


def _local_level(energy: NDArray[np.float64], fs: float) -> NDArray[np.float64]:
    """Return the median of nine blocks' maxima around each sample, (time,)."""
    from scipy.ndimage import median_filter

    block = max(1, round(_BLOCK * fs))
    n_blocks = max(1, len(energy) // block)
    highest = np.maximum.reduceat(energy, np.arange(n_blocks) * block)
    level = median_filter(highest, size=min(_BLOCKS, n_blocks), mode="nearest")
    return np.interp(np.arange(len(energy)), (np.arange(n_blocks) + 0.5) * block, level)


def _without_waves(
    times: NDArray[np.float64], height: NDArray[np.float64], beats: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the beats without those that are the T or P wave of a neighbour."""
    for _ in range(3):  # removing one changes its neighbours' distances
        gap, tall = np.diff(times[beats]), height[beats]
        after = np.any([(gap < near) & (tall[1:] < low * tall[:-1]) for near, low in _T_WAVES], axis=0)
        before = (gap < _EARLIER[0]) & (tall[:-1] < _EARLIER[1] * tall[1:])
        wave = np.zeros(len(beats), bool)
        wave[1:] |= after
        wave[:-1] |= before
        if not wave.any():
            break
        beats = beats[~wave]
    return beats


def _searched_back(
    times: NDArray[np.float64], height: NDArray[np.float64], beats: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the beats and, in each interval that is too long, the highest low peak."""
    from scipy.ndimage import median_filter

    if len(beats) < 3:
        return beats
    interval = np.diff(times[beats])
    usual = median_filter(interval, size=min(_BLOCKS, len(interval)), mode="nearest")
    added = []
    for k in np.flatnonzero(interval > _LONG * usual):
        inside = np.arange(beats[k] + 1, beats[k + 1])
        far = (times[inside] - times[beats[k]] > 0.4) & (times[beats[k + 1]] - times[inside] > 0.3)
        if far.any():
            added.append(inside[far][height[inside[far]].argmax()])
    return np.sort(np.concatenate([beats, np.array(added, np.int64)]))
