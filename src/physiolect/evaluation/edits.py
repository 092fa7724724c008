"""How far a sequence of symbols is from the right one: insertions, deletions and substitutions apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Edits:
    """The fewest edits that make one sequence of another, or the sums over many."""

    insertions: int = 0
    """Symbols that were found and are not there."""
    deletions: int = 0
    """Symbols that are there and were not found."""
    substitutions: int = 0
    """Symbols found in the place of others."""
    length: int = 0
    """Symbols that are there."""

    def __add__(self, other: Edits) -> Edits:
        return Edits(
            self.insertions + other.insertions,
            self.deletions + other.deletions,
            self.substitutions + other.substitutions,
            self.length + other.length,
        )

    @classmethod
    def of_all(cls, every: Iterable[Edits]) -> Self:
        """Return the sums over many."""
        total = Edits()
        for each in every:
            total = total + each
        return cls(total.insertions, total.deletions, total.substitutions, total.length)

    @property
    def errors(self) -> int:
        """Edits of all three kinds."""
        return self.insertions + self.deletions + self.substitutions

    @property
    def rate(self) -> float:
        """Errors per symbol that is there; NaN where there is no symbol and nothing was found."""
        return self.errors / self.length if self.length else float("nan")

    def __str__(self) -> str:
        return (
            f"{self.rate:.1%} ({self.insertions} insertions, {self.deletions} deletions, {self.substitutions} "
            f"substitutions; {self.length} symbols)"
        )


def count_edits(truth: Sequence[object], found: Sequence[object]) -> Edits:
    """Return the fewest edits between two sequences, with as few substitutions as the fewest edits allow.

    Source: Wagner and Fischer 1974.
    """
    n = len(truth)
    # (errors, substitutions, insertions, deletions) of the shortest way to each prefix of the truth
    row = [(i, 0, 0, i) for i in range(n + 1)]
    for symbol in found:
        fresh = [(row[0][0] + 1, 0, row[0][2] + 1, 0)]
        for i, own in enumerate(truth):
            wrong = int(own != symbol)
            e, s, a, d = row[i]
            kept = (e + wrong, s + wrong, a, d)
            e, s, a, d = row[i + 1]
            added = (e + 1, s, a + 1, d)
            e, s, a, d = fresh[i]
            left_out = (e + 1, s, a, d + 1)
            fresh.append(min(kept, added, left_out))
        row = fresh
    _, substitutions, insertions, deletions = row[n]
    return Edits(insertions, deletions, substitutions, n)


def rate_interval(
    every: Sequence[Edits], groups: Sequence[object] | None = None, *, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of the error rate, by drawing groups with replacement.

    Args:
        every: edits of each sequence.
        groups: whose each sequence is, such as its block or patient; None draws sequences.
        draws: how many times.
        seed: of the draws.
    """
    names = list(range(len(every))) if groups is None else list(groups)
    _, own = np.unique(np.array([str(name) for name in names]), return_inverse=True)
    errors = np.bincount(own, [each.errors for each in every])
    lengths = np.bincount(own, [each.length for each in every])
    drawn = np.random.default_rng(seed).integers(0, len(errors), (draws, len(errors)))
    rates = errors[drawn].sum(1) / np.maximum(lengths[drawn].sum(1), 1)
    low, high = np.percentile(rates, (2.5, 97.5)).tolist()
    return low, high
