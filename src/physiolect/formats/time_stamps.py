"""Times as people write them: names of time columns in many languages, units, clock times and dates."""

from __future__ import annotations

import datetime
import re

import numpy as np
from numpy.typing import NDArray

SECONDS = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "sekunden": 1.0, "segundos": 1.0,
    "secondes": 1.0, "secondi": 1.0, "сек": 1.0, "с": 1.0, "秒": 1.0, "초": 1.0, "hh:mm:ss": 1.0, "hh:mm:ss.mmm": 1.0,
    "ms": 1e-3, "msec": 1e-3, "msecs": 1e-3, "millisecond": 1e-3, "milliseconds": 1e-3, "millis": 1e-3,
    "millisekunden": 1e-3, "milisegundos": 1e-3, "millisecondes": 1e-3, "мс": 1e-3, "毫秒": 1e-3, "ミリ秒": 1e-3,
    "us": 1e-6, "usec": 1e-6, "µs": 1e-6, "μs": 1e-6, "microsecond": 1e-6, "microseconds": 1e-6, "micros": 1e-6,
    "мкс": 1e-6, "微秒": 1e-6,
    "ns": 1e-9, "nsec": 1e-9, "nanosecond": 1e-9, "nanoseconds": 1e-9, "nanos": 1e-9,
    "min": 60.0, "mins": 60.0, "minute": 60.0, "minutes": 60.0, "minuten": 60.0, "minutos": 60.0,
    "h": 3600.0, "hr": 3600.0, "hrs": 3600.0, "hour": 3600.0, "hours": 3600.0,
    "d": 86400.0, "day": 86400.0, "days": 86400.0,
}  # fmt: skip
"""Unit of time in small letters -> seconds."""
_TIME_NAMES = """
time times tm timer timestamp timestamps datetime datetimes date clock elapsed epoch unixtime sec secs second seconds
millis milliseconds msec zeit zeitstempel zeitpunkt uhrzeit datum sekunde sekunden tiempo hora fecha temps heure
horodatage tempo ora orario tijd tijdstip tijdstempel tid tidspunkt tidpunkt tidsstempel klokke aika aikaleima aeg
laiks laikas czas čas cas vrijeme vreme idő ido időbélyeg timp zaman waktu masa χρόνος χρονος время час дата
"""
"""English, German, Spanish, French, Italian, Portuguese, Dutch, Nordic, Baltic, Slavic and other languages."""
_COUNTER_NAMES = """
index idx sample samples samplenumber no nr num number row count counter packet packetnumber seq nseq seqno sequence
frame id unnamed line
"""
_LABEL_NAMES = """
label labels class classes target category annotation annotations activity condition marker markers event events
trigger triggers stim stage stages rhythm symbol klasse etiqueta clase étiquette classe метка класс 标签
"""
_WORDS = frozenset(_TIME_NAMES.split())
_CHARACTERS = re.compile("时间|時間|时刻|時刻|시간|זמן|وقت|الوقت|समय|เวลา")
_COUNTER_WORDS = frozenset(_COUNTER_NAMES.split())
_LABEL_WORDS = frozenset(_LABEL_NAMES.split())
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,3}):(\d{1,2})(?:[.,:](\d{1,9}))?\s*([ap]\.?m\.?)?", re.I)
_UNIT_AT_END = re.compile(
    r"[_\s](s|secs?|seconds?|ms|msecs?|milliseconds?|us|µs|microseconds?|ns|nanoseconds?|min|minutes?)$"
)
_CLOCK_OF_TWELVE = re.compile(r"\d\s*[ap]\.?m\.?$", re.I)
_DATE = re.compile(r"(?:(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})|(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}))")
_ZONE = re.compile(r"\s*(?:(z|utc|gmt)|([+-])(\d{2}):?(\d{2})?|[a-z]{3,4})", re.I)
_COMPACT = re.compile(r"\A(\d{4})(\d\d)(\d\d)[T _](\d\d):?(\d\d):?(\d\d)(?!\d)")
_DAYS = re.compile(r"\A(\d{1,6}) days? (\d{1,2}):")
_ISO = re.compile(r"(19|20)\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d{1,9}")
_DAY = 86_400.0


def words_of(name: str) -> list[str]:
    """Return the words of a column's name, in small letters: "Phone timestamp" is phone, timestamp."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[^\W\d_]+", apart.casefold())


def is_time_name(name: str) -> bool:
    """Return whether a column's name says that it holds times, in any of many languages."""
    words = words_of(name)
    whole = "".join(words)
    if re.fullmatch(r"t[ _]*\(?(s|ms|us|sec)?\)?", name.strip().lower()):
        return True
    return bool(_CHARACTERS.search(name) or any(word in _WORDS for word in words) or whole in _WORDS)


def is_counter_name(name: str) -> bool:
    """Return whether a column's name says that it counts rows; a column without a name may."""
    words = words_of(name)
    return (
        not words
        or all(word in _COUNTER_WORDS for word in words)
        or words[-1] in ("index", "counter", "nseq")
    )


def is_label_name(name: str) -> bool:
    """Return whether a column's name says that it holds classes or marks."""
    return any(word in _LABEL_WORDS for word in words_of(name))


def time_unit(name: str, unit: str | None) -> float | None:
    """Return the seconds of one unit of a time column; None where neither its unit nor its name states one."""
    if unit:
        return SECONDS.get(unit.strip().casefold())
    whole = name.strip().casefold()
    found = _UNIT_AT_END.search(whole)
    if found:
        return SECONDS[found[1]]
    return SECONDS.get(whole) if len(whole) > 1 else None


def epoch_unit(first: float) -> float | None:
    """Return the seconds of one unit where a number is a Unix time between 1980 and 2100, else None."""
    for unit in (1.0, 1e-3, 1e-6, 1e-9):
        if 3.15e8 <= first * unit <= 4.1e9:
            return unit
    return None


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
