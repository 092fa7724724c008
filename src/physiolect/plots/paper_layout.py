"""Where the leads of an ECG lie on a sheet of paper, in millimetres."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import ContractError
from physiolect.recording import LEADS, Recording, canonical_channel, seconds_text

Layout = Literal["3x4", "6x2", "12x1", "strip"]

ROW = 250.0
"""mm of signal in a row: 10 s at 25 mm/s."""
_LEFT, _RIGHT = 25.0, 22.0  # beside the rows; together with a row a sheet of A4 is filled
_TOP, _BOTTOM = 20.0, 15.0
_EDGE = 10.0  # of paper without a grid
_HEIGHTS: dict[Layout, float] = {"3x4": 40.0, "6x2": 25.0, "12x1": 13.0, "strip": 30.0}
"""mm of a row."""
_COLUMNS: dict[Layout, int] = {"3x4": 4, "6x2": 2, "12x1": 1}
_HEADROOM: dict[Layout, float] = {"3x4": 0.0, "6x2": 0.0, "12x1": 5.0, "strip": 0.0}
"""mm of grid above the first row and below the last, where rows are lower than a calibration pulse needs."""
_SHORT_NAME = 4
"""Letters that fit left of a calibration pulse."""
_MOST_LINES = 12
"""Rows of a strip; a longer stretch is drawn in part."""
_MOST_CHANNELS = 24
"""Channels of a strip."""


@dataclass(frozen=True)
class Cell:
    """One lead's stretch on the sheet."""

    name: str
    channel: int | None
    """Row of the recording; None where the lead is missing."""
    x: float
    """mm of the stretch's beginning."""
    y: float
    """mm of the lead's line."""
    above: float
    """mm of the row above the line."""
    start: float
    """Seconds of the stretch's beginning."""
    samples: tuple[int, int]
    """First sample, and the one after the last."""
    divider: bool = False
    """Whether a mark separates it from what lies left of it."""
    named_left: bool = False
    """Whether its name stands left of the row, where it hides nothing."""


@dataclass(frozen=True)
class Sheet:
    """A sheet of paper: sizes and places in mm from the lower left corner."""

    height: float
    cells: tuple[Cell, ...]
    pulses: tuple[tuple[float, int | None], ...]
    """Line of each row's calibration pulse, and the channel that it is for; None for voltages of several."""
    marked: tuple[Cell, ...]
    """Rows above which beats are marked."""
    notes: tuple[str, ...]
    """What the text below the sheet has to state."""
    width: float = _LEFT + ROW + _RIGHT
    left: float = _LEFT
    """Where the rows begin."""

    @property
    def grid(self) -> tuple[float, float, float, float]:
        """Left, right, lower and upper edge of the grid."""
        left = _LEFT - 5 * int((_LEFT - _EDGE) / 5)
        right = _LEFT + ROW + 5 * int((_RIGHT - _EDGE) / 5)
        return left, right, _BOTTOM, self.height - _TOP


def twelve_leads(recording: Recording) -> dict[str, int]:
    """Return which row each of the standard leads is.

    Raises:
        ContractError: several channels are the same lead.
    """
    found: dict[str, int] = {}
    for row, name in enumerate(recording.channels):
        lead = canonical_channel(name)
        if lead not in LEADS:
            continue
        if lead in found:
            raise ContractError(
                f"channels {recording.channels[found[lead]]} and {name} are both lead {lead}",
                hint="choose one of them (channels)",
            )
        found[lead] = row
    return found


