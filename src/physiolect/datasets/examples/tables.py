"""Labels of recordings out of a table: a column of a CSV or Parquet file, found by each recording's name."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physiolect.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

KEYS = ("recording", "source", "record")
"""What the column of recordings' names may be called."""


def read_column(path: str | os.PathLike[str], column: str, sources: Collection[str]) -> dict[str, Any]:
    """Return what a column says of each recording that the table names and tells something of.

    Args:
        path: a `.csv` or `.parquet` file; its column "recording" (or "source", "record") holds recordings' names.
        column: the column to read.
        sources: names of the recordings, as a store has them.

    Raises:
        ConfigError: the file cannot be read, has no such column, tells two things of a recording, or knows none.
    """
    table = _read(Path(path))
    names = table.column_names
    key = next((name for name in KEYS if name in names), None)
    if key is None:
        raise ConfigError(
            f"{path} has no column that names recordings: it has {', '.join(names)}",
            hint=f"call that column 'recording'; it must name them as the store does: {_some(sources)}",
        )
    if column not in names or column == key:
        raise ConfigError(
            f"{path} has no column '{column}' of labels", hint=did_you_mean(column, set(names) - {key})
        )
    for name in (key, column):
        if names.count(name) > 1:
            raise ConfigError(
                f"{path} has {names.count(name)} columns '{name}'",
                hint="leave one of them, or rename the others",
            )
    known = set(sources)
    found: dict[str, Any] = {}
    for name, value in zip(_values(table, key, Path(path)), _values(table, column, Path(path)), strict=True):
        source = str(name)
        if source not in known or value is None or value == "":
            continue
        if found.setdefault(source, value) != value:
            raise ConfigError(
                f"{path} says of {source} both {found[source]} and {value} in column '{column}'",
                hint="leave one line a recording",
            )
    if not found:
        raise ConfigError(
            f"column '{column}' of {path} says nothing of any of {len(known)} recordings",
            hint=f"the column '{key}' must name them as the store does: {_some(known)}",
        )
    return found


def _values(table: pa.Table, column: str, path: Path) -> list[Any]:
    """Return a column's values.

    Raises:
        ConfigError: one is no value that Python has: text that is not UTF-8, a date beyond the year 9999.
    """
    try:
        return list(table[column].to_pylist())
    except (ValueError, OverflowError) as error:
        reason = "no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error).partition("\n")[0]
        raise ConfigError(
            f"{path} cannot be read: {reason}, in column '{column}'",
            hint="write the table again; labels are words or numbers",
        ) from error


def _some(sources: Collection[str]) -> str:
    return f"{', '.join(sorted(sources)[:3])} …"


def _read(path: Path) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv, parquet

    readers = {".csv": csv.read_csv, ".parquet": parquet.read_table, ".pq": parquet.read_table}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(f"{path} is no table of labels", hint="give a .csv or a .parquet file")
    if not path.is_file():
        raise ConfigError(f"there is no {path}", hint="name the file of labels")
    try:
        if reader is csv.read_csv:  # names such as "100" are names, not numbers
            options = csv.ConvertOptions(column_types=dict.fromkeys(KEYS, pa.string()))
            return reader(str(path), convert_options=options)
        return reader(str(path))
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"{path} cannot be read: {reason}", hint="give a CSV file with a header line, or Parquet"
        ) from error
