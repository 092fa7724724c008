"""ECG-Byte's ids: letters first, then merges, with the gaps that the authors' vocabulary has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.errors import FormatError

_MOST_IDS = 2**16
"""A tokenised store keeps ids in 16 bits."""


@dataclass(frozen=True)
class IdTable:
    """Which id each token has, and which token each id."""

    n_letters: int
    first_letter: int
    """Id of the first letter."""
    first_merge: int
    """Id of the first merge."""
    n_merges: int

    @property
    def size(self) -> int:
        """Ids lie below it."""
        return self.first_merge + self.n_merges

    @cached_property
    def of_tokens(self) -> NDArray[np.int64]:
        """Id of each token, letters first and then merges, (tokens,)."""
        letters = np.arange(self.n_letters) + self.first_letter
        return np.concatenate([letters, np.arange(self.n_merges) + self.first_merge])

    @cached_property
    def _token_of(self) -> NDArray[np.int64]:
        """Token of each id, or -1, (size,)."""
        tokens = np.full(self.size, -1, np.int64)
        tokens[self.of_tokens] = np.arange(len(self.of_tokens))
        return tokens

    def tokens(self, ids: ArrayLike) -> NDArray[np.int64]:
        """Return the token of each id.

        Raises:
            FormatError: an id is no whole number, or stands for no samples.
        """
        ids = np.asarray(ids)
        if ids.size and ids.dtype.kind not in "iu":
            raise FormatError(
                f"ids are whole numbers below {self.size}, got {ids.dtype}",
                hint="pass ids as encode returns them",
            )
        known = (ids >= 0) & (ids < self.size)
        tokens = self._token_of[np.where(known, ids, 0).astype(np.int64)]
        foreign = ids[~known | (tokens < 0)]
        if foreign.size:
            raise FormatError(
                f"id {foreign[0]} stands for no samples in this tokenizer",
                hint="decode with the tokenizer that encoded, and leave out a language model's other tokens",
            )
        return tokens

    def problems(self, merges: Sequence[tuple[int, int]], order: Sequence[int] | None) -> list[str]:
        """List what is wrong with the ids, before a table is made that has room for them all.

        Args:
            merges: the two ids that each merge joins.
            order: order in which language models take up the ids; None is ascending.
        """
        if max(self.first_letter, self.size) > _MOST_IDS:
            return [f"ids go beyond {_MOST_IDS - 1}, the last there can be"]
        found = []
        if not 0 <= self.first_letter <= self.first_merge - self.n_letters:
            found.append(
                f"{self.n_letters} letters from id {self.first_letter} on reach into the merges, "
                f"which begin at {self.first_merge}"
            )
        foreign = [k for k, pair in enumerate(merges) if not 0 <= min(pair) <= max(pair) < self.size]
        if foreign:
            found.append(f"merge {foreign[0]} joins an id that stands for no samples")
        if order is not None and sorted(order) != list(range(self.size)):
            found.append(f"order does not name each of {self.size} ids once")
        return found
