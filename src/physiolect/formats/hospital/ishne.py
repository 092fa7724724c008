"""ISHNE Holter recordings (.ecg), read from the disk a stretch at a time, and their beats (.ann).

Source: Badilini, The ISHNE Holter standard output file format, Ann Noninvasive Electrocardiol 3:263, 1998.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.formats.hospital.lead_names import ISHNE_LEADS, numbered_names
from physiolect.formats.hospital.rhythm import Rhythm
from physiolect.formats.request import Request
from physiolect.recording import Annotations, Recording, StartTime
from physiolect.recording.start_time import moment_of, time_of

MAGIC = b"ISHNE1.0"
_MARKS_MAGIC = b"ANN  1.0"
_FIXED = 522
"""Bytes of the part of the header that every file has."""
_MOST_LEADS = 12
_MOST_MARKS = 4_000_000

_BEATS = {"N": "N", "V": "V", "S": "S", "B": "B", "P": "/", "X": "|", "C": "|", "!": "~", "U": "Q"}
"""ISHNE's label of a mark -> WFDB's symbol; "C" is a calibration pulse, "X" an artefact and "!" an interruption."""


@dataclass(frozen=True)
class _Header:
    at: int
    """Where the samples (or the marks) begin, in bytes."""
    n_leads: int
    leads: tuple[int, ...]
    steps: tuple[int, ...]
    """Nanovolts a step."""
    fs: float
    patient: str
    names: tuple[str, ...]
    n_stated: int
    start: StartTime | None
    stated_date: str


def read(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recording of an ISHNE file; only the wanted stretch is read.

    Raises:
        FormatError: the header contradicts itself, or the file is cut within its header.
    """
    header = _header(path, MAGIC)
    with parsing(path, "ISHNE"):
        n_bytes = path.stat().st_size - header.at
        n_samples = n_bytes // (2 * header.n_leads)
    # Writers count the samples of a lead or those of all leads; the size of the file decides.
    if (
        n_samples < 1
        or n_bytes % (2 * header.n_leads)
        or not _fits(header.n_stated, n_samples, header.n_leads)
    ):
        raise FormatError(
            f"{path} is truncated or damaged: it states {header.n_stated} samples of {header.n_leads} leads "
            f"and holds {n_bytes} bytes of them",
            hint="fetch the file again",
        )
    with parsing(path, "ISHNE"):
        stored = np.memmap(path, "<i2", "r", header.at, (n_samples, header.n_leads))
    names = numbered_names([ISHNE_LEADS.get(code, "") for code in header.leads])
    yield from Rhythm(
        header.fs,
        names,
        list(stored.T),
        [step / 1000 for step in header.steps],
        ["uV"] * header.n_leads,
        marks=_marks(path, header.fs),
        patient=header.patient,
        personal=header.names,
        modality="ecg",
        start_time=header.start,
        stated_date=header.stated_date,
    ).recordings(path, want)


def _fits(stated: int, n_samples: int, n_leads: int) -> bool:
    return stated in (0, n_samples, n_samples * n_leads)


def _header(path: Path, magic: bytes) -> _Header:
    with parsing(path, "ISHNE"):
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_FIXED)
    if len(head) < _FIXED or not head.startswith(magic):
        raise FormatError(f"{path} is cut short within its header", hint="fetch the file again")
    n_stated, _, at = struct.unpack_from("<iii", head, 14)
    n_leads = struct.unpack_from("<h", head, 156)[0]
    leads = struct.unpack_from("<12h", head, 158)
    steps = struct.unpack_from("<12h", head, 206)
    fs = struct.unpack_from("<h", head, 272)[0]
    wrong = not (1 <= n_leads <= _MOST_LEADS and _FIXED <= at < size and fs > 0 and min(steps[:n_leads]) > 0)
    if wrong:
        raise FormatError(
            f"the header of {path} is damaged: {n_leads} leads at {fs} Hz, steps of {steps[: max(n_leads, 1)]} nV, "
            f"samples from byte {at} of {size}",
            hint="fetch the file again",
        )
    texts = [
        head[a:b].split(b"\0")[0].decode("latin-1").strip() for a, b in ((28, 68), (68, 108), (108, 128))
    ]
    return _Header(
        at,
        n_leads,
        leads[:n_leads],
        steps[:n_leads],
        float(fs),
        texts[2],
        tuple(texts),
        n_stated,
        _start(head),
        _stated_date(head),
    )


def _stated_date(head: bytes) -> str:
    """Return day, month and year; "" where one is 0 or -9, which stands for what is not known."""
    numbers = struct.unpack_from("<3h", head, 138)
    return "" if min(numbers) <= 0 else " ".join(map(str, numbers))


def _start(head: bytes) -> StartTime | None:
    """Return when the recording began; numbers that are no date or no time stand for what is not known."""
    day, month, year = struct.unpack_from("<3h", head, 138)
    clock = struct.unpack_from("<3h", head, 150)
    return moment_of(year, month, day, *clock) or (time_of(*clock) if any(clock) else None)


def _marks(path: Path, fs: float) -> Annotations:
    """Return the beats of the .ann file beside a recording; none where there is none that belongs to it."""
    beside = next((each for name in (".ann", ".ANN") if (each := path.with_suffix(name)).is_file()), None)
    if beside is None:
        return Annotations()
    with parsing(beside, "ISHNE annotation"), beside.open("rb") as file:
        if file.read(8) != _MARKS_MAGIC:
            return Annotations()
    header = _header(beside, _MARKS_MAGIC)
    if header.fs != fs:
        raise FormatError(
            f"{beside} states {header.fs:g} Hz and {path.name} {fs:g} Hz", hint="move one of the two away"
        )
    with parsing(beside, "ISHNE annotation"), beside.open("rb") as file:
        file.seek(header.at)
        content = file.read(_MOST_MARKS * 4)
    # The first sample's number, then two labels and the distance to the beat before for each.
    if len(content) < 4:
        return Annotations()
    first = int.from_bytes(content[:4], "little")
    table = np.frombuffer(
        content[4 : 4 + (len(content) - 4) // 4 * 4], [("kind", "u1"), ("other", "u1"), ("after", "<u2")]
    )
    samples = first + np.cumsum(table["after"], dtype=np.int64)
    symbols = tuple(_BEATS.get(chr(kind), "Q") for kind in table["kind"].tolist())
    return Annotations(samples, symbols)
