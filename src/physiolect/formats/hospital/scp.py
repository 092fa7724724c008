"""SCP-ECG (.scp): the rhythm of section 6, plain or Huffman coded, with differences and reference beats.

What is not read and refused: bimodal compression, in which the rhythm outside the beats is stored at a lower rate.
Source: EN 1064:2020 (SCP-ECG); the default Huffman table is in its annex on compression.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import timedelta, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.formats.hospital.lead_names import SCP_LEADS, numbered_names
from physiolect.formats.hospital.rhythm import Rhythm
from physiolect.formats.hospital.scp_huffman import Table, decode, default_table, read_tables
from physiolect.formats.request import Request
from physiolect.recording import Recording, StartTime
from physiolect.recording.start_time import moment_of, time_of

_MOST_BYTES = 64 << 20
_MOST_LEADS = 85
_HEADER = 16
"""Bytes of the header of a section."""

_MEASUREMENTS = ((2, "RR interval", "ms"), (4, "PP interval", "ms"))
_ABSENT = 29999
_DATE, _TIME, _ZONE = 25, 26, 34
_NO_ZONE, _MOST_MINUTES = 0x7FFF, 781


def is_scp(head: bytes) -> bool:
    """Tell whether a file that begins with these 22 bytes or more is SCP-ECG."""
    return head[16:22] == b"SCPECG"


def read(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the rhythm recording of an SCP-ECG file.

    Raises:
        FormatError: the file holds no rhythm, is compressed in a way that is not read, or is damaged.
    """
    with parsing(path, "SCP-ECG"):
        if path.stat().st_size > _MOST_BYTES:
            raise FormatError(f"{path} is larger than any SCP-ECG file", hint="choose another file")
        content = path.read_bytes()
        sections = _sections(content)
        tags, start = _tags(sections.get(1, b"")), _start(sections.get(1, b""))
    if 3 not in sections or 6 not in sections:
        raise FormatError(
            f"{path} is an SCP-ECG file without a rhythm (section 6)",
            hint="choose a file with a rhythm in it",
        )
    with parsing(path, "SCP-ECG"):
        codes, lengths, flags = _leads(sections[3])
        tables = read_tables(sections[2]) if 2 in sections else None
        step, interval, rows = _waveforms(sections[6], lengths, tables, path)
        if flags & 1:
            rows = _with_reference_beats(rows, sections, tables, path)
    yield Rhythm(
        1e6 / interval,
        numbered_names([SCP_LEADS.get(code, "") for code in codes]),
        rows,
        [step / 1000] * len(rows),
        ["uV"] * len(rows),
        notes=[*_measurements(sections.get(7, b"")), *_statements(sections.get(8, b""))],
        patient=tags.get(2, ""),
        personal=[tags.get(tag, "") for tag in (0, 1, 2, 3)],
        modality="ecg",
        start_time=start,
        stated_date=_stated_date(sections.get(1, b"")),
    ).recording(path, want)


def _sections(content: bytes) -> dict[int, bytes]:
    """Return the body of every section that the pointers of section 0 name and that lies within the file."""
    length = struct.unpack_from("<I", content, 6 + 4)[0]
    sections: dict[int, bytes] = {}
    for at in range(6 + _HEADER, min(6 + length, len(content) - 9), 10):
        number, size, index = struct.unpack_from("<HII", content, at)
        if size > _HEADER and index >= 1 and index - 1 + size <= len(content) and number <= 1023:
            sections.setdefault(number, content[index - 1 + _HEADER : index - 1 + size])
    return sections


def _tags(section: bytes) -> dict[int, str]:
    """Return the texts of section 1 by their tags."""
    return {tag: value.split(b"\0")[0].decode("latin-1").strip() for tag, value in _fields(section).items()}


def _fields(section: bytes) -> dict[int, bytes]:
    """Return the values of section 1 by their tags."""
    fields: dict[int, bytes] = {}
    at = 0
    while at + 3 <= len(section) and section[at] != 255:
        size = struct.unpack_from("<H", section, at + 1)[0]
        fields.setdefault(section[at], section[at + 3 : at + 3 + size])
        at += 3 + size
    return fields


def _stated_date(section: bytes) -> str:
    fields = _fields(section)
    return fields.get(_DATE, b"").hex() if fields.get(_TIME) else ""


def _start(section: bytes) -> StartTime | None:
    """Return when the ECG was acquired: date, time and, where it is known, the zone in minutes."""
    fields = _fields(section)
    day, clock, zone = (fields.get(tag, b"") for tag in (_DATE, _TIME, _ZONE))
    if len(clock) < 3:
        return None
    hours = time_of(*clock[:3])
    moment = moment_of(*struct.unpack_from("<HBB", day), *clock[:3]) if len(day) >= 4 else None
    minutes = struct.unpack_from("<h", zone)[0] if len(zone) >= 2 else _NO_ZONE
    if moment is not None and abs(minutes) < _MOST_MINUTES:
        return moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    return moment or hours


