"""How words lie in memory and on disk while pairs are merged: one sequence of uint16 ids with barriers between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

BARRIER = 0xFFFF
"""Nothing is merged across it; never a token's id."""


def sequence_of(words: Iterable[NDArray[Any]], *, joined: bool) -> Iterator[NDArray[np.uint16]]:
    """Yield words as pieces of one sequence: barriers at both ends and, unless joined, between words.

    Args:
        words: (words, length) each, one word a row.
        joined: let pairs cross from word to word.
    """
    barrier = np.full(1, BARRIER, np.uint16)
    yield barrier
    for rows in words:
        if joined:
            yield rows.reshape(-1).astype(np.uint16)
        else:
            piece = np.full((rows.shape[0], rows.shape[1] + 1), BARRIER, np.uint16)
            piece[:, :-1] = rows
            yield piece.reshape(-1)
    if joined:
        yield barrier
