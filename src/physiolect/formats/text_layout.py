"""Where the samples of a text file begin, and what stands above them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from physiolect.errors import FormatError
from physiolect.formats.text_cells import Cells, find_cells
from physiolect.formats.text_dialects import Facts, dialect_of, read_facts
from physiolect.formats.text_statements import is_statement, rate_of_unit
from physiolect.recording import Unit, canonical_channel, modality_of, unit_name
from physiolect.recording.time_words import SECONDS, epoch_unit

COMMENT = ("#", "%", "//", "sep=", '"sep=')
"""How lines begin that hold no samples."""
WITH_UNIT = re.compile(r"(.*?)\s*[(\[]([^()\[\]]*)[)\]]")
_WITH_SUFFIX = re.compile(r"(.*[^\W_].*?)[ _]([muµμn][vV])")
_UNIT = re.compile(
    r"([kmunµμ]?v|microvolts?|millivolts?|volts?|adu|nu|au|a\.u\.|mmhg|m/\(?s\^?2\)?|g|mg|bpm|%|us|µs|k?ohms?|deg.*|°.*|kpa|pa|"
    r"no_units?|local_flux|hz|celsius|n/a|counts?)",
    re.I,
)
_MOST_CELLS = 1_500_000
"""Cells that a line may have."""
_HEAD = 2000
"""Lines by which the layout of a file is judged."""
_EMPATICA: dict[str, tuple[tuple[str, ...], Unit]] = {
    "bvp": (("BVP",), None),
    "acc": (("ACC x", "ACC y", "ACC z"), "g/64"),
    "eda": (("EDA",), "uS"),
    "temp": (("TEMP",), "°C"),
    "hr": (("HR",), "bpm"),
}
"""Files of an Empatica E4 by their names."""


@dataclass(frozen=True)
class Layout:
    """How a text file is laid out."""

    cells: Cells
    first: int
    """Which line is the first of samples, from 0."""
    names: tuple[str, ...]
    """One a column, or none."""
    units: tuple[Unit, ...]
    facts: Facts


def find_layout(lines: list[str], path: Path) -> Layout:
    """Return the layout of a file by its first lines.

    Raises:
        FormatError: they hold no numbers, or name more columns than there are.
    """
    head = [(i, line) for i, line in enumerate(lines[:_HEAD]) if line and not line.isspace()]
    body = [(i, line) for i, line in head if not line.lstrip().startswith(COMMENT)]
    if not body:
        raise FormatError(f"{path} holds no numbers", hint="choose a file with a signal in it")
    if max(line.count(mark) for _, line in body for mark in ",;\t|") > _MOST_CELLS:
        raise FormatError(
            f"{path} has a line of more than {_MOST_CELLS} cells", hint="write one sample a line"
        )
    cells = find_cells([line for _, line in body])
    text = "\n".join(lines[: min(_HEAD, 100)])
    dialect = dialect_of(text)
    skip = re.compile(dialect.not_samples) if dialect and dialect.not_samples else None
    at = next(
        (
            place
            for place, (_, line) in enumerate(body)
            if _are_samples(cells.split(line), cells) and not (skip and skip.fullmatch(line))
        ),
        None,
    )
    if at is None:
        raise FormatError(f"{path} holds no numbers, only a header", hint="choose a file with a signal in it")
    while at and _are_missing(cells.split(body[at - 1][1]), cells):
        at -= 1
    first = body[at][0]
    above = [line for _, line in body[:at]]
    named = [(i, line) for i, line in body[:at] if not (skip and skip.fullmatch(line))]
    rows = _header_rows(named, cells)
    rest = [line for _, line in named[: len(named) - len(rows)]]
    comments = [line for i, line in head if i < first and line.lstrip().startswith(COMMENT)]
    preamble = [line for i, line in head if i < first and (line in comments or line in rest)]
    facts = read_facts(
        "\n".join([*preamble, *(line for line in above if line not in rest)])
        if dialect
        else "\n".join(preamble),
        path,
    )
    names, units = _names_and_units(rows, facts)
    if not names:
        names = _other_names(rest, comments, facts, cells, path, first)
    elif len(names) != len(cells.kinds):
        names = ()
    layout = Layout(cells, first, names, units, facts)
    return _without_numbered_rows(layout, [line for _, line in body[at:]], path)


def _are_samples(row: list[str], cells: Cells) -> bool:
    """Return whether the cells of a line are samples: no word where numbers are."""
    if len(row) != len(cells.kinds):
        return False
    numbers = 0
    for cell, kind in zip(row, cells.kinds, strict=True):
        value = cells.number(cell)
        if kind == "number" and value is None:
            return False
        if kind in ("stamp", "day") and cell and not (cell[:1].isdigit() or cell[:1] == "["):
            return False
        numbers += kind == "number" and value is not None and value == value
    return numbers > 0


def _are_missing(row: list[str], cells: Cells) -> bool:
    """Return whether a line is a row of samples that are all missing."""
    if len(row) != len(cells.kinds) or not any(row):
        return False
    for cell, kind in zip(row, cells.kinds, strict=True):
        value = cells.number(cell)
        if (kind == "text" and cell) or (kind == "number" and (value is None or value == value)):
            return False
        if kind in ("stamp", "day") and not (cell[:1].isdigit() or cell[:1] == "["):
            return False
    return True


def _header_rows(above: list[tuple[int, str]], cells: Cells) -> list[list[str]]:
    """Return the lines of names and units directly above the samples, in order."""
    rows: list[list[str]] = []
    n = len(cells.kinds)
    below = None
    for i, line in reversed(above[-6:]):
        row = _header_row(line, cells)
        words = [cells.is_word(cell) for cell in row]
        if (
            len(row) != n
            or not any(words)
            or row[0].endswith(("=", ":"))
            or (n == 1 and re.search(r"[,;\t=]|:\s", line))
        ):
            break
        apart = below is not None and below - i > 1
        if rows and (
            apart or is_statement(row[0]) or not all(w or not c for w, c in zip(words, row, strict=True))
        ):
            break
        rows.insert(0, row)
        below = i
    return [
        row
        for row in rows
        if len(rows) == 1 or not {cell.lower() for cell in row} <= {"raw", "cal", "uncal", ""}
    ]


def _header_row(line: str, cells: Cells) -> list[str]:
    """Return the cells of a line of names or units."""
    n = len(cells.kinds)
    row = cells.split(line.strip("\r\n"))
    if cells.delimiter is None and len(row) != n:
        # a name may be followed by its unit, "II (mV)", or hold blanks
        for between in (r"\s+(?![(\[])", r"\s{2,}"):
            row = [cell.strip("'\"") for cell in re.split(between, line.strip())]
            if len(row) == n:
                break
    if len(row) == n - 1 and all(re.fullmatch(r"[(\[].*[)\]]", cell) for cell in row):
        return ["", *row]  # rdsamp leaves out the unit of sample numbers
    return row


def _bare(unit: str) -> str:
    """Return a unit without the brackets around it."""
    found = re.fullmatch(r"[(\[]([^()\[\]]*)[)\]]", unit.strip())
    return found[1] if found else unit.strip()


def looks_like_unit(cell: str) -> bool:
    """Return whether a cell is a unit and no name."""
    cell = _bare(cell)
    return bool(_UNIT.fullmatch(cell)) or cell.casefold() in SECONDS or rate_of_unit(cell) is not None


def _names_and_units(rows: list[list[str]], facts: Facts) -> tuple[tuple[str, ...], tuple[Unit, ...]]:
    """Return the names and units of lines above the samples: names, and units below them."""
    if not rows:
        return (), ()
    at = next((i for i in range(len(rows) - 1, 0, -1) if any(map(looks_like_unit, rows[i]))), None)
    if at is not None:
        return tuple(rows[at - 1]), tuple(unit_name(_bare(unit)) for unit in rows[at])
    split = [_with_unit(cell) for cell in rows[-1]]
    names = [name for name, _ in split]
    # "ECG (LL-RA)" and "ECG (LA-RA)" differ in what is no unit
    split = [
        (cell.strip(), None) if names.count(name) > 1 and not looks_like_unit(unit or "") else (name, unit)
        for cell, (name, unit) in zip(rows[-1], split, strict=True)
    ]
    return tuple(name for name, _ in split), tuple(unit for _, unit in split)


def _with_unit(cell: str) -> tuple[str, Unit]:
    """Return a name and its unit: "II (mV)" and "II_mV" are II in mV; "I(110)" numbers a channel."""
    match = WITH_UNIT.fullmatch(cell)
    if match:
        is_pair = re.fullmatch(r"[A-Za-z]{1,3}\d?\s?[-–]\s?[A-Za-z]{1,3}\d?", match[2])
        return (cell, None) if match[2].isdigit() or is_pair else (match[1], unit_name(match[2]))
    match = _WITH_SUFFIX.fullmatch(cell)
    return (match[1], unit_name(match[2].replace("v", "V"))) if match else (cell, None)


def _other_names(
    rest: list[str], comments: list[str], facts: Facts, cells: Cells, path: Path, first: int
) -> tuple[str, ...]:
    """Return names that stand in the last comment, or in a line of one cell less; none where there are none."""
    n = len(cells.kinds)
    for line in comments[-1:]:
        row = cells.split(re.sub(r"^\s*(#|%|//)+\s*", "", line))
        known = n > 1 or (row and modality_of(canonical_channel(row[0])) is not None)
        if len(row) == n and known and all(map(cells.is_word, row)) and not re.search(r"[=:{]", line):
            return tuple(row)
    if len(rest) == 1 and not facts.names and facts.fs is None:
        row = cells.split(rest[0])
        if len(row) > 1 and all(map(cells.is_word, row)):
            if len(row) == n - 1:
                return ("", *row)  # R leaves out the name of the rows' column
            raise FormatError(
                f"the header of {path} names {len(row)} columns, but line {first + 1} has {n}",
                hint="name every column once",
            )
    return ()


def _without_numbered_rows(layout: Layout, lines: list[str], path: Path) -> Layout:
    """Return the layout without rows of numbers that are no samples: numbered names, or a start time and a rate."""
    if layout.names or len(lines) < 3:
        return layout
    split = layout.cells.split
    rows = [split(line) for line in lines[:6]]
    n = len(layout.cells.kinds)
    if any(len(row) != n for row in rows) or layout.facts.names:
        return layout
    if _are_numbered_names(rows):
        return replace(layout, names=tuple(rows[0]), units=(None,) * n, first=layout.first + 1)
    start, rate, third = ([layout.cells.number(cell) for cell in row] for row in rows[:3])
    begins = start[0] is not None and epoch_unit(start[0]) == 1.0 and len(set(start)) == 1
    if (
        begins
        and len(set(rate)) == 1
        and rate[0]
        and 0 < rate[0] <= 20_000
        and not epoch_unit(third[0] or 0.0)
    ):
        stem = path.name.lower().partition(".")[0]
        names, unit = _EMPATICA.get(stem, ((), None))
        began = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=start[0] or 0.0)
        facts = replace(
            layout.facts, fs=rate[0], start=began, modality="ppg" if stem == "bvp" else layout.facts.modality
        )
        if len(names) == n:
            return replace(layout, names=names, units=(unit,) * n, facts=facts, first=layout.first + 2)
        return replace(layout, facts=facts, first=layout.first + 2)
    return layout


def _are_numbered_names(rows: list[list[str]]) -> bool:
    """Return whether the first row is 0, 1, 2 … as a table without names gets when it is saved with a header."""
    head = rows[0]
    numbers = head[1:] if not head[0] else head
    if not numbers or numbers not in ([str(i + first) for i in range(len(numbers))] for first in (0, 1)):
        return False
    if not head[0]:
        return len(head) > 1
    if len(head) == 1:
        return all("." in row[0] or "e" in row[0].lower() for row in rows[1:])
    counts = all(row[0] == str(int(head[0]) + i) for i, row in enumerate(rows))
    return not counts
