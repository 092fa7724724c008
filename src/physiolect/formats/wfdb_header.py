"""The header of a WFDB record: found, read as text, and parsed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.formats.request import printable
from physiolect.formats.wfdb_annotations import is_annotation_file
from physiolect.formats.wfdb_library import library
from physiolect.formats.wfdb_plain import plain_header
from physiolect.recording import StartTime, Unit, unit_name
from physiolect.recording.start_time import moment_of, time_of

NO_UNIT = "?"
"""Is written for an unknown unit; "NU", of a signal without dimension, is a unit like others."""
_HEADER_BYTES = 4 << 20
_MAX_SAMPLES = 1 << 48  # a century at 90 kHz
_MOST_SIGNALS = 1024  # the library takes milliseconds for each, and more than in proportion for many
_MOST_SEGMENTS = 200_000
_BASE_TIME = re.compile(r"(?:(?:\d{1,2}:)?\d{1,2}:)?\d{1,2}(?:\.\d{1,9})?", re.ASCII)
_BASE_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
_LINE_CHARACTERS = 1000  # wfdb's patterns take quadratic time on one long word


@dataclass(frozen=True)
class WfdbHeader:
    """What the text of a header tells, before any of it is believed."""

    path: Path
    record: list[str]
    """Words of the record line."""
    lines: list[str]
    """The lines after it, one a signal or segment."""
    comments: tuple[str, ...] = ()
    """Lines of remarks, without their "#": age, sex and diagnoses in many databases."""

    @property
    def n_segments(self) -> int | None:
        """Number of segments; None for a plain record."""
        _, slash, count = self.record[0].partition("/")
        return int(count) if slash and count.isdecimal() and len(count) < 9 else None

    @property
    def stated_fs(self) -> float | None:
        """Rate in Hz as written; None where the line leaves it out."""
        text = self.record[2].split("/")[0].split("(")[0] if len(self.record) > 2 else ""
        return float(text) if re.fullmatch(r"\d+\.?\d*|\.\d+", text) else None

    def start_time(self) -> tuple[StartTime | None, list[str]]:
        """Return when the record began, and a notice where what is stated is no time or date."""
        if len(self.record) < 5:
            return None, []
        found = _BASE_TIME.fullmatch(self.record[4])
        # header(5): a time may leave out hours, and then minutes
        clock = [0.0, 0.0, *map(float, found[0].split(":"))][-3:] if found else [24.0, 0.0, 0.0]
        hour, minute, second = int(clock[0]), int(clock[1]), clock[2]
        start = time_of(hour, minute, second)
        if start is None:
            return None, ["the time of its start cannot be read; the samples do not depend on it"]
        if len(self.record) == 5:
            return start, []
        day = _BASE_DATE.fullmatch(self.record[5])
        dated = day and moment_of(int(day[3]), int(day[2]), int(day[1]), hour, minute, second)
        return dated or start, [] if dated else [
            "the date of its start cannot be read; the time of day is kept"
        ]

    def files(self) -> list[str]:
        """Return the first word of every line: signal files, or segments."""
        return [line.split()[0] for line in self.lines]

    def units(self) -> list[Unit]:
        """Return one unit a signal, which wfdb, reading ASCII alone, makes "V" out of "µV"."""
        return [_unit(*line.split()[2:3]) for line in self.lines]


def _unit(calibration: str = "") -> Unit:
    """Return the unit out of gain(baseline)/unit: without a gain, or with gain 0, a signal is uncalibrated."""
    gain, _, unit = calibration.partition("/")
    number = re.match(r"-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", gain)
    return None if number is None or not float(number[0]) or unit == NO_UNIT else unit_name(unit) or "mV"


def read_header(path: Path) -> WfdbHeader:
    """Read the words of a header without believing its numbers.

    Raises:
        FormatError: it is missing, empty, not text or absurdly large.
    """
    if not path.is_file():
        raise FormatError(f"there is no header {path}", hint="a WFDB record is a .hea and its signal file")
    with parsing(path, "WFDB header"):
        size = path.stat().st_size
        content = path.read_bytes() if size <= _HEADER_BYTES else b""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    written = [line for line in map(str.strip, text.splitlines()) if line]
    lines = [line for line in written if not line.startswith("#")]
    if not lines or "\x00" in text or max(map(len, lines)) > _LINE_CHARACTERS:
        raise FormatError(
            f"{path} is not a WFDB header: it is empty, not text or too large",
            hint="the first line of a header reads: name, number of signals, rate, number of samples",
        )
    comments = tuple(line.lstrip("# ") for line in written if line.startswith("#"))
    return WfdbHeader(path, lines[0].split(), lines[1:], comments)


def find_header(path: Path) -> Path | None:
    """Return the header of the record that `path` names or belongs to, or None where it is no WFDB record.

    Raises:
        FormatError: a header beside it cannot be read.
    """
    if path.suffix == ".hea":
        return path
    if not path.name:  # "." and "/" have none
        return None
    if not path.exists() or path.is_dir():
        header = path.with_name(path.name + ".hea")
        return header if header.is_file() else None
    header = path.with_suffix(".hea")
    if not header.is_file():
        return None
    belongs = is_annotation_file(path) or path.name in read_header(header).files()
    return header if belongs else None


def parse(text: WfdbHeader) -> Any:
    """Have wfdb parse a header that is not plain, and refuse what contradicts itself before it costs memory."""
    for name in dict.fromkeys(text.files()):
        if not re.fullmatch(r"[^/\\]+", name) or name in (".", "..") or not name.isprintable():
            raise FormatError(
                f"{text.path} names the file '{printable(name)}', which cannot lie beside it",
                hint="the header is damaged: fetch it again",
            )
    with parsing(text.path, "WFDB header"):
        header: Any = plain_header(" ".join(text.record), text.lines)
        if header is None:
            _check_count(text)
        header = header or library().rdheader(os.path.abspath(text.path.with_suffix("")))
        listed = header.n_sig if text.n_segments is None else header.n_seg
    if (header.sig_len or 0) > _MAX_SAMPLES:
        raise FormatError(
            f"{text.path} states an impossible length", hint="the header is damaged: fetch it again"
        )
    if listed != len(text.lines) or not header.n_sig:
        what = "signals" if text.n_segments is None else "segments"
        raise FormatError(
            f"{text.path} states {listed} {what} and lists {len(text.lines)}",
            hint="the header is damaged: fetch it again",
        )
    return header


def _check_count(text: WfdbHeader) -> None:
    """Refuse more lines than any record has.

    Raises:
        FormatError: there are more.
    """
    what, most = ("signals", _MOST_SIGNALS) if text.n_segments is None else ("segments", _MOST_SEGMENTS)
    if len(text.lines) > most:
        raise FormatError(
            f"{text.path} lists {len(text.lines):,} {what}; at most {most:,} are read",
            hint="split the record, or check that the header is whole and is one",
        )


def parse_segment(text: WfdbHeader, name: str) -> tuple[WfdbHeader, Any]:
    """Parse the header of a segment, which may have no segments of its own."""
    segment = read_header(text.path.with_name(f"{name}.hea"))
    if segment.n_segments is not None:
        raise FormatError(f"{text.path} has segments in its segments", hint="the header is damaged")
    return segment, parse(segment)


def channel_names(header: Any) -> list[str]:
    """Return one name a signal, without control characters."""
    return [printable(name) if name else f"ch{i + 1}" for i, name in enumerate(header.sig_name)]


def signals_of_files(header: Any) -> dict[str, list[int]]:
    """Return which signals lie in each signal file, in their order there."""
    found: dict[str, list[int]] = {}
    for row, name in enumerate(header.file_name):
        found.setdefault(name, []).append(row)
    return found


def frame_counts(header: Any) -> list[int]:
    """Return the samples a frame of each signal."""
    return [count or 1 for count in header.samps_per_frame]
