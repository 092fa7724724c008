"""Where the waves of a heartbeat are: marked in the recording, or found by NeuroKit2; and the phases between beats."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physiolect.contract import InputContract, select_channels
from physiolect.datasets.examples.labels import rhythm_episodes
from physiolect.datasets.public.mitbih import AAMI
from physiolect.errors import ContractError, require
from physiolect.recording import Recording
from physiolect.signals import bridge_gaps, find_gaps

Times = NDArray[np.float64]
"""Moments in seconds of the recording, in order, (n,)."""

LANDMARKS: dict[str, tuple[str, ...]] = {
    "ecg": ("P", "R", "T"),
    "ppg": ("systolic peak", "notch", "foot"),
}
"""What is looked for in a beat; the second of an ECG and the first of a PPG are where the beat is."""
_BEAT = {"ecg": "R", "ppg": "systolic peak"}

PHASES: dict[str, tuple[str, ...]] = {
    "ecg": ("QRS", "ST–T", "TP", "P"),
    "ppg": ("crest", "fall", "run-off", "rise"),
}
"""Parts of a beat in order. ECG: QRS within 60 ms of R; ST–T up to 0.42 √RR after it; P within 240 ms before the
next R; TP between them. PPG, in shares of the interval from one systolic peak to the next: crest up to 0.15, fall up
to 0.45, run-off up to 0.8, rise."""
_PPG_EDGES = (0.15, 0.45, 0.8)
_SMOOTH = 0.02
"""Seconds: standard deviation of what smooths a pulse before its notch is looked for."""
_WITHOUT_P = ("AFIB", "AFL", "AF")
"""Rhythms in which the atria make no P wave: fibrillation and flutter."""
_LEAST_SECONDS = 5.0
"""A shorter stretch is too little for NeuroKit2's filters."""


class MarkedRhythm(NamedTuple):
    """A stretch of one rhythm."""

    start: float
    """In seconds of the recording."""
    stop: float
    rhythm: str
    """As marked: "AFIB", "AFL"."""


def find_landmarks(
    recording: Recording, contract: InputContract, *, channel: str | int | None = None, first: float = 0.0
) -> dict[str, Times]:
    """Return where the waves of all beats are in one channel of a recording.

    Marks in the recording come first: beats by their WFDB symbols, and "p" and "t" waves. NeuroKit2 finds what is not
    marked: R and systolic peaks, and P and T by its wavelet delineation. It finds no foot and no notch: the foot is the
    lowest sample between two systolic peaks; the notch is the first trough of the smoothed pulse from 0.1 s to half the
    interval after the peak or, without a trough, where the pulse bends up most.

    NeuroKit2 finds a "P" before most beats in any rhythm; `leave_out_p` removes those that cannot be one.

    Args:
        recording: what there is.
        contract: whose rules choose the channel and the modality.
        channel: which one to look at; None lets a contract of one channel choose.
        first: when the recording begins, in seconds of the one it was cut from.

    Returns:
        landmark -> moments.

    Raises:
        ContractError: the signal is neither ECG nor PPG, no beat is found, or the contract takes several channels and
            none is named.
        PhysiolectError: something is not marked, and NeuroKit2 is not installed.

    Source: Makowski et al. 2021 (NeuroKit2); a notch without a trough: Takazawa et al. 1998 (the "e" wave of
        the second derivative).
    """
    one = _one_channel(recording, contract, channel)
    modality = one.modality or contract.modality
    if modality not in LANDMARKS:
        raise ContractError(
            f"the signal is {modality or 'of unknown modality'}, but landmarks are defined only for ECG and PPG",
            hint="give the modality, or choose another channel",
        )
    signal = bridge_gaps(one.signal, find_gaps(one.signal))[0].astype(np.float64)
    signal = np.nan_to_num(signal)
    marks = one.annotations
    symbols = np.array(marks.symbol, dtype=object)
    beats = marks.sample[np.isin(symbols, list(AAMI))]
    if len(beats) < 2:
        beats = _beats(signal, one.fs, modality)
    if modality == "ecg":
        found = {"P": marks.sample[symbols == "p"], "R": beats, "T": marks.sample[symbols == "t"]}
        if not len(found["P"]) or not len(found["T"]):
            waves = _delineate(signal, beats, one.fs)
            found |= {name: waves[name] for name in ("P", "T") if not len(found[name])}
    else:
        found = {"systolic peak": beats, **_pulse(signal, beats, one.fs)}
    return {name: first + np.unique(found[name]) / one.fs for name in LANDMARKS[modality]}


def _one_channel(recording: Recording, contract: InputContract, channel: str | int | None) -> Recording:
    """Return the channel that is named, or the one that the contract takes."""
    if len(contract.channels) == 1:
        return select_channels(recording, contract, channel)
    if channel is None:
        raise ContractError(
            f"the contract takes {len(contract.channels)} channels, but landmarks are found in one",
            hint=f"name it with channel: {', '.join(contract.channels)}",
        )
    return recording.select([channel])


