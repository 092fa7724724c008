"""Writing WFDB records and annotation files."""

from __future__ import annotations

import os
import re
from datetime import date, datetime, time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.files import writing
from physiolect.formats.wfdb_header import NO_UNIT
from physiolect.formats.wfdb_library import codes, library
from physiolect.recording import Annotations, Recording, StartTime


def write(recording: Recording, path: Path) -> None:
    """Write `path`.hea and .dat in 16-bit steps, and .atr where there are annotations.

    The step of a channel is its range / 65,534: what is read back differs by at most half of it. NaN stays
    NaN, an unknown unit is written as "?".

    Raises:
        FormatError: the record's name, a unit or an annotation cannot be written in this format.
    """
    wfdb = library()
    name = path.with_suffix("").name if path.suffix in (".hea", ".dat") else path.name
    if not re.fullmatch(r"[\w-]+", name, re.ASCII):
        raise FormatError(f"'{name}' cannot name a WFDB record", hint="use letters, digits, '_' and '-' only")
    if not path.parent.is_dir():
        raise FormatError(f"the folder {path.parent} does not exist", hint="make it first")
    if len(set(recording.channels)) < len(recording.channels):
        raise FormatError("two channels have one name, which WFDB cannot hold", hint="rename one of them")
    marks = recording.annotations
    _check_marks(marks)
    digital, gains, baselines = zip(*map(_to_16_bits, recording.signal), strict=True)
    folder = str(path.parent)
    with writing(path):
        # Annotations first and the header last: a record is there once its header is.
        path.with_name(f"{name}.hea").unlink(missing_ok=True)
        path.with_name(f"{name}.atr").unlink(missing_ok=True)
        if len(marks):
            _write_marks(marks, recording.fs, folder, name, "atr")
        wfdb.wrsamp(
            name,
            fs=recording.fs,
            units=[unit or NO_UNIT for unit in recording.units],
            sig_name=list(recording.channels),
            d_signal=np.stack(digital, 1),
            fmt=["16"] * len(digital),
            adc_gain=list(gains),
            baseline=list(baselines),
            write_dir=folder,
            **_base(recording.start_time),
        )


def _base(start: StartTime | None) -> dict[str, date | time]:
    """Return how wfdb takes a start; it writes no zone."""
    if start is None:
        return {}
    if isinstance(start, datetime):
        return {"base_date": start.date(), "base_time": start.time()}
    return {"base_time": start.replace(tzinfo=None)}


def write_annotations(marks: Annotations, fs: float, path: str | os.PathLike[str]) -> None:
    """Write an annotation file alone: marks without a signal, which wfdb reads with `rdann(name, extension)`.

    Args:
        marks: at least one.
        fs: rate in Hz at which their samples are counted; it is written down with them.
        path: NAME.EXTENSION, the extension being the annotator's: "atr", "qrs" …; an older file is replaced.

    Raises:
        FormatError: there is no mark, or the name, a symbol or a note cannot be written in this format.
    """
    path = Path(path)
    if not re.fullmatch(r"[\w-]+\.[a-zA-Z]+", path.name, re.ASCII):
        raise FormatError(
            f"'{path.name}' cannot name a WFDB annotation file",
            hint="use letters, digits, '_' and '-', a dot, and letters for the annotator: beats.qrs",
        )
    if not len(marks):
        raise FormatError(f"{path} would hold no mark", hint="write annotations that have some")
    _check_marks(marks)
    if not path.parent.is_dir():
        raise FormatError(f"the folder {path.parent} does not exist", hint="make it first")
    with writing(path):
        path.unlink(missing_ok=True)
        _write_marks(marks, fs, str(path.parent), path.stem, path.suffix[1:])


def _check_marks(marks: Annotations) -> None:
    if foreign := sorted(set(marks.symbol) - set(codes().values())):
        raise FormatError(
            f"'{foreign[0]}' is no annotation code of WFDB", hint="write .npz, which keeps any annotation"
        )
    if any(not note.isascii() or "\x00" in note or len(note) > 254 for note in marks.note):
        raise FormatError(
            "a note of WFDB is at most 254 ASCII characters", hint="write .npz, which keeps any annotation"
        )


def _write_marks(marks: Annotations, fs: float, folder: str, name: str, annotator: str) -> None:
    library().wrann(
        name,
        annotator,
        marks.sample,
        symbol=list(marks.symbol),
        aux_note=list(marks.note),
        fs=fs,
        write_dir=folder,
    )


def _to_16_bits(row: NDArray[np.float32]) -> tuple[NDArray[np.int16], float, int]:
    """Return a channel in 16-bit steps with its gain (steps per unit) and baseline (the step of zero)."""
    valid = row[np.isfinite(row)].astype(np.float64)
    low, high = (float(valid.min()), float(valid.max())) if valid.size else (0.0, 0.0)
    # A flat channel far from zero, or a small wave on a large offset, must keep its baseline in 32 bits.
    width = max(high - low, max(abs(low), abs(high)) * 2**-14, 1e-30)
    gain = 65534 / width
    baseline = round(-gain * (low + high) / 2)
    steps = np.round(np.nan_to_num(row.astype(np.float64), posinf=np.nan, neginf=np.nan) * gain + baseline)
    digital = np.where(np.isfinite(row), np.clip(steps, -32767, 32767), -32768)  # -32768 is WFDB's NaN
    return digital.astype(np.int16), gain, baseline
