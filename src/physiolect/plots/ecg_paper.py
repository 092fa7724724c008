"""An ECG on paper: 25 mm a second and 10 mm a millivolt, true to scale."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray

from physiolect.contract.channels import channel_modality
from physiolect.contract.units import conversion_factor
from physiolect.errors import ConfigError, ContractError, check_option
from physiolect.plain_text import escape_controls
from physiolect.plots.paper_layout import Cell, Layout, Sheet, lay_out_sheet, strip_sheet, twelve_leads
from physiolect.plots.paper_shades import Shades, draw_shades
from physiolect.plots.style import INK, ORANGE, PAPER_LINE, PAPER_STRONG_LINE, QUIET
from physiolect.recording import LEADS, canonical_channel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from physiolect.recording import Recording

MM = 1 / 25.4
"""Inches in a millimetre."""
_DPI = 254  # ten pixels a millimetre
_POINTS = 72 * MM  # points in a millimetre
_THIN, _THICK, _TRACE = 0.08 * _POINTS, 0.18 * _POINTS, 0.25 * _POINTS
_NAME, _SMALL_TEXT, _TITLE = 3.4 * _POINTS, 2.6 * _POINTS, 3.8 * _POINTS  # heights of letters
_LETTER = 2.6
"""mm: how high and wide a symbol above a beat is, at most."""
_FULL_SCALE = 15.0
"""mm that a channel without a voltage takes from its 1st to its 99th percentile, or less."""
_MOST_LETTERS = 60
_ENOUGH = 8
"""Standard leads that make a sheet of twelve."""
_SPILL = 5.0
"""mm by which a lead of the first or last row may leave the grid."""
_NAMED = 6
"""Leads that a note names."""
_STEPS = (1.0, 2.0, 5.0, 10.0)

Scale = tuple[float, str | None]
"""mm a unit, and the words that state it where it is not the paper's gain."""


@dataclass(frozen=True)
class Paper:
    """How much a millimetre of paper stands for."""

    speed: float = 25.0
    """mm a second."""
    gain: float = 10.0
    """mm a millivolt."""

    def problems(self) -> list[str]:
        """List what is wrong."""
        return [
            f"{name} is {value:g} {unit}, but paper has {low:g} to {high:g}"
            for name, value, unit, low, high in (
                ("speed", self.speed, "mm/s", 5.0, 50.0), ("gain", self.gain, "mm/mV", 1.0, 100.0)
            )
            if not low <= value <= high
        ]  # fmt: skip


def ecg_paper_figure(
    recording: Recording,
    *,
    layout: Layout | None = None,
    rhythm: str = "II",
    paper: Paper = Paper(),
    marks: bool = True,
    title: str | None = None,
    shades: Shades | None = None,
    note: str = "",
) -> Figure:
    """Draw an ECG on paper, true to scale: one millimetre of the page is one millimetre of paper.

    A row is 250 mm: 10 s at 25 mm/s. Each lead is drawn at the recording's own rate, with its median on its line;
    missing samples leave gaps. The text below states speed, gain and rate, what is not drawn, and other scales.
    Save it with `figure.savefig("ecg.pdf")`; `bbox_inches="tight"` would change the size.

    Args:
        recording: what is drawn begins with its first sample; `Recording.slice` moves that.
        layout: "3x4" (four columns of 2.5 s, and a rhythm strip), "6x2", "12x1", or "strip": the channels under one
            another, line after line. None is "3x4" where eight of the twelve leads are there, else "strip".
        rhythm: lead of the rhythm strip; another where it is missing.
        paper: speed and gain.
        marks: whether beats marked in the recording get their letters above the last row, or each line of a strip.
        title: above the sheet; the name of the recording's file by default.
        shades: drawn behind the leads.
        note: a line below the sheet, under its facts.

    Raises:
        ConfigError: there is no such layout, or the speed or gain is none of paper.
        ContractError: the layout needs standard leads and there is none, or several channels are the same lead.
    """
    sheet = _laid_out(recording, layout, rhythm, paper)
    figure, axes = _new_sheet(sheet)
    scales = _scales(recording, sheet, paper)
    if shades is not None:
        draw_shades(axes, sheet.cells, recording.fs, shades, paper.speed)
    for cell in sheet.cells:
        scale = (0.0, None) if cell.channel is None else scales[cell.channel]
        _draw_cell(axes, recording, cell, sheet, paper.speed, scale)
    is_voltage = any(words is None for _, words in scales.values()) or not scales
    for y, channel in sheet.pulses:
        if is_voltage if channel is None else scales[channel][1] is None:
            _draw_pulse(axes, sheet, y, paper)
    if marks:
        _draw_marks(axes, recording, sheet, paper.speed, scales)
    _write(axes, recording, sheet, paper, scales, title, note)
    return figure


