"""What a long text table holds, described in stretches: memory does not grow with the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.recording import Recording
from physiolect.signals.quality import Quality, measure_quality

Facts = dict[str, Any]

STRETCH = 1 << 20
"""Samples of a stretch."""
_LONG = 1 << 26
_LONG_COMPRESSED = 1 << 23
"""Files of more bytes than this are described in stretches."""


def is_long(path: Path) -> bool:
    """Return whether a file is a text table that is described in stretches."""
    from physiolect.formats.text_source import COMPRESSED, is_text

    if not (path.is_file() and is_text(path)):
        return False
    return path.stat().st_size > (_LONG_COMPRESSED if path.suffix.lower() in COMPRESSED else _LONG)


def describe_stretches(stretches: Iterable[Recording], describe: Callable[[Recording], Facts]) -> Facts:
    """Return the facts of a recording that comes in stretches.

    Whether contracts fit is judged by the longer of the last two stretches; quality is measured in each.

    Args:
        stretches: of one recording, in order.
        describe: what gives the facts of one recording.
    """
    from physiolect.contract import quality_remarks

    n_samples = 0
    measured: list[tuple[int, Quality]] = []
    totals: list[_Totals] = []
    before = last = start = None
    for stretch in stretches:
        start = start if last is not None else stretch.start_time
        n_samples += stretch.n_samples
        measured.append((stretch.n_samples, measure_quality(stretch.signal, stretch.fs)))
        totals = totals or [_Totals() for _ in stretch.channels]
        for total, row in zip(totals, stretch.signal, strict=True):
            total.add(row)
        before, last = last, stretch
    assert last is not None
    judged = before if before is not None and before.n_samples > last.n_samples else last
    judged = replace(judged, fs=last.fs, notices=last.notices, start_time=start)
    facts = describe(judged)
    remarks = quality_remarks(judged, _merged(measured))
    facts |= {
        "seconds": n_samples / last.fs,
        "samples": n_samples,
        "channels": [{**row, **total.facts()} for row, total in zip(facts["channels"], totals, strict=True)],
        "quality": [{"remark": remark.kind, "what": remark.note} for remark in remarks],
    }
    return facts


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
