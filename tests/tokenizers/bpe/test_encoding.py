"""Both encoders do what they are defined to do, and decoding undoes it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physiolect.errors import ConfigError, FormatError
from physiolect.tokenizers.bpe import METHODS, Method, PairEncoder, parents_of, train_bpe


def walks(n: int, length: int, n_symbols: int = 26, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    steps = np.cumsum(rng.normal(0, 0.6, (n, length)), axis=-1)
    return (np.abs(steps) % n_symbols).astype(np.uint8)


def merged(word: list[int], encoder: PairEncoder) -> list[int]:
    """Repeat the merges in their order, each from left to right."""
    for rank, (left, right) in enumerate(encoder.pairs.tolist()):
        out, i = [], 0
        while i < len(word):
            found = word[i : i + 2] == [left, right]
            out.append(encoder.n_symbols + rank if found else word[i])
            i += 2 if found else 1
        word = out
    return word


def longest(word: list[int], encoder: PairEncoder) -> list[int]:
    """Take the longest token that matches, from left to right."""
    ids = {tuple(encoder.symbols_of(i).tolist()): i for i in range(encoder.n_tokens)}
    out, i = [], 0
    while i < len(word):
        n = next(n for n in range(len(word) - i, 0, -1) if tuple(word[i : i + n]) in ids)
        out.append(ids[tuple(word[i : i + n])])
        i += n
    return out


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None, max_examples=60)
@given(st.data())
def test_does_what_its_definition_says(method: Method, data: st.DataObject) -> None:
    n_symbols = data.draw(st.integers(1, 4))
    seed = data.draw(st.integers(0, 1000))
    found = train_bpe(walks(3, 60, n_symbols, seed), n_symbols=n_symbols, n_merges=40, min_count=1)
    encoder = PairEncoder(found.pairs, n_symbols)
    runs = data.draw(st.lists(st.tuples(st.integers(0, n_symbols - 1), st.integers(1, 9)), max_size=12))
    symbols = np.array([symbol for symbol, times in runs for _ in range(times)], np.int64)
    cuts = data.draw(st.lists(st.integers(0, len(symbols)), max_size=3).map(sorted))
    ends = [*cuts, len(symbols)]
    encoding = encoder.encode(symbols, ends, method=method)
    definition = {"greedy": longest, "bpe": merged}[method]
    words = np.split(symbols, cuts)
    assert encoding.ids.tolist() == [i for word in words for i in definition(word.tolist(), encoder)]
    np.testing.assert_array_equal(encoder.decode(encoding.ids), symbols)
    assert encoding.spans[:, 0].tolist() == [0, *encoding.spans[:-1, 1].tolist()][: len(encoding.ids)]
    for token, (begin, end) in zip(encoding.ids.tolist(), encoding.spans.tolist(), strict=True):
        np.testing.assert_array_equal(encoder.symbols_of(token), symbols[begin:end])
    assert not set(cuts) - {0, *encoding.spans[:, 1].tolist()}


def test_same_ids_as_hugging_face() -> None:
    from tokenizers import Tokenizer, models

    words = walks(40, 600)
    encoder = PairEncoder(train_bpe(words[:30], n_symbols=26, n_merges=500).pairs, 26)
    names = [bytes(encoder.symbols_of(i).astype(np.uint8) + 97).decode() for i in range(encoder.n_tokens)]
    theirs = Tokenizer(
        models.BPE(
            vocab={name: i for i, name in enumerate(names)},
            merges=[(names[left], names[right]) for left, right in encoder.pairs.tolist()],
        )
    )
    for word in words[30:]:
        expected = theirs.encode(bytes(word + 97).decode()).ids
        assert encoder.encode(word, method="bpe").ids.tolist() == expected


def test_parents_are_recovered_from_the_symbols_alone() -> None:
    found = train_bpe(walks(30, 400), n_symbols=26, n_merges=800)
    encoder = PairEncoder(found.pairs, 26)
    tokens = [encoder.symbols_of(i) for i in range(26, encoder.n_tokens)]
    np.testing.assert_array_equal(parents_of(tokens, 26), found.pairs)
    with pytest.raises(FormatError, match="where it takes two"):
        parents_of(tokens[::-1], 26)


@pytest.mark.parametrize("method", METHODS)
def test_threads_share_an_encoder(method: Method) -> None:
    words = walks(64, 2000)
    pairs = train_bpe(words[:16], n_symbols=26, n_merges=800).pairs
    expected = [PairEncoder(pairs, 26).encode(word, method=method).ids.tolist() for word in words]
    shared = PairEncoder(pairs, 26)  # its tables are made by whichever thread comes first
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda word: shared.encode(word, method=method).ids.tolist(), words)
        assert list(found) == expected


def test_training_in_threads_is_training() -> None:
    corpora = [walks(20, 500, seed=seed) for seed in range(4)]

    def train(words: np.ndarray) -> list[list[int]]:
        return train_bpe(words, n_symbols=26, n_merges=300).pairs.tolist()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(train, corpora)) == [train(words) for words in corpora]


def test_without_merges_each_symbol_is_a_token() -> None:
    encoder = PairEncoder([], 3)
    for method in METHODS:
        assert encoder.encode(np.array([2, 0, 1, 1]), method=method).ids.tolist() == [2, 0, 1, 1]
        assert encoder.encode(np.empty(0, int), method=method).spans.shape == (0, 2)
        assert encoder.encode([], [], method=method).spans.shape == (0, 2)  # type: ignore[arg-type]
    assert encoder.decode([]).tolist() == []


def test_refusals() -> None:
    encoder = PairEncoder([(0, 1)], 3)
    with pytest.raises(FormatError, match="do not follow"):
        PairEncoder([(0, 3)], 3)
    with pytest.raises(FormatError, match="there are 3 of them"):
        encoder.encode(np.array([3]))
    with pytest.raises(FormatError, match="whole numbers"):
        encoder.encode(np.array([0.5]))
    with pytest.raises(FormatError, match="whole numbers"):
        encoder.encode(np.array(1))
    for ends in ([1], [2, 1, 3], [4], [], 3, [[3]], [1.5, 3]):
        with pytest.raises(FormatError, match="ends of the words"):
            encoder.encode(np.array([0, 1, 2]), ends)
    with pytest.raises(FormatError, match="there are 4 tokens"):
        encoder.decode([0, 4])
    with pytest.raises(FormatError, match="ids are whole numbers"):
        encoder.decode([0.5])
    with pytest.raises(ConfigError, match="method is 'trie'"):
        encoder.encode(np.array([0]), method="trie")  # type: ignore[arg-type]
    doubling = [(0, 0), *((i, i) for i in range(1, 40))]
    with pytest.raises(ConfigError, match="more than 16000000 symbols in all"):
        PairEncoder(doubling, 1).decode([0])
