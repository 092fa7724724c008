"""The header of an EDF or BDF file, read as files are written rather than as the standard says.

Sizes that the header states are checked against the size of the file before they are used.
Source of the format: https://www.edfplus.info/specs/.
"""

from __future__ import annotations

import codecs
import math
import re
from dataclasses import dataclass
from pathlib import Path

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.formats.request import printable
from physiolect.recording import StartTime, Unit, unit_name
from physiolect.recording.start_time import moment_of, time_of

_FIXED = 256
_FIELDS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
"""Bytes of each field of a signal: label, transducer, unit, four limits, filter, samples a record, reserved."""
_LABEL, _UNIT, _LIMITS, _COUNT = 0, 2, (3, 4, 5, 6), 8
_NO_DATE, _NO_TIME = b"01.01.85", b"00.00.00"
"""What stands for a date that is not known, and the time that writers put beside it."""
_NO_START = "the date or time of its start cannot be read; the samples do not depend on it"
_MONTHS = b"JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
_MOST_SAMPLES = 1 << 40  # a channel, in the whole file


@dataclass(frozen=True)
class EdfChannel:
    """One signal of the file."""

    name: str
    unit: Unit
    count: int
    """Samples in a record."""
    begin: int
    """First sample of it in a record, counted over all channels."""
    gain: float
    """Size of one step in the unit."""
    zero: float
    """What is added to a stored sample before it is multiplied by the gain."""
    is_text: bool
    """Whether it holds annotations."""


@dataclass(frozen=True)
class EdfHeader:
    """What a file states and its size proves."""

    path: Path
    width: int
    """Bytes of a sample: 2 of EDF, 3 of BDF."""
    start: int
    """Where the records begin, in bytes."""
    n_records: int
    """Whole records in the file."""
    duration: float | None
    """Length of a record in seconds; None where the file states none."""
    channels: tuple[EdfChannel, ...]
    discontinuous: bool
    """Whether it says that there may be gaps between records (EDF+D)."""
    notices: tuple[str, ...]
    start_time: StartTime | None = None
    """When the file says that it begins, to the second."""

    @property
    def record_samples(self) -> int:
        """Samples in a record, over all channels."""
        return sum(channel.count for channel in self.channels)

    @property
    def signals(self) -> tuple[EdfChannel, ...]:
        """The channels that hold samples."""
        return tuple(channel for channel in self.channels if not channel.is_text and channel.count)


def read_header(path: Path) -> EdfHeader:
    """Return what the header of an EDF or BDF file states, corrected by the file's size.

    Raises:
        FormatError: it is no such file, or a field without which nothing can be read makes no sense.
    """
    with parsing(path, "EDF or BDF"), path.open("rb") as file:
        size = path.stat().st_size
        fixed = file.read(_FIXED)
        n_signals = _count(fixed[252:256])
        if len(fixed) < _FIXED or not _is_edf(fixed) or n_signals is None or n_signals < 1:
            raise _unreadable(path, "its first 256 bytes are no header")
        if size < _FIXED * (n_signals + 1):
            raise _unreadable(path, f"it ends within the header of its {n_signals} signals")
        columns = [[file.read(width) for _ in range(n_signals)] for width in _FIELDS]
    notices: list[str] = []
    channels = _channels(path, columns, notices)
    width = 3 if fixed[:1] == b"\xff" else 2
    record_bytes = width * sum(channel.count for channel in channels)
    if not record_bytes:
        raise _unreadable(path, "its records hold no samples")
    stated = _count(fixed[236:244])
    start = _start(fixed, n_signals, size, record_bytes * (stated or 0), notices)
    n_records, rest = divmod(size - start, record_bytes)
    if not n_records:
        raise _unreadable(path, "it holds no whole record of samples")
    if n_records * max(channel.count for channel in channels) > _MOST_SAMPLES:
        raise _unreadable(path, "its length is impossible")
    _compare_records(stated, n_records, rest, notices)
    duration = _number(fixed[244:252])
    if duration is None or not 0 < duration < 1e9:
        duration = None
    began = _start_time(fixed, notices)
    if b"," in b"".join(
        [fixed[184:192], fixed[236:256], *(field for k in (*_LIMITS, _COUNT) for field in columns[k])]
    ):
        notices.append("the header writes numbers with a decimal comma")
    kind = fixed[192:197].decode("latin-1").upper()
    return EdfHeader(
        path, width, start, n_records, duration, channels, kind.endswith("+D"), tuple(notices), began
    )  # fmt: skip


def _is_edf(fixed: bytes) -> bool:
    return fixed[:8].strip(b" \x00") == b"0" or (
        fixed[:1] == b"\xff" and fixed[1:8].strip(b" \x00") in (b"BIOSEMI", b"")
    )


def _unreadable(path: Path, reason: str) -> FormatError:
    return FormatError(
        f"{path} is not a readable EDF or BDF file: {reason}",
        hint="the file may be damaged, cut short or of another format: fetch it again",
    )