def sheet_notes(
    recording: Recording, *, layout: Layout | None = None, rhythm: str = "II", paper: Paper = Paper()
) -> tuple[str, ...]:
    """Return what a sheet leaves out or does otherwise, such as "first 60 s of 86,400 s"; see `ecg_paper_figure`."""
    sheet = _laid_out(recording, layout, rhythm, paper)
    return (*sheet.notes, *_beyond(recording, sheet, paper, _scales(recording, sheet, paper)))


def _laid_out(recording: Recording, layout: Layout | None, rhythm: str, paper: Paper) -> Sheet:
    """Return the sheet of a recording.

    Raises:
        ConfigError: there is no such layout, or the speed or gain is none of paper.
        ContractError: the layout needs standard leads and there is none, or several channels are the same lead.
    """
    found = paper.problems()
    if found:
        raise ConfigError("; ".join(found), hint="25 mm/s and 10 mm/mV are usual")
    if layout is None:
        names = [canonical_channel(name) for name in recording.channels]
        leads = [name for name in names if name in LEADS]
        layout = "3x4" if len(leads) == len(set(leads)) >= _ENOUGH else "strip"
    check_option("layout", layout, get_args(Layout))
    if layout == "strip":
        return strip_sheet(recording, paper.speed)
    rows = twelve_leads(recording)
    if not rows:
        raise ContractError(
            f"layout {layout} needs standard leads, but the channels are {', '.join(recording.channels)}",
            hint="take layout strip, or name the leads when the file is read (names)",
        )
    return lay_out_sheet(recording, layout, rows, rhythm, paper.speed)


def _new_sheet(sheet: Sheet) -> tuple[Figure, Axes]:
    """Return a figure whose one axes counts in millimetres from the lower left corner, with the grid on it."""
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    figure = Figure(figsize=(sheet.width * MM, sheet.height * MM), dpi=_DPI, facecolor="white")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0, sheet.width)
    axes.set_ylim(0, sheet.height)
    axes.set_axis_off()
    left, right, bottom, top = sheet.grid
    across, up = np.arange(left, right + 0.5), np.arange(bottom, top + 0.5)
    vertical = [((x, bottom), (x, top)) for x in across]
    horizontal = [((left, y), (right, y)) for y in up]
    for label, every, width, colour in (
        ("1 mm", 1, _THIN, PAPER_LINE),
        ("5 mm", 5, _THICK, PAPER_STRONG_LINE),
    ):
        lines = vertical[::every] + horizontal[::every]
        axes.add_collection(
            LineCollection(lines, colors=colour, linewidths=width, zorder=every / 10, label=label),
            autolim=False,
        )
    return figure, axes


