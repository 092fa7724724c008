"""Heartbeats of several classes: what was decided of each, when they come, and how they look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.plots.style import INK, QUIET, SERIES, TEXT, dress, lay_paper, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_DOTS = 4000
"""Beats of a class that are drawn one by one; of more, these are spread over all."""
_BEFORE, _AFTER = 0.35, 0.55
"""Seconds of waveform."""
_MOST_SHAPES = 40


def confusion_figure(counts: NDArray[np.integer], classes: Sequence[str], *, title: str = "") -> Figure:
    """Draw how many of each class were decided to be of each.

    Args:
        counts: (K, K): truth, decision.
        classes: K names.
        title: above the axes.
    """
    figure = new_figure(3.6, width=4.4)
    axes = figure.add_subplot()
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (truth, decided), count in np.ndenumerate(counts):
        colour = "white" if shares[truth, decided] > 0.5 else INK
        text = f"{count:,}\n{shares[truth, decided]:.1%}"
        axes.text(decided, truth, text, ha="center", va="center", fontsize=TEXT - 1, color=colour)
    dress(axes, title=title, x="decided", y="reference")
    places = range(len(classes))
    axes.set_xticks(places, classes)
    axes.set_yticks(places, classes)
    return figure


def heartbeats_figure(
    signal: ArrayLike,
    *,
    fs: float,
    samples: ArrayLike,
    decided: ArrayLike,
    classes: Sequence[str],
    start: float = 0.0,
    unit: str | None = None,
    title: str = "",
) -> Figure:
    """Draw the interval before each beat over time, coloured by class, and below it beats of each class.

    Beats in mV lie on the squares of ECG paper.

    Args:
        signal: (T,) in `unit`, at `fs`.
        fs: its rate in Hz.
        samples: of the beats, (n,), in order.
        decided: number of the class of each, (n,); -1 where it was not judged.
        classes: names.
        start: where the signal begins in the recording, in seconds.
        unit: of the signal, or None where unknown.
        title: above the figure.
    """
    values, beats, which = np.asarray(signal), np.asarray(samples, np.int64), np.asarray(decided)
    figure = new_figure(4.4)
    upper, *lower = figure.subplot_mosaic(
        [["rr"] * len(classes), [f"{k}" for k in range(len(classes))]], height_ratios=[1.3, 1]
    ).values()
    time, rr = start + beats / fs, np.diff(beats, prepend=np.nan) / fs
    for k, name in enumerate(classes):
        mine = np.flatnonzero(which == k)
        colour = SERIES[k % len(SERIES)]
        shown = (
            mine[np.linspace(0, len(mine) - 1, min(len(mine), _MOST_DOTS)).astype(int)] if len(mine) else mine
        )
        upper.plot(
            time[shown],
            rr[shown],
            linestyle="none",
            marker="o",
            markersize=2.5,
            color=colour,
            label=f"{name} {len(mine):,}",
        )
        _shapes(lower[k], values, beats[mine], fs, colour)
        dress(lower[k], title=name, x="s", y=(unit or "") if k == 0 else "")
        if unit == "mV" and len(mine):
            lay_paper(lower[k])
    dress(upper, title=title, x="s", y="RR interval (s)", grid="y")
    upper.set_ylim(0, 2.5)
    upper.legend(fontsize=TEXT - 1, frameon=False, ncols=len(classes), loc="upper right", labelcolor=INK)
    return figure


def _shapes(axes, values: NDArray, beats: NDArray[np.int64], fs: float, colour: str) -> None:  # type: ignore[no-untyped-def]
    """Draw some beats over one another, and their median."""
    before, after = round(_BEFORE * fs), round(_AFTER * fs)
    whole = beats[(beats >= before) & (beats + after <= len(values))]
    if not len(whole):
        axes.text(
            0.5, 0.5, "none", ha="center", va="center", transform=axes.transAxes, fontsize=TEXT, color=QUIET
        )
        return
    chosen = whole[np.linspace(0, len(whole) - 1, min(len(whole), _MOST_SHAPES)).astype(int)]
    shapes = values[chosen[:, None] + np.arange(-before, after)]
    seconds = np.arange(-before, after) / fs
    axes.plot(seconds, shapes.T, color=colour, linewidth=0.4, alpha=0.25)
    axes.plot(seconds, np.nanmedian(shapes, 0), color=INK, linewidth=1.1)
