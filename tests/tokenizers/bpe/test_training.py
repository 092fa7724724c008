"""Training finds the merges that counting everything anew for each finds, whatever the memory."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physiolect.errors import ConfigError, FormatError, WriteError
from physiolect.tokenizers.bpe import BOUNDARIES, Boundary, bytes_of, spool, train_bpe, training

Records = list[np.ndarray]


@st.composite
def corpora(draw: st.DrawFn) -> tuple[int, Records]:
    """Return how many symbols there are, and records of them; runs of one symbol are frequent, as in signals."""
    n_symbols = draw(st.integers(1, 4))
    records = []
    for _ in range(draw(st.integers(1, 3))):
        leads, runs = draw(st.integers(1, 3)), draw(st.integers(1, 15))
        values = draw(st.lists(st.integers(0, n_symbols - 1), min_size=leads * runs, max_size=leads * runs))
        lengths = draw(st.lists(st.integers(1, 6), min_size=runs, max_size=runs))
        records.append(np.repeat(np.array(values, np.uint8).reshape(leads, runs), lengths, axis=1))
    return n_symbols, records


def words_of(records: Records, boundary: Boundary) -> list[list[int]]:
    if boundary == "lead":
        return [lead.tolist() for record in records for lead in record]
    if boundary == "record":
        return [record.ravel().tolist() for record in records]
    return [np.concatenate([record.ravel() for record in records]).tolist()]


def recount(
    words: Sequence[Sequence[int]], n_symbols: int, n_merges: int, min_count: int = 2
) -> tuple[list[list[int]], list[int]]:
    """Find merges as they are defined: count all pairs, take the first in order, replace it, and so on."""
    pairs: list[list[int]] = []
    counts: list[int] = []
    for new in range(n_symbols, n_symbols + n_merges):
        found = Counter(pair for word in words for pair in pairwise(word))
        pair, count = min(found.items(), key=lambda item: (-item[1], item[0]), default=((0, 0), 0))
        if count < min_count:
            break
        pairs.append(list(pair))
        counts.append(count)
        words = [merge(word, pair, new) for word in words]
    return pairs, counts


def merge(word: Sequence[int], pair: tuple[int, int], new: int) -> list[int]:
    out, i = [], 0
    while i < len(word):
        found = tuple(word[i : i + 2]) == pair
        out.append(new if found else word[i])
        i += 2 if found else 1
    return out


@settings(deadline=None, max_examples=80)
@given(corpora(), st.sampled_from(BOUNDARIES), st.integers(0, 40), st.integers(1, 3))
def test_finds_what_counting_anew_finds(
    corpus: tuple[int, Records], boundary: Boundary, n_merges: int, min_count: int
) -> None:
    n_symbols, records = corpus
    found = train_bpe(records, n_symbols=n_symbols, n_merges=n_merges, boundary=boundary, min_count=min_count)
    expected = recount(words_of(records, boundary), n_symbols, n_merges, min_count)
    assert (found.pairs.tolist(), found.counts.tolist()) == expected


@settings(deadline=None, max_examples=120)
@given(corpora(), st.sampled_from(BOUNDARIES), st.data())
def test_memory_does_not_matter(corpus: tuple[int, Records], boundary: Boundary, data: st.DataObject) -> None:
    n_symbols, records = corpus
    room = training._Room(
        tokens=data.draw(st.integers(2, 80)),
        positions=data.draw(st.integers(1, 120)),
        pairs=data.draw(st.integers(1, 40)),
        listed=data.draw(st.integers(1, 40)),
        table_bytes=data.draw(st.integers(1, 3000)),
    )
    expected = recount(words_of(records, boundary), n_symbols, 30, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training._Room, "of", classmethod(lambda cls, memory: room))
        patch.setattr(spool, "_BLOCK", data.draw(st.integers(1, 30)))
        patch.setattr(training, "_FALL", data.draw(st.integers(1, 8)))
        found = train_bpe(
            iter(records), n_symbols=n_symbols, n_merges=30, boundary=boundary, min_count=1, memory="16MB"
        )
    assert (found.pairs.tolist(), found.counts.tolist()) == expected


def noise(n_records: int, seed: int = 0) -> Records:
    """Return random walks over 26 letters, (4, 500) each."""
    rng = np.random.default_rng(seed)
    walks = np.cumsum(rng.normal(0, 0.7, (n_records, 4, 500)), axis=-1)
    return list((np.abs(walks) % 26).astype(np.uint8))


def test_same_merges_as_hugging_face() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    records = noise(40)
    n_merges = 600
    found = train_bpe(records, n_symbols=26, n_merges=n_merges)
    theirs = Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    letters = [chr(97 + k) for k in range(26)]
    words = [bytes(lead + 97).decode() for record in records for lead in record]
    theirs.train_from_iterator(
        words,
        trainers.BpeTrainer(vocab_size=26 + n_merges, initial_alphabet=letters, show_progress=False),
    )
    merges = json.loads(theirs.to_str())["model"]["merges"]
    vocabulary = theirs.get_vocab()
    assert [[vocabulary[left], vocabulary[right]] for left, right in merges] == found.pairs.tolist()
    assert len(merges) == n_merges


def test_several_merges_a_pass_are_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    records = noise(60)
    sizes = []

    def watched(*args: object) -> object:
        result = next_merges(*args)  # type: ignore[arg-type]
        sizes.append(len(result[0]))
        return result

    next_merges = training.next_merges
    monkeypatch.setattr(training, "next_merges", watched)
    room = training._Room(tokens=1, positions=1000, pairs=100, listed=5000, table_bytes=10**6)
    expected = train_bpe(records, n_symbols=26, n_merges=300)
    monkeypatch.setattr(training._Room, "of", classmethod(lambda cls, memory: room))
    found = train_bpe(records, n_symbols=26, n_merges=300, memory="16MB")
    np.testing.assert_array_equal(found.pairs, expected.pairs)
    assert sum(sizes) == 300  # all on disk
    assert max(sizes) > 3


def test_tells_how_far_it_is() -> None:
    told: list[int] = []
    found = train_bpe(noise(20), n_symbols=26, n_merges=700, on_merges=told.append)
    assert told == sorted(set(told))
    assert told[-1] == len(found.pairs) == 700
    assert len(told) > 2


def test_refusals() -> None:
    record = np.zeros((2, 5), np.uint8)
    with pytest.raises(FormatError, match="symbols from 0 to 7, but there are 7"):
        train_bpe([np.arange(8)], n_symbols=7, n_merges=1)
    with pytest.raises(FormatError, match="whole numbers, got float64"):
        train_bpe([np.ones((2, 5))], n_symbols=7, n_merges=1)
    for nothing in ([], [np.empty((12, 0), np.uint8)]):
        with pytest.raises(FormatError, match="nothing to train on"):
            train_bpe(nothing, n_symbols=7, n_merges=1)
    with pytest.raises(ConfigError, match="out of range"):
        train_bpe([record], n_symbols=26, n_merges=65_510)
    with pytest.raises(ConfigError, match="boundary is 'leads'"):
        train_bpe([record], n_symbols=26, n_merges=1, boundary="leads")  # type: ignore[arg-type]
    for size in ("1MB", "much", "-256MB", 1000):
        with pytest.raises(ConfigError, match="no size of at least 16 MB"):
            train_bpe([record], n_symbols=26, n_merges=1, memory=size)


def test_more_symbols_than_an_index_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    room = training._Room(tokens=10, positions=100, pairs=100, listed=100, table_bytes=100)
    monkeypatch.setattr(training._Room, "of", classmethod(lambda cls, memory: room))
    with pytest.raises(ConfigError, match="11 symbols are more than an index"):
        train_bpe([np.zeros(9, np.uint8)], n_symbols=1, n_merges=1)


def test_sizes() -> None:
    assert [bytes_of(size) for size in ("256MB", "256 mb", "0.25GB", "20000KiB", 10**9)] == [
        256 * 10**6,
        256 * 10**6,
        250 * 10**6,
        20 * 10**6,
        10**9,
    ]


def test_works_where_nothing_can_be_cached(tmp_path: Path) -> None:
    code = "import numpy as np\nfrom physiolect.tokenizers.bpe import train_bpe\n"
    code += "print(train_bpe([np.tile([0, 1, 2], 9)], n_symbols=3, n_merges=2).pairs.tolist())"
    (tmp_path / "file").write_text("")
    nowhere = {
        "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator",
        "NUMBA_CACHE_DIR": str(tmp_path / "file" / "folder"),  # cannot be made below a file
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | nowhere, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[[0, 1], [3, 2]]"


PROOF = '''
import json, re, sys
from pathlib import Path
import numpy as np
from physiolect.tokenizers.bpe import train_bpe

def records(n):
    """ECG-like: pulses of random height and rate on a wandering baseline, 12 leads of 2500 samples."""
    time = np.arange(2500) / 250
    for i in range(n):
        rng = np.random.default_rng(i)
        phase = (time * rng.uniform(0.8, 1.8) + rng.random()) % 1
        waves = [np.exp(-0.5 * ((phase - at) / wide) ** 2) for at, wide in ((0.3, 0.012), (0.55, 0.05), (0.15, 0.03))]
        leads = rng.normal(0, 1, (12, 3)) * [1.2, 0.3, 0.12] @ np.stack(waves)
        leads += 0.1 * np.sin(2 * np.pi * 0.3 * time + rng.random((12, 1)) * 6) + rng.normal(0, 0.02, (12, 2500))
        yield np.clip((leads + 1) / 2.2 * 26, 0, 25).astype(np.uint8)

def status(field):
    return 1024 * int(re.search(field + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

n_records, memory = int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None
for few in ("16MB", None):  # compiled, and every library in place
    train_bpe(records(5), n_symbols=26, n_merges=100, memory=few)
Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
found = train_bpe(records(n_records), n_symbols=26, n_merges=3500, memory=memory)
print(json.dumps({"grown": status("VmHWM") - before, "pairs": found.pairs.tolist(), "counts": found.counts.tolist()}))
'''


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak of memory")
def test_90_million_symbols_in_256_mb() -> None:
    def run(*words: str) -> dict[str, object]:
        command = [sys.executable, "-c", PROOF, *words]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    limited, free = run("3000", "256MB"), run("3000")
    assert limited["pairs"] == free["pairs"]
    assert limited["counts"] == free["counts"]
    assert len(limited["pairs"]) == 3500  # type: ignore[arg-type]
    assert limited["grown"] < 256e6 < free["grown"]  # type: ignore[operator]


def test_a_scratch_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no folder for the temporary file"):
        train_bpe([np.zeros(50, int)], n_symbols=2, n_merges=1, memory="16MB", scratch=tmp_path / "none")


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> io.FileIO:
        return io.FileIO("/dev/full", "r+")

    monkeypatch.setattr("physiolect.tokenizers.bpe.spool.tempfile.TemporaryFile", full)
    record = np.zeros((1, 100), np.uint8)
    with pytest.raises(WriteError, match=f"the disk is full: {tmp_path} could not be written"):
        train_bpe([record], n_symbols=2, n_merges=1, memory="16MB", scratch=tmp_path)
