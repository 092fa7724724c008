"""Formats that are not read, known by how their files begin, and what to do about each."""

from __future__ import annotations

from pathlib import Path

from physiolect.errors import FormatError

HEAD = 512
"""Bytes of a file that tell its format."""

_PICTURE = "a picture of an ECG holds no samples: ask for the waveform (DICOM, XML, SCP-ECG or EDF)"
_UNPACK = "unpack it first"
_TO_EDF = "convert it to EDF or BDF, with MNE-Python, EEGLAB or EDFbrowser"
_DATABASE = "export the recording as CSV"

_SIGNATURES: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"%PDF", "a PDF document", _PICTURE),
    (0, b"\x89PNG", "a PNG picture", _PICTURE),
    (0, b"\xff\xd8\xff", "a JPEG picture", _PICTURE),
    (0, b"GIF8", "a GIF picture", _PICTURE),
    (0, b"II*\0", "a TIFF picture", _PICTURE),
    (0, b"MM\0*", "a TIFF picture", _PICTURE),
    (
        0,
        b"version https://git-lfs",
        "a pointer of Git LFS, not the file itself",
        "fetch the file (git lfs pull)",
    ),
    (
        0,
        b"/annex/objects/",
        "a pointer of git-annex, not the file itself",
        "fetch the file (git annex get, datalad get)",
    ),
    (
        0,
        b"Brain Vision Data Exchange Marker",
        "the markers of a BrainVision recording",
        "name the .vhdr file beside it",
    ),
    (
        0,
        b"BrainVision Data Exchange Marker",
        "the markers of a BrainVision recording",
        "name the .vhdr file beside it",
    ),
    (0, b"GDF ", "a GDF file", _TO_EDF),
    (0, b"CFWB", "a LabChart binary file (CFWB)", "export it from LabChart as text or MATLAB"),
    (0, b"EEG-1100", "a Nihon Kohden EEG file", _TO_EDF),
    (0, b"EEG-2100", "a Nihon Kohden EEG file", _TO_EDF),
    (0, b"* MICROMED", "a Micromed TRC file", _TO_EDF),
    (0, b"Version 3.0", "a Neuroscan CNT file", _TO_EDF),
    (0, b"POLY SAMPLE FILE", "a TMSi Poly5 file", _TO_EDF),
    (0, b"\0\0\0\x64\0\0\0\x1f", "an MNE file (FIF)", _TO_EDF),
    (0, b"NEURALEV", "a Blackrock events file", _TO_EDF),
    (0, b"NEURALCD", "a Blackrock file", _TO_EDF),
    (0, b"NEURALSG", "a Blackrock file", _TO_EDF),
    (0, b"PLEX", "a Plexon file", _TO_EDF),
    (0, b"\x02\x27\x91\xc6", "an Intan RHD file", _TO_EDF),
    (0, b"\xac\x27\x91\xd6", "an Intan RHS file", _TO_EDF),
    (0, b"ABF2", "an Axon file (ABF)", "convert it to CSV with pyABF"),
    (0, b"ABF ", "an Axon file (ABF)", "convert it to CSV with pyABF"),
    (0, b"TDSm", "a LabVIEW TDMS file", "convert it to CSV with nptdms"),
    (0, b"[FileInfo]", "a Persyst header", _TO_EDF),
    (0, b"ANN  1.0", "beats of an ISHNE recording, without its signal", "name the .ecg file beside it"),
    (0, b"SQLite format 3", "an SQLite database", _DATABASE),
    (
        0,
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an old Office or LabChart document",
        "save it as .xlsx, CSV or text",
    ),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (0, b"Rar!", "a RAR archive", _UNPACK),
    (0, b"\xfd7zXZ\0", "an XZ archive", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive", _UNPACK),
    (0, b"\x1f\x8b", "a gzip archive", "unpack it, or name it by what it holds, such as x.csv.gz"),
    (0, b"BZh", "a bzip2 archive", "unpack it, or name it by what it holds, such as x.csv.bz2"),
    (8, b".FIT", "a Garmin FIT file", "convert it to CSV with fitparse or FitCSVTool"),
    (2, b"(C) CED 87", "a Spike2 file", _TO_EDF),
    (257, b"ustar", "a tar archive", _UNPACK),
    (8, b"WAVE", "a sound file (WAV)", "convert it to CSV or NPY, and state its rate with fs"),
    (0, b"OggS", "a sound file (Ogg)", "convert it to CSV or NPY, and state its rate with fs"),
    (0, b"fLaC", "a FLAC file without its WFDB header", "name the record's .hea file"),
    (0, b"\x7fELF", "a program", "choose a file with a signal in it"),
    (0, b"MZ\x90", "a program", "choose a file with a signal in it"),
)
"""Where a mark stands, the mark, what the file is, and what to do."""

_PAGES = (b"<!doctype html", b"<html")

BRAINVISION_PARTS = (".eeg", ".dat", ".vmrk", ".avg", ".seg")
"""Files of BrainVision whose header, NAME.vhdr, lies beside them."""


def known_format(head: bytes) -> tuple[str, str] | None:
    """Return what a file of a format that is known and not read is, and what to do about it; None for any other.

    Args:
        head: The first HEAD bytes of the file, or all of a shorter one.
    """
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith(_PAGES):
        return "a web page", "the download failed or asks for a login: fetch the file again"
    return next(((name, hint) for at, mark, name, hint in _SIGNATURES if head[at:].startswith(mark)), None)


def refuse_known(head: bytes, path: Path) -> None:
    """Refuse a file of a format that is known and not read.

    Args:
        head: The first HEAD bytes of the file, or all of a shorter one.
        path: The file, for the error.

    Raises:
        FormatError: its first bytes are those of such a format, or it lies beside a header of one.
    """
    found = known_format(head)
    if path.suffix.lower() in BRAINVISION_PARTS and path.with_suffix(".vhdr").is_file():
        found = ("part of a BrainVision recording", f"name {path.with_suffix('.vhdr').name}")
    if found:
        raise FormatError(f"{path} is {found[0]}, which is not read", hint=found[1])