def _leads(section: bytes) -> tuple[list[int], list[int], int]:
    """Return the codes of the leads, their numbers of samples as stated, and the flags of section 3."""
    count, flags = section[0], section[1]
    if not 1 <= count <= _MOST_LEADS:
        raise ValueError(f"{count} leads")
    entries = [struct.unpack_from("<IIB", section, 2 + 9 * number) for number in range(count)]
    firsts = {first for first, _, _ in entries}
    if len(firsts) > 1:
        raise ValueError("leads that begin at different times")
    # The first sample is numbered 1; some writers number it 0.
    lengths = [last - first + (1 if first else 0) for first, last, _ in entries]
    return [code for _, _, code in entries], lengths, flags


def _waveforms(
    section: bytes, lengths: list[int], tables: list[Table] | None, path: Path
) -> tuple[int, int, list[NDArray[np.int64]]]:
    """Return nanovolts a step, microseconds a sample, and the leads of section 5 or 6 undone of their differences."""
    step, interval, difference, bimodal = struct.unpack_from("<HHBB", section, 0)
    n_leads = len(lengths)
    if bimodal:
        raise FormatError(
            f"{path} is an SCP-ECG file with bimodal compression, which is not read",
            hint="export it without bimodal compression, or as DICOM or aECG",
        )
    if not step or not interval or difference > 2:
        raise ValueError(f"a step of {step} nV, {interval} us a sample and differences of order {difference}")
    sizes = struct.unpack_from(f"<{n_leads}H", section, 6)
    at = 6 + 2 * n_leads
    body = len(section) - at
    # A size is a 16-bit number: longer leads overflow it, and then all are as long as the section allows.
    if sum(sizes) < body - n_leads and body % n_leads == 0 and len(set(sizes)) == 1 and tables is None:
        sizes = (body // n_leads,) * n_leads
    rows = []
    for size, n_samples in zip(sizes, lengths, strict=True):
        chunk = section[at : at + size]
        if len(chunk) < size:
            raise ValueError("a lead that is cut short")
        at += size
        if tables is None:
            row = np.frombuffer(chunk[: len(chunk) & ~1], "<i2").astype(np.int64)
        else:
            row = decode(chunk, n_samples, tables or [default_table()])
        rows.append(_integrate(row, difference))
    shown = [len(row) for row in rows]
    if tables is not None and any(found < n for found, n in zip(shown, lengths, strict=True)):
        raise ValueError(f"leads of {shown[:12]} samples where {lengths[:12]} are stated")
    return step, interval, rows


def _integrate(row: NDArray[np.int64], order: int) -> NDArray[np.int64]:
    """Return samples out of first or second differences, which the first one or two samples stand before."""
    if order == 2 and len(row) > 1:
        slopes = np.concatenate([[row[1] - row[0]], row[2:]]).cumsum()
        return np.concatenate([row[:1], row[0] + slopes.cumsum()])
    return row.cumsum() if order else row


def _with_reference_beats(
    rows: list[NDArray[np.int64]], sections: dict[int, bytes], tables: list[Table] | None, path: Path
) -> list[NDArray[np.int64]]:
    """Return the rhythm with the reference beat added at every complex from which it was subtracted."""
    if 4 not in sections or 5 not in sections:
        raise ValueError("a subtracted reference beat that is not stored")
    length_ms, fiducial, n_complexes = struct.unpack_from("<HHH", sections[4], 0)
    step, interval, _, _ = struct.unpack_from("<HHBB", sections[6], 0)
    beat_step, beat_interval = struct.unpack_from("<HH", sections[5], 0)
    if beat_interval != interval or not beat_step:
        raise ValueError("a reference beat of another rate")
    n_samples = round(length_ms * 1000 / interval)
    _, _, beats = _waveforms(sections[5], [n_samples] * len(rows), tables, path)
    whole = [row.copy() for row in rows]
    for number in range(n_complexes):
        kind, first, centre, last = struct.unpack_from("<HIII", sections[4], 6 + 14 * number)
        if kind:
            continue  # the reference beat was subtracted from complexes of its own kind, 0, alone
        for row, beat in zip(whole, beats, strict=True):
            shift = first - 1 - (centre - fiducial)
            start, stop = first - 1, min(last, len(row))
            if start >= stop or not 0 <= shift <= shift + stop - start <= len(beat):
                raise ValueError("a complex outside the rhythm or the reference beat")
            row[start:stop] += np.round(beat[shift : shift + stop - start] * (beat_step / step)).astype(
                np.int64
            )
    return whole


def _measurements(section: bytes) -> Iterator[str]:
    """Yield the global intervals of section 7."""
    for at, name, unit in _MEASUREMENTS:
        if len(section) >= at + 2:
            value = struct.unpack_from("<H", section, at)[0]
            if 0 < value < _ABSENT:
                yield f"{name} {value} {unit}"


def _statements(section: bytes) -> Iterator[str]:
    """Yield the lines of the report in section 8."""
    if len(section) < 9:
        return
    at = 9
    for _ in range(section[8]):
        if at + 3 > len(section):
            return
        size = struct.unpack_from("<H", section, at + 1)[0]
        yield section[at + 3 : at + 3 + size].split(b"\0")[0].decode("latin-1")
        at += 3 + size
