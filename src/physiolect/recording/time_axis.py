"""Times of samples: whether they are uniform, the rate, and which samples are missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError

Times = NDArray[np.float64]

_MOST_GAPS = 0.1
"""Share of the steps that may be gaps; times with more are those of events."""
_SAME_RATE = 0.005
"""Relative difference of rate that a drifting clock may make within a recording."""
_JITTER_ROWS = 64
_JITTER_STEPS, _JITTER_S, _JITTER_RATE = 3.0, 0.1, 10.0
"""Stamps of a radio link may lie so far, in steps or seconds, from a steady rate of so many Hz or more."""
_NOISE = 0.05
"""Share of a step by which most steps of a radio link's stamps differ from it."""
_FEWEST_STAMPS = 15
"""Where several rows share a stamp, it must change so often to be one."""
_PIECE = 4096  # rows of which only the ends are kept


def grid(times: Times) -> tuple[float, float]:
    """Return the step between most of the times, and how far rounding may change a step.

    Whole milliseconds at 512 Hz have steps of 2 and 1; the step is 1.953, and rounding changes it by up to 1. Where
    most steps are exactly equal and a few are longer, without regularity, samples are missing and nothing is rounded.

    Args:
        times: two or more, finite, in order.
    """
    steps = np.diff(times)
    middle = float(np.median(steps))
    rounding = _resolution(times)
    noise = 1e-6 * abs(middle) + 8 * float(np.spacing(np.abs(times).max()))
    others = np.flatnonzero(np.abs(steps - middle) > noise)
    if 2 * len(others) < len(steps) and (steps[others] > middle).all():
        regular = len(others) >= 4 and np.ptp(np.diff(others)) <= 2
        if not regular:
            return (middle, 0.0) if len(others) else (float(steps.mean()), 0.0)
    near = steps[np.abs(steps - middle) <= max(rounding * 1.001, 0.499 * abs(middle))]
    return (float(near.mean()) if len(near) else 0.0), rounding


def packets(times: Times) -> tuple[float, float]:
    """Return the step from row to row of times that all rows of a packet share, and the time from packet to packet.

    Both are 0 where times fall, where a packet is missing, or where there are too few.
    """
    steps = np.diff(times)
    begins = np.flatnonzero(steps > 0) + 1
    if len(begins) < _FEWEST_STAMPS or (steps < 0).any():
        return 0.0, 0.0
    apart = np.diff(times[begins])
    if apart.max() > 1.5 * float(np.median(apart)) or np.diff(begins).max() > 1.5 * np.median(
        np.diff(begins)
    ):
        return 0.0, 0.0
    return float(apart.sum() / (begins[-1] - begins[0])), float(apart.max())


