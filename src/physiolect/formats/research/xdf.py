"""XDF recordings of LabStreamingLayer (.xdf): each stream of numbers is a recording, streams of text are marks.

Our own reader, because pyxdf believes the sizes that a file states; the tests hold it against pyxdf.
Source: https://github.com/sccn/xdf/wiki/Specifications.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.formats.hospital.lead_names import numbered_names
from physiolect.formats.hospital.rhythm import MOST_CHANNELS, Rhythm, choose
from physiolect.formats.hospital.xml import number_of, parse_bytes, text_of
from physiolect.formats.request import Request
from physiolect.recording import MODALITIES, Annotations, Modality, Recording, later, unit_name
from physiolect.recording.start_time import parse_moment

MAGIC = b"XDF:"
_HEADER, _SAMPLES, _OFFSET = 2, 3, 4
_DATETIME = re.compile(rb"<datetime>([0-9T:. +Z-]{10,40})</datetime>")
_HEAD = 4096  # bytes in which the header of the file ends
_TYPES = {"float32": "<f4", "double64": "<f8", "int8": "<i1", "int16": "<i2", "int32": "<i4", "int64": "<i8"}
_BREAK = 1.0
"""Seconds between two samples from which on the stream was interrupted."""
_MOST_MARKS = 1_000_000
_MOST_BYTES = 1 << 30
_MOST_CHUNKS = 4_000_000
_LONGEST_XML = 4 << 20


@dataclass
class _Stream:
    about: Element
    kind: str
    n_channels: int
    fs: float
    values: list[NDArray[np.generic]] = field(default_factory=list)
    """Blocks of (time, channels)."""
    texts: list[str] = field(default_factory=list)
    stamps: list[NDArray[np.float64]] = field(default_factory=list)
    """Seconds of each sample, NaN where the file states none."""
    offsets: list[float] = field(default_factory=list)
    """Of the stream's clock to the recorder's, in seconds."""

    def times(self) -> NDArray[np.float64]:
        """Return the time of every sample on the recorder's clock; those without one follow at the stream's rate."""
        stamps = np.concatenate(self.stamps) if self.stamps else np.empty(0)
        known = np.flatnonzero(np.isfinite(stamps))
        shift = float(np.median(self.offsets)) if self.offsets else 0.0
        if len(known) == len(stamps):
            return stamps + shift
        if len(known) == 0:
            return np.arange(len(stamps)) / (self.fs or 1.0) + shift
        at = np.maximum(np.searchsorted(known, np.arange(len(stamps)), "right") - 1, 0)
        step = 1 / self.fs if self.fs else 0.0
        times = stamps[known[at]] + (np.arange(len(stamps)) - known[at]) * step
        return times + shift


def read(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recordings of an XDF file, one a stream of numbers with a rate; gaps are NaN.

    Raises:
        FormatError: no stream has a rate and numbers, the file is damaged, or it holds several streams of which none
            is named and the caller takes one.
    """
    with parsing(path, "XDF"):
        if path.stat().st_size > _MOST_BYTES:
            raise FormatError(
                f"{path} is larger than {_MOST_BYTES >> 30} GiB", hint="split the file with pyxdf"
            )
        content = path.read_bytes()
        streams = _streams(content, path)
        numbers = [
            stream for stream in streams if stream.kind != "string" and stream.fs > 0 and stream.values
        ]
        texts = [stream for stream in streams if stream.kind == "string"]
        rhythms = [_rhythm(stream, texts, path) for stream in numbers]
        began, earliest = (
            _stated_start(content),
            min((_first_time(stream) for stream in numbers), default=0.0),
        )
        for rhythm, stream in zip(rhythms, numbers, strict=True):
            rhythm.start_time = later(began, _first_time(stream) - earliest)
    if not rhythms:
        raise FormatError(
            f"{path} holds no stream of numbers with a sampling rate",
            hint="choose a file with a signal in it",
        )
    for number, rhythm in choose(rhythms, path, want, "streams"):
        yield rhythm.recording(path, want, f"{path}#{number}" if len(rhythms) > 1 else str(path))


