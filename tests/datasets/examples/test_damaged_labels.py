"""Tables of labels that are damaged or ambiguous give one sentence that names the file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from physiolect.datasets.examples.tables import read_column
from physiolect.errors import ConfigError

NAMES = ["a", "b"]


def test_a_column_that_is_twice_in_the_table(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("recording,rhythm,rhythm\na,x,x\nb,y,y\n")
    with pytest.raises(ConfigError, match=r"l.csv has 2 columns 'rhythm'"):
        read_column(tmp_path / "l.csv", "rhythm", NAMES)


def test_text_that_is_no_utf_8(tmp_path: Path) -> None:
    raw = pa.StringArray.from_buffers(
        2, pa.array([0, 1, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xff\xfe")
    )
    pyarrow.parquet.write_table(pa.table({"recording": NAMES, "rhythm": raw}), tmp_path / "l.parquet")
    with pytest.raises(ConfigError, match=r"l.parquet cannot be read: no UTF-8"):
        read_column(tmp_path / "l.parquet", "rhythm", NAMES)


def test_a_date_beyond_those_of_python(tmp_path: Path) -> None:
    far = pa.array([1 << 30, 0], pa.int32()).cast(pa.date32())
    pyarrow.parquet.write_table(pa.table({"recording": NAMES, "rhythm": far}), tmp_path / "l.parquet")
    with pytest.raises(ConfigError, match=r"l.parquet cannot be read"):
        read_column(tmp_path / "l.parquet", "rhythm", NAMES)
