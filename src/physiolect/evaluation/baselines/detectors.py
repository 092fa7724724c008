"""Beats as kept libraries find them: what a beat model is set beside, and what intervals are taken from."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.detection.pulses import elgendi_peaks
from physiolect.errors import ConfigError, check_option, require
from physiolect.recording import Modality

_XQRS_FS = 250.0
"""Hz: XQRS is made for such rates. At 100 Hz it marks beats up to 150 ms off, so that slower signals are made finer."""
_SHORTEST = 1.0
"""Seconds; the libraries' filters need more samples than less would have."""

Detector: TypeAlias = str
"""A key of `DETECTORS`."""


def _xqrs(signal: NDArray[np.float64], fs: float) -> NDArray[np.int64]:
    from scipy.signal import resample_poly
    from wfdb.processing import XQRS, correct_peaks

    up = max(1, ceil(_XQRS_FS / fs))
    fine = resample_poly(signal, up, 1)
    found = XQRS(fine, fs * up)
    found.detect(verbose=False)
    beats = np.asarray(found.qrs_inds, np.int64)
    if not len(beats):
        return beats
    # it marks a complex somewhere on its slope: the peak is what others mark
    reach = max(1, round(0.06 * fs * up))
    peaks = correct_peaks(fine, beats, reach, reach, "compare")
    return np.rint(np.asarray(peaks) / up).astype(np.int64)


def _neurokit(signal: NDArray[np.float64], fs: float) -> NDArray[np.int64]:
    nk = require("neurokit2", extra="evaluation")
    clean = nk.ecg_clean(signal, sampling_rate=fs, method="neurokit")
    return np.asarray(nk.ecg_findpeaks(clean, sampling_rate=fs, method="neurokit")["ECG_R_Peaks"], np.int64)


DETECTORS: dict[str, tuple[Modality, Callable[[NDArray[np.float64], float], NDArray[np.int64]]]] = {
    "xqrs": ("ecg", _xqrs),
    "neurokit": ("ecg", _neurokit),
    "elgendi": ("ppg", elgendi_peaks),
}
"""Name -> what it reads, and what finds its beats. wfdb's XQRS, moved to the nearest peak within 60 ms; NeuroKit2's
own R peaks (steepness), and its version of Elgendi et al., PLoS ONE 8:e76585, 2013 (systolic peaks)."""


def check_detector(detector: Detector) -> None:
    """Refuse a detector that there is not, or whose library is not installed.

    Raises:
        ConfigError: there is no such detector.
        PhysiolectError: the library is not installed.
    """
    check_option("detector", detector, DETECTORS)
    if DETECTORS[detector][1] is not _xqrs:
        require("neurokit2", extra="evaluation")


def choose_detector(modality: Modality | None, detector: Detector | None = None) -> Detector:
    """Return a detector for a modality: the one asked for, or XQRS for an ECG and Elgendi's for a PPG.

    Args:
        modality: of the signals; None counts as ECG.
        detector: asked for; None for the usual one.

    Raises:
        ConfigError: there is no such detector, or it is for another modality.
        PhysiolectError: its library is not installed.
    """
    modality = modality or "ecg"
    name = detector or ("elgendi" if modality == "ppg" else "xqrs")
    if name in DETECTORS and DETECTORS[name][0] != modality:
        raise ConfigError(
            f"{name} finds beats in {DETECTORS[name][0]}, but the model reads {modality}",
            hint=f"take {', '.join(key for key, (kind, _) in DETECTORS.items() if kind == modality)}",
        )
    check_detector(name)
    return name


def find_pulses(signal: ArrayLike, fs: float, detector: Detector) -> NDArray[np.int64]:
    """Return the samples at which a library finds beats, in order; none where it gives up.

    Args:
        signal: one channel, (n,); samples that are missing are bridged by straight lines.
        fs: in Hz.
        detector: "xqrs" or "neurokit" for R peaks of an ECG, "elgendi" for systolic peaks of a PPG.

    Raises:
        ConfigError: there is no such detector, or no sample is known.
        PhysiolectError: the library is not installed.
    """
    check_detector(detector)
    x = np.asarray(signal, np.float64).ravel()
    known = np.isfinite(x)
    if not known.any():
        raise ConfigError("no sample of the signal is known", hint="leave the recording out")
    x = np.interp(np.arange(len(x)), np.flatnonzero(known), x[known])
    if np.ptp(x) == 0 or len(x) < _SHORTEST * fs:
        return np.empty(0, np.int64)
    import warnings

    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of libraries, about signals without beats
            beats = DETECTORS[detector][1](x, fs)
    except (
        ValueError,
        IndexError,
        ZeroDivisionError,
    ):  # what the libraries raise where there is nothing to find
        return np.empty(0, np.int64)
    beats = np.unique(beats)
    return beats[(beats >= 0) & (beats < len(x))]
