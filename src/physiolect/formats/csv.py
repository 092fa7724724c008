"""Text tables: comma, semicolon, tab or blanks between numbers, with or without a header."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.files import replacing
from physiolect.formats.columns import Columns, find_roles
from physiolect.formats.empatica import tag_times
from physiolect.formats.request import Request
from physiolect.formats.table import recordings_of
from physiolect.formats.table_start import first_moments
from physiolect.formats.text_cells import Rows, is_number
from physiolect.formats.text_layout import Layout, find_layout
from physiolect.formats.text_sections import Sections
from physiolect.formats.text_source import line_blocks
from physiolect.formats.text_statements import rate_of_unit
from physiolect.recording import Recording, Unit, unit_name
from physiolect.recording.channels import split_unit, with_unit
from physiolect.recording.start_time import parse_start
from physiolect.recording.time_words import is_counter_name, is_time_name

_BLOCK = 65_536  # rows written at once


def read(path: Path, want: Request, content: bytes | None = None) -> Iterator[Recording]:
    """Yield the recordings of a text table, compressed or not, read in blocks.

    With `content`, `path` only names it in messages.

    Columns are channels where a header names them; "II (mV)" gives the unit. Columns of times give the rate: they are
    found by their names in many languages and by their samples. Counters, classes and text are left out. What
    devices write above their samples is read by `text_dialects`. Numbers without names are taken as any matrix is.

    Raises:
        FormatError: the file is no text, has text or a missing cell among its numbers, times that are not uniform, or
            states another rate than was given.
    """
    yield from read_lines(line_blocks(path, want.variable, content), path, want)


def read_lines(blocks: Iterator[list[str]], path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recordings of the lines of a text table, as `read` does.

    LabChart writes several blocks into one file. Each is a recording; who takes one gets the first, with a notice.

    Raises:
        FormatError: as for `read`.
    """
    sections = Sections(blocks)
    if sections.is_one:
        yield from _read_section(sections, path, want)
        return
    for number in count():
        held: Recording | None = None
        for recording in _read_section(sections, path, want):
            if held is not None:
                yield held
            held = recording
        more = sections.skip()
        if held is not None and more and want.one:
            more_blocks = (
                f"the first of several blocks: another begins in line {sections.first + 1}; prepare takes all"
            )
            held = replace(held, notices=(*held.notices, more_blocks))
        elif held is not None and (number or more):
            held = replace(held, source=f"{held.source}#{number}")
        if held is not None:
            yield held
        if not more or want.one:
            return


