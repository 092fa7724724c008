"""What a long recording holds, described in stretches: memory does not grow with the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.request import notice_of_empty
from physiolect.recording import Annotations, Recording
from physiolect.recording.time_column import SAME_RATE
from physiolect.signals.quality import Quality, measure_quality

Facts = dict[str, Any]

STRETCH = 1 << 20
"""Samples of a stretch."""
_LONG = 1 << 25
_LONG_TEXT = 1 << 26
_LONG_COMPRESSED = 1 << 23
"""Files of more bytes than this are described in stretches: as float32 they take some 64 MB or more."""


def needs_stretches(path: Path) -> bool:
    """Return whether a file, or the signal of a WFDB record, is described in stretches."""
    from physiolect.formats.text_source import COMPRESSED, is_text
    from physiolect.formats.wfdb_header import find_header

    header = find_header(path)
    if header is not None:
        return _signal_bytes(header) > _LONG
    if not path.is_file():
        return False
    plain = _LONG_TEXT if is_text(path) else _LONG
    return path.stat().st_size > (_LONG_COMPRESSED if path.suffix.lower() in COMPRESSED else plain)


def _signal_bytes(header: Path) -> int:
    """Return about how many bytes of samples a WFDB record has: what its header states, else what its files hold."""
    from physiolect.formats.wfdb_header import read_header

    text = read_header(header)
    stated = [word for word in (*text.record[1:2], *text.record[3:4]) if word.isdecimal() and len(word) < 16]
    if len(stated) == 2:
        return 2 * int(stated[0]) * int(stated[1])
    files = {header.with_name(Path(name).name) for name in text.files()}
    return sum(file.stat().st_size for file in files if file.is_file())


def describe_stretches(
    stretches: Iterable[Recording], describe: Callable[[Recording, float], Facts]
) -> list[Facts]:
    """Return the facts of the recordings that come in stretches, one for each sampling rate of the channels.

    Whether contracts fit is judged by the end, as long as the longer of the last two stretches; quality is measured in
    each.

    Args:
        stretches: Of one recording in order, then of the next.
        describe: What gives the facts of one recording; it also gets the moment, in seconds, at which a stretch begins.

    Raises:
        FormatError: no channel of a recording holds a valid sample.
    """
    found: list[_Whole] = []
    for stretch in stretches:
        if not found or not found[-1].goes_on(stretch):
            found.append(_Whole(stretch))
        found[-1].add(stretch)
    return [whole.facts(describe) for whole in found]


class _Whole:
    """A recording that is measured stretch after stretch."""

    def __init__(self, first: Recording) -> None:
        self.before: Recording | None = None
        self.start_time = first.start_time
        self.last = first
        self.n_samples = 0
        self.measured: list[tuple[int, Quality]] = []
        self.totals = [_Totals() for _ in first.channels]
        self.marks: Counter[str] = Counter()
        self.notices: dict[str, None] = {}

    def goes_on(self, stretch: Recording) -> bool:
        """Return whether a stretch belongs to this recording."""
        # times in text are measured as they come
        same = isclose(stretch.fs, self.last.fs, rel_tol=SAME_RATE)
        return same and stretch.channels == self.last.channels

    def add(self, stretch: Recording) -> None:
        """Take the next stretch."""
        self.before, self.last = (self.last if self.n_samples else None), stretch
        self.n_samples += stretch.n_samples
        self.measured.append((stretch.n_samples, measure_quality(stretch.signal, stretch.fs)))
        for total, row in zip(self.totals, stretch.signal, strict=True):
            total.add(row)
        self.marks += count_marks(stretch.annotations)
        self.notices |= dict.fromkeys(stretch.notices)

    def facts(self, describe: Callable[[Recording, float], Facts]) -> Facts:
        """Return what `describe` gives, with the values of the whole recording instead of those of a stretch."""
        from physiolect.contract import quality_remarks

        last, before = self.last, self.before
        empty = [name for name, total in zip(last.channels, self.totals, strict=True) if not total.n_present]
        if len(empty) == len(self.totals):
            raise FormatError(
                f"channel '{empty[0]}' of {last.source} has no valid sample, only NaN",
                hint="choose other channels",
            )
        notices = (*self.notices, *([notice_of_empty(empty)] if empty else []))
        signal = last.signal
        if before is not None and before.n_samples > last.n_samples:
            signal = np.hstack([before.signal[:, last.n_samples :], signal])
        first = (self.n_samples - signal.shape[1]) / last.fs
        judged = replace(
            last, signal=signal, annotations=Annotations(), notices=notices, start_time=self.start_time
        )
        facts = describe(judged, first)
        remarks = quality_remarks(judged, _merged(self.measured))
        rows = zip(facts["channels"], self.totals, strict=True)
        return facts | {
            "seconds": self.n_samples / last.fs,
            "samples": self.n_samples,
            "channels": [{**row, **total.facts()} for row, total in rows],
            "quality": [{"remark": remark.kind, "what": remark.note} for remark in remarks],
            "annotations": dict(self.marks.most_common()),
        }


def count_marks(annotations: Annotations) -> Counter[str]:
    """Count marks by symbol; a rhythm's "+" goes with its name."""
    return Counter(f"+ {note}" if symbol == "+" and note else symbol for _, symbol, note in annotations)


class _Totals:
    """Extremes, mean and missing samples of a channel, over stretches."""

    def __init__(self) -> None:
        self.n = self.n_present = 0
        self.low, self.high, self.sum = np.inf, -np.inf, 0.0

    def add(self, row: NDArray[np.float32]) -> None:
        """Take the next samples."""
        present = row[np.isfinite(row)]
        self.n += row.size
        self.n_present += present.size
        if present.size:
            self.low, self.high = min(self.low, float(present.min())), max(self.high, float(present.max()))
            self.sum += float(present.sum(dtype=np.float64))

    def facts(self) -> Facts:
        """Return what `inspect` tells of a channel's samples."""
        some = self.n_present > 0
        return {
            "min": self.low if some else None,
            "max": self.high if some else None,
            "mean": self.sum / self.n_present if some else None,
            "missing": 100 * (1 - self.n_present / self.n) if self.n else 0.0,
            "flat": not some or self.low == self.high,
        }


def _merged(measured: list[tuple[int, Quality]]) -> Quality:
    """Return the quality of the whole out of that of its stretches."""
    weights = np.array([n for n, _ in measured], np.float64)
    weights /= weights.sum()

    def share(name: str) -> NDArray[np.float64]:
        return np.asarray(weights @ np.stack([getattr(quality, name) for _, quality in measured]), np.float64)

    largest = np.max([quality.largest for _, quality in measured], axis=0)
    return Quality(share("missing"), share("flat"), share("clipped"), largest)
