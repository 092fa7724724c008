"""A map of what counts, as shades behind the leads of an ECG on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physiolect.plots.paper_layout import Cell
from physiolect.plots.style import AMBER, BLUE, ORANGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DARKEST = 0.8
"""How little of the paper shows through the darkest shade."""
_LEAST = 0.02
"""A shade that is fainter is left out."""
_LETTER = 3.5
"""mm below a row's upper edge that are left to the letters of beats."""


@dataclass(frozen=True, eq=False)
class Shades:
    """How much each stretch of each channel counts."""

    spans: NDArray[np.float64]
    """(n, 2) first and last moment of each stretch, in seconds from the beginning of what is drawn."""
    rows: NDArray[np.int64]
    """(n,) channel of each stretch; -1 for all channels."""
    values: NDArray[np.float64]
    """(n,) how much each counts; below 0 where it counts against, or less than before."""
    queries: tuple[float, ...] = ()
    """Moments that are marked by a dashed line, in the same seconds."""

    @property
    def top(self) -> float:
        """The size that gets the darkest shade: all but a few of the stretches stay below it."""
        sizes = np.abs(self.values)
        return float(np.quantile(sizes, 0.995)) or float(sizes.max(initial=0.0)) or 1.0


def draw_shades(axes: Axes, cells: Sequence[Cell], fs: float, shades: Shades, speed: float) -> None:
    """Draw shades, and dashed lines at the queries, behind the leads of a sheet.

    Args:
        axes: of the sheet, in millimetres.
        cells: of the sheet.
        fs: rate of what is drawn in Hz.
        shades: what is drawn.
        speed: mm a second.
    """
    from matplotlib.collections import PatchCollection
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Rectangle

    strength = np.clip(np.abs(shades.values) / shades.top, 0, 1) * _DARKEST
    signed = bool((shades.values < 0).any())
    lines = np.unique([cell.y for cell in cells])  # from the lowest row up
    boxes: dict[bool, list[Rectangle]] = {True: [], False: []}
    colours: dict[bool, list[tuple[float, ...]]] = {True: [], False: []}
    for cell in cells:
        if cell.channel is None:
            continue
        upper = _edge(lines[lines > cell.y][:1], cell.y, cell.above)
        lower = _edge(lines[lines < cell.y][-1:], cell.y, -cell.above)
        stop = cell.start + max(cell.samples[1] - cell.samples[0] - 1, 0) / fs
        here = (shades.spans[:, 1] > cell.start) & (shades.spans[:, 0] < stop) & (strength > _LEAST)
        here &= (shades.rows == cell.channel) | (shades.rows == -1)
        for k in np.flatnonzero(here).tolist():
            a, b = np.clip(shades.spans[k], cell.start, stop) - cell.start
            counts_for = bool(shades.values[k] > 0)
            boxes[counts_for].append(Rectangle((cell.x + a * speed, lower), (b - a) * speed, upper - lower))
            colour = AMBER if not signed else ORANGE if counts_for else BLUE
            colours[counts_for].append(to_rgba(colour, float(strength[k])))
        for moment in shades.queries:
            if cell.start <= moment <= stop:
                x = cell.x + (moment - cell.start) * speed
                axes.plot(
                    [x, x], [lower, upper - _LETTER], color=ORANGE, linewidth=0.9,
                    linestyle=(0, (3, 2)), zorder=2.5, label="query",
                )  # fmt: skip
    for counts_for, hatch in ((True, None), (False, "//")):  # in grey, a hatch tells the two apart
        found = PatchCollection(
            boxes[counts_for], facecolors=colours[counts_for], edgecolors=to_rgba(BLUE, 0.5), linewidths=0, hatch=hatch,
            zorder=0.9, label="shades",
        )  # fmt: skip
        axes.add_collection(found, autolim=False)


def _edge(next_line: NDArray[np.float64], y: float, reach: float) -> float:
    """Return where the shades of a row end: half way to the next row, or as far as the row reaches."""
    half = float(next_line[0] - y) / 2 if len(next_line) else reach
    return y + (half if abs(half) < abs(reach) + 1 else reach)
