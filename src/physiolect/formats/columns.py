"""What each column of a table is: a channel, time, a counter, classes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.formats.matrix import is_rate
from physiolect.formats.outputs import OUTPUT_COLUMN
from physiolect.formats.time_stamps import is_label_name
from physiolect.recording import Modality, StartTime, Unit, canonical_channel, modality_of
from physiolect.recording.channel_words import unit_kind, weakly_stated_kind
from physiolect.recording.time_axis import is_even
from physiolect.recording.time_words import SECONDS, epoch_unit, is_counter_name, is_time_name, letters_of

Block = NDArray[np.float64]

STAMPS = ("stamp", "day")
"""Kinds of columns that hold seconds."""
_EVEN_ROWS = 16
"""A column must rise evenly for so many rows to be taken for time or a counter; no signal does."""
_VOLTS = {"uv", "mv", "v", "nv"}


@dataclass(frozen=True)
class Columns:
    """What a file states of its columns."""

    path: Path
    names: tuple[str, ...] = ()
    """One a column; none where the file names none."""
    units: tuple[Unit, ...] = ()
    kinds: tuple[str, ...] = ()
    """One a column: "number", "stamp" (seconds since 1970), "day" (seconds since midnight) or "text"."""
    fs: float | None = None
    """Rate in Hz that the file states beside its times."""
    scale: float = 1.0
    """What samples are multiplied by."""
    modality: Modality | None = None
    leave_out: str = ""
    """Pattern of the names of columns that are no signal."""
    start: StartTime | None = None
    """When the file says, above its samples, that it begins."""
    starts: Mapping[int, StartTime] = field(default_factory=dict)
    """Column -> the moment that its first cell states."""
    since: Mapping[int, StartTime] = field(default_factory=dict)
    """Column of times -> the moment from which they count."""
    events: tuple[float, ...] = ()
    """Seconds after the first sample at which the recorder's button was pressed."""
    zones: Mapping[int, tzinfo] = field(default_factory=dict)
    """Column of dates -> their zone, where one is stated."""

    def label(self, column: int) -> str:
        """Return what to call a column in a message."""
        name = self.names[column].strip() if self.names else ""
        return f"'{name}'" if name else f"{column + 1}"

    def unit(self, column: int) -> Unit:
        return self.units[column] if self.units else None


@dataclass
class Roles:
    """What the columns of a table are, by their numbers."""

    times: list[int] = field(default_factory=list)
    """Columns that may be time."""
    channels: list[int] = field(default_factory=list)
    rates: set[float] = field(default_factory=set)
    """Rates in Hz that a column repeats in every row."""
    left_out: list[str] = field(default_factory=list)
    """Columns that are no signal, with the reason."""


@np.errstate(all="ignore")  # files hold any number
def find_roles(block: Block, columns: Columns) -> Roles:
    """Return what each column is, by its name, unit and first samples."""
    roles = Roles()
    n_columns = block.shape[1]
    several = n_columns > 1
    for column in range(n_columns):
        values = block[:, column]
        name = columns.names[column] if columns.names else ""
        kind = columns.kinds[column] if columns.kinds else "number"
        if kind in STAMPS:
            roles.times.append(column)
        elif kind == "text":
            roles.left_out.append(f"column {columns.label(column)}, which holds text")
        elif several and not name and column == n_columns - 1 and np.isnan(values).all():
            continue  # a delimiter ends every line
        elif columns.leave_out and re.fullmatch(columns.leave_out, name.strip()):
            if is_time_name(name) and is_even(values):
                roles.times.append(column)
        elif is_rate(name) and len(set(values.tolist())) == 1:
            roles.rates.add(float(values[0]))
        elif _says_signal(name, columns.unit(column)):
            roles.channels.append(column)
        elif several and name.strip() and np.isnan(values).all():
            roles.left_out.append(f"column {columns.label(column)}, which is empty")
        else:
            _judge(values, column, columns, roles)
    return roles


