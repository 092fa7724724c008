"""The commonest kind of WFDB record, sixteen-bit samples side by side, in a fraction of the library's time.

Twelve-lead collections (PTB-XL, MIMIC-IV-ECG, the CinC challenges) are of this kind throughout, and the library takes
longer over each of their headers than all the work upon their samples does. What is written in any other way is the
library's to read. Source: WFDB Applications Guide, header(5) and signal(5).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_RECORD = re.compile(r"[-\w]+ (\d{1,4}) \d+(?:\.\d+)? (\d{1,15})(?: [\w:./-]+)*", re.ASCII)
"""Number of signals and samples; no segments, no counter."""
_SIGNAL = re.compile(
    r"([-\w]+\.\w+) 16(?:x1)?(?:\+(\d{1,9}))? (\d{1,20}(?:\.\d{1,20})?)(?:\((-?\d{1,9})\))?/[\w^%/-]+"
    r" \d{1,9} (-?\d{1,9}) -?\d{1,9} -?\d{1,9} \d{1,9}(?: (\S[^\t\r\f\v]*))?",
    re.ASCII,
)
"""File, offset in bytes, gain, baseline, zero of the converter, and name."""
_MISSING = -32768
_BLOCK = 1 << 16
"""Samples of a signal that are converted together."""


@dataclass(frozen=True)
class PlainHeader:
    """A header with a sample a frame in format 16, with the library's names for what it says."""

    sig_len: int | None
    """None where the header states 0, which means that the size of the file tells."""
    file_name: list[str]
    byte_offset: list[int | None]
    adc_gain: list[float]
    baseline: list[int]
    sig_name: list[str | None]

    @property
    def n_sig(self) -> int:
        return len(self.file_name)

    @property
    def fmt(self) -> list[str]:
        return ["16"] * self.n_sig

    @property
    def samps_per_frame(self) -> list[int]:
        return [1] * self.n_sig

    @property
    def skew(self) -> list[None]:
        return [None] * self.n_sig


def plain_header(record: str, lines: Sequence[str]) -> PlainHeader | None:
    """Return what a header says, or None where it is written in a way that is the library's to read.

    Args:
        record: The record line.
        lines: The lines of its signals.
    """
    first = _RECORD.fullmatch(record)
    signals = [_SIGNAL.fullmatch(line) for line in lines]
    if first is None or int(first[1]) != len(lines) or not lines:
        return None
    columns: list[tuple[str, int | None, float, int, str | None]] = []
    for signal in signals:
        if signal is None or not float(signal[3]):  # gain 0 says that it is unknown
            return None
        file, offset, gain, baseline, zero, name = signal.groups()
        columns.append((file, int(offset) if offset else None, float(gain), int(baseline or zero), name))
    files, offsets, gains, baselines, names = (list(column) for column in zip(*columns, strict=True))
    return PlainHeader(int(first[2]) or None, files, offsets, gains, baselines, names)


def plain_samples(
    folder: Path, header: PlainHeader, rows: Sequence[int], first: int, last: int
) -> NDArray[np.float32]:
    """Return the stretch [first, last) of these signals in their units, (rows, time), NaN where samples are missing."""
    read = np.empty((len(rows), last - first), np.float32)
    wanted: dict[str, list[tuple[int, int]]] = {}  # file -> (place in the answer, signal)
    for out, row in enumerate(rows):
        wanted.setdefault(header.file_name[row], []).append((out, row))
    beside: dict[str, list[int]] = {name: [] for name in wanted}
    for row, name in enumerate(header.file_name):
        if name in beside:
            beside[name].append(row)
    for name, pairs in wanted.items():
        n_signals = len(beside[name])
        place = {row: k for k, row in enumerate(beside[name])}
        begin = (header.byte_offset[beside[name][0]] or 0) + 2 * first * n_signals
        with (folder / name).open("rb") as file:
            file.seek(begin)
            for at in range(0, last - first, _BLOCK):
                stop = min(at + _BLOCK, last - first)
                stored = np.fromfile(file, "<i2", (stop - at) * n_signals).reshape(
                    -1, n_signals
                )  # (T, signals)
                for out, row in pairs:
                    samples = stored[:, place[row]]
                    # float64 until it is rounded, as the library does, so that both give the same bits
                    values = (samples.astype(np.float64) - header.baseline[row]).astype(np.float32)
                    read[out, at:stop] = values.astype(np.float64) / header.adc_gain[row]
                    read[out, at:stop][samples == _MISSING] = np.nan
    return read
