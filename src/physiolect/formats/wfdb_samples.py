"""The samples of one WFDB signal file, or of several, without segments."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.formats.matrix import check_size
from physiolect.formats.wfdb_header import WfdbHeader, frame_counts, signals_of_files
from physiolect.formats.wfdb_library import library
from physiolect.formats.wfdb_plain import PlainHeader, plain_samples

_BYTES = {
    "8": Fraction(1), "16": Fraction(2), "24": Fraction(3), "32": Fraction(4), "61": Fraction(2),
    "80": Fraction(1), "160": Fraction(2), "212": Fraction(3, 2), "310": Fraction(4, 3), "311": Fraction(4, 3),
}  # fmt: skip
"""Bytes a sample takes in each format."""
_FLAC = ("508", "516", "524")
_FLAC_SAMPLES_PER_BYTE = 6000
"""More than any FLAC file packs: a block of 65,535 equal samples takes some 12 bytes."""


def check_files(text: WfdbHeader, header: Any, wanted: Sequence[int]) -> int:
    """Return the frames a channel holds, after comparing the header with the size of each wanted signal file."""
    path, length = text.path, header.sig_len
    frames = frame_counts(header)
    beside = signals_of_files(header)
    for name in dict.fromkeys(header.file_name[row] for row in wanted):
        rows = beside[name]
        formats = {header.fmt[i] for i in rows}
        file = path.with_name(name)
        if not file.is_file():
            raise FormatError(
                f"{path} is a header without its signal: {name} is not beside it",
                hint="fetch it into the same folder, or choose channels that lie in other files",
            )
        if len(formats) > 1 or not formats <= {*_BYTES, *_FLAC}:
            raise FormatError(
                f"{path} stores {name} in format {' and '.join(sorted(formats))}",
                hint=f"one a file, among {', '.join([*_BYTES, *_FLAC])}",
            )
        kind, per_frame = formats.pop(), sum(frames[i] for i in rows)
        size = max(0, file.stat().st_size - (header.byte_offset[rows[0]] or 0))
        if kind in _FLAC:
            held = size * _FLAC_SAMPLES_PER_BYTE // max(1, per_frame)
        else:
            held = int(size / (_BYTES[kind] * max(1, per_frame)))
        if length is None and kind not in _FLAC:
            length = held
        if length is None or held < length:
            raise FormatError(
                f"{file} is truncated: it holds {held} of the {length} samples its header states",
                hint="fetch the signal file again",
            )
    if length is None or max(n or 0 for n in header.skew) > length:
        raise FormatError(f"{path} states a skew longer than the record", hint="the header is damaged")
    check_size(length * sum(frames) * 4, path)
    return int(length)


def read_samples(
    text: WfdbHeader, header: Any, rows: Sequence[int], first: int, last: int, per_frame: int
) -> NDArray[np.float32]:
    """Return frames [first, last) of these signals, (rows, frames * per_frame).

    Args:
        text: the header as it is written.
        header: the same, parsed.
        rows: which signals.
        first: first frame.
        last: the frame after the last.
        per_frame: samples a frame to return: as many as the signals have, or 1 for the mean of the valid ones.
    """
    if isinstance(header, PlainHeader):
        with parsing(text.path, "WFDB"):
            return plain_samples(text.path.parent, header, rows, first, last)
    order = sorted(set(rows))  # wfdb mistakes its place in a list with one channel twice
    # float32 holds a 16-bit sample less its baseline exactly, but not one of 24 or 32 bits.
    bits = 64 if {header.fmt[row] for row in rows} & {"24", "32", "524"} else 32
    counts = frame_counts(header)
    signal = np.empty((len(rows), (last - first) * per_frame), np.float32)
    with parsing(text.path, "WFDB"):
        record = library().rdrecord(
            os.path.abspath(text.path.with_suffix("")),
            sampfrom=first,
            sampto=None if header.sig_len is None else last,  # only then does wfdb work it out itself
            channels=order,
            smooth_frames=False,  # its mean of a frame takes invalid samples for voltages
            return_res=bits,
        )
        for out, row in zip(signal, rows, strict=True):
            values = record.e_p_signal[order.index(row)][: (last - first) * counts[row]]
            out[:] = values if counts[row] == per_frame else _frame_means(values, counts[row])
    return signal


def _frame_means(values: NDArray[np.floating], count: int) -> NDArray[np.float64]:
    """Return the mean of the valid samples of each frame, NaN where there are none."""
    frames = values.reshape(-1, count).astype(np.float64)
    valid = np.isfinite(frames)
    n_valid = valid.sum(axis=1)
    sums = np.where(valid, frames, 0.0).sum(axis=1)
    return np.where(n_valid > 0, sums / np.maximum(n_valid, 1), np.nan)
