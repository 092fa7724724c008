"""What a folder holds: each recording in a line, cheaply."""

from __future__ import annotations

from pathlib import Path

from physiolect.errors import PhysiolectError
from physiolect.report.long_recording import Facts, needs_stretches

_LOOKED_INTO = 100
"""How many recordings are looked into; of the others the names alone are listed."""
_NAMES = {".hea": "WFDB", ".dcm": "DICOM", ".h5": "HDF5", ".acq": "AcqKnowledge"}
"""Formats whose name is not the extension."""
_FIRST = 1.0
"""Seconds that are read of a long recording; its length is not shown."""


def describe_folder(path: Path) -> Facts:
    """Return which recordings a folder and those in it hold, with format, rate, channels and length, or why not."""
    from physiolect.formats.folder import list_folder

    held = list_folder(path)
    n_files = len(held.recordings)
    not_shown = "format, rate, channels and length of the others: inspect each, or the folder that it lies in"
    return {
        "kind": "folder",
        "name": str(path),
        "files": n_files,
        **({"looked into": f"{_LOOKED_INTO} of {n_files}; {not_shown}"} if n_files > _LOOKED_INTO else {}),
        **({"files that a model wrote": len(held.outputs)} if held.outputs else {}),
        **({"skipped files": dict(held.skipped)} if held.skipped else {}),
        "recordings": [
            _line(file, path, look=number < _LOOKED_INTO) for number, file in enumerate(held.recordings)
        ],
    }


def _line(file: Path, folder: Path, *, look: bool) -> Facts:
    """Return the facts of one recording of a folder; its samples are read, but not looked at."""
    from physiolect.formats import read_every_rate, read_recording
    from physiolect.formats.readers import READERS

    suffix = file.suffix.lower()
    line: Facts = {
        "recording": str(file.relative_to(folder)),
        "format": _NAMES.get(suffix, suffix[1:].upper()) if suffix in READERS else "by content",
        "fs": None, "seconds": None, "channels": None, "error": None,
    }  # fmt: skip
    if not look:
        return line
    try:
        long = needs_stretches(file)
        found = [read_recording(file, stop=_FIRST)] if long else read_every_rate(file)
    except PhysiolectError as error:
        return {**line, "error": str(error).replace(f"{file}", file.name)}
    rates = list(dict.fromkeys(each.fs for each in found))
    return {
        **line,
        "fs": rates[0] if len(rates) == 1 else ", ".join(f"{rate:g}" for rate in rates),
        "seconds": None if long else max(each.duration for each in found),
        "channels": [name for each in found for name in each.channels],
    }
