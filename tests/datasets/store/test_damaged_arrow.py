"""Offsets in an Arrow file that lie are an error of ours, and no end of the process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physiolect.datasets.store.tokens import TOKENS_FILE, TokenRow, TokenStore, write_tokens
from physiolect.errors import FormatError


def test_token_offsets_that_lie_are_refused(tmp_path: Path) -> None:
    from tests.datasets.store.test_tokens import TOKENIZER

    rows = [TokenRow(np.arange(7, dtype=np.uint16), source=f"r{i}", start=0.0) for i in range(3)]
    write_tokens(tmp_path / "t", TOKENIZER, rows)
    file = tmp_path / "t" / TOKENS_FILE
    content = file.read_bytes()
    offsets = np.arange(0, 28, 7, dtype="<i8").tobytes()
    assert content.count(offsets) == 1
    file.write_bytes(content.replace(offsets, np.array([0, 7, 7_000_000, 21], "<i8").tobytes()))
    with pytest.raises(FormatError, match="damaged"):
        TokenStore(tmp_path / "t")
