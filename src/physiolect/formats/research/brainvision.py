"""BrainVision recordings: a header (.vhdr), markers (.vmrk) and samples (.eeg, .dat); and tables of iEEG-BIDS beside.

The layout is that of the header's own comments and of Brain Products' "BrainVision Core Data Format" (2012). Files that
a header names are looked up in its own folder alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.formats.matrix import recordings_in
from physiolect.formats.request import Request
from physiolect.formats.research import bids
from physiolect.recording import Annotations, Recording, unit_name

MAGIC = (b"Brain Vision Data Exchange Header", b"BrainVision Data Exchange Header")

_TYPES = {"INT_16": "<i2", "INT_32": "<i4", "UINT_16": "<u2", "IEEE_FLOAT_32": "<f4", "IEEE_FLOAT_64": "<f8"}
_MOST_TEXT = 16 << 20
_MOST_CHANNELS = 4096
_MOST_MARKS = 1_000_000


@dataclass(frozen=True)
class _Header:
    """What a header states of the samples."""

    data: Path
    markers: Path | None
    fs: float
    kind: np.dtype[np.generic]
    multiplexed: bool
    names: list[str]
    resolution: NDArray[np.float64]
    units: list[str | None]
    notices: list[str]


class _Scaled:
    """Samples on disk as (channels, time), in physical units where they are sliced."""

    def __init__(self, raw: NDArray[np.generic], resolution: NDArray[np.float64]) -> None:
        self.raw, self.resolution = raw, resolution
        self.shape = raw.shape

    def __getitem__(self, key: tuple[slice | int, ...]) -> NDArray[np.generic]:
        found: NDArray[np.generic] = self.raw[key].astype(np.float64) * self.resolution[key[0], np.newaxis]
        return found.astype(np.float32)


def read(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recording of a header, its samples mapped into memory: only what is asked for is read.

    Raises:
        FormatError: the header is damaged or names no samples, or they are of a kind that is not read.
    """
    with parsing(path, "BrainVision"):
        header = _read_header(path)
        raw, notices = _map(header, path)
    marks, start = Annotations(), None
    if header.markers is not None:
        with parsing(header.markers, "BrainVision"):
            marks, start = _read_markers(header.markers, raw.shape[1])
    about = bids.read_tables(path, header.names, header.fs)
    units = [about.units.get(name, unit) for name, unit in zip(header.names, header.units, strict=True)]
    marks = bids.joined(marks, about.marks).window(*want.span(raw.shape[1], want.rate(header.fs, path), path))
    for recording in recordings_in(
        _Scaled(raw, header.resolution), want, path, stated_fs=header.fs, channels=header.names, units=units,
        modality=about.modality, annotations=marks,
        as_is=True, notices=(*header.notices, *notices, *about.notices), start_time=start,
    ):  # fmt: skip
        yield replace(recording, beside=tuple(name for name in recording.channels if name in about.beside))


def _read_header(path: Path) -> _Header:
    sections = _sections(path)
    common, binary = sections.get("common infos", {}), sections.get("binary infos", {})
    if (
        common.get("dataformat", "BINARY").upper() != "BINARY"
        or common.get("datatype", "TIMEDOMAIN") != "TIMEDOMAIN"
    ):
        raise FormatError(
            f"{path} describes {common.get('dataformat', '')} {common.get('datatype', '')} samples, but binary ones in "
            "time are read",
            hint="export it from BrainVision as binary, in the time domain",
        )
    kind = binary.get("binaryformat", "").upper()
    if kind not in _TYPES:
        raise FormatError(
            f"{path} states the binary format '{kind[:40]}'", hint=f"it must be one of {', '.join(_TYPES)}"
        )
    n, interval = int(common.get("numberofchannels", "0")), float(common.get("samplinginterval", "nan"))
    if not (1 <= n <= _MOST_CHANNELS and 0 < interval < 1e9):
        raise FormatError(
            f"{path} states {n} channels and a sampling interval of {interval:g} us",
            hint="fetch the file again",
        )
    names, resolution, units = _channels(sections.get("channel infos", {}), n, path)
    data, notices = _beside(path, common.get("datafile", ""), (".eeg", ".dat"))
    if data is None:
        raise FormatError(
            f"{path} has no samples beside it: it names '{common.get('datafile', '')[:80]}'",
            hint="fetch the .eeg file too; both must lie in one folder",
        )
    markers, _ = _beside(path, common.get("markerfile", ""), (".vmrk",))
    return _Header(
        data, markers, 1e6 / interval, np.dtype(_TYPES[kind]),
        common.get("dataorientation", "MULTIPLEXED").upper() != "VECTORIZED", names, resolution, units, notices,
    )  # fmt: skip


