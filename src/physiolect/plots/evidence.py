"""How far explanations can be trusted: heads against landmarks, maps against deletion and randomised weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.plots.column import (
    Trace,
    column_figure,
    draw_signal,
    edges,
    ground_signal,
    head,
    scale,
    small,
)
from physiolect.plots.style import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, QUIET, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

_LOOKS = ((ORANGE, "-", "o"), (BLUE, "--", "s"), (GREEN, ":", "^"), (PURPLE, "-.", "D"))
"""Colour, line and mark of each method."""

Curves = tuple[ArrayLike, ArrayLike]
"""A deletion and an insertion curve, (n,) each."""


def probing_figure(
    auroc: ArrayLike,
    chance: Sequence[float],
    *,
    landmarks: Sequence[str],
    title: str = "",
    evidence: str = "",
) -> Figure:
    """Draw which heads respond to which landmark, layer by layer, with a dot on those above chance.

    Args:
        auroc: (landmarks, layers, heads).
        chance: of each landmark, what the best of all heads reaches by chance in 95 % of cases.
        landmarks: their names.
        title: above the figure.
        evidence: a line below it.
    """
    tables = np.asarray(auroc, float)
    n, n_layers, n_heads = tables.shape
    figure = column_figure(1.0 + 2.3 / n * n_layers / n_heads)
    axes = figure.subplots(1, n, sharey=True, squeeze=False)[0]
    for place, table, limit, name in zip(axes, tables, chance, landmarks, strict=True):
        image = place.imshow(table, cmap=scale(), vmin=0.5, vmax=1.0)
        layers, heads = np.nonzero(table > limit)
        bright = table[layers, heads] < 0.75
        for those, colour in ((bright, INK), (~bright, "white")):
            place.plot(heads[those], layers[those], ".", color=colour, markersize=3.5, markeredgewidth=0)
        small(place, x="head")
        place.set_title(name, fontsize=SMALL, color=INK, pad=3)
        step = -(-n_heads // 4)
        place.set_xticks(range(0, n_heads, step), labels=[str(k + 1) for k in range(0, n_heads, step)])
        place.set_yticks(range(n_layers), labels=[str(k + 1) for k in range(n_layers)])
    axes[0].set_ylabel("layer", fontsize=SMALL, color=INK)
    bar = figure.colorbar(image, ax=list(axes), fraction=0.04, pad=0.02, aspect=14, shrink=0.62)
    bar.set_label("AUROC", fontsize=SMALL, color=INK)
    bar.ax.tick_params(labelsize=SMALL - 1, colors=QUIET, labelcolor=INK, length=2)
    bar.outline.set_visible(False)
    head(figure, title, evidence)
    return figure


def faithfulness_figure(
    signal: ArrayLike,
    maps: Mapping[str, ArrayLike],
    curves: Mapping[str, Curves],
    random: tuple[ArrayLike, ArrayLike],
    cascade: Mapping[str, Mapping[str, float]],
    *,
    shares: ArrayLike,
    time: ArrayLike,
    unit: str | None = None,
    trace: Trace | None = None,
    tokens: str = "samples",
    what: str = "",
    unit_of_what: str = "nats",
    title: str = "",
    evidence: str = "",
) -> Figure:
    """Draw maps of important samples, how a model's word follows them, and what is left of them without its weights.

    Args:
        signal: (T,) in `unit`.
        maps: method -> (n,) how much each of the first n samples counts.
        curves: method -> deletion and insertion, (shares,) each.
        random: deletion and insertion in random orders, (orders, shares) each.
        cascade: method -> stage -> rank correlation with the map of the trained model.
        shares: (shares,) of the samples deleted or inserted, from 0 to 1.
        time: (T,) in seconds.
        unit: of the signal, or None where unknown.
        trace: is drawn in place of the signal: the same stretch at the recording's own rate.
        tokens: what is deleted, in the plural.
        what: the number that the model says.
        unit_of_what: its unit.
        title: above the figure.
        evidence: a line below it.
    """
    values, seconds, x = np.asarray(signal, float), np.asarray(time, float), 100 * np.asarray(shares, float)
    figure = column_figure(5.75)
    top, middle, bottom = figure.subfigures(3, 1, squeeze=False, height_ratios=[1.75, 2.2, 1.6])[:, 0]
    _draw_maps(top, seconds, values, maps, unit, trace)
    places = middle.subplots(1, 2, sharey=True)
    for k, (axes, name) in enumerate(zip(places, ("deletion", "insertion"), strict=True)):
        low, high = np.quantile(np.asarray(random[k], float), [0.025, 0.975], axis=0)
        axes.fill_between(x, low, high, color=FAINT, linewidth=0, label="random orders, 95 %")
        for (method, pair), (colour, line, _) in zip(curves.items(), _LOOKS, strict=False):
            axes.plot(x, np.asarray(pair[k]), color=colour, linestyle=line, linewidth=1.2, label=method)
        small(axes, x=f"% of {tokens} {'deleted' if k == 0 else 'inserted'}")
        axes.set_title(name, fontsize=SMALL, color=INK, loc="left", pad=2)
        axes.set_xlim(0, 100)
        axes.locator_params(axis="y", nbins=4)
    places[0].set_ylabel(unit_of_what, fontsize=SMALL, color=INK)
    middle.suptitle(what, x=0.01, ha="left", fontsize=SMALL, color=INK)
    handles, names = places[0].get_legend_handles_labels()
    middle.legend(
        handles, names, loc="outside lower center", ncols=2, frameon=False, fontsize=SMALL - 0.5, labelcolor=INK,
        handlelength=2.4, columnspacing=1.0,
    )  # fmt: skip
    _draw_cascade(bottom.subplots(1, 1), cascade)
    head(figure, title, evidence)
    return figure


def _draw_maps(
    figure: SubFigure,
    time: NDArray[np.float64],
    signal: NDArray[np.float64],
    maps: Mapping[str, ArrayLike],
    unit: str | None,
    trace: Trace | None,
) -> None:
    """Draw the signal, and below it a strip for each method: the rank of every sample, the most important darkest."""
    from scipy.stats import rankdata

    heights = [1.0, *[0.16] * len(maps)]
    rows = figure.subplots(len(heights), 1, sharex=True, gridspec_kw={"height_ratios": heights})
    draw_signal(rows[0], time, signal, unit, trace=trace)
    ground_signal(rows[0], unit, trace)
    for row, (name, each) in zip(rows[1:], maps.items(), strict=True):
        ranks = rankdata(np.asarray(each, float)) / len(np.asarray(each))  # (n,)
        left, right = edges(time[: len(ranks)])
        row.imshow(
            np.maximum(ranks, 0.5)[np.newaxis], aspect="auto", extent=(left, right, 0, 1), cmap=scale(), vmin=0.5,
            vmax=1.0, interpolation="nearest",
        )  # fmt: skip
        small(row)
        row.set_xlim(*edges(time))
        row.set_yticks([])
        word = name.replace(" x ", " x\n").replace("ed g", "ed\ng")
        row.set_ylabel(word, fontsize=SMALL - 1.5, color=INK, rotation=0, ha="right", va="center")
    rows[-1].set_xlabel("seconds; darker: higher rank (lower half white)", fontsize=SMALL, color=INK)


def _draw_cascade(axes: Axes, cascade: Mapping[str, Mapping[str, float]]) -> None:
    for (method, stages), (colour, line, mark) in zip(cascade.items(), _LOOKS, strict=False):
        axes.plot(
            range(len(stages) + 1), [1.0, *stages.values()], mark, linestyle=line, color=colour, linewidth=1.1,
            markersize=3, markeredgewidth=0, label=method,
        )  # fmt: skip
    stages = next(iter(cascade.values()), {})
    names = ["none", *(name.removeprefix("layer ").replace("embeddings", "emb.") for name in stages)]
    small(axes, x="weights drawn anew, from the head back to this layer", y="rank correlation\nwith the map")
    axes.set_xticks(range(len(names)), labels=names)
    axes.tick_params(axis="x", labelsize=SMALL - 1)
    axes.margins(x=0.025)
    axes.axhline(0, color=QUIET, linewidth=0.6)
    axes.set_ylim(-1.05, 1.05)
    axes.set_yticks([-1, 0, 1])
