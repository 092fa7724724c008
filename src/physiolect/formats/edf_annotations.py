"""The annotations of EDF+ and BDF+: lists of marks inside the records, and the time at which each record begins."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_MARK = re.compile(
    rb"(?:^|\x00)([+-]\d{1,15}(?:[.,]\d{0,15})?)(?:\x15(\d{0,15}(?:[.,]\d{0,15})?))?\x14([^\x00]*)"
)
"""Onset, duration, and texts that \\x14 ends, of one mark."""

SKIPPED = "BAD_ACQ_SKIP"
"""What MNE calls a stretch without data; "@@" and a channel may follow."""
PADDED = f"{SKIPPED} padding"
"""Our own mark of the samples that only fill the last record."""


class EdfMark(NamedTuple):
    """One annotation, in seconds as the file counts them."""

    onset: float
    duration: float
    text: str


def read_marks(text: bytes) -> tuple[float | None, list[EdfMark]]:
    """Return the time a record begins at, where its first mark tells, and the marks after it.

    Args:
        text: the annotations of one channel in one record.
    """
    start: float | None = None
    marks: list[EdfMark] = []
    for number, (onset, duration, content) in enumerate(_MARK.findall(text)):
        at = _number(onset)
        if number == 0 and content[:1] in (b"", b"\x14"):
            start = at
        for each in content.split(b"\x14"):
            if each:
                marks.append(EdfMark(at, _number(duration) if duration else 0.0, _decoded(each)))
    return start, marks


def _number(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:  # a decimal comma, or a point alone
        return float(b"0" + text.lstrip(b"+").replace(b",", b".")) if text[:1] != b"-" else -_number(text[1:])


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8").strip()
    except UnicodeDecodeError:
        return text.decode("cp1252", "replace").strip()


def write_marks(start: float, marks: Iterable[EdfMark]) -> bytes:
    """Return the annotations of one record: its beginning, and its marks."""
    parts = [f"{_seconds(start)}\x14\x14\x00"]
    for onset, duration, text in marks:
        length = f"\x15{_seconds(duration)[1:]}" if duration else ""
        parts.append(f"{_seconds(onset)}{length}\x14{text}\x14\x00")
    return "".join(parts).encode()


def _seconds(value: float) -> str:
    """Return a time with its sign, to a hundredth of a microsecond and without an exponent."""
    return f"{value:+.8f}".rstrip("0").rstrip(".")
