"""Targets that look exchanged or flipped: which true column each decoded one goes with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

_CLEAR = 0.3
"""By so much must the mean correlation be better for another order or sign to be worth a word."""
_FAIR = 0.5
"""Mean correlation that the other order or sign must have."""
_MOST = 6
"""Targets up to which all orders are tried."""


@dataclass(frozen=True)
class Match:
    """How decoded targets go best with true ones."""

    order: tuple[int, ...]
    """For each decoded target, the number of the true column that goes with it."""
    signs: tuple[int, ...]
    """1, or -1 where it goes with the opposite."""
    r_named: float
    """Mean correlation by name."""
    r_best: float
    """Mean correlation in this order and with these signs."""
    names: tuple[str, ...]

    @property
    def is_by_name(self) -> bool:
        """Whether the names are right, as far as one can tell."""
        changed = self.order != tuple(range(len(self.order))) or -1 in self.signs
        return not (changed and self.r_best >= _FAIR and self.r_best - self.r_named >= _CLEAR)

    def apply(self, truth: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return true targets (T, K) in the order and with the signs of the decoded ones."""
        return truth[:, list(self.order)] * np.array(self.signs)

    def __str__(self) -> str:
        parts = [
            f"decoded {name} goes with {'minus ' if sign < 0 else ''}{self.names[at]}"
            for name, at, sign in zip(self.names, self.order, self.signs, strict=True)
            if self.names[at] != name or sign < 0
        ]
        kinds = [
            word
            for word, there in (
                ("exchanged", self.order != tuple(range(len(self.order)))),
                ("flipped", -1 in self.signs),
            )
            if there
        ]
        return (
            f"the targets look {' and '.join(kinds)} against those of the training data: {', '.join(parts)} "
            f"(mean r {self.r_best:.2f}, and by name {self.r_named:.2f})"
        )


def match_targets(
    decoded: NDArray[np.floating], truth: NDArray[np.floating], names: Sequence[str]
) -> Match | None:
    """Return how decoded targets (T, K) go best with true ones (T, K); None where too few steps are finite.

    A model that decodes one of them well, and another just as well when columns change places, was trained on columns
    in another order: recordings of two days may name them differently.
    """
    there = np.isfinite(decoded).all(1) & np.isfinite(truth).all(1)
    k = decoded.shape[1]
    if there.sum() < 20 or k > _MOST:
        return None
    a, b = (
        each[there] - each[there].mean(0) for each in (decoded.astype(np.float64), truth.astype(np.float64))
    )
    size = np.sqrt(np.outer((a**2).sum(0), (b**2).sum(0)))
    r = np.divide(a.T @ b, size, out=np.zeros_like(size), where=size > 0)  # (decoded, true)
    here = np.arange(k)
    best, order = max((float(np.abs(r[here, list(each)]).mean()), each) for each in permutations(range(k)))
    signs = tuple(int(sign) for sign in np.where(r[here, list(order)] < 0, -1, 1))
    return Match(tuple(order), signs, float(np.diag(r).mean()), best, tuple(names))
