"""Times as people write them: clock times and dates, and the names of columns of classes and marks."""

from __future__ import annotations

import datetime
import re

import numpy as np
from numpy.typing import NDArray

from physiolect.recording import StartTime, later
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
_COMPACT = re.compile(r"\A(\d{4})(\d\d)(\d\d)[T _](\d\d):?(\d\d):?(\d\d)(?!\d)")
_DAYS = re.compile(r"\A(\d{1,6}) days? (\d{1,2}):")
_ISO = re.compile(r"(19|20)\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d{1,9}")
_OFFSET = re.compile(r"(?:(z|utc|gmt)|([+-])(\d\d):?(\d\d)?)$", re.I)
_DAY = 86_400.0
_LONGEST = 100  # characters of a time: no number in it has so many digits that it overflows


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
    text = cell.strip().strip("[]'\"").strip()
    if " day" in text:  # pandas: "0 days 00:00:00.004000"
        text = _DAYS.sub(lambda found: f"{24 * int(found[1]) + int(found[2])}:", text)
    return _COMPACT.sub(r"\1-\2-\3 \4:\5:\6", text) if text[:2] in ("19", "20") else text


def seconds_of(cell: str) -> float | None:
    """Return a clock time in seconds from midnight, or a date and time in seconds since 1970; None for anything else.

    Hours may be missing, "0:00.003". A date may stand before or after the time, and a zone after it.
    """
    text = _bare(cell)
    if len(text) > _LONGEST:
        return None
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


def moment_in(cell: str) -> StartTime | None:
    """Return the moment that a cell states, with its zone where there is one.

    It is a time of day where there is no date, or where day and month cannot be distinguished, as in 3/4/2020; and None
    where a time may count from the start of a recording: without hours, or with none yet.
    """
    text = _bare(cell)
    seconds = seconds_of(text)
    if seconds is None:
        return None
    bracketed = (
        cell.strip("'\" ")[:1] == "["
    )  # so PhysioNet writes times of day, and the day before the month
    date = _DATE.search(text)
    if date is None:
        clock = _CLOCK.match(text)
        hours = (clock and clock[1]) or ""
        counts = not bracketed and (len(hours) < 2 or seconds < 3600) and not _CLOCK_OF_TWELVE.search(text)
        return None if counts or seconds >= _DAY else later(datetime.time(), seconds)
    offset, zone = 0.0, None
    found = _OFFSET.search(text.replace(date[0], "", 1).strip())
    if found:
        offset = 0.0 if found[1] else float(f"{found[2]}1") * (int(found[3]) * 3600 + int(found[4] or 0) * 60)
        zone = datetime.timezone(datetime.timedelta(seconds=offset)) if abs(offset) < _DAY else None
    moment = later(datetime.datetime(1970, 1, 1), seconds + offset)
    if not isinstance(moment, datetime.datetime) or moment.year < 1900:
        return None
    one, other = int(date[4] or 0), int(date[5] or 0)
    unclear = one != other and max(one, other) <= 12 and "." not in date[0] and not bracketed
    return moment.time() if unclear and one else moment.replace(tzinfo=zone)


def column_of_stamps(cells: list[str]) -> NDArray[np.float64]:
    """Return cells in seconds, NaN where one is no time."""
    if cells and _ISO.fullmatch(cells[0]) and all(len(cell) == len(cells[0]) for cell in cells):
        try:
            return np.array(cells, "datetime64[ns]").astype(np.int64) / 1e9
        except ValueError:
            pass  # one of them is written in another way
    return np.array([np.nan if (value := seconds_of(cell)) is None else value for cell in cells], np.float64)
