"""EDF, EDF+, BDF and BDF+ recordings, with their annotations.

Our own reader, for pyedflib refuses what many devices write: other sizes than the header states, a record cut short,
letters beyond ASCII, decimal commas, gaps. Where pyedflib reads, the samples are equal (a test).
Source of the format: https://www.edfplus.info/specs/.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.formats.edf_header import EdfChannel, EdfHeader, read_header
from physiolect.formats.edf_timeline import Timeline, read_timeline
from physiolect.formats.matrix import check_size
from physiolect.formats.request import Request
from physiolect.recording import Recording, later

_BLOCK = 1 << 18  # bytes read at once
_GAP_RATIO = 100  # a recording may be so many times longer than what it holds


def read(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recording of an EDF or BDF file, or one for each sampling rate; only the wanted stretch is read.

    Raises:
        FormatError: the wanted channels differ in rate, or the file cannot be read.
    """
    header = read_header(path)
    signals = header.signals
    if not signals:
        raise FormatError(f"{path} holds annotations only", hint="choose a file with a signal in it")
    names, renamed = want.named([channel.name for channel in signals], len(signals), path)
    duration = header.duration
    if duration is None:  # the rate is that of the first wanted channel
        duration = signals[want.rows(names, path)[0]].count / want.rate(None, path)
    rates = [channel.count / duration for channel in signals]
    with parsing(path, "EDF or BDF"), path.open("rb") as file:
        timeline = read_timeline(header, file, duration, max(rates))
        for rows, notices in want.groups(names, rates, path):
            fs = want.rate(rates[rows[0]], path)
            chosen = [signals[row] for row in rows]
            called = [names[row] for row in rows]
            yield from _recordings(header, file, chosen, called, timeline, fs, want, (*renamed, *notices))


def _recordings(
    header: EdfHeader,
    file: BinaryIO,
    channels: Sequence[EdfChannel],
    names: Sequence[str],
    timeline: Timeline,
    fs: float,
    want: Request,
    notices: Sequence[str],
) -> Iterator[Recording]:
    """Yield the wanted stretch of channels of one rate, in parts where the caller takes parts."""
    path, count = header.path, channels[0].count
    at = timeline.positions(fs, count)
    stops = np.append(timeline.first[1:], header.n_records)
    length = timeline.length(fs, count)
    first, last = want.span(length, fs, path)
    if last - first > header.n_records * count * _GAP_RATIO:
        raise FormatError(
            f"{path} lasts {length / fs:g} s, but holds {header.n_records * count / fs:g} s of samples",
            hint="nearly all is gaps: read a stretch with start and stop",
        )
    check_size((last - first) * len(channels) * 4, path)
    for first, last in want.spans(length, fs, path, len(channels)):
        signal = np.full((len(channels), last - first), np.nan, np.float32)
        for begin, stop, position in zip(timeline.first.tolist(), stops.tolist(), at.tolist(), strict=True):
            _read_run(header, file, channels, (begin, stop), position - first, signal)
        for row, channel in zip(signal, channels, strict=True):
            for begin, stop in timeline.skipped(channel.name, fs, count):
                row[max(0, begin - first) : max(0, stop - first)] = np.nan
        yield want.recording(
            path,
            signal,
            fs,
            channels=names,
            units=[channel.unit for channel in channels],
            annotations=timeline.annotations(fs, count, first, last),
            notices=(*header.notices, *timeline.notices, *notices),
            start_time=later(header.start_time, timeline.begins + first / fs),
        )


def _read_run(
    header: EdfHeader,
    file: BinaryIO,
    channels: Sequence[EdfChannel],
    records: tuple[int, int],
    position: int,
    out: NDArray[np.float32],
) -> None:
    """Write the samples of records without a gap into `out` (channels, time), where the run begins at `position`."""
    (begin, stop), count, length = records, channels[0].count, out.shape[1]
    low = begin + max(0, -position) // count  # the first and last record of which `out` holds a part
    high = min(stop, begin - (position - length) // count)
    record_bytes = header.record_samples * header.width
    if record_bytes > _BLOCK:
        for record in range(low, high):
            _read_long(header, file, channels, record, position + (record - begin) * count, out)
        return
    step = _BLOCK // record_bytes
    for record in range(low, high, step):
        n = min(step, high - record)
        file.seek(header.start + record * record_bytes)
        block = np.frombuffer(file.read(n * record_bytes), np.uint8).reshape(n, record_bytes)
        at = position + (record - begin) * count
        from_, to = max(at, 0), min(at + n * count, length)
        for row, channel in zip(out, channels, strict=True):
            first = channel.begin * header.width
            stored = _stored(block[:, first : first + count * header.width], header.width)[
                from_ - at : to - at
            ]
            row[from_:to] = (stored + channel.zero) * channel.gain


def _read_long(
    header: EdfHeader,
    file: BinaryIO,
    channels: Sequence[EdfChannel],
    record: int,
    at: int,
    out: NDArray[np.float32],
) -> None:
    """Write what is wanted of one long record, which begins at sample `at` of `out`, a stretch at a time."""
    begin = header.start + record * header.record_samples * header.width
    from_, to = max(at, 0), min(at + channels[0].count, out.shape[1])
    for row, channel in zip(out, channels, strict=True):
        for low in range(from_, to, _BLOCK):
            high = min(low + _BLOCK, to)
            file.seek(begin + (channel.begin + low - at) * header.width)
            block = np.frombuffer(file.read((high - low) * header.width), np.uint8)
            row[low:high] = (_stored(block, header.width) + channel.zero) * channel.gain


def _stored(block: NDArray[np.uint8], width: int) -> NDArray[np.integer]:
    """Return samples as they are stored, (samples,), out of their bytes."""
    part = np.ascontiguousarray(block)
    if width == 2:
        return part.view("<i2").reshape(-1)
    low, middle, high = part.reshape(-1, 3).astype(np.int32).T
    return (low | middle << 8 | high << 16) - ((high & 0x80) << 17)
