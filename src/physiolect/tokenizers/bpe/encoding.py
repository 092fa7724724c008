"""Encoding words with a table of merges, and decoding them; every loop runs without the interpreter's lock."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.errors import ConfigError, FormatError, check_option

Method = Literal["greedy", "bpe"]
METHODS: tuple[Method, ...] = ("greedy", "bpe")

MOST_SYMBOLS = 16_000_000
"""Over all tokens: far more than training makes, and few enough to be laid out."""


@dataclass(frozen=True, eq=False)
class Encoding:
    """Words as tokens."""

    ids: NDArray[np.integer]
    """(tokens,), word after word."""
    spans: NDArray[np.int64]
    """Where each token begins and ends among the symbols, (tokens, 2); one begins where the one before ends."""


class PairEncoder:
    """Encodes and decodes with the merges that training found; threads may share one.

    Args:
        pairs: the two ids that each merge joins, (merges, 2); merge i makes id n_symbols + i.
        n_symbols: how many different symbols there are.

    Raises:
        FormatError: a merge joins ids that do not exist before it, or there are too many.
    """

    def __init__(self, pairs: ArrayLike, n_symbols: int) -> None:
        self.pairs = np.asarray(pairs, np.int64).reshape(-1, 2)
        self.n_symbols = n_symbols
        ids = n_symbols + np.arange(len(self.pairs))
        if (
            n_symbols < 1
            or self.n_tokens >= 0xFFFF
            or not ((self.pairs >= 0) & (self.pairs < ids[:, None])).all()
        ):
            raise FormatError(
                f"{len(self.pairs)} merges over {n_symbols} symbols do not follow from one another",
                hint="each merge joins two ids made before it",
            )

    @property
    def n_tokens(self) -> int:
        """Symbols and merges: ids lie below it."""
        return self.n_symbols + len(self.pairs)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Symbols in each token, (tokens,).

        Raises:
            ConfigError: they are too many to look up.
        """
        most = min(
            MOST_SYMBOLS, 2**31 // self.n_symbols - self.n_tokens - 2
        )  # the trie counts its places in int32
        lengths, total = [1] * self.n_symbols, self.n_symbols
        for left, right in self.pairs.tolist():
            if total > most:  # lengths may double with each merge, beyond every number
                break
            lengths.append(lengths[left] + lengths[right])
            total += lengths[-1]
        if total > most:
            raise ConfigError(
                f"the tokens hold more than {most} symbols in all, too many to be looked up",
                hint="train with fewer merges, or on shorter words",
            )
        return np.array(lengths, np.int64)

    def symbols_of(self, token: int) -> NDArray[np.uint16]:
        """Return the symbols that a token stands for."""
        symbols, starts = self._expanded
        return symbols[starts[token] : starts[token + 1]]

    def encode(
        self, symbols: NDArray[Any], ends: ArrayLike | None = None, *, method: Method = "greedy"
    ) -> Encoding:
        """Turn words into tokens.

        Args:
            symbols: words in a row, (n,), whole numbers below n_symbols.
            ends: where each word ends, ascending up to n; None makes it one word. No token crosses an end.
            method: "greedy" takes the longest token that matches, from left to right, as published for ECG; "bpe"
                repeats the merges in their order, as byte-pair encoding is defined.

        Raises:
            FormatError: there are symbols out of range, or ends that do not fit.
        """
        check_option("method", method, METHODS)
        symbols, limits = self._checked(symbols, ends)
        ids = np.empty(len(symbols), np.int32)
        if method == "greedy":
            from physiolect.tokenizers.bpe.matching import encode_greedy

            n = encode_greedy(symbols, limits, self._trie, self.n_symbols, self.n_tokens, ids)
        else:
            from physiolect.tokenizers.bpe.matching import encode_merges

            n = encode_merges(symbols, limits, self._ranks, self.pairs, self.n_symbols, ids)
        ids = ids[:n].copy()
        stops = np.cumsum(self.lengths[ids])
        return Encoding(ids, np.stack([stops - self.lengths[ids], stops], axis=1))

    def decode(self, ids: ArrayLike) -> NDArray[np.uint16]:
        """Return the symbols that ids stand for, one token after another.

        Raises:
            FormatError: there is no such id.
        """
        found = np.asarray(ids)
        if found.size and found.dtype.kind not in "iu":
            raise FormatError(
                f"ids are whole numbers, got {found.dtype}", hint="pass ids as encode returns them"
            )
        tokens = found.astype(np.int64, copy=False).reshape(-1)
        if len(tokens) and not 0 <= tokens.min() <= tokens.max() < self.n_tokens:
            raise FormatError(
                f"ids lie between {tokens.min()} and {tokens.max()}, but there are {self.n_tokens} tokens",
                hint="decode with the tokenizer that encoded",
            )
        symbols, starts = self._expanded
        lengths = self.lengths[tokens]
        begins = np.cumsum(lengths) - lengths
        return symbols[np.repeat(starts[tokens] - begins, lengths) + np.arange(lengths.sum())]

    def _checked(
        self, symbols: NDArray[Any], ends: ArrayLike | None
    ) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
        symbols = np.asarray(symbols)
        if symbols.ndim != 1 or (symbols.size and symbols.dtype.kind not in "iu"):
            raise FormatError(
                f"symbols are whole numbers (n,), got {symbols.dtype} {symbols.shape}",
                hint="lay words in a row, and give their ends",
            )
        if len(symbols) and not 0 <= symbols.min() <= symbols.max() < self.n_symbols:
            raise FormatError(
                f"symbols lie between {symbols.min()} and {symbols.max()}, but there are {self.n_symbols} of them",
                hint="symbols count from 0",
            )
        limits = np.asarray([len(symbols)] if ends is None else ends)
        if (
            limits.ndim != 1
            or (limits.size and limits.dtype.kind not in "iu")
            or (np.diff(limits.astype(np.int64), prepend=0) < 0).any()
            or (int(limits[-1]) if limits.size else 0) != len(symbols)
        ):
            raise FormatError(
                f"the ends of the words do not ascend to {len(symbols)}, the number of symbols",
                hint="the last word ends where the symbols do",
            )
        return np.ascontiguousarray(symbols, np.uint16), limits.astype(np.int64, copy=False)

    @cached_property
    def _expanded(self) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
        """Symbols of all tokens in a row, and where each token's begin, (tokens + 1,)."""
        starts = np.concatenate([[0], np.cumsum(self.lengths)])
        symbols = np.empty(starts[-1], np.uint16)
        symbols[: self.n_symbols] = np.arange(self.n_symbols)
        for token, parents in enumerate(self.pairs.tolist(), self.n_symbols):
            symbols[starts[token] : starts[token + 1]] = np.concatenate(
                [symbols[starts[parent] : starts[parent + 1]] for parent in parents]
            )
        return symbols, starts

    @cached_property
    def _trie(self) -> NDArray[np.int32]:
        from physiolect.tokenizers.bpe.matching import build_trie

        symbols, starts = self._expanded
        children = np.zeros(self.n_symbols * (2 + self.n_tokens + len(symbols)), np.int32)
        return children[: build_trie(symbols, starts, self.n_symbols, children)].copy()

    @cached_property
    def _ranks(self) -> NDArray[np.int64]:
        from physiolect.tokenizers.bpe.matching import enter_ranks

        table = _no_ranks(len(self.pairs))
        enter_ranks(table, self.pairs, 0, len(self.pairs))
        return table


