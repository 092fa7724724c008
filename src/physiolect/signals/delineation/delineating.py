"""P, QRS and T of every beat of an ECG: onset, peak and end in each lead and over leads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import ContractError
from physiolect.signals.delineation.beat_windows import Floats, Ints, nan_quantile
from physiolect.signals.delineation.complexes import Complexes, find_complexes
from physiolect.signals.delineation.p_presence import p_likelihood
from physiolect.signals.delineation.waves import (
    P_WAVE,
    T_WAVE,
    Waves,
    find_waves,
    wave_response,
    without_complexes,
)
from physiolect.signals.filters import filter_band
from physiolect.signals.gaps import bridge_gaps, find_gaps
from physiolect.signals.r_peaks import Signal, check_ecg, detect_r_peaks, refine_peaks

_BAND = (0.5, 40.0)  # Hz
_BEATS = 256  # in a chunk
_CONTEXT = 8  # beats to either side of a chunk
_MARGIN = 2.0  # seconds of signal around a chunk
_SHARE = 0.2
"""Over leads, an onset is this quantile of the leads' onsets, and an end is 1 - this quantile: of twelve leads about
the third earliest and the third latest, so that two leads alone, wrong or noisy, do not set it."""
_T_AFTER, _T_SHARE, _T_LAST = (
    0.05,
    0.7,
    0.6,
)  # s after QRS; share of RR and s after R: where T's middle is looked for
_P_FIRST, _P_SHARE, _P_LAST = (
    0.28,
    0.65,
    0.03,
)  # s and share of RR before QRS, and s before QRS: likewise for P
_BEYOND = 0.12  # s before the first moment of P's middle that its onset may lie
_NEXT = 0.04  # s before the next complex that T must end
_USUAL = 0.8  # s: the interval where there is one beat alone
_AROUND = 0.02  # s around a wave in which no sample may be missing
_LIKELY = 0.4


@dataclass(frozen=True, eq=False)
class WaveMarks:
    """One wave of every beat, in samples from the signal's start; NaN where it is absent, or samples are missing."""

    onset: Floats
    """(beats, leads)"""
    peak: Floats
    """(beats, leads)"""
    end: Floats
    """(beats, leads)"""
    over_leads: Floats
    """(beats, 3): onset, peak, end. Of the leads' onsets it is the 20 % quantile, of their ends the 80 % quantile, and
    of their peaks the median."""


@dataclass(frozen=True, eq=False)
class Delineation:
    """The waves of every beat of an ECG."""

    fs: float
    """In Hz; divide a mark by it for seconds."""
    r_peaks: Floats
    """(beats,): R peaks in samples, to a fraction of one, in the lead with the tallest complexes."""
    p: WaveMarks
    qrs: WaveMarks
    t: WaveMarks

    def __len__(self) -> int:
        return len(self.r_peaks)


def delineate(signal: Signal, fs: float, r_peaks: NDArray[np.integer] | None = None) -> Delineation:
    """Find P, QRS and T of every beat.

    Args:
        signal: (leads, time) in any unit; missing samples are NaN. One lead is enough. All leads are of one ECG.
        fs: sampling rate in Hz, at least 50.
        r_peaks: (beats,) samples near the R peaks, in order; None detects them (`detect_r_peaks`).

    Returns:
        Marks in samples. A beat without P wave has NaN for P: in atrial fibrillation, before most ventricular beats,
        and where P lies within the T wave before. Waves cut off by an end of the signal are NaN.

    Raises:
        ContractError: the shape or rate is none of an ECG, it is shorter than 1 s, or the R peaks are not in order
            within the signal.

    Source:
        Boundaries of QRS after Martínez et al. 2004 (IEEE Trans Biomed Eng 51:570), of P and T after
        Vázquez-Seisdedos et al. 2011 (Biomed Eng Online 10:43); constants chosen on LUDB records 1 to 80.
    """
    signal = check_ecg(signal, fs)
    if signal.shape[1] < fs:
        raise ContractError(
            f"{signal.shape[1] / fs:g} s is too short to find the waves of a heartbeat",
            hint="give 1 s or more",
        )
    beats = detect_r_peaks(signal, fs) if r_peaks is None else _checked(r_peaks, signal.shape[1])
    parts = [_delineate_chunk(signal, fs, beats, chunk) for chunk in _chunks(len(beats))]
    n_leads = signal.shape[0]
    waves = []
    for k in range(3):
        marks = [part[k] for part in parts] or [np.empty((3, 0, n_leads))]
        waves.append(_marks(np.concatenate(marks, axis=1)))
    p, qrs, t = waves
    return Delineation(float(fs), _fine_peaks(signal, fs, beats, qrs), p, qrs, t)


