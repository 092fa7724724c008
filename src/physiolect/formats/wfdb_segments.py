"""WFDB records of several segments, joined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.matrix import check_size
from physiolect.formats.request import Request
from physiolect.formats.wfdb_annotations import record_annotations
from physiolect.formats.wfdb_header import WfdbHeader, channel_names, frame_counts, parse_segment
from physiolect.formats.wfdb_samples import check_files, read_samples
from physiolect.recording import Recording, Unit, later

_GAP_RATIO = 100  # a record may be so many times longer than what it holds
_GAP = "~"


@dataclass(frozen=True)
class _Segment:
    """A segment, part of which is read."""

    text: WfdbHeader
    header: Any
    begin: int
    """Where it begins in the record, in frames."""
    length: int
    sources: dict[int, int]
    """Channel of the record -> signal of the segment."""


def read_segments(text: WfdbHeader, header: Any, fs: float, want: Request) -> Iterator[Recording]:
    """Yield the recordings of a record of segments: NaN in its gaps, every channel at its own rate.

    Raises:
        FormatError: the segments contradict the record or one another, or a part is missing.
    """
    path = text.path
    start, undated = text.start_time()
    first, last = want.span(int(header.sig_len or 0), fs, path)
    _check_length(text, header, last - first)
    guide = next((name for name in header.seg_name if name != _GAP), "")
    layout = parse_segment(text, guide)[1]
    names = channel_names(layout)
    segments = _segments(text, header, names, first, last)
    counts = _counts(segments, frame_counts(layout))
    called, renamed = want.named(names, len(names), path)
    for rows, notices in want.groups(called, [fs * n for n in counts], path, base=fs):
        per_frame = counts[rows[0]] if len({counts[row] for row in rows}) == 1 else 1
        check_size((last - first) * per_frame * len(rows) * 4, path)
        units = _units(segments, names, rows, text)
        marks, of_marks = record_annotations(path, want.annotator, text.stated_fs)
        for begin, end in want.spans(int(header.sig_len), fs, path, len(rows) * per_frame):
            yield want.recording(
                path.with_suffix(""),
                _join(segments, rows, (begin, end), per_frame),
                fs * per_frame,
                channels=[called[row] for row in rows],
                units=units,
                annotations=marks.window(begin, end).at_rate(per_frame),
                notices=(*renamed, *notices, *of_marks, *undated),
                start_time=later(start, begin / fs),
            )


def _check_length(text: WfdbHeader, header: Any, wanted: int) -> None:
    """Hold what the record states against what its segments hold.

    Raises:
        FormatError: they contradict one another.
    """
    lengths = [int(n) for n in header.seg_len]
    pairs = [(name, n) for name, n in zip(header.seg_name, lengths, strict=True) if name != _GAP]
    held, distinct = sum(n for _, n in pairs), sum(dict(pairs).values())
    if sum(lengths) != header.sig_len or wanted > held * _GAP_RATIO:
        raise FormatError(
            f"{text.path} states {header.sig_len} samples, but its segments hold {held}",
            hint="the header is damaged, or nearly all is gaps: read a stretch with start and stop",
        )
    if held > 2 * distinct:
        raise FormatError(
            f"{text.path} lists its segments many times over: {held} samples out of {distinct}",
            hint="the header is damaged: fetch it again, or read one segment",
        )


def _segments(text: WfdbHeader, header: Any, names: Sequence[str], first: int, last: int) -> list[_Segment]:
    """Return the segments that overlap the stretch, with the channels each holds."""
    layout = int(header.seg_len[0]) == 0
    found: list[_Segment] = []
    stop = 0
    for name, length in zip(header.seg_name, map(int, header.seg_len), strict=True):
        start, stop = stop, stop + length
        if name == _GAP or max(start, first) >= min(stop, last):
            continue
        part, inner = parse_segment(text, name)
        own = channel_names(inner)
        if not layout and len(own) != len(names):
            raise FormatError(f"segment {part.path} has other channels", hint="fetch the record again")
        place = {channel: k for k, channel in reversed(list(enumerate(own)))}
        sources = (
            {row: place[channel] for row, channel in enumerate(names) if channel in place}
            if layout
            else {row: row for row in range(len(names))}
        )
        found.append(_Segment(part, inner, start, length, sources))
    return found


def _counts(segments: Sequence[_Segment], stated: Sequence[int]) -> list[int]:
    """Return the samples a frame of each channel; 1 where its segments differ, which are then averaged.

    Args:
        segments: Those that are read.
        stated: Samples a frame of each channel that none of them holds.
    """
    found: list[set[int]] = [set() for _ in stated]
    for segment in segments:
        counts = frame_counts(segment.header)
        for row, source in segment.sources.items():
            found[row].add(counts[source])
    return [
        counts.pop() if len(counts) == 1 else 1 if counts else own
        for counts, own in zip(found, stated, strict=True)
    ]


def _units(
    segments: Sequence[_Segment], names: Sequence[str], rows: Sequence[int], text: WfdbHeader
) -> list[Unit]:
    """Return the units of these channels.

    Raises:
        FormatError: a channel changes its unit from segment to segment.
    """
    units: dict[int, Unit] = {}
    for segment in segments:
        own = segment.text.units()
        for row in rows:
            if row not in segment.sources:
                continue
            unit = own[segment.sources[row]]
            if units.setdefault(row, unit) != unit:
                raise FormatError(
                    f"channel '{names[row]}' of {text.path} changes its unit from "
                    f"{units[row] or 'an unknown one'} to {unit or 'an unknown one'}",
                    hint="choose other channels, or read one segment at a time",
                )
    return [units.get(row) for row in rows]


def _join(
    segments: Sequence[_Segment], rows: Sequence[int], frames: tuple[int, int], per_frame: int
) -> NDArray[np.float32]:
    """Return the wanted frames of these channels, (rows, frames * per_frame)."""
    first, last = frames
    signal = np.full((len(rows), (last - first) * per_frame), np.nan, np.float32)
    for segment in segments:
        begin, end = max(segment.begin, first), min(segment.begin + segment.length, last)
        held = [(out, segment.sources[row]) for out, row in enumerate(rows) if row in segment.sources]
        sources = [source for _, source in held]
        if not held or begin >= end:
            continue
        if check_files(segment.text, segment.header, sources) < segment.length:
            raise FormatError(
                f"segment {segment.text.path} is shorter than stated", hint="fetch the record again"
            )
        at = slice((begin - first) * per_frame, (end - first) * per_frame)
        signal[[out for out, _ in held], at] = read_samples(
            segment.text, segment.header, sources, begin - segment.begin, end - segment.begin, per_frame
        )
    return signal
