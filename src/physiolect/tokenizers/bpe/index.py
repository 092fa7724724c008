"""Merging in memory: an index of where the frequent pairs stand makes a merge cost what it changes, no more."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physiolect.signals.compiled import compiled
from physiolect.tokenizers.bpe.sequence import BARRIER

N_PAIRS, POOL_USED, HEAP_SIZE, FLOOR = range(4)
"""Places in `Index.state`."""


class Index(NamedTuple):
    """A sequence in memory, and where in it the frequent pairs stand.

    A merged token goes on covering the positions of what it was merged from; its first and its last hold its id.
    """

    tokens: NDArray[np.uint16]
    """The sequence, with a BARRIER between words and at both ends, (n,)."""
    width: NDArray[np.int64]
    """Positions that each id covers, (ids,)."""
    pool: NDArray[np.uint32]
    """Positions of pairs, each pair's in one stretch and in ascending order; some may be outdated."""
    slots: NDArray[np.int32]
    """Hash table of pair -> its number, -1 where free; its length is a power of two."""
    keys: NDArray[np.int64]
    """left << 16 | right of each pair, (pairs,)."""
    counts: NDArray[np.int64]
    """How often each pair stands in the sequence now, (pairs,)."""
    starts: NDArray[np.int64]
    """Where in the pool each pair's stretch begins, (pairs,)."""
    sizes: NDArray[np.int64]
    """How long that stretch is, (pairs,)."""
    heap: NDArray[np.int64]
    """count << 32 | ~key, largest first, so that of equal counts the lowest ids lead; a count that has fallen since
    is mended when it comes up."""
    before: NDArray[np.int64]
    """Scratch: how often each id stands before the pair being merged, and then where its next position goes."""
    after: NDArray[np.int64]
    """Scratch: the same for what stands after it."""
    met: NDArray[np.int64]
    """Scratch: the ids that were met, (2, ids)."""
    state: NDArray[np.int64]


@compiled
def _slot_of(slots: Any, keys: Any, key: int) -> int:
    """Return the slot that holds the key, or the free one where it belongs."""
    mask = len(slots) - 1
    slot = ((key * 0x9E3779B1) >> 15) & mask
    while slots[slot] >= 0 and keys[slots[slot]] != key:
        slot = (slot + 1) & mask
    return slot


@compiled
def _sink(heap: Any, size: int, entry: int) -> None:
    """Put an entry in place of the heap's first."""
    place = 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= entry:
            break
        heap[place] = heap[child]
        place = child
    heap[place] = entry


@compiled
def _push(heap: Any, size: int, entry: int) -> None:
    place = size
    while place > 0 and heap[(place - 1) >> 1] < entry:
        heap[place] = heap[(place - 1) >> 1]
        place = (place - 1) >> 1
    heap[place] = entry


@compiled
def add_pair(index: Any, key: int, count: int) -> int:
    """Enter a pair and reserve its stretch of the pool; return where that begins.

    Where there is no room, nothing is entered, -1 returned, and the floor rises above the pair's count.
    """
    state = index.state
    pair = state[N_PAIRS]
    if state[POOL_USED] + count > len(index.pool) or pair == len(index.keys):
        state[FLOOR] = max(state[FLOOR], count + 1)
        return -1
    index.slots[_slot_of(index.slots, index.keys, key)] = pair
    start = state[POOL_USED]
    index.keys[pair] = key
    index.counts[pair] = count
    index.starts[pair] = start
    index.sizes[pair] = count
    _push(index.heap, state[HEAP_SIZE], (count << 32) | (0xFFFFFFFF - key))
    state[N_PAIRS] += 1
    state[POOL_USED] += count
    state[HEAP_SIZE] += 1
    return start


@compiled
def fill_pool(index: Any) -> None:
    """Write every position of every entered pair into the pool; each token must take one place."""
    tokens, slots, keys = index.tokens, index.slots, index.keys
    filled = np.zeros(index.state[N_PAIRS], np.int64)
    for position in range(len(tokens) - 1):
        left, right = np.int64(tokens[position]), np.int64(tokens[position + 1])
        if left == BARRIER or right == BARRIER:
            continue
        pair = slots[_slot_of(slots, keys, (left << 16) | right)]
        if pair >= 0:
            index.pool[index.starts[pair] + filled[pair]] = position
            filled[pair] += 1


