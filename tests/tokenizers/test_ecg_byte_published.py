"""Pickles of the authors' layout are read; whatever else a pickle can be is refused and never run."""

from __future__ import annotations

import os
import pickle
import string
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from physiolect.errors import FormatError
from physiolect.tokenizers.ecg_byte_published import read_published

MERGES = [([97, 98], 256), ([97, 98, 97, 98], 257), ([97, 97, 98], 258)]


def vocabulary(merges: list[Any] = MERGES) -> dict[Any, Any]:
    """Return names of all ids, in an order of no sense, as theirs is."""
    names = {i: chr(i) if chr(i) in string.ascii_lowercase else f"<{i}>" for i in range(256)}
    names |= {i: bytes(token).decode() for token, i in merges}
    return {i: names[i] for i in sorted(names, key=lambda i: (i * 7919) % 1009)}


def write(path: Path, content: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_reads_their_layout(tmp_path: Path, protocol: int) -> None:
    names = vocabulary()
    merges, order = read_published(write(tmp_path / "t.pkl", (names, MERGES), protocol))
    assert merges == ((97, 98), (256, 256), (97, 256))
    assert order == tuple(names)


class Evil:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


def hostile(folder: Path) -> dict[str, bytes]:
    """Return pickles that would do harm."""
    trap = folder / "trap"
    names = vocabulary()
    nested = b"\x80\x04" + b"}" + b"K\x01" * 2 + b"\x86" + b"K\x01\x86" * 500_000 + b"K\x01s."
    return {
        "a call instead of the vocabulary": pickle.dumps((Evil(trap), MERGES)),
        "a call inside the vocabulary": pickle.dumps((names | {97: Evil(trap)}, MERGES)),
        "a call inside the merges": pickle.dumps((names, [*MERGES, Evil(trap)])),
        "a call of an old protocol": pickle.dumps((Evil(trap), MERGES), protocol=0),
        "a class": pickle.dumps((names, [Path])),
        "an object": pickle.dumps((names, [Path("a")])),
        "an extension code": b"\x80\x02\x82\x01.",
        "a persistent id": b"\x80\x02K\x01Q.",
        "an out-of-band buffer": b"\x80\x05\x97.",
        "a memo that would fill the memory": b"\x80\x02K\x01r\xff\xff\xff\x7f0.",
        "a text longer than the file": b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
        "bytes longer than the file": b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
        "a number of a million digits": b"I" + b"9" * 10**6 + b"\n.",
        "a key too deep to hash": nested,
        "lists without end": b"\x80\x04" + b"]" * 200_000 + b"a" * 199_999 + b".",
    }


@pytest.mark.parametrize("kind", sorted(hostile(Path())))
def test_hostile_pickles_are_refused_and_not_run(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "t.pkl"
    path.write_bytes(hostile(tmp_path)[kind])
    with pytest.raises(FormatError, match="is no ECG-Byte tokenizer"):
        read_published(path)
    assert not (tmp_path / "trap").exists()


@pytest.mark.parametrize(
    "repeated",
    [b"}", b"(", b"\x94", b"(]]e", b"\x8c\x02aba"],
    ids=["dictionaries", "marks", "memo", "lists in lists", "texts"],
)
def test_little_in_a_file_does_not_become_much_in_memory(tmp_path: Path, repeated: bytes) -> None:
    data = b"\x80\x04]" + repeated * ((2**24 - 4) // len(repeated)) + b"."
    path = tmp_path / "t.pkl"
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="holds more than a tokenizer's merges"):
            read_published(path)
        assert tracemalloc.get_traced_memory()[1] < 100 * 2**20
    finally:
        tracemalloc.stop()


def bomb() -> tuple[dict[Any, Any], list[Any]]:
    """Return little on disk that is much in memory: one long list in ten thousand merges."""
    token = [97] * 100_000
    return vocabulary(), [(token, 256 + i) for i in range(10_000)]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ([1, 2], "not a vocabulary and a list"),
        ((vocabulary(), {}), "not a vocabulary and a list"),
        (({97: "a"}, []), "does not name each of 256 ids"),
        ((vocabulary() | {5.5: "x"}, MERGES), "BINFLOAT"),
        ((vocabulary() | {"x": "x"}, MERGES), "keys that are no ids"),
        ((vocabulary() | {256: True}, MERGES), "NEWTRUE"),
        ((vocabulary() | {97: "b"}, MERGES), "calls id 97 something else"),
        ((vocabulary() | {257: "ab"}, MERGES), "calls id 257 something else"),
        ((vocabulary() | {256: 5}, MERGES), "calls id 256 something else"),
        ((vocabulary(), MERGES[:2]), "does not name each of 258 ids"),
        ((vocabulary(), MERGES[::-1]), "merge 0 is not a list of bytes and the id 256"),
        ((vocabulary(), [("ab", 256)]), "merge 0 is not a list"),
        ((vocabulary(), [([97], 256)]), "merge 0 is not a list"),
        ((vocabulary(), [([97, 10], 256)]), "merge 0 is not made of the letters"),
        ((vocabulary(), [([97, "b"], 256)]), "merge 0 is not made of the letters"),
        (bomb(), "longer than a tokenizer's"),
    ],
)
def test_wrong_contents_are_refused(tmp_path: Path, content: Any, why: str) -> None:
    with pytest.raises(FormatError, match=why):
        read_published(write(tmp_path / "t.pkl", content))


def test_merges_that_do_not_follow_from_one_another(tmp_path: Path) -> None:
    merges = [([97, 98, 99], 256)]
    with pytest.raises(FormatError, match="where it takes two"):
        read_published(write(tmp_path / "t.pkl", (vocabulary(merges), merges)))


def test_damaged_files(tmp_path: Path) -> None:
    whole = pickle.dumps((vocabulary(), MERGES))
    path = tmp_path / "t.pkl"
    for data in (
        b"",
        b"\x80",
        whole[:-1],
        whole[: len(whole) // 2],
        whole[:2000] + whole[2100:],
        b"(" * 50,
        b".",
    ):
        path.write_bytes(data)
        with pytest.raises(FormatError, match="is no ECG-Byte tokenizer"):
            read_published(path)
    with pytest.raises(FormatError, match="no such file"):
        read_published(tmp_path / "missing.pkl")


def test_the_reader_needs_no_unpickler(tmp_path: Path) -> None:
    path = write(tmp_path / "t.pkl", (vocabulary(), MERGES))
    code = "import sys, pickle, _pickle\n"
    code += "def no(*_): raise SystemExit('unpickled')\n"
    code += "for module in (pickle, _pickle): module.load = module.loads = module.Unpickler = no\n"
    code += "from physiolect.tokenizers.ecg_byte_published import read_published\n"
    code += f"print(len(read_published({str(path)!r})[0]))"
    # compiled loops are kept on disk as pickles, so that here they must be compiled
    env = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env)
    assert done.stdout.strip() == "3", done.stderr
