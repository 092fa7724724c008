"""Whether what was found before a complex is a P wave."""

from __future__ import annotations

import numpy as np

from physiolect.signals.delineation.beat_windows import Floats, Ints, cut_windows

_HALF = 0.05  # seconds to either side of a wave's middle that are compared from beat to beat
_BEATS = 15  # neighbours, the beat itself included, over which constancy is judged
_MARGIN_T, _MARGIN_P = 0.06, 0.10  # seconds after T and before P that are not called quiet
_USUAL_OTHER = -0.8  # where there is no stretch between T and P
_INTERCEPT = -0.61
_WEIGHTS = (1.31, 0.82, -4.78, 0.24, -1.41)


def p_likelihood(
    response: Floats, fs: float, centre: Ints, strength: Floats, onset: Ints, t_end: Ints
) -> Floats:
    """Return how likely there is a P wave before each complex, (beats,), from 0 to 1.

    A logistic regression on how strong the wave is (log), how much it looks like those before neighbouring beats, how
    much the PR interval varies, the usual strength (log), and how strong other waves between T and P usually are (log
    of their share). It was fitted to LUDB 1 to 80. In atrial fibrillation a wave is found before every complex, but
    another one each time.

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
    half = round(_HALF * fs)
    window = cut_windows(response, centre, half, half).reshape(n, -1)  # (beats, leads x window)
    window = window / np.maximum(np.linalg.norm(window, axis=1, keepdims=True), 1e-9)
    interval = (onset - centre) / fs
    common = np.sqrt(np.square(response).mean(axis=0))
    other = _other_waves(common, fs, centre, strength, t_end)
    rows = []
    for beat in range(n):
        first = int(np.clip(beat - _BEATS // 2, 0, max(0, n - _BEATS)))
        near = np.arange(first, min(first + _BEATS, n))
        alike = window[near[near != beat]] @ window[beat]
        known = other[near][np.isfinite(other[near])]
        rows.append(
            (
                loud[beat],
                np.median(alike) if len(alike) > 1 else 0.5,
                np.std(interval[near]) * 10,
                np.median(loud[near]),
                np.median(known) if len(known) else _USUAL_OTHER,
            )
        )
    score = np.array(rows) @ np.array(_WEIGHTS) + _INTERCEPT
    return 1 / (1 + np.exp(-score))


def _other_waves(common: Floats, fs: float, centre: Ints, strength: Floats, t_end: Ints) -> Floats:
    """Return the log of the strongest response between T and P over that of P, (beats,); NaN without such a stretch."""
    found = np.full(len(centre), np.nan)
    begin, stop = t_end + round(_MARGIN_T * fs), centre - round(_MARGIN_P * fs)
    for beat in np.flatnonzero((t_end >= 0) & (stop - begin > 0.03 * fs)):
        highest = common[begin[beat] : stop[beat]].max()
        found[beat] = np.log(max(highest / max(strength[beat], 1e-3), 0.2))
    return found
