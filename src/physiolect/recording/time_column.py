"""The sampling rate out of a column of times, and its agreement with a rate that was given."""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError

_TIME = re.compile(r"(elapsed[ _]?)?(time|timestamp|t)?[ _]*(s|secs?|seconds?|ms|msecs?|milliseconds?|us)?")
_SECONDS = {
    "": 1.0,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "ms": 1e-3,
    "msec": 1e-3,
    "millisecond": 1e-3,
    "us": 1e-6,
}
_COUNTERS = {"", "index", "sample", "samples", "sample #", "sample number"}


def time_unit(name: str) -> str | None:
    """Return the unit in the name of a column of times ("time_ms": "ms"), "" without one; None for another column."""
    match = _TIME.fullmatch(name.lower())
    return (match[3] or "") if match and name else None


def is_counter(name: str, column: NDArray[np.float64]) -> bool:
    """Return whether a column only counts the samples."""
    counts = np.arange(len(column))
    return name.lower() in _COUNTERS and len(column) > 1 and bool(np.array_equal(column - column[0], counts))


def agreed_rate(given: float | None, stated: float | None, source: str) -> float:
    """Return the sampling rate in Hz out of what a source states and what the user gave.

    Raises:
        FormatError: there is no rate, the two differ, or the rate is not above 0.
    """
    if given is None and stated is None:
        raise FormatError(
            f"{source} states no sampling rate and fs is not given", hint="give fs, the rate in Hz (--fs 500)"
        )
    if given is not None and stated is not None and not math.isclose(given, stated, rel_tol=1e-9):
        raise FormatError(
            f"{source} states {stated:g} Hz, but fs={given:g} was given",
            hint="leave fs out to read the file at its own rate",
        )
    rate = float(given if stated is None else stated)  # type: ignore[arg-type]
    if not (math.isfinite(rate) and rate > 0):
        raise FormatError(
            f"the sampling rate of {source} is {rate:g} Hz, but it must be above 0",
            hint="give fs in Hz" if stated is None else "the header is damaged: fetch the file again",
        )
    return rate


def rate_of_times(times: NDArray[np.float64], unit: str, source: str, given: float | None) -> float | None:
    """Return the rate in Hz of a column of times; None for a single sample.

    Args:
        times: Moments of the samples.
        unit: Their unit: "s", "ms" …; "" where none is written.
        source: Where they come from, for messages.
        given: The rate that the user gave.

    Raises:
        FormatError: the times are not uniform, or their unit is unknown.
    """
    scale = _SECONDS.get(unit.lower().rstrip("s") if len(unit) > 2 else unit.lower())
    if scale is None:
        raise FormatError(f"the time column of {source} is in '{unit}'", hint="give it in s or ms")
    if len(times) < 2:
        return None
    if np.isnan(times).any():
        row = int(np.isnan(times).argmax()) + 1
        raise FormatError(
            f"the time in row {row} of {source} is missing",
            hint="fill it in, or remove the column and give fs",
        )
    steps = np.diff(times)
    step = float(np.median(steps))
    if step < 0:
        raise FormatError(f"the times of {source} are not uniform: they fall", hint="sort the rows by time")
    # Rounded times may be off by less than half a step; a sample lost or doubled is off by a whole one.
    uneven = np.flatnonzero(~(np.abs(steps - step) < 0.5 * step))
    if uneven.size or not np.isfinite(step):
        where = int(uneven[0]) + 1 if uneven.size else 0
        raise FormatError(
            f"the times of {source} are not uniform: {times[where - 1]:g}, then {times[where]:g} in row {where + 1}, "
            f"where steps are mostly {step:g}",
            hint="resample to a uniform time column, or remove it and give fs, the rate in Hz",
        )
    rate = _simplest_rate(times * scale)
    if not unit and rate <= 2 and given is None:
        raise FormatError(
            f"the times of {source} have no unit, and read as seconds they mean {rate:g} Hz",
            hint="name the column 'time (ms)' or 'time (s)'",
        )
    return rate


def _simplest_rate(times: NDArray[np.float64]) -> float:
    """Return the roundest rate in Hz whose samples fall on these times, in seconds, as well as any rate's do."""
    counts, origin = np.arange(len(times)), times[0]
    raw = (len(times) - 1) / float(times[-1] - origin)
    off = float(np.abs(times - origin - counts / raw).max())
    allowed = 2 * off + 4 * np.spacing(np.abs(times).max())
    tried = [(round(raw, digits), allowed) for digits in range(13)]
    tried += [(rate, 0.0) for rate in (raw, float(np.nextafter(raw, 0)), float(np.nextafter(raw, np.inf)))]
    for rate, most in tried:
        if rate > 0 and np.abs(times - origin - counts / rate).max() <= most:
            return float(rate)
    return raw
