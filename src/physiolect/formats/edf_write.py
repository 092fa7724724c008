"""Writing EDF+ and BDF+: whole records of 16 or 24 bits, with annotations and nothing about a person.

Source of the format: https://www.edfplus.info/specs/.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.files import replacing, writing
from physiolect.formats.edf_annotations import PADDED, SKIPPED, EdfMark, write_marks
from physiolect.recording import Recording, StartTime
from physiolect.signals import find_gaps

_RECORD_BYTES = 61_440
"""The most that the standard recommends for a record."""
_COARSE = 16
"""How many times wider than the samples the limits may be, which have eight characters each."""
_RATE_ERROR = 1e-7  # of the rate, by the eight characters of a record's length


@dataclass(frozen=True)
class _Scale:
    """How the samples of a channel become whole steps."""

    limits: tuple[str, str]
    """Physical minimum and maximum, as the header has them."""
    gain: float
    zero: float


@dataclass(frozen=True)
class _Record:
    """How long a record is."""

    count: int
    """Samples of each channel."""
    duration: str
    """In seconds, as the header has it."""


def write(recording: Recording, path: Path) -> None:
    """Write `path` as EDF+ (`.edf`, 16 bits) or BDF+ (`.bdf`, 24 bits), which is read back within half a step.

    The step of a channel is its range / 65,535 (16,777,215). Missing samples hold the last value; an annotation
    "BAD_ACQ_SKIP", which MNE and `read_recording` know, says where. The text of an annotation is its symbol and note.

    Raises:
        FormatError: a name, a unit, the rate or the size of the samples does not fit the format's header.
    """
    bits = 24 if path.suffix.lower() == ".bdf" else 16
    _check_names(recording)
    record = _choose_record(recording, bits // 8)
    scales = [_scale(name, row, bits) for name, row in zip(recording.channels, recording.signal, strict=True)]
    n_records = -(-recording.n_samples // record.count)
    begins = _after_second(recording.start_time)
    marks = [mark._replace(onset=mark.onset + begins) for mark in _marks(recording, n_records * record.count)]
    texts = _share_out(marks, record, n_records, recording.fs, begins)
    size = max(map(len, texts))
    words = -(-size // (bits // 8))
    if words * (bits // 8) > 10 * _RECORD_BYTES:
        raise FormatError(
            f"{path} cannot hold so many annotations", hint="write .npz, which keeps any annotation"
        )
    padded = n_records * record.count
    held = [_held(row, padded) for row in recording.signal]
    with writing(path), replacing(path) as temporary, temporary.open("wb") as file:
        file.write(_header(recording, record, scales, n_records, words, bits))
        for number, text in enumerate(texts):
            at = slice(number * record.count, (number + 1) * record.count)
            for row, scale in zip(held, scales, strict=True):
                file.write(_stored(row[at].astype(np.float64), scale, bits))
            file.write(text.ljust(words * (bits // 8), b"\x00"))


def _check_names(recording: Recording) -> None:
    for what, most, texts in (("name", 16, recording.channels), ("unit", 8, recording.units)):
        for text in texts:
            if text and (len(text) > most or not text.isascii() or not text.isprintable()):
                raise FormatError(
                    f"EDF cannot hold the {what} '{text}'",
                    hint=f"a {what} has at most {most} characters of ASCII: rename it, or write .npz",
                )


def _choose_record(recording: Recording, width: int) -> _Record:
    """Return a record whose length gives the rate exactly and, where that is possible, divides the recording."""
    fs, n_samples = recording.fs, recording.n_samples
    most = max(1, _RECORD_BYTES // (width * (len(recording.channels) + 1)))
    fitting = []
    for count in range(1, most + 1):
        text = _eight(count / fs)
        if text is not None and float(text) > 0 and abs(count / float(text) / fs - 1) <= _RATE_ERROR:
            padding, wrong = -n_samples % count, abs(count / float(text) / fs - 1) > 1e-12
            fitting.append((wrong, padding > 0, abs(math.log(count / fs)), padding, count, text))
    if not fitting:
        raise FormatError(
            f"EDF cannot state {fs:g} Hz exactly: the length of a record has eight characters",
            hint="write .npz, or resample to a round rate",
        )
    *_, count, text = min(fitting)
    return _Record(count, text)


def _scale(name: str, row: NDArray[np.float32], bits: int) -> _Scale:
    """Return limits of eight characters that enclose the samples."""
    valid = row[np.isfinite(row)].astype(np.float64)
    low, high = (float(valid.min()), float(valid.max())) if valid.size else (-1.0, 1.0)
    if low == high:
        low, high = (low - 1, high + 1) if abs(low) < 1e4 else (low - abs(low) / 8, high + abs(high) / 8)
    lower, upper = _eight(low, math.floor), _eight(high, math.ceil)
    if lower is None or upper is None or float(upper) - float(lower) > _COARSE * (high - low):
        raise FormatError(
            f"the samples of channel {name}, {low:g} to {high:g}, do not fit EDF's header of eight characters",
            hint="give them in another unit, or write .npz",
        )
    steps = 2**bits - 1
    gain = (float(upper) - float(lower)) / steps
    return _Scale((lower, upper), gain, float(upper) / gain - 2 ** (bits - 1) + 1)


def _eight(value: float, rounded: Callable[[float], int] = round) -> str | None:
    """Return a number in at most eight characters, rounded as asked for; None where it needs more."""
    for digits in range(7, -1, -1):
        text = f"{rounded(value * 10**digits) / 10**digits:.{digits}f}"
        if len(text) <= 8:
            return text
    return None


def _marks(recording: Recording, padded: int) -> list[EdfMark]:
    """Return the annotations, with those of missing samples and of what fills the last record."""
    fs = recording.fs
    marks = [
        EdfMark(sample / fs, 0.0, _plain(f"{symbol} {note}" if note else symbol))
        for sample, symbol, note in recording.annotations
    ]
    gaps = find_gaps(recording.signal).tolist()
    times: dict[tuple[int, int], list[int]] = {}
    for row, start, stop in gaps:
        times.setdefault((start, stop), []).append(row)
    for (start, stop), rows in times.items():
        names = (
            [""] if len(rows) == len(recording.channels) else [f"@@{recording.channels[row]}" for row in rows]
        )
        marks += [EdfMark(start / fs, (stop - start) / fs, SKIPPED + name) for name in names]
    if padded > recording.n_samples:
        marks.append(EdfMark(recording.n_samples / fs, (padded - recording.n_samples) / fs, PADDED))
    return sorted(marks)


def _plain(text: str) -> str:
    """Return a text without the characters that part annotations."""
    return text.translate({0: None, 20: None, 21: None}) or "?"


def _share_out(
    marks: Sequence[EdfMark], record: _Record, n_records: int, fs: float, begins: float
) -> list[bytes]:
    """Return the annotations of each record: all in order of time, about as many bytes in each."""
    lists = [write_marks(0.0, [mark])[len(write_marks(0.0, [])) :] for mark in marks]
    room = max(map(len, lists), default=0) + -(-sum(map(len, lists)) // n_records)
    texts, at = [], 0
    for number in range(n_records):
        text, filled = write_marks(begins + number * record.count / fs, []), 0
        while at < len(lists) and filled + len(lists[at]) <= room:
            text, filled, at = text + lists[at], filled + len(lists[at]), at + 1
        texts.append(text)
    return texts


def _header(
    recording: Recording, record: _Record, scales: Sequence[_Scale], n_records: int, words: int, bits: int
) -> bytes:
    """Return the header; a person, a place and an unknown date are X, as EDF+ writes what is not known."""
    n_signals = len(scales) + 1
    kind = "BDF" if bits == 24 else "EDF"
    low, high = str(-(2 ** (bits - 1))), str(2 ** (bits - 1) - 1)
    first = b"\xffBIOSEMI" if bits == 24 else b"0".ljust(8)
    fixed = [
        ("X X X X", 80), *_start(recording.start_time), (str(256 * (n_signals + 1)), 8),
        (f"{kind}+C", 44), (str(n_records), 8), (record.duration, 8), (str(n_signals), 4),
    ]  # fmt: skip
    columns: list[tuple[int, list[str]]] = [
        (16, [*recording.channels, f"{kind} Annotations"]),
        (80, [""] * n_signals),
        (8, [*(unit or "" for unit in recording.units), ""]),
        (8, [*(scale.limits[0] for scale in scales), "-1"]),
        (8, [*(scale.limits[1] for scale in scales), "1"]),
        (8, [low] * n_signals),
        (8, [high] * n_signals),
        (80, [""] * n_signals),
        (8, [*[str(record.count)] * len(scales), str(words)]),
        (32, [""] * n_signals),
    ]
    parts = [text.ljust(width) for text, width in fixed]
    parts += [text.ljust(width) for width, texts in columns for text in texts]
    return first + "".join(parts).encode("ascii")


def _start(start: StartTime | None) -> list[tuple[str, int]]:
    """Return what the header says of the start: the recording, its date and its time of day."""
    date, clock, words = "01.01.85", "00.00.00", "X"
    if start is not None:
        clock = f"{start:%H.%M.%S}"
    if isinstance(start, datetime):
        month = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"][
            start.month - 1
        ]
        words = f"{start.day:02d}-{month}-{start.year:04d}"
        within = 1985 <= start.year <= 2084
        date = f"{start:%d.%m.}{start.year % 100:02d}" if within else f"{start:%d.%m}.yy"
    return [(f"Startdate {words} X X X", 80), (date, 8), (clock, 8)]


def _after_second(start: StartTime | None) -> float:
    """Return the part of a second of the start, which EDF+ has in its annotations."""
    return 0.0 if start is None else start.microsecond / 1e6


def _held(row: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Return a channel with the last valid value in place of missing samples and after the end, (length,)."""
    valid = np.isfinite(row)
    place = np.maximum.accumulate(np.where(valid, np.arange(len(row)), 0))
    place[: valid.argmax()] = valid.argmax()  # what misses at the beginning holds the first value
    held = row[place] if valid.any() else np.zeros_like(row)
    return np.concatenate([held, np.full(length - len(row), held[-1], np.float32)])


def _stored(part: NDArray[np.float64], scale: _Scale, bits: int) -> bytes:
    top = 2 ** (bits - 1)
    steps = np.clip(np.round(part / scale.gain - scale.zero), -top, top - 1).astype("<i4")
    if bits == 16:
        return steps.astype("<i2").tobytes()
    return np.ascontiguousarray(steps.view(np.uint8).reshape(-1, 4)[:, :3]).tobytes()