def lay_out_sheet(
    recording: Recording, layout: Layout, rows: dict[str, int], rhythm: str, speed: float
) -> Sheet:
    """Return a sheet of the twelve standard leads.

    Args:
        recording: what is drawn.
        layout: but for "strip".
        rows: of `twelve_leads`.
        rhythm: lead of the rhythm strip of layout 3x4.
        speed: mm a second.
    """
    n_columns = _COLUMNS[layout]
    n_rows = len(LEADS) // n_columns
    at_once = (
        recording.duration < (n_columns - 0.5) * ROW / speed / n_columns
    )  # the last column would be half empty
    has_strip = layout == "3x4"
    tall, head = _HEIGHTS[layout], _HEADROOM[layout]
    height = _page_height(n_rows + has_strip, tall, head)
    seconds = ROW / speed
    cells = []
    for k, lead in enumerate(LEADS):
        column, line = divmod(k, n_rows)
        start = 0.0 if at_once else column * seconds / n_columns
        samples = _samples(recording, start, start + seconds / n_columns)
        y = _line(height - head, line, tall)
        x = _LEFT + column * ROW / n_columns
        channel, alone = rows.get(lead), n_columns == 1 and lead in rows
        cells.append(Cell(lead, channel, x, y, tall / 2, start, samples, column > 0, alone))
    marked = cells[-1:] if layout == "12x1" else []
    if has_strip:
        lead = _rhythm_lead(recording, rhythm, rows)
        whole = _samples(recording, 0.0, seconds)
        marked = [
            Cell(lead, rows[lead], _LEFT, _line(height, n_rows, tall), tall / 2, 0.0, whole, named_left=True)
        ]
        cells += marked
    pulses = tuple((_line(height - head, line, tall), None) for line in range(n_rows + has_strip))
    notes = [_part(recording, seconds)] if recording.duration > seconds else []
    if at_once and n_columns > 1:
        notes.append(
            f"the recording is short ({seconds_text(recording.duration)}): all columns begin at its start"
        )
    others = [name for row, name in enumerate(recording.channels) if row not in rows.values()]
    if others:
        notes.append(f"not drawn: {', '.join(others[:6])}{' …' if len(others) > 6 else ''}")
    return Sheet(height, tuple(cells), pulses, tuple(marked), tuple(notes))


def strip_sheet(recording: Recording, speed: float) -> Sheet:
    """Return a sheet of the recording's own channels under one another, line after line."""
    names = recording.channels[:_MOST_CHANNELS]
    n_channels = len(names)
    seconds = ROW / speed
    wanted = max(1, ceil(round(recording.duration / seconds, 9)))
    n_lines = max(1, min(wanted, _MOST_LINES // n_channels))
    tall = _HEIGHTS["strip"]
    height = _page_height(n_lines * n_channels, tall)
    cells, pulses, marked = [], [], []
    for line in range(n_lines):
        for row, name in enumerate(names):
            y = _line(height, line * n_channels + row, tall)
            start = line * seconds
            samples = _samples(recording, start, start + seconds)
            left = len(name) <= _SHORT_NAME
            cells.append(Cell(name, row, _LEFT, y, tall / 2, start, samples, named_left=left))
            pulses.append((y, row))
        marked.append(cells[-n_channels])
    notes = [_part(recording, n_lines * seconds)] if wanted > n_lines else []
    if n_channels < len(recording.channels):
        notes.append(f"first {n_channels} of {len(recording.channels)} channels")
    return Sheet(height, tuple(cells), tuple(pulses), tuple(marked), tuple(notes))


def _page_height(n_rows: int, tall: float, head: float = 0.0) -> float:
    return _TOP + _BOTTOM + 5 * ceil((n_rows * tall + 2 * head) / 5)


def _line(height: float, line: int, tall: float) -> float:
    """Return the mm of a row's line, on a line of the grid."""
    return round(height - _TOP - (line + 0.5) * tall)


def _samples(recording: Recording, start: float, stop: float) -> tuple[int, int]:
    """Return the samples from start to stop, the one at stop included, so that columns meet."""
    first, last = ceil(round(start * recording.fs, 6)), int(round(stop * recording.fs, 6))
    return min(first, recording.n_samples), min(last + 1, recording.n_samples)


def _part(recording: Recording, seconds: float) -> str:
    return f"first {seconds_text(seconds)} of {seconds_text(recording.duration)}"


def _rhythm_lead(recording: Recording, wanted: str, rows: dict[str, int]) -> str:
    """Return the lead of the rhythm strip: the one wanted, else II, V1, or another that has a signal."""
    present = [lead for lead in (canonical_channel(wanted), "II", "V1", *rows) if lead in rows]
    return next((lead for lead in present if _has_signal(recording.signal[rows[lead]])), present[0])


def _has_signal(signal: NDArray[np.float32]) -> bool:
    known = signal[np.isfinite(signal)]
    return bool(len(known)) and bool(np.ptp(known) > 0)
