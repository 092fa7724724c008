"""A recording, channel under channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physiolect.plots.style import BLUE, INK, ORANGE, QUIET, TEXT, dress, lay_paper, new_figure
from physiolect.signals.extremes import column_extremes, column_starts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from physiolect.recording import Recording

_SAMPLES_A_COLUMN = 4
"""With more samples in a column of pixels, a signal is drawn as its lowest and highest value in each column."""
_ON_PAPER = 30.0
"""Seconds: a longer ECG has no room for the squares of ECG paper."""
_MARKED_BEATS = 150
"""More marks than these would be a solid line."""
_LETTERED_BEATS = 40
"""More letters than these would run together."""
_COLOURS = {"N": BLUE, "V": ORANGE}


def recording_figure(recording: Recording, *, max_channels: int = 12, title: str | None = None) -> Figure:
    """Draw the channels of a recording under one another, each on its own scale, with marks on its beats.

    Args:
        recording: any length; slice it first to see part of it.
        max_channels: the first so many are drawn, and the title says if there are more.
        title: above the figure; by default the source.
    """
    shown = recording.signal[:max_channels]
    n_rows = len(shown)
    figure = new_figure(0.75 + n_rows * (1.5 if n_rows <= 3 else 0.62))
    rows = figure.subplots(n_rows, 1, sharex=True, squeeze=False)[:, 0]
    one_unit = None if isinstance(recording.unit, tuple) else recording.unit or "unit unknown"
    for axes, signal, name, unit in zip(rows, shown, recording.channels, recording.units, strict=False):
        _draw(axes, signal, recording.fs)
        on_paper = unit == "mV" and recording.modality == "ecg" and recording.duration <= _ON_PAPER
        dress(axes, grid=None if on_paper else "x")
        label = name if one_unit else f"{name}\n{unit or '?'}"
        axes.set_ylabel(label, fontsize=TEXT, color=INK, rotation=0, ha="right", va="center")
        axes.locator_params(axis="y", nbins=3)
        axes.margins(x=0, y=0.12)
        if on_paper:
            lay_paper(axes)
        if axes is not rows[-1]:
            axes.spines["bottom"].set_visible(False)
            axes.tick_params(axis="x", length=0)
    rows[-1].set_xlabel("seconds", fontsize=TEXT, color=INK)
    figure.align_ylabels(rows)
    _mark_beats(rows[0], recording)
    notes = [one_unit] if one_unit else []
    if n_rows < len(recording.channels):
        notes.append(f"first {n_rows} of {len(recording.channels)} channels")
    heading = " · ".join(filter(None, [recording.source if title is None else title, *notes]))
    figure.suptitle(heading, x=0.01, ha="left", fontsize=TEXT + 1.5, color=INK, fontweight="bold")
    return figure


def _draw(axes: Axes, signal: NDArray[np.float32], fs: float) -> None:
    """Draw a signal as a line, or where it has many samples a pixel as a band from minimum to maximum."""
    n_columns = round(axes.bbox.width)  # pixels
    if len(signal) <= _SAMPLES_A_COLUMN * n_columns:
        axes.plot(np.arange(len(signal)) / fs, signal, color=INK, linewidth=0.6)
        return
    low, high = column_extremes(signal, n_columns)
    time = column_starts(len(signal), n_columns) / fs
    if not _is_solid(low, high):
        axes.fill_between(time, low, high, step="post", color=INK, linewidth=0.5)
        return
    axes.fill_between(time, low, high, color=INK, alpha=0.22, linewidth=0)
    for edge in (low, high):
        axes.plot(time, edge, color=INK, linewidth=0.5)


def _is_solid(low: NDArray[np.floating], high: NDArray[np.floating]) -> bool:
    """Say whether most columns reach over most of the signal's range: drawn in ink, they would be one solid bar."""
    known = np.isfinite(low) & np.isfinite(high)
    if not known.any():
        return False
    low, high = low[known], high[known]
    return bool(np.median(high - low) > (np.quantile(high, 0.9) - np.quantile(low, 0.1)) / 2)


def _mark_beats(axes: Axes, recording: Recording) -> None:
    """Put a tick and a letter above the first channel for every beat, where there is room for them."""
    from matplotlib.markers import TICKUP

    beats = [(sample, symbol) for sample, symbol, _ in recording.annotations if symbol.isalpha()]
    if not 0 < len(beats) <= _MARKED_BEATS:
        return
    across = axes.get_xaxis_transform()
    for sample, symbol in beats:
        at, colour = sample / recording.fs, _COLOURS.get(symbol, QUIET)
        axes.plot(at, 1.0, marker=TICKUP, markersize=5, color=colour, transform=across, clip_on=False)
        if len(beats) <= _LETTERED_BEATS:
            axes.annotate(
                symbol,
                (at, 1.0),
                (0, 7),
                xycoords=across,
                textcoords="offset points",
                color=colour,
                fontsize=TEXT - 1.5,
                ha="center",
            )