def _stated_start(content: bytes) -> datetime | None:
    """Return when recording began, by the file's header; the earliest stream is taken to begin then.

    The streams' own clock begins anywhere, and nothing relates it to the time of day.
    """
    stated = _DATETIME.search(content[:_HEAD])
    return parse_moment(stated[1].decode()) if stated else None


def _first_time(stream: _Stream) -> float:
    times = stream.times()
    return float(times[0]) if len(times) else 0.0


def _streams(content: bytes, path: Path) -> list[_Stream]:
    streams: dict[int, _Stream] = {}
    at = len(MAGIC)
    for _ in range(_MOST_CHUNKS):
        if at >= len(content):
            break
        size, at = _length(content, at)
        if size is None or size < 2 or at + size > len(content):
            break  # a recording that was stopped hard ends within a chunk; what came before is whole
        tag, stream = struct.unpack_from("<HI", content, at) if size >= 6 else (0, 0)
        body = content[at + 6 : at + size]
        at += size
        if tag == _HEADER:
            if len(body) > _LONGEST_XML or len(streams) >= MOST_CHANNELS:
                raise ValueError("a stream header that is too long, or too many streams")
            streams[stream] = _described(parse_bytes(body, path))
        elif tag == _SAMPLES and stream in streams:
            _take(streams[stream], body)
        elif tag == _OFFSET and stream in streams and len(body) >= 16:
            offset = struct.unpack_from("<d", body, 8)[0]
            if abs(offset) < 1e12:
                streams[stream].offsets.append(offset)
    return list(streams.values())


def _length(content: bytes, at: int) -> tuple[int | None, int]:
    """Return a number of 1, 4 or 8 bytes behind the byte that says which, and where it ends."""
    width = content[at] if at < len(content) else 0
    if width not in (1, 4, 8) or at + 1 + width > len(content):
        return None, at
    return int.from_bytes(content[at + 1 : at + 1 + width], "little"), at + 1 + width


def _described(about: Element) -> _Stream:
    kind = text_of(about, "channel_format")
    n_channels = int(number_of(text_of(about, "channel_count")) or 0)
    if not 1 <= n_channels <= MOST_CHANNELS or (kind not in _TYPES and kind != "string"):
        raise ValueError(f"a stream of {n_channels} channels of {kind[:20]}")
    return _Stream(about, kind, n_channels, max(number_of(text_of(about, "nominal_srate")) or 0.0, 0.0))


def _take(stream: _Stream, body: bytes) -> None:
    """Add the samples of a chunk to its stream."""
    count, at = _length(body, 0)
    if not count:
        return
    if stream.kind == "string":
        return _take_texts(stream, body, at, count)
    value = np.dtype((_TYPES[stream.kind], (stream.n_channels,)))
    for width, stamped in ((8, [("size", "u1"), ("time", "<f8")]), (0, [("size", "u1")])):
        layout = np.dtype([*stamped, ("value", value)])
        if layout.itemsize * count == len(body) - at:
            table = np.frombuffer(body, layout, count, at)
            if (table["size"] == width).all():
                stream.values.append(table["value"].reshape(count, stream.n_channels))
                stream.stamps.append(table["time"] if width else np.full(count, np.nan))
                return None
    if count * (1 + value.itemsize) > len(body) - at:
        raise ValueError(f"{count} samples where {len(body) - at} bytes are stored")
    values = np.empty((count, stream.n_channels), _TYPES[stream.kind])
    stamps = np.full(count, np.nan)
    for number in range(count):
        width = body[at]
        if width == 8:
            stamps[number] = struct.unpack_from("<d", body, at + 1)[0]
        values[number] = np.frombuffer(body, _TYPES[stream.kind], stream.n_channels, at + 1 + width)
        at += 1 + width + value.itemsize
    stream.values.append(values)
    stream.stamps.append(stamps)
    return None


