"""How good models are: operating curves with their bands, reliability, one mark a patient or record, timing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.plots.style import BLUE, FAINT, INK, ORANGE, QUIET, SERIES, TEXT, dress, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Band = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""x, y, and the ends of the interval of y; NaN where there is none."""

_MOST_NAMES = 30
"""Patients or records that are named on an axis."""


def roc_figure(
    curves: Mapping[str, Band],
    *,
    areas: Mapping[str, str] | None = None,
    banded: str | None = None,
    title: str = "",
) -> Figure:
    """Draw sensitivity over 1 - specificity.

    Args:
        curves: name -> (x, y, low, high), the model first.
        areas: name -> what to say of its area ("0.972 [0.951, 0.985]").
        banded: name of the one that is drawn strong, with its 95 % interval; none is where it is left out.
        title: above the axes.
    """
    figure = new_figure(4.2, width=4.9)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
    # the grid's first point stands above the corner where some positive windows are ahead of all others
    from_corner = {
        name: (np.append(0.0, x), np.append(0.0, y), np.append(0.0, low), np.append(0.0, high))
        for name, (x, y, low, high) in curves.items()
    }
    _curves(axes, from_corner, areas or {}, banded)
    dress(axes, title=title, x="1 - specificity", y="sensitivity")
    _square(axes)
    _legend(figure, axes, "AUROC, with its interval" if areas else "")
    return figure


def precision_figure(
    curves: Mapping[str, Band],
    *,
    share: float,
    areas: Mapping[str, str] | None = None,
    banded: str | None = None,
    title: str = "",
) -> Figure:
    """Draw PPV over sensitivity.

    Args:
        curves: name -> (x, y, low, high), the model first.
        share: of the positive windows, which is the PPV of saying yes to all.
        areas: name -> what to say of its area.
        banded: name of the one that is drawn strong, with its 95 % interval; none is where it is left out.
        title: above the axes.
    """
    figure = new_figure(4.2, width=4.9)
    axes = figure.add_subplot()
    axes.axhline(share, color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)), label=f"yes to all  {share:.3f}")
    _curves(axes, curves, areas or {}, banded)
    dress(axes, title=title, x="sensitivity", y="positive predictive value")
    _square(axes)
    _legend(figure, axes, "AUPRC, with its interval" if areas else "")
    return figure


def reliability_figure(
    predicted: ArrayLike,
    observed: ArrayLike,
    windows: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    error: str = "",
    title: str = "",
) -> Figure:
    """Draw observed over predicted frequency, bin by bin, above how many windows each bin holds.

    Args:
        predicted: mean probability of each bin, (bins,); NaN in an empty one.
        observed: share of positive windows, (bins,).
        windows: how many, (bins,).
        low: ends of the interval of `observed`, (bins,); NaN where there is none.
        high: see `low`.
        error: what to say of the calibration error.
        title: above the axes.
    """
    x, y, n, bottom, top = (
        np.asarray(each, np.float64) for each in (predicted, observed, windows, low, high)
    )
    figure = new_figure(4.6, width=4.4)
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
    there = n > 0
    known = there & np.isfinite(bottom)
    axes.vlines(x[known], bottom[known], top[known], color=BLUE, linewidth=1.4, alpha=0.45)
    # a bin of few windows says little: the size of its mark is by their number
    axes.scatter(
        x[there], y[there], s=8 + 60 * n[there] / n.max(initial=1), color=BLUE, linewidth=0, zorder=3
    )
    # two titles of one line would meet in the middle
    dress(axes, title=f"{title}\n" if title and error else title, y="observed frequency")
    axes.set_title(error, loc="right", fontsize=TEXT - 0.5, color=INK, pad=8)
    axes.set_ylim(-0.03, 1.03)
    edges = np.linspace(0, 1, len(n) + 1)
    counts.bar(edges[:-1], n, width=np.diff(edges) * 0.92, align="edge", color=QUIET, linewidth=0)
    for left, count in zip(edges[:-1].tolist(), n.tolist(), strict=True):
        text = f"{count:,.0f}"
        counts.text(
            left + 0.46 / len(n), count, text, ha="center", va="bottom", fontsize=TEXT - 2.5, color=QUIET
        )
    counts.set_ylim(0, n.max(initial=1) * 1.3)
    counts.set_yticks([])
    dress(counts, x="predicted probability", y="windows")
    counts.spines["left"].set_visible(False)
    counts.set_xlim(-0.02, 1.02)
    return figure


