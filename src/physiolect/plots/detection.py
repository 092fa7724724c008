"""What was found in a signal: beats with how sure each is, and how likely atrial fibrillation is over time."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.plots.style import (
    AMBER,
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    QUIET,
    TEXT,
    dress,
    lay_paper,
    new_figure,
)
from physiolect.recording import StartTime, clock_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 20.0
"""Seconds of signal in a row: single beats and their shape can be seen."""
_LONGER_ROW = 0.25
"""Rows of a short signal may be longer by this share, in place of one more row."""
_MOST_ROWS = 6
"""A longer recording is shown in part."""
_MARKS = {"high": (GREEN, "o"), "medium": (AMBER, "D"), "low": (ORANGE, "X")}
"""Colour and shape of a beat by confidence: either alone tells them apart."""
_MOST_DOTS, _COLUMNS = 1500, 300
"""More beats than these would hide one another: then there are columns, each of many."""
_AF = 0.5

ROW_TITLES = ("first", "around the beat that is least sure", "last")

Span = tuple[float, float]


def beats_figure(
    signal: ArrayLike,
    *,
    fs: float,
    samples: ArrayLike,
    categories: Sequence[str],
    trace: ArrayLike,
    trace_fs: float,
    unjudged: Sequence[Span] = (),
    start: float = 0.0,
    unit: str | None = None,
    title: str = "",
    clock: StartTime | None = None,
) -> Figure:
    """Draw a signal with its beats, coloured by confidence, and above it the rate from beat to beat.

    Two minutes are drawn whole, row under row; of more there are the first and the last 20 s, and those around the
    beat that is least sure.

    Args:
        signal: (T,) in `unit`, at `fs`.
        fs: its rate in Hz.
        samples: of the beats, (n,).
        categories: "high", "medium" or "low" for each beat.
        trace: how much each moment looks like a beat, (m,) from 0 to 1.
        trace_fs: rate of the trace in Hz.
        unjudged: stretches without a judgement, in seconds from the signal's beginning.
        start: where the signal begins in the recording, in seconds.
        unit: of the signal, or None where unknown.
        title: above the figure.
        clock: when the signal begins; the axes then show times of day.
    """
    values, beats, likely = np.asarray(signal), np.asarray(samples, np.int64), np.asarray(trace)
    names = np.array(categories, dtype=object)
    least = (
        float(beats[np.argmin(likely[_places(beats, fs, trace_fs, len(likely))])] / fs) if len(beats) else 0.0
    )
    rows = _rows(len(values) / fs, least)
    has_rate = len(beats) > 2
    figure = new_figure(0.75 + 1.15 * len(rows) + 1.35 * has_rate)
    axes = figure.subplots(len(rows) + has_rate, 1, squeeze=False)[:, 0]
    if has_rate:
        _draw_rate(axes[0], beats / fs, names, unjudged, start, len(values) / fs)
    titles = ROW_TITLES if len(values) / fs > _ROW * _MOST_ROWS else ("",) * len(rows)
    for row, (first, last), what in zip(axes[has_rate:], rows, titles, strict=True):
        draw_row(row, values, fs, (first, last), start, unit)
        row.set_title(what, fontsize=TEXT, color=QUIET, loc="left", pad=3)
        shade_spans(row, unjudged, start)
        _draw_trace(row, likely, trace_fs, (first, last), start)
        here = (beats >= first * fs) & (beats < last * fs)
        for name, (colour, marker) in _MARKS.items():
            at = beats[here & (names == name)]
            row.plot(start + at / fs, values[at], marker, color=colour, markersize=4, markeredgewidth=0)
        row.set_ylabel(unit or "unit\nunknown", fontsize=TEXT, color=INK)
    axes[-1].set_xlabel("seconds", fontsize=TEXT, color=INK)
    show_clock(list(axes), len(values) / fs, start, clock, n_overviews=int(has_rate))
    figure.align_ylabels(axes)
    _beat_legend(axes[0], names, bool(unjudged))
    draw_head(figure, title if len(beats) else f"{title} · no beats")
    return figure


def rhythm_figure(
    signal: ArrayLike,
    *,
    fs: float,
    begin: ArrayLike,
    end: ArrayLike,
    probability: ArrayLike,
    rhythm: str = "AFIB",
    start: float = 0.0,
    unit: str | None = None,
    title: str = "",
    clock: StartTime | None = None,
) -> Figure:
    """Draw the probability of a rhythm over time, and the signal.

    A minute is drawn whole; of more there are the windows of the highest and the lowest probability, and the one
    nearest to a half.

    Args:
        signal: (T,) in `unit`, at `fs`.
        fs: its rate in Hz.
        begin: of each window, in seconds from the signal's beginning, (windows,).
        end: of each window likewise.
        probability: of each window; NaN where it was not judged.
        rhythm: its name.
        start: where the signal begins in the recording, in seconds.
        unit: of the signal, or None where unknown.
        title: above the figure.
        clock: when the signal begins; the axes then show times of day.
    """
    values, likely = np.asarray(signal), np.asarray(probability, float)
    begins, ends = np.asarray(begin, float), np.asarray(end, float)
    shown = _shown_windows(likely) if len(values) / fs > 60 else {}
    rows = [(begins[i], ends[i]) for i in shown] or _rows(len(values) / fs)
    figure = new_figure(2.3 + 1.15 * len(rows))
    axes = figure.subplots(len(rows) + 1, 1, squeeze=False)[:, 0]
    _draw_probability(axes[0], begins, ends, likely, start, len(values) / fs, rhythm)
    for row, (first, last) in zip(axes[1:], rows, strict=True):
        draw_row(row, values, fs, (first, last), start, unit)
        row.set_ylabel(unit or "unit\nunknown", fontsize=TEXT, color=INK)
    for row, (window, word) in zip(axes[1:], shown.items(), strict=False):
        at = likely[window]
        row.set_title(f"{word}: {at:.2f}", fontsize=TEXT, color=_colour(at), loc="left", pad=3)
    axes[-1].set_xlabel("seconds", fontsize=TEXT, color=INK)
    show_clock(list(axes), len(values) / fs, start, clock, n_overviews=1)
    figure.align_ylabels(axes)
    draw_head(figure, title)
    return figure


def lay_rows(seconds: float, at: float) -> tuple[list[Span], bool]:
    """Return the stretches to draw, one of a long signal around `at`, and whether they are all of it."""
    return _rows(seconds, at), seconds <= _ROW * _MOST_ROWS


def _rows(seconds: float, at: float = 0.0) -> list[Span]:
    """Return the stretches to draw, in seconds from the beginning; of a long signal one lies around `at`.

    A signal that is drawn whole is cut into equal rows, so that none is empty.
    """
    if seconds <= _ROW * _MOST_ROWS:
        n = max(1, ceil(seconds / _ROW - _LONGER_ROW))
        return [(seconds * i / n, seconds * (i + 1) / n) for i in range(n)]
    around = min(max(0.0, round(at - _ROW / 2)), seconds - _ROW)
    return [(0.0, _ROW), (around, around + _ROW), (seconds - _ROW, seconds)]


def _places(samples: NDArray[np.int64], fs: float, trace_fs: float, n: int) -> NDArray[np.int64]:
    """Return where beats lie in the trace, in samples of it."""
    return np.minimum(np.round(samples / fs * trace_fs).astype(np.int64), n - 1)


def _shown_windows(likely: NDArray[np.float64]) -> dict[int, str]:
    """Return the windows to draw, each with what it is: highest, nearest to a half, lowest; or more than one of these.

    There are none where nothing was judged.
    """
    if np.isnan(likely).all():
        return {}
    found: dict[int, str] = {}
    for word, window in (
        ("highest", np.nanargmax(likely)),
        ("nearest to a half", np.nanargmin(np.abs(likely - _AF))),
        ("lowest", np.nanargmin(likely)),
    ):
        found[int(window)] = f"{found[int(window)]}, {word}" if int(window) in found else word
    return found


def draw_row(
    axes: Axes, values: NDArray[np.floating], fs: float, span: Span, start: float, unit: str | None
) -> None:
    """Draw a stretch of a signal, in seconds, on ECG paper where it is in mV."""
    first, last = round(span[0] * fs), min(round(span[1] * fs), len(values))
    axes.plot(start + np.arange(first, last) / fs, values[first:last], color=INK, linewidth=0.7)
    dress(axes, grid=None if unit == "mV" else "x")
    axes.set_xlim(start + span[0], start + span[1])
    axes.locator_params(axis="x", steps=[1, 2, 5, 10])
    axes.locator_params(axis="y", nbins=4)
    axes.margins(y=0.12)
    if unit == "mV":
        lay_paper(axes)


def _draw_trace(axes: Axes, trace: NDArray[np.floating], fs: float, span: Span, start: float) -> None:
    """Fill the lowest third of the row with the trace, from 0 to 1."""
    first, last = round(span[0] * fs), min(round(span[1] * fs), len(trace))
    low, high = axes.get_ylim()
    below = low - (high - low) / 2
    part = np.nan_to_num(trace[first:last].astype(float))
    axes.fill_between(
        start + np.arange(first, last) / fs, below, below + part * (low - below) * 0.92,
        color=BLUE, alpha=0.45, linewidth=0,
    )  # fmt: skip
    axes.set_yticks([tick for tick in axes.get_yticks() if low <= tick <= high])
    axes.set_ylim(below, high)


def _draw_rate(
    axes: Axes,
    times: NDArray[np.float64],
    names: NDArray[np.object_],
    unjudged: Sequence[Span],
    start: float,
    seconds: float,
) -> None:
    """Draw 60 / interval at each beat but the first, in the colour of that beat's confidence."""
    unit, word = time_unit(seconds)
    crosses = np.searchsorted([a for a, _ in unjudged], times[1:]) > np.searchsorted(
        [a for a, _ in unjudged], times[:-1]
    )
    rate = np.where(crosses, np.nan, 60 / np.diff(times))
    at = (start + times[1:]) / unit
    if len(rate) > _MOST_DOTS:
        _draw_rate_in_columns(axes, at, rate, names[1:])
    else:
        size = 3.2 if len(rate) < 500 else 1.6
        for name, (colour, marker) in _MARKS.items():
            here = names[1:] == name
            axes.plot(at[here], rate[here], marker, color=colour, markersize=size, markeredgewidth=0)
    dress(axes, x=word, y="beats\na minute", grid="y")
    shade_spans(axes, [(a / unit, b / unit) for a, b in unjudged], start / unit)
    axes.set_xlim(start / unit, (start + seconds) / unit)
    axes.locator_params(axis="y", nbins=4)
    if not np.isnan(rate).all():
        low, high = np.nanpercentile(rate, [1, 99])  # a missed beat must not flatten all others
        room = max(5.0, 0.25 * (high - low))
        axes.set_ylim(max(0.0, low - room), high + room)


