"""Whether two recordings agree on what their targets and channels are: means by reach target are compared."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from physiolect.datasets.preparing.targets import TRIAL, TRIAL_END
from physiolect.datasets.store.store import Store

Array = NDArray[np.float64]

_LEAST_TRIALS = 3
"""Trials of a reach target from which its mean is taken."""
_LEAST_TARGETS = 4
_CLEAR = 0.3
_FAIR = 0.5
_MOST_PERMUTED = 6


def disagreements(first: tuple[Store, Sequence[int]], second: tuple[Store, Sequence[int]]) -> list[str]:
    """Return sentences about targets that look exchanged or flipped, or channels that look shifted, between rows.

    For each reach target, of trials that both have, the mean of every channel in the second half of the trials is
    taken. Means of two recordings of one task agree, unless columns changed places.

    Args:
        first: a store and its rows, such as those that trained a model.
        second: another, of the same channels and targets by name.
    """
    means = [_means(store, rows) for store, rows in (first, second)]
    shared = sorted(set(means[0]) & set(means[1]))
    if len(shared) < _LEAST_TARGETS:
        return []
    names = first[0].targets
    n_inputs = len(first[0].contract.channels)
    a, b = (np.stack([each[name] for name in shared]) for each in means)  # (reach targets, channels)
    found = []
    if names and a.shape[1] == b.shape[1] == n_inputs + len(names) and len(names) <= _MOST_PERMUTED:
        found += _of_targets(a[:, n_inputs:], b[:, n_inputs:], names)
    tuned = _correlation((a - a.mean(0))[:, :n_inputs].ravel(), (b - b.mean(0))[:, :n_inputs].ravel())
    if n_inputs > 3 and tuned < _FAIR:
        moved = max(
            _correlation(
                (a - a.mean(0))[:, :n_inputs].ravel(), np.roll((b - b.mean(0))[:, :n_inputs], lag, 1).ravel()
            )
            for lag in range(1, n_inputs)
        )
        shifted = f", and at {moved:.2f} with the channels shifted" if moved > tuned + _CLEAR else ""
        found.append(
            f"what the channels say of each reach target agrees at r {tuned:.2f} only between the two recordings"
            f"{shifted}: are the channels those of the training data, in their order?"
        )
    return found


def _of_targets(a: Array, b: Array, names: Sequence[str]) -> list[str]:
    k = len(names)
    r = np.array([[_correlation(a[:, i], b[:, j]) for j in range(k)] for i in range(k)])
    best, order = max(
        (float(np.abs(r[np.arange(k), list(each)]).mean()), each) for each in permutations(range(k))
    )
    signs = np.where(r[np.arange(k), list(order)] < 0, -1, 1)
    named = float(np.diag(r).mean())
    if best < _FAIR or best - named < _CLEAR or (order == tuple(range(k)) and (signs > 0).all()):
        return []
    parts = [
        f"{names[i]} here is {'minus ' if sign < 0 else ''}{names[at]} there"
        for i, (at, sign) in enumerate(zip(order, signs.tolist(), strict=True))
        if at != i or sign < 0
    ]
    return [
        f"by reach target, the targets of the two recordings look exchanged or flipped: {', '.join(parts)}"
    ]


def _means(store: Store, rows: Sequence[int]) -> dict[str, Array]:
    """Return the mean of every channel and target in the second half of the trials, by reach target."""
    sums: dict[str, list[Array]] = {}
    for row in rows:
        marks = store.annotations(row)
        begun: tuple[int, str] | None = None
        samples = store.samples(row)
        scale, offset = store.scale(row)[:, None].astype(np.float64), store.offset(row)[:, None]
        for at, symbol, note in marks:
            if symbol == TRIAL:
                begun = (at, note)
            elif symbol == TRIAL_END and begun is not None and begun[1]:
                part = samples[:, (begun[0] + at) // 2 : at]
                if part.shape[1]:
                    sums.setdefault(begun[1], []).append((part * scale + offset).mean(1))
                begun = None
    return {name: np.mean(each, axis=0) for name, each in sums.items() if len(each) >= _LEAST_TRIALS}


def _correlation(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / size if size else 0.0
