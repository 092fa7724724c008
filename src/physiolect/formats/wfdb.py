"""WFDB records: a header (.hea), its signal files and annotations, in one segment or many.

The CinC challenges' `.mat` beside a `.hea` is such a record. Source: WFDB Applications Guide, header(5),
signal(5) and annot(5), https://physionet.org/physiotools/wag/.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.files import writing
from physiolect.formats.boundary import parsing
from physiolect.formats.matrix import check_size
from physiolect.formats.request import Request, Unit, unit_name
from physiolect.formats.wfdb_annotations import read_annotations
from physiolect.formats.wfdb_plain import PlainHeader, plain_header, plain_samples
from physiolect.recording import Annotations, Recording

_BYTES = {
    "8": Fraction(1), "16": Fraction(2), "24": Fraction(3), "32": Fraction(4), "61": Fraction(2),
    "80": Fraction(1), "160": Fraction(2), "212": Fraction(3, 2), "310": Fraction(4, 3), "311": Fraction(4, 3),
}  # fmt: skip
"""Bytes a sample takes in each format."""
_FLAC = ("508", "516", "524")
_FLAC_SAMPLES_PER_BYTE = 6000
"""More than any FLAC file packs: a block of 65,535 equal samples takes some 12 bytes."""
_HEADER_BYTES = 4 << 20
_MAX_SAMPLES = 1 << 48  # a century at 90 kHz
_LINE_CHARACTERS = 1000  # wfdb's patterns take quadratic time on one long word
_GAP_RATIO = 100  # a multi-segment record may be so many times longer than what it holds
_NO_UNIT = "?"  # written for a unit nobody knows; "NU", of a signal without dimension, is a unit like others


def _library() -> ModuleType:
    """Import wfdb without the warnings it draws from pandas."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import wfdb
    return wfdb


def _codes() -> dict[int, str]:
    """Return the symbol of each annotation code."""
    table = _library().io.annotation.ann_label_table
    return {int(n): str(s) for n, s in zip(table["label_store"], table["symbol"], strict=True) if s.strip()}


@dataclass(frozen=True)
class _Header:
    """What the text of a header tells, before any of it is believed."""

    path: Path
    record: list[str]
    """Words of the record line."""
    lines: list[str]
    """The lines after it, one a signal or segment."""
    comments: tuple[str, ...] = ()
    """Lines of remarks, without their "#": age, sex and diagnoses in many databases."""

    @property
    def n_segments(self) -> int | None:
        """Number of segments; None for a plain record."""
        _, slash, count = self.record[0].partition("/")
        return int(count) if slash and count.isdecimal() and len(count) < 9 else None

    @property
    def stated_fs(self) -> float | None:
        """Rate in Hz as written; None where the line leaves it out."""
        text = self.record[2].split("/")[0].split("(")[0] if len(self.record) > 2 else ""
        return float(text) if re.fullmatch(r"\d+\.?\d*|\.\d+", text) else None

    def files(self) -> list[str]:
        """Return the first word of every line: signal files, or segments."""
        return [line.split()[0] for line in self.lines]

    def units(self) -> list[Unit]:
        """Return one unit a signal, which wfdb, reading ASCII alone, makes "V" out of "µV"."""
        return [_unit(*line.split()[2:3]) for line in self.lines]


def _unit(calibration: str = "") -> Unit:
    """Return the unit out of gain(baseline)/unit: without a gain, or with gain 0, a signal is uncalibrated."""
    gain, _, unit = calibration.partition("/")
    number = re.match(r"-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", gain)
    return None if number is None or not float(number[0]) or unit == _NO_UNIT else unit_name(unit) or "mV"


def read_header(path: Path) -> _Header:
    """Read the words of a header without believing its numbers.

    Raises:
        FormatError: it is missing, empty, not text or absurdly large.
    """
    if not path.is_file():
        raise FormatError(f"there is no header {path}", hint="a WFDB record is a .hea and its signal file")
    with parsing(path, "WFDB header"):
        size = path.stat().st_size
        content = path.read_bytes() if size <= _HEADER_BYTES else b""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    written = [line for line in map(str.strip, text.splitlines()) if line]
    lines = [line for line in written if not line.startswith("#")]
    if not lines or "\x00" in text or max(map(len, lines)) > _LINE_CHARACTERS:
        raise FormatError(
            f"{path} is not a WFDB header: it is empty, not text or too large",
            hint="the first line of a header reads: name, number of signals, rate, number of samples",
        )
    comments = tuple(line.lstrip("# ") for line in written if line.startswith("#"))
    return _Header(path, lines[0].split(), lines[1:], comments)


