"""Times as people write them: clock times and dates, and the names of columns of classes and marks."""

from __future__ import annotations

import datetime
import re

import numpy as np
from numpy.typing import NDArray

from physiolect.recording.time_words import letters_of

_LABEL_NAMES = """
label labels class classes target category annotation annotations activity condition marker markers event events
trigger triggers stim stage stages rhythm symbol klasse etiqueta clase etiquette classe метка класс 标签
"""
_LABEL_WORDS = frozenset(_LABEL_NAMES.split())
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,3}):(\d{1,2})(?:[.,:](\d{1,9}))?\s*([ap]\.?m\.?)?", re.I)
_CLOCK_OF_TWELVE = re.compile(r"\d\s*[ap]\.?m\.?$", re.I)
_DATE = re.compile(r"(?:(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})|(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}))")
_ZONE = re.compile(r"\s*(?:(z|utc|gmt)|([+-])(\d{2}):?(\d{2})?|[a-z]{3,4})", re.I)
_ISO = re.compile(r"(19|20)\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d{1,9}")
_DAY = 86_400.0


def is_label_name(name: str) -> bool:
    """Return whether a column's name says that it holds classes or marks."""
    return any(word in _LABEL_WORDS for word in letters_of(name))


def is_stamp(cell: str) -> bool:
    """Return whether a cell is a clock time, or a date with one."""
    return seconds_of(cell) is not None


def is_day(cell: str) -> bool:
    """Return whether a cell is a time of day without a date."""
    return _CLOCK.fullmatch(_bare(cell)) is not None


def is_date(cell: str) -> bool:
    """Return whether a cell is a date without a time."""
    return _DATE.fullmatch(_bare(cell)) is not None


def _bare(cell: str) -> str:
    return cell.strip().strip("[]'\"").strip()


def seconds_of(cell: str) -> float | None:
    """Return a clock time in seconds from midnight, or a date and time in seconds since 1970; None for anything else.

    Hours may be missing, "0:00.003". A date may stand before or after the time, and a zone after it.
    """
    text = _bare(cell)
    day = 0.0
    if date := _DATE.match(text) or re.search(rf"\s({_DATE.pattern})$", text):
        found = _DATE.search(date[0])
        assert found
        year, month, number = (found[1], found[2], found[3]) if found[1] else (found[6], found[5], found[4])
        if int(month) > 12 or (found[6] and int(number) <= 12 and _CLOCK_OF_TWELVE.search(text)):
            month, number = number, month
        try:
            day = (datetime.date(int(year), int(month), int(number)).toordinal() - 719_163) * _DAY
        except ValueError:
            return None
        text = text.replace(date[0], "", 1).strip().lstrip("T_t, ").strip()
    clock = _CLOCK.match(text)
    if clock is None:
        return None
    rest = text[clock.end() :]
    zone = 0.0
    if rest:
        match = _ZONE.fullmatch(rest)
        if match is None or not date:
            return None
        if match[2]:
            zone = (int(match[3]) * 3600 + int(match[4] or 0) * 60) * (1 if match[2] == "+" else -1)
    hours, minutes, seconds, part, half = clock.groups()
    hour = int(hours or 0)
    if half:
        hour = hour % 12 + 12 * (half[0] in "pP")
    value = hour * 3600 + int(minutes) * 60 + int(seconds) + (int(part) / 10 ** len(part) if part else 0.0)
    return day + value - zone


def column_of_stamps(cells: list[str]) -> NDArray[np.float64]:
    """Return cells in seconds, NaN where one is no time."""
    if cells and _ISO.fullmatch(cells[0]) and all(len(cell) == len(cells[0]) for cell in cells):
        try:
            return np.array(cells, "datetime64[ns]").astype(np.int64) / 1e9
        except ValueError:
            pass  # one of them is written in another way
    return np.array([np.nan if (value := seconds_of(cell)) is None else value for cell in cells], np.float64)
