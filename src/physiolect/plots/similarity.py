"""How tokens of one level come apart: cosine to a reference, stage after stage of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.plots.column import Trace, column_figure, draw_signal, edges, ground_signal, head, small
from physiolect.plots.style import BLUE, GREEN, INK, ORANGE, PURPLE, QUIET, SKY, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOOKS = (
    (BLUE, "o", "-"),
    (GREEN, "s", "--"),
    (PURPLE, "^", "-."),
    (SKY, "D", ":"),
    (ORANGE, "v", (0, (5, 1))),
)
"""Colour, mark and line of each token: any one of them tells it from the others."""


class Token(NamedTuple):
    """One token that is shown beside the reference."""

    sample: int
    """Where it is in the window, from 0."""
    word: str
    """The part of the beat it lies in, "" where unknown."""


def similarity_figure(
    signal: ArrayLike,
    cosine: ArrayLike,
    silhouette: ArrayLike,
    *,
    time: ArrayLike,
    stages: Sequence[str],
    reference: Token,
    tokens: Sequence[Token],
    unit: str | None = None,
    trace: Trace | None = None,
    title: str = "",
    evidence: str = "",
) -> Figure:
    """Draw the tokens on the signal, how like the reference everything is, and how parts of the beat separate.

    Args:
        signal: (T,) in `unit`.
        cosine: (stages, T) of each token to the reference.
        silhouette: (stages,) of parts of the beat among tokens of one level; NaN where there is none.
        time: (T,) in seconds.
        stages: what each row is, the input first.
        reference: the token that all are compared with.
        tokens: those that are shown beside it.
        unit: of the signal, or None where unknown.
        trace: is drawn in place of the signal: the same stretch at the recording's own rate.
        title: above the figure.
        evidence: a line below it.
    """
    values, seconds, table = np.asarray(signal, float), np.asarray(time, float), np.asarray(cosine, float)
    figure = column_figure(4.45)
    above, middle, below = figure.subplots(3, 1, gridspec_kw={"height_ratios": [1.1, 1.1, 1.3]})
    draw_signal(above, seconds, values, unit, quiet=True, trace=trace)
    numbers = [name.removeprefix("layer ") for name in stages]
    _draw_cosine(middle, seconds, table, numbers, figure)
    _draw_tokens(above, seconds, values, reference, tokens)
    ground_signal(above, unit, trace)
    _draw_stages(below, seconds, table, np.asarray(silhouette, float), tokens)
    below.set_xticks(np.arange(len(table)), labels=numbers)
    figure.align_ylabels([above, middle, below])
    head(figure, title, evidence)
    return figure


def _draw_cosine(
    axes: Axes,
    seconds: NDArray[np.float64],
    table: NDArray[np.float64],
    numbers: Sequence[str],
    figure: Figure,
) -> None:
    """Draw how like the reference every token is, stage under stage."""
    image = axes.imshow(
        table, aspect="auto", extent=(*edges(seconds), len(table) - 0.5, -0.5), cmap="cividis",
        vmin=min(0.0, float(np.quantile(table, 0.01))), vmax=1.0, interpolation="nearest",
    )  # fmt: skip
    small(axes, x="seconds")
    axes.set_yticks(range(len(numbers)), labels=list(numbers))
    axes.tick_params(axis="y", labelsize=SMALL - 1)
    axes.set_ylabel("after layer", fontsize=SMALL, color=INK)
    axes.locator_params(axis="x", nbins=6, steps=[1, 2, 5, 10])
    bar = figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02, aspect=12)
    bar.set_label("cosine", fontsize=SMALL, color=INK)
    bar.ax.tick_params(labelsize=SMALL - 1, colors=QUIET, labelcolor=INK, length=2)
    bar.outline.set_visible(False)


def _draw_tokens(
    axes: Axes,
    seconds: NDArray[np.float64],
    values: NDArray[np.float64],
    reference: Token,
    tokens: Sequence[Token],
) -> None:
    """Mark each token above the signal, with a thin line down to it."""
    low, high = float(values.min()), float(values.max())
    height = high + 0.14 * ((high - low) or 1.0)
    for k, token in enumerate(tokens):
        colour, mark, _ = _LOOKS[k % len(_LOOKS)]
        place = seconds[token.sample]
        axes.vlines(place, values[token.sample], height, color=colour, linewidth=0.5, zorder=2)
        axes.plot(place, height, mark, color=colour, markersize=3.5, markeredgewidth=0, zorder=5)
    own = seconds[reference.sample]
    axes.vlines(own, values[reference.sample], height, color=INK, linewidth=0.5, zorder=2)
    axes.plot(own, height, "*", color=INK, markersize=6, markeredgewidth=0, zorder=6)
    axes.set_title(
        f"★ reference at {own:.2f} s" + (f", {reference.word}" if reference.word else ""),
        fontsize=SMALL, color=INK, loc="left", pad=2,
    )  # fmt: skip


def _draw_stages(
    axes: Axes,
    seconds: NDArray[np.float64],
    table: NDArray[np.float64],
    silhouette: NDArray[np.float64],
    tokens: Sequence[Token],
) -> None:
    """Draw each token's cosine from stage to stage, and how well the parts of the beat separate."""
    steps = np.arange(len(table))
    for k, token in enumerate(tokens):
        colour, mark, line = _LOOKS[k % len(_LOOKS)]
        label = f"{seconds[token.sample]:.2f} s" + (f", {token.word}" if token.word else "")
        axes.plot(
            steps, table[:, token.sample], mark, color=colour, linestyle=line, linewidth=1.1, markersize=3,
            markeredgewidth=0, label=label,
        )  # fmt: skip
    known = bool(np.isfinite(silhouette).any())
    if known:
        axes.plot(
            steps,
            silhouette,
            "x",
            color=INK,
            linestyle="-",
            linewidth=1.6,
            markersize=3.5,
            label="silhouette",
        )
    small(axes, x="after layer", y="cosine to reference,\nsilhouette")
    axes.axhline(0, color="#dfe4e8", linewidth=0.6, zorder=0)
    axes.set_ylim(min(-0.05, float(np.nanmin(silhouette)) if known else 0.0) - 0.03, 1.05)
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.45, -0.36), ncols=2, frameon=False, fontsize=SMALL - 0.5, labelcolor=INK,
        handlelength=2.2, columnspacing=1.2,
    )  # fmt: skip
