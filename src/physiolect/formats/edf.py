"""EDF, EDF+, BDF and BDF+ recordings, with their annotations.

Source of the format: https://www.edfplus.info/specs/.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.formats.matrix import check_size
from physiolect.formats.request import Request
from physiolect.recording import Annotations, Recording, unit_name


def read(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the one recording of an EDF or BDF file; only the wanted stretch is read.

    Raises:
        FormatError: the wanted channels differ in rate, or the file is damaged.
    """
    import pyedflib

    _check_length(path)
    with parsing(path, "EDF or BDF"):
        reader = pyedflib.EdfReader(str(path))
    try:
        yield _recording(reader, path, want)
    finally:
        # edflib keeps a table of open files and refuses to open one twice.
        reader.close()


def _check_length(path: Path) -> None:
    """Compare the header with the size of the file, which edflib does too, but prints what it finds.

    Raises:
        FormatError: the two differ.
    """
    with parsing(path, "EDF or BDF"):
        size = path.stat().st_size
        with path.open("rb") as file:
            fixed = file.read(256)
            header_size, n_records, n_signals = (
                int(fixed[a:b]) for a, b in ((184, 192), (236, 244), (252, 256))
            )
            file.seek(256 + 216 * n_signals)  # behind the labels, units, ranges and filters of every signal
            counts = [int(file.read(8)) for _ in range(n_signals)]
    sample_size = 3 if fixed[:1] == b"\xff" else 2
    stated = header_size + n_records * sum(counts) * sample_size
    if n_records < 1 or stated != size:
        raise FormatError(
            f"{path} is truncated or damaged: its header promises {stated} bytes and it has {size}",
            hint="fetch the file again",
        )


def _recording(reader: Any, path: Path, want: Request) -> Recording:
    with parsing(path, "EDF or BDF"):
        names = [label.strip() for label in reader.getSignalLabels()]
        rates = [float(rate) for rate in reader.getSampleFrequencies()]
        lengths = [int(n) for n in reader.getNSamples()]
        dimensions = [reader.getPhysicalDimension(row) for row in range(len(names))]
    if not names:
        raise FormatError(f"{path} holds annotations only", hint="choose a file with a signal in it")
    rows = want.rows(names, path)
    if len({rates[row] for row in rows}) > 1:
        listed = ", ".join(f"{names[row]} {rates[row]:g} Hz" for row in rows[:12])
        raise FormatError(
            f"the channels of {path} differ in sampling rate: {listed}",
            hint=f"choose channels of one rate (--channels {shlex.quote(names[rows[0]])})",
        )
    fs = want.rate(rates[rows[0]], path)
    first, last = want.span(min(lengths[row] for row in rows), fs, path)
    check_size((last - first) * len(rows) * 8, path)
    signal = np.empty((len(rows), last - first), np.float32)
    with parsing(path, "EDF or BDF"):
        for out, row in enumerate(rows):
            signal[out] = reader.readSignal(row, first, last - first)
        onsets, _, texts = reader.readAnnotations()
        onset = np.asarray(onsets, np.float64)
    if not np.all(np.abs(onset) < 2**62 / fs):
        raise FormatError(f"{path} has annotations at impossible times", hint="fetch the file again")
    marks = Annotations(np.round(onset * fs).astype(np.int64), tuple(str(text) for text in texts))
    return want.recording(
        path,
        signal,
        fs,
        channels=[names[row] for row in rows],
        units=[unit_name(dimensions[row]) for row in rows],
        annotations=marks.window(first, last),
    )