def _scales(recording: Recording, sheet: Sheet, paper: Paper) -> dict[int, Scale]:
    """Return for each drawn channel its scale; leads of an ECG without a voltage share one, so that they compare."""
    scales: dict[int, Scale] = {}
    own: dict[str, list[int]] = {}
    for row in dict.fromkeys(cell.channel for cell in sheet.cells if cell.channel is not None):
        unit, name = recording.units[row], recording.channels[row]
        factor = None if unit is None else conversion_factor(unit, "mV")
        if factor is not None and channel_modality(recording, row) in ("ecg", None):
            scales[row] = (paper.gain * factor, None)
        else:
            is_lead = canonical_channel(name) in LEADS
            own.setdefault(f"leads in {unit}" if is_lead else name, []).append(row)
    for rows in own.values():
        step = max(_own_step(recording.signal[row]) for row in rows)
        names = recording.channels[rows[0]] if len(rows) == 1 else f"{len(rows)} leads"
        words = f"{names}: 10 mm = {step:g} {recording.units[rows[0]] or 'of an unknown unit'}"
        scales |= dict.fromkeys(rows, (10 / step, words))
    return scales


def _own_step(signal: NDArray[np.float32]) -> float:
    """Return what 10 mm stand for, so that the channel fits: 1, 2 or 5 times a power of ten."""
    known = signal[np.isfinite(signal)]
    span = float(np.subtract(*np.percentile(known, (99, 1)))) if len(known) else 0.0
    if span <= 0:
        return 1.0
    least = span * 10 / _FULL_SCALE
    power = 10.0 ** np.floor(np.log10(least))
    return float(power * next(step for step in _STEPS if step * power >= least * (1 - 1e-9)))


def _draw_cell(
    axes: Axes, recording: Recording, cell: Cell, sheet: Sheet, speed: float, scale: Scale
) -> None:
    """Draw a lead's name and its stretch; one that is missing, or has no samples there, has its name alone."""
    values = _values(recording, cell)
    known = values[np.isfinite(values)]
    name = escape_controls(cell.name)
    colour, words = (INK, name) if len(known) else (QUIET, f"{name} ({_absence(recording, cell)})")
    if cell.named_left and len(known) and speed <= 25:  # a wider calibration pulse leaves no room beside it
        axes.text(
            cell.x - 10.2, cell.y, words, fontsize=_SMALL_TEXT, color=colour, ha="right", va="center", zorder=4,
            parse_math=False,
        )  # fmt: skip
    else:
        top = cell.y + cell.above - 0.5
        axes.text(cell.x + 1, top, words, fontsize=_NAME, color=colour, va="top", zorder=4, parse_math=False)
    if cell.divider:
        for side in (-1, 1):
            axes.plot(
                [cell.x] * 2, [cell.y + side * 5, cell.y + side * 3], color=INK, linewidth=_TRACE, zorder=3,
                label="divider",
            )  # fmt: skip
    if not len(known):
        return
    left, right, bottom, top = sheet.grid
    x, y = _trace(recording, cell, speed, scale)
    from matplotlib.transforms import Bbox, TransformedBbox

    (line,) = axes.plot(
        x, y, color=INK, linewidth=_TRACE, solid_joinstyle="round", zorder=3, label=f"lead {cell.name}",
    )  # fmt: skip
    line.set_clip_box(TransformedBbox(Bbox(((left, bottom - _SPILL), (right, top + _SPILL))), axes.transData))


