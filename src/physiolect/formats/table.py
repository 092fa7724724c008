"""Columns of numbers as recordings: which column is time, which only counts, which are channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.columns import STAMPS, Block, Columns, Roles, are_classes, find_roles
from physiolect.formats.matrix import MAX_CHANNELS, check_size, name_channels, recordings_in
from physiolect.formats.request import Request
from physiolect.formats.time_axis import TimeAxis, grid
from physiolect.formats.time_stamps import (
    epoch_unit,
    time_unit,
)
from physiolect.recording import Recording
from physiolect.recording.channels import split_unit

_SAME = 0.01
"""Relative difference of two rates that are taken for one: a clock's error, or rounded times."""
_DAY = 86_400.0
_USUAL_RATES = (20.0, 20_000.0)
"""Rates in Hz of samples; each unit of time lies a thousandfold from the next, so that only one gives such a rate."""


def recordings_of(blocks: Iterator[Block], columns: Columns, want: Request) -> Iterator[Recording]:
    """Yield the recordings of a table, whose rows come in blocks.

    Args:
        blocks: (rows, columns) float64, in order; the first is large enough to judge the columns by.
        columns: What the file states.
        want: What the caller wants.

    Raises:
        FormatError: no column is a signal, the times are not uniform, or they contradict what is stated.
    """
    path = columns.path
    first = next(blocks, None)
    if first is None or not first.size:
        raise FormatError(f"{path} holds no numbers", hint="choose a file with a signal in it")
    if not columns.names and _is_matrix(first):
        yield from _matrix(first, blocks, columns, want)
        return
    notices: list[str] = []
    roles = find_roles(first, columns)
    rates = {*roles.rates, *([] if columns.fs is None else [columns.fs])}
    if len(rates) > 1:
        listed = " and ".join(f"{rate:g} Hz" for rate in sorted(rates))
        raise FormatError(f"{path} states two rates, {listed}", hint="correct the one that is wrong")
    columns = replace(columns, fs=next(iter(rates), None))
    if not roles.channels:
        _refuse_no_signal(roles, columns)
    timed = _time_axis(first, roles, columns, want)
    if timed is None and roles.times:
        notices.append(f"the times are not uniform: read at {columns.fs:g} Hz, the rate that the file states")
    if roles.left_out:
        notices.append(f"left out {'; '.join(roles.left_out)}")
    named = [columns.names[column].strip() for column in roles.channels] if columns.names else []
    own = tuple(name or f"ch{i + 1}" for i, name in enumerate(named)) if any(named) else ()
    names = name_channels(own, want.names, len(roles.channels), path)
    rows = want.rows(names, path)
    chosen = [roles.channels[row] for row in rows]
    axis = timed[1] if timed else None
    units = [columns.unit(column) for column in chosen]
    for begin, signal, whole in _collect(first, blocks, chosen, timed, columns, want):
        stated, asked = _rate(axis, columns, want)
        yield from recordings_in(
            signal if axis is None else axis.place(signal, begin),
            replace(asked, channels=None, names=()),
            path,
            stated_fs=stated,
            channels=[names[row] for row in rows],
            units=units if any(units) else (),
            modality=columns.modality,
            as_is=True,
            notices=[*notices, *(axis.notices() if axis else [])] if whole else (),
        )


def _refuse_no_signal(roles: Roles, columns: Columns) -> None:
    what = "a time column" if roles.times else "columns without a signal"
    told = f": {'; '.join(roles.left_out)}" if roles.left_out else ""
    raise FormatError(f"{columns.path} holds {what} only{told}", hint="choose a file with a signal in it")


def _is_matrix(block: Block) -> bool:
    """Return whether unnamed numbers are no columns of channels: one row, or more columns than channels."""
    return block.shape[0] == 1 or block.shape[1] > MAX_CHANNELS + 1


def _matrix(first: Block, blocks: Iterator[Block], columns: Columns, want: Request) -> Iterator[Recording]:
    """Yield the recordings of unnamed numbers that are read as any matrix is."""
    with np.errstate(over="ignore"):
        rest = [block.astype(np.float32) for block in blocks]
        check_size(4 * (first.size + sum(block.size for block in rest)), columns.path)
        if not rest and len(first) == 1:
            yield from recordings_in(first.reshape(-1), want, columns.path, stated_fs=columns.fs)
            return
        values = np.concatenate([first.astype(np.float32), *rest])
    if np.isnan(values[:, -1]).all():
        values = values[:, :-1]  # a delimiter ends every line
    last, notices = values[:, -1], list[str]()
    if len(values) > 1 and are_classes(last) and not are_classes(values[:, -2]) and want.modality != "ecog":
        notices.append(f"left out the last column: it holds {len(np.unique(last))} classes, one a row")
        values = values[:, :-1]
    yield from recordings_in(values, want, columns.path, stated_fs=columns.fs, notices=notices)


