"""The house's look: one set of colours and one way to dress axes, without touching matplotlib's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1f2a33"
QUIET = "#6b7780"
FAINT = "#dfe4e8"
BLUE = "#0072b2"
SKY = "#56b4e9"
ORANGE = "#d55e00"
AMBER = "#e69f00"
GREEN = "#009e73"
PURPLE = "#a95f8f"
PAPER_LINE, PAPER_STRONG_LINE = "#f9d5d5", "#efa9a9"
"""The small and the large squares of ECG paper."""
SERIES = (BLUE, ORANGE, GREEN, PURPLE, AMBER, SKY)
"""Told apart by eyes that do not tell red from green. Source: Okabe and Ito, Color Universal Design, 2008."""

_LEAST_SQUARE = 4.0  # pixels of a small square
_MOST_PAPER_LINES = 400
WIDTH = 7.2
"""Inches: the width of a printed page's text."""
COLUMN = 8.5 / 2.54
"""Inches: the width of a column of a printed page of two."""
TEXT = 8.5
"""Points: labels and ticks."""
SMALL = 7.0
"""Points: the same in a figure as wide as a column."""


def new_figure(height: float, *, width: float = WIDTH, dpi: int = 160) -> Figure:
    """Return an empty white figure, sizes in inches, whose parts make room for one another."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=dpi, facecolor="white", layout="constrained")


def lay_paper(axes: Axes, *, large_alone: bool = False) -> None:
    """Draw the large squares of ECG paper behind axes of seconds and millivolts: 0.2 s wide and 0.5 mV high.

    The limits of the axes must be set. Small squares, 0.04 s and 0.1 mV, are drawn too where there is room for them.

    Args:
        axes: of seconds and millivolts.
        large_alone: draw no small squares, which would hide colours of the ground.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.ticker import MultipleLocator

    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    size = axes.get_window_extent()
    room = min(size.width / max(right - left, 1e-9) * 0.04, size.height / max(high - low, 1e-9) * 0.1)
    has_small = room >= _LEAST_SQUARE and not large_alone
    strong = PAPER_STRONG_LINE if has_small else PAPER_LINE  # alone, the large squares need no strength
    for large, small, limits, upright in ((0.2, 0.04, (left, right), True), (0.5, 0.1, (low, high), False)):
        for every, colour, order in ((small, PAPER_LINE, 0.1), (large, strong, 0.2)):
            if every == small and not has_small:
                continue
            ticks = np.asarray(MultipleLocator(every).tick_values(*limits))
            ticks = ticks[(ticks >= limits[0]) & (ticks <= limits[1])][:_MOST_PAPER_LINES].tolist()
            ends = [((at, 0), (at, 1)) if upright else ((0, at), (1, at)) for at in ticks]
            across = axes.get_xaxis_transform() if upright else axes.get_yaxis_transform()
            lines = LineCollection(ends, colors=colour, linewidths=0.45, zorder=order, transform=across)
            axes.add_collection(lines, autolim=False)


def plain_numbers(axes: Axes) -> None:
    """Write each tick's whole number: no offset such as "+1.208e4" beside the axis, no power of ten."""
    from matplotlib.ticker import ScalarFormatter

    for axis in (axes.xaxis, axes.yaxis):
        formatter = axis.get_major_formatter()
        if isinstance(formatter, ScalarFormatter):
            formatter.set_useOffset(False)
            formatter.set_scientific(False)


def dress(
    axes: Axes, *, title: str = "", x: str = "", y: str = "", grid: Literal["x", "y"] | None = None
) -> None:
    """Give axes their titles, plain spines, quiet ticks and, along `grid` ("x" or "y"), faint lines."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(QUIET)
        axes.spines[side].set_linewidth(0.7)
    axes.tick_params(labelsize=TEXT - 0.5, colors=QUIET, labelcolor=INK, length=3, width=0.7)
    plain_numbers(axes)
    axes.set_xlabel(x, fontsize=TEXT, color=INK)
    axes.set_ylabel(y, fontsize=TEXT, color=INK)
    if title:
        axes.set_title(title, fontsize=TEXT + 1.5, color=INK, loc="left", fontweight="bold", pad=8)
    if grid is not None:
        axes.grid(axis=grid, color=FAINT, linewidth=0.6)
        axes.set_axisbelow(True)
