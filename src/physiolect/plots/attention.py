"""Where a model looks, drawn on the signal: bands, layers and heads one by one, and what fine-tuning changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.plots.column import (
    Trace,
    column_figure,
    draw_bands,
    draw_query,
    draw_signal,
    edges,
    ground_signal,
    head,
    scale,
    small,
)
from physiolect.plots.style import AMBER, BLUE, INK, ORANGE, QUIET, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LAST = 0.02
"""Share of the samples at the end that the scale of a head pays no heed to: few queries see them."""

_BEYOND = 5.0
"""Attention, or a change, so many times larger than 99 % of all others is told, not drawn to scale."""


def attention_figure(
    signal: ArrayLike,
    band: ArrayLike,
    rows: ArrayLike,
    *,
    time: ArrayLike,
    names: Sequence[str],
    queries: Sequence[float] = (),
    unit: str | None = None,
    trace: Trace | None = None,
    what: str = "attention",
    title: str = "",
    evidence: str = "",
) -> Figure:
    """Draw attention as bands behind the signal, as a curve below it, and row by row where there are several.

    Args:
        signal: (T,) in `unit`.
        band: (T,) attention of each sample, combined.
        rows: (n, T) attention of each layer, head or query alone.
        time: (T,) in seconds.
        names: of the rows.
        queries: moments whose attention it is, in seconds.
        unit: of the signal, or None where unknown.
        trace: is drawn in place of the signal: the same stretch at the recording's own rate.
        what: the quantity of `band`.
        title: above the figure.
        evidence: a line below it.
    """
    values, seconds, line = np.asarray(signal, float), np.asarray(time, float), np.asarray(band, float)
    table = np.atleast_2d(np.asarray(rows, float))
    several = len(table) > 1
    heights = [1.15, 0.75, 0.35 + 0.11 * max(6, min(len(table), 16))] if several else [1.15, 0.75]
    figure = column_figure(sum(heights) + 0.7)
    axes = figure.subplots(len(heights), 1, sharex=True, gridspec_kw={"height_ratios": heights})
    draw_signal(axes[0], seconds, values, unit, trace=trace)
    draw_bands(axes[0], seconds, line)
    ground_signal(axes[0], unit, trace, on_bands=True)
    axes[1].fill_between(seconds, 0, line, color=AMBER, linewidth=0, step="mid")
    axes[1].plot(seconds, line, color=INK, linewidth=0.4, drawstyle="steps-mid")
    small(axes[1], y=what)
    _limit(axes[1], seconds, line, "")
    axes[1].locator_params(axis="y", nbins=3)
    if several:
        _draw_table(axes[2], seconds, table, names, figure)
    for each in axes:
        for moment in queries:
            draw_query(each, moment)
    axes[-1].set_xlabel("seconds", fontsize=SMALL, color=INK)
    figure.align_ylabels(axes)
    head(figure, title, evidence)
    return figure


def change_figure(
    signal: ArrayLike,
    change: ArrayLike,
    *,
    time: ArrayLike,
    query: float | None,
    unit: str | None = None,
    trace: Trace | None = None,
    what: str = "change of\nattention",
    names: tuple[str, str] = ("more than before", "less than before"),
    title: str = "",
    evidence: str = "",
) -> Figure:
    """Draw a map with a sign, such as what fine-tuning did to attention: bands behind the signal, and a curve.

    Args:
        signal: (T,) in `unit`.
        change: (T,) the map: attention of the fine-tuned model less that of its base.
        time: (T,) in seconds.
        query: the moment whose attention is drawn, in seconds; None for the window as a whole.
        unit: of the signal, or None where unknown.
        trace: is drawn in place of the signal: the same stretch at the recording's own rate.
        what: the quantity of the map.
        names: of what is above 0, and of what is below.
        title: above the figure.
        evidence: a line below it.
    """
    values, seconds, line = np.asarray(signal, float), np.asarray(time, float), np.asarray(change, float)
    figure = column_figure(2.95)
    above, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [1.15, 0.95]})
    draw_signal(above, seconds, values, unit, trace=trace)
    draw_bands(above, seconds, line, signed=True)
    ground_signal(above, unit, trace, on_bands=True)
    gained, lost = np.maximum(line, 0), np.minimum(line, 0)
    below.fill_between(seconds, 0, gained, color=ORANGE, linewidth=0, step="mid", label=names[0])
    below.fill_between(
        seconds, 0, lost, facecolor="#8cc3e6", edgecolor=BLUE, hatch="/////", linewidth=0.3, step="mid",
        label=names[1],
    )  # fmt: skip
    below.plot(seconds, line, color=INK, linewidth=0.4, drawstyle="steps-mid")
    below.axhline(0, color=INK, linewidth=0.4)
    small(below, x="seconds", y=what)
    _limit(below, seconds, line, "+", pad=12)
    below.locator_params(axis="y", nbins=4)
    if query is not None:
        draw_query(above, query)
        draw_query(below, query)
    below.legend(
        loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=2, frameon=False, fontsize=SMALL - 0.5, labelcolor=INK,
        handlelength=1.2, columnspacing=1.0, borderaxespad=0,
    )  # fmt: skip
    figure.align_ylabels([above, below])
    head(figure, title, evidence)
    return figure


def _limit(
    axes: Axes, time: NDArray[np.float64], line: NDArray[np.float64], sign: str, *, pad: float = 2
) -> None:
    """Let a few samples that would flatten all others reach beyond the scale, and say how far."""
    usual = float(np.quantile(np.abs(line), 0.99)) or 1.0
    beyond = np.flatnonzero(np.abs(line) > _BEYOND * usual)
    kept = np.delete(line, beyond)
    low, high = min(0.0, float(kept.min(initial=0))), max(0.0, float(kept.max(initial=0)))
    room = 0.12 * ((high - low) or 1.0)
    axes.set_ylim(low - room if low < 0 else 0, high + room)
    if len(beyond):
        said = ", ".join(f"{line[k]:{sign}.2f} at {time[k]:.2f} s" for k in beyond[:2].tolist())
        more = f" and {len(beyond) - 2} more" if len(beyond) > 2 else ""
        axes.set_title(
            f"beyond the scale: {said}{more}", fontsize=SMALL - 1, color=QUIET, loc="left", pad=pad
        )


def heads_figure(
    signal: ArrayLike,
    attention: ArrayLike,
    peaks: Sequence[ArrayLike],
    *,
    time: ArrayLike,
    names: Sequence[str],
    unit: str | None = None,
    trace: Trace | None = None,
    title: str = "",
    evidence: str = "",
) -> Figure:
    """Draw the signal once for each head, with its attention below and its peaks marked above.

    Each head has its own scale; its top is written at the right, and so is the highest value that is cut off.

    Args:
        signal: (T,) in `unit`.
        attention: (heads, T) as a multiple of an even gaze.
        peaks: of each head, samples at which it stands out.
        time: (T,) in seconds.
        names: of the heads.
        unit: of the signal, or None where unknown.
        trace: is drawn in place of the signal: the same stretch at the recording's own rate.
        title: above the figure.
        evidence: a line below it.
    """
    values, seconds, table = np.asarray(signal, float), np.asarray(time, float), np.asarray(attention, float)
    figure = column_figure(0.95 + 0.62 * len(table))
    axes = figure.subplots(len(table), 1, sharex=True, squeeze=False)[:, 0]
    for row, line, at, name in zip(axes, table, peaks, names, strict=True):
        _draw_head(row, seconds, values, line, np.asarray(at, np.int64), trace)
        ground_signal(row, unit, trace)
        row.set_ylabel(name, fontsize=SMALL, color=INK, rotation=0, ha="right", va="center")
        if row is not axes[-1]:
            row.tick_params(axis="x", length=0)
            row.spines["bottom"].set_color("#dfe4e8")
    axes[0].fill_between([], [], color=AMBER, label="attention, full height × an even gaze")
    axes[0].plot([], [], "v", color=BLUE, markersize=2.8, markeredgewidth=0, label="stands out")
    axes[0].legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False, fontsize=SMALL - 0.5, labelcolor=INK,
        handlelength=1.2, columnspacing=1.0, borderaxespad=0.1,
    )  # fmt: skip
    axes[-1].set_xlabel("seconds", fontsize=SMALL, color=INK)
    note = "at the right: full height of each head; below it the most that is cut off"
    head(figure, title, f"{note}\n{evidence}".rstrip())
    return figure


def _draw_head(
    axes: Axes,
    seconds: NDArray[np.float64],
    values: NDArray[np.float64],
    line: NDArray[np.float64],
    peaks: NDArray[np.int64],
    trace: Trace | None,
) -> None:
    """Draw one head's attention below the signal, its peaks above, and the scale at the right."""
    shown = values if trace is None else trace.values[np.isfinite(trace.values)]
    low, high = float(shown.min()), float(shown.max())
    reach = (high - low) or 1.0
    floor, above = low - 0.75 * reach, high + 0.16 * reach
    seen = slice(0, max(1, round(len(seconds) * (1 - _LAST))))
    top = float(np.quantile(line[seen], 0.995)) or 1.0
    axes.fill_between(
        seconds, floor, floor + np.clip(line / top, 0, 1) * 0.68 * reach, color=AMBER, linewidth=0
    )
    draw_signal(axes, seconds, values, None, quiet=True, trace=trace)
    axes.vlines(seconds[peaks], floor, above, color=BLUE, linewidth=0.3, alpha=0.6, zorder=0.5)
    axes.plot(
        seconds[peaks],
        np.full(len(peaks), above),
        "v",
        color=BLUE,
        markersize=2.8,
        markeredgewidth=0,
        zorder=5,
    )
    axes.set_yticks([])
    axes.set_ylim(floor, high + 0.3 * reach)
    most = int(line.argmax())
    cut = (
        f"\n×{line[most]:.{1 if line[most] < 10 else 0}f} at\n{seconds[most]:.2f} s"
        if line[most] > 1.05 * top
        else ""
    )
    axes.annotate(
        f"×{top:.1f}{cut}", (1.0, 0.6), xycoords="axes fraction", fontsize=SMALL - 1, color=QUIET, ha="left",
        va="top", xytext=(2, 0), textcoords="offset points", linespacing=1.0,
    )  # fmt: skip
    axes.spines["left"].set_visible(False)


def _draw_table(
    axes: Axes, time: NDArray[np.float64], table: NDArray[np.float64], names: Sequence[str], figure: Figure
) -> None:
    """Draw rows of attention as colours, the small ones told apart too."""
    from matplotlib.colors import PowerNorm
    from matplotlib.ticker import MaxNLocator

    image = axes.imshow(
        table, aspect="auto", extent=(*edges(time), len(table) - 0.5, -0.5), cmap=scale(),
        norm=PowerNorm(0.5, 0.0, float(np.quantile(table, 0.999)) or 1.0), interpolation="nearest",
    )  # fmt: skip
    small(axes)
    axes.set_yticks(range(len(table)), labels=list(names))
    if len(names) > 12:
        axes.tick_params(axis="y", labelsize=SMALL - 2)
    bar = figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02, aspect=12)
    bar.ax.tick_params(labelsize=SMALL - 1, colors=QUIET, labelcolor=INK, length=2)
    bar.ax.yaxis.set_major_locator(MaxNLocator(3))
    bar.outline.set_visible(False)
