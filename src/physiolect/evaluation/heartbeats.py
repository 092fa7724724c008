"""How well heartbeats are sorted into classes: sensitivity and predictive value of each class, by record.

Macro figures are means over the classes of rhythm and origin, N, S, V and F. Q (paced or unknown) stands apart: it is
a handful of beats where paced records are left out. Source: ANSI/AAMI EC57; de Chazal et al. 2004.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from physiolect.evaluation.bootstrap import Bootstrap, Estimate
from physiolect.evaluation.measures import Measured

APART = "Q"
"""Class that macro figures leave out."""


def measure_heartbeats(
    truth: NDArray[np.integer],
    decided: NDArray[np.integer],
    classes: Sequence[str],
    draws: Bootstrap,
    *,
    counted: NDArray[np.bool_] | None = None,
) -> Measured:
    """Measure decisions about beats.

    Args:
        truth: (n,) number of the class of each beat.
        decided: (n,) number of the class that was decided for.
        classes: their names.
        draws: of the beats' patients.
        counted: (n,) beats to count; None counts all.

    Returns:
        overall "accuracy", and "macro sensitivity", "macro ppv" and "macro f1" over all classes but Q; of each class
        "sensitivity", "ppv" and "f1". What has no beat, or no decision, is not defined.
    """
    K = len(classes)
    cells = (truth * K + decided)[:, None] == np.arange(K * K)  # (n, K K)
    if counted is not None:
        cells &= counted[:, None]
    matrix = draws.sums(cells).reshape(-1, K, K)  # (1 + resamples, truth, decided)
    right = matrix[:, np.arange(K), np.arange(K)]
    there, called = matrix.sum(2), matrix.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = {
            "sensitivity": right / there,
            "ppv": right / called,
            "f1": np.where(there > 0, 2 * right / (there + called), np.nan),
        }
        accuracy = right.sum(1) / there.sum(1)
    per_class: dict[str, dict[str, Estimate]] = {
        name: {rate: draws.estimate(values[:, k]) for rate, values in rates.items()}
        for k, name in enumerate(classes)
    }
    kept = [k for k, name in enumerate(classes) if name != APART]
    overall = {f"macro {rate}": draws.estimate(values[:, kept].mean(1)) for rate, values in rates.items()}
    return Measured({"accuracy": draws.estimate(accuracy), **overall}, per_class)


def confusion(truth: NDArray[np.integer], decided: NDArray[np.integer], n: int) -> NDArray[np.int64]:
    """Return how many beats of each class were decided to be of each, (n, n): truth, decision."""
    return np.bincount(truth * n + decided, minlength=n * n).reshape(n, n)
