"""A signal and how a model goes on with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from physiolect.plots.style import BLUE, INK, ORANGE, QUIET, TEXT, dress, new_figure

if TYPE_CHECKING:
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
) -> Figure:
    """Draw a context, the continuations sampled from it, their median and 50 and 90 % bands.

    Args:
        context: what the model saw, (T,).
        samples: its continuations, (S, N); with one alone there are no bands.
        fs: sampling rate of both in Hz.
        unit: of both, or None where unknown.
        title: above the axes.
        truth: what really came next, up to (N,).
    """
    seen = np.asarray(context, float)
    drawn = np.atleast_2d(np.asarray(samples, float))
    figure = new_figure(2.9)
    axes = figure.add_subplot()
    # The lines leave from the last sample seen, so that nothing gapes at the seam.
    ahead = np.arange(drawn.shape[1] + 1) / fs
    joined = np.concatenate([np.broadcast_to(seen[-1:], (len(drawn), 1)), drawn], axis=1)

    axes.axvspan(0, ahead[-1], color=BLUE, alpha=0.035, linewidth=0)
    axes.axvline(0, color=QUIET, linewidth=0.7, linestyle=(0, (2, 2)))
    axes.plot(np.arange(1 - len(seen), 1) / fs, seen, color=INK, linewidth=1.0, label="context")
    if len(drawn) > 1:
        low, quarter, median, three_quarters, high = np.quantile(
            joined, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0
        )
        axes.fill_between(ahead, low, high, color=BLUE, alpha=0.14, linewidth=0, label="90 %")
        axes.fill_between(ahead, quarter, three_quarters, color=BLUE, alpha=0.3, linewidth=0, label="50 %")
        axes.plot(ahead, joined[:_DRAWN_SAMPLES].T, color=BLUE, linewidth=0.35, alpha=0.45)
        axes.plot([], [], color=BLUE, linewidth=0.6, alpha=0.6, label="samples")
        axes.plot(ahead, median, color=BLUE, linewidth=1.7, label="median")
    else:
        axes.plot(ahead, joined[0], color=BLUE, linewidth=1.3, label="continuation")
    if truth is not None:
        real = np.concatenate([seen[-1:], np.asarray(truth, float)])[: len(ahead)]
        axes.plot(
            ahead[: len(real)], real, color=ORANGE, linewidth=1.0, linestyle=(0, (4, 1.5)), label="truth"
        )
    dress(axes, x="seconds after the context", y=unit or "unit unknown")
    axes.set_xlim((1 - len(seen)) / fs, ahead[-1])
    axes.margins(y=0.08)
    _legend_above(figure, title)
    return figure


def _legend_above(figure: Figure, title: str) -> None:
    """Put the title left and the legend right of it, both above the axes, where they hide no signal."""
    axes = figure.axes[0]
    axes.set_title(title, fontsize=TEXT + 1.5, color=INK, loc="left", fontweight="bold", pad=22)
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
