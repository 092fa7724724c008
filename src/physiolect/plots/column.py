"""What figures as wide as a column share: small text, a signal in seconds, bands behind it, and a line of evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physiolect.plots.style import (
    AMBER,
    BLUE,
    COLUMN,
    FAINT,
    INK,
    ORANGE,
    QUIET,
    SMALL,
    dress,
    lay_paper,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

_DPI = 300
_ON_PAPER = 30.0
"""Seconds: a longer ECG has no room for the squares of ECG paper."""


def column_figure(height: float) -> Figure:
    """Return an empty figure as wide as a column, finer than those for a screen."""
    return new_figure(height, width=COLUMN, dpi=_DPI)


def small(axes: Axes, *, x: str = "", y: str = "") -> None:
    """Dress axes in small text."""
    dress(axes, x=x, y=y)
    axes.tick_params(labelsize=SMALL - 0.5, length=2)
    axes.xaxis.label.set_fontsize(SMALL)
    axes.yaxis.label.set_fontsize(SMALL)


class Trace(NamedTuple):
    """A signal at the recording's own rate, for figures of a model that reads it at another."""

    time: NDArray[np.float64]
    """(n,) in seconds."""
    values: NDArray[np.float64]
    """(n,) in the unit of the figure."""
    is_ecg: bool
    """Whether it lies on ECG paper, where its unit is mV."""
    name: str = ""
    """Of the channel, where a figure draws one of several."""


def draw_signal(
    axes: Axes,
    time: NDArray[np.float64],
    signal: NDArray[np.floating],
    unit: str | None,
    *,
    quiet: bool = False,
    trace: Trace | None = None,
) -> None:
    """Draw a signal over seconds, its axis as long as the window; call `ground_signal` when its limits are set.

    Args:
        axes: to draw in.
        time: (T,) in seconds, of the map.
        signal: (T,) is drawn where there is no trace.
        unit: of both, or None where unknown.
        quiet: in grey.
        trace: the same stretch at the recording's own rate.
    """
    x, y = (time, signal) if trace is None else (trace.time, trace.values)
    axes.plot(x, y, color=QUIET if quiet else INK, linewidth=0.6 if quiet else 0.8, zorder=3)
    name = "" if trace is None or not trace.name else f"{trace.name}\n"
    small(axes, y=name + (unit or "unit unknown"))
    axes.set_xlim(*edges(time))
    axes.locator_params(axis="x", nbins=6, steps=[1, 2, 5, 10])
    axes.locator_params(axis="y", nbins=3)
    axes.margins(y=0.1)


def ground_signal(axes: Axes, unit: str | None, trace: Trace | None, *, on_bands: bool = False) -> None:
    """Lay the squares of ECG paper behind an ECG in mV, and a plain grid behind other signals of a recording.

    Args:
        axes: their limits are set.
        unit: of the signal.
        trace: None draws nothing.
        on_bands: the ground is coloured, so that only large squares are drawn.
    """
    if trace is None:
        return
    left, right = axes.get_xlim()
    if trace.is_ecg and unit == "mV" and right - left <= _ON_PAPER:
        lay_paper(axes, large_alone=on_bands)
    else:
        axes.grid(color=FAINT, linewidth=0.5)
        axes.set_axisbelow(True)


def draw_bands(
    axes: Axes,
    time: NDArray[np.float64],
    band: NDArray[np.floating],
    *,
    signed: bool = False,
    top: float | None = None,
) -> None:
    """Colour the ground behind a signal by how much each sample counts, as far up and down as the axes reach.

    Args:
        axes: to draw in; their limits are set.
        time: (T,) in seconds.
        band: (T,) how much each sample counts.
        signed: below 0 has a colour of its own.
        top: what gets the strongest colour; None takes what all but a few samples stay below.
    """
    top = top or float(np.quantile(np.abs(band), 0.995)) or 1.0
    low, high = axes.get_ylim()
    axes.imshow(
        band[np.newaxis], aspect="auto", extent=(*edges(time), low, high), cmap=ground(signed=signed),
        vmin=-top if signed else 0.0, vmax=top, interpolation="nearest", zorder=0,
    )  # fmt: skip
    axes.set_ylim(low, high)


def ground(*, signed: bool = False) -> Colormap:
    """Return the colours of bands: from white on they darken, and never so much that a line would be lost on them."""
    from matplotlib.colors import LinearSegmentedColormap

    if signed:
        return LinearSegmentedColormap.from_list("change", ["#3f93c9", "#ffffff", "#ec8a45"])
    return LinearSegmentedColormap.from_list("attention", ["#ffffff", AMBER])


def scale() -> Colormap:
    """Return the colours of a table of numbers: from white on they darken, in grey too."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("scale", ["#ffffff", "#9fd0ef", BLUE, "#0b2540"])


def edges(time: NDArray[np.float64]) -> tuple[float, float]:
    """Return where the first sample begins and the last one ends, in seconds."""
    half = (time[1] - time[0]) / 2
    return float(time[0] - half), float(time[-1] + half)


def draw_query(axes: Axes, moment: float) -> None:
    """Mark the moment whose attention it is."""
    axes.axvline(moment, color=ORANGE, linewidth=0.9, linestyle=(0, (3, 2)), zorder=4)


def head(figure: Figure, title: str, evidence: str) -> None:
    """Write what the figure shows above it, and below it how far it can be trusted."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=SMALL + 0.5, color=INK, fontweight="bold")
    if evidence:
        figure.supxlabel(evidence, x=0.01, ha="left", fontsize=SMALL - 0.5, color=QUIET)
