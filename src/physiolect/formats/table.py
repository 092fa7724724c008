"""Columns of numbers as recordings: which column is time, which only counts, which are channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.columns import STAMPS, Block, Columns, Roles, are_classes, find_roles
from physiolect.formats.empatica import BUTTON
from physiolect.formats.matrix import MAX_CHANNELS, check_size, recordings_in
from physiolect.formats.request import Request
from physiolect.formats.table_start import start_of
from physiolect.recording import Annotations, Recording, later
from physiolect.recording.time_axis import TimeAxis
from physiolect.recording.time_column import SAME_RATE, axis_of, measured_rate


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
    names, renamed = want.named(own, len(roles.channels), path)
    notices += renamed
    rows = want.rows(names, path)
    chosen = [roles.channels[row] for row in rows]
    axis = timed[1] if timed else None
    units = [columns.unit(column) for column in chosen]
    start, n_done = start_of(first, roles.times, columns), 0
    for begin, signal, whole in _collect(first, blocks, chosen, timed, columns, want):
        stated, asked = _rate(axis, columns, want)
        placed = signal if axis is None else axis.place(signal, begin)
        rate = stated or want.fs
        began = start if not n_done else later(start, n_done / rate) if rate else None
        marks = _button_marks(columns, n_done, placed.shape[1], rate, want)
        n_done += placed.shape[1]
        yield from recordings_in(
            placed,
            replace(
                asked,
                channels=None if want.channels is None else tuple(range(len(rows))),
                names=(),
                stretch=want.stretch and placed.shape[1],
            ),
            path,
            stated_fs=stated,
            channels=[names[row] for row in rows],
            units=units if any(units) else (),
            modality=columns.modality,
            as_is=True,
            notices=[*notices, *(axis.notices() if axis else [])] if whole else (),
            start_time=began,
            annotations=marks,
        )


def _button_marks(
    columns: Columns, begin: int, n_samples: int, rate: float | None, want: Request
) -> Annotations | None:
    """Return where the recorder's button was pressed in the wanted part of samples [begin, begin + n_samples)."""
    if not columns.events or rate is None:
        return None
    samples = np.round(np.array(columns.events) * rate).astype(np.int64)
    marks = Annotations(samples, (BUTTON,) * len(samples)).window(begin, begin + n_samples)
    return marks.window(*want.span(n_samples, rate, columns.path))


def _refuse_no_signal(roles: Roles, columns: Columns) -> None:
    what = "a time column" if roles.times else "columns without a signal"
    left_out = f": {'; '.join(roles.left_out)}" if roles.left_out else ""
    raise FormatError(f"{columns.path} holds {what} only{left_out}", hint="choose a file with a signal in it")


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
        allowed = SAME_RATE + best.uncertainty + other.uncertainty
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
    kind = columns.kinds[column] if columns.kinds else "number"
    if kind in STAMPS:
        return TimeAxis(columns.path, 1.0, day=kind == "day")
    name = columns.names[column] if columns.names else ""
    known = want.fs or columns.fs
    return axis_of(values, name=name, unit=columns.unit(column), source=columns.path, known=known)


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
    stated = columns.fs
    if stated is None:
        measured, given = measured_rate(axis, want.fs) if axis is not None else (None, want.fs)
        return measured, replace(want, fs=given)
    measured = axis.rate() if axis is not None else None
    if measured is not None and abs(measured - stated) > SAME_RATE * stated:
        raise FormatError(
            f"{columns.path} states {stated:g} Hz, but its times mean {measured:.6g} Hz",
            hint="correct the stated rate, or remove the column of times",
        )
    return stated, want
