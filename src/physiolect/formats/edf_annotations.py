"""The annotations of EDF+ and BDF+: lists of marks inside the records, and the time at which each record begins."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_MARK = re.compile(rb"([+-]\d{1,15}(?:[.,]\d{0,15})?)(?:\x15(\d{0,15}(?:[.,]\d{0,15})?))?\x14([^\x00]*)")
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
    if text.count(b"\x14") == 2 and text.endswith(b"\x14\x14"):  # nothing but the time: most records of a day
        found = _MARK.match(text)
        return (None if found is None else _number(found[1])), marks
    for number, part in enumerate(text.split(b"\x00")):
        found = _MARK.match(part) if part else None
        if found is None:
            continue
        onset, duration = _number(found[1]), _number(found[2]) if found[2] else 0.0
        texts = found[3].split(b"\x14")
        if number == 0 and not texts[0]:
            start = onset
        marks.extend(EdfMark(onset, duration, _decoded(each)) for each in texts if each)
    return start, marks


def _number(text: bytes) -> float:
    try:
        return float(text.replace(b",", b"."))
    except ValueError:
        return 0.0


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
