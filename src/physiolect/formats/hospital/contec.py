"""Contec ECG90A recordings (.ECG): II, III and V1 to V6 at 800 Hz, behind a header of 43 bytes.

No description is public; the layout is that of the tools in https://github.com/RigacciOrg/ecg-contec.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.formats.hospital.rhythm import Rhythm
from physiolect.formats.request import Request
from physiolect.recording import LEADS, Recording
from physiolect.recording.start_time import parse_moment

_HEADER, _FOOTER = 43, 37
_MOST_BYTES = 64 << 20
_FS = 800.0
_STEP = 5.0
"""Microvolts a step."""
_MIDDLE, _MISSING = 2048, 0x6800
_STORED = ("II", "III", "V1", "V2", "V3", "V4", "V5", "V6")
_HEAD = re.compile(rb"\d{7}\0..\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\0", re.DOTALL)
"""A case number and the time of recording."""


def is_contec(head: bytes) -> bool:
    """Tell whether a file that begins with these 30 bytes or more is one of an ECG90A."""
    return _HEAD.match(head) is not None


def read(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the twelve leads of a recording; I, aVR, aVL and aVF are computed out of II and III.

    Raises:
        FormatError: the file is cut short.
    """
    with parsing(path, "Contec ECG"):
        n_bytes = path.stat().st_size - _HEADER - _FOOTER
        with path.open("rb") as file:
            head = file.read(_HEADER)
            stated = head[10:29].decode("latin-1")
            name = head[32:40].split(b"\0")[0].decode("latin-1")
    if not 0 < n_bytes <= _MOST_BYTES or n_bytes % (2 * len(_STORED)):
        raise FormatError(
            f"{path} is truncated or damaged: {n_bytes} bytes of samples are no recording of eight leads",
            hint="fetch the file from the device again",
        )
    with parsing(path, "Contec ECG"):
        stored = np.memmap(path, "<u2", "r", _HEADER, (n_bytes // (2 * len(_STORED)), len(_STORED)))
        signal = np.asarray(stored.T, np.float32)  # (leads, time)
        signal[signal == _MISSING] = np.nan
        signal -= _MIDDLE
    # A row of zeros in all leads ends the recording; the rest was never written.
    ends = np.flatnonzero((signal == -_MIDDLE).all(axis=0))
    if len(ends):
        signal = signal[:, : ends[0]]
    two, three = signal[0], signal[1]
    limbs = [two - three, two, three, three / 2 - two, two / 2 - three, (two + three) / 2]
    yield Rhythm(
        _FS,
        list(LEADS),
        [*limbs, *signal[2:]],
        [_STEP] * len(LEADS),
        ["uV"] * len(LEADS),
        personal=[name],
        modality="ecg",
        start_time=parse_moment(stated),
        stated_date=stated,
    ).recording(path, want)
