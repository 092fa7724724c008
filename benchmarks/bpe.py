"""ECG-Byte's tokenizer: training 3500 merges on 300 ten-second records, and encoding one record.

Recounting is what the definition says: count all pairs, take the first, replace it, 3500 times over; with a dense table
of counts, and with a hash table as the authors have it, both compiled by numba. `tokenizers` is Hugging Face's, given
each lead as a word. All work on one thread and find the same merges. Ours counts a handful of times in all, and
otherwise touches only what a merge changes.

The authors' encoder takes the longest token that matches from a trie that it builds at each call; here of Python's
dicts, where theirs is compiled. `tokenizers` merges as byte-pair encoding is defined, and so does our second method,
with the same ids. Our default, the longest match, gives other ids: it is set against `tokenizers` for what a record
costs, and against the trie for its ids. The records are PTB-XL's at 250 Hz where PHYSIOLECT_DATA is set, and made ones
elsewhere.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import cache
from typing import Any

os.environ |= {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}

import numba
import numpy as np
import torch
from interleave import Contest, Run, main
from letters import letters, percentiles, signals
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from physiolect.tokenizers import EcgByteTokenizer
from physiolect.tokenizers.bpe import Method, PairEncoder, train_bpe

N_SYMBOLS, N_MERGES, N_RECORDS = 26, 3500, 300
BARRIER = 0xFFFF
TRAINING = f"train {N_MERGES} merges on {N_RECORDS} records"


@numba.njit(cache=True)
def recount_dense(tokens: Any, n_merges: int) -> Any:
    """Count all pairs in a table of all pairs for each merge."""
    counts = np.zeros((N_SYMBOLS + n_merges, N_SYMBOLS + n_merges), np.int32)
    pairs, n = np.empty((n_merges, 2), np.int64), len(tokens)
    for merge in range(n_merges):
        n_ids = N_SYMBOLS + merge
        for i in range(n - 1):
            left, right = tokens[i], tokens[i + 1]
            if left != BARRIER and right != BARRIER:
                counts[left, right] += 1
        best = 0
        for left in range(n_ids):
            for right in range(n_ids):
                if counts[left, right] > best:
                    best = counts[left, right]
                    pairs[merge, 0], pairs[merge, 1] = left, right
                counts[left, right] = 0
        n = replace(tokens, n, pairs[merge, 0], pairs[merge, 1], n_ids)
    return pairs


@numba.njit(cache=True)
def recount_hashed(tokens: Any, n_merges: int) -> Any:
    """Count all pairs in a hash table of the pairs there are for each merge."""
    size = 1 << 20
    keys, counts = np.full(size, -1, np.int64), np.empty(size, np.int64)
    used = np.empty(size, np.int64)
    pairs, n = np.empty((n_merges, 2), np.int64), len(tokens)
    for merge in range(n_merges):
        n_used = 0
        for i in range(n - 1):
            left, right = np.int64(tokens[i]), np.int64(tokens[i + 1])
            if left == BARRIER or right == BARRIER:
                continue
            key = (left << 16) | right
            slot = ((key * 0x9E3779B1) >> 15) & (size - 1)
            while keys[slot] != key and keys[slot] >= 0:
                slot = (slot + 1) & (size - 1)
            if keys[slot] < 0:
                keys[slot], counts[slot] = key, 0
                used[n_used] = slot
                n_used += 1
            counts[slot] += 1
        best, first = 0, 0
        for i in range(n_used):
            slot = used[i]
            if counts[slot] > best or (counts[slot] == best and keys[slot] < first):
                best, first = counts[slot], keys[slot]
            keys[slot] = -1
        pairs[merge, 0], pairs[merge, 1] = first >> 16, first & 0xFFFF
        n = replace(tokens, n, pairs[merge, 0], pairs[merge, 1], N_SYMBOLS + merge)
    return pairs


@numba.njit(cache=True)
def replace(tokens: Any, n: int, left: int, right: int, new: int) -> int:
    """Replace a pair from left to right in place; return the new length."""
    kept = i = 0
    while i < n:
        token = tokens[i]
        if token == left and i + 1 < n and tokens[i + 1] == right:
            token = np.uint16(new)
            i += 1
        tokens[kept] = token
        kept += 1
        i += 1
    return kept


def recounting(kernel: Callable[[Any, int], Any], n_records: int = N_RECORDS) -> Run:
    words = letters(n_records).reshape(-1, 2500)
    tokens = np.full((len(words), 2501), BARRIER, np.uint16)
    tokens[:, :2500] = words
    kernel(tokens[:4].ravel().copy(), 5)  # compiled
    return lambda: torch.from_numpy(kernel(tokens.ravel().copy(), N_MERGES))


def hugging_face_training() -> Run:
    words = [bytes(lead + ord("a")).decode() for record in letters(N_RECORDS) for lead in record]

    def run() -> torch.Tensor:
        theirs = Tokenizer(models.BPE())
        theirs.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        trainer = trainers.BpeTrainer(
            vocab_size=N_SYMBOLS + N_MERGES,
            initial_alphabet=[chr(ord("a") + k) for k in range(N_SYMBOLS)],
            show_progress=False,
        )
        theirs.train_from_iterator(words, trainer)
        ids = theirs.get_vocab()
        merges = json.loads(theirs.to_str())["model"]["merges"]
        return torch.tensor([[ids[left], ids[right]] for left, right in merges])

    return run


def our_training() -> Run:
    records = letters(N_RECORDS)
    train_bpe(records[:2], n_symbols=N_SYMBOLS, n_merges=200)  # compiled

    def run() -> torch.Tensor:
        found = train_bpe(records, n_symbols=N_SYMBOLS, n_merges=N_MERGES)
        return torch.from_numpy(found.pairs.astype(np.int64))

    return run


@cache
def encoder() -> PairEncoder:
    return PairEncoder(train_bpe(letters(N_RECORDS), n_symbols=N_SYMBOLS, n_merges=N_MERGES).pairs, N_SYMBOLS)


@cache
def names() -> list[str]:
    """Return the letters of each token."""
    ours = encoder()
    return [bytes(ours.symbols_of(i).astype(np.uint8) + ord("a")).decode() for i in range(ours.n_tokens)]


def record() -> NDArray[np.uint8]:
    return letters(20, "test")[7]  # (12, 2500)


def of_dicts(*, rebuilt: bool) -> Run:
    """Return the authors' way: longest match in a trie of dicts over the leads in a row."""
    tokens, text = names(), bytes(record().ravel() + ord("a")).decode()

    def build() -> dict[Any, Any]:
        root: dict[Any, Any] = {}
        for i, token in enumerate(tokens):
            node = root
            for letter in token:
                node = node.setdefault(letter, {})
            node["id"] = i
        return root

    once = build()

    def run() -> torch.Tensor:
        root = build() if rebuilt else once
        ids, start = [], 0
        while start < len(text):
            node, place, stop = root, start, start
            while place < len(text) and text[place] in node:
                node = node[text[place]]
                place += 1
                if "id" in node:
                    found, stop = node["id"], place
            ids.append(found)
            start = stop
        return torch.tensor(ids)

    return run


