"""Measures of decoded targets: R² and correlation of each, with intervals by blocks of time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import PhysiolectError
from physiolect.evaluation.bootstrap import Bootstrap, Estimate
from physiolect.evaluation.measures import Measured

BLOCK_S = 20.0
"""Seconds of a block of time that is drawn as a whole: steps within it depend on one another."""


def time_blocks(lengths: Sequence[int], fs: float) -> NDArray[np.int64]:
    """Return the number of the block of each step of some stretches, laid end to end, (n,)."""
    size, found, first = max(1, round(BLOCK_S * fs)), [], 0
    for length in lengths:
        blocks = np.arange(length) // size
        if length > size and length % size:  # what is left at the end joins the block before
            blocks = np.minimum(blocks, length // size - 1)
        found.append(first + blocks)
        first = int(found[-1][-1]) + 1
    return np.concatenate(found)


def measure_targets(
    decoded: NDArray[np.floating],
    truth: NDArray[np.floating],
    draws: Bootstrap,
    names: Sequence[str],
    *,
    note: str = "",
) -> Measured:
    """Measure decoded targets; each step counts once.

    Args:
        decoded: (n, K).
        truth: (n, K).
        draws: of the steps' blocks.
        names: of the targets.
        note: how they were decoded.

    Raises:
        PhysiolectError: the shapes differ, or a number is not finite.
    """
    a, b = np.asarray(decoded, np.float64), np.asarray(truth, np.float64)
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] != len(names):
        raise PhysiolectError(
            f"decoded targets are {a.shape}, and true ones {b.shape}, of {len(names)} names",
            hint="give one decoded number for each true one",
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise PhysiolectError(
            "a decoded or true target is not finite", hint="leave steps without a target out"
        )
    centre = b.mean(0)
    a, b = a - centre, b - centre  # so that sums of squares lose no digits
    sums = draws.sums(np.concatenate([np.ones((len(a), 1)), a, b, a * a, b * b, a * b, (a - b) ** 2], 1))
    n, k = sums[:, :1], len(names)
    sa, sb, saa, sbb, sab, error = (sums[:, 1 + i * k : 1 + (i + 1) * k] for i in range(6))
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = sbb - sb**2 / n
        r2 = 1 - error / spread  # (1 + resamples, K)
        r = (sab - sa * sb / n) / np.sqrt((saa - sa**2 / n) * spread)
    found: dict[str, dict[str, Estimate]] = {
        name: {"r2": draws.estimate(r2[:, i]), "r": draws.estimate(r[:, i])} for i, name in enumerate(names)
    }
    overall = {"r2": draws.estimate(r2.mean(1)), "r": draws.estimate(r.mean(1))}
    return Measured(overall, found if k > 1 else {}, note)
