"""Encoding loops: the longest token that matches, or pairs in the order in which they were merged."""

from __future__ import annotations

from typing import Any

import numpy as np

from physiolect.signals.compiled import compiled


@compiled
def build_trie(symbols: Any, starts: Any, n_symbols: int, children: Any) -> int:
    """Enter every token into a trie; return how many of its places are used.

    A node is a row of `n_symbols` places, each holding where the child's row begins, or 0. Row t + 1 is token t, so
    that a node beyond the last token's is on the way to one and none itself. Of equal tokens the first counts.

    Args:
        symbols: those of all tokens, one token after another.
        starts: where in them each token begins, and at last their end, (tokens + 1,).
        n_symbols: different symbols.
        children: zeros, to be filled; n_symbols * (2 + tokens + symbols) places suffice.
    """
    n_tokens = len(starts) - 1
    free = (n_tokens + 1) * n_symbols
    for token in range(n_tokens):
        node, last = np.int64(0), starts[token + 1] - 1
        for i in range(starts[token], last + 1):
            place = node + symbols[i]
            child = np.int64(children[place])
            own = (token + 1) * n_symbols
            if i == last and (child == 0 or child > n_tokens * n_symbols):
                for k in range(
                    n_symbols if child else 0
                ):  # what was on the way to longer tokens becomes this one
                    children[own + k] = children[child + k]
                    children[child + k] = 0
                children[place] = own
            elif child == 0:
                children[place] = free
                free += n_symbols
            node = np.int64(children[place])
    return free


@compiled
def encode_greedy(symbols: Any, ends: Any, children: Any, n_symbols: int, n_tokens: int, ids: Any) -> int:
    """Write the ids of the longest matching tokens, from left to right and word by word; return how many.

    Args:
        symbols: words in a row, (n,).
        ends: where each ends, (words,).
        children: the trie.
        n_symbols: different symbols.
        n_tokens: tokens in the trie; every single symbol must be one.
        ids: room for n ids.
    """
    last_token, n, start = n_tokens * n_symbols, 0, 0
    for word in range(len(ends)):
        end = ends[word]
        while start < end:
            node = np.int64(children[np.int64(symbols[start])])
            place, matched, stop = start + 1, node, start + 1
            while place < end:
                node = np.int64(children[node + np.int64(symbols[place])])
                place += 1
                if node <= last_token:
                    if node == 0:
                        break
                    matched, stop = node, place
            ids[n] = matched // n_symbols - 1
            n += 1
            start = stop
    return n


@compiled
def _rank_of(table: Any, left: int, right: int) -> int:
    """Return the rank of the merge that joins two ids; where there is none, -1 - slot, the slot it would take."""
    key = (left << 16) | right
    slot = ((key * 0x9E3779B1) >> 15) & (len(table) - 1)
    while True:
        entry = table[slot]
        if entry < 0:
            return -1 - slot
        if entry >> 16 == key:
            return entry & 0xFFFF
        slot = (slot + 1) & (len(table) - 1)


@compiled
def enter_ranks(table: Any, pairs: Any, first: int, stop: int) -> None:
    """Enter the merges from `first` up to `stop` into the table; of equal pairs the first counts.

    Args:
        table: left << 32 | right << 16 | rank, -1 where free; its length is a power of two.
        pairs: the two ids of each merge, (merges, 2).
        first: rank of the first to enter.
        stop: rank after the last.
    """
    for rank in range(first, stop):
        free = _rank_of(table, pairs[rank, 0], pairs[rank, 1])
        if free < 0:
            table[-1 - free] = (pairs[rank, 0] << 32) | (pairs[rank, 1] << 16) | rank


@compiled
def encode_merges(symbols: Any, ends: Any, table: Any, pairs: Any, n_symbols: int, ids: Any) -> int:
    """Write the ids that remain after all merges, in their order, each from left to right; return how many.

    Every place where a pair begins waits in the queue of its rank. A merge makes pairs of higher rank only, and its
    places come up from left to right, so that queues are filled in that order too and none is ever sorted.

    Args:
        symbols: words in a row, (n,).
        ends: where each ends, (words,).
        table: what `enter_ranks` made of the pairs.
        pairs: the two ids of each merge, (merges, 2).
        n_symbols: different symbols; merge i makes id n_symbols + i.
        ids: room for n ids.
    """
    longest = _longest_word(ends)
    first = np.full(len(pairs), -1, np.int32)  # entries of each rank's queue
    last = np.full(len(pairs), -1, np.int32)
    queues = np.empty((3 * longest + 1, 2), np.int32)  # a place, and the queue's next entry: (entries, 2)
    tokens = np.empty(longest + 1, np.int32)  # and -1, which no merge joins, after a word's last
    following = np.empty(longest, np.int32)
    leading = np.empty(longest, np.int32)
    n = begin = 0
    for end in ends:
        size, entries = end - begin, 0
        for i in range(size):
            tokens[i] = symbols[begin + i]
            following[i], leading[i] = i + 1, i - 1
        tokens[size] = -1
        for i in range(size - 1):
            rank = _rank_of(table, np.int64(tokens[i]), np.int64(tokens[i + 1]))
            if rank >= 0:
                entries = _queue(queues, first, last, rank, i, entries)
        for merge in range(len(pairs)):
            entry = first[merge]
            if entry < 0:
                continue
            first[merge] = -1
            left, right, made = pairs[merge, 0], pairs[merge, 1], np.int64(n_symbols + merge)
            while entry >= 0:
                i, entry = queues[entry, 0], queues[entry, 1]
                if tokens[i] != left:
                    continue  # merged with another since
                j = following[i]
                if tokens[j] != right:
                    continue
                tokens[i], tokens[j] = made, -1
                after, before = following[j], leading[i]
                following[i] = after
                if after < size:
                    leading[after] = i
                    rank = _rank_of(table, made, np.int64(tokens[after]))
                    if rank >= 0:
                        entries = _queue(queues, first, last, rank, i, entries)
                if before >= 0:
                    rank = _rank_of(table, np.int64(tokens[before]), made)
                    if rank >= 0:
                        entries = _queue(queues, first, last, rank, before, entries)
        n = _write_rest(tokens, following, size, ids, n)
        begin = end
    return n


@compiled
def _longest_word(ends: Any) -> int:
    longest, begin = 0, 0
    for end in ends:
        longest = max(longest, end - begin)
        begin = end
    return longest


@compiled
def _write_rest(tokens: Any, following: Any, size: int, ids: Any, n: int) -> int:
    """Write a word's remaining tokens into ids from n on; return the place after the last."""
    i = 0
    while i < size:
        ids[n] = tokens[i]
        n += 1
        i = following[i]
    return n


@compiled
def _queue(queues: Any, first: Any, last: Any, rank: int, place: int, entries: int) -> int:
    """Let the pair that begins at a place wait for its merge; return how many entries there are."""
    queues[entries, 0], queues[entries, 1] = place, -1
    if first[rank] < 0:
        first[rank] = entries
    else:
        queues[last[rank], 1] = entries
    last[rank] = entries
    return entries + 1