def _draw_rate_in_columns(
    axes: Axes, at: NDArray[np.float64], rate: NDArray[np.float64], names: NDArray[np.object_]
) -> None:
    """Draw, column by column, the median rate and where four fifths lie, in the colour of the commonest confidence."""
    edges = np.linspace(at[0], at[-1], _COLUMNS + 1)
    column = np.clip(np.searchsorted(edges, at, side="right") - 1, 0, _COLUMNS - 1)
    medians = np.full(_COLUMNS, np.nan)
    for k in np.unique(column[~np.isnan(rate)]):
        here = column == k
        low, medians[k], high = np.nanpercentile(rate[here], [10, 50, 90])
        commonest = max(_MARKS, key=lambda name: int((names[here] == name).sum()))
        axes.fill_between(edges[k : k + 2], low, high, color=_MARKS[commonest][0], alpha=0.55, linewidth=0)
    axes.plot((edges[1:] + edges[:-1]) / 2, medians, color=INK, linewidth=0.8)


def _draw_probability(
    axes: Axes,
    begins: NDArray[np.float64],
    ends: NDArray[np.float64],
    likely: NDArray[np.float64],
    start: float,
    seconds: float,
    rhythm: str,
) -> None:
    from matplotlib.collections import LineCollection

    short, long = ("AF", "atrial fibrillation") if rhythm in ("AFIB", "AF") else (rhythm, rhythm)

    unit, word = time_unit(seconds)
    left, right = (start + begins) / unit, (start + ends) / unit
    judged = ~np.isnan(likely)
    bars = np.stack([np.column_stack([left, likely]), np.column_stack([right, likely])], 1)[
        judged
    ]  # (W, 2, 2)
    axes.add_collection(
        LineCollection(
            list(bars), colors=[_colour(each) for each in likely[judged]], linewidths=2.2, capstyle="round"
        )
    )
    axes.axhline(_AF, color=QUIET, linewidth=0.7, linestyle=(0, (2, 2)))
    shade_spans(axes, list(zip(left[~judged].tolist(), right[~judged].tolist(), strict=True)), 0.0)
    dress(axes, x=word, y=f"probability\nof {short}")
    axes.set_xlim(start / unit, (start + seconds) / unit)
    axes.set_ylim(-0.05, 1.05)
    axes.set_yticks([0, 0.5, 1])
    keys = {long: ORANGE, "other": BLUE} | ({"not judged": FAINT} if (~judged).any() else {})
    for label, colour in keys.items():
        axes.plot([], [], color=colour, linewidth=2.2 if colour != FAINT else 6, label=label)
    _legend(axes)


