from __future__ import annotations

import tomllib
from pathlib import Path

from physiolect.formats.readers import READERS
from physiolect.formats.support import SUPPORT, support_table
from physiolect.formats.write import WRITERS


def test_every_reader_and_writer_is_in_the_table() -> None:
    read = {suffix for each in SUPPORT for suffix in each.files}
    assert set(READERS) <= read
    written = {suffix for each in SUPPORT if each.written for suffix in each.files}
    assert {suffix for suffix in WRITERS if suffix} <= written
    assert read - set(READERS) <= {".dat"}


def test_rows_have_the_same_columns_and_extras_exist() -> None:
    rows = support_table()
    assert len({tuple(row) for row in rows}) == 1
    assert all(all(row.values()) for row in rows)
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    assert all(each.extra in extras for each in SUPPORT if each.extra)
