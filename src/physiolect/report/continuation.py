"""A continuation as files: table, arrays, figure and summary."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from physiolect.files import replacing
from physiolect.formats.outputs import OUTPUT_MARK
from physiolect.generation import Continuation

_FILES = ("continuation.csv", "continuation.npz", "continuation.png", "summary.json")


def write_continuation(
    continuation: Continuation, folder: str | os.PathLike[str], *, about: Mapping[str, Any] | None = None
) -> list[Path]:
    """Write continuation.csv, .npz and .png and summary.json, each whole or not at all, the summary last.

    The table's header states the unit of each column. Table and arrays are marked as a model's output, so that they do
    not become training data.

    Args:
        continuation: of `generate`.
        folder: is made where it is missing; earlier results in it are replaced.
        about: more entries of summary.json, such as the checkpoint's name.

    Returns:
        the files.

    Raises:
        WriteError: a file cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table, arrays, figure, summary = files = [folder / name for name in _FILES]
    columns = continuation.columns()
    formats = ["%.6f", *["%.6g"] * (len(columns) - 1)]
    with replacing(table) as path:
        numbers = np.column_stack(list(columns.values()))
        np.savetxt(path, numbers, formats, ",", header=_header(continuation), comments="", encoding="utf-8")
    with replacing(arrays) as path:
        np.savez(path, **_arrays(continuation))
    with replacing(figure) as path:
        continuation.plot().savefig(path)
    facts = {**(about or {}), **continuation.to_dict(), "files": [str(file) for file in files]}
    with replacing(summary) as path:
        path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return files


def _header(continuation: Continuation) -> str:
    """Return the names of the columns, each with its unit where that is known: "time (s)", "generated_1 (mV)"."""
    unit = f" ({continuation.unit})" if continuation.unit else ""
    names = [f"{name}{unit}" for name in list(continuation.columns())[1:]]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(["time (s)", *names])
    return line.getvalue()


def _arrays(continuation: Continuation) -> dict[str, Any]:
    arrays: dict[str, Any] = {
        "signal": continuation.signal, "ids": continuation.ids, "time_s": continuation.time,
        "context": continuation.seen, "fs": np.float64(continuation.fs),
        "unit": np.array(continuation.unit or ""), OUTPUT_MARK: np.array("generate"),
    }  # fmt: skip
    return arrays if continuation.truth is None else arrays | {"truth": continuation.truth}