def strips_figure(
    names: Sequence[str],
    scores: Sequence[ArrayLike],
    targets: Sequence[ArrayLike],
    *,
    threshold: float = 0.5,
    positive: str = "yes",
    x: str = "probability",
    title: str = "",
) -> Figure:
    """Draw a strip a patient or recording, with a mark for each of its windows: what was said, coloured by what was so.

    Strips are sorted by their share of positive windows, then by their mean score. Of many, the first and the last
    are not named.

    Args:
        names: of the strips, (n,).
        scores: of each strip's windows.
        targets: 0 or 1 of each.
        threshold: where a window counts as positive.
        positive: what a positive window shows.
        x: what the scores are.
        title: above the axes.
    """
    said = [np.asarray(each, np.float64) for each in scores]
    true = [np.asarray(each) > 0 for each in targets]
    order = sorted(range(len(names)), key=lambda i: (true[i].mean(), said[i].mean()))
    step = 0.16 if len(names) <= _MOST_NAMES else 0.07
    figure = new_figure(min(1.1 + step * len(names), 9.0))
    axes = figure.add_subplot()
    rng = np.random.default_rng(0)
    for row, i in enumerate(order):
        at = row + rng.uniform(-0.3, 0.3, len(said[i]))
        for which, colour, above in ((~true[i], BLUE, 2), (true[i], ORANGE, 3)):
            axes.plot(
                said[i][which], at[which], linestyle="", marker="o", markersize=2.4, color=colour, alpha=0.5,
                markeredgewidth=0, zorder=above, rasterized=True,
            )  # fmt: skip
    axes.axvline(threshold, color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.plot([], [], linestyle="", marker="o", markersize=4, color=ORANGE, label=positive)
    axes.plot([], [], linestyle="", marker="o", markersize=4, color=BLUE, label=f"not {positive}")
    dress(axes, title=title, x=x, grid="y")
    _name_rows(axes, [names[i] for i in order])
    if all(((each >= 0) & (each <= 1)).all() for each in said):  # models' strips are to be laid side by side
        axes.set_xlim(-0.02, 1.02)
    figure.legend(loc="outside lower center", ncols=2, fontsize=TEXT - 0.5, frameon=False)
    return figure


def records_figure(
    names: Sequence[str], values: Mapping[str, ArrayLike], *, x: str = "", title: str = ""
) -> Figure:
    """Draw a row a record with one mark a measure, the worst on top.

    Args:
        names: of the records, (n,).
        values: measure -> its value of each record, (n,); NaN where there is none. The last decides the order.
        x: below the axes.
        title: above the axes.
    """
    columns = {name: np.asarray(each, np.float64) for name, each in values.items()}
    last = np.nan_to_num(list(columns.values())[-1], nan=2.0)
    order = np.argsort(last, kind="stable")
    step = 0.16 if len(names) <= _MOST_NAMES else 0.09
    figure = new_figure(min(1.2 + step * len(names), 9.0))
    axes = figure.add_subplot()
    rows = np.arange(len(order))
    every = np.stack(list(columns.values()))
    known = np.isfinite(every[:, order]).any(axis=0)
    low, high = (np.where(np.isfinite(every), every, f).T for f in (np.inf, -np.inf))
    axes.hlines(rows[known], low.min(1)[order][known], high.max(1)[order][known], color=FAINT, linewidth=2)
    for (name, value), colour, shape in zip(columns.items(), SERIES, "os^DvP", strict=False):
        axes.plot(
            value[order], rows, linestyle="", marker=shape, markersize=4, color=colour, label=name, alpha=0.85,
            markeredgewidth=0, clip_on=False,
        )  # fmt: skip
    dress(axes, title=title, x=x, grid="x")
    _name_rows(axes, [names[i] for i in order])
    axes.set_xlim(right=1.0)
    figure.legend(loc="outside lower center", ncols=len(columns), fontsize=TEXT - 0.5, frameon=False)
    return figure


def timing_figure(errors: Mapping[str, ArrayLike], *, tolerance: float, title: str = "") -> Figure:
    """Draw how far detected beats lie from their reference ones, in milliseconds; right is late.

    Args:
        errors: name -> seconds, the model first.
        tolerance: greatest distance, in seconds.
        title: above the axes.
    """
    figure = new_figure(2.9)
    axes = figure.add_subplot()
    reach = 1000 * tolerance
    half = reach / 60  # a bin lies around each error, and the middle one around none
    bins = np.linspace(-reach - half, reach + half, 62)
    axes.axvline(0, color=FAINT, linewidth=1)
    for (name, each), colour in zip(errors.items(), SERIES, strict=False):
        ms = 1000 * np.asarray(each, np.float64)
        if not len(ms):
            continue
        share = 100 * np.histogram(ms, bins)[0] / len(ms)
        label = f"{name}: median {np.median(ms):+.0f} ms, n = {len(ms):,}"
        axes.stairs(share, bins, color=colour, linewidth=1.4, label=label)
        if colour == SERIES[0]:
            axes.stairs(share, bins, color=colour, fill=True, alpha=0.15)
    dress(axes, title=title, x="detected - reference (ms)", y="beats (%)")
    axes.set_xlim(bins[0], bins[-1])
    axes.set_ylim(bottom=0)
    _legend(figure, axes)
    return figure


def agreement_figure(
    said: ArrayLike,
    target: ArrayLike,
    groups: Sequence[str],
    *,
    name: str,
    of: str = "patient or recording",
    title: str = "",
) -> Figure:
    """Draw predicted numbers over the true ones: a faint mark a window, a strong one a patient or recording.

    Args:
        said: (n,).
        target: (n,).
        groups: whose each window is, (n,).
        name: what the numbers are, with their unit.
        of: what a group is.
        title: above the axes.
    """
    y, x = np.asarray(said, np.float64), np.asarray(target, np.float64)
    figure = new_figure(4.0, width=4.4)
    axes = figure.add_subplot()
    ends = [min(x.min(), y.min()), max(x.max(), y.max())]
    axes.plot(ends, ends, color=FAINT, linewidth=1)
    axes.plot(
        x,
        y,
        linestyle="",
        marker="o",
        markersize=2.4,
        color=BLUE,
        alpha=0.25,
        markeredgewidth=0,
        label="a window",
    )
    kinds = np.asarray(groups)
    means = np.array([[x[kinds == g].mean(), y[kinds == g].mean()] for g in dict.fromkeys(groups)])
    axes.plot(
        means[:, 0],
        means[:, 1],
        linestyle="",
        marker="o",
        markersize=4.5,
        color=ORANGE,
        markeredgecolor="white",
        label=f"mean of a {of}",
    )
    dress(axes, title=title, x=f"true {name}", y=f"predicted {name}")
    _legend(figure, axes)
    return figure


def _curves(axes: Axes, curves: Mapping[str, Band], areas: Mapping[str, str], banded: str | None) -> None:
    for number, ((name, (x, y, low, high)), colour) in enumerate(zip(curves.items(), SERIES, strict=False)):
        if name == banded and np.isfinite(low).any():
            whose = f"95 % interval of {name}"
            axes.fill_between(x, low, high, color=colour, alpha=0.16, linewidth=0, label=whose)
        label = f"{name}  {areas[name]}" if name in areas else name
        axes.plot(
            x, y, color=colour, linewidth=1.8 if name == banded else 1.1, label=label, zorder=4 - number / 10
        )


def _square(axes: Axes) -> None:
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.set_aspect("equal")


def _legend(figure: Figure, axes: Axes, title: str = "") -> None:
    if axes.get_legend_handles_labels()[1]:
        legend = figure.legend(
            loc="outside lower left", fontsize=TEXT - 0.5, frameon=False, labelcolor=INK, title=title or None,
            title_fontsize=TEXT - 0.5, alignment="left",
        )  # fmt: skip
        legend.get_title().set_color(INK)


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.invert_yaxis()
    if len(names) <= _MOST_NAMES:
        axes.set_yticks(range(len(names)), names, fontsize=TEXT - 1.5)
        axes.tick_params(axis="y", length=0)
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{len(names)} patients or recordings", fontsize=TEXT, color=INK)