def _channels(path: Path, columns: list[list[bytes]], notices: list[str]) -> tuple[EdfChannel, ...]:
    """Return the channels; a field that cannot be read costs its own channel alone."""
    channels: list[EdfChannel] = []
    begin = 0
    for row, label in enumerate(columns[_LABEL]):
        name = _text(label) or f"ch{row + 1}"
        count = _count(columns[_COUNT][row])
        if count is None or count < 0:
            field = printable(columns[_COUNT][row].decode("latin-1").strip())
            raise _unreadable(path, f"channel {name} states '{field}' samples a record")
        is_text = name.casefold() in ("edf annotations", "bdf annotations")
        gain, zero = _calibration([columns[k][row] for k in _LIMITS]) or (0.0, 0.0)
        unit = _unit(columns[_UNIT][row]) if gain else None
        if not is_text and not gain:
            notices.append(f"channel {name} states no valid range: its samples are steps of no known unit")
        if not is_text and not count:
            notices.append(f"channel {name} has no samples and is left out")
        channels.append(EdfChannel(name, unit, count, begin, gain or 1.0, zero, is_text))
        begin += count
    return tuple(channels)


def _calibration(limits: list[bytes]) -> tuple[float, float] | None:
    """Return the gain and zero of a channel out of its physical and digital limits, None where they give none."""
    numbers = [_number(limit) for limit in limits]
    if any(number is None for number in numbers):
        return None
    low, high, digital_low, digital_high = (float(number or 0) for number in numbers)
    if high == low or digital_high == digital_low:
        return None
    gain = (high - low) / (digital_high - digital_low)
    return (gain, high / gain - digital_high) if gain and math.isfinite(high / gain) else None


def _start(fixed: bytes, n_signals: int, size: int, data_bytes: int, notices: list[str]) -> int:
    """Return where the records begin: behind the header, unless only the length that it states fits the file."""
    proper, stated = _FIXED * (n_signals + 1), _count(fixed[184:192])
    if stated == proper:
        return proper
    notices.append("the header states another length than it has")
    if stated is not None and proper < stated and data_bytes and stated + data_bytes == size:
        return stated
    return proper


def _compare_records(stated: int | None, found: int, rest: int, notices: list[str]) -> None:
    """Tell where the header's number of records is not that of the file."""
    cut = " and a part of one more, which is left out" if rest else ""
    if stated is None or stated < 1:
        notices.append(f"the header states no number of records; the file holds {found}{cut}")
    elif stated != found or rest:
        notices.append(f"the header states {stated} records; the file holds {found}{cut}")


def _start_time(fixed: bytes, notices: list[str]) -> StartTime | None:
    """Return when a file says that it begins: a time of day alone where its date is the one that stands for none.

    EDF+ has the year in four digits beside its date. Where the date is not known, it is 01.01.85.
    """
    clock = re.fullmatch(rb"(\d\d).(\d\d).(\d\d)", fixed[176:184])
    hours = clock and time_of(*map(int, clock.groups()))
    day = re.fullmatch(rb"(\d\d).(\d\d).(\d\d)", fixed[168:176])
    if hours is None:
        notices.append(_NO_START)
        return None
    kept = None if fixed[176:184] == _NO_TIME else hours
    if fixed[168:176] == _NO_DATE:
        return kept
    written = re.match(rb"Startdate (\d\d)-([A-Z]{3})-(\d{4}) ", fixed[88:168])
    if written and written[2] in _MONTHS:
        numbers = (int(written[3]), _MONTHS.index(written[2]) + 1, int(written[1]))
    elif day:
        short = int(day[3])
        numbers = (short + (1900 if short >= 85 else 2000), int(day[2]), int(day[1]))
    else:
        numbers = (0, 0, 0)
    moment = moment_of(*numbers, hours.hour, hours.minute, hours.second)
    if moment is None:
        notices.append("the date of its start cannot be read; the time of day is kept" if kept else _NO_START)
    return moment or kept


def _count(field: bytes) -> int | None:
    number = _number(field)
    return None if number is None or number != int(number) else int(number)


def _number(field: bytes) -> float | None:
    """Return the number a field holds, whatever it is padded with and with either decimal mark."""
    text = _bare(field).decode("latin-1").replace(",", ".")
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,2})?", text, re.ASCII | re.IGNORECASE):
        return None
    return float(text)


def _text(field: bytes) -> str:
    """Return the words of a field in UTF-8, whose last character may be cut off, or else Western European."""
    plain = _bare(field)
    reader = codecs.getincrementaldecoder("utf-8")()
    try:
        text = reader.decode(plain)
    except UnicodeDecodeError:
        text = ""
    cut = bool(reader.getstate()[0])
    if (not text and plain) or (cut and text.isascii()):
        text = plain.decode("cp1252", "replace")
    return printable(text.strip())


def _bare(field: bytes) -> bytes:
    """Return a field without what pads it."""
    return field.lstrip(b" \t\x00").split(b"\x00")[0].strip()


def _unit(field: bytes) -> Unit:
    """Return a unit; before "V" only the micro sign is no letter of ASCII, whichever encoding it is written in."""
    plain = _bare(field)
    if re.fullmatch(rb"([\x80-\xff]{1,6}|\xa3g) ?V(olts?)?", plain):
        return "uV"
    return unit_name(_text(plain))
