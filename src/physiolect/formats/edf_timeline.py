"""When the records of an EDF or BDF file were recorded: runs of records without a gap, and the marks."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.edf_annotations import PADDED, SKIPPED, read_marks
from physiolect.formats.edf_header import EdfHeader
from physiolect.recording import Annotations, seconds_text

_BLOCK = 1 << 20  # bytes read at once
_STAMPS = 1.1e-3  # seconds by which a record's beginning may be off, written in whole milliseconds
_LATEST = 1e11  # seconds


@dataclass(frozen=True)
class Marks:
    """The annotations of a file, in seconds as it counts them; three columns of one length."""

    onset: NDArray[np.float64]
    duration: NDArray[np.float64]
    text: list[str]

    @cached_property
    def _without_data(self) -> list[tuple[int, str]]:
        """The marks of samples without data, and their texts: few of many, for which every channel and stretch asks."""
        return [(row, text) for row, text in enumerate(self.text) if text.startswith(SKIPPED)]

    def without_data(self, texts: set[str]) -> list[int]:
        """Return which marks have one of these texts, all of which begin with `SKIPPED`."""
        return [row for row, text in self._without_data if text in texts]


@dataclass(frozen=True)
class Timeline:
    """Runs of records without a gap, and the marks."""

    first: NDArray[np.int64]
    """First record of each run, (runs,)."""
    start: NDArray[np.float64]
    """When it begins, in seconds as the file counts, (runs,)."""
    gap: NDArray[np.float64]
    """Seconds without samples before it, (runs,)."""
    n_records: int
    marks: Marks
    notices: tuple[str, ...] = ()

    @property
    def begins(self) -> float:
        """Return when the first sample was recorded, in seconds after the start that the header states."""
        return float(self.start[0]) if len(self.start) and np.isfinite(self.start[0]) else 0.0

    def positions(self, fs: float, count: int) -> NDArray[np.int64]:
        """Return the sample at which each run begins, of a channel with `count` samples a record at `fs` Hz."""
        gaps = np.round(np.cumsum(self.gap) * fs).astype(np.int64)  # not each gap: the errors would add up
        return np.asarray(self.first * count + gaps, np.int64)

    def samples(self, seconds: NDArray[np.float64], fs: float, count: int) -> NDArray[np.int64]:
        """Return the samples nearest to moments that the file counts in seconds."""
        run = np.maximum(np.searchsorted(self.start, seconds, side="right") - 1, 0)
        within = np.round((seconds - self.start[run]) * fs).astype(np.int64)
        return np.asarray(self.positions(fs, count)[run] + within, np.int64)

    def annotations(self, fs: float, count: int, first: int, last: int) -> Annotations:
        """Return the marks at samples [first, last), counted from `first`, without those of stretches without data."""
        at = self.samples(self.marks.onset, fs, count)
        inside = np.flatnonzero((at >= first) & (at < last))
        inside = inside[np.argsort(at[inside], kind="stable")]
        kept = [row for row in inside.tolist() if not self.marks.text[row].startswith(SKIPPED)]
        return Annotations(at[kept] - first, tuple(self.marks.text[row] for row in kept))

    def skipped(self, name: str, fs: float, count: int) -> list[tuple[int, int]]:
        """Return the stretches [first, last) in which a channel holds no data though the file holds samples."""
        rows = self.marks.without_data({SKIPPED, f"{SKIPPED}@@{name}"})
        begin = self.samples(self.marks.onset[rows], fs, count)
        lengths = np.round(self.marks.duration[rows] * fs).astype(np.int64)
        return list(zip(begin.tolist(), (begin + lengths).tolist(), strict=True))

    def length(self, fs: float, count: int) -> int:
        """Return the samples from the first to the last of a channel, without those that only fill the last record."""
        end = int(self.positions(fs, count)[-1]) + (self.n_records - int(self.first[-1])) * count
        at = self.samples(self.marks.onset[self.marks.without_data({PADDED})], fs, count)
        return next((int(sample) for sample in at if end - count < sample < end), end)


def read_timeline(header: EdfHeader, file: BinaryIO, duration: float, fastest: float) -> Timeline:
    """Return the runs and marks of a file; one without annotations is a single run.

    Args:
        header: of the file.
        file: the file, open.
        duration: of a record, in seconds.
        fastest: the highest rate of its channels, in Hz: no gap is shorter than half a sample.

    Raises:
        FormatError: records overlap in time, or marks lie at impossible times.
    """
    starts = np.full(header.n_records, np.nan)
    onsets, durations = array("d"), array("d")
    texts: list[str] = []
    for number, channel in enumerate(each for each in header.channels if each.is_text):
        for record, content in _texts(header, file, channel.begin, channel.count):
            start, found = read_marks(content)
            if number == 0 and start is not None:
                starts[record] = start
            for mark in found:
                onsets.append(mark.onset)
                durations.append(mark.duration)
                texts.append(sys.intern(mark.text))  # a day has many marks of few texts
    marks = Marks(_column(onsets), _column(durations), texts)
    if any(
        np.abs(each[np.isfinite(each)]).max(initial=0) > _LATEST
        for each in (starts, marks.onset, marks.duration)
    ):
        raise FormatError(f"{header.path} has annotations at impossible times", hint="fetch the file again")
    return _runs(header, starts, marks, duration, max(0.5 / fastest, _STAMPS))


def _column(numbers: array[float]) -> NDArray[np.float64]:
    return np.frombuffer(numbers, np.float64) if numbers else np.empty(0)


def _texts(header: EdfHeader, file: BinaryIO, begin: int, count: int) -> Iterator[tuple[int, bytes]]:
    """Yield each record's number and its annotations in one channel; records without any are passed over."""
    record_bytes, width = header.record_samples * header.width, header.width
    first, n_bytes = begin * width, count * width
    if record_bytes > _BLOCK:  # of long records nothing but the annotations is read
        for record in range(header.n_records):
            file.seek(header.start + record * record_bytes + first)
            if text := file.read(n_bytes).rstrip(b"\x00"):
                yield record, text
        return
    step = _BLOCK // record_bytes
    for record in range(0, header.n_records, step):
        file.seek(header.start + record * record_bytes)
        block = file.read(min(step, header.n_records - record) * record_bytes)
        for k in range(len(block) // record_bytes):
            at = k * record_bytes + first
            if text := block[at : at + n_bytes].rstrip(b"\x00"):
                yield record + k, text


def _runs(
    header: EdfHeader,
    starts: NDArray[np.float64],
    marks: Marks,
    duration: float,
    tolerance: float,
) -> Timeline:
    """Part the records where their beginnings leave a gap."""
    begin = float(starts[0]) if len(starts) and np.isfinite(starts[0]) else 0.0
    whole = Timeline(
        np.zeros(1, np.int64), np.array([begin]), np.zeros(1), header.n_records, marks
    )  # fmt: skip
    if len(starts) < 2:
        return whole
    if not np.isfinite(starts).all():
        if header.discontinuous:
            raise FormatError(
                f"{header.path} may have gaps (EDF+D), but not every record states when it begins",
                hint="save it again as EDF+C with the program that made it",
            )
        return whole
    lost = np.diff(starts) - duration
    if (lost < -tolerance).any():
        if header.discontinuous:
            raise FormatError(
                f"the records of {header.path} overlap in time, record {int(np.argmin(lost)) + 1} the most",
                hint="save it again as EDF+C with the program that made it",
            )
        return whole  # a continuous file whose times are not filled in
    later = np.flatnonzero(lost > tolerance) + 1
    if not len(later):
        return whole
    first, gap = np.concatenate([[0], later]), np.concatenate([[0.0], lost[later - 1]])
    many = "gap" if len(later) == 1 else f"{len(later)} gaps"
    notices = (
        f"{'a ' * (many == 'gap')}{many} between its records, {seconds_text(float(gap.sum()))} in all: "
        "missing samples (NaN)",
    )
    return Timeline(first.astype(np.int64), starts[first], gap, header.n_records, marks, notices)
