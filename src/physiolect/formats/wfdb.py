"""Reading WFDB records: a header (.hea), its signal files and annotations, in one segment or many.

The CinC challenges' `.mat` beside a `.hea` is such a record. Source: WFDB Applications Guide, header(5),
signal(5) and annot(5), https://physionet.org/physiotools/wag/.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.formats.matrix import check_size
from physiolect.formats.request import Request
from physiolect.formats.wfdb_annotations import read_annotations
from physiolect.formats.wfdb_header import WfdbHeader, channel_names, parse, parse_segment, read_header
from physiolect.formats.wfdb_library import codes, library
from physiolect.formats.wfdb_plain import PlainHeader, plain_samples
from physiolect.recording import Annotations, Recording, Unit

_BYTES = {
    "8": Fraction(1), "16": Fraction(2), "24": Fraction(3), "32": Fraction(4), "61": Fraction(2),
    "80": Fraction(1), "160": Fraction(2), "212": Fraction(3, 2), "310": Fraction(4, 3), "311": Fraction(4, 3),
}  # fmt: skip
"""Bytes a sample takes in each format."""
_FLAC = ("508", "516", "524")
_FLAC_SAMPLES_PER_BYTE = 6000
"""More than any FLAC file packs: a block of 65,535 equal samples takes some 12 bytes."""
_GAP_RATIO = 100  # a multi-segment record may be so many times longer than what it holds


def read(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the one recording of the record whose header is `path`.

    Signals of several samples a frame are averaged down to the frame rate, unless all the wanted channels
    have as many: then every sample is kept and the rate is that much higher.

    Raises:
        FormatError: header and signal files contradict one another, or a part is missing.
    """
    if "::" in str(path) or "://" in str(path):
        raise FormatError(
            f"{path} is not a plain path",
            hint="rename the folder: '::' and '://' are read as remote addresses",
        )
    text = read_header(path)
    header = parse(text)
    fs = want.rate(text.stated_fs, path)
    if text.n_segments is None:
        all_names, all_units = channel_names(header), text.units()
        rows = want.rows(all_names, path)
        frame = want.span(_check(text, header, rows), fs, path)
        signal, per_frame = _samples(text, header, rows, *frame)
        units = [all_units[row] for row in rows]
        names = [all_names[row] for row in rows]
    else:
        frame = want.span(int(header.sig_len or 0), fs, path)
        signal, names, units = _segments(text, header, want, *frame)
        per_frame = 1
    yield want.recording(
        path.with_suffix(""),
        signal,
        fs * per_frame,
        channels=names,
        units=units,
        annotations=_annotations(path, text.stated_fs, *frame, per_frame=per_frame),
    )


def _check(text: WfdbHeader, header: Any, wanted: Sequence[int]) -> int:
    """Return the samples a channel holds, after comparing the header with the size of each wanted signal file."""
    path, length = text.path, header.sig_len
    frames = [n or 1 for n in header.samps_per_frame]
    for name in dict.fromkeys(header.file_name[row] for row in wanted):
        rows = [i for i, other in enumerate(header.file_name) if other == name]
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


def _samples(
    text: WfdbHeader, header: Any, rows: Sequence[int], first: int, last: int
) -> tuple[NDArray[np.float32], int]:
    """Return the stretch [first, last) of these signals, (rows, time), and its samples a frame."""
    if isinstance(header, PlainHeader):
        with parsing(text.path, "WFDB"):
            return plain_samples(text.path.parent, header, rows, first, last), 1
    wfdb = library()
    counts = {header.samps_per_frame[row] or 1 for row in rows}
    per_frame = counts.pop() if len(counts) == 1 else 1
    # float32 holds a 16-bit sample less its baseline exactly, but not one of 24 or 32 bits.
    bits = 64 if {header.fmt[row] for row in rows} & {"24", "32", "524"} else 32
    with parsing(text.path, "WFDB"):
        record = wfdb.rdrecord(
            os.path.abspath(text.path.with_suffix("")),
            sampfrom=first,
            sampto=None if header.sig_len is None else last,  # only then does wfdb work it out itself
            # wfdb mistakes its place in a list with one channel twice
            channels=sorted(set(rows)),
            smooth_frames=per_frame == 1,
            return_res=bits,
        )
        read = record.p_signal.T if per_frame == 1 else np.stack(record.e_p_signal)
        read = read[:, : (last - first) * per_frame]
    order = [sorted(set(rows)).index(row) for row in rows]
    return np.asarray(read[order], np.float32), per_frame


def _segments(
    text: WfdbHeader, header: Any, want: Request, first: int, last: int
) -> tuple[NDArray[np.float32], list[str], list[Unit]]:
    """Return the stretch [first, last) of a multi-segment record, NaN in its gaps, with names and units."""
    lengths = [int(n) for n in header.seg_len]
    layout = lengths[0] == 0
    held = sum(n for name, n in zip(header.seg_name, lengths, strict=True) if name != "~")
    if sum(lengths) != header.sig_len or (last - first) > held * _GAP_RATIO:
        raise FormatError(
            f"{text.path} states {header.sig_len} samples, but its segments hold {held}",
            hint="the header is damaged, or nearly all is gaps: read a stretch with start and stop",
        )
    guide = next((name for name in header.seg_name if name != "~"), "")
    names = channel_names(parse_segment(text, guide)[1])
    rows = want.rows(names, text.path)
    check_size((last - first) * len(names) * 4, text.path)
    signal = np.full((len(rows), last - first), np.nan, np.float32)
    units: dict[int, Unit] = {}
    stop = 0
    for name, length in zip(header.seg_name, lengths, strict=True):
        start, stop = stop, stop + length
        begin, end = max(start, first), min(stop, last)
        if name == "~" or begin >= end:
            continue
        part, inner = parse_segment(text, name)
        own = channel_names(inner)
        if not layout and len(own) != len(names):
            raise FormatError(f"segment {part.path} has other channels", hint="fetch the record again")
        for out, row in enumerate(rows):
            if layout and names[row] not in own:
                continue
            source = own.index(names[row]) if layout else row
            if _check(part, inner, [source]) < length:
                raise FormatError(
                    f"segment {part.path} is shorter than stated", hint="fetch the record again"
                )
            values, per_frame = _samples(part, inner, [source], begin - start, end - start)
            unit = part.units()[source]
            if units.setdefault(out, unit) != unit:
                raise FormatError(
                    f"channel '{names[row]}' of {text.path} changes its unit from "
                    f"{units[out] or 'an unknown one'} to {unit or 'an unknown one'}",
                    hint="choose other channels, or read one segment at a time",
                )
            # a frame's samples are averaged: the segments of a record share one rate
            signal[out, begin - first : end - first] = values.reshape(-1, per_frame).mean(1)
    return signal, [names[row] for row in rows], [units.get(out) for out in range(len(rows))]


def _annotations(path: Path, fs: float | None, first: int, last: int, *, per_frame: int) -> Annotations:
    """Read the reference annotations of a record (.atr, else .qrs), counted from sample `first`."""
    kind = next((k for k in ("atr", "qrs") if path.with_suffix(f".{k}").is_file()), None)
    if kind is None:
        return Annotations()
    file = path.with_suffix(f".{kind}")
    if file.stat().st_size == 0:
        return Annotations()
    annotations, counted_at = read_annotations(file, codes())
    if fs and counted_at and counted_at != fs:
        annotations = annotations.at_rate(fs / counted_at)
    return annotations.window(first, last).at_rate(per_frame)
