"""Files named .ecg, which recorders of several makers write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.formats.hospital import contec, ishne
from physiolect.formats.request import Request
from physiolect.recording import Recording


def read(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recording of an .ecg file, by how it begins.

    Raises:
        FormatError: it is of neither kind, or damaged.
    """
    with parsing(path, "ECG"), path.open("rb") as file:
        head = file.read(64)
    if head.startswith(ishne.MAGIC):
        return ishne.read(path, want)
    if contec.is_contec(head):
        return contec.read(path, want)
    raise FormatError(
        f"{path} is an .ecg file of a maker that is not known",
        hint="of .ecg files, ISHNE Holter and Contec ECG90A are read; export it as ISHNE, EDF, DICOM or SCP-ECG",
    )