def hugging_face_encoding() -> Run:
    ours, tokens = encoder(), names()
    theirs = Tokenizer(
        models.BPE(
            vocab={token: i for i, token in enumerate(tokens)},
            merges=[(tokens[left], tokens[right]) for left, right in ours.pairs.tolist()],
        )
    )
    words = [bytes(lead + ord("a")).decode() for lead in record()]
    return lambda: torch.tensor([i for found in theirs.encode_batch(words) for i in found.ids])


def our_encoding(method: Method, *, leads: bool) -> Run:
    """Return ours, over the leads one by one or in a row."""
    ours, symbols = encoder(), record()
    ends = np.arange(1, 13) * 2500 if leads else np.array([symbols.size])

    def run() -> torch.Tensor:
        return torch.from_numpy(ours.encode(symbols.ravel(), ends, method=method).ids.astype(np.int64))

    run()  # tables made
    return run


def quantising() -> Run:
    """Return ours from the signal on: quantised and encoded."""
    pairs = tuple((left, right) for left, right in encoder().pairs.tolist())
    ours = EcgByteTokenizer(percentiles(), unit=None, boundary="record", merges=pairs)
    signal = signals("test")[7]
    ours.encode(signal, fs=250)
    return lambda: torch.from_numpy(ours.encode(signal, fs=250))


if __name__ == "__main__":
    main(
        [
            Contest(
                f"{TRAINING}: recounting, dense table",
                {"reference": lambda: recounting(recount_dense), "ours": our_training},
                bound=15,
            ),
            Contest(
                f"{TRAINING}: recounting, hash table",
                {"reference": lambda: recounting(recount_hashed), "ours": our_training},
            ),
            Contest(
                f"{TRAINING}: `tokenizers`",
                {"reference": hugging_face_training, "ours": our_training},
                bound=3,
            ),
            Contest(
                "encode a record, longest match: trie of dicts built at each call",
                {
                    "reference": lambda: of_dicts(rebuilt=True),
                    "ours": lambda: our_encoding("greedy", leads=False),
                },
                bound=20,
            ),
            Contest(
                "encode a record, longest match: trie of dicts built once",
                {
                    "reference": lambda: of_dicts(rebuilt=False),
                    "ours": lambda: our_encoding("greedy", leads=False),
                },
            ),
            Contest(
                "quantise and encode a record, longest match: trie of dicts built at each call, letters given",
                {"reference": lambda: of_dicts(rebuilt=True), "ours": quantising},
            ),
            Contest(
                "encode a record, byte pairs: `tokenizers.encode_batch`",
                {"reference": hugging_face_encoding, "ours": lambda: our_encoding("bpe", leads=True)},
                bound=5,
            ),
            Contest(
                "encode a record: `tokenizers.encode_batch` (byte pairs) against our longest match",
                {
                    "reference": hugging_face_encoding,
                    "ours": lambda: our_encoding("greedy", leads=True),
                },
                proof={
                    "reference": lambda: of_dicts(rebuilt=False),
                    "ours": lambda: our_encoding("greedy", leads=False),
                },
                bound=20,
            ),
        ]
    )
