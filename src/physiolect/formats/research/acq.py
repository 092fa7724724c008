"""BIOPAC AcqKnowledge recordings (.acq), plain or compressed, of revisions 2 to 5, with their event markers.

bioread finds its way in the headers, of which every revision has others and no description is public; it is well kept,
and the extra `research` installs it. What a header states is held against the file before samples are read.
"""

from __future__ import annotations

import io
import logging
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError, require
from physiolect.formats.boundary import MAX_BYTES, parsing
from physiolect.formats.hospital.lead_names import numbered_names
from physiolect.formats.hospital.rhythm import MOST_CHANNELS, Rhythm, choose
from physiolect.formats.request import Request
from physiolect.recording import Annotations, Recording, shared_modality, unit_name

_LONGEST_PATTERN = 1 << 20
"""Of samples of all channels until their order repeats: bioread keeps it in memory."""
_MOST_TIMES_PACKED = 50
"""How much larger than a compressed file its channels may be in all, beyond _ALWAYS bytes."""
_ALWAYS = 256 << 20
_MOST_HEADERS = 8_000


def read(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recordings of an AcqKnowledge file, one a sampling rate.

    Raises:
        FormatError: the file is damaged, or its channels differ in rate and the caller takes one recording.
    """
    bioread = require("bioread", extra="research")
    with parsing(path, "AcqKnowledge"), _silent(), path.open("rb") as file:
        size = path.stat().st_size
        _check_counts(file, size, path)
        reader = bioread.reader.Reader.read_headers(_Headers(file, path))
        if reader.datafile is None or reader.graph_header is None:
            raise FormatError(
                f"{path} is not a readable AcqKnowledge file", hint="save it again in AcqKnowledge"
            )
        channels = reader.datafile.channels
        _check(reader, channels, size, path)
        rows = _packed(file, reader, channels) if reader.is_compressed else _plain(file, reader, channels)
    rhythms = []
    for fs in dict.fromkeys(float(channel.samples_per_second) for channel in channels):
        chosen = [k for k, channel in enumerate(channels) if float(channel.samples_per_second) == fs]
        length = min(len(rows[k]) for k in chosen)  # the last samples of some channels may not be there yet
        names = [str(channels[k].name).strip() for k in chosen]
        rhythms.append(
            Rhythm(
                fs,
                numbered_names(names),
                [rows[k][:length] for k in chosen],
                [float(channels[k].raw_scale_factor) for k in chosen],
                [unit_name(str(channels[k].units)) for k in chosen],
                [float(channels[k].raw_offset) for k in chosen],
                marks=_marks(reader, fs),
                modality=shared_modality(names),
            )
        )
    for number, rhythm in choose(rhythms, path, want, "sets of channels of one rate"):
        yield rhythm.recording(path, want, f"{path}#{number}" if len(rhythms) > 1 else str(path))


def is_acq(head: bytes) -> bool:
    """Tell whether a file that begins with these 14 bytes or more is one of AcqKnowledge."""
    return head[:2] == b"\0\0" and _is_sensible(head, revisions=range(30, 200))


def _is_sensible(head: bytes, revisions: range) -> bool:
    """Tell whether a file's revision and number of channels are what AcqKnowledge writes, in either byte order."""
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    return any(
        int.from_bytes(head[2:6], order) in revisions
        and 1 <= int.from_bytes(head[10:12], order) <= MOST_CHANNELS
        for order in orders
    )


class _Headers(io.RawIOBase):
    """A file that lets so many headers be read and no more: one may state any number of event markers."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.file, self.path = file, path
        self.n_reads = 0

    def read(self, size: int = -1, /) -> bytes:
        self.n_reads += 1
        if self.n_reads > _MOST_HEADERS:
            raise FormatError(
                f"{self.path} has more than {_MOST_HEADERS} headers and event markers",
                hint="the file may be damaged; or remove its markers in AcqKnowledge, and save it again",
            )
        return self.file.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()


@contextmanager
def _silent() -> Iterator[None]:
    """Keep bioread from writing to stderr."""
    logger = logging.getLogger("bioread")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before


def _check_counts(file: BinaryIO, size: int, path: Path) -> None:
    """Refuse a file whose first header states no sensible number of channels, before bioread believes it."""
    head = file.read(64)
    file.seek(0)
    if size < 256 or not _is_sensible(head, range(1, 1000)):
        raise FormatError(
            f"{path} is not a readable AcqKnowledge file", hint="fetch the file again, or export it as text"
        )


def _check(reader: Any, channels: list[Any], size: int, path: Path) -> None:
    """Refuse headers that promise more than the file has."""
    dividers = [int(channel.frequency_divider) for channel in channels]
    counts = [int(channel.point_count) for channel in channels]
    sound = channels and min(dividers) >= 1 and min(counts) >= 0 and max(counts) > 0
    if not sound or math.lcm(*dividers) * len(channels) > _LONGEST_PATTERN:
        raise FormatError(
            f"the headers of {path} are damaged: {counts[:8]} samples, every {dividers[:8]}th of the file's rate",
            hint="fetch the file again",
        )
    stated = sum(channel.data_length for channel in channels)
    room = size - int(reader.data_start_offset)
    most = min(max(_ALWAYS, _MOST_TIMES_PACKED * size), MAX_BYTES) if reader.is_compressed else room
    if stated > most:
        raise FormatError(
            f"{path} is truncated or damaged: it states {stated} bytes of samples and has {max(room, 0)}",
            hint="fetch the file again",
        )


def _plain(file: BinaryIO, reader: Any, channels: list[Any]) -> list[NDArray[np.generic]]:
    from bioread.data_reader import DataReader

    DataReader(file, reader.datafile, reader.data_start_offset).read_data()
    return [channel.raw_data for channel in channels]


def _packed(file: BinaryIO, reader: Any, channels: list[Any]) -> list[NDArray[np.generic]]:
    """Return the channels of a compressed file, none larger than its header states."""
    rows = []
    headers = reader.datafile.channel_compression_headers or []
    if len(headers) != len(channels):
        raise ValueError("channels without the place of their samples")
    for header, channel in zip(headers, channels, strict=True):
        file.seek(int(header.compressed_data_offset))
        content = file.read(int(header.compressed_data_len))
        unpacked = zlib.decompressobj().decompress(content, channel.data_length)
        rows.append(
            np.frombuffer(
                unpacked[: len(unpacked) // channel.sample_size * channel.sample_size], channel.dtype
            )
        )
    return rows


def _marks(reader: Any, fs: float) -> Annotations:
    """Return the event markers, whose samples are counted at the file's rate."""
    ratio = fs / float(reader.samples_per_second)
    found = []
    for marker in reader.event_markers or []:
        at = round(int(marker.sample_index) * ratio)
        if at >= 0:
            found.append((at, str(marker.text).strip() or "event"))
    found.sort(key=lambda mark: mark[0])
    samples = np.array([at for at, _ in found], np.int64)
    return Annotations(samples, tuple(text for _, text in found))
