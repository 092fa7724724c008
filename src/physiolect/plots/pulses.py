"""The pulses of a PPG: the signal with its pulses, and the rate from pulse to pulse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from physiolect.plots.detection import (
    ROW_TITLES,
    Span,
    draw_head,
    draw_row,
    lay_rows,
    shade_spans,
    show_clock,
    time_unit,
)
from physiolect.plots.style import BLUE, INK, ORANGE, QUIET, TEXT, dress, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from physiolect.recording import StartTime

_FEW = 500
"""Dots of more pulses are smaller."""


def pulses_figure(
    signal: ArrayLike,
    *,
    fs: float,
    times: ArrayLike,
    breaks: Sequence[float] = (),
    unjudged: Sequence[Span] = (),
    start: float = 0.0,
    unit: str | None = None,
    title: str = "",
    clock: StartTime | None = None,
) -> Figure:
    """Draw a signal with a dot at each pulse, and above it the rate from pulse to pulse.

    Two minutes are drawn whole, row under row; of more there are the first and the last 20 s, and those around the
    interval that differs most from the median.

    Args:
        signal: (T,) in `unit`, at `fs`.
        fs: its rate in Hz.
        times: of the pulses, (n,), in seconds from the signal's beginning.
        breaks: moments across which no interval counts.
        unjudged: stretches without a judgement, in seconds from the signal's beginning.
        start: where the signal begins in the recording, in seconds.
        unit: of the signal, or None where unknown.
        title: above the figure.
        clock: when the signal begins; the axes then show times of day.
    """
    values, moments = np.asarray(signal, float), np.asarray(times, float)
    seconds = len(values) / fs
    edges = np.sort(np.asarray(breaks, float))
    crosses = np.searchsorted(edges, moments[1:], side="right") > np.searchsorted(
        edges, moments[:-1], side="right"
    )
    intervals = np.where(crosses, np.nan, np.diff(moments))
    has_rate = bool(np.isfinite(intervals).any())
    odd = int(np.nanargmax(np.abs(intervals - np.nanmedian(intervals)))) if has_rate else 0
    rows, is_whole = lay_rows(seconds, float(moments[odd]) if has_rate else 0.0)
    figure = new_figure(0.75 + 1.15 * len(rows) + 1.35 * has_rate)
    axes = figure.subplots(len(rows) + has_rate, 1, squeeze=False)[:, 0]
    if has_rate:
        scale, word = time_unit(seconds)
        size = 3.2 if len(moments) < _FEW else 1.6
        axes[0].plot(
            (start + moments[1:]) / scale, 60 / intervals, "o", color=BLUE, markersize=size, markeredgewidth=0
        )
        dress(axes[0], x=word, y="pulses\na minute", grid="y")
        axes[0].set_xlim(start / scale, (start + seconds) / scale)
        axes[0].locator_params(axis="y", nbins=4)
        low, high = float(np.nanmin(60 / intervals)), float(np.nanmax(60 / intervals))
        room = max(5.0, 0.1 * (high - low))
        axes[0].set_ylim(max(0.0, low - room), high + room)
        shade_spans(axes[0], [(a / scale, b / scale) for a, b in unjudged], start / scale)
    titles = (
        ("",) * len(rows) if is_whole else (ROW_TITLES[0], "around the most unusual interval", ROW_TITLES[-1])
    )
    heights = (
        np.interp(moments, np.arange(len(values)) / fs, np.nan_to_num(values)) if len(moments) else moments
    )
    for row, (first, last), what in zip(axes[has_rate:], rows, titles, strict=True):
        draw_row(row, values, fs, (first, last), start, unit)
        row.set_title(what, fontsize=TEXT, color=QUIET, loc="left", pad=3)
        shade_spans(row, unjudged, start)
        here = (moments >= first) & (moments < last)
        row.plot(start + moments[here], heights[here], "o", color=ORANGE, markersize=4, markeredgewidth=0)
        row.set_ylabel(unit or "unit\nunknown", fontsize=TEXT, color=INK)
    axes[-1].set_xlabel("seconds", fontsize=TEXT, color=INK)
    show_clock(list(axes), seconds, start, clock, n_overviews=int(has_rate))
    figure.align_ylabels(axes)
    draw_head(figure, title if len(moments) else f"{title} · no pulses")
    return figure
