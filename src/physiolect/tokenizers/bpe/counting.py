"""Counting a whole sequence, and what its counts prove about the merges to come."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physiolect.tokenizers.bpe.sequence import BARRIER

_LOOKED_AT = 4096
"""Pairs that `next_merges` looks at; it stops long before."""


@dataclass(frozen=True, eq=False)
class Counts:
    """The frequent pairs of a sequence in the order in which they would be merged: count, then lowest ids."""

    keys: NDArray[np.int64]
    """left << 16 | right, (pairs,)."""
    counts: NDArray[np.int64]
    """How often each stands in the sequence, (pairs,)."""
    floor: int
    """Every pair with at least so many occurrences is here; the most frequent one is here even if it has fewer."""


def count_sequence(
    blocks: Callable[[], Iterable[NDArray[np.uint16]]],
    n_ids: int,
    *,
    at_least: int,
    most: int,
    table_bytes: int,
) -> Counts:
    """Count all pairs of a sequence.

    Args:
        blocks: returns the sequence piece by piece; called once for each part of the table that fits.
        n_ids: ids lie below it.
        at_least: rarer pairs are left out.
        most: no more pairs are kept than these; the floor rises until they suffice.
        table_bytes: size of the table of counts.
    """
    from physiolect.tokenizers.bpe.passes import count_pairs

    rows = max(1, min(n_ids, table_bytes // (8 * n_ids)))
    keys, counts, floor = np.empty(0, np.int64), np.empty(0, np.int64), at_least
    top = (0, 0)  # the largest count, and minus the lowest key that has it
    for first in range(0, n_ids, rows):
        table = np.zeros((min(rows, n_ids - first), n_ids), np.int64)
        previous = BARRIER
        for block in blocks():
            count_pairs(block, previous, first, table)
            previous = int(block[-1])
        flat = table.reshape(-1)
        best = int(flat.argmax())
        top = max(top, (int(flat[best]), -(((first + best // n_ids) << 16) | (best % n_ids))))
        found = np.flatnonzero(flat >= floor)
        keys = np.concatenate([keys, ((first + found // n_ids) << 16) | (found % n_ids)])
        counts = np.concatenate([counts, flat[found]])
        if len(keys) > most:
            floor = int(np.partition(counts, -most - 1)[-most - 1]) + 1
            keys, counts = keys[counts >= floor], counts[counts >= floor]
    if not len(keys) and top[0] >= at_least:
        keys, counts = np.array([-top[1]]), np.array([top[0]])
    order = np.lexsort((keys, -counts))
    return Counts(keys[order], counts[order], floor)


def next_merges(known: Counts, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return as many of the next merges as the counts prove, at least one.

    Merging a, b to c takes occurrences from pairs that begin with b or end with a, and from no others: their counts
    are known no longer, save that they have not grown. Pairs with c did not exist; none occurs more often than the
    pair x, a or b, y that it came from. So the next in order is sure as long as its own count still stands and
    exceeds all that a new pair, or one not listed, could have.

    Returns:
        pairs (merges, 2) and their counts (merges,).
    """
    keys, counts = known.keys[:_LOOKED_AT], known.counts[:_LOOKED_AT]
    lefts, rights = keys >> 16, keys & 0xFFFF
    unknown = int(known.counts[_LOOKED_AT]) if len(known.keys) > _LOOKED_AT else known.floor - 1
    begins, ends = set[int](), set[int]()  # ids with which a pair whose count is in doubt begins, or ends
    n = 0
    for left, right, count in zip(lefts.tolist(), rights.tolist(), counts.tolist(), strict=True):
        if n and (left in begins or right in ends or count <= unknown):
            break
        n += 1
        if n == most:
            break
        begins.add(right)
        ends.add(left)
        others = ((rights == left) | (lefts == right)) & (keys != (left << 16 | right))
        neighbours = int(counts[others].max(initial=0))
        if left == right:
            neighbours = max(neighbours, count // 2)  # c, c and c, a out of a run of a
        unknown = max(unknown, min(count, neighbours))
    return np.stack([lefts[:n], rights[:n]], axis=1), counts[:n]
