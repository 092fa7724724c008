"""Recorded noise added to an ECG at a chosen ratio of signal to noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def add_noise(
    signal: NDArray[np.floating],
    noise: NDArray[np.floating],
    beats: NDArray[np.integer],
    fs: float,
    snr_db: float,
    *,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Return an ECG with noise, repeated from a random place on, in every lead.

    The power of a lead's signal is an eighth of the square of its common QRS height, as for a sine of that height;
    that of the noise is its variance. Source: the program nst of PhysioNet's noise stress test (Moody et al. 1984).

    Args:
        signal: (C, T).
        noise: (T',) at the same rate, of any amplitude; longer or shorter than the signal.
        beats: (n,) R peaks in samples, at least one.
        fs: rate in Hz.
        snr_db: ratio of the powers in dB.
        seed: of where in the noise each lead begins.
    """
    reach = max(1, round(0.05 * fs))
    n = signal.shape[1]
    places = np.clip(np.asarray(beats)[:, None] + np.arange(-reach, reach + 1), 0, n - 1)
    heights = np.median(np.ptp(signal[:, places], axis=2), axis=1)  # (C,)
    centred = np.asarray(noise, np.float64) - np.mean(noise)
    centred /= max(float(centred.std()), 1e-12)
    starts = np.random.default_rng(seed).integers(0, len(centred), len(signal))
    repeated = centred[(starts[:, None] + np.arange(n)) % len(centred)]  # (C, T)
    scale = heights / np.sqrt(8) * 10 ** (-snr_db / 20)
    return (signal + scale[:, None] * repeated).astype(np.float32)
