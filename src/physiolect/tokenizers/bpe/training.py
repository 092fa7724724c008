"""Training byte-pair encoding: which pairs to merge, in which order.

The most frequent pair of neighbours becomes a new id, again and again; of pairs equally frequent the one with the
lowest left id comes first, then the one with the lowest right id. Three things make this fast, and none of them
changes the result:

- **An index.** Where a pair stands is known, so that a merge costs what it changes and nothing is counted anew.
- **A floor.** Once a pair exists, its count only falls. So only pairs of some frequency need be indexed; when even the
  most frequent lies below that floor, what is left is counted once, and indexed down to a lower floor.
- **Disk.** A sequence beyond the memory allowed is read through in blocks, with as many merges a pass as can be
  proved to come next, until what is left of it fits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import ConfigError, FormatError, check_option
from physiolect.tokenizers.bpe.counting import Counts, count_sequence, next_merges
from physiolect.tokenizers.bpe.sequence import BARRIER, sequence_of
from physiolect.tokenizers.bpe.spool import Spool

if TYPE_CHECKING:
    from physiolect.tokenizers.bpe.index import Index

Boundary = Literal["lead", "record", "concat"]
BOUNDARIES: tuple[Boundary, ...] = ("lead", "record", "concat")

_FALL = 16
"""By what factor the most frequent count may fall before everything is counted anew; timed, and flat from 8 to 64."""
_SLICE = 256
"""Merges between two reports of progress, and between two chances for Ctrl-C."""
_BATCH = 256
"""Most merges in one pass over the disk."""
_LEAST_MEMORY = 16 * 10**6
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


@dataclass(frozen=True, eq=False)
class Merges:
    """What training found."""

    pairs: NDArray[np.int32]
    """The two ids that each merge joins, (merges, 2); merge i makes id n_symbols + i."""
    counts: NDArray[np.int64]
    """How often the pair stood in the training sequence when it was merged, (merges,)."""


@dataclass(frozen=True)
class _Room:
    """How much of each thing may be in memory at once."""

    tokens: int
    """Tokens of the sequence, two bytes each."""
    positions: int
    """Positions in the index, four bytes each."""
    pairs: int
    """Pairs in the index, about 60 bytes each."""
    listed: int
    """Pairs a count may return, about 64 bytes each while it is made."""
    table_bytes: int
    """Table of counts; larger ones are counted in parts, and would leave the processor's cache."""

    @classmethod
    def of(cls, memory: int | None) -> _Room:
        if memory is None:
            return cls(2**31 - 1, 2**62, 2**62, 2**62, 16_000_000)
        return cls(
            tokens=min(int(0.4 * memory / 2), 2**31 - 1),
            positions=int(0.3 * memory / 4),
            pairs=int(0.1 * memory / 60),
            listed=int(0.05 * memory / 64),
            table_bytes=min(memory // 10, 16_000_000),
        )


def train_bpe(
    records: Iterable[NDArray[Any]],
    *,
    n_symbols: int,
    n_merges: int,
    boundary: Boundary = "lead",
    memory: int | str | None = None,
    min_count: int = 2,
    scratch: str | Path | None = None,
    on_merges: Callable[[int], None] | None = None,
) -> Merges:
    """Find the merges of byte-pair encoding.

    Neighbours are counted wherever they stand, so that `aaa` holds the pair a, a twice; merging goes from left to
    right without overlap. Training ends early where no pair is left that occurs `min_count` times.

    Args:
        records: symbols from 0 to n_symbols - 1, (leads, time) or (time,) each; gone through once.
        n_symbols: how many different symbols there are; merge i makes id n_symbols + i.
        n_merges: how many merges to find.
        boundary: what a token never crosses: the ends of a lead, of a record, or nothing (all records in a row).
        memory: bytes that training may take, as a number or as "256MB", besides the interpreter and its libraries;
            None takes what it needs, about 8 bytes a symbol. Beyond it the disk is used; the merges are the same.
        min_count: rarer pairs are not merged.
        scratch: folder for the temporary file, two bytes a symbol, where `memory` is given.
        on_merges: called now and then with the number of merges found so far.

    Raises:
        ConfigError: a setting is out of range.
        FormatError: a record holds something else than symbols, or there is none.

    Source: Gage 1994 (C Users Journal 12(2):23); ties as in Hugging Face `tokenizers`, which finds the same merges.
    """
    check_option("boundary", boundary, BOUNDARIES)
    room = _Room.of(memory if memory is None else bytes_of(memory))
    if n_symbols < 1 or n_merges < 0 or n_symbols + n_merges >= BARRIER or min_count < 1:
        raise ConfigError(
            f"{n_symbols} symbols, {n_merges} merges and pairs of at least {min_count} occurrences are out of range",
            hint=f"symbols and merges together must stay below {BARRIER}, and pairs occur at least once",
        )
    if memory is not None and scratch is not None and not Path(scratch).is_dir():
        raise ConfigError(
            f"scratch '{scratch}' is no folder for the temporary file", hint="make it first, or name another"
        )
    sequence = sequence_of(_words(records, n_symbols, boundary), joined=boundary == "concat")
    found = _Found(n_symbols, n_merges, on_merges)
    if memory is None:
        tokens = _all_in_memory(sequence, room)
    else:
        with Spool(sequence, scratch) as spool:
            _merge_on_disk(spool, found, room, min_count)
            tokens = np.empty(0 if found.complete else spool.n_tokens, np.uint16)
            if len(tokens):
                tokens = tokens[: _read(spool, tokens)]
    while not found.complete and len(tokens):
        tokens = _merge_in_memory(tokens, found, room, min_count)
    return Merges(found.pairs[: found.n].astype(np.int32), found.counts[: found.n])


def bytes_of(size: int | str) -> int:
    """Return a size such as "256MB" or "2 GB" in bytes.

    Raises:
        ConfigError: it is no size, or too small to train in.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]?)i?b?\s*", str(size).lower())
    n_bytes = int(float(match[1]) * _UNITS[match[2]]) if match else 0
    if n_bytes < _LEAST_MEMORY:
        raise ConfigError(
            f"memory is '{size}', which is no size of at least {_LEAST_MEMORY // 10**6} MB",
            hint="write for example 256MB or 2GB",
        )
    return n_bytes


class _Found:
    """The merges found so far."""

    def __init__(self, n_symbols: int, n_merges: int, on_merges: Callable[[int], None] | None) -> None:
        self.pairs = np.empty((n_merges, 2), np.int64)
        self.counts = np.empty(n_merges, np.int64)
        self.n = 0
        self.exhausted = n_merges == 0
        self._n_symbols, self._tell = n_symbols, on_merges

    @property
    def complete(self) -> bool:
        return self.exhausted or self.n == len(self.pairs)

    @property
    def next_id(self) -> int:
        return self._n_symbols + self.n

    def advance(self, n: int) -> None:
        self.n += n
        if self._tell and n:
            self._tell(self.n)

    def add(self, known: Counts) -> list[tuple[int, int, int]]:
        """Take what the counts prove to come next, and return it as left, right and new id."""
        pairs, counts = next_merges(known, min(_BATCH, len(self.pairs) - self.n))
        n, first = len(pairs), self.next_id
        self.pairs[self.n : self.n + n], self.counts[self.n : self.n + n] = pairs, counts
        self.advance(n)
        return [(left, right, first + k) for k, (left, right) in enumerate(pairs.tolist())]


def _words(records: Iterable[NDArray[Any]], n_symbols: int, boundary: Boundary) -> Iterator[NDArray[Any]]:
    """Yield words (words, length) of symbols that were looked at."""
    n_records = 0
    for record in records:
        rows = np.atleast_2d(np.asarray(record))
        if rows.ndim != 2 or rows.dtype.kind not in "iu":
            raise FormatError(
                f"a record of symbols is (leads, time) of whole numbers, got {rows.dtype} {rows.shape}",
                hint="quantise the signal first",
            )
        if rows.size:
            n_records += 1
            low, high = int(rows.min()), int(rows.max())
            if low < 0 or high >= n_symbols:
                raise FormatError(
                    f"a record holds symbols from {low} to {high}, but there are {n_symbols} of them",
                    hint="symbols count from 0",
                )
            yield rows if boundary == "lead" else rows.reshape(1, -1)
    if not n_records:
        raise FormatError("there is nothing to train on", hint="give at least one record of symbols")


def _all_in_memory(sequence: Iterable[NDArray[np.uint16]], room: _Room) -> NDArray[np.uint16]:
    tokens = np.concatenate(list(sequence))
    if len(tokens) > room.tokens:
        raise ConfigError(
            f"{len(tokens)} symbols are more than an index in memory can count",
            hint='name how much memory training may take, such as memory="64GB"',
        )
    return tokens


def _merge_on_disk(spool: Spool, found: _Found, room: _Room, min_count: int) -> None:
    """Merge until all is found, or what is left fits in memory."""
    while not found.complete and spool.n_tokens > room.tokens:
        known = _count(spool.blocks, found, room, min_count)
        if spool.n_tokens > room.tokens and not found.complete:
            spool.merge(found.add(known))


def _read(spool: Spool, tokens: NDArray[np.uint16]) -> int:
    """Read the whole sequence into an array; return its length."""
    n = 0
    for block in spool.blocks():
        tokens[n : n + len(block)] = block
        n += len(block)
    return n


def _merge_in_memory(
    tokens: NDArray[np.uint16], found: _Found, room: _Room, min_count: int
) -> NDArray[np.uint16]:
    """Merge until all is found or the floor is reached; return what the sequence has become, in the same memory."""
    from physiolect.tokenizers.bpe.index import merge_indexed
    from physiolect.tokenizers.bpe.passes import close_ranks, merge_stretch

    known = _count(lambda: (tokens,), found, room, min_count)
    if found.complete:
        return tokens
    index = _indexed(tokens, known, room, found.next_id + len(found.pairs) - found.n)
    if index is None:
        for left, right, new in found.add(known):
            tokens = tokens[: merge_stretch(tokens, left, right, new)]
        return tokens
    merged, asked = 0, 0
    while merged == asked and not found.complete:
        stop = min(found.n + _SLICE, len(found.pairs))
        asked = stop - found.n
        merged = merge_indexed(
            index, found.next_id, found.pairs[found.n : stop], found.counts[found.n : stop]
        )
        found.advance(merged)
    return tokens[: close_ranks(tokens, index.width)]


def _count(
    blocks: Callable[[], Iterable[NDArray[np.uint16]]], found: _Found, room: _Room, min_count: int
) -> Counts:
    known = count_sequence(
        blocks, found.next_id, at_least=min_count, most=room.listed, table_bytes=room.table_bytes
    )
    found.exhausted = not len(known.keys)
    return known


def _indexed(tokens: NDArray[np.uint16], known: Counts, room: _Room, n_ids: int) -> Index | None:
    """Return an index of the most frequent pairs, as many as serve and have room; None where not even one has."""
    from physiolect.tokenizers.bpe.index import Index, add_pair, fill_pool

    floor = max(known.floor, int(known.counts[0]) // _FALL)
    n = int(np.searchsorted(-known.counts, -floor, side="right"))
    positions = np.cumsum(known.counts[:n])
    fitting = min(int(np.searchsorted(positions, room.positions // 2, side="right")), room.pairs // 2)
    if fitting < n:
        floor = int(known.counts[fitting]) + 1
        n = int(np.searchsorted(-known.counts, -floor, side="right"))
    if n == 0:
        return None
    n_positions = min(3 * int(positions[n - 1]) + 1024, room.positions)
    n_pairs = min(n + n_positions // floor + 1, room.pairs)
    index = Index(
        tokens=tokens,
        width=np.ones(n_ids, np.int64),
        pool=np.empty(n_positions, np.uint32),
        slots=np.full(1 << (2 * n_pairs - 1).bit_length(), -1, np.int32),
        keys=np.empty(n_pairs, np.int64),
        counts=np.empty(n_pairs, np.int64),
        starts=np.empty(n_pairs, np.int64),
        sizes=np.empty(n_pairs, np.int64),
        heap=np.empty(n_pairs, np.int64),
        before=np.zeros(n_ids, np.int64),
        after=np.zeros(n_ids, np.int64),
        met=np.empty((2, n_ids), np.int64),
        state=np.array([0, 0, 0, floor]),
    )
    for key, count in zip(known.keys[:n].tolist(), known.counts[:n].tolist(), strict=True):
        add_pair(index, key, count)
    fill_pool(index)
    return index
