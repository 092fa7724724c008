"""When a recording began: a date with a time of day, or a time of day alone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

StartTime = datetime | time
"""A moment, or a time of day where the date is not known.

Many files state a time of day without a date: anonymised ones above all, whose date was removed. A made-up date
would be a false statement, and dropping the time would lose what a Holter's hours need, so it stays a `time`.
"""

_EARLIEST_YEAR = 1900
_ISO = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)[T _]?(\d\d):?(\d\d):?(\d\d)?(?:[.,](\d{1,9}))? ?(Z|UTC|[+-]\d\d:?\d\d)?", re.I
)

_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?:Z|[+-]\d\d:?\d\d)?")


def later(start: StartTime | None, seconds: float) -> StartTime | None:
    """Return the moment so many seconds after `start`; a time of day goes on after midnight. None stays None."""
    if start is None or not seconds:
        return start
    try:
        if isinstance(start, datetime):
            if start.tzinfo is None:
                return start + timedelta(seconds=seconds)
            # a zone's clock may be put forward or back in between; UTC's is not
            return (start.astimezone(UTC) + timedelta(seconds=seconds)).astimezone(start.tzinfo)
        day = datetime.combine(date(2000, 1, 1), start)
        return (day + timedelta(seconds=seconds % 86_400)).timetz()
    except (OverflowError, ValueError):
        return None


def clock_time(start: StartTime, seconds: float) -> str:
    """Return the time of day so many seconds after `start`, "10:52:22.125"; the date is left out."""
    moment = later(start, seconds)
    if moment is None:
        return ""
    return moment.strftime("%H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def without_date(start: StartTime | None) -> time | None:
    """Return the time of day of a moment, as the clock on its wall showed it."""
    return start.time() if isinstance(start, datetime) else start


def start_text(start: StartTime) -> str:
    """Return a moment as text, "2026-11-29 10:52:22" or "10:52:22"; fractions and a zone where there are some."""
    return start.isoformat(" ") if isinstance(start, datetime) else start.isoformat()


def moment_of(
    year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: float = 0.0
) -> datetime | None:
    """Return a moment out of its numbers, or None where there is no such day or time, or it lies before 1900."""
    try:
        whole = int(second)
        moment = datetime(year, month, day, hour, minute, whole)
        return (
            moment + timedelta(microseconds=round((second - whole) * 1e6)) if year >= _EARLIEST_YEAR else None
        )
    except (ValueError, OverflowError, TypeError):
        return None


def time_of(hour: int, minute: int, second: float = 0.0) -> time | None:
    """Return a time of day out of its numbers, or None where there is no such time."""
    moment = moment_of(2000, 1, 1, hour, minute, second)
    return None if moment is None else moment.time()


def parse_moment(text: str) -> datetime | None:
    """Return the moment that a text states as ISO 8601 or digits alone do, or None.

    Read are "2026-11-29T10:52:22.5+01:00", "2026-11-29 10:52" and "20261129105222"; a zone is kept.
    """
    found = _ISO.fullmatch(text.strip()[:64])
    if found is None:
        return None
    year, month, day, hour, minute = map(int, found.groups()[:5])
    moment = moment_of(year, month, day, hour, minute, float(f"{found[6] or 0}.{found[7] or 0}"))
    if moment is None or not found[8]:
        return moment
    zone = found[8].upper()
    offset = "+0000" if zone in ("Z", "UTC") else zone.replace(":", "")
    try:
        return moment.replace(tzinfo=datetime.strptime(offset, "%z").tzinfo)
    except ValueError:
        return None


def is_date_alone(text: str) -> bool:
    """Return whether a text is a date without a time, "20200203" or "2020-02-03", which tells no start."""
    return len(text) <= 10 and parse_moment(f"{text} 00:00:00") is not None


def parse_start(text: str) -> StartTime | None:
    """Return a moment, or a time of day alone, out of ISO 8601, or None."""
    if moment := parse_moment(text):
        return moment
    found = _CLOCK.fullmatch(text.strip()[:64])
    return found and time_of(int(found[1]), int(found[2]), float(f"{found[3] or 0}.{found[4] or 0}"))
