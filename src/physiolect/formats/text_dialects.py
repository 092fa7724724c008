"""What devices and programs write above their samples: one table of dialects."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from physiolect.formats.text_statements import Facts, number_of, rate_of_interval, read_statements
from physiolect.formats.time_stamps import moment_in
from physiolect.recording import StartTime, Unit, later
from physiolect.recording.start_time import moment_of, parse_moment, time_of, without_date


@dataclass(frozen=True)
class Dialect:
    """How one device or program writes; patterns are searched in all that stands above the samples."""

    name: str
    sign: str
    """What only this dialect has."""
    names: str = ""
    """Line of names; they lie between tabs, or two or more blanks."""
    units: str = ""
    """A line in which each cell ends with a unit."""
    interval: str = ""
    """Time from sample to sample: a number and its unit."""
    scale: str = ""
    """Number that samples are multiplied by."""
    unit: Unit = None
    """Unit of all columns."""
    leave_out: str = ""
    rename: tuple[tuple[str, str], ...] = ()
    not_samples: str = ""
    """Lines of numbers that are no samples."""
    read: Callable[[str], Facts] | None = None
    """For what no pattern can say."""


def _acqknowledge(text: str) -> Facts:
    """Names and units alternate, a line each, after "2 channels"."""
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if re.fullmatch(r"\d+ channels?", line.strip()))
    n = min(int(lines[at].split()[0]), (len(lines) - at - 1) // 2)
    pairs = [line.strip() for line in lines[at + 1 : at + 1 + 2 * n]]
    return Facts(
        names=tuple(pairs[::2]), units=tuple(_WORDY_UNITS.get(u.lower(), u) for u in pairs[1::2]), named=True
    )


def _opensignals(text: str) -> Facts:
    """The second line is JSON: of each device its rate, columns and sensors."""
    found = re.search(r"^[#\s]*(\{.*\})\s*$", text, re.M)
    try:
        parsed = json.loads(found[1]) if found else None
    except (ValueError, RecursionError):
        parsed = None
    devices = list(parsed.values()) if isinstance(parsed, dict) else []
    if not devices or not all(isinstance(each, dict) for each in devices):
        return Facts()
    names: list[str] = []
    rates = set()
    for each in devices:
        columns = [str(name) for name in _list(each.get("column"))]
        sensors = [re.sub(r"BIT$", "", str(name)) for name in _list(each.get("sensor"))]
        labels = [str(name) for name in _list(each.get("label"))]
        analog = labels if set(labels) <= set(columns) else columns[len(columns) - len(sensors) :]
        kinds = dict(zip(analog, sensors, strict=False))
        names += [
            f"{kinds[name]} {name}" if kinds.get(name, "RAW") not in ("RAW", "CUSTOM", "") else name
            for name in columns
        ]
        rate = each.get("sampling rate")
        if isinstance(rate, int | float) and not isinstance(rate, bool):
            rates.add(float(rate))
    return Facts(
        fs=rates.pop() if len(rates) == 1 else None,
        names=tuple(names),
        named=True,
        start=_opensignals_start(devices[0]),
    )


def _opensignals_start(device: dict[str, Any]) -> StartTime | None:
    """Return date and time, of which OpenSignals pads no number: "2017-1-24", "17:5:56.981"."""
    day = re.fullmatch(r"(\d{4})-(\d{1,2})-(\d{1,2})", str(device.get("date", "")))
    clock = re.fullmatch(r"(\d{1,2}):(\d{1,2}):(\d{1,2}(?:\.\d{1,9})?)", str(device.get("time", "")))
    if not clock:
        return None
    hours = int(clock[1]), int(clock[2]), float(clock[3])
    dated = moment_of(int(day[1]), int(day[2]), int(day[3]), *hours) if day else None
    return dated or time_of(*hours)


def _excel_start(text: str) -> StartTime | None:
    """Return the start of LabChart, in days since 1899-12-30, whose words do not tell day from month."""
    found = re.search(r"^ExcelDateTime=\s*(\d{1,6}(?:\.\d+)?(?:e[+-]?\d+)?)\s*(.*)$", text, re.M | re.I)
    days = float(found[1]) if found else 0.0
    start = later(datetime(1899, 12, 30), round(days * 86_400, 3)) if 1 <= days < 1e5 else None
    words = moment_in(found[2]) if found else None
    if words is None or not isinstance(start, datetime):
        return start or words
    return datetime.combine(start, without_date(words) or start.time())


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


_WORDY_UNITS = {"volts": "V", "millivolts": "mV", "microvolts": "uV", "volt": "V", "beats/min": "bpm"}
_WATCH = r"^[^\n,;]*[,;]\s*\"?(?:Apple\s+)?Watch\d+[,.]\d+\"?\s*$"


def _apple_watch(text: str) -> Facts:
    """The line after the device's holds the rate, whatever its language; below stand the lead and the unit."""
    after = re.split(_WATCH, text, maxsplit=1, flags=re.M)[1]
    when = re.search(r"[,;]\s*\"?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?: ?[+-]\d{4})?)", text)
    number = re.search(r"[,;]\s*\"?(\d+(?:[.,]\d+)?)", after)
    lead = re.search(r"\b(I{1,3}|aV[RLF]|V[1-6])\"?\s*$", after, re.M)
    unit = re.search(r"[,;]\s*\"?([µμu]V|mV|V)\"?\s*$", after, re.M)
    return Facts(
        fs=float(number[1].replace(",", ".")) if number else None,
        names=(lead[1] if lead else "I",),
        units=(unit[1],) if unit else (),
        named=True,
        start=parse_moment(when[1]) if when else None,
    )


