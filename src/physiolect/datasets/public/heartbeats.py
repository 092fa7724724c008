"""The ECG Heartbeat Categorization set: single beats cut out of MIT-BIH and PTB, one a line of a CSV.

A line is 187 samples at 125 Hz and a class. Files from Kaggle have no header; copies by pandas may have a header and
an index column before the samples. Each beat is scaled to 0 … 1 by itself, begins near its R peak, lasts 1.2 RR
intervals and is filled up with zeros. Files named mitbih… hold lead II of MIT-BIH in AAMI's five classes, files named
ptbdb… lead II of PTB. Source: Kachuee, Fazeli and Sarrafzadeh 2018, whose text scales windows of ten seconds; in 1,000
rows of the files 98 % have a maximum of exactly 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.contract import InputContract
from physiolect.datasets.public.dataset import Entry, LabelChoice, PublicDataset, Read
from physiolect.errors import FormatError
from physiolect.recording import Recording

FS = 125.0
LENGTH = 187
"""Samples of a beat, zeros at its end included."""
HEARTBEAT_CONTRACT = InputContract(
    modality="ecg", fs=FS, min_samples=LENGTH - 1, max_samples=LENGTH, normalisation="none"
)
"""What a row of beats is; ECGformer reads 186 of the 187 samples."""
_LINE_BYTES = 64 * (LENGTH + 2)
_TOLERANCE = 1e-6
"""By how much a sample may leave 0 … 1, for single precision."""
_AAMI, _PTB = ("N", "S", "V", "F", "Q"), ("normal", "abnormal")
_HINT = "fetch the file again; other tables must not be in the folder"


def _index(folder: Path, choice: LabelChoice) -> Iterator[Entry]:
    for path in _files(folder):
        classes = _PTB if path.name.lower().startswith("ptb") else _AAMI
        split = _part(path) if choice.split else None
        number = 0
        for line, place, where in _lines(path):
            label = classes[_class_of(_values(line, where), len(classes), where)]
            yield Entry(f"{path.name}#{number}", path, None, (label,), split, place)
            number += 1
        if not number:
            raise FormatError(f"{path} has no beats", hint=_HINT)


def _files(folder: Path) -> list[Path]:
    """Return the tables of a folder in the published order, others last, or the one that is named itself."""
    found = [folder] if folder.is_file() else [path for path in folder.glob("*.csv") if path.is_file()]
    order = ("mitbih_train", "mitbih_test", "ptbdb_normal", "ptbdb_abnormal")
    ranks = {path: [k for k, name in enumerate(order) if path.name.startswith(name)] for path in found}
    return sorted(found, key=lambda path: (*ranks[path], len(order), path.name))


def _part(path: Path) -> str | None:
    """Return the part of the published split that a file of MIT-BIH's beats is named after."""
    name = path.name.lower()
    if not name.startswith("mitbih"):
        return None
    return "train" if "train" in name else "test" if "test" in name else None


def _lines(path: Path) -> Iterator[tuple[bytes, int, str]]:
    """Yield each beat's line, at which byte it begins, and how errors name it; a header is left out."""
    with path.open("rb") as file:
        place = 0
        for number, line in enumerate(iter(lambda: file.readline(_LINE_BYTES), b"")):
            if number or not _is_header(line):
                yield line, place, f"line {number + 1} of {path}"
            place += len(line)


def _is_header(line: bytes) -> bool:
    """Return whether a line holds names of columns: words, or numbers that count up."""
    cells = [cell.strip().strip(b'"') for cell in line.removeprefix(b"\xef\xbb\xbf").split(b",")]
    if len(cells) not in (LENGTH + 1, LENGTH + 2):
        return False
    named = cells[-LENGTH - 1 :]
    first = int(named[0]) if named[0].isdigit() else -1
    counted = [str(first + k).encode() for k in range(LENGTH)]  # the last may be "label"
    return named[:-1] == counted or not any(_is_number(cell) for cell in named)