def episodes_without_p(recording: Recording, *, first: float = 0.0) -> list[MarkedRhythm]:
    """Return where the recording's marks of rhythm name atrial fibrillation or flutter; empty where it has no marks.

    Args:
        recording: what there is.
        first: when it begins, in seconds of the one it was cut from.
    """
    fs = recording.fs
    return [
        MarkedRhythm(first + begin / fs, first + end / fs, name)
        for begin, end, name in rhythm_episodes(recording.annotations, recording.n_samples)
        if name in _WITHOUT_P
    ]


def leave_out_p(landmarks: Mapping[str, Times], episodes: Sequence[MarkedRhythm]) -> dict[str, Times]:
    """Return landmarks without the P waves that lie in episodes without P."""
    return {
        name: times[~_inside(times, episodes)] if name == "P" else times for name, times in landmarks.items()
    }


def beat_times(landmarks: Mapping[str, Times]) -> Times:
    """Return when the beats are, from what `find_landmarks` returned."""
    return next(landmarks[name] for name in _BEAT.values() if name in landmarks)


def phases(
    time: Times, beats: Times, modality: str, without_p: Sequence[MarkedRhythm] = ()
) -> NDArray[np.int64]:
    """Return which part of a beat each moment lies in, as an index into `PHASES[modality]`; -1 outside all beats.

    Args:
        time: moments (T,) in seconds.
        beats: R or systolic peaks in seconds.
        modality: "ecg" or "ppg".
        without_p: stretches of an ECG without P waves: TP lasts to the next QRS there.
    """
    after = np.searchsorted(beats, time, side="right")  # (T,) the next beat
    inside = (after > 0) & (after < len(beats))
    last, following = beats[np.maximum(after - 1, 0)], beats[np.minimum(after, len(beats) - 1)]
    since, until, interval = time - last, following - time, following - last
    if modality == "ppg":
        share = since / np.where(interval > 0, interval, 1)
        return np.where(inside, np.searchsorted(_PPG_EDGES, share, side="right"), -1)
    which = np.select(
        [np.minimum(since, until) <= 0.06, since <= 0.42 * np.sqrt(interval), until <= 0.24],
        [0, 1, np.where(_inside(time, without_p), 2, 3)],
        2,
    )
    return np.where(inside, which, -1)


def _inside(time: Times, episodes: Sequence[MarkedRhythm]) -> NDArray[np.bool_]:
    """Return which moments lie in any of the episodes."""
    found = np.zeros(len(time), np.bool_)
    for each in episodes:
        found |= (time >= each.start) & (time < each.stop)
    return found


def _beats(signal: NDArray[np.float64], fs: float, modality: str) -> NDArray[np.int64]:
    neurokit = require("neurokit2", extra="explain")
    beats = np.empty(0, np.int64)
    if len(signal) >= _LEAST_SECONDS * fs * 0.99:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                if modality == "ecg":
                    clean = neurokit.ecg_clean(signal, sampling_rate=fs)
                    beats = neurokit.ecg_peaks(clean, sampling_rate=fs)[1]["ECG_R_Peaks"]
                else:
                    clean = neurokit.ppg_clean(signal, sampling_rate=fs)
                    beats = neurokit.ppg_findpeaks(clean, sampling_rate=fs)["PPG_Peaks"]
            except (ValueError, IndexError, ZeroDivisionError):
                pass  # what it raises over a signal without beats
    if len(beats) < 2:
        raise ContractError(
            "no beats were found in the signal, and none are marked in the recording",
            hint=f"give a stretch of at least {_LEAST_SECONDS:g} s with clear beats",
        )
    return np.asarray(beats, np.int64)


def _delineate(
    signal: NDArray[np.float64], beats: NDArray[np.int64], fs: float
) -> dict[str, NDArray[np.int64]]:
    neurokit = require("neurokit2", extra="explain")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clean = neurokit.ecg_clean(signal, sampling_rate=fs)
        try:
            _, waves = neurokit.ecg_delineate(clean, beats, sampling_rate=fs, method="dwt")
        except (ValueError, IndexError, ZeroDivisionError):  # too few beats for its averages
            waves = {}
    found = {}
    for name in ("P", "T"):
        samples = np.asarray(waves.get(f"ECG_{name}_Peaks", ()), np.float64)
        found[name] = samples[np.isfinite(samples)].astype(np.int64)
    return found


def _pulse(signal: NDArray[np.float64], beats: NDArray[np.int64], fs: float) -> dict[str, NDArray[np.int64]]:
    from scipy.ndimage import gaussian_filter1d

    smooth, bend = (gaussian_filter1d(signal, _SMOOTH * fs, order=order) for order in (0, 2))
    feet, notches = [], []
    for a, b in pairwise(beats.tolist()):
        feet.append(a + int(signal[a:b].argmin()))
        early, late = a + round(0.1 * fs), a + (b - a) // 2
        if late - early > 2:
            course = smooth[early:late]
            troughs = np.flatnonzero((course[1:-1] < course[:-2]) & (course[1:-1] <= course[2:])) + 1
            notches.append(early + int(troughs[0] if len(troughs) else bend[early:late].argmax()))
    return {"notch": np.array(notches, np.int64), "foot": np.array(feet, np.int64)}
