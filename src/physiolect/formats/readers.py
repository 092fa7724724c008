"""Which file is read by what: extensions, and how files of each format begin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from physiolect.errors import FormatError, did_you_mean
from physiolect.formats import csv, edf, excel, mat, npy, parquet, signatures, wfdb, wfdb_header
from physiolect.formats.boundary import parsing
from physiolect.formats.hospital import contec, dicom, documents, ishne, mfer, recorders, scp
from physiolect.formats.request import Request
from physiolect.formats.research import acq, brainvision, nwb, xdf
from physiolect.formats.text_source import COMPRESSED
from physiolect.recording import Recording

Reader = Callable[[Path, Request], Iterator[Recording]]

READERS: dict[str, Reader] = {
    ".csv": csv.read,
    ".tsv": csv.read,
    ".txt": csv.read,
    **dict.fromkeys(COMPRESSED, csv.read),
    ".parquet": parquet.read_parquet,
    ".pq": parquet.read_parquet,
    ".feather": parquet.read_feather,
    ".xlsx": excel.read,
    ".npy": npy.read_npy,
    ".npz": npy.read_npz,
    ".mat": mat.read,
    ".h5": mat.read,
    ".hdf5": mat.read,
    ".edf": edf.read,
    ".bdf": edf.read,
    ".hea": wfdb.read,
    ".dcm": dicom.read,
    ".xml": documents.read,
    ".scp": scp.read,
    ".ecg": recorders.read,
    ".mwf": mfer.read,
    ".acq": acq.read,
    ".xdf": xdf.read,
    ".vhdr": brainvision.read,
    ".nwb": nwb.read,
}
"""What reads each extension."""

_MAGIC: tuple[tuple[bytes, Reader], ...] = (
    (b"\x93NUMPY", npy.read_npy),
    (b"PK\x03\x04", npy.read_npz),
    (b"MATLAB", mat.read),
    (mat.HDF5, mat.read),
    (b"PAR1", parquet.read_parquet),
    (b"ARROW1", parquet.read_feather),
    (b"FEA1", parquet.read_feather),
    (b"0       ", edf.read),
    (b"\xffBIOSEMI", edf.read),
    (ishne.MAGIC, ishne.read),
    (xdf.MAGIC, xdf.read),
    *((mark, brainvision.read) for mark in brainvision.MAGIC),
    *((mark, documents.read) for mark in documents.MAGICS),
)
"""How files begin, for names that tell nothing."""

_MAGIC_WITHIN: tuple[tuple[Callable[[bytes], bool], Reader], ...] = (
    (dicom.is_dicom, dicom.read),
    (scp.is_scp, scp.read),
    (mfer.is_mfer, mfer.read),
    (contec.is_contec, contec.read),
    (acq.is_acq, acq.read),
)
"""The same, for formats whose mark stands further behind."""

_HOLD_SEVERAL: tuple[Reader, ...] = (
    mat.read,
    npy.read_npz,
    excel.read,
    dicom.read,
    documents.read,
    mfer.read,
    acq.read,
    xdf.read,
    nwb.read,
)
"""Readers of files in which `variable` chooses."""


def find_reader(path: Path, variable: str | None) -> tuple[Reader, Path]:
    """Return what reads a path, and the file to give it."""
    with parsing(path, "plain"):
        header = wfdb_header.find_header(path)
        exists, is_folder = path.exists(), path.is_dir()
        missing = not exists and header is None
        siblings = [file.name for file in islice(path.parent.glob("*"), 10_000)] if missing else []
        siblings = [name for name in siblings if name != path.name]  # a link that leads nowhere
    if header is not None:
        return check_variable(wfdb.read, header, variable)
    if not exists:
        close = did_you_mean(path.name, siblings)
        hint = close if close.startswith("did") else "check the path; a WFDB record needs its .hea"
        raise FormatError(f"there is no file {path}", hint=hint)
    if is_folder:
        raise FormatError(
            f"{path} is a folder, not a recording",
            hint="name a file in it; prepare and read_recordings take folders",
        )
    if not path.is_file():  # reading a pipe or a device would wait, or never end
        raise FormatError(f"{path} is no regular file", hint="name a file")
    with parsing(path, "plain"), path.open("rb") as file:
        head = file.read(signatures.HEAD)
    if not head:
        raise FormatError(f"{path} is empty", hint="choose a file with a signal in it")
    suffix = path.suffix.lower()
    if head[:1] == b"\x80" and suffix in (".pkl", ".pickle"):
        raise FormatError(
            f"{path} is a pickle, which could run code if it were opened",
            hint="of ECG-Byte's published tokenizers `physiolect convert` makes a folder; save signals as NPZ",
        )
    if suffix == ".dat" and not path.with_suffix(".vhdr").is_file():
        raise FormatError(
            f"{path} has no header {path.stem}.hea that names it",
            hint="fetch the header too; both must lie in one folder",
        )
    by_content = _by_content(head)
    if by_content is None and suffix not in COMPRESSED:
        signatures.refuse_known(head, path)
    # A text file may well begin with "0" and spaces: an extension of its own outweighs its content.
    # XML says what it is, also where its name is that of a text.
    is_xml = by_content is documents.read and READERS.get(suffix) is csv.read
    reader = documents.read if is_xml else READERS.get(suffix) or by_content or csv.read
    return check_variable(reader, path, variable)


def reader_of_nameless(head: bytes) -> Reader | None:
    """Return what reads a file whose name tells nothing, by how it begins; None where it is no recording.

    A DICOM file that states another content than a waveform, a ZIP archive, and XML of an unknown kind are none.
    """
    found = _by_content(head)
    if found is npy.read_npz or (found is dicom.read and not dicom.may_be_waveform(head)):
        return None
    if found is documents.read and not documents.names_root(head):
        return None
    return found


def _by_content(head: bytes) -> Reader | None:
    found = next((reader for magic, reader in _MAGIC if head.startswith(magic)), None)
    return found or next((reader for is_it, reader in _MAGIC_WITHIN if is_it(head)), None)


def check_annotator(reader: Reader, path: Path, annotator: str | Sequence[str] | None) -> None:
    """Refuse annotators for a file that has no annotation files beside it.

    Raises:
        FormatError: annotators are named, and the file is no WFDB record.
    """
    if annotator and reader is not wfdb.read:
        raise FormatError(
            f"{path} is no WFDB record, so that no annotation files belong to it", hint="leave annotator out"
        )


def check_variable(reader: Reader, path: Path, variable: str | None) -> tuple[Reader, Path]:
    """Refuse a variable for a format that has none."""
    if variable is not None and reader not in _HOLD_SEVERAL and path.suffix.lower() != ".zip":
        raise FormatError(
            f"{path} has no variables to choose '{variable}' from", hint="leave variable out, or use channels"
        )
    return reader, path