def _trace(
    recording: Recording, cell: Cell, speed: float, scale: Scale
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where a lead's samples lie on the sheet, in mm: to the right, and up."""
    values = _values(recording, cell)
    x = cell.x + (np.arange(*cell.samples) / recording.fs - cell.start) * speed
    return x, cell.y + (values - np.median(values[np.isfinite(values)])) * scale[0]


def _values(recording: Recording, cell: Cell) -> NDArray[np.float64]:
    """Return the samples of a cell; none where its lead is missing."""
    if cell.channel is None:
        return np.empty(0)
    return recording.signal[cell.channel, slice(*cell.samples)].astype(np.float64)


def _absence(recording: Recording, cell: Cell) -> str:
    """Return why a cell is empty."""
    if cell.channel is None:
        return "not recorded"
    return "no samples" if cell.samples[0] < recording.n_samples else "after the end"


def _beyond(recording: Recording, sheet: Sheet, paper: Paper, scales: dict[int, Scale]) -> tuple[str, ...]:
    """Return a note of leads that reach beyond the grid, where they are cut off."""
    _, _, bottom, top = sheet.grid
    found = []
    for cell in sheet.cells:
        values = _values(recording, cell)
        known = values[np.isfinite(values)]
        if cell.channel is not None and len(known):
            y = cell.y + (np.array([known.min(), known.max()]) - np.median(known)) * scales[cell.channel][0]
            found += [cell.name] if y[0] < bottom - _SPILL or y[1] > top + _SPILL else []
    if not found:
        return ()
    names = list(dict.fromkeys(found))
    more = " …" if len(names) > _NAMED else ""
    return (
        f"cut off at the edge: {', '.join(names[:_NAMED])}{more}, for which a gain below {paper.gain:g} is needed",
    )


def _draw_pulse(axes: Axes, sheet: Sheet, y: float, paper: Paper) -> None:
    """Draw the calibration pulse: 1 mV high, 0.2 s wide."""
    wide, left = 0.2 * paper.speed, sheet.left - 3 - 0.2 * paper.speed
    x = np.array([-1.5, 0, 0, wide, wide, wide + 1.5]) + left
    heights = np.array([0, 0, 1, 1, 0, 0]) * paper.gain
    axes.plot(
        x, y + heights, color=INK, linewidth=_TRACE, solid_joinstyle="miter", zorder=3, label="calibration"
    )


def _draw_marks(
    axes: Axes, recording: Recording, sheet: Sheet, speed: float, scales: dict[int, Scale]
) -> None:
    """Write the symbols of marked beats above the rows that are for them, where there is room for all.

    A symbol that the lead would cross stands left of its beat.
    """
    beats = [(sample, symbol) for sample, symbol, _ in recording.annotations if symbol.isalpha()]
    for cell in sheet.marked:
        here = [(sample, symbol) for sample, symbol in beats if cell.samples[0] <= sample < cell.samples[1]]
        if len(here) > _MOST_LETTERS:
            continue
        top = cell.y + cell.above - 0.5
        high = np.empty(0)
        if cell.channel is not None and np.isfinite(_values(recording, cell)).any():
            x, y = _trace(recording, cell, speed, scales[cell.channel])
            high = x[y > top - _LETTER]
        for sample, symbol in here:
            at = cell.x + (sample / recording.fs - cell.start) * speed
            crossing = high[np.abs(high - at) < _LETTER / 2]
            left = len(crossing) > 0
            axes.text(
                crossing.min() - 0.4 if left else at, top, symbol, fontsize=_SMALL_TEXT,
                color=QUIET if symbol == "N" else ORANGE, ha="right" if left else "center", va="top", zorder=4,
                parse_math=False,
            )  # fmt: skip


def _write(
    axes: Axes,
    recording: Recording,
    sheet: Sheet,
    paper: Paper,
    scales: dict[int, Scale],
    title: str | None,
    note: str,
) -> None:
    """Write the title above the sheet, and below it speed, gain, rate and what is not drawn."""
    left, _, bottom, top = sheet.grid
    heading = Path(recording.source).name if title is None else title
    axes.text(
        left, top + 2.5, escape_controls(heading), fontsize=_TITLE, color=INK, fontweight="bold", va="bottom",
        parse_math=False,
    )  # fmt: skip
    own = list(dict.fromkeys(words for _, words in scales.values() if words))
    gain = [] if all(words for _, words in scales.values()) else [f"{paper.gain:g} mm/mV"]
    beyond = _beyond(recording, sheet, paper, scales)
    facts = [f"{paper.speed:g} mm/s", *gain, *own, f"{recording.fs:g} Hz", *sheet.notes, *beyond]
    text = escape_controls(" · ".join(facts)) + (f"\n{note}" if note else "")
    axes.text(
        left, bottom - 2, text, fontsize=_SMALL_TEXT, color=INK, va="top", wrap=True, linespacing=1.3,
        parse_math=False,
    )  # fmt: skip