def parents_of(tokens: list[NDArray[np.uint16]], n_symbols: int) -> NDArray[np.int64]:
    """Return which two ids each merge joined, knowing only the symbols it stands for, (merges, 2).

    The merges before it, done on its own symbols, leave the two: training had done the same to each place where the
    token was made, whatever stood beside it.

    Args:
        tokens: symbols of each merge's token, in the order of merging.
        n_symbols: how many different symbols there are.

    Raises:
        FormatError: the tokens were not made by byte-pair encoding, or not in this order.
    """
    from physiolect.tokenizers.bpe.matching import encode_merges, enter_ranks

    pairs = np.empty((len(tokens), 2), np.int64)
    table = _no_ranks(len(tokens))
    for merge, symbols in enumerate(tokens):
        ids = np.empty(len(symbols), np.int32)
        n = encode_merges(symbols, np.array([len(symbols)]), table, pairs[:merge], n_symbols, ids)
        if n != 2:
            raise FormatError(
                f"merge {merge} stands for {len(symbols)} symbols that {n} earlier tokens make, where it takes two",
                hint="the file is damaged, or no table of byte-pair merges",
            )
        pairs[merge] = ids[:2]
        enter_ranks(table, pairs, merge, merge + 1)
    return pairs


def _no_ranks(n_merges: int) -> NDArray[np.int64]:
    """Return an empty table for `enter_ranks`, roomy enough that a pair that is not in it is told at once."""
    return np.full(1 << max(4, (4 * n_merges).bit_length()), -1, np.int64)