def _resolution(times: Times) -> float:
    """Return the step in which times are written: 0.001 where all are whole thousandths, 0 where none is seen."""
    some = times[:: max(1, len(times) // 4096)]
    for digits in range(10):
        scaled = some * 10.0**digits
        if np.abs(scaled - np.rint(scaled)).max() <= 1e-6 + 4 * np.spacing(np.abs(scaled).max()):
            return 10.0**-digits
    return 0.0


def uneven_steps(steps: Times, step: float, rounding: float) -> NDArray[np.bool_]:
    """Return which steps differ from the typical one by half of it or more, and by more than rounding explains."""
    return ~(np.abs(steps - step) <= max(rounding * 1.001, 0.499 * step) + 1e-12)


def is_even(times: Times) -> bool:
    """Return whether times rise in equal steps, but for rounding and a few of another size."""
    if len(times) < 2 or not np.isfinite(times).all():
        return False
    step, rounding = grid(times)
    if step <= 0:
        return False
    steps = np.diff(times)
    if rounding > step and ((steps < 0).any() or np.count_nonzero(steps) < _FEWEST_STAMPS):
        return False  # a slow signal in coarse steps, or classes: stamps that several rows share never fall
    uneven = uneven_steps(steps, step, rounding)
    rises = times[-1] - times[0] > 0.5 * step * len(steps)  # a counter that begins again does not
    return bool(uneven.mean() <= _MOST_GAPS and rises)


def simplest_rate(counts: Times, times: Times, rounding: float = 0.0) -> float:
    """Return the roundest rate in Hz whose samples fall on these times, in seconds, as well as any rate's do.

    Args:
        counts: number of each sample, from 0.
        times: of these samples, in seconds.
        rounding: by how much times may be off because they are rounded, in seconds.
    """
    origin = times[0]
    raw = float(counts[-1] - counts[0]) / float(times[-1] - origin)
    counts = counts - counts[0]
    off = float(np.abs(times - origin - counts / raw).max())
    if float(times[-1] - origin) < 500 * rounding:
        rounding = 0.0  # too short to tell 400 Hz from 375 Hz
    allowed = max(2 * off, rounding) + 4 * np.spacing(np.abs(times).max())
    tried = [(round(raw, digits), allowed) for digits in range(-3 if rounding else 0, 13)]
    tried += [(rate, 0.0) for rate in (raw, float(np.nextafter(raw, 0)), float(np.nextafter(raw, np.inf)))]
    for rate, most in tried:
        if rate > 0 and np.abs(times - origin - counts / rate).max() <= most:
            return float(rate)
    return raw


@dataclass(frozen=True)
class _Piece:
    """A run of samples without a gap."""

    row: int
    """Row of its first sample."""
    count: int
    """Number of its first sample, missing ones counted."""
    n: int
    first: float
    last: float
    """Times of its ends, in seconds."""
    off: float
    """Largest distance, in seconds, of its times from the line between its ends."""


class TimeAxis:
    """The times of a file, given block by block; only the ends of regular runs are kept."""

    def __init__(self, path: Path | str, scale: float, *, day: bool = False, with_gaps: bool = True) -> None:
        """Begin.

        Args:
            path: The file, or what else the times come from, for errors.
            scale: What times are multiplied by to be seconds.
            day: Whether they are times of day, which begin again at midnight.
            with_gaps: Whether missing samples are allowed.
        """
        self.path, self.scale, self.day, self.with_gaps = path, scale, day, with_gaps
        self.n_rows = self.n_missing = 0
        self.step = self.rounding = 0.0
        self.jitters = False
        """Whether single steps tell nothing, as those of packets of a radio link."""
        self.gaps: list[tuple[int, int, float]] = []
        """Row after each gap, how many samples are missing, and time before it in seconds from the first."""
        self._pieces: list[_Piece] = []
        self.remarks: list[str] = []
        """What the user should know of the times, a sentence each."""
        self._distance = ""
        self._sums = np.zeros(5)
        """Of a line through the times: rows, sum of counts, of times, of squares of counts, of products."""
        self.uncertainty = 0.0
        """By how much the rate may be wrong, as a share of it."""
        self._last = 0.0
        self._first: float | None = None

    @np.errstate(all="ignore")  # files hold any number
    def add(self, times: Times) -> None:
        """Take the times of the next rows.

        Raises:
            FormatError: one is missing, or they are not uniform.
        """
        if not np.isfinite(times).all():
            row = self.n_rows + int((~np.isfinite(times)).argmax()) + 1
            raise FormatError(
                f"the time in row {row} of {self.path} is missing",
                hint="fill it in, or remove the column and give fs",
            )
        seconds = times * self.scale
        if self.day:
            before = self._last if self.n_rows else seconds[0]
            falls = np.diff(seconds, prepend=before % 86400) < -43200
            seconds = seconds + 86400 * (np.cumsum(falls) + before // 86400)
        if self._first is None:
            self._first = float(seconds[0])
            if len(seconds) > 1:
                self.step, self.rounding = (
                    grid(seconds) if self.day else (each * self.scale for each in grid(times))
                )
            if self.step == 0 and len(seconds) >= _JITTER_ROWS and self.with_gaps:
                self.step, self.rounding = packets(seconds)
            self.jitters = self.with_gaps and self._seems_to_jitter(seconds)
            if len(seconds) > 1 and not (self.step > 0 and np.isfinite(self.step)):
                self._refuse_order()
        self._take(seconds)

    def _seems_to_jitter(self, seconds: Times) -> bool:
        """Return whether times never fall and keep near a line, though their steps are uneven."""
        steps = np.diff(seconds)
        if len(seconds) < _JITTER_ROWS or (steps < 0).any() or not seconds[-1] > seconds[0]:
            return False
        if self.rounding > 2 * self.step > 0:
            return True  # many rows have one stamp
        uneven = uneven_steps(steps, self.step, self.rounding) if self.step > 0 else np.ones(len(steps), bool)
        if uneven.mean() <= _MOST_GAPS:
            noise = float(np.median(np.abs(steps - self.step)))
            # exact times of which one is doubled are no jitter
            if not (steps[uneven] < self.step).any() or noise <= max(self.rounding, _NOISE * self.step):
                return False
        step = float(seconds[-1] - seconds[0]) / (len(seconds) - 1)
        off = np.abs(seconds - seconds[0] - step * np.arange(len(seconds))).max()
        if off > 2 * max(_JITTER_STEPS * step, _JITTER_S) or step * _JITTER_RATE > 1:
            return False
        self.step = step
        return True

    def _refuse_order(self) -> None:
        if self.step < 0:
            raise FormatError(
                f"the times of {self.path} are not uniform: they fall", hint="sort the rows by time"
            )
        raise FormatError(
            f"the times of {self.path} are not uniform: most rows have the time of the row before",
            hint="remove the column and give fs, the rate in Hz",
        )

    def _take(self, seconds: Times) -> None:
        known = np.concatenate([[self._last], seconds]) if self.n_rows else seconds
        steps = np.diff(known)
        if self.jitters:
            falls = np.flatnonzero(steps < 0)
            if len(falls):
                at = int(falls[0])
                self._refuse(max(self.n_rows - 1, 0) + at + 1, known[at], known[at + 1])
            # rows of one stamp lie after it: only those where the stamp changes fall on the line
            rows = max(self.n_rows - 1, 0) + 1 + np.flatnonzero(steps > 0)
            count, since = rows.astype(np.float64), known[1:][steps > 0] - (self._first or 0.0)
            self._sums += len(count), count.sum(), since.sum(), (count * count).sum(), (count * since).sum()
            self._keep(seconds, np.zeros(len(seconds), np.int64))
            return
        uneven = np.flatnonzero(uneven_steps(steps, self.step, self.rounding))
        first_row = self.n_rows - 1 if self.n_rows else 0
        for at in uneven[:1]:
            if steps[at] < self.step or not self.with_gaps:
                self._refuse(first_row + int(at) + 1, known[at], known[at + 1])
        short = uneven[steps[uneven] < self.step]
        if len(short):
            at = int(short[0])
            self._refuse(first_row + at + 1, known[at], known[at + 1])
        lost = np.zeros(len(steps), np.int64)
        if len(uneven):
            sizes = np.rint(steps[uneven] / self.step) - 1
            if float(sizes.sum()) + self.n_missing > self.n_rows + len(seconds) + 16:
                at = int(uneven[int(np.argmax(sizes))])
                self._refuse(first_row + at + 1, known[at], known[at + 1])
            lost[uneven] = sizes.astype(np.int64)
            for at in uneven.tolist():
                before = float(known[at]) - (self._first or 0.0)
                self.gaps.append((first_row + at + 1, int(lost[at]), before))
            self.n_missing += int(lost.sum())
            n_steps = self.n_rows + len(seconds) - 1
            if len(self.gaps) > _MOST_GAPS * n_steps:
                at = int(uneven[0])
                self._refuse(first_row + at + 1, known[at], known[at + 1])
        self._keep(seconds, lost if self.n_rows else np.concatenate([[0], lost]))

    def _keep(self, seconds: Times, lost: NDArray[np.int64]) -> None:
        """Store the ends of the runs of these rows."""
        size = max(16, min(_PIECE, len(seconds) // 8))
        starts = sorted({*range(0, len(seconds), size), *np.flatnonzero(lost).tolist()})
        count = self._pieces[-1].count + self._pieces[-1].n if self._pieces else 0
        for begin, end in zip(starts, [*starts[1:], len(seconds)], strict=True):
            count += int(lost[begin])
            n = end - begin
            line = np.linspace(seconds[begin], seconds[end - 1], n)
            off = float(np.abs(seconds[begin:end] - line).max())
            ends = float(seconds[begin]), float(seconds[end - 1])
            self._pieces.append(_Piece(self.n_rows + begin, count, n, *ends, off))
            count += n
        self._last = float(seconds[-1])
        self.n_rows += len(seconds)

    def _refuse(self, row: int, before: float, after: float) -> None:
        """Raise the error of a step that does not fit."""
        before, after, step = (value / self.scale for value in (before, after, self.step))
        raise FormatError(
            f"the times of {self.path} are not uniform: {before:.10g}, then {after:.10g} in row {row + 1}, "
            f"where steps are mostly {step:.6g}",
            hint="resample to a uniform time column, or remove it and give fs, the rate in Hz",
        )

    @np.errstate(all="ignore")
    def rate(self) -> float | None:
        """Return the rate in Hz; None for a single sample.

        Raises:
            FormatError: the rate changes within the file.
        """
        if self.n_rows < 2:
            return None
        pieces = self._pieces
        counts = np.array([c for p in pieces for c in (p.count, p.count + p.n - 1)], np.float64)
        times = np.array([t for p in pieces for t in (p.first, p.last)], np.float64)
        if not self.jitters:
            self._check_change()
        if self.jitters:
            rate, origin = self._fitted_rate()
        else:
            rate, origin = simplest_rate(counts, times, self.rounding), 0.0
        off = float(np.abs(times - times[0] - origin - (counts - counts[0]) / rate).max())
        off = max(off, *(piece.off for piece in pieces))
        self.uncertainty = 2 * max(off, self.rounding) / float(times[-1] - times[0])
        if self.jitters and off > max(_JITTER_STEPS / rate, _JITTER_S, 1.1 * self.rounding):
            raise FormatError(
                f"the times of {self.path} are not uniform: they lie up to {off:.3g} s from those of a steady rate",
                hint="resample to a uniform time column, or remove it and give fs, the rate in Hz",
            )
        explained = 0.0 if self.jitters else self.rounding
        if off > 1.5 * max(explained, 0.5 / rate) and not self.gaps:
            self._distance = f"the times lie up to {off:.3g} s from those of a steady {rate:.6g} Hz"
        return rate

    def _fitted_rate(self) -> tuple[float, float]:
        """Return the rate in Hz of the line through all times, a round one where it is as good, and its origin."""
        n, k, t, kk, kt = self._sums.tolist()
        if n < 3:
            self._refuse_order()
        step = (n * kt - k * t) / (n * kk - k * k)
        origin = (t - step * k) / n
        duration = step * self.n_rows
        near = next(
            (
                round(1 / step, d)
                for d in range(4)
                if abs(round(1 / step, d) * step - 1) * duration < 0.5 * step
            ),
            1 / step,
        )
        return float(near), float(origin)

    def _check_change(self) -> None:
        long = [piece for piece in self._pieces if piece.n >= 16]
        if len(long) < 2:
            return
        spans = np.array([piece.last - piece.first for piece in long])
        steps = spans / np.array([piece.n - 1 for piece in long])
        step = float(np.median(steps))
        allowed = _SAME_RATE * step + step * 2 * self.rounding / spans
        changed = np.flatnonzero(np.abs(steps - steps[0]) > allowed + allowed[0])
        if changed.size:
            at = int(changed[0])
            after = steps[changed[1] if changed.size > 1 else at]  # the change may lie within the first piece
            raise FormatError(
                f"the times of {self.path} are not uniform: the rate changes from {1 / steps[0]:.4g} Hz "
                f"to {1 / after:.4g} Hz near row {long[at].row + 1}",
                hint="split the file where the rate changes, or resample it to one rate",
            )

    def place(self, signal: NDArray[np.float32], row: int = 0) -> NDArray[np.float32]:
        """Return samples (channels, rows) with NaN where samples are missing.

        Args:
            signal: of consecutive rows.
            row: the first of them.
        """
        gaps = [(at - row, lost) for at, lost, _ in self.gaps if 0 <= at - row < signal.shape[1]]
        if not gaps:
            return signal
        full = np.full((len(signal), signal.shape[1] + sum(lost for _, lost in gaps)), np.nan, np.float32)
        begin = shift = 0
        for end, lost in [*gaps, (signal.shape[1], 0)]:
            full[:, begin + shift : end + shift] = signal[:, begin:end]
            begin, shift = end, shift + lost
        return full

    def notices(self) -> list[str]:
        """Return what the user should know: missing samples, and times that are not exactly uniform."""
        notices = [*self.remarks, *([self._distance] if self._distance else [])]
        if self.gaps:
            listed = ", ".join(f"{lost} after {before:.6g} s" for _, lost, before in self.gaps[:3])
            more = f" and in {len(self.gaps) - 3} more places" if len(self.gaps) > 3 else ""
            plural = "s" * (self.n_missing > 1)
            notices.append(f"{self.n_missing} sample{plural} missing by the times ({listed}{more}), now NaN")
        return notices