@compiled
def _top(index: Any) -> int:
    """Return the number of the pair to merge next, the most frequent one; -1 where all lie below the floor."""
    state, heap = index.state, index.heap
    while state[HEAP_SIZE] > 0:
        entry = heap[0]
        key = 0xFFFFFFFF - (entry & 0xFFFFFFFF)
        pair = index.slots[_slot_of(index.slots, index.keys, key)]
        count = index.counts[pair]
        if entry >> 32 < state[FLOOR]:
            return -1
        if entry >> 32 == count:
            return pair
        if count >= state[FLOOR]:
            _sink(heap, state[HEAP_SIZE], (count << 32) | (0xFFFFFFFF - key))
        else:
            state[HEAP_SIZE] -= 1
            _sink(heap, state[HEAP_SIZE], heap[state[HEAP_SIZE]])
    return -1


@compiled
def _lose(index: Any, left: int, right: int, times: int) -> None:
    pair = index.slots[_slot_of(index.slots, index.keys, (left << 16) | right)]
    if pair >= 0:
        index.counts[pair] -= times


@compiled
def _replace(index: Any, pair: int, left: int, right: int, new: int) -> int:
    """Replace the pair from left to right; its positions move to the front of its stretch. Return how many."""
    tokens, pool, first = index.tokens, index.pool, index.starts[pair]
    width, reach = index.width[left], index.width[left] + index.width[right]
    n = 0
    for place in range(first, first + index.sizes[pair]):
        position = np.int64(pool[place])
        if tokens[position] == left and tokens[position + width] == right:
            tokens[position] = new
            tokens[position + width] = new  # or what began here would still seem to
            tokens[position + reach - 1] = new
            pool[first + n] = position
            n += 1
    return n


@compiled
def _merge(index: Any, pair: int, new: int) -> None:
    """Merge one pair into a new id, and bring counts and positions of its neighbours up to date."""
    tokens, pool, before, after = index.tokens, index.pool, index.before, index.after
    left, right = index.keys[pair] >> 16, index.keys[pair] & 0xFFFF
    index.counts[pair] = 0
    reach = index.width[left] + index.width[right]
    index.width[new] = reach
    first = index.starts[pair]
    end = first + _replace(index, pair, left, right, new)

    n_before = n_after = 0
    for place in range(first, end):
        position = np.int64(pool[place])
        x, y = np.int64(tokens[position - 1]), np.int64(tokens[position + reach])
        if x != BARRIER and x != new:  # where it is new, the one before has counted the two as its right pair
            if before[x] == 0:
                index.met[0, n_before] = x
                n_before += 1
            before[x] += 1
        if y != BARRIER:
            if after[y] == 0:
                index.met[1, n_after] = y
                n_after += 1
            after[y] += 1

    entered = False
    for i in range(n_before):
        x, times = index.met[0, i], before[index.met[0, i]]
        _lose(index, x, left, times)
        enough = times >= index.state[FLOOR]
        before[x] = add_pair(index, (x << 16) | new, times) if enough else -1
        entered = entered or before[x] >= 0
    for i in range(n_after):
        y, times = index.met[1, i], after[index.met[1, i]]
        if y == new:
            _lose(index, right, left, times)
        else:
            _lose(index, right, y, times)
        enough = times >= index.state[FLOOR]
        after[y] = add_pair(index, (new << 16) | y, times) if enough else -1
        entered = entered or after[y] >= 0
    index.counts[pair] = 0  # a pair of equals is its own neighbour

    if entered:
        for place in range(first, end):
            position = np.int64(pool[place])
            x, y = np.int64(tokens[position - 1]), np.int64(tokens[position + reach])
            if x != BARRIER and x != new and before[x] >= 0:
                pool[before[x]] = position - index.width[x]
                before[x] += 1
            if y != BARRIER and after[y] >= 0:
                pool[after[y]] = position
                after[y] += 1
    for i in range(n_before):
        before[index.met[0, i]] = 0
    for i in range(n_after):
        after[index.met[1, i]] = 0


@compiled
def merge_indexed(index: Any, first_id: int, pairs: Any, counts: Any) -> int:
    """Merge the most frequent pair again and again, as often as `pairs` (n, 2) and `counts` (n,) have room.

    Every pair that occurs at least `FLOOR` times must be in the index. Counts only fall once a pair exists, so that
    the most frequent pair is among those until even that lies below the floor; then fewer merges are done.

    Returns:
        How many merges were done.
    """
    for done in range(len(pairs)):
        pair = _top(index)
        if pair < 0:
            return done
        pairs[done, 0], pairs[done, 1] = index.keys[pair] >> 16, index.keys[pair] & 0xFFFF
        counts[done] = index.counts[pair]
        _merge(index, pair, first_id + done)
    return len(pairs)