def find_header(path: Path) -> Path | None:
    """Return the header of the record that `path` names or belongs to, or None where it is no WFDB record.

    Raises:
        FormatError: a header beside it cannot be read.
    """
    if path.suffix == ".hea":
        return path
    if not path.name:  # "." and "/" have none
        return None
    if not path.exists() or path.is_dir():
        header = path.with_name(path.name + ".hea")
        return header if header.is_file() else None
    header = path.with_suffix(".hea")
    if not header.is_file():
        return None
    belongs = path.suffix in (".atr", ".qrs") or path.name in read_header(header).files()
    return header if belongs else None


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
    header = _parse(text)
    fs = want.rate(text.stated_fs, path)
    if text.n_segments is None:
        all_names, all_units = _names(header), text.units()
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


def _parse(text: _Header) -> Any:
    """Have wfdb parse a header that is not plain, and refuse what contradicts itself before it costs memory."""
    with parsing(text.path, "WFDB header"):
        header: Any = plain_header(" ".join(text.record), text.lines)
        header = header or _library().rdheader(os.path.abspath(text.path.with_suffix("")))
        listed = header.n_sig if text.n_segments is None else header.n_seg
    if (header.sig_len or 0) > _MAX_SAMPLES:
        raise FormatError(
            f"{text.path} states an impossible length", hint="the header is damaged: fetch it again"
        )
    if listed != len(text.lines) or not header.n_sig:
        what = "signals" if text.n_segments is None else "segments"
        raise FormatError(
            f"{text.path} states {listed} {what} and lists {len(text.lines)}",
            hint="the header is damaged: fetch it again",
        )
    return header


def _parse_segment(text: _Header, name: str) -> tuple[_Header, Any]:
    """Parse the header of a segment, which may have no segments of its own."""
    segment = read_header(text.path.with_name(f"{name}.hea"))
    if segment.n_segments is not None:
        raise FormatError(f"{text.path} has segments in its segments", hint="the header is damaged")
    return segment, _parse(segment)


def _names(header: Any) -> list[str]:
    return [name or f"ch{i + 1}" for i, name in enumerate(header.sig_name)]


def _check(text: _Header, header: Any, wanted: Sequence[int]) -> int:
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
    text: _Header, header: Any, rows: Sequence[int], first: int, last: int
) -> tuple[NDArray[np.float32], int]:
    """Return the stretch [first, last) of these signals, (rows, time), and its samples a frame."""
    if isinstance(header, PlainHeader):
        with parsing(text.path, "WFDB"):
            return plain_samples(text.path.parent, header, rows, first, last), 1
    wfdb = _library()
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
    text: _Header, header: Any, want: Request, first: int, last: int
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
    names = _names(_parse_segment(text, guide)[1])
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
        part, inner = _parse_segment(text, name)
        own = _names(inner)
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
    annotations, counted_at = read_annotations(file, _codes())
    if fs and counted_at and counted_at != fs:
        annotations = annotations.at_rate(fs / counted_at)
    return annotations.window(first, last).at_rate(per_frame)


def write(recording: Recording, path: Path) -> None:
    """Write `path`.hea and .dat in 16-bit steps, and .atr where there are annotations.

    The step of a channel is its range / 65,534: what is read back differs by at most half of it. NaN stays
    NaN, an unknown unit is written as "?".

    Raises:
        FormatError: the record's name, a unit or an annotation cannot be written in this format.
    """
    wfdb = _library()
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
            units=[unit or _NO_UNIT for unit in recording.units],
            sig_name=list(recording.channels),
            d_signal=np.stack(digital, 1),
            fmt=["16"] * len(digital),
            adc_gain=list(gains),
            baseline=list(baselines),
            write_dir=folder,
        )


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
    if foreign := sorted(set(marks.symbol) - set(_codes().values())):
        raise FormatError(
            f"'{foreign[0]}' is no annotation code of WFDB", hint="write .npz, which keeps any annotation"
        )
    if any(not note.isascii() or "\x00" in note or len(note) > 254 for note in marks.note):
        raise FormatError(
            "a note of WFDB is at most 254 ASCII characters", hint="write .npz, which keeps any annotation"
        )


def _write_marks(marks: Annotations, fs: float, folder: str, name: str, annotator: str) -> None:
    _library().wrann(
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