def _take_texts(stream: _Stream, body: bytes, at: int, count: int) -> None:
    stamps = []
    for _ in range(min(count, _MOST_MARKS - len(stream.texts))):
        width = body[at]
        stamps.append(struct.unpack_from("<d", body, at + 1)[0] if width == 8 else np.nan)
        at += 1 + width
        parts = []
        for _ in range(stream.n_channels):
            size, at = _length(body, at)
            if size is None or at + size > len(body):
                raise ValueError("a text that is cut short")
            parts.append(body[at : at + size].decode("utf-8", "replace"))
            at += size
        stream.texts.append(" ".join(parts).strip() or "event")
    stream.stamps.append(np.array(stamps))


def _rhythm(stream: _Stream, texts: list[_Stream], path: Path) -> Rhythm:
    values = np.concatenate(stream.values)  # (time, channels)
    times = stream.times()
    values, places = _with_gaps(values, times, stream.fs, path)
    rising = np.maximum.accumulate(
        times
    )  # a device's clock is not exact: its stamps tell which sample is near
    marks = []
    for each in texts:
        for time, text in zip(each.times().tolist(), each.texts, strict=False):
            if len(rising) and rising[0] <= time < rising[-1] + 1 / stream.fs:
                marks.append((round(float(np.interp(time, rising, places))), text))
    marks.sort(key=lambda mark: mark[0])
    listed = stream.about.findall("desc/channels/channel")[: stream.n_channels]
    names = [text_of(channel, "label") for channel in listed] + [""] * (stream.n_channels - len(listed))
    units = [unit_name(text_of(channel, "unit")) for channel in listed] + [None] * (
        stream.n_channels - len(listed)
    )
    kind = text_of(stream.about, "type").lower()
    modality: Modality | None = next((known for known in MODALITIES if known == kind), None)
    return Rhythm(
        stream.fs,
        numbered_names(names),
        list(values.T),
        [1.0] * stream.n_channels,
        units,
        marks=Annotations(np.array([at for at, _ in marks], np.int64), tuple(text for _, text in marks)),
        modality=modality,
    )


def _with_gaps(
    values: NDArray[np.generic], times: NDArray[np.float64], fs: float, path: Path
) -> tuple[NDArray[np.generic], NDArray[np.int64]]:
    """Return the samples with NaN where the stream was interrupted, and where among them each stored one is.

    Raises:
        FormatError: the time stamps tell of another rate than the one stated.
    """
    steps = np.diff(times)
    breaks = np.flatnonzero(steps > _BREAK + 1 / fs)
    lost = [max(round(float(steps[at]) * fs) - 1, 0) for at in breaks]
    if sum(lost) > 4 * len(values) + 1000 or len(values) != len(times):
        raise FormatError(
            f"{path} has gaps of {sum(lost) / fs:g} s in a stream of {len(values) / fs:g} s",
            hint="read it with pyxdf, and save the stretch that is whole as NPZ",
        )
    running = float(times[-1] - times[0]) - sum((n + 1) / fs for n in lost) if len(times) else 0.0
    n_steps = len(times) - 1 - len(breaks)
    if running > 5 and abs(n_steps / running - fs) > 0.02 * fs:
        raise FormatError(
            f"{path} states {fs:g} Hz, but its time stamps tell of {n_steps / running:g} Hz",
            hint="read it with pyxdf, resample it, and save it as NPZ",
        )
    places = np.arange(len(values), dtype=np.int64)
    if not lost:
        return values, places
    for at, n in zip(breaks.tolist(), lost, strict=True):
        places[at + 1 :] += n
    parts: list[NDArray[np.generic]] = []
    before = 0
    for at, n in zip(breaks.tolist(), lost, strict=True):
        parts += [values[before : at + 1], np.full((n, values.shape[1]), np.nan, np.float32)]
        before = at + 1
    return np.concatenate([*parts, values[before:]]), places
