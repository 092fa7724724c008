"""Text tables: comma, semicolon, tab or blanks between numbers, with or without a header."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.files import replacing
from physiolect.formats.boundary import parsing
from physiolect.formats.matrix import MAX_CHANNELS, check_size, recordings_in
from physiolect.formats.request import Request
from physiolect.recording import Recording, Unit, unit_name
from physiolect.recording.channels import split_unit, with_unit
from physiolect.recording.time_column import is_counter, rate_of_times, time_unit

_MISSING = {"", "na", "n/a", "nan", "null", "none", "-", "?"}
_EVEN_ROWS = 16
"""A column without a name must rise evenly for so many rows to be taken for time; no signal does."""
_BLOCK = 65_536  # rows written at once


@dataclass(frozen=True)
class _Table:
    """The lines of a text file, told apart into header and numbers."""

    path: Path
    delimiter: str | None
    """None for any run of blanks."""
    header: list[list[str]]
    """Cells of the lines above the numbers: names, and perhaps units."""
    lines: list[str]
    """The lines of numbers."""
    numbers: list[int]
    """Where each of them stands in the file, from 1."""

    def column(self, index: int) -> str:
        """Return what to call a column in an error."""
        named = self.header and index < len(self.header[0]) and self.header[0][index].strip()
        return f"column '{named}'" if named else f"column {index + 1}"


def read(path: Path, want: Request, content: bytes | None = None) -> Iterator[Recording]:
    """Yield the recordings of a text table; with `content`, `path` only names it in messages.

    Columns are channels where a header names them; "II (mV)" gives the unit. A first column called time
    (t, seconds, ms …) gives the rate. Without a header a first column that rises evenly is time in seconds, or
    counts the samples; all other numbers are taken as any matrix is.

    Raises:
        FormatError: the file is no text, has text or a missing cell among its numbers, or times that are not uniform.
    """
    table = _table(path, _content(path) if content is None else content)
    values = _numbers(table)  # (rows, columns)
    if not table.header:
        if values.shape[1] > 1 and np.isnan(values[:, -1]).all():
            values = values[:, :-1]  # a delimiter ends every line
        if _rises_evenly(values):
            steps, values = values[:, 0], values[:, 1:]
            counts = np.array_equal(steps - steps[0], np.arange(len(steps)))
            stated = None if counts else rate_of_times(steps, "", str(path), want.fs)
            yield from recordings_in(values.T, want, path, stated_fs=stated, as_is=True)
            return
        yield from recordings_in(values.reshape(-1) if 1 in values.shape else values, want, path)
        return
    names, units = _names_and_units(table, values)
    stated = None
    if is_counter(names[0], values[:, 0]):
        names, units, values = names[1:], units[1:], values[:, 1:]
    elif (unit := time_unit(names[0])) is not None:
        stated = rate_of_times(values[:, 0], units[0] or unit, str(path), want.fs)
        names, units, values = names[1:], units[1:], values[:, 1:]
    if not names:
        raise FormatError(f"{path} holds a time column only", hint="choose a file with a signal in it")
    yield from recordings_in(
        values.T,
        want,
        path,
        stated_fs=stated,
        channels=[name or f"ch{i + 1}" for i, name in enumerate(names)] if any(names) else (),
        units=[unit_name(unit or "") for unit in units],
        as_is=True,
    )


def begins_with_numbers(path: Path) -> bool:
    """Tell whether most cells of one of the first lines are numbers, as in a table of samples and not of words."""
    with parsing(path, "text"), path.open("rb") as file:
        lines = file.read(4096).decode("latin-1").splitlines()[:4]
    cells = [[_is_number(cell) for cell in re.split(r"[,;\s]+", line.strip())] for line in lines]
    return any(2 * sum(row) > len(row) for row in cells)


def read_numbers(lines: Iterable[str], source: str) -> Iterator[float]:
    """Yield the number in each line while lines come in; blank lines are skipped, "nan" is a missing sample.

    Args:
        lines: text, such as an open file.
        source: what messages call it.

    Raises:
        FormatError: a line is no number.
    """
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text:
            continue
        if not _is_number(text):
            raise FormatError(
                f"line {number} of {source} is '{text[:40]}', which is no number",
                hint="write one number a line, and nan for a missing sample",
            )
        yield float(text)


def _content(path: Path) -> bytes:
    with parsing(path, "text"):
        size = path.stat().st_size
    check_size(size, path)
    with parsing(path, "text"):
        return path.read_bytes()


def _table(path: Path, content: bytes) -> _Table:
    """Find the header and the delimiter of a text table.

    Raises:
        FormatError: it is no text, or holds no numbers.
    """
    text = _decode(content)
    if re.search(r"[\x00-\x08\x0e-\x1b]", text):
        raise FormatError(
            f"{path} is not text but binary data",
            hint="CSV, MAT, NPY, NPZ, WFDB, EDF and BDF are read; give a file of these its proper extension",
        )
    full = [(i, line) for i, line in enumerate(text.splitlines(), 1) if line and not line.isspace()]
    while full and full[0][1].startswith("#"):
        full.pop(0)
    if not full:
        raise FormatError(f"{path} holds no numbers", hint="choose a file with a signal in it")
    sample = full[min(2, len(full) - 1)][1]
    # by most of the lines: one that is cut short must not decide for all
    body = [line for _, line in full[1:50]] or [sample]
    delimiter = next((mark for mark in "\t;," if 2 * sum(mark in line for line in body) >= len(body)), None)
    header: list[list[str]] = []
    while full and len(header) < 2:
        line = full[0][1].strip()
        if delimiter:
            cells = _cells(line, delimiter)
        else:  # a name may be followed by its unit, "II (mV)"; over one column it may hold any blanks
            cells = re.split(r"\s+(?![(\[])", line) if len(sample.split()) > 1 else [line]
            cells = [cell.strip("'\"") for cell in cells]
        words = [not _is_number(cell.replace(",", ".")) and cell.lower() not in _MISSING for cell in cells]
        # one word makes a line of names; a second line of units is words throughout
        if not (all(words) if header else any(words)):
            break
        header.append(cells)
        full.pop(0)
    if not full:
        raise FormatError(f"{path} holds no numbers, only a header", hint="choose a file with a signal in it")
    lines = [line for _, line in full]
    if delimiter in (";", "\t") and any("," in line for line in lines):
        lines = [line.replace(",", ".") for line in lines]
    return _Table(path, delimiter, header, lines, [number for number, _ in full])


def _decode(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _cells(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return line.split()
    if '"' not in line:
        return [cell.strip().strip("'") for cell in line.split(delimiter)]
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]
    except (csv.Error, StopIteration):
        return [cell.strip().strip('"') for cell in line.split(delimiter)]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python reads 1_000 as a number; a file means a word


def _numbers(table: _Table) -> NDArray[np.float64]:
    """Return the numbers, (rows, columns), NaN where a cell is empty or says so.

    Raises:
        FormatError: a cell is text, or lines differ in length.
    """
    try:
        return np.loadtxt(table.lines, np.float64, comments=None, delimiter=table.delimiter, ndmin=2)
    except (ValueError, OverflowError):
        return _cell_by_cell(table)  # slower, but it knows empty cells and says where the trouble is


def _cell_by_cell(table: _Table) -> NDArray[np.float64]:
    rows: list[list[float]] = []
    for number, line in zip(table.numbers, table.lines, strict=True):
        row = []
        for index, cell in enumerate(_cells(line, table.delimiter)):
            if not _is_number(cell) and cell.lower() not in _MISSING:
                raise FormatError(
                    f"{table.column(index)} of {table.path} holds text, '{cell[:40]}', in line {number}",
                    hint="remove the column or the line; a missing sample is an empty cell or NaN",
                )
            row.append(float(cell) if _is_number(cell) else np.nan)
        if rows and len(row) != len(rows[0]):
            raise FormatError(
                f"line {number} of {table.path} has {len(row)} cells, but line {table.numbers[0]} has {len(rows[0])}",
                hint="every line needs as many cells; a missing sample is an empty cell or NaN",
            )
        rows.append(row)
    return np.array(rows, np.float64)


def _names_and_units(table: _Table, values: NDArray[np.float64]) -> tuple[list[str], list[Unit]]:
    """Return the name and unit of every column, as the header writes them."""
    cells, second = table.header[0], table.header[1] if len(table.header) > 1 else []
    if len(cells) != values.shape[1] or (second and len(second) != len(cells)):
        raise FormatError(
            f"the header of {table.path} names {len(cells)} columns, but line {table.numbers[0]} has {values.shape[1]}",
            hint="name every column once",
        )
    names, units = zip(*map(split_unit, cells), strict=True)
    return list(names), [unit.strip("'") for unit in second] if second else list(units)


def _rises_evenly(values: NDArray[np.float64]) -> bool:
    """Tell whether the first of several columns can be nothing but time."""
    n_rows, n_columns = values.shape
    if not 2 <= n_columns <= MAX_CHANNELS + 1 or n_rows < max(_EVEN_ROWS, n_columns):
        return False
    first, last = values[0, 0], values[-1, 0]
    step = (last - first) / (n_rows - 1)
    off = np.abs(values[:, 0] - first - step * np.arange(n_rows)).max()  # NaN where a time is missing
    return bool(step > 0 and off < 0.5 * step)


def write(recording: Recording, path: Path) -> None:
    """Write a recording as comma-separated text with a time column; reading gives back exactly the same samples.

    Annotations are left out.

    Raises:
        FormatError: the file cannot be written.
    """
    names = [with_unit(n, u) for n, u in zip(recording.channels, recording.units, strict=True)]
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(["time (s)", *names])
        for first in range(0, recording.n_samples, _BLOCK):
            block = recording.signal[:, first : first + _BLOCK]
            times = map(repr, (np.arange(first, first + block.shape[1]) / recording.fs).tolist())
            # numpy writes a float32 with as many digits as tell it from its neighbours
            rows = zip(times, *block.astype(str).tolist(), strict=True)
            file.writelines(f"{','.join(row)}\n" for row in rows)