def _is_number(cell: bytes) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _values(line: bytes, where: str) -> NDArray[np.float64]:
    """Return the samples and the class of a line, (LENGTH + 1,).

    Raises:
        FormatError: cells are missing, or one is no number or out of range.
    """
    cells = line.removeprefix(b"\xef\xbb\xbf").split(b",")
    if not line.strip():
        raise FormatError(f"{where} is empty", hint=_HINT)
    if len(line) >= _LINE_BYTES:
        raise FormatError(f"{where} is longer than a beat of {LENGTH} samples", hint=_HINT)
    if len(cells) == LENGTH + 2:
        if not cells[0].strip().strip(b'"').isdigit():
            raise FormatError(f"{where} has {LENGTH + 2} cells, and the first is no row number", hint=_HINT)
        del cells[0]
    if len(cells) != LENGTH + 1:
        raise FormatError(
            f"{where} has {len(cells)} cells, but {LENGTH} samples and a class are {LENGTH + 1}", hint=_HINT
        )
    try:
        values = np.array(cells, np.float64)
    except ValueError:
        wrong = next((k for k, cell in enumerate(cells) if not _is_number(cell)), LENGTH)
        raise FormatError(f"{where}: cell {wrong + 1} is no number", hint=_HINT) from None
    bad = np.flatnonzero(~((values[:-1] >= -_TOLERANCE) & (values[:-1] <= 1 + _TOLERANCE)))
    if len(bad):
        k = int(bad[0])
        raise FormatError(f"{where}: sample {k + 1} is {values[k]:g}, but must be from 0 to 1", hint=_HINT)
    return values


def _class_of(values: NDArray[np.float64], n_classes: int, where: str) -> int:
    number = float(values[-1])
    if number not in range(n_classes):
        raise FormatError(f"{where}: the class is {number:g}, but must be 0 to {n_classes - 1}", hint=_HINT)
    return int(number)


def _recognise(folder: Path) -> bool:
    """Tell the set by the number of cells in the first line of a table; a damaged one by its file's name."""
    for path in _files(folder):
        if path.name.lower().startswith(("mitbih_", "ptbdb_")):
            return True
        with path.open("rb") as file:
            if file.readline(_LINE_BYTES).count(b",") in (LENGTH, LENGTH + 1):
                return True
    return False


@contextmanager
def open_beats(path: Path) -> Iterator[Read]:
    """Give what reads a beat at its line's place in a file."""

    def read(entry: Entry) -> Recording:
        file.seek(entry.place or 0)
        values = _values(file.readline(_LINE_BYTES), f"the line at byte {entry.place} of {path}")
        return Recording(values[None, :-1].astype(np.float32), FS, ("II",), "au", "ecg", source=entry.name)

    with path.open("rb") as file:
        yield read


def read_beat(path: Path, number: int) -> tuple[Recording, str]:
    """Return one beat of a table, and its class.

    Args:
        path: the table.
        number: of the beat, from 0.

    Raises:
        FormatError: there is no such beat, or its line is damaged.
    """
    classes = _PTB if path.name.lower().startswith("ptb") else _AAMI
    count = 0
    for line, _, where in _lines(path):
        if count == number:
            values = _values(line, where)
            recording = Recording(
                values[None, :-1].astype(np.float32), FS, ("II",), "au", "ecg", source=f"{path.name}#{number}"
            )
            return recording, classes[_class_of(values, len(classes), where)]
        count += 1
    raise FormatError(
        f"there is no heartbeat {number} in {path}, which holds {count}",
        hint="heartbeats are counted from 0, one a line",
    )


HEARTBEATS = PublicDataset(
    name="heartbeats",
    title="the ECG Heartbeat Categorization set",
    licence="none stated; MIT-BIH and PTB, which it is cut from, are under ODC-By 1.0",
    citation="Kachuee, Fazeli and Sarrafzadeh, ECG Heartbeat Classification: A Deep Transferable Representation, 2018, "
    "arXiv:1805.00794",
    origin="Kaggle, shayanfazeli/heartbeat",
    layout="CSVs of 187 samples and a class a line: mitbih_train.csv, mitbih_test.csv, ptbdb_normal.csv, "
    "ptbdb_abnormal.csv, or samples of them",
    patients="none told",
    recognise=_recognise,
    index=_index,
    opened=open_beats,
    labels={"classes": "N, S, V, F, Q of AAMI for MIT-BIH's beats; normal or abnormal for PTB's"},
    splits={"published": "train and test, beat by beat, for MIT-BIH's beats; PTB's have none"},
    cautions={
        "published": "its split is by beat, so that nearly every patient is on both sides: figures on it say little "
        "about new patients"
    },
    contract=HEARTBEAT_CONTRACT,
)
