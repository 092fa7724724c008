"""Nats per token of models and baselines, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from physiolect.plots.style import BLUE, INK, QUIET, TEXT, dress, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def forecast_figure(
    names: Sequence[str],
    values: Sequence[float],
    intervals: Sequence[tuple[float, float]] | None = None,
    *,
    highlight: Sequence[str] = (),
    title: str = "One step ahead",
) -> Figure:
    """Draw one bar a forecaster, the best on top, with its interval and number.

    Args:
        names: of the forecasters, (n,).
        values: mean nats per token, (n,); lower is better.
        intervals: (low, high) of each, or None.
        highlight: names drawn in colour, the models; where none is named, the best is.
        title: above the axes.
    """
    order = np.argsort(values, kind="stable")
    coloured = set(highlight) or {names[order[0]]}
    figure = new_figure(0.85 + 0.34 * len(names))
    axes = figure.add_subplot()
    reach = max(values) if intervals is None else max(high for _, high in intervals)
    for row, i in enumerate(order):
        strong = names[i] in coloured
        axes.barh(row, values[i], height=0.62, color=BLUE if strong else "#b8c2c9", linewidth=0)
        text = f"{values[i]:.3f}"
        end = values[i]
        if intervals is not None:
            low, high = intervals[i]
            axes.plot([low, high], [row, row], color=INK, linewidth=1.2, solid_capstyle="butt")
            axes.plot([low, low, high, high], [row] * 4, color=INK, marker="|", markersize=5, linestyle="")
            text, end = f"{text}  [{low:.3f}, {high:.3f}]", max(end, high)
        axes.text(
            end + 0.012 * reach,
            row,
            text,
            va="center",
            fontsize=TEXT - 0.5,
            color=INK if strong else QUIET,
            fontweight="bold" if strong else "normal",
        )
    dress(axes, title=title, x="nats per token (lower is better)")
    axes.set_yticks(range(len(names)), [names[i] for i in order], fontsize=TEXT)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.invert_yaxis()
    axes.set_xlim(0, reach * (1.12 if intervals is None else 1.3))
    return figure
