"""Decoded targets over time, on the true ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physiolect.plots.style import BLUE, INK, QUIET, TEXT, dress, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = 60.0
"""Seconds that are drawn at most: more could not be told apart."""


def decoding_figure(
    time: NDArray[np.floating],
    values: NDArray[np.floating],
    truth: NDArray[np.floating] | None,
    names: Sequence[str],
    *,
    title: str = "",
) -> Figure:
    """Return a figure with a row for each target: decoded, and true where it is known.

    Args:
        time: seconds, (T,).
        values: decoded, (T, K).
        truth: true, (T, K); None where it is not known.
        names: of the targets.
        title: above the figure.
    """
    middle = float(time[-1]) / 2 if len(time) else 0.0
    shown = np.abs(time - middle) <= _SHOWN / 2
    figure = new_figure(1.0 + 1.5 * len(names))
    rows = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    for number, (row, name) in enumerate(zip(rows, names, strict=True)):
        if truth is not None:
            row.plot(time[shown], truth[shown, number], color=QUIET, linewidth=1.6, label="true")
        row.plot(time[shown], values[shown, number], color=BLUE, linewidth=1.0, label="decoded")
        dress(row, y=name)
    rows[0].legend(loc="upper right", ncols=2, frameon=False, fontsize=TEXT)
    rows[-1].set_xlabel("time (s)", color=INK, fontsize=TEXT)
    if title:
        figure.suptitle(title, color=INK, fontsize=TEXT + 1)
    return figure
