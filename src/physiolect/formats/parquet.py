"""Parquet and Feather tables: columns of numbers and times, read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.formats.columns import Columns
from physiolect.formats.matrix import check_size, is_rate
from physiolect.formats.request import Request
from physiolect.formats.table import recordings_of
from physiolect.recording import Recording, unit_name
from physiolect.recording.channels import split_unit
from physiolect.recording.start_time import parse_moment

_ROWS = 65_536  # rows read at once
_MOST_UNPACKED, _FREE = 100, 1 << 26
"""A file may hold so many times its own size in samples, and any file so many bytes."""


def read_parquet(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recording of a Parquet table: columns of numbers are channels, a column of times gives the rate.

    Raises:
        FormatError: it is damaged, states more rows than it can hold, or no column is a signal.
    """
    from pyarrow import parquet

    with parsing(path, "Parquet"), parquet.ParquetFile(path) as file:
        schema, n_rows = file.schema_arrow, file.metadata.num_rows
        _check_rows(path, n_rows, len(schema))
        yield from _recordings(schema, _guarded(file.iter_batches(batch_size=_ROWS), path), path, want)


def read_feather(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recording of a Feather table, as `read_parquet` does.

    Raises:
        FormatError: it is damaged, or no column is a signal.
    """
    import pyarrow as pa

    with parsing(path, "Feather"):
        with path.open("rb") as start:
            first_version = start.read(4) == b"FEA1"
        if first_version:
            from pyarrow import feather

            table = feather.read_table(path)
            yield from _recordings(table.schema, iter(table.to_batches(_ROWS)), path, want)
            return
        with pa.memory_map(str(path)) as source:
            file = pa.ipc.open_file(source)
            batches = (file.get_batch(i) for i in range(file.num_record_batches))
            yield from _recordings(file.schema, _guarded(batches, path), path, want)


def _check_rows(path: Path, n_rows: int, n_columns: int) -> None:
    stated = 4 * n_rows * n_columns
    check_size(stated, path)
    if stated > max(_FREE, _MOST_UNPACKED * path.stat().st_size):
        raise FormatError(
            f"{path} states {n_rows} rows, more than a file of its size holds",
            hint="the file may be damaged: write it again",
        )


def _guarded(batches: Iterator[Any], path: Path) -> Iterator[Any]:
    """Yield batches, and hold their rows against the size of the file."""
    n_rows = 0
    for batch in batches:
        n_rows += batch.num_rows
        _check_rows(path, n_rows, batch.num_columns)
        yield batch


def _recordings(schema: Any, batches: Iterator[Any], path: Path, want: Request) -> Iterator[Recording]:
    kinds = tuple(_kind(field.type) for field in schema)
    if not kinds:
        raise FormatError(f"{path} has no columns", hint="choose a file with a signal in it")
    split = [split_unit(name) for name in schema.names]
    columns = Columns(
        path,
        tuple("" if name.startswith("__index_level_") else name for name, _ in split),
        tuple(unit_name(unit) if unit else None for _, unit in split),
        kinds,
        fs=_stated_rate(schema.metadata or {}),
        zones=_zones(schema),
    )
    blocks = (_numbers(batch, kinds) for batch in batches if batch.num_rows)
    yield from recordings_of(blocks, columns, want)


def _stated_rate(metadata: dict[bytes, bytes]) -> float | None:
    """Return the rate in Hz among what a file states beside its columns."""
    for key, value in metadata.items():
        if is_rate(key.decode("utf-8", "replace")):
            try:
                return float(value)
            except ValueError:
                return None
    return None


def _zones(schema: Any) -> dict[int, tzinfo]:
    """Return the zone of each column of dates that states one Python knows."""
    zones: dict[int, tzinfo] = {}
    for column, field in enumerate(schema):
        name = getattr(field.type, "tz", None)
        if name:
            offset = parse_moment(f"2000-01-01 00:00:00{name}")
            try:
                zones[column] = (offset and offset.tzinfo) or ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                continue  # the times are then as naive as if none were stated
    return zones


def _kind(type_: Any) -> str:
    """Return what a column of an Arrow type holds."""
    from pyarrow import types

    if types.is_timestamp(type_) or types.is_duration(type_):
        return "stamp"
    if types.is_time(type_):
        return "day"
    if types.is_integer(type_) or types.is_floating(type_) or types.is_decimal(type_):
        return "number"
    return "text"


def _numbers(batch: Any, kinds: tuple[str, ...]) -> NDArray[np.float64]:
    """Return a batch as (rows, columns), times in seconds, NaN where a value is missing or no number."""
    import pyarrow as pa

    block = np.full((batch.num_rows, len(kinds)), np.nan)
    for column, (values, kind) in enumerate(zip(batch.columns, kinds, strict=True)):
        if kind == "text":
            continue
        if kind == "number":
            block[:, column] = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            continue
        unit = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[values.type.unit]
        whole = values.cast(pa.int32() if pa.types.is_time32(values.type) else pa.int64())
        block[:, column] = whole.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False) * unit
    return block