@np.errstate(all="ignore")  # files hold any number
def _time_axis(block: Block, roles: Roles, columns: Columns, want: Request) -> tuple[int, TimeAxis] | None:
    """Return the column that is time and its axis, begun with the first rows; None where there is none.

    Raises:
        FormatError: no column of times is uniform, or two mean different rates.
    """
    found: list[tuple[int, TimeAxis]] = []
    trouble: FormatError | None = None
    for column in roles.times:
        try:
            axis = _axis(block[:, column], column, columns, want)
            axis.add(block[:, column])
            axis.rate()
        except FormatError as error:
            trouble = trouble or error
        else:
            found.append((column, axis))
    if not found:
        if trouble is not None and columns.fs is None:
            raise trouble
        return None
    found.sort(key=lambda pair: (pair[1].jitters, pair[1].n_missing, pair[1].rounding > pair[1].step))
    best = found[0][1]
    first = best.step
    for column, other in (pair for pair in found[1:] if not pair[1].jitters):
        allowed = _SAME + best.uncertainty + other.uncertainty
        if first and other.step and abs(other.step / first - 1) > allowed:
            raise FormatError(
                f"columns {columns.label(found[0][0])} and {columns.label(column)} of {columns.path} are times of "
                f"{1 / first:.5g} and {1 / other.step:.5g} Hz",
                hint="remove the one that is wrong",
            )
    return found[0]


def _axis(values: NDArray[np.float64], column: int, columns: Columns, want: Request) -> TimeAxis:
    """Return an axis for a column of times.

    Raises:
        FormatError: its unit is unknown, or neither the file nor fs decides between two.
    """
    path, kind = columns.path, columns.kinds[column] if columns.kinds else "number"
    if kind in STAMPS:
        return TimeAxis(path, 1.0, day=kind == "day")
    name, unit = (columns.names[column] if columns.names else ""), columns.unit(column)
    scale = time_unit(name, unit)
    if scale is None and unit and unit not in ("-", "none"):
        raise FormatError(f"the time column of {path} is in '{unit}'", hint="give it in s or ms")
    finite = values[np.isfinite(values)]
    epoch = epoch_unit(float(finite[0])) if len(finite) else None
    if epoch is not None and (scale is None or not 3e8 < float(finite[0]) * scale < 4.2e9):
        scale = epoch
    with_gaps = bool(name.strip())
    if scale is not None:
        return TimeAxis(path, scale, with_gaps=with_gaps)
    step = grid(finite)[0] if len(finite) > 1 else 0.0
    if step > 0 and _are_days(float(finite[0]), step):
        axis = TimeAxis(path, _DAY, with_gaps=with_gaps)
        axis.remarks.append(f"the times are taken for days, which means {1 / (step * _DAY):.5g} Hz")
        return axis
    scale, remark = _scale_of(step, columns, want)
    axis = TimeAxis(path, scale, with_gaps=with_gaps)
    axis.remarks += [remark] if remark else []
    return axis


def rate_of_vector(times: NDArray[np.float64], name: str, path: Path, want: Request) -> float | None:
    """Return the rate in Hz of a vector of times beside a signal, by its name and numbers.

    Raises:
        FormatError: they are not uniform, or their unit is unknown.
    """
    plain, unit = split_unit(name)
    axis = _axis(times, 0, Columns(path, (plain,), (unit,)), want)
    axis.with_gaps = False
    axis.add(times)
    return axis.rate()


def _are_days(first: float, step: float) -> bool:
    """Return whether times are days since 1899 or since the year 0, as Excel and MATLAB store dates."""
    since_1899_or_0 = 20_000 < first < 80_000 or 690_000 < first < 800_000
    return since_1899_or_0 and _USUAL_RATES[0] <= 1 / (step * _DAY) < _USUAL_RATES[1]