class _Chunk(NamedTuple):
    first: int
    """First beat that is delineated."""
    stop: int
    keep: slice
    """Which of these beats are kept."""


def _chunks(n_beats: int) -> Iterator[_Chunk]:
    """Yield stretches of beats with their context, so that a day needs no more memory than some minutes."""
    for begin in range(0, n_beats, _BEATS):
        end = min(begin + _BEATS, n_beats)
        first, stop = max(0, begin - _CONTEXT), min(n_beats, end + _CONTEXT)
        yield _Chunk(first, stop, slice(begin - first, end - first))


def _delineate_chunk(
    signal: Signal, fs: float, all_beats: Ints, chunk: _Chunk
) -> tuple[Floats, Floats, Floats]:
    """Return P, QRS and T of a chunk's beats, (3 marks, beats, leads) each."""
    beats = all_beats[chunk.first : chunk.stop]
    origin = max(0, int(beats[0]) - round(_MARGIN * fs))
    part = signal[:, origin : int(beats[-1]) + round(_MARGIN * fs) + 1].astype(np.float64)
    beats = beats - origin
    missing = np.isnan(part)
    bridged = np.nan_to_num(bridge_gaps(part, find_gaps(part)))
    clean = filter_band(bridged, fs, (_BAND[0], _BAND[1] if fs > 2.2 * _BAND[1] else None)).astype(np.float64)

    qrs = find_complexes(clean, fs, beats)
    flat = without_complexes(clean, qrs.first, qrs.last)
    t, t_cut = _find_t(flat, fs, beats, qrs)
    t_end = np.append(-1, np.nan_to_num(nan_quantile(t.end, 1 - _SHARE), nan=-1.0)[:-1]).astype(np.int64)
    p, p_cut = _find_p(flat, fs, beats, qrs, t_end)

    found = []
    for wave, absent in ((p, p_cut), (qrs, np.zeros(len(beats), bool)), (t, t_cut)):
        marks = np.stack([wave.onset, wave.peak, wave.end])  # (3, B, L)
        marks[:, absent] = np.nan
        _remove_missing(marks, missing, round(_AROUND * fs))
        found.append(marks[:, chunk.keep] + origin)
    return found[0], found[1], found[2]


def _find_t(flat: Floats, fs: float, beats: Ints, qrs: Complexes) -> tuple[Waves, NDArray[np.bool_]]:
    """Return the T waves, and which beats have none within the signal."""
    last = flat.shape[1] - 1
    usual = round(float(np.median(np.diff(beats))) if len(beats) > 1 else _USUAL * fs)
    following = np.append(qrs.first[1:], qrs.first[-1] + usual)
    start = qrs.last + round(_T_AFTER * fs)
    stop = np.minimum(beats + (_T_SHARE * (following - beats)).astype(np.int64), beats + round(_T_LAST * fs))
    stop = np.maximum(stop, start + round(0.02 * fs))
    outside = stop > last
    limit = np.minimum(following - round(_NEXT * fs), last)
    start = np.minimum(start, last - 1)
    search = (start, np.clip(stop, start + 1, last))
    waves = find_waves(flat, wave_response(flat, fs, T_WAVE), fs, search, (qrs.last, limit), T_WAVE)
    return waves, outside & (waves.centre >= last - round(T_WAVE.farthest * fs))


