"""A signal, and how a model continues it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.plots.column import Trace, ground_signal
from physiolect.plots.style import BLUE, INK, ORANGE, QUIET, TEXT, dress, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DRAWN_SAMPLES = 8
"""More thin lines than these are a cloud; the bands use all of them."""


def continuation_figure(
    context: ArrayLike,
    samples: ArrayLike,
    *,
    fs: float,
    unit: str | None,
    title: str = "",
    truth: ArrayLike | None = None,
    trace: Trace | None = None,
) -> Figure:
    """Draw a context and the first of its continuations alone; below it, all of them with 50 and 90 % bands.

    The median of several is a thin line: after some seconds their beats no longer fall together and cancel in it.

    Args:
        context: what the model saw, (T,).
        samples: its continuations, (S, N); one alone has no bands.
        fs: sampling rate of both in Hz.
        unit: of both, or None where unknown.
        title: above the axes.
        truth: what was recorded after the context, up to (N,).
        trace: what was recorded, at its own rate, in seconds after the last sample of the context; is drawn in place
            of the context and the truth.
    """
    seen = np.asarray(context, float)
    drawn = np.atleast_2d(np.asarray(samples, float))
    # The lines leave from the last sample seen, so that there is no gap at the seam.
    ahead = np.arange(drawn.shape[1] + 1) / fs
    joined = np.concatenate([np.broadcast_to(seen[-1:], (len(drawn), 1)), drawn], axis=1)
    several = len(drawn) > 1
    figure = new_figure(5.0 if several else 2.9)
    rows = figure.subplots(1 + several, 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes in rows:
        _draw_context(axes, seen, ahead, fs, trace)
    name = "first continuation" if several else "continuation"
    rows[0].plot(ahead, joined[0], color=BLUE, linewidth=1.2, label=name)
    if several:
        _draw_bands(rows[1], ahead, joined)
    for axes in rows:
        if truth is not None:
            real = np.concatenate([seen[-1:], np.asarray(truth, float)])[: len(ahead)]
            x, y = ahead[: len(real)], real
            if trace is not None:
                after = (trace.time >= 0) & (trace.time <= x[-1])
                x, y = trace.time[after], trace.values[after]
            axes.plot(x, y, color=ORANGE, linewidth=1.0, linestyle=(0, (4, 1.5)), label="truth")
        dress(axes, y=unit or "unit unknown")
        axes.set_xlim((1 - len(seen)) / fs, ahead[-1])
        axes.margins(y=0.08)
        axes.autoscale_view(scalex=False)
        _legend_above(axes)
    for axes in rows:
        ground_signal(axes, unit, trace)
    rows[-1].set_xlabel("seconds after the context", fontsize=TEXT, color=INK)
    rows[0].set_title(title, fontsize=TEXT + 1.5, color=INK, loc="left", fontweight="bold", pad=22)
    if several:
        rows[1].set_title(f"all {len(drawn):,}", fontsize=TEXT, color=QUIET, loc="left")
    return figure


def _draw_context(
    axes: Axes, seen: NDArray[np.float64], ahead: NDArray[np.float64], fs: float, trace: Trace | None
) -> None:
    axes.axvspan(0, ahead[-1], color=BLUE, alpha=0.035, linewidth=0)
    axes.axvline(0, color=QUIET, linewidth=0.7, linestyle=(0, (2, 2)))
    x, y = np.arange(1 - len(seen), 1) / fs, seen
    if trace is not None:
        x, y = trace.time[trace.time <= 0], trace.values[trace.time <= 0]
    axes.plot(x, y, color=INK, linewidth=1.0, label="context")


def _draw_bands(axes: Axes, ahead: NDArray[np.float64], joined: NDArray[np.float64]) -> None:
    low, quarter, median, three_quarters, high = np.quantile(joined, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
    axes.fill_between(ahead, low, high, color=BLUE, alpha=0.14, linewidth=0, label="90 %")
    axes.fill_between(ahead, quarter, three_quarters, color=BLUE, alpha=0.3, linewidth=0, label="50 %")
    axes.plot(ahead, joined[:_DRAWN_SAMPLES].T, color=BLUE, linewidth=0.35, alpha=0.45)
    axes.plot([], [], color=BLUE, linewidth=0.6, alpha=0.6, label="samples")
    axes.plot(ahead, median, color=BLUE, linewidth=0.7, label="median")


def _legend_above(axes: Axes) -> None:
    """Put the legend above the axes, right of the title, where it hides no signal."""
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=6,
        frameon=False,
        fontsize=TEXT - 0.5,
        labelcolor=INK,
        handlelength=1.5,
        columnspacing=1.3,
        borderaxespad=0.2,
    )
