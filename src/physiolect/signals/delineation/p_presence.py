"""Whether what was found before a complex is a P wave."""

from __future__ import annotations

import numpy as np

from physiolect.signals.delineation.beat_windows import Floats, Ints

_BEATS = 15  # neighbours, the beat itself included, over which a rhythm is judged
_MARGIN_T, _MARGIN_P = 0.06, 0.10  # seconds after T and before P that are not between them
_USUAL_OTHER = -0.8  # where there is no stretch between T and P
_USUAL_CHANGE, _MOST_CHANGE = 0.05, 0.3  # shares of RR: of too few beats, and the most that counts
_INTERCEPT = 1.636
_WEIGHTS = (0.593, -39.35, -1.618, -22.59)


def p_likelihood(
    response: Floats, fs: float, centre: Ints, strength: Floats, onset: Ints, t_end: Ints
) -> Floats:
    """Return how likely there is a P wave before each complex, (beats,), from 0 to 1.

    In atrial fibrillation a wave is found before every complex too, but at another distance each time, among others as
    strong, and the rhythm is irregular. A logistic regression on these was fitted to LUDB 1 to 80: to twelve leads, to
    I and to II alone, and to II with V1. Cross-validation by record within them chose its terms: how strong the wave is
    (log); and of the beat and its neighbours, the deviation of the PR interval in seconds, the strength of other waves
    between T and P (log of their share), and the median change from one RR interval to the next (share of RR).

    Args:
        response: (leads, time), of `wave_response`.
        fs: in Hz.
        centre: (beats,) middle of the likely P wave.
        strength: (beats,) response there over leads.
        onset: (beats,) of the complex.
        t_end: (beats,) end of the T wave before; below 0 where there is none.
    """
    n = len(centre)
    loud = np.log(np.maximum(strength, 1e-3))
    pr, rr = (onset - centre) / fs, np.diff(onset) / fs
    other = _other_waves(np.sqrt(np.square(response).mean(axis=0)), fs, centre, strength, t_end)
    terms = np.empty((n, len(_WEIGHTS)))
    for beat in range(n):
        first = int(np.clip(beat - _BEATS // 2, 0, max(0, n - _BEATS)))
        last = min(first + _BEATS, n) - 1
        known = other[first : last + 1]
        known = known[np.isfinite(known)]
        usual = np.median(known) if len(known) else _USUAL_OTHER
        terms[beat] = loud[beat], np.std(pr[first : last + 1]), usual, _irregularity(rr[first:last])
    return np.asarray(1 / (1 + np.exp(-(terms @ np.array(_WEIGHTS) + _INTERCEPT))))


def _irregularity(rr: Floats) -> float:
    """Return the median change from one interval to the next as a share of the median interval."""
    if len(rr) < 3:
        return _USUAL_CHANGE
    return min(float(np.median(np.abs(np.diff(rr))) / np.median(rr)), _MOST_CHANGE)


def _other_waves(common: Floats, fs: float, centre: Ints, strength: Floats, t_end: Ints) -> Floats:
    """Return the log of the strongest response between T and P over that of P, (beats,); NaN without such a stretch."""
    found = np.full(len(centre), np.nan)
    begin, stop = t_end + round(_MARGIN_T * fs), centre - round(_MARGIN_P * fs)
    for beat in np.flatnonzero((t_end >= 0) & (stop - begin > 0.03 * fs)):
        highest = common[begin[beat] : stop[beat]].max()
        found[beat] = np.log(max(highest / max(strength[beat], 1e-3), 0.2))
    return found
