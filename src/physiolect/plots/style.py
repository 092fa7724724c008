"""The house's look: one set of colours and one way to dress axes, without touching matplotlib's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

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
SERIES = (BLUE, ORANGE, GREEN, PURPLE, AMBER, SKY)
"""Told apart by eyes that do not tell red from green. Source: Okabe and Ito, Color Universal Design, 2008."""

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
