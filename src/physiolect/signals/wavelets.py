"""Noise taken out of signals in their wavelet coefficients."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

_WAVELET = "db6"
_NORMAL_MEDIAN = 0.6745  # median of |x| for a standard normal x
_ZERO = 1e-10


def wavelet_denoise(signals: NDArray[np.float64], level: int = 4) -> NDArray[np.float64]:
    """Shrink the details of signals towards zero by the noise that their coarsest details show.

    Daubechies 6; each signal's threshold is the median size of its coarsest details over that of standard normal
    noise. A signal too short for so many levels gets as many as fit, and one of fewer than 22 samples comes back as
    it is.

    Args:
        signals: (n, time).
        level: how often the band is halved: the coarsest details lie from rate / 2^(level + 1) to rate / 2^level.

    Returns:
        (n, time).

    Source:
        ECG-Byte (arXiv 2412.14373), whose threshold has no factor sqrt(2 ln n); after Donoho & Johnstone 1994.
    """
    import pywt

    time = signals.shape[1]
    level = min(level, pywt.dwt_max_level(time, _WAVELET))
    if level == 0:
        return signals
    coarse, *details = cast("list[NDArray[np.float64]]", pywt.wavedec(signals, _WAVELET, level=level))
    threshold = np.median(np.abs(details[0]), axis=1, keepdims=True) / _NORMAL_MEDIAN  # (n, 1)
    for detail in details:
        size = np.abs(detail)
        kept = np.maximum(size - threshold, 0)
        kept[size <= _ZERO] = 0
        np.copysign(kept, detail, out=detail)
    restored = cast("NDArray[np.float64]", pywt.waverec([coarse, *details], _WAVELET))
    return restored[:, :time]
