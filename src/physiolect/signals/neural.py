"""Features of neural signals: common average reference, line-noise notch, band power in bins, spikes counted in bins.

Everything is causal: no feature of a bin depends on later samples, so that a live decoder gets what training got.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

_ORDER = 3
_NOTCH_QUALITY = 30.0
_FLOOR = 1e-12
"""Power in squared units below which a silent channel's logarithm is not taken."""


@dataclass(frozen=True)
class NeuralFeatures:
    """How voltages of electrodes become the channels of a model: band power in dB, in bins."""

    bands: tuple[str, ...] = ("70-150",)
    """Bands in Hz, such as 70-150; each electrode gives a channel for each of them."""
    common_average: bool = False
    """Subtract the mean of all electrodes from each first."""
    notch: float | None = None
    """Line noise in Hz, 50 or 60, that is filtered out with its harmonics first; None leaves it."""
    rate: float = 20.0
    """Bins a second."""

    def edges(self) -> list[tuple[float, float]]:
        """Return the bands as numbers.

        Raises:
            ValueError: a band is not written as LOW-HIGH.
        """
        found = []
        for band in self.bands:
            low, _, high = band.partition("-")
            found.append((float(low), float(high)))
        return found

    def problems(self, fs: float | None = None) -> list[str]:
        """List everything that is wrong, also with a recording at `fs` Hz."""
        try:
            edges = self.edges()
        except ValueError:
            return [
                f"bands are {' '.join(self.bands)}, but must be written as LOW-HIGH in Hz, such as 70-150"
            ]
        found = [
            f"band {low:g}-{high:g} is none: it must rise from above 0 Hz"
            for low, high in edges
            if not 0 < low < high
        ]
        if not edges:
            found.append("features without bands are none: name one, such as 70-150")
        if not 0 < self.rate <= 1000:
            found.append(f"the rate of the bins is {self.rate:g} Hz, but must be from above 0 to 1000")
        if self.notch is not None and not 10 <= self.notch <= 400:
            found.append(f"notch is {self.notch:g} Hz, but must be from 10 to 400, such as 50 or 60")
        if fs is not None and not found:
            highest = max(high for _, high in edges)
            if highest >= fs / 2:
                found.append(
                    f"band up to {highest:g} Hz needs more than {2 * highest:g} samples a second, and there are {fs:g}"
                )
            if abs(fs / self.rate - round(fs / self.rate)) > 1e-6:
                found.append(f"{fs:g} samples a second are no whole number in each of {self.rate:g} bins")
        return found

    def names(self, electrodes: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names of the channels that electrodes give, band by band."""
        if len(self.bands) == 1:
            return tuple(f"{name} {self.bands[0]} Hz" for name in electrodes)
        return tuple(f"{name} {band} Hz" for band in self.bands for name in electrodes)


def neural_features(signal: NDArray[np.floating], fs: float, features: NeuralFeatures) -> NDArray[np.float32]:
    """Return band power in dB, (bands * electrodes, bins), of voltages (electrodes, time) without missing samples.

    Args:
        signal: voltages; the last part of a bin is left out.
        fs: rate in Hz; a multiple of `features.rate`.
        features: what to compute; without problems at this rate.
    """
    x = signal.astype(np.float64)
    if features.common_average:
        x = common_average(x)
    if features.notch is not None:
        x = remove_line_noise(x, fs, features.notch)
    size = round(fs / features.rate)
    return np.concatenate([band_power(x, fs, band, size) for band in features.edges()]).astype(np.float32)


def common_average(signal: Array) -> Array:
    """Subtract the mean of all channels (channels, time) from each, at every moment."""
    found: Array = signal - signal.mean(0)
    return found


def remove_line_noise(signal: Array, fs: float, line: float) -> Array:
    """Filter line noise and its harmonics out of (channels, time), causally."""
    from scipy.signal import iirnotch, lfilter

    for number in range(1, int(fs / 2 / line) + 1):
        if number * line < 0.98 * fs / 2:
            b, a = iirnotch(number * line, _NOTCH_QUALITY, fs)
            signal = lfilter(b, a, signal, axis=-1)
    return signal


def band_power(signal: Array, fs: float, band: tuple[float, float], size: int) -> Array:
    """Return the power of a band in dB, in bins of `size` samples, (channels, bins); causal."""
    from scipy.signal import butter, sosfilt

    sections = butter(_ORDER, band, btype="bandpass", fs=fs, output="sos")
    filtered = sosfilt(sections, signal, axis=-1)
    n = filtered.shape[-1] // size
    power = np.square(filtered[:, : n * size]).reshape(len(filtered), n, size).mean(-1)
    found: Array = 10 * np.log10(np.maximum(power, _FLOOR))
    return found


def bin_spikes(times: ArrayLike, duration: float, rate: float = 20.0) -> NDArray[np.float32]:
    """Return how many spikes fall into each bin, (bins,).

    Args:
        times: of the spikes of one unit, in seconds.
        duration: of the recording, in seconds.
        rate: bins a second.
    """
    n = int(np.floor(duration * rate + 1e-9))
    at = np.floor(np.asarray(times, np.float64) * rate + 1e-9)
    inside = at[np.isfinite(at) & (at >= 0) & (at < n)]
    return np.bincount(inside.astype(np.int64), minlength=n).astype(np.float32)