def _scale_of(step: float, columns: Columns, want: Request) -> tuple[float, str]:
    """Return the unit, in seconds, of times of which nothing states one, and a remark where it is a guess."""
    known = want.fs or columns.fs
    near = [
        unit for unit in (1.0, 1e-3, 1e-6, 1e-9) if known and abs(1 / (step * unit or 1) / known - 1) <= _SAME
    ]
    if step > 0 and near:
        return near[0], ""
    if step <= 0 or 1 / step > 2:
        return 1.0, ""
    usual = [unit for unit in (1e-3, 1e-6, 1e-9) if _USUAL_RATES[0] <= 1 / (step * unit) < _USUAL_RATES[1]]
    if step > 1 and usual:
        word = {1e-3: "milliseconds", 1e-6: "microseconds", 1e-9: "nanoseconds"}[usual[0]]
        rate = 1 / (step * usual[0])
        return usual[0], f"the times have no unit: they are taken for {word}, which means {rate:.6g} Hz"
    if known is not None:
        return 1.0, ""  # the rate is refused as contradicting
    raise FormatError(
        f"the times of {columns.path} have no unit, and read as seconds they mean {1 / step:g} Hz",
        hint="name the column 'time (ms)' or 'time (s)'",
    )


def _collect(
    first: Block,
    blocks: Iterator[Block],
    chosen: Sequence[int],
    timed: tuple[int, TimeAxis] | None,
    columns: Columns,
    want: Request,
) -> Iterator[tuple[int, NDArray[np.float32], bool]]:
    """Yield the chosen columns as (channels, rows), with their first row, and whether they are the last.

    It is one array, no longer than the wanted stretch needs, unless the caller takes stretches that follow each other.
    """
    enough = _enough_rows(timed[1] if timed else None, columns, want)
    parts: list[NDArray[np.float32]] = []
    n_rows = n_done = 0
    block: Block | None = first
    while block is not None:
        if timed and block is not first:
            timed[1].add(block[:, timed[0]])
        with np.errstate(over="ignore"):
            taken = block[:, list(chosen)].T
            taken = taken * columns.scale if columns.scale != 1.0 else taken
            parts.append(np.ascontiguousarray(taken, np.float32))
        n_rows += len(block)
        check_size((n_rows - n_done) * len(chosen) * 4, columns.path)
        block = next(blocks, None) if enough is None or n_rows < enough else None
        if want.stretch is not None and n_rows - n_done >= want.stretch and block is not None:
            yield n_done, _joined(parts, n_rows - n_done), False
            parts, n_done = [], n_rows
    yield n_done, _joined(parts, n_rows - n_done), True


def _joined(parts: list[NDArray[np.float32]], n_rows: int) -> NDArray[np.float32]:
    """Return parts one after the other; each is freed as soon as it is copied."""
    if len(parts) == 1:
        return parts[0]
    signal = np.empty((len(parts[0]), n_rows), np.float32)
    at = 0
    while parts:
        part = parts.pop(0)
        signal[:, at : at + part.shape[1]] = part
        at += part.shape[1]
    return signal


def _enough_rows(axis: TimeAxis | None, columns: Columns, want: Request) -> int | None:
    """Return after how many rows the wanted stretch is complete; None where all are needed."""
    rate = 1 / axis.step if axis is not None and axis.step else columns.fs or want.fs
    if want.stop is None or rate is None or not (0 < want.stop * rate < 1e15):
        return None
    return int(want.stop * rate * 1.01) + 64


def _rate(axis: TimeAxis | None, columns: Columns, want: Request) -> tuple[float | None, Request]:
    """Return the rate that the file states, and the request without a rate that agrees with it.

    Raises:
        FormatError: the times contradict the rate that the file states.
    """
    measured = axis.rate() if axis is not None else None
    stated = columns.fs
    if stated is None:
        if axis is None or measured is None or want.fs is None:
            return measured, want
        off = abs(want.fs / measured - 1)
        if axis.jitters and off < 1e-3 + axis.uncertainty:
            return want.fs, want  # the nominal rate is surer than stamps of a radio link
        return measured, replace(want, fs=None) if off < 1e-3 else want  # a clock that is a little off
    if measured is not None and abs(measured - stated) > _SAME * stated:
        raise FormatError(
            f"{columns.path} states {stated:g} Hz, but its times mean {measured:.6g} Hz",
            hint="correct the stated rate, or remove the column of times",
        )
    return stated, want