def _beat_legend(axes: Axes, names: NDArray[np.object_], has_unjudged: bool) -> None:
    for name, (colour, marker) in _MARKS.items():
        count = int((names == name).sum())
        axes.plot([], [], marker, color=colour, markersize=4, markeredgewidth=0, label=f"{name} ({count:,})")
    axes.plot([], [], color=BLUE, alpha=0.45, linewidth=5, label="trace, 0 to 1")
    if has_unjudged:
        axes.plot([], [], color=FAINT, linewidth=6, label="not judged")
    _legend(axes)


def shade_spans(axes: Axes, spans: Sequence[Span], start: float) -> None:
    """Shade what was not judged."""
    for first, last in spans:
        axes.axvspan(start + first, start + last, color=FAINT, linewidth=0, zorder=0)


def _colour(probability: float) -> str:
    return ORANGE if probability >= _AF else BLUE


def time_unit(seconds: float) -> tuple[float, str]:
    """Return how many seconds the axis counts by, and its word."""
    if seconds > 3 * 3600:
        return 3600.0, "hours"
    return (60.0, "minutes") if seconds > 300 else (1.0, "seconds")


def show_clock(
    axes: Sequence[Axes], seconds: float, start: float, clock: StartTime | None, *, n_overviews: int
) -> None:
    """Label the axes with times of day, where it is known when the signal begins.

    Args:
        axes: overviews in the unit of a signal of that length, then rows in seconds.
        seconds: length of the signal.
        start: where it begins in the recording, in seconds.
        clock: when it begins, or None.
        n_overviews: how many of the axes are overviews.
    """
    if clock is None:
        return
    known = clock
    for number, each in enumerate(axes):
        unit = time_unit(seconds)[0] if number < n_overviews else 1.0
        digits = 5 if unit == 3600 else 8

        def label(value: float, _: object, unit: float = unit, digits: int = digits) -> str:
            rounded = 30 if digits == 5 else 1e-6
            return clock_time(known, value * unit - start + rounded)[:digits]

        each.xaxis.set_major_formatter(label)
        if each.get_xlabel():
            each.set_xlabel("time of day", fontsize=TEXT, color=INK)


def _legend(axes: Axes) -> None:
    axes.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=6, frameon=False, fontsize=TEXT - 0.5,
        labelcolor=INK, handlelength=1.2, columnspacing=1.3, borderaxespad=0.2,
    )  # fmt: skip


def draw_head(figure: Figure, title: str) -> None:
    """Write the title above a figure."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=TEXT + 1.5, color=INK, fontweight="bold")
