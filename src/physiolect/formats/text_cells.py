"""Cells of text tables: how lines divide into cells, and what each column holds."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.time_stamps import column_of_stamps, is_date, is_day, is_stamp, seconds_of

Kind = Literal["number", "stamp", "day", "text"]
"""Numbers; dates with times; times of day; anything else."""

MISSING = {"", "na", "n/a", "nan", "null", "none", "-", "--", "?", "nil", "#n/a"}
_MOST_JUDGED = 4096
"""More columns than this are numbers; no table has so many names."""
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?", re.I)


def is_number(text: str) -> bool:
    """Return whether a text is a number; Python reads 1_000 as one, but a file means a word."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


@dataclass(frozen=True)
class Cells:
    """How the lines of one file divide, and what its columns hold."""

    delimiter: str | None
    """None for any run of blanks, "" for one cell a line."""
    comma: bool
    """Whether numbers have decimal commas."""
    kinds: tuple[Kind, ...] = ()
    least: int = 0
    """Cells that a line has at least, where programs leave out empty ones at the end; 0 where all are needed."""

    def split(self, line: str) -> list[str]:
        """Return the cells of a line, without quotes; the empty one behind a last delimiter is left out."""
        if self.delimiter == "":
            return [line.strip().strip("'\"")]
        if self.delimiter is None:
            return [cell.strip("'\"") for cell in line.split()]
        if '"' in line:
            try:
                cells = next(csv.reader([line], delimiter=self.delimiter, skipinitialspace=True))
            except (csv.Error, StopIteration):
                cells = line.split(self.delimiter)
        else:
            cells = line.split(self.delimiter)
        cells = [cell.strip().strip("'\"") for cell in cells]
        while self.kinds and len(cells) > len(self.kinds) and not cells[-1]:
            cells.pop()
        if self.least and self.least <= len(cells) < len(self.kinds):
            cells += [""] * (len(self.kinds) - len(cells))
        return cells

    def number(self, cell: str) -> float | None:
        """Return the number a cell holds, NaN where it says that it is missing, None where it is a word."""
        if self.comma:
            cell = cell.replace(",", ".")
        if is_number(cell):
            return float(cell)
        return np.nan if cell.lower() in MISSING else None

    def is_word(self, cell: str) -> bool:
        """Return whether a cell is neither a number nor missing."""
        return self.number(cell) is None


def find_cells(lines: Sequence[str]) -> Cells:
    """Return how lines of samples divide into cells, by most of them.

    Args:
        lines: of samples; a few others among them do not matter.
    """
    delimiter = next(
        (mark for mark in "\t;|," if 2 * sum(mark in line for line in lines) >= len(lines)), None
    )
    decimal = delimiter == "," and _is_decimal_comma(lines)
    if decimal:
        delimiter, comma = None, True
    elif delimiter is None:
        commas = [line for line in lines if "," in line]
        comma = 2 * len(commas) > len(lines) and all(
            _DECIMAL_COMMA.fullmatch(cell.strip("'\"")) or "," not in cell
            for line in commas
            for cell in line.split()
        )
    else:
        cells = [cell for line in lines for cell in Cells(delimiter, False).split(line)]
        commas = [cell for cell in cells if _DECIMAL_COMMA.fullmatch(cell)]
        comma = bool(commas)
    probe = Cells(delimiter, comma)
    if delimiter is None and len(lines) and all(len(line.split()) < 2 for line in lines):
        probe = Cells("", comma)
    rows = [probe.split(line) for line in lines]
    widths = Counter(len(row) for row in rows)
    usual = width = widths.most_common(1)[0][0] if rows else 0
    longer = [row for row in rows if len(row) > usual]
    words = all(probe.is_word(cell) for row in longer for cell in row[usual:])
    if words and len(longer) > 1 and len({len(row) for row in longer}) == 1 and usual > 1:
        width = len(longer[0])  # a last column of marks, which most lines leave out
    rows = [row + [""] * (width - len(row)) for row in rows if len(row) in (usual, width)]
    while width > 1 and probe.delimiter and all(not row[width - 1] for row in rows):
        width -= 1  # a delimiter ends every line
    columns = range(width) if width <= _MOST_JUDGED else ()
    judged = [_kind(probe, [row[column] for row in rows]) for column in columns]
    numbers: list[Kind] = ["number"] * width
    kinds = tuple(judged or numbers)
    return Cells(probe.delimiter, comma, kinds, usual if usual < width else 0)


