"""Which files a model wrote, so that its outputs do not become training data."""

from __future__ import annotations

import csv
import json
import os
import re
import zipfile
from functools import lru_cache
from pathlib import Path

OUTPUT_MARK = "physiolect_output"
"""Key of an `.npz` or `.mat` file that only a model's output has; its value is the verb that wrote it.

A text file may have it in its first line, as a comment: "# physiolect_output: generate".
"""
OUTPUT_COLUMN = "generated"
"""Columns of a table of generated signal are called generated_1, generated_2 …, each with its unit."""

_GENERATED = re.compile(rf"{OUTPUT_COLUMN}_\d+\b")
_HEADERS = {
    ("start_s", "time_s", "probability", "rhythm", "not_judged"),
    ("time_s", "sample", "confidence", "category"),
}
"""Columns of the tables that `detect` writes."""
_TABLE = ("input", "results", "error")
"""First columns of the table of the results for several recordings."""
_QUANTILES = ("median", "q05", "q25", "q75", "q95")
_KEYS = (
    {"signal", "ids", "time_s", "context", "fs", "unit"},
    {"samples", "times_s", "confidence", "trace", "trace_time_s", "fs", "trace_fs"},
)
"""Keys of the arrays that `generate` and `detect` wrote before there was a mark."""
_TEXT = (".csv", ".tsv", ".txt")
_MAT_HEAD = 512
"""Bytes of a `.mat` file in which the name of its first variable lies."""
_SUMMARY, _LARGEST_SUMMARY = "summary.json", 1 << 24


def is_output(path: str | os.PathLike[str]) -> bool:
    """Return whether a file was written by a model: a continuation, or what was detected or explained.

    Such a file has the mark. Files of earlier versions have their exact columns or keys, or the JSON file beside
    them (`summary.json`, or that of an explanation's view) lists them. A file that cannot be read is no output: reading
    it says what is wrong.

    Args:
        path: of a file; only `.npz`, `.mat` and text files can be outputs.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".npz", ".mat", *_TEXT):
        return False
    try:
        if not path.is_file():  # opening a pipe would wait
            return False
        if suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                marked = _are_ours({name.removesuffix(".npy") for name in archive.namelist()})
        elif suffix == ".mat":
            with path.open("rb") as file:
                marked = OUTPUT_MARK.encode() in file.read(_MAT_HEAD)
        else:
            with path.open("rb") as file:
                marked = _is_ours(file.readline(4096).decode("utf-8-sig", "replace").strip())
        return marked or _is_listed(path)
    except (OSError, ValueError, csv.Error, zipfile.BadZipFile, NotImplementedError):
        return False


def _are_ours(keys: set[str]) -> bool:
    return OUTPUT_MARK in keys or keys - {"truth"} in _KEYS


def _is_ours(line: str) -> bool:
    """Return whether the first line of a text file is that of an output."""
    if line.startswith("#"):
        return line.lstrip("# ").startswith(OUTPUT_MARK)
    cells = tuple(next(csv.reader(line.splitlines()), ()))  # old Macs end lines with a return alone
    if cells in _HEADERS or cells[:3] == _TABLE or any(_GENERATED.match(cell) for cell in cells):
        return True
    n = sum(cell.startswith("sample_") for cell in cells)
    earlier = ("time_s", *(f"sample_{i + 1}" for i in range(n)), *(_QUANTILES if n > 1 else ()))
    return n > 0 and cells == earlier


def _is_listed(path: Path) -> bool:
    """Return whether the JSON file that a verb wrote beside a file lists that file."""
    for summary in (path.with_name(_SUMMARY), path.with_suffix(".json")):
        if not summary.is_file():
            continue
        state = summary.stat()
        if state.st_size <= _LARGEST_SUMMARY and path.name in _files_of(
            summary, state.st_mtime_ns, state.st_size
        ):
            return True
    return False


@lru_cache(4)  # each file of a folder asks for the same summary
def _files_of(summary: Path, _changed: int, _size: int) -> frozenset[str]:
    """Return the names of the files that a verb's JSON file lists; none where no verb wrote it."""
    try:
        held = json.loads(summary.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return frozenset()
    files = (
        held.get("files") if isinstance(held, dict) and {"checkpoint", "settings"} <= held.keys() else None
    )
    return frozenset(Path(str(each)).name for each in files) if isinstance(files, list) else frozenset()