def _read_section(sections: Sections, path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recordings of one section of a file, which is one but for a matrix of many."""
    begin, blocks = sections.first, sections.lines()
    head = next(blocks, [])
    layout = find_layout(head, path)
    row = next((line for line in head[layout.first :] if line and not line.isspace()), "")
    starts = first_moments(layout.cells.split(row), layout.cells.kinds)
    columns = replace(_columns(layout, path), starts=starts)
    rows = Rows(path, layout.cells, columns.names, begin + layout.first + 1)
    yield from recordings_of(_numbers(rows, head, blocks, layout.first, begin), columns, want)


def holds_signal(lines: list[str], path: Path) -> bool:
    """Return whether lines are a table with a column that may be a signal."""
    try:
        layout = find_layout(lines, path)
        columns = _columns(layout, path)
        rows = Rows(path, layout.cells, columns.names, layout.first + 1)
        return bool(find_roles(rows.block(lines[layout.first :], layout.first + 1), columns).channels)
    except FormatError:
        return False


def _columns(layout: Layout, path: Path) -> Columns:
    """Return what a file states of its columns."""
    facts = layout.facts
    names, units = _named(layout)
    counted = [(unit or "").partition(" since ") for unit in units]  # "time (s since 2020-01-01T12:00:00)"
    since = {k: moment for k, (_, _, text) in enumerate(counted) if text and (moment := parse_start(text))}
    units = tuple(counted[k][0] if k in since else unit for k, unit in enumerate(units))
    stated = [rate_of_unit(unit or "") for unit in units]  # "ECG (500 Hz)", "sample interval (0.004 sec)"
    rates = {rate for rate in stated if rate is not None}
    units = tuple(unit if rate is None else None for unit, rate in zip(units, stated, strict=True))
    names = tuple(
        "sample" if rate is not None and "interval" in name.lower() else name
        for name, rate in zip(names, stated or [None] * len(names), strict=False)
    )
    if len(rates := {*rates, *([] if facts.fs is None else [facts.fs])}) > 1:
        listed = " and ".join(f"{rate:g} Hz" for rate in sorted(rates))
        raise FormatError(f"{path} states two rates, {listed}", hint="correct the one that is wrong")
    return Columns(
        path,
        names,
        units,
        layout.cells.kinds,
        fs=next(iter(rates), None),
        scale=facts.scale,
        modality=facts.modality,
        leave_out=facts.leave_out,
        start=facts.start,
        since=since,
        events=tag_times(path, facts.start),
    )


def _numbers(
    rows: Rows, head: list[str], blocks: Iterator[list[str]], first: int, begin: int
) -> Iterator[NDArray[np.float64]]:
    """Yield the numbers of a section block by block.

    Args:
        rows: What turns lines into numbers.
        head: The first lines.
        blocks: The lines after these.
        first: How many lines of the section stand above its samples.
        begin: How many lines of the file stand before the section.
    """
    number = begin + first + 1
    lines: list[str] | None = head[first:]
    while lines is not None:
        block = rows.block(lines, number)
        if len(block):
            yield block
        number += len(lines)
        lines = next(blocks, None)


def _named(layout: Layout) -> tuple[tuple[str, ...], tuple[Unit, ...]]:
    """Return the name and unit of every column, out of the lines above the samples; none where they name none."""
    facts, n = layout.facts, len(layout.cells.kinds)
    names, units = layout.names, layout.units
    if facts.names and (facts.named or not names):
        listed, given = facts.names, tuple(unit_name(unit) for unit in facts.units)
        if len(listed) == n - 1:
            own = layout.names[0] if layout.names else "time"
            listed = (split_unit(own)[0] or "time", *listed)
            first = layout.units[0] if layout.units else None
            given = (first, *given) if given and len(given) == n - 1 else given
            names, units = listed, given if len(given) == n else (first,) + (None,) * (n - 1)
        elif len(listed) == n:
            names, units = listed, given if len(given) == n else units
    if names and len(units) != n:
        units = (None,) * n
    if not names and facts.unit:
        return (), (unit_name(facts.unit),) * n
    for pattern, new in facts.rename:
        names = tuple(re.sub(pattern, new, name) for name in names)
    if facts.unit:
        stated = unit_name(facts.unit)
        units = tuple(
            unit or (None if is_time_name(name) or is_counter_name(name) else stated)
            for name, unit in zip(names, units, strict=True)
        )
    return names, units


def is_event_list(path: Path, names: Collection[str]) -> bool:
    """Return whether a file lists events of an Empatica E4, and is no signal, by its name and those beside it."""
    return path.name in ("tags.csv", "IBI.csv") and "BVP.csv" in names


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
        if not is_number(text):
            raise FormatError(
                f"line {number} of {source} is '{text[:40]}', which is no number",
                hint="write one number a line, and nan for a missing sample",
            )
        yield float(text)


def begins_with_numbers(path: Path) -> bool:
    """Return whether most cells of one of the first lines are numbers, as in a table of samples and not of words."""
    blocks = line_blocks(path)
    try:
        lines = next(blocks, [])[:400]
        layout = find_layout(lines, path)
    except FormatError:
        return False
    finally:
        blocks.close()  # type: ignore[attr-defined]
    return layout.cells.kinds.count("number") > layout.cells.kinds.count("text")


def write(recording: Recording, path: Path) -> None:
    """Write a recording as comma-separated text with a time column; reading gives back exactly the same samples.

    Annotations are left out. The start, where it is known, stands in the name of the column of times.

    Raises:
        FormatError: the file cannot be written.
    """
    names = [with_unit(n, u) for n, u in zip(recording.channels, recording.units, strict=True)]
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow([_time_name(recording), *names])
        for first in range(0, recording.n_samples, _BLOCK):
            block = recording.signal[:, first : first + _BLOCK]
            times = map(repr, (np.arange(first, first + block.shape[1]) / recording.fs).tolist())
            # numpy writes a float32 with as many digits as tell it from its neighbours
            rows = zip(times, *block.astype(str).tolist(), strict=True)
            file.writelines(f"{','.join(row)}\n" for row in rows)


def _time_name(recording: Recording) -> str:
    """Return the name of the column of times, which states the moment that they count from where it is known."""
    start = recording.start_time
    if start is None:
        return "time (s)"
    moment = start if isinstance(start, datetime) else start.replace(tzinfo=None)
    return f"time (s since {moment.isoformat()})"