def _is_decimal_comma(lines: Sequence[str]) -> bool:
    """Return whether the one comma of each line is a decimal comma, by the digits behind it.

    They are as many in every line, and begin with zeros, or change like the last digit of a measurement.
    """
    parts = [line.strip().split(",") for line in lines if "," in line]
    pairs = [part for part in parts if len(part) == 2 and '"' not in "".join(part)]
    if len(pairs) < 0.9 * len(parts):  # lines above the samples hold other commas
        return False
    parts = pairs
    ends = [end for begin, end in parts if end.isdigit() and begin.lstrip("+-").isdigit()]
    if not ends or len(ends) < 0.9 * len(parts):
        return False
    if sum(end[0] == "0" and len(end) > 1 for end in ends) >= 2:
        return True
    changes = sum(one != other for one, other in pairwise(ends))
    return len(ends) >= 50 and max(map(len, ends)) == 1 and len(set(ends)) >= 8 and 2 * changes > len(ends)


def _kind(probe: Cells, cells: list[str]) -> Kind:
    """Return what a column holds: numbers where one of its cells is one."""
    filled = [cell for cell in cells if cell.lower() not in MISSING]
    if not filled or any(not probe.is_word(cell) for cell in filled):
        return "number"
    stamps = sum(is_stamp(cell) for cell in filled)
    if 2 * stamps > len(filled) or (stamps and len(filled) < 4):
        return "day" if all(is_day(cell) for cell in filled if is_stamp(cell)) else "stamp"
    # the first may be the column's name
    return "text" if len(filled) > 1 or is_date(filled[0]) else "number"


def _loaded(lines: list[str], mark: str | None, columns: list[int] | None = None) -> NDArray[np.float64]:
    """Return lines of numbers as (rows, columns), NaN where a cell is empty; raise ValueError where one is a word."""

    def load(some: list[str]) -> NDArray[np.float64]:
        mark_or_blanks = mark or None
        return np.loadtxt(
            some, np.float64, comments=None, delimiter=mark_or_blanks, quotechar='"', ndmin=2, usecols=columns
        )

    try:
        return load(lines)
    except ValueError:
        return load(_with_nan(lines, mark))


def _with_nan(lines: list[str], mark: str | None) -> list[str]:
    """Return lines with "nan" in their empty cells."""
    if not mark:
        raise ValueError("no empty cells between blanks")
    ends = rf"[{re.escape(mark)}\n]"
    text = re.sub(rf'(?:(?<={ends})|\A)(?:""|)(?={ends}|\Z)', "nan", "\n".join(lines))
    return text.split("\n")


