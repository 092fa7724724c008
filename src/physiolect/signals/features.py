"""What an ECG looks like, as numbers: by which recordings are told apart before a model knows any."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import ContractError
from physiolect.signals.filters import filter_band

Signal = NDArray[np.floating]

_BANDS = (0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 20.0, 30.0, 45.0)  # Hz
_LEVELS = 5
_QRS = (5.0, 20.0)  # Hz
_REFRACTORY = 0.25  # seconds
_BEFORE, _AFTER = 0.3, 0.5  # seconds of a beat about its R peak
_TINY = 1e-12


def ecg_features(signal: Signal, fs: float, *, rhythm_lead: int = 1) -> NDArray[np.float64]:
    """Describe a recording: each lead's distribution, slopes, spectrum and wavelets, and the beats of one lead.

    Args:
        signal: (channels, time), without missing samples, two seconds at least.
        fs: sampling rate in Hz.
        rhythm_lead: row whose beats are measured; the second is lead II in the house's order.

    Returns:
        (features,): 27 a lead, and 10 of the rhythm lead's beats. All are finite; those of beats are 0 where there are
        none.

    Raises:
        ContractError: samples are missing, or there are too few.

    Source:
        The kinds of features are those by which ECG-Byte chooses recordings (Han et al. 2024, arXiv 2412.14373).
    """
    signal = np.asarray(signal, np.float64)
    if signal.ndim != 2 or signal.shape[1] < 2 * fs or not np.isfinite(signal).all():
        raise ContractError(
            "features need two seconds (channels, time) at least, without missing or infinite samples",
            hint="bridge gaps first (signals.bridge_gaps), or leave the recording out",
        )
    parts = [_distribution(signal), _slopes(signal, fs), _spectrum(signal, fs), _wavelets(signal)]
    rhythm = _beats(signal[rhythm_lead % len(signal)], fs)
    return np.concatenate([np.concatenate(parts, axis=1).ravel(), rhythm])


def find_r_peaks(lead: Signal, fs: float) -> NDArray[np.int64]:
    """Return the samples at which beats stand out of a lead (time,), in order.

    What lies between 5 and 20 Hz is squared and smoothed over 0.1 s; a beat reaches a quarter of its 98th percentile.
    It tells rhythms apart, and is no detector to diagnose by.
    """
    from scipy.ndimage import uniform_filter1d
    from scipy.signal import find_peaks

    low, high = _QRS
    band = filter_band(lead[np.newaxis], fs, (low, high if high < fs / 2 else None))[0]
    energy = uniform_filter1d(np.square(band), max(1, round(0.1 * fs)))
    height = np.percentile(energy, 98) / 4
    if height < _TINY:
        return np.empty(0, np.int64)
    peaks, _ = find_peaks(energy, height=height, distance=max(1, round(_REFRACTORY * fs)))
    return np.asarray(peaks, np.int64)


def _distribution(signal: Signal) -> NDArray[np.float64]:
    """Return mean, deviation, skewness, kurtosis and percentiles of each lead, (channels, 9)."""
    mean, deviation = signal.mean(axis=1), signal.std(axis=1)
    standard = (signal - mean[:, np.newaxis]) / np.maximum(deviation, 1e-9)[:, np.newaxis]
    square = np.square(standard)
    moments = [mean, deviation, (square * standard).mean(axis=1), np.square(square).mean(axis=1)]
    return np.stack([*moments, *np.percentile(signal, (1, 25, 50, 75, 99), axis=1)], axis=1)


def _slopes(signal: Signal, fs: float) -> NDArray[np.float64]:
    """Return mean and greatest slope and bend of each lead, by the second, (channels, 4)."""
    slope = np.abs(np.diff(signal, axis=1)) * fs
    bend = np.abs(np.diff(signal, 2, axis=1)) * fs**2
    return np.stack(
        [each for part in (slope, bend) for each in (part.mean(axis=1), part.max(axis=1))], axis=1
    )


def _spectrum(signal: Signal, fs: float) -> NDArray[np.float64]:
    """Return the share of power in each band, and the mean frequency, of each lead, (channels, 9)."""
    from scipy.signal import welch

    frequency, power = welch(signal, fs, nperseg=min(signal.shape[1], round(4 * fs)), axis=1)
    total = power.sum(axis=1) + _TINY
    edges = np.searchsorted(frequency, _BANDS)
    shares = [power[:, first:stop].sum(axis=1) / total for first, stop in pairwise(edges)]
    return np.stack([*shares, power @ frequency / total], axis=1)


def _wavelets(signal: Signal) -> NDArray[np.float64]:
    """Return the logarithm of the mean size of db4 coefficients at each of five levels, (channels, 5)."""
    import pywt

    level = min(_LEVELS, pywt.dwt_max_level(signal.shape[1], "db4"))
    _, *details = pywt.wavedec(signal, "db4", level=level)
    sizes = [np.log10(np.abs(detail).mean(axis=1) + 1e-6) for detail in details]
    return np.stack([sizes[0]] * (_LEVELS - level) + sizes, axis=1)


def _beats(lead: Signal, fs: float) -> NDArray[np.float64]:
    """Return rate, its variation, and the shape of the median beat, (10,)."""
    peaks = find_r_peaks(lead, fs)
    before, after = round(_BEFORE * fs), round(_AFTER * fs)
    whole = peaks[(peaks >= before) & (peaks + after <= len(lead))]
    found = np.zeros(10)
    if len(peaks) > 2:
        intervals = np.diff(peaks) / fs
        changes = np.diff(intervals)
        found[:4] = (
            60 / intervals.mean(),
            intervals.std(),
            np.sqrt(np.square(changes).mean()),
            len(peaks) / len(lead) * fs,
        )
    if len(whole):
        beat = np.median(lead[whole[:, np.newaxis] + np.arange(-before, after)], axis=0)
        found[4:] = _shape(beat, before, fs)
    return found


def _shape(beat: Signal, peak: int, fs: float) -> tuple[float, ...]:
    """Return R and S amplitude, width of QRS in seconds, P, T and ST amplitude, above what lies before QRS."""

    def part(start: float, stop: float) -> Signal:
        return beat[max(0, peak + round(start * fs)) : peak + max(round(start * fs) + 1, round(stop * fs))]

    base = float(np.median(part(-0.1, -0.06)))
    qrs, p, t = (part(*span) - base for span in ((-0.06, 0.06), (-0.25, -0.1), (0.15, 0.45)))
    steep = np.abs(np.diff(part(-0.15, 0.15)))
    wide = np.flatnonzero(steep > 0.15 * steep.max()) if steep.max() > 0 else np.zeros(1)
    p_wave, t_wave = (float(wave[np.abs(wave).argmax()]) for wave in (p, t))
    st = float(part(0.08, 0.12).mean()) - base
    return float(qrs.max()), float(qrs.min()), float(np.ptp(wide)) / fs, p_wave, t_wave, st