def _says_signal(name: str, unit: Unit) -> bool:
    """Return whether a name is that of a lead or signal, or a unit that of a voltage."""
    if is_time_name(name):
        return False
    if name.startswith(f"{OUTPUT_COLUMN}_"):
        return True
    return bool(name.strip() and modality_of(canonical_channel(name))) or (unit or "").lower() in _VOLTS


def _says_other(name: str, unit: Unit) -> bool:
    """Return whether name or unit say that a column is measured, and neither time nor a counter: "HR (bpm)"."""
    kind = unit_kind(unit) or weakly_stated_kind(name)
    return kind is not None and kind not in ("time", "a counter", "a marker")


def _judge(values: NDArray[np.float64], column: int, columns: Columns, roles: Roles) -> None:
    """Add a column of numbers, of which neither name nor unit says what it measures, to what it is."""
    name, unit = (columns.names[column] if columns.names else ""), columns.unit(column)
    in_time = (unit or "").casefold() in SECONDS
    enough = len(values) >= _EVEN_ROWS
    counts = len(values) > 1 and bool(np.array_equal(values - values[0], np.arange(len(values))))
    if counts and (enough or columns.names) and is_counter_name(name) and not in_time:
        return
    if is_time_name(name):
        roles.times.append(column)
    elif name.strip() and _says_other(name, unit):
        roles.channels.append(column)
    elif enough and not (is_label_name(name) and not in_time) and is_even(values):
        since_epoch = epoch_unit(float(values[0])) is not None
        counter = is_counter_name(name)
        if (
            in_time
            or since_epoch
            or (not counts and (not column or counter) and not (counter and letters_of(name)))
        ):
            roles.times.append(column)
        elif column and not counter:
            roles.left_out.append(f"column {columns.label(column)}, which rises evenly as no signal does")
    elif _only_rises(values, first=not column):
        if column:
            roles.left_out.append(f"column {columns.label(column)}, which rises throughout as no signal does")
        else:
            roles.times.append(column)
    elif enough and _wraps(values, name):
        roles.left_out.append(f"column {columns.label(column)}, a counter of packets")
    elif is_label_name(name) or (enough and not name and values.size and column and _in_blocks(values)):
        roles.left_out.append(f"column {columns.label(column)}, which holds classes or marks")
    else:
        roles.channels.append(column)


def _only_rises(values: NDArray[np.float64], *, first: bool) -> bool:
    """Return whether every number is above the one before, in so many rows that it is no signal."""
    if len(values) < 2 or not np.isfinite(values).all() or (np.diff(values) <= 0).any():
        return False
    return len(values) >= (_EVEN_ROWS if first else 4 * _EVEN_ROWS) or epoch_unit(float(values[0])) == 1.0


def _wraps(values: NDArray[np.float64], name: str) -> bool:
    """Return whether whole numbers count up by one step and begin again, as the counter of a packet does."""
    if not np.isfinite(values).all() or (values < 0).any() or (values != np.rint(values)).any():
        return False
    steps = np.diff(values)
    ups, falls = steps[steps > 0], steps[steps < 0]
    if not len(falls) or len(ups) + len(falls) < len(steps) or len(falls) > 0.3 * len(steps):
        return False
    step = float(np.median(ups))
    period = int(values.max() - values.min() + step)
    of_bits = period >= 16 and period & (period - 1) == 0
    again = period >= 16 and len(falls) > 2 and bool((falls == falls[0]).all() and (ups == step).all())
    return bool(
        (ups == step).mean() > 0.95 and (of_bits or again or (name.strip() and is_counter_name(name)))
    )


def _in_blocks(values: NDArray[np.float64]) -> bool:
    """Return whether numbers are a few whole ones, each for a long stretch, as the class of a stretch is."""
    if len(values) < 64 or not are_classes(values) or len(np.unique(values)) > 10:
        return False
    return bool(np.count_nonzero(np.diff(values)) <= 0.02 * len(values))


def are_classes(column: NDArray[np.floating]) -> bool:
    """Return whether numbers are a few whole ones from 0, as classes are."""
    if not (np.isfinite(column).all() and (column >= 0).all() and (column == np.rint(column)).all()):
        return False
    return bool(column.max() < 32 and 1 < len(np.unique(column)) <= max(2, len(column) // 2))
