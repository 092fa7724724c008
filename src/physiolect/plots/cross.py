"""Cross-attention of each symbol over the time of a signal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physiolect.plots.style import BLUE, INK, QUIET, TEXT, dress, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LABELLED = 40
"""Symbols that are named at most; of more, some are left out."""


def cross_figure(
    signal: NDArray[np.floating],
    weights: NDArray[np.floating],
    symbols: Sequence[str],
    *,
    start: float,
    stop: float,
    title: str = "",
    evidence: str = "",
) -> Figure:
    """Return a figure with the signal above, and below a row for each symbol with its weights.

    Args:
        signal: (C, T): one channel as a line, several as shades.
        weights: (L, N) of each symbol over the signal's tokens.
        symbols: L names.
        start: of the signal, in seconds.
        stop: its end.
        title: above the figure.
        evidence: a line below it.
    """
    figure = new_figure(2.2 + 0.14 * min(len(symbols), _LABELLED))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2))
    if len(signal) == 1:
        time = np.linspace(start, stop, signal.shape[1], endpoint=False)
        above.plot(time, signal[0], color=BLUE, linewidth=0.8)
        dress(above, y="signal")
    else:
        spread = signal - signal.mean(1, keepdims=True)
        spread = spread / np.maximum(spread.std(1, keepdims=True), 1e-9)
        above.imshow(
            spread, aspect="auto", extent=(start, stop, len(signal), 0), cmap="Greys", interpolation="nearest"
        )
        dress(above, y="channel")
    below.imshow(
        weights, aspect="auto", extent=(start, stop, len(symbols), 0), cmap="Blues", interpolation="nearest"
    )
    dress(below, y="")
    step = -(-len(symbols) // _LABELLED)
    below.set_yticks(np.arange(0, len(symbols), step) + 0.5, list(symbols[::step]), fontsize=TEXT - 1)
    below.set_xlabel("time (s)", color=INK, fontsize=TEXT)
    if title:
        figure.suptitle(title, color=INK, fontsize=TEXT + 1)
    if evidence:
        figure.supxlabel(evidence, color=QUIET, fontsize=TEXT)
    return figure
