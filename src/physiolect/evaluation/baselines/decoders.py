"""What a decoder has to beat: the value before, ridge regression on some bins, and a Kalman filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_ALPHAS = tuple(10.0**power for power in range(-1, 6))
_HELD_OUT = 0.15
"""Last share of the training steps that chooses the ridge."""
RIDGE_BINS = (1, 10, 20)
"""Bins of the ridge regressions: the present one and those before."""


@dataclass(frozen=True)
class Trials:
    """Stretches that baselines learn from, or are tested on: standardised channels and targets."""

    signals: Sequence[Array]
    """(T, C) each."""
    targets: Sequence[Array]
    """(T, K) each."""


def last_value(test: Trials) -> Array:
    """Return the true value one step before, of all test steps (n, K): how smooth the targets are."""
    return np.concatenate([np.concatenate([y[:1], y[:-1]]) for y in test.targets])


def ridge(train: Trials, test: Trials, bins: int) -> tuple[Array, float]:
    """Return what ridge regression on the last bins predicts of all test steps (n, K), and its penalty.

    The penalty is chosen on the last 15 % of the training steps, and the regression then fitted to all of them.
    """
    x = np.concatenate([_lagged(signal, bins) for signal in train.signals])
    y = np.concatenate(train.targets)
    kept = int(len(x) * (1 - _HELD_OUT))
    errors = {}
    values, vectors, product, offset = _decomposed(x[:kept], y[:kept])
    for alpha in _ALPHAS:
        weights = vectors @ (product / (values + alpha)[:, None])
        held = (x[kept:] - offset[0]) @ weights + offset[1]
        errors[alpha] = float(((held - y[kept:]) ** 2).sum())
    alpha = min(errors, key=errors.__getitem__)
    values, vectors, product, offset = _decomposed(x, y)
    weights = vectors @ (product / (values + alpha)[:, None])
    found = [(_lagged(signal, bins) - offset[0]) @ weights + offset[1] for signal in test.signals]
    return np.concatenate(found), alpha


def kalman(train: Trials, test: Trials) -> Array:
    """Return what a Kalman filter decodes at all test steps (n, K); its state is the targets and their differences.

    Source: Wu et al. 2006, Bayesian population decoding of motor cortical activity using a Kalman filter.
    """
    states = [_state(y) for y in train.targets]
    before = np.concatenate([each[:-1] for each in states])
    after = np.concatenate([each[1:] for each in states])
    x, z = np.concatenate(states), np.concatenate(train.signals)
    moves = np.linalg.lstsq(before, after, rcond=None)[0].T
    process = np.cov((after - before @ moves.T).T)
    seen = np.linalg.lstsq(x, z, rcond=None)[0].T  # (C, S)
    noise = np.cov((z - x @ seen.T).T) + 1e-3 * np.eye(z.shape[1])
    precision = np.linalg.solve(noise, seen)  # (C, S)
    information = seen.T @ precision
    found = []
    for signal in test.signals:
        state, spread = x.mean(0), np.cov(x.T)
        for step in signal:
            state = moves @ state
            spread = moves @ spread @ moves.T + process
            spread = np.linalg.inv(np.linalg.inv(spread) + information)
            state = state + spread @ (precision.T @ (step - seen @ state))
            found.append(state[: train.targets[0].shape[1]])
    return np.array(found)


def _state(y: Array) -> Array:
    """Return targets, their differences and a constant, (T, 2 K + 1)."""
    return np.column_stack([y, np.diff(y, axis=0, prepend=y[:1]), np.ones(len(y))])


def _lagged(x: Array, bins: int) -> Array:
    """Return each step with those before it, (T, C bins); before the first there is nothing."""
    padded = np.concatenate([np.zeros((bins - 1, x.shape[1])), x])
    return np.concatenate([padded[lag : lag + len(x)] for lag in range(bins)], 1)


def _decomposed(x: Array, y: Array) -> tuple[Array, Array, Array, tuple[Array, Array]]:
    """Return eigenvalues and vectors of x'x, x'y in their coordinates, and the means."""
    offset = x.mean(0), y.mean(0)
    x, y = x - offset[0], y - offset[1]
    values, vectors = np.linalg.eigh(x.T @ x)
    return values.clip(0), vectors, vectors.T @ (x.T @ y), offset
