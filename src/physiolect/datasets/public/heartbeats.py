"""The ECG Heartbeat Categorization set: single beats cut out of MIT-BIH and PTB, one a line of a CSV.

A line is 187 samples at 125 Hz and a class, without a header; a beat was scaled to 0 … 1 within its ten seconds, begins
at its R peak, lasts 1.2 RR intervals and is filled up with zeros. `mitbih_train.csv` and `mitbih_test.csv` hold lead
II of MIT-BIH in AAMI's five classes, `ptbdb_normal.csv` and `ptbdb_abnormal.csv` lead II of PTB. Known from its
description; no file of it was at hand. Source: Kachuee, Fazeli and Sarrafzadeh 2018.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from physiolect.datasets.public.dataset import Entry, LabelChoice, PublicDataset, Read
from physiolect.errors import FormatError
from physiolect.recording import Recording

FS = 125.0
LENGTH = 187
"""Samples of a beat, zeros at its end included."""
_LINE_BYTES = 64 * (LENGTH + 1)
_AAMI, _PTB = ("N", "S", "V", "F", "Q"), ("normal", "abnormal")
_FILES: dict[str, tuple[tuple[str, ...], str | None]] = {
    "mitbih_train.csv": (_AAMI, "train"),
    "mitbih_test.csv": (_AAMI, "test"),
    "ptbdb_normal.csv": (_PTB, None),
    "ptbdb_abnormal.csv": (_PTB, None),
}
"""File -> the names of its classes, and its part of the published split."""


def _index(folder: Path, choice: LabelChoice) -> Iterator[Entry]:
    for name, (classes, part) in _FILES.items():
        path = folder / name
        if not path.is_file():
            continue
        with path.open("rb") as file:
            place = 0
            for number, line in enumerate(iter(lambda: file.readline(_LINE_BYTES), b"")):
                label = _label(line, classes, f"line {number + 1} of {path}")
                split = part if choice.split else None
                yield Entry(f"{name}#{number}", path, None, (label,), split, place)
                place += len(line)


def _label(line: bytes, classes: tuple[str, ...], where: str) -> str:
    try:
        number = float(line.rpartition(b",")[2])
    except ValueError:
        number = -1.0
    if number not in range(len(classes)) or line.count(b",") != LENGTH:
        raise FormatError(
            f"{where} is not {LENGTH} samples and a class from 0 to {len(classes) - 1}",
            hint="fetch the file again; it has no header, and no line is cut",
        )
    return classes[int(number)]


@contextmanager
def open_beats(path: Path) -> Iterator[Read]:
    """Give what reads a beat at its line's place in a file."""

    def read(entry: Entry) -> Recording:
        file.seek(entry.place or 0)
        try:
            values = np.array(file.readline(_LINE_BYTES).split(b","), np.float32)  # (188,)
        except ValueError:
            values = np.empty(0, np.float32)
        if len(values) != LENGTH + 1 or not np.isfinite(values).all():
            raise FormatError(
                f"{path} has no beat of {LENGTH} numbers at byte {entry.place}", hint="fetch the file again"
            )
        return Recording(values[None, :-1], FS, ("II",), "au", "ecg", source=entry.name)

    with path.open("rb") as file:
        yield read


HEARTBEATS = PublicDataset(
    name="heartbeats",
    title="the ECG Heartbeat Categorization set",
    licence="none stated; MIT-BIH and PTB, which it is cut from, are under ODC-By 1.0",
    citation="Kachuee, Fazeli and Sarrafzadeh, ECG Heartbeat Classification: A Deep Transferable Representation, 2018, "
    "arXiv:1805.00794",
    origin="Kaggle, shayanfazeli/heartbeat",
    layout="mitbih_train.csv, mitbih_test.csv, ptbdb_normal.csv or ptbdb_abnormal.csv",
    patients="none told",
    recognise=lambda folder: any((folder / name).is_file() for name in _FILES),
    index=_index,
    opened=open_beats,
    labels={"classes": "N, S, V, F, Q of AAMI for MIT-BIH's beats; normal or abnormal for PTB's"},
    splits={"published": "train and test, beat by beat, for MIT-BIH's beats; PTB's have none"},
    cautions={
        "published": "its split is by beat, so that nearly every patient is on both sides: figures on it say little "
        "about new patients"
    },
)