@dataclass
class Rows:
    """Lines of a text table as numbers, block by block."""

    path: Path
    cells: Cells
    names: Sequence[str] = ()
    """What the columns are called, for errors."""
    first: int = 1
    """Where the first line of samples stands in the file."""
    n_blank: int = 0
    """Blank lines at the end of the last block."""

    def column(self, index: int) -> str:
        """Return what to call a column in an error."""
        named = index < len(self.names) and self.names[index].strip()
        return f"column '{named}'" if named else f"column {index + 1}"

    def block(self, lines: list[str], number: int) -> NDArray[np.float64]:
        """Return the numbers of some lines, (rows, columns); NaN where a cell is empty, or text in a column of text.

        Args:
            lines: of samples; blank ones are passed over.
            number: where the first of them stands in the file.

        Raises:
            FormatError: a cell is text, or lines differ in length.
        """
        if len(self.cells.kinds) == 1:
            lines = self._with_missing(lines)
        try:
            return self._fast_block(lines)
        except (ValueError, OverflowError):
            return self._cell_by_cell(lines, number)  # slower, but it says where the trouble is

    def _with_missing(self, lines: list[str]) -> list[str]:
        """Return the lines of one column with "nan" where a line between samples is blank.

        Blank lines at the end are kept for the next block; many are the layout of the file and stay blank.
        """
        blank = [not line or line.isspace() for line in lines]
        n_last = next((i for i, empty in enumerate(reversed(blank)) if not empty), len(lines))
        before, self.n_blank = self.n_blank, self.n_blank + n_last if n_last == len(lines) else n_last
        if n_last == len(lines) or 3 * (sum(blank) + before) > len(lines):
            return lines
        inner = ["nan" if empty else line for line, empty in zip(lines, blank, strict=True)]
        return ["nan"] * before + inner[: len(lines) - n_last]

    def _fast_block(self, lines: list[str]) -> NDArray[np.float64]:
        """Return what `block` does for lines without surprises.

        Raises:
            ValueError: there is one.
        """
        cells, mark = self.cells, self.cells.delimiter
        n = len(cells.kinds)
        lines = [line for line in lines if line and not line.isspace()]
        if not lines or cells.least:
            raise ValueError("nothing to read, or cells left out")
        if mark and lines[0].count(mark) == n and lines[0].endswith(mark):
            lines = [line.removesuffix(mark) for line in lines]  # a delimiter ends every line
        if cells.comma and mark != ",":
            lines = [line.replace(",", ".") for line in lines]
        numbers = [i for i, kind in enumerate(cells.kinds) if kind == "number"]
        if len(numbers) == n:
            found = _loaded(lines, mark)
            if found.shape[1] != n:
                raise ValueError("another number of columns")
            return found
        if (
            not mark
            or "text" in cells.kinds
            or any('"' in line or line.count(mark) != n - 1 for line in lines)
        ):
            raise ValueError("cells that need care")
        found = np.empty((len(lines), n))
        if numbers:
            found[:, numbers] = _loaded(lines, mark, numbers)
        for column in set(range(n)) - set(numbers):
            found[:, column] = column_of_stamps([line.split(mark, column + 1)[column] for line in lines])
        return found

    def _cell_by_cell(self, lines: list[str], number: int) -> NDArray[np.float64]:
        kinds, n = self.cells.kinds, len(self.cells.kinds)
        rows: list[list[float]] = []
        for line_number, line in enumerate(lines, number):
            if not line or line.isspace():
                continue
            cells = self.cells.split(line)
            if (
                len(cells) > n
                and all(self.cells.is_word(cell) for cell in cells[n:])
                and cells[n].startswith("#")
            ):
                cells = cells[:n]  # LabChart writes comments behind the samples
            row = [
                self._value(cell, kind, i, line_number)
                for i, (cell, kind) in enumerate(zip(cells, kinds, strict=False))
            ]
            if len(cells) != n:
                raise FormatError(
                    f"line {line_number} of {self.path} has {len(cells)} cells, but line {self.first} has {n}",
                    hint="every line needs as many cells; a missing sample is an empty cell or NaN",
                )
            if "text" in kinds and self._is_mark(cells):
                continue  # a line of a mark between lines of samples
            rows.append(row)
        return np.array(rows, np.float64).reshape(len(rows), n)

    def _is_mark(self, cells: list[str]) -> bool:
        """Return whether a line has text where samples would be missing."""
        pairs = list(zip(cells, self.cells.kinds, strict=True))
        empty = all(not cell for cell, kind in pairs if kind == "number")
        return empty and any(cell for cell, kind in pairs if kind == "text")

    def _value(self, cell: str, kind: Kind, index: int, line_number: int) -> float:
        if kind == "text":
            return np.nan
        if kind in ("stamp", "day"):
            stamp = seconds_of(cell)
            return np.nan if stamp is None else stamp
        value = self.cells.number(cell)
        if value is None and cell.endswith("="):
            raise FormatError(
                f"{self.path} begins another block of samples in line {line_number}",
                hint="export every block to a file of its own",
            )
        if value is None:
            raise FormatError(
                f"{self.column(index)} of {self.path} holds text, '{cell[:40]}', in line {line_number}",
                hint="remove the column or the line; a missing sample is an empty cell or NaN",
            )
        return value
