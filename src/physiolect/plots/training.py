"""How the loss fell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.plots.style import BLUE, INK, ORANGE, QUIET, TEXT, dress, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def loss_figure(
    train: tuple[ArrayLike, ArrayLike],
    validation: tuple[ArrayLike, ArrayLike],
    baselines: Mapping[str, float] | None = None,
    *,
    unit: str = "nats per token",
) -> Figure:
    """Draw training and validation loss over steps, and what baselines reach without training.

    Args:
        train: steps and losses, (n,) each.
        validation: the same, (m,) each; may be empty.
        baselines: losses by name, one dashed line each.
        unit: of the losses, for the axis.
    """
    baselines = baselines or {}
    figure = new_figure(3.2)
    axes = figure.add_subplot()
    steps, losses = (np.asarray(part, float) for part in train)
    wide = len(losses) > 60
    axes.plot(
        steps,
        losses,
        color=BLUE,
        linewidth=0.7,
        alpha=0.35 if wide else 1,
        label=None if wide else "training",
    )
    if wide:
        axes.plot(steps, _smooth(losses), color=BLUE, linewidth=1.5, label="training (smoothed)")
    at, held_out = (np.asarray(part, float) for part in validation)
    if held_out.size:
        axes.plot(at, held_out, color=ORANGE, linewidth=1.5, marker="o", markersize=3.2, label="validation")
    dress(axes, title="Loss while training", x="step", y=unit, grid="y")
    # The first steps of an untrained model would flatten all that matters.
    shown = np.concatenate([losses[len(losses) // 50 :], held_out, list(baselines.values())])
    span = np.ptp(shown) or 1.0
    axes.set_ylim(shown.min() - 0.08 * span, shown.max() + 0.08 * span)
    axes.set_xlim(0, max(steps.max(), *at.tolist(), 1))
    _name_levels(axes, baselines)
    axes.legend(frameon=False, fontsize=TEXT - 0.5, labelcolor=INK, loc="upper right")
    return figure


def _smooth(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the running mean over a thirtieth of the steps, narrower at the ends."""
    half = max(1, len(losses) // 60)
    total = np.concatenate([[0.0], np.cumsum(losses)])
    place = np.arange(len(losses))
    reach = np.minimum(half, np.minimum(place, place[::-1]))
    return (total[place + reach + 1] - total[place - reach]) / (2 * reach + 1)


def _name_levels(axes: Axes, baselines: Mapping[str, float]) -> None:
    """Draw a dashed line for each baseline with its name at the right, names pushed apart where they would touch."""
    low, high = axes.get_ylim()
    gap = 0.055 * (high - low)
    place = low
    for name, value in sorted(baselines.items(), key=lambda item: item[1]):
        axes.axhline(value, color=QUIET, linewidth=0.9, linestyle=(0, (4, 2)))
        place = max(place + gap, value)
        axes.annotate(
            f"{name}  {value:.2f}",
            (1.0, value),
            (1.02, place),
            xycoords=("axes fraction", "data"),
            textcoords=("axes fraction", "data"),
            fontsize=TEXT - 0.5,
            color=INK,
            va="center",
            annotation_clip=False,
        )
