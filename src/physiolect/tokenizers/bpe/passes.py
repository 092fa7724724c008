"""Passes over a stretch of a sequence in which each token takes one place: counting, merging, closing ranks."""

from __future__ import annotations

from typing import Any

import numpy as np

from physiolect.signals.compiled import compiled
from physiolect.tokenizers.bpe.sequence import BARRIER


@compiled
def count_pairs(tokens: Any, previous: int, first_left: int, counts: Any) -> None:
    """Add to `counts` how often each pair stands in a stretch, for the left ids of its rows.

    Args:
        tokens: the stretch (n,).
        previous: the token before it, or BARRIER.
        first_left: left id of the first row.
        counts: (rows, ids).
    """
    rows = len(counts)
    left = np.int64(previous)
    for place in range(len(tokens)):
        right = np.int64(tokens[place])
        row = left - first_left
        if 0 <= row < rows and left != BARRIER and right != BARRIER:
            counts[row, right] += 1
        left = right


@compiled
def merge_stretch(tokens: Any, left: int, right: int, new: int) -> int:
    """Merge one pair in a stretch, from left to right and in place; return how many tokens are left."""
    n, kept, place = len(tokens), 0, 0
    while place < n:
        token = tokens[place]
        if token == left and place + 1 < n and tokens[place + 1] == right:
            token = np.uint16(new)
            place += 1
        tokens[kept] = token
        kept += 1
        place += 1
    return kept


@compiled
def close_ranks(tokens: Any, width: Any) -> int:
    """Let tokens that cover `width` (ids,) places each take one again, in place; return how many are left."""
    n, kept, place = len(tokens), 0, 0
    while place < n:
        token = tokens[place]
        tokens[kept] = token
        kept += 1
        place += 1 if token == BARRIER else width[token]
    return kept
