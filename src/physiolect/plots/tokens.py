"""Tokens of a signal: what they look like, how often they are used, and where they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.plots.style import BLUE, FAINT, INK, ORANGE, QUIET, TEXT, dress, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 6
_LONGEST = 0.5
"""Seconds at which the colour of a token's length ends."""


class Shape(NamedTuple):
    """One token, to be drawn."""

    title: str
    """Its id, and what else there is to say of it in a few words."""
    samples: NDArray[np.float32]
    """What it stands for (n,)."""


def token_shapes_figure(groups: Mapping[str, Sequence[Shape]], *, fs: float, unit: str | None) -> Figure:
    """Draw tokens as waveforms, one small picture each, group under group.

    All share one scale of amplitude; each fills its picture, and how long it is stands above.

    Args:
        groups: title of a group -> its tokens.
        fs: sampling rate in Hz.
        unit: of the samples, or None where unknown.
    """
    from matplotlib.ticker import MaxNLocator

    groups = {title: shapes for title, shapes in groups.items() if shapes}
    n_rows = {title: -(-len(shapes) // _COLUMNS) for title, shapes in groups.items()}
    figure = new_figure(0.35 + sum(0.5 + 1.02 * n for n in n_rows.values()))
    everything = np.concatenate([shape.samples for shapes in groups.values() for shape in shapes])
    low, high = float(everything.min()), float(everything.max())
    margin = 0.08 * (high - low) or 0.1
    ratios = [0.5 + 1.02 * n for n in n_rows.values()]
    parts = figure.subfigures(len(groups), 1, squeeze=False, height_ratios=ratios)[:, 0]
    for part, (title, shapes) in zip(parts, groups.items(), strict=True):
        part.suptitle(title, x=0.01, ha="left", fontsize=TEXT + 1.5, color=INK, fontweight="bold")
        places = part.subplots(n_rows[title], _COLUMNS, sharey=True, squeeze=False)
        for k, axes in enumerate(places.ravel()):
            if k >= len(shapes):
                axes.set_axis_off()
                continue
            samples = shapes[k].samples
            # a sample lasts until the next, so that a token of one sample is seen too
            edges = 1000 * np.arange(len(samples) + 1) / fs
            axes.stairs(samples, edges, baseline=None, color=BLUE, linewidth=1.2)
            dress(axes, grid="y")
            axes.set_title(f"{shapes[k].title} · {edges[-1]:.0f} ms", fontsize=TEXT - 2, color=QUIET, pad=3)
            axes.set_xlim(0, edges[-1])
            axes.set_xticks([])
            axes.set_ylim(low - margin, high + margin)
            axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
            axes.tick_params(labelsize=TEXT - 2)
        part.supylabel(unit or "unit unknown", fontsize=TEXT - 0.5, color=INK)
    return figure


def token_use_figure(counts: ArrayLike, per_signal: ArrayLike, *, seconds: ArrayLike) -> Figure:
    """Draw how often tokens come up by rank, and how many tokens a row of a store takes.

    Args:
        counts: how often each token came up, (tokens,).
        per_signal: tokens of each row, (rows,).
        seconds: length of each row, (rows,); where they differ, tokens are told by the second.
    """
    from matplotlib.ticker import NullFormatter

    used = np.sort(np.asarray(counts, np.int64))[::-1]
    used = used[used > 0]
    figure = new_figure(2.9)
    ranks, amounts = figure.subplots(1, 2)
    ranks.loglog(np.arange(1, len(used) + 1), used, color=BLUE, linewidth=1.5)
    dress(ranks, title="How often each token is used", x="rank", y="times used", grid="y")
    for axis in (ranks.xaxis, ranks.yaxis):
        axis.set_minor_formatter(NullFormatter())
    share = np.cumsum(used) / used.sum()
    half = int(np.searchsorted(share, 0.5)) + 1
    ranks.axvline(half, color=ORANGE, linewidth=0.9, linestyle=(0, (3, 2)))
    ranks.annotate(
        f"half of all use is\nof {half:,} {'tokens' if half > 1 else 'token'}",
        (half, used[0]),
        (4, 0),
        textcoords="offset points",
        va="top",
        fontsize=TEXT - 1,
        color=ORANGE,
    )
    tokens, lengths = np.asarray(per_signal, np.float64), np.asarray(seconds, np.float64)
    alike = np.ptp(lengths) == 0
    values = tokens if alike else tokens / lengths
    amounts.hist(values, bins=min(40, max(8, len(values) // 8)), color=BLUE, alpha=0.75, linewidth=0)
    middle = float(np.median(values))
    amounts.axvline(middle, color=INK, linewidth=1)
    amounts.annotate(
        f"median {middle:,.0f}",
        (middle, 1.0),
        (4, -2),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        va="top",
        fontsize=TEXT - 1,
        color=INK,
    )
    what = f"Tokens in {lengths[0]:g} s" if alike else "Tokens a second"
    dress(amounts, title=what, x="tokens" if alike else "tokens a second", y="rows", grid="y")
    amounts.yaxis.get_major_locator().set_params(integer=True)
    return figure


def token_track_figure(
    signal: ArrayLike,
    spans: ArrayLike,
    *,
    fs: float,
    channels: Sequence[str],
    unit: str | None,
    start: float = 0.0,
    seconds: float | None = None,
    title: str = "",
) -> Figure:
    """Draw a stretch of a signal lead under lead, with every token's stretch in the colour of its length.

    Grey and white bars behind a lead are its tokens, one each.

    Args:
        signal: (channels, time).
        spans: where each token begins and ends in the leads laid one after another, (tokens, 2).
        fs: sampling rate in Hz.
        channels: names of the leads.
        unit: of the signal, or None where unknown.
        start: seconds into the signal at which the stretch begins.
        seconds: how long it is; None goes on to the end.
        title: above the figure.
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, LogNorm

    length = np.asarray(signal).shape[1]
    first = round(start * fs)
    stop = length if seconds is None else min(first + round(seconds * fs), length)
    leads = np.asarray(signal, np.float64)[:, first:stop]
    figure = new_figure(0.9 + len(leads) * (1.3 if len(leads) <= 3 else 0.68))
    rows = figure.subplots(len(leads), 1, sharex=True, squeeze=False)[:, 0]
    visible = ListedColormap(colormaps["viridis_r"](np.linspace(0.12, 1, 256)))  # yellow is lost on white
    colours = ScalarMappable(LogNorm(1 / fs, max(_LONGEST, 4 / fs), clip=True), visible)
    for k, (axes, lead, name) in enumerate(zip(rows, leads, channels, strict=True)):
        inside = _within(np.asarray(spans), k * length + first, k * length + stop)
        _colour_tokens(axes, lead, inside, fs, first / fs, colours)
        dress(axes)
        axes.set_ylabel(name, fontsize=TEXT, color=INK, rotation=0, ha="right", va="center")
        axes.locator_params(axis="y", nbins=3)
        axes.margins(x=0, y=0.12)
        if axes is not rows[-1]:
            axes.spines["bottom"].set_visible(False)
            axes.tick_params(axis="x", length=0)
    rows[-1].set_xlabel("seconds; each grey or white band is one token", fontsize=TEXT, color=INK)
    figure.align_ylabels(rows)
    bar = figure.colorbar(colours, ax=list(rows), fraction=0.025, pad=0.015, aspect=40, extend="max")
    ticks = [t for t in (0.004, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if 1 / fs <= t <= max(_LONGEST, 4 / fs)]
    bar.set_ticks(ticks, labels=[f"{t:g}" for t in ticks], minor=False)
    bar.ax.minorticks_off()
    bar.ax.tick_params(labelsize=TEXT - 0.5, colors=QUIET, labelcolor=INK)
    bar.set_label("length of a token (s)", fontsize=TEXT, color=INK)
    bar.outline.set_visible(False)
    scales = ", each lead on a scale of its own" if len(leads) > 1 else ""
    figure.supylabel(f"{unit or 'unit unknown'}{scales}", fontsize=TEXT, color=INK)
    figure.suptitle(title, x=0.01, ha="left", fontsize=TEXT + 1.5, color=INK, fontweight="bold")
    return figure


def _within(spans: NDArray[np.int64], first: int, stop: int) -> NDArray[np.int64]:
    """Return the tokens in [first, stop), counted from there; one that crosses an end is cut."""
    inside = spans[(spans[:, 1] > first) & (spans[:, 0] < stop)]
    return np.clip(inside, first, stop) - first


def _colour_tokens(
    axes: Axes, lead: NDArray[np.float64], spans: NDArray[np.int64], fs: float, start: float, colours: object
) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import LineCollection

    assert isinstance(colours, ScalarMappable)
    time = start + np.arange(len(lead)) / fs
    low, high = float(lead.min()), float(lead.max())
    reach = 0.12 * (high - low) or 0.1
    every_other = [(start + begin / fs, (end - begin) / fs) for begin, end in spans[::2].tolist()]
    axes.broken_barh(
        every_other, (low - reach, high - low + 2 * reach), facecolor=FAINT, alpha=0.6, linewidth=0
    )
    # a token's line goes on to the next one's first sample, so that nothing gapes
    pieces = [np.stack([time[b : e + 1], lead[b : e + 1]], axis=1) for b, e in spans.tolist()]
    lengths = (spans[:, 1] - spans[:, 0]) / fs
    axes.add_collection(LineCollection(pieces, colors=colours.to_rgba(lengths), linewidths=1.1))
    axes.autoscale_view()
