"""The door for files: which format a path is, and reading one recording or many."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from physiolect.errors import FormatError, did_you_mean
from physiolect.formats import csv, edf, mat, npy, wfdb, wfdb_header
from physiolect.formats.boundary import parsing
from physiolect.formats.outputs import is_output
from physiolect.formats.request import Request
from physiolect.recording import Modality, Recording, unit_name

Reader = Callable[[Path, Request], Iterator[Recording]]

READERS: dict[str, Reader] = {
    ".csv": csv.read,
    ".tsv": csv.read,
    ".txt": csv.read,
    ".npy": npy.read_npy,
    ".npz": npy.read_npz,
    ".mat": mat.read,
    ".h5": mat.read,
    ".hdf5": mat.read,
    ".edf": edf.read,
    ".bdf": edf.read,
    ".hea": wfdb.read,
}
"""What reads each extension."""

_MAGIC: tuple[tuple[bytes, Reader], ...] = (
    (b"\x93NUMPY", npy.read_npy),
    (b"PK\x03\x04", npy.read_npz),
    (b"MATLAB", mat.read),
    (mat.HDF5, mat.read),
    (b"0       ", edf.read),
    (b"\xffBIOSEMI", edf.read),
)
"""How files begin, for names that tell nothing."""


def read_recording(
    path: str | os.PathLike[str],
    *,
    fs: float | None = None,
    channels: str | int | Sequence[str | int] | None = None,
    start: float | None = None,
    stop: float | None = None,
    modality: Modality | None = None,
    variable: str | None = None,
    unit: str | None = None,
    names: Sequence[str] = (),
) -> Recording:
    """Read one recording from a CSV, TSV, TXT, NPY, NPZ, MAT, WFDB, EDF or BDF file.

    Args:
        path: The file; a WFDB record with or without extension.
        fs: Sampling rate in Hz, for a file that states none.
        channels: Names, aliases or numbers from 0 of the channels to read, in this order; all by default.
        start: First moment to read, in seconds from the beginning.
        stop: End of the stretch to read, in seconds.
        modality: "ecg", "ppg" or "ecog", where the file does not tell.
        variable: Which variable of a MAT or NPZ file; a field of a structure is "structure.field".
        unit: Unit of the channels of which the file states none.
        names: Names of all channels, for a file that names none.

    Raises:
        FormatError: the file is missing, damaged, states no rate, holds many recordings, or has no such
            channel, stretch or variable.
    """
    reader, file = _find(Path(path), variable)
    return next(reader(file, _request(fs, channels, start, stop, modality, variable, unit, names, one=True)))


def as_recording(given: Recording | str | os.PathLike[str]) -> Recording:
    """Return a recording as it is, and read one that is given as a file.

    Raises:
        FormatError: as for `read_recording`.
    """
    return given if isinstance(given, Recording) else read_recording(given)


def read_text(
    content: str | bytes,
    *,
    source: str = "text",
    fs: float | None = None,
    channels: str | int | Sequence[str | int] | None = None,
    start: float | None = None,
    stop: float | None = None,
    modality: Modality | None = None,
    variable: str | None = None,
    unit: str | None = None,
    names: Sequence[str] = (),
) -> Recording:
    """Read one recording out of the content of a CSV, TSV or TXT file, such as what standard input gave.

    Args:
        content: The text: a table of numbers, or one number a line.
        source: What messages call it.
        fs: Sampling rate in Hz, where the text states none.
        channels: As for `read_recording`.
        start: First moment to read, in seconds from the beginning.
        stop: End of the stretch to read, in seconds.
        modality: "ecg", "ppg" or "ecog", where the text does not state it.
        variable: Refused: text has no variables.
        unit: Unit of the channels of which the text states none.
        names: Names of all channels, where the text names none.

    Raises:
        FormatError: it is no table of numbers, states no rate, or has no such channel or stretch.
    """
    path = Path(source)
    _checked(csv.read, path, variable)
    want = _request(fs, channels, start, stop, modality, variable, unit, names, one=True)
    return next(csv.read(path, want, content.encode() if isinstance(content, str) else content))


def read_recordings(
    path: str | os.PathLike[str],
    *,
    fs: float | None = None,
    channels: str | int | Sequence[str | int] | None = None,
    start: float | None = None,
    stop: float | None = None,
    modality: Modality | None = None,
    variable: str | None = None,
    unit: str | None = None,
    names: Sequence[str] = (),
) -> Iterator[Recording]:
    """Iterate over the recordings of a file that holds many, or of a folder and the folders in it, sorted.

    The first file that cannot be read raises; `list_recordings` lets a caller take them one by one.

    Args:
        path: The file or folder.
        fs: Sampling rate in Hz, for files that state none.
        channels: Names, aliases or numbers from 0 of the channels to read; all by default.
        start: First moment to read of each, in seconds.
        stop: End of the stretch to read of each, in seconds.
        modality: "ecg", "ppg" or "ecog", where the files do not tell.
        variable: Which variable of MAT or NPZ files.
        unit: Unit of the channels of which a file states none.
        names: Names of all channels, for files that name none.

    Raises:
        FormatError: as for `read_recording`, or the folder holds nothing readable.
    """
    want = _request(fs, channels, start, stop, modality, variable, unit, names, one=False)
    for item in list_recordings(path):
        reader, file = _find(item, variable)
        yield from reader(file, want)


def list_recordings(path: str | os.PathLike[str]) -> list[Path]:
    """Return one path for each readable thing in a folder and the folders in it, sorted, without reading them.

    A WFDB record is its header; its signal files and segments are not listed again. Text files count where
    they begin with numbers. Files that a model wrote are not listed: see `outputs.is_output`.

    Args:
        path: A folder; a file is returned alone.

    Raises:
        FormatError: there is no such path, or the folder holds nothing readable.
    """
    found, outputs = list_with_outputs(path)
    if not found:
        raise FormatError(
            f"the folder {path} holds no recording: a model wrote its {len(outputs)} files",
            hint=f"name a folder of recordings; readable are {', '.join(READERS)}",
        )
    return found


def list_with_outputs(path: str | os.PathLike[str]) -> tuple[list[Path], list[Path]]:
    """Return what `list_recordings` returns, and the files of a folder that it skips because a model wrote them.

    Args:
        path: A folder; a file is returned alone.

    Raises:
        FormatError: there is no such path, or the folder holds nothing readable.
    """
    path = Path(path)
    if not path.is_dir():
        return [_find(path, None)[1]], []
    found: list[Path] = []
    outputs: list[Path] = []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files = [Path(folder, name) for name in names if not name.startswith(".")]
        parts = {part for file in files if file.suffix == ".hea" for part in _parts(file)}
        for file in files:
            suffix = file.suffix.lower()
            if suffix not in READERS or file.name in parts:
                continue
            if is_output(file):
                outputs.append(file)
            elif suffix not in (".tsv", ".txt") or csv.begins_with_numbers(file):
                found.append(file)
    if not found and not outputs:
        raise FormatError(f"the folder {path} holds no recording", hint=f"readable are {', '.join(READERS)}")
    return sorted(found), sorted(outputs)


def _parts(header: Path) -> list[str]:
    """Return the names of the files that belong to the record of `header`."""
    try:
        text = wfdb_header.read_header(header)
    except FormatError:
        return []  # reading it will say what is wrong with it
    if text.n_segments is None:
        return [name for name in text.files() if not name.endswith(".hea")]
    return [f"{name}.hea" for name in text.files() if name != header.stem]


def _request(
    fs: float | None,
    channels: str | int | Sequence[str | int] | None,
    start: float | None,
    stop: float | None,
    modality: Modality | None,
    variable: str | None,
    unit: str | None,
    names: Sequence[str],
    *,
    one: bool,
) -> Request:
    listed = (channels,) if isinstance(channels, str | int) else channels
    wanted = None if listed is None else tuple(listed)
    if len(set(names)) < len(names):
        raise FormatError(
            f"a channel is named twice: {', '.join(names)}",
            hint="name every channel once, in the file's order",
        )
    stated = unit_name(unit) if unit else None
    return Request(fs, wanted, start, stop, modality, variable, stated, tuple(names), one)


def _find(path: Path, variable: str | None) -> tuple[Reader, Path]:
    """Return what reads a path, and the file to give it."""
    with parsing(path, "plain"):
        header = wfdb_header.find_header(path)
        exists, is_folder = path.exists(), path.is_dir()
        siblings = [] if exists else [file.name for file in path.parent.glob("*")][:10_000]
    if header is not None:
        return _checked(wfdb.read, header, variable)
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
        head = file.read(8)
    if not head:
        raise FormatError(f"{path} is empty", hint="choose a file with a signal in it")
    suffix = path.suffix.lower()
    if head[:1] == b"\x80" and suffix in (".pkl", ".pickle"):
        raise FormatError(
            f"{path} is a pickle, which could run code if it were opened",
            hint="of ECG-Byte's published tokenizers `physiolect convert` makes a folder; save signals as NPZ",
        )
    if suffix == ".dat":
        raise FormatError(
            f"{path} has no header {path.stem}.hea that names it",
            hint="fetch the header too; both must lie in one folder",
        )
    by_content = next((reader for magic, reader in _MAGIC if head.startswith(magic)), None)
    # A text file may well begin with "0" and spaces: an extension of its own outweighs its content.
    reader = READERS.get(suffix) or by_content or csv.read
    return _checked(reader, path, variable)


def _checked(reader: Reader, path: Path, variable: str | None) -> tuple[Reader, Path]:
    """Refuse a variable for a format that has none."""
    if variable is not None and reader not in (mat.read, npy.read_npz):
        raise FormatError(
            f"{path} has no variables to choose '{variable}' from", hint="leave variable out, or use channels"
        )
    return reader, path
