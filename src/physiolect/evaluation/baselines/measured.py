"""Baselines on what is measured in an ECG: boosting on its measurements, and voltages that speak of hypertrophy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.datasets import Examples
from physiolect.errors import ContractError
from physiolect.evaluation.baselines.out_of_fold import Predictions
from physiolect.evaluation.protocol import Fold
from physiolect.recording import LEADS, canonical_channel
from physiolect.signals.delineation import VOLTAGES, Measurements, delineate, measure
from physiolect.tasks import Kind

_OF_ALL = ("n_beats", "rate", "pr", "qrs", "qt", "qtc_bazett", "qtc_fridericia", "axis", "p_share")
_OF_RHYTHM = ("rr_sd", "rr_rmssd", "rr_shortest", "rr_longest")
SOKOLOW, CORNELL = "Sokolow-Lyon voltage", "Cornell voltage"
MEASURED = (
    *_OF_ALL,
    *_OF_RHYTHM,
    SOKOLOW,
    CORNELL,
    *(f"{wave} in {lead}" for lead in LEADS for wave in VOLTAGES),
)
"""Features in the order of their columns. RR intervals are in shares of their mean; voltages are against the level
before QRS, in the unit of the windows."""


def measured_features(
    examples: Examples, *, on_window: Callable[[int, int], None] | None = None
) -> NDArray[np.float64]:
    """Return what is measured in each window of the twelve standard leads, (n, len(MEASURED)).

    A window that cannot be measured has NaN throughout; a lead that is missing has NaN voltages.

    Args:
        examples: windows of ECG leads with standard names.
        on_window: called with the windows done so far and the number of all.
    """
    fs = examples.store.contract.fs
    found = np.full((len(examples), len(MEASURED)), np.nan)
    for i in range(len(examples)):
        leads = tuple(map(canonical_channel, examples.channel_names(i)))
        signal = examples.windows([i])[0]
        found[i] = measured_in(np.atleast_2d(signal), fs, leads)
        if on_window is not None:
            on_window(i + 1, len(examples))
    return found


def measured_in(signal: NDArray[np.float32], fs: float, leads: Sequence[str]) -> NDArray[np.float64]:
    """Return the features of one ECG, (len(MEASURED),).

    Args:
        signal: (leads, time).
        fs: sampling rate in Hz.
        leads: a standard name each.
    """
    try:
        waves = delineate(signal, fs)
        values = measure(signal, fs, leads, waves=waves)
    except ContractError:  # too short, or too slow
        return np.full(len(MEASURED), np.nan)
    voltages = np.full((len(LEADS), len(VOLTAGES)), np.nan)
    for lead, row in zip(values.leads, values.voltages, strict=True):
        if lead in LEADS:
            voltages[LEADS.index(lead)] = row
    whole = [float(getattr(values, name)) for name in _OF_ALL]
    criteria = (sokolow_lyon(values), cornell(values))
    return np.array([*whole, *_rhythm(waves.r_peaks / fs), *criteria, *voltages.ravel()], np.float64)


def sokolow_lyon(values: Measurements) -> float:
    """Return the depth of S in V1 and the larger R of V5 and V6 together; 3.5 mV speaks of hypertrophy.

    Where one of V5 and V6 is not measured, it is the other's; where both are not, or V1 is not, it is NaN.

    Source: Sokolow and Lyon, Am Heart J 37:161, 1949.
    """
    lateral = float(np.fmax(_voltage(values, "V5", "R"), _voltage(values, "V6", "R")))
    return lateral - _voltage(values, "V1", "S")


def cornell(values: Measurements) -> float:
    """Return R in aVL and the depth of S in V3 together; 2.8 mV in men and 2.0 mV in women speak of hypertrophy.

    Source: Casale et al., J Am Coll Cardiol 6:572, 1985.
    """
    return _voltage(values, "aVL", "R") - _voltage(values, "V3", "S")


def boosting(
    features: NDArray[np.floating],
    target: ArrayLike,
    folds: Sequence[Fold],
    *,
    kind: Kind = "several",
    seed: int = 0,
    on_fit: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Predict each class by gradient boosting, out of fold; its settings are fixed, and chosen on no data.

    Args:
        features: (n, features); NaN means that there was nothing to measure.
        target: (n, classes) or (n,), 0 or 1.
        folds: training and test windows.
        kind: "one-of" makes the probabilities of a window's classes sum to 1.
        seed: of the trees.
        on_fit: called with the fits done so far and the number of all.
    """
    t = np.asarray(target, np.float64)
    columns = t.reshape(len(t), -1)
    score = np.full(columns.shape, np.nan)
    done = 0
    for fold in folds:
        for k, column in enumerate(columns.T):
            truth = column[fold.train]
            score[fold.test, k] = truth[0] if len(truth) else 0.0
            if len(np.unique(truth)) > 1:
                model = _trees(seed).fit(features[fold.train], truth)
                score[fold.test, k] = model.predict_proba(features[fold.test])[:, 1]
            done += 1
            if on_fit is not None:
                on_fit(done, len(folds) * columns.shape[1])
    if kind == "one-of":
        score /= np.maximum(score.sum(1, keepdims=True), 1e-12)
    return Predictions(score.reshape(t.shape), note="gradient boosting on measurements, trained out of fold")


def _trees(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=150, max_leaf_nodes=8, min_samples_leaf=10, early_stopping=False,
        random_state=seed,
    )  # fmt: skip


def _rhythm(beats: NDArray[np.floating]) -> tuple[float, ...]:
    """Return how RR intervals vary, in shares of their mean, given the times of beats in seconds."""
    rr = np.diff(beats)
    if len(rr) < 2:
        return (float("nan"),) * len(_OF_RHYTHM)
    mean = float(rr.mean())
    differences = float(np.sqrt(np.mean(np.diff(rr) ** 2)))
    return (float(rr.std()) / mean, differences / mean, float(rr.min()) / mean, float(rr.max()) / mean)


def _voltage(values: Measurements, lead: str, wave: str) -> float:
    if lead not in values.leads:
        return float("nan")
    return float(values.voltages[values.leads.index(lead), VOLTAGES.index(wave)])
