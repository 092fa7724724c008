"""When a table began, by the lines above it or by the times in its first row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from physiolect.formats.columns import STAMPS, Block, Columns
from physiolect.formats.time_stamps import moment_in
from physiolect.recording import StartTime, later
from physiolect.recording.time_column import epoch_scale
from physiolect.recording.time_words import is_time_name, letters_of, time_unit

_SINCE_UNIX = (1.1e9, 4.1e9)
"""Unix times that are taken for dates: late 2004 to 2099. Devices that count from 2000 reach them in 2034."""
_DATES = (3.15e8, 2.5e11)
"""Dates of a column that holds nothing else: 1980 to 9891, since collections shift theirs by a century or two."""
_ELAPSED = frozenset(
    [
        "elapsed",
        "duration",
        "relative",
        "offset",
        "since",
        "verstrichen",
        "écoulé",
        "transcurrido",
        "trascorso",
    ]
)


def first_moments(cells: Sequence[str], kinds: Sequence[str]) -> dict[int, StartTime]:
    """Return the moments that the cells of a first row state, by their columns.

    Args:
        cells: Of the row.
        kinds: What each column holds; only stamps and times of day are looked at.
    """
    found = {}
    for column, (cell, kind) in enumerate(zip(cells, kinds, strict=False)):
        if kind in STAMPS and (moment := moment_in(cell)) is not None:
            found[column] = moment
    return found


def start_of(block: Block, times: Sequence[int], columns: Columns) -> StartTime | None:
    """Return when the first row was recorded; None where neither the file nor a column tells.

    A date in words goes before a Unix time, which is in UTC, and that before a time of day alone.

    Args:
        block: First rows, (rows, columns).
        times: Columns that may be time.
        columns: What the file states.
    """
    if columns.start is not None:
        return columns.start
    for column, moment in columns.since.items():
        scale, value = time_unit("", columns.unit(column)), float(block[0, column]) if len(block) else np.nan
        if scale is not None and np.isfinite(value):
            return later(moment, value * scale)
    named = [k for k, name in enumerate(columns.names) if is_time_name(name) and k not in times]
    listed = [k for k in (*times, *named) if not _ELAPSED & set(letters_of(_name(columns, k)))]
    stated = [columns.starts[k] for k in listed if k in columns.starts]
    dated = [each for each in stated if isinstance(each, datetime)]
    if dated:
        return dated[0]
    for column in listed:
        if column not in columns.starts and (counted := _counted(block, column, columns)) is not None:
            return counted
    return stated[0] if stated else None


def _name(columns: Columns, column: int) -> str:
    return columns.names[column] if columns.names else ""


def _counted(block: Block, column: int, columns: Columns) -> datetime | None:
    """Return the moment of the first row where a column counts from 1970."""
    times = block[:, column]
    value = float(times[0]) if len(times) else np.nan
    if not np.isfinite(value):
        return None
    kind = columns.kinds[column] if columns.kinds else "number"
    if kind == "text" or kind == "day":
        return None
    own = 1.0 if kind == "stamp" else time_unit(_name(columns, column), columns.unit(column))
    low, high = _DATES if kind == "stamp" else _SINCE_UNIX
    counts = own is not None and low <= value * own <= high
    scale = own if counts else epoch_scale(times[np.isfinite(times)], own)
    if scale is None or not low <= value * scale <= high:
        return None
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value * scale)
    if kind == "stamp":  # a column of dates; the table states the zone where there is one
        zone = columns.zones.get(column)
        return moment.astimezone(zone) if zone is not None else moment.replace(tzinfo=None)
    return moment