DIALECTS = (
    Dialect("Apple Watch", _WATCH, read=_apple_watch),
    Dialect(
        "OpenSignals", r"OpenSignals Text File Format", read=_opensignals, leave_out=r"nSeq|[IO]\d+|DI|CH0"
    ),
    Dialect(
        "LabChart",
        r"^(ChannelTitle|ExcelDateTime)=\s*\t",
        names=r"^ChannelTitle=\t(.*)$",
        units=r"^(?:UnitName|Range)=\t(.*)$",
        interval=r"^Interval=\s*([\d.,eE+-]+)\s*(\w+)",
    ),
    Dialect(
        "AcqKnowledge",
        r"^\d+ channels?\s*$",
        interval=r"^([\d.]+)\s*(\w+)/sample\s*$",
        not_samples=r"\s*(\d+\s+)*\d+ samples?\s*|[\t,;](\d+[\t,;]?)+|([1-9]\d+)([\t,;]+\3)*[\t,;]*",
        read=_acqknowledge,
    ),
    Dialect(
        "CARTO",
        r"^ECG_Export",
        scale=r"Raw ECG to MV \(gain\)\s*=\s*([\d.eE+-]+)",
        unit="mV",
        rename=((r"\(\d+\)$", ""),),
    ),
    Dialect(
        "OpenBCI",
        r"OpenBCI Raw E[XE]G",
        leave_out=r"(?i)sample index|other|timestamp.*|marker.*|digital.*|analog.*",
        rename=((r"(?i)^EXG Channel (\d+)", r"EXG \1"),),
    ),
    Dialect(
        "Shimmer",
        r"Shimmer_\w+",
        rename=(
            (r"^Shimmer_[0-9A-Fa-f]+_", ""),
            (r"_(CAL|RAW|UNCAL)$", ""),
            (r"^ECG_(L[LA]-[RL]A)", r"ECG \1"),
        ),
        leave_out=r"(?i).*(system_timestamp|event_marker|status\d?|battery|packet|range|exg\d_status).*",
    ),
    Dialect("Polar Sensor Logger", r"Phone timestamp", leave_out=r"(?i)hr ?\[bpm\].*|hrv.*"),
)
"""Dialects of exports; the first whose sign is found is taken. `read_facts` reads all other files."""


def dialect_of(text: str) -> Dialect | None:
    """Return the dialect of the lines above the samples, or None."""
    return next((each for each in DIALECTS if re.search(each.sign, text, re.M)), None)


def read_facts(text: str, path: Path) -> Facts:
    """Return what the lines above the samples state, by their dialect or by words that all use.

    Raises:
        FormatError: they state two rates.
    """
    dialect = dialect_of(text)
    general = read_statements(text, path)
    if dialect is None:
        return general
    own = dialect.read(text) if dialect.read else Facts()
    names = own.names
    if found := dialect.names and re.search(dialect.names, text, re.M):
        names = tuple(re.split(r"\t|\s{2,}", found[1].strip()))
    units = own.units
    if found := dialect.units and re.search(dialect.units, text, re.M):
        units = tuple(cell.split()[-1] if cell.split() else "" for cell in found[1].rstrip("\n").split("\t"))
    fs = own.fs
    if found := dialect.interval and re.search(dialect.interval, text, re.M):
        fs = rate_of_interval(found[1], found[2])
    scale = 1.0
    if found := dialect.scale and re.search(dialect.scale, text, re.M):
        scale = number_of(found[1]) or 1.0
    return replace(
        own,
        start=own.start or (_excel_start(text) if dialect.name == "LabChart" else general.start),
        fs=fs if fs is not None else general.fs,
        names=names or (() if own.named else general.names),
        units=units or general.units,
        unit=dialect.unit,
        scale=scale,
        leave_out=dialect.leave_out,
        rename=dialect.rename,
        named=bool(names),
    )
