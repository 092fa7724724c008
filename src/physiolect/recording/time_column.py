"""The sampling rate out of a column of times, and its agreement with a rate that was given."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.recording.channels import split_unit
from physiolect.recording.time_axis import TimeAxis, grid
from physiolect.recording.time_words import epoch_unit, time_unit

_ROUNDED_THROUGHOUT = 0.02
"""Times that were rounded have at least this share of uneven steps; fewer are samples that were lost or doubled."""
_DAY = 86_400.0
_USUAL_RATES = (20.0, 20_000.0)
"""Rates in Hz of samples; each unit of time lies a thousandfold from the next, so that only one gives such a rate."""
_LONGEST_STEP = 60.0
"""Seconds between two times that count from 1970, at most."""
SAME_RATE = 0.01
"""Relative difference of two rates that are taken for one: a clock's error, or rounded times."""
_UNEVEN = 0.1
"""Deviation of slow steps, relative to the step, from which on no rate is behind them."""


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


def axis_of(
    values: NDArray[np.float64],
    *,
    name: str,
    unit: str | None,
    source: Path | str,
    known: float | None,
    with_gaps: bool | None = None,
) -> TimeAxis:
    """Return an axis for a column of times, without its times.

    Args:
        values: The first times.
        name: What the column is called; it may end in the unit.
        unit: The unit that is written beside its name.
        source: Where the times come from, for messages.
        known: Rate in Hz that is stated or given, which decides between units.
        with_gaps: Whether missing samples are allowed; by default where the column has a name.

    Raises:
        FormatError: the unit is unknown, or neither the rate nor the times decide which it is.
    """
    scale = time_unit(name, unit)
    if scale is None and unit and unit not in ("-", "none"):
        raise FormatError(f"the time column of {source} is in '{unit}'", hint="give it in s or ms")
    finite = values[np.isfinite(values)]
    scale = epoch_scale(finite, scale) or scale
    gaps = bool(name.strip()) if with_gaps is None else with_gaps
    if scale is not None:
        return TimeAxis(source, scale, with_gaps=gaps)
    step = grid(finite)[0] if len(finite) > 1 else 0.0
    if step > 0 and _are_days(float(finite[0]), step):
        axis = TimeAxis(source, _DAY, with_gaps=gaps)
        axis.remarks.append(f"the times are taken for days, which means {1 / (step * _DAY):.5g} Hz")
        return axis
    scale, remark = _scale_of(finite, step, known, source)
    axis = TimeAxis(source, scale, with_gaps=gaps)
    axis.remarks += [remark] if remark else []
    return axis


def epoch_scale(times: NDArray[np.float64], stated: float | None) -> float | None:
    """Return the unit, in seconds, of times that count from 1970, where that is another than the stated one; else None.

    A device's clock that counts nanoseconds from when it was switched on shows the numbers of such times too. It is
    known by its steps, and a stated unit that makes a usual rate is believed.

    Args:
        times: finite ones, in order.
        stated: The unit that is stated, in seconds; None where there is no unit.
    """
    if not len(times):
        return None
    first, step = float(times[0]), grid(times)[0] if len(times) > 1 else 0.0
    unit = epoch_unit(first)
    if unit is None or step * unit > _LONGEST_STEP:
        return None
    if stated is None:
        return unit
    usual = step > 0 and _USUAL_RATES[0] <= 1 / (step * stated) < _USUAL_RATES[1]
    return None if usual or 3e8 < first * stated < 4.2e9 else unit


def _scale_of(
    times: NDArray[np.float64], step: float, known: float | None, source: Path | str
) -> tuple[float, str]:
    """Return the unit, in seconds, of times without a stated unit, and a remark where it is a guess."""
    near = [
        unit
        for unit in (1.0, 1e-3, 1e-6, 1e-9)
        if known and abs(1 / (step * unit or 1) / known - 1) <= SAME_RATE
    ]
    if step > 0 and near:
        return near[0], ""
    if step <= 0 or 1 / step > 2:
        return 1.0, ""
    usual = [unit for unit in (1e-3, 1e-6, 1e-9) if _USUAL_RATES[0] <= 1 / (step * unit) < _USUAL_RATES[1]]
    if step > 1 and usual:
        word = {1e-3: "milliseconds", 1e-6: "microseconds", 1e-9: "nanoseconds"}[usual[0]]
        rate = 1 / (step * usual[0])
        return usual[0], f"the times have no unit: they are taken for {word}, which means {rate:.6g} Hz"
    if known is not None:
        return 1.0, ""  # the rate is refused as contradicting
    if float(np.std(np.diff(times))) > _UNEVEN * step:
        raise FormatError(
            f"the times of {source} are uneven, as those of beats or events are: it holds no signal of one rate",
            hint="give the file of the signal itself, in an E4's folder BVP.csv",
        )
    raise FormatError(
        f"the times of {source} have no unit, and read as seconds they mean {1 / step:g} Hz",
        hint="name the column 'time (ms)' or 'time (s)'",
    )


def measured_rate(axis: TimeAxis, given: float | None) -> tuple[float | None, float | None]:
    """Return the rate in Hz of times, and the rate that was given where it is another.

    A rate that differs by no more than a clock's error agrees; it is the surer one beside stamps of a radio link.

    Raises:
        FormatError: the rate changes within the times.
    """
    measured = axis.rate()
    if measured is None or given is None:
        return measured, given
    off = abs(given / measured - 1)
    if axis.jitters and off < 1e-3 + axis.uncertainty:
        return given, given
    return measured, None if off < 1e-3 else given


def rate_of_vector(times: NDArray[np.float64], name: str, source: str, known: float | None) -> float | None:
    """Return the rate in Hz of an array of times, none of which may be missing; None for a single sample.

    Args:
        times: Moments of the samples.
        name: What they are called; it may end in the unit.
        source: Where they come from, for messages.
        known: Rate in Hz that is stated or given, which decides between units.

    Raises:
        FormatError: the times are not uniform, or their unit is unknown.
    """
    plain, unit = split_unit(name)
    steps = np.diff(times)
    step = float(np.median(steps)) if len(steps) else 0.0
    strays = np.flatnonzero(np.abs(steps - step) > 0.5 * abs(step))
    if 0 < len(strays) < _ROUNDED_THROUGHOUT * len(steps):
        where = int(strays[0]) + 1
        raise FormatError(
            f"the times of {source} are not uniform: {times[where - 1]:g}, then {times[where]:g} in row {where + 1}, "
            f"where steps are mostly {step:g}",
            hint="resample to a uniform time column, or remove it and give fs, the rate in Hz",
        )
    axis = axis_of(times, name=plain, unit=unit, source=source, known=known, with_gaps=False)
    axis.add(times)
    return axis.rate()


def _are_days(first: float, step: float) -> bool:
    """Return whether times are days since 1899 or since the year 0, as Excel and MATLAB store dates."""
    since_1899_or_0 = 20_000 < first < 80_000 or 690_000 < first < 800_000
    return since_1899_or_0 and _USUAL_RATES[0] <= 1 / (step * _DAY) < _USUAL_RATES[1]
