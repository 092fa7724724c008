"""Excel workbooks (`.xlsx`): a sheet of numbers, read like a text table."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from physiolect.errors import FormatError, did_you_mean, require
from physiolect.formats import csv
from physiolect.formats.boundary import MAX_BYTES, parsing
from physiolect.formats.request import Request
from physiolect.recording import Recording

_MOST_ROWS = 1_048_576
"""Rows of a sheet, by Excel's own limit; a file may state any number."""
_BLOCK = 20_000  # rows handed on at once
_MOST_UNPACKED, _FREE = 100, 1 << 26
"""A workbook may unpack to so many times its size, and any workbook to so many bytes."""


def read(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recording of the sheet that holds numbers, or of the sheet that `variable` names.

    Raises:
        FormatError: it is damaged, or no sheet, or more than one, holds numbers.
    """
    openpyxl = require("openpyxl", extra="tables")
    _check_archive(path)
    with parsing(path, "Excel"):
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    try:
        sheet = _sheet(book, want.variable, path)
        yield from csv.read_lines(_lines(sheet, path), path, want)
    finally:
        book.close()


def _check_archive(path: Path) -> None:
    """Refuse a workbook that unpacks to too much, or whose XML defines entities."""
    with parsing(path, "Excel"), zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        unpacked = sum(part.file_size for part in parts)
        if unpacked > min(MAX_BYTES, max(_FREE, _MOST_UNPACKED * path.stat().st_size)):
            raise FormatError(
                f"{path} unpacks to {unpacked >> 20} MiB, more than a workbook of its size holds",
                hint="save the sheet as CSV",
            )
        for part in parts[:10_000]:
            if part.filename.endswith((".xml", ".rels")):
                with archive.open(part) as file:
                    if b"<!" in file.read(2048).replace(b"<!--", b""):
                        raise FormatError(
                            f"{path} has a document type in {part.filename[:80]}, as no workbook has",
                            hint="save it again with a spreadsheet program",
                        )


def _sheet(book: Any, wanted: str | None, path: Path) -> Any:
    """Return the sheet to read."""
    with parsing(path, "Excel"):
        sheets = {sheet.title: sheet for sheet in book.worksheets}
    if wanted is not None:
        if wanted not in sheets:
            raise FormatError(f"{path} has no sheet '{wanted}'", hint=did_you_mean(wanted, sheets))
        return sheets[wanted]
    found = [
        title
        for title, sheet in sheets.items()
        if csv.holds_signal(next(_lines(sheet, path, most=200), []), path)
    ]
    if len(found) == 1:
        return sheets[found[0]]
    if not found:
        raise FormatError(f"no sheet of {path} holds numbers", hint="choose a file with a signal in it")
    raise FormatError(
        f"{path} has {len(found)} sheets of numbers: {', '.join(found[:12])}",
        hint=f"name one (--variable '{found[0]}')",
    )


def _lines(sheet: Any, path: Path, most: int = _MOST_ROWS) -> Iterator[list[str]]:
    """Yield the rows of a sheet as lines with tabs, in blocks."""
    with parsing(path, "Excel"):
        sheet.reset_dimensions()  # a file may state any size
        rows = islice(sheet.iter_rows(values_only=True), most)
    while True:
        with parsing(path, "Excel"):
            block = ["\t".join(map(_cell, row)).rstrip("\t") for row in islice(rows, _BLOCK)]
        if not block:
            return
        yield block


def _cell(value: object) -> str:
    """Return a cell as text: dates and times as ISO writes them."""
    match value:
        case None:
            return ""
        case bool():
            return str(int(value))
        case float() | int():
            return repr(value)
        case datetime.timedelta():
            return repr(value.total_seconds())
        case datetime.datetime():
            return value.isoformat(sep=" ")
        case datetime.time() | datetime.date():
            return value.isoformat()
    return " ".join(str(value).split())
