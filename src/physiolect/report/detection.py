"""What was detected in a recording, as files: table, WFDB marks, figure, summary, and the trace of beats."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from physiolect.detection import BeatResult, HeartbeatResult, HolterResult, PulseResult, RhythmResult
from physiolect.files import replacing
from physiolect.formats import write_annotations
from physiolect.formats.outputs import OUTPUT_MARK
from physiolect.report.holter import write_holter

_SUMMARY = "summary.json"

Found: TypeAlias = RhythmResult | BeatResult | HeartbeatResult | HolterResult | PulseResult
"""What `detect` returns."""


def write_detection(
    result: Found,
    folder: str | os.PathLike[str],
    *,
    about: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write table, WFDB marks, figure and summary, each whole or not at all, the summary last.

    Their names begin with the task's: rhythm.csv, rhythm.atr, rhythm.png; beats.csv, beats.qrs, beats.npz, beats.png;
    heartbeats.csv, heartbeats.atr, heartbeats.png; holter.csv, holter.atr, holter.png, and with them
    holter-hours.csv, holter-episodes.csv and holter.html; pulses.csv, pulses.qrs, pulses.png.
    Moments and samples count from the beginning of the recording that was cut (`result.first`).

    Args:
        result: of `detect`.
        folder: is made where it is missing; earlier results in it are replaced.
        about: more entries of summary.json, such as the checkpoint's name.

    Returns:
        the files; without a mark there is no file of marks.

    Raises:
        WriteError: a file cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{result.task}.csv"]
    with replacing(files[0]) as path, path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(_rows(result))
    files += _write_marks(
        result, folder / f"{result.task}.{'qrs' if isinstance(result, BeatResult | PulseResult) else 'atr'}"
    )
    if isinstance(result, BeatResult):
        files.append(folder / f"{result.task}.npz")
        with replacing(files[-1]) as path:
            np.savez(path, **_arrays(result))
    files.append(folder / f"{result.task}.png")
    with replacing(files[-1]) as path:
        result.plot().savefig(path)
    if isinstance(result, HolterResult):
        files += write_holter(result, folder)
    files.append(folder / _SUMMARY)
    summary = {**(about or {}), **result.to_dict(), "files": [str(file) for file in files]}
    with replacing(files[-1]) as path:
        path.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return files


def _rows(result: Found) -> Iterator[list[str]]:
    """Yield the lines of the table: its header, then numbers with six decimals, those that are missing empty."""
    columns = result.columns()
    yield list(columns)
    for row in zip(*(np.asarray(column).tolist() for column in columns.values()), strict=True):
        yield [_cell(value) for value in row]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.6f}"
    return str(value)


def _write_marks(result: Found, path: Path) -> list[Path]:
    path.unlink(missing_ok=True)
    marks = result.annotations()
    if not len(marks):  # WFDB has no file without a mark
        return []
    offset = round(result.first * result.recording_fs)
    write_annotations(replace(marks, sample=marks.sample + offset), result.recording_fs, path)
    return [path]


def _arrays(result: BeatResult) -> dict[str, Any]:
    first, fs = result.first, result.recording_fs
    return {
        "samples": result.samples + round(first * fs), "times_s": result.times + first,
        "confidence": result.confidence, "trace": result.trace, "trace_time_s": result.trace_times + first,
        "fs": np.float64(fs), "trace_fs": np.float64(result.fs), OUTPUT_MARK: np.array("detect"),
    }  # fmt: skip
