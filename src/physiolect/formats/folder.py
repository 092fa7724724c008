"""What a folder holds: recordings, files that a model wrote, and files that are skipped."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from physiolect.errors import FormatError
from physiolect.formats import csv, signatures, wfdb_annotations, wfdb_header
from physiolect.formats.hospital import dicom
from physiolect.formats.outputs import is_output
from physiolect.formats.readers import READERS, find_reader, reader_of_nameless
from physiolect.formats.request import printable
from physiolect.formats.text_source import COMPRESSED, is_text

_LISTS = ("RECORDS", "ANNOTATORS", "SHA256SUMS.txt", "DICOMDIR")
"""Files that list the recordings beside them, as PhysioNet and DICOM have them."""
_MANY = 6
"""How many kinds of skipped files are named."""
_SHOWN = 8
"""How many of the first bytes of a file are shown."""


@dataclass(frozen=True)
class Folder:
    """What a folder and the folders in it hold."""

    path: Path
    recordings: list[Path]
    """One path for each readable thing, sorted."""
    outputs: list[Path] = field(default_factory=list)
    """Files that a model wrote, sorted."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Kind -> number of files that are neither, and belong to no recording: ".json", or what the first bytes say."""

    @property
    def notice(self) -> str:
        """How many files were skipped, by kind, in a sentence; "" where there are none."""
        count = sum(self.skipped.values())
        if not count:
            return ""
        kinds = sorted(self.skipped.items(), key=lambda item: (-item[1], item[0]))
        named = [f"{number:,} {kind}" for kind, number in kinds[:_MANY]]
        if others := sum(number for _, number in kinds[_MANY:]):
            named.append(f"{others:,} of other kinds")
        return f"skipped {count:,} file{'s' * (count > 1)} in {self.path}: {', '.join(named)}"


def list_recordings(path: str | os.PathLike[str]) -> list[Path]:
    """Return one path for each readable thing in a folder and the folders in it, sorted, without reading them.

    A WFDB record is its header; its signal files and segments are not listed again. Text files count where
    they begin with numbers, and files without extension where their first bytes are those of a format that is read.
    Files that a model wrote are not listed: see `outputs.is_output`.

    Args:
        path: A folder; a file is returned alone.

    Raises:
        FormatError: there is no such path, or the folder holds nothing readable.
    """
    return list_folder(path, or_outputs=False).recordings


def list_folder(path: str | os.PathLike[str], *, or_outputs: bool = True) -> Folder:
    """Return what `list_recordings` returns, and what it skips.

    Args:
        path: A folder; a file is returned alone.
        or_outputs: Whether a folder may hold nothing but what a model wrote.

    Raises:
        FormatError: there is no such path, or the folder holds nothing readable.
    """
    path = Path(path)
    if not path.is_dir():
        return Folder(path, [find_reader(path, None)[1]])
    found: list[Path] = []
    outputs: list[Path] = []
    skipped: Counter[str] = Counter()
    first_bytes: list[str] = []
    for files in _files_in(path):
        names = {file.name for file in files}
        parts = {part for file in files if file.suffix == ".hea" for part in _parts(file)}
        for file in files:
            if file.name in parts or _belongs(file, names):
                continue
            if is_recording(file):
                (outputs if is_output(file) else found).append(file)
            else:
                skipped[_kind(file, first_bytes)] += 1
    if first_bytes:
        nameless = skipped.pop("")
        skipped[f"without a known format (first bytes: {first_bytes[0]})"] = nameless
    folder = Folder(path, sorted(found), sorted(outputs), dict(skipped))
    if not found and outputs and not or_outputs:
        raise FormatError(
            f"the folder {path} holds no recording: a model wrote its {len(outputs)} files",
            hint=f"name a folder of recordings; readable are {', '.join(READERS)}",
        )
    if not found and not outputs:
        rest = f"; {folder.notice}" if skipped else ""
        raise FormatError(
            f"the folder {path} holds no recording{rest}", hint=f"readable are {', '.join(READERS)}"
        )
    return folder


def is_recording(file: Path) -> bool:
    """Return whether a file looks like a recording, by its name and, where that does not tell, by how it begins."""
    suffix = file.suffix.lower()
    if _is_nameless(suffix):
        head = _head(file)
        return head is not None and reader_of_nameless(head) is not None
    if suffix not in READERS or (suffix in COMPRESSED and not is_text(file)):
        return False
    return suffix not in (".tsv", ".txt") or is_output(file) or csv.begins_with_numbers(file)


def without_extension(file: Path) -> Path:
    """Return a path without its extension; the end of a DICOM identifier is none."""
    return file if _is_nameless(file.suffix.lower()) else file.with_suffix("")


def _files_in(path: Path) -> Iterator[list[Path]]:
    """Yield the files of a folder, and of each folder in it; hidden ones are left out."""
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield [Path(folder, name) for name in sorted(names) if not name.startswith(".")]


def _is_nameless(suffix: str) -> bool:
    """Return whether an extension says nothing: it is missing, or it is the end of a DICOM identifier (".12")."""
    return re.search("[a-z]", suffix) is None


def _head(file: Path) -> bytes | None:
    """Return how a file begins; None where it is no regular file, or cannot be opened."""
    try:
        if not file.is_file():  # opening a pipe would wait
            return None
        with file.open("rb") as opened:
            return opened.read(signatures.HEAD)
    except (OSError, ValueError):
        return None


def _kind(file: Path, first_bytes: list[str]) -> str:
    """Return the kind of a skipped file; "" for an unknown one, whose first bytes are added to `first_bytes`."""
    suffix = file.suffix.lower()
    if not _is_nameless(suffix):
        return printable(suffix)
    head = _head(file)
    if head is None:
        return "that cannot be opened"
    if not head:
        return "empty"
    if dicom.is_dicom(head):
        return "DICOM without a waveform"
    known = signatures.known_format(head)
    if known is not None:
        return f"without extension ({known[0]})"
    text = head[:_SHOWN]
    plain = all(0x20 <= byte < 0x7F for byte in text)
    first_bytes.append(f"'{text.decode('ascii')}'" if plain else text.hex(" "))
    return ""


def _belongs(file: Path, names: set[str]) -> bool:
    """Return whether a file is part of a recording or a list of recordings, by its name and those beside it."""
    suffix, stem = file.suffix.lower(), file.stem
    if file.name in _LISTS or csv.is_event_list(file, names):
        return True
    if suffix in signatures.BRAINVISION_PARTS and f"{stem}.vhdr" in names:
        return True
    if suffix == ".ann" and {f"{stem}.ecg", f"{stem}.ECG"} & names:
        return True
    return file.name == "info.txt" and "BVP.csv" in names


def _parts(header: Path) -> list[str]:
    """Return the names of the files that belong to the record of `header`."""
    annotations = [f"{header.stem}.{name}" for name in (*wfdb_annotations.KNOWN, "xws", "hea-", "atr-")]
    try:
        text = wfdb_header.read_header(header)
    except FormatError:
        return [f"{header.stem}.dat", *annotations]  # reading it will say what is wrong with it
    if text.n_segments is None:
        return [name for name in text.files() if not name.endswith(".hea")] + annotations
    return annotations + [f"{name}.hea" for name in text.files() if name != header.stem]
