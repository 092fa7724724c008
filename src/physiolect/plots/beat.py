"""One heartbeat, and what of it counts: its waveform in each lead, and the groups of numbers that describe it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physiolect.plots.column import Trace, column_figure, draw_bands, draw_signal, ground_signal, head, small
from physiolect.plots.style import BLUE, INK, ORANGE, QUIET, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def beat_figure(
    leads: Sequence[tuple[str, Trace, NDArray[np.float64]]],
    groups: Mapping[str, float],
    *,
    time: NDArray[np.float64],
    unit: str | None,
    what: str,
    unit_of_what: str = "nats",
    title: str = "",
    evidence: str = "",
) -> Figure:
    """Draw a beat lead by lead on a ground that is coloured by how much each sample counts, and below it each group.

    Args:
        leads: name, signal around the beat, and how much each sample of the waveform counts, (T,).
        groups: how much each group of numbers counts in all.
        time: (T,) of the waveform, in seconds from the R peak.
        unit: of the signals, or None where unknown.
        what: the number that is explained.
        unit_of_what: its unit.
        title: above the figure.
        evidence: a line below it.
    """
    below = 0.45 + 0.17 * len(groups)
    figure = column_figure(1.45 + below + 0.9)
    above, under = figure.subfigures(2, 1, squeeze=False, height_ratios=[1.7, below + 0.2])[:, 0]
    places = above.subplots(1, len(leads), sharey=True, squeeze=False)[0]
    largest = max((np.abs(each).max(initial=0.0) for _, _, each in leads), default=0.0) or 1.0
    for axes, (name, trace, _) in zip(places, leads, strict=True):
        draw_signal(axes, time, trace.values, unit, trace=trace)
        axes.set_title(name, fontsize=SMALL, color=INK, loc="left", pad=2)
        axes.set_xlabel("seconds from R", fontsize=SMALL, color=INK)
    for axes, (_, trace, each) in zip(places, leads, strict=True):  # when all have stretched the shared axis
        draw_bands(axes, time, each, signed=True, top=largest)
        ground_signal(axes, unit, trace, on_bands=True)
    for axes in places[1:]:
        axes.set_ylabel("")
    _draw_groups(under.subplots(1, 1), groups, unit_of_what)
    under.suptitle(what, x=0.01, ha="left", fontsize=SMALL, color=INK)
    head(figure, title, evidence)
    return figure


def _draw_groups(axes: Axes, groups: Mapping[str, float], unit: str) -> None:
    values = list(groups.values())
    places = np.arange(len(values))
    colours = [ORANGE if each >= 0 else "#8cc3e6" for each in values]
    bars = axes.barh(places, values, height=0.66, color=colours, edgecolor=BLUE, linewidth=0)
    for bar, each in zip(bars, values, strict=True):
        if each < 0:
            bar.set_hatch("/////")
    small(axes, x=f"contribution in {unit}: orange for, hatched blue against")
    axes.set_yticks(places, labels=list(groups))
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.axvline(0, color=QUIET, linewidth=0.6)
    reach = max((abs(each) for each in values), default=0.0) or 1.0
    axes.set_xlim(min(0.0, *values) - 0.18 * reach, max(0.0, *values) + 0.18 * reach)
    for place, each in zip(places, values, strict=True):
        axes.annotate(
            f"{each:+.2f}", (each, place), (2 if each >= 0 else -2, 0), textcoords="offset points", va="center",
            ha="left" if each >= 0 else "right", fontsize=SMALL - 1, color=QUIET,
        )  # fmt: skip
