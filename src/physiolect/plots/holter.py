"""A day of heartbeats at a glance: rate, rhythm, ectopic beats and pauses over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.plots.style import AMBER, BLUE, GREEN, INK, ORANGE, QUIET, SERIES, TEXT, dress, new_figure
from physiolect.recording import StartTime, clock_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS = 480
"""Columns in which least, mean and greatest rate are drawn."""
_COLUMNS, _TICKS = 240, 300
"""Of so many columns each has its number of ectopic beats, where these are more than so many."""
_HOURS = 3.0
"""From so many hours on the time is counted in hours, else in minutes."""
_CLOCK_STEPS = (60, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
"""Seconds between times of day below the axis."""
_COLOURS = {"V": ORANGE, "S": GREEN}


def holter_figure(
    moments: ArrayLike,
    rates: ArrayLike,
    *,
    edges: ArrayLike,
    likely: ArrayLike,
    rhythm: str,
    ectopic: Mapping[str, ArrayLike],
    pauses: Sequence[float],
    start: float = 0.0,
    title: str = "",
    clock: StartTime | None = None,
) -> Figure:
    """Draw the rate over time, and below it when the rhythm, ectopic beats and pauses come.

    Args:
        moments: (m,) in seconds of the recording.
        rates: (m,) beats a minute.
        edges: (k + 1,) of steps of time, in seconds.
        likely: (k,) how likely the rhythm is in each step; NaN where it was not judged.
        rhythm: its name, such as "AF".
        ectopic: class -> moments of its beats.
        pauses: moments.
        start: where the recording begins in the one it was cut from, in seconds.
        title: above the figure.
        clock: when the recording began; its times of day then stand below the axis.
    """
    time, rate = np.asarray(moments, float), np.asarray(rates, float)
    bounds, share = np.asarray(edges, float), np.asarray(likely, float)
    figure = new_figure(4.6)
    upper, middle, lower = figure.subplots(3, 1, sharex=True, height_ratios=(2.6, 0.5, 1.0))
    long = bounds[-1] - bounds[0] >= _HOURS * 3600
    scale = 3600.0 if long else 60.0

    def place(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        return (seconds + start) / scale

    span = (float(place(bounds[:1])[0]), float(place(bounds[-1:])[0]))
    _draw_rate(upper, place(time), rate, span)
    shown = np.where(np.isfinite(share), np.where(share >= 0.5, 1.0, 0.0), np.nan)
    colours = np.array([BLUE, ORANGE])
    for value in (0, 1):
        spans = np.flatnonzero(shown == value)
        middle.broken_barh(
            [(place(bounds[k]), place(bounds[k + 1]) - place(bounds[k])) for k in spans], (0, 1),
            facecolors=colours[value], alpha=0.25 if value == 0 else 1.0, linewidth=0,
        )  # fmt: skip
    middle.set_ylim(0, 1)
    middle.set_yticks([0.5], [rhythm])
    rows = [*((f"{name} beats", np.asarray(at, float), _COLOURS.get(name)) for name, at in ectopic.items())]
    rows.append(("pauses", np.asarray(pauses, float), AMBER))
    for k, (_, at, colour) in enumerate(rows):
        y = len(rows) - 1 - k
        _draw_row(lower, y, place(at), colour or SERIES[k], span)
    lower.set_ylim(0, len(rows))
    lower.set_yticks([len(rows) - 0.5 - k for k in range(len(rows))], [name for name, *_ in rows])
    dress(upper, title=title, y="beats a minute", grid="y")
    dress(middle)
    dress(lower, x=_axis_name(long, clock))
    for axes in (middle, lower):
        axes.tick_params(axis="y", length=0)
    lower.set_xlim(*span)
    if clock is not None:
        _tell_clock(lower, clock, scale, start)
    figure.align_ylabels()
    return figure


def _draw_rate(
    axes: Axes, time: NDArray[np.float64], rate: NDArray[np.float64], span: tuple[float, float]
) -> None:
    """Draw the range of the rate in each column, and its mean as a line."""
    if not len(time):
        axes.text(0.5, 0.5, "no rate: too few beats in a row", ha="center", transform=axes.transAxes, fontsize=TEXT,
                  color=QUIET)  # fmt: skip
        return
    bins = np.linspace(span[0], span[1], min(_BINS, max(2, len(time) // 4)) + 1)
    which = np.clip(np.searchsorted(bins, time, side="right") - 1, 0, len(bins) - 2)
    n = np.bincount(which, minlength=len(bins) - 1)
    low, high = np.full(len(n), np.inf), np.full(len(n), -np.inf)
    np.minimum.at(low, which, rate)
    np.maximum.at(high, which, rate)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(which, rate, minlength=len(n)) / n
    low[n == 0] = high[n == 0] = np.nan
    middle = (bins[:-1] + bins[1:]) / 2
    axes.fill_between(middle, low, high, color=BLUE, alpha=0.25, linewidth=0)
    axes.plot(middle, mean, color=INK, linewidth=0.7)
    axes.set_ylim(bottom=0)


def _draw_row(axes: Axes, y: int, at: NDArray[np.float64], colour: str, span: tuple[float, float]) -> None:
    """Draw moments as ticks in a row from y to y + 1; of many, how many there are in each column, as its height."""
    if len(at) <= _TICKS:
        axes.vlines(at, y + 0.12, y + 0.88, color=colour, linewidth=0.6)
        return
    counts, bins = np.histogram(at, _COLUMNS, span)
    heights = 0.86 * counts / counts.max()
    axes.stairs(y + 0.06 + heights, bins, baseline=y + 0.06, fill=True, color=colour, linewidth=0)
    axes.text(
        1.005, y + 0.5, f"≤ {counts.max():,}", transform=axes.get_yaxis_transform(), fontsize=TEXT - 1.5,
        color=QUIET, va="center",
    )  # fmt: skip


def _axis_name(long: bool, clock: StartTime | None) -> str:
    if clock is not None:
        return "time of day"
    return "hours" if long else "minutes"


def _tell_clock(axes: Axes, clock: StartTime, scale: float, start: float) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter

    low, high = axes.get_xlim()
    midnight = (clock.hour * 60 + clock.minute) * 60 + clock.second - start  # seconds of the day at 0
    length = (high - low) * scale
    every = next((each for each in _CLOCK_STEPS if length / each <= 9), _CLOCK_STEPS[-1])
    first = np.ceil((low * scale + midnight) / every) * every - midnight
    axes.xaxis.set_major_locator(FixedLocator((np.arange(first, high * scale + 1, every) / scale).tolist()))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: clock_time(clock, x * scale - start + 30)[:5]))
