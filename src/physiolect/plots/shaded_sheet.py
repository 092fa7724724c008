"""A sheet of leads on ECG paper with a map of what counts behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physiolect.plots.ecg_paper import Paper, ecg_paper_figure
from physiolect.plots.paper_layout import ROW, Layout
from physiolect.plots.paper_shades import Shades
from physiolect.recording import LEADS, canonical_channel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from physiolect.recording import Recording

_SPEEDS = (25.0, 12.5, 10.0, 5.0)
_MOST_ROWS = 12
_WHOLE = 8
"""Standard leads from which on each has one row of a sheet of twelve."""


def shaded_sheet_figure(
    recording: Recording, shades: Shades, *, what: str, title: str = "", evidence: str = ""
) -> Figure:
    """Draw a stretch of a recording on ECG paper, true to scale, each lead whole, with shades behind it.

    Speed is 25 mm/s, or less where the stretch would not fit on the sheet.

    Args:
        recording: the stretch.
        shades: how much each part of it counts, and which moments are marked.
        what: the quantity of the shades.
        title: above the sheet.
        evidence: a line below it.
    """
    names = [canonical_channel(name) for name in recording.channels]
    whole = len(names) >= _WHOLE and len(set(names)) == len(names) and all(name in LEADS for name in names)
    layout: Layout = "12x1" if whole else "strip"
    n_lines = 1 if whole else max(1, _MOST_ROWS // len(names))
    speed = next((each for each in _SPEEDS if recording.duration <= n_lines * ROW / each + 0.05), _SPEEDS[-1])
    signed = " (orange: more, hatched blue: less)" if (shades.values < 0).any() else ""
    note = f"shades: {what}{signed}, darkest at {shades.top:.3g}"
    marked = "; dashed: the query" if shades.queries else ""
    return ecg_paper_figure(
        recording, layout=layout, paper=Paper(speed=speed), title=title, shades=shades,
        note="\n".join(filter(None, [note + marked, evidence])),
    )  # fmt: skip