def _find_p(
    flat: Floats, fs: float, beats: Ints, qrs: Complexes, t_end: Ints
) -> tuple[Waves, NDArray[np.bool_]]:
    """Return what may be P waves, and which are none."""
    interval = np.append(round(_USUAL * fs), np.diff(beats))
    earliest = qrs.first - np.minimum(round(_P_FIRST * fs), (_P_SHARE * interval).astype(np.int64))
    start = np.maximum(earliest, np.minimum(t_end + round(0.02 * fs), qrs.first - round(0.1 * fs)))
    start = np.clip(start, 0, flat.shape[1] - 2)
    stop = np.maximum(qrs.first - round(_P_LAST * fs), start + 1)
    response = wave_response(flat, fs, P_WAVE)
    limit = np.maximum(np.maximum(t_end, 0), qrs.first - round((_P_FIRST + _BEYOND) * fs))
    waves = find_waves(flat, response, fs, (start, stop), (limit, np.maximum(qrs.first, 1)), P_WAVE)
    likely = p_likelihood(response, fs, waves.centre, waves.strength, qrs.first, t_end)
    cut = waves.centre < round(P_WAVE.farthest / 2 * fs)
    return waves, (likely < _LIKELY) | cut


def _remove_missing(marks: Floats, missing: NDArray[np.bool_], around: int) -> None:
    """Make NaN of the marks (3, beats, leads) of waves that lie outside the signal or touch missing samples."""
    n_samples = missing.shape[1]
    with np.errstate(invalid="ignore"):
        outside = (marks[0] < 0) | (marks[2] > n_samples - 1)
    count = np.concatenate([np.zeros((len(missing), 1), np.int64), np.cumsum(missing, axis=1)], axis=1)
    known = np.isfinite(marks).all(axis=0)
    first = np.clip(np.where(known, marks[0], 0).astype(np.int64) - around, 0, n_samples)
    stop = np.clip(np.where(known, marks[2], 0).astype(np.int64) + around + 1, 0, n_samples)
    lead = np.arange(len(missing))[np.newaxis]
    touched = count[lead, stop] > count[lead, first]
    marks[:, outside | touched | ~known] = np.nan


def _marks(marks: Floats) -> WaveMarks:
    onset, peak, end = marks
    over = (nan_quantile(onset, _SHARE), nan_quantile(peak, 0.5), nan_quantile(end, 1 - _SHARE))
    return WaveMarks(onset, peak, end, np.stack(over, axis=1))


def _fine_peaks(signal: Signal, fs: float, beats: Ints, qrs: WaveMarks) -> Floats:
    """Return the R peaks to a fraction of a sample, in the lead with the tallest complexes; else as they came."""
    if not len(beats):
        return np.empty(0)
    n_samples = signal.shape[1]
    spans = []
    for lead, (onset, peak) in enumerate(zip(qrs.onset.T, qrs.peak.T, strict=True)):
        known = np.isfinite(onset) & np.isfinite(peak)
        index = [np.clip(mark[known].astype(np.int64), 0, n_samples - 1) for mark in (onset, peak)]
        heights = np.abs(signal[lead, index[1]] - signal[lead, index[0]])
        spans.append(np.median(heights) * known.mean() if known.any() else -1.0)
    fine = refine_peaks(signal[int(np.argmax(spans))], beats, fs)
    return np.where(np.isfinite(fine), fine, beats)


def _checked(r_peaks: NDArray[np.integer], n_samples: int) -> Ints:
    beats = np.asarray(r_peaks)
    if beats.ndim != 1 or not np.isfinite(beats).all():
        raise ContractError("R peaks are samples, (beats,)", hint="pass sample numbers from 0")
    beats = np.rint(beats).astype(np.int64)
    if len(beats) and (beats[0] < 0 or beats[-1] >= n_samples or (np.diff(beats) <= 0).any()):
        raise ContractError(
            f"the R peaks are not in order within the {n_samples} samples",
            hint="sort them, and remove doubles",
        )
    return beats