def _sections(path: Path) -> dict[str, dict[str, str]]:
    """Return the sections of a header or a marker file, their names and keys in small letters."""
    if path.stat().st_size > _MOST_TEXT:
        raise FormatError(
            f"{path} is no BrainVision text: it has {path.stat().st_size >> 20} MB", hint="fetch it again"
        )
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    found: dict[str, dict[str, str]] = {}
    section: dict[str, str] = {}
    for line in text.splitlines():
        line = line.strip()
        if match := re.fullmatch(r"\[(.+)\]", line):
            section = found.setdefault(match[1].strip().lower(), {})
        elif line and not line.startswith(";") and "=" in line:
            key, _, value = line.partition("=")
            section.setdefault(key.strip().lower(), value.strip())
    return found


def _channels(
    held: dict[str, str], n: int, path: Path
) -> tuple[list[str], NDArray[np.float64], list[str | None]]:
    names, resolution, units = [], np.ones(n), list[str | None]()
    for number in range(n):
        if f"ch{number + 1}" not in held:
            raise FormatError(f"{path} describes no channel {number + 1} of {n}", hint="fetch the file again")
        parts = [part.replace("\\1", ",").strip() for part in held[f"ch{number + 1}"].split(",")]
        names.append(parts[0] or f"ch{number + 1}")
        size = float(parts[2]) if len(parts) > 2 and parts[2] else 1.0
        if not np.isfinite(size) or size == 0:
            raise FormatError(f"{path} states a resolution of {size} for {names[-1]}", hint="mend the header")
        resolution[number] = size
        units.append(unit_name(parts[3]) if len(parts) > 3 and parts[3] else "uV")
    return names, resolution, units


def _beside(path: Path, stated: str, endings: tuple[str, ...]) -> tuple[Path | None, list[str]]:
    """Return a file that a header names, in its own folder; or one called like the header, with a notice."""
    name = stated.replace("$b", path.stem).replace("\\", "/").rsplit("/", 1)[-1]
    named = path.parent / name
    if name and name not in (".", "..") and named.is_file():
        return named, []
    for ending in endings:
        if (other := path.with_suffix(ending)).is_file():
            return other, [f"{path.name} names '{name[:80]}', which is not there: {other.name} is taken"]
    return None, []


def _map(header: _Header, path: Path) -> tuple[NDArray[np.generic], list[str]]:
    """Return the samples as (channels, time), mapped; a last part of a step is left out, with a notice."""
    n = len(header.names)
    count = header.data.stat().st_size // header.kind.itemsize
    steps, left = divmod(count, n)
    if not steps:
        raise FormatError(f"{header.data} holds no step of {n} channels", hint="fetch the file again")
    if left and not header.multiplexed:
        raise FormatError(
            f"{header.data} is cut short: {count} samples are no multiple of {n} channels",
            hint="fetch the file again",
        )
    shape = (steps, n) if header.multiplexed else (n, steps)
    raw = np.memmap(header.data, header.kind, "r", shape=shape)
    notices = [f"{header.data.name} ends within a step: {left} samples are left out"] if left else []
    return raw.T if header.multiplexed else raw, notices


def _read_markers(path: Path, n: int) -> tuple[Annotations, datetime | None]:
    """Return the markers, and when the recording began."""
    entries = _sections(path).get("marker infos", {})
    marks, start = list[tuple[int, str, str]](), None
    for key, value in entries.items():
        if not key.startswith("mk") or len(marks) > _MOST_MARKS:
            continue
        parts = [part.replace("\\1", ",").strip() for part in value.split(",")]
        if len(parts) < 3 or not parts[2].isdecimal():
            continue
        at = int(parts[2]) - 1
        if parts[0] == "New Segment":
            stamp = parts[5] if len(parts) > 5 else ""
            if start is None and at == 0 and re.fullmatch(r"[12]\d{13,19}", stamp):
                start = _moment(stamp)
            continue
        if 0 <= at < n:
            marks.append((at, parts[1] or parts[0], parts[0]))
    marks.sort(key=lambda mark: mark[0])
    found = Annotations(
        np.array([mark[0] for mark in marks], np.int64),
        tuple(mark[1] for mark in marks),
        tuple(mark[2] for mark in marks),
    )
    return found, start


def _moment(stamp: str) -> datetime | None:
    try:
        return datetime.strptime(stamp[:14], "%Y%m%d%H%M%S").replace(
            microsecond=int((stamp[14:20] or "0").ljust(6, "0"))
        )
    except ValueError:
        return None
