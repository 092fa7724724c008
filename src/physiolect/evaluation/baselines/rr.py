"""Features of the intervals between beats: the entropy of a published rule, and those of a regression."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.datasets import Examples
from physiolect.evaluation.baselines.detectors import find_pulses

FEATURES = ("mean", "sd", "rmssd", "nrmssd", "pnn50", "range", "turning", "cosen", "count")
"""Of a window's intervals in seconds: mean, standard deviation, root mean square of successive differences, that over
the mean, share of differences above 50 ms, range, share of turning points, coefficient of sample entropy, and how
many."""

LEAST = 3
"""Intervals that are needed for any feature."""


def cosen(intervals: ArrayLike) -> float:
    """Return the coefficient of sample entropy of intervals in seconds; NaN with fewer than `LEAST`.

    Sample entropy for templates of one interval, whose tolerance grows until five templates match, made independent
    of tolerance and rate: ln(2 r) - ln(A / B) - ln(mean). Higher is more irregular.

    Source: Lake and Moorman, Am. J. Physiol. Heart Circ. Physiol. 300:H319, 2011, written from its description.
    """
    x = np.asarray(intervals, np.float64)
    if len(x) < LEAST:
        return float("nan")
    first, second = np.triu_indices(len(x) - 1, 1)
    one = np.abs(x[first] - x[second])  # distances of templates that have a next interval
    two = np.maximum(one, np.abs(x[first + 1] - x[second + 1]))
    needed = min(5, len(two))
    r = max(0.03, float(np.partition(two, needed - 1)[needed - 1]))
    a, b = int((two <= r).sum()), int((one <= r).sum())
    return float(np.log(2 * r) - np.log(a / b) - np.log(x.mean()))


def rr_features(beats: ArrayLike) -> NDArray[np.float64]:
    """Return `FEATURES` of one window's beats, moments in seconds; NaN where there are too few."""
    x = np.diff(np.sort(np.asarray(beats, np.float64)))
    if len(x) < LEAST:
        return np.array([*[np.nan] * (len(FEATURES) - 1), len(x)])
    d = np.diff(x)
    rmssd = float(np.sqrt((d**2).mean()))
    turning = float((d[1:] * d[:-1] < 0).mean())
    return np.array(
        [x.mean(), x.std(), rmssd, rmssd / x.mean(), (np.abs(d) > 0.05).mean(), np.ptp(x), turning, cosen(x), len(x)]
    )  # fmt: skip


def window_beats(
    examples: Examples, detector: str, *, on_row: Callable[[int, int], None] | None = None
) -> list[NDArray[np.float64]]:
    """Return the beats of each window in seconds from its start, as a library finds them in the signal.

    The whole row is searched once, since detectors adapt as they go, and each window gets the beats that lie in it.
    Marks of beats in the store are not used: a model has no marks either.

    Args:
        examples: windows of a store; of several channels, the first is searched.
        detector: see `find_pulses`.
        on_row: called with the rows searched so far and the number of all.
    """
    store, fs = examples.store, examples.store.contract.fs
    places = sorted({(row, channels[0]) for row, channels, _ in examples.places})
    beats = {}
    for done, (row, channel) in enumerate(places):
        beats[row, channel] = find_pulses(store.recording(row).signal[channel], fs, detector)
        if on_row is not None:
            on_row(done + 1, len(places))
    found: list[NDArray[np.float64]] = []
    for row, channels, start in examples.places:
        at = beats[row, channels[0]]
        first, last = np.searchsorted(at, (start, start + examples.length))
        found.append((at[first:last] - start) / fs)
    return found


def all_features(beats: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the features of every window, (n, FEATURES)."""
    return np.stack([rr_features(each) for each in beats])
