"""A tokenised store holds what was written, and opens with Arrow alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from physiolect.datasets import TokenRow, TokenStore, write_tokens
from physiolect.datasets.store import tokens
from physiolect.errors import FormatError
from physiolect.tokenizers import EcgByteTokenizer, LevelTokenizer, save_tokenizer

TOKENIZER = EcgByteTokenizer(percentiles=(-0.5, 0.5), channels=("II",), merges=((0, 0), (26, 1)))


def rows(n: int) -> Iterator[TokenRow]:
    for k in range(n):
        ids = np.random.default_rng(k).integers(0, 28, k % 7)
        patient, labels = (None, ()) if k % 2 else (f"patient {k}", ("AF", str(k)))
        yield TokenRow(ids, source=f"record {k}", start=k / 2, patient=patient, labels=labels)


def test_what_was_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_BATCH", 4)
    write_tokens(tmp_path / "t", TOKENIZER, rows(3))
    written = write_tokens(tmp_path / "t", TOKENIZER, rows(11))  # over an earlier one
    for store in (written, TokenStore(tmp_path / "t")):
        assert len(store) == 11
        assert store.tokenizer == TOKENIZER
        for k, row in enumerate(rows(11)):
            found = store.row(k)
            np.testing.assert_array_equal(found.ids, row.ids)
            assert (found.source, found.start, found.patient, found.labels) == (
                row.source, row.start, row.patient, row.labels,
            )  # fmt: skip
    with pa.memory_map(str(tmp_path / "t" / "tokens.arrow")) as file:
        assert pa.ipc.open_stream(file).read_all()["source"][10].as_py() == "record 10"


def test_an_interruption_leaves_nothing_half_done(tmp_path: Path) -> None:
    def interrupted() -> Iterator[TokenRow]:
        yield from rows(3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_tokens(tmp_path / "t", TOKENIZER, interrupted())
    assert not list((tmp_path / "t").iterdir())


def test_tokens_of_another_tokenizer_do_not_open(tmp_path: Path) -> None:
    write_tokens(tmp_path / "t", TOKENIZER, rows(3))
    save_tokenizer(replace(TOKENIZER, merges=((0, 0),)), tmp_path / "t" / "signal_tokenizer.json")
    with pytest.raises(FormatError, match="damaged or of another kind"):
        TokenStore(tmp_path / "t")


def test_refusals(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("mine")
    with pytest.raises(FormatError, match=r"something other than a tokenised store: other\.txt"):
        write_tokens(tmp_path, TOKENIZER, rows(1))
    with pytest.raises(FormatError, match="no signal tokenizer"):
        TokenStore(tmp_path)
    save_tokenizer(TOKENIZER, tmp_path / "signal_tokenizer.json")
    for content in (b"", b"no arrow", None):
        if content is not None:
            (tmp_path / "tokens.arrow").write_bytes(content)
        with pytest.raises(FormatError, match="missing, damaged or of another kind"):
            TokenStore(tmp_path)
    save_tokenizer(LevelTokenizer(), tmp_path / "signal_tokenizer.json")
    with pytest.raises(FormatError, match="is a LevelTokenizer"):
        TokenStore(tmp_path)
