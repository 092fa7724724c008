"""Neurodata Without Borders (.nwb): electrical series, or units as spike counts in bins, with behaviour beside them.

An NWB file is HDF5, and what is read of it needs no more than h5py. The layout is that of the NWB schema, version 2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.formats.hdf5 import check_stored
from physiolect.formats.matrix import check_size, recordings_in
from physiolect.formats.request import Request
from physiolect.recording import Annotations, Modality, Recording, unit_name

BIN_HZ = 20.0
"""Bins a second that spikes are counted in, where the caller states no rate."""

_ELECTRICAL = ("ElectricalSeries",)
_BEHAVIOUR = ("TimeSeries", "SpatialSeries", "AbstractFeatureSeries")
_MOST_GROUPS = 20_000
_MOST_COLUMNS = 64
_LEAST_STEPS = 16


@dataclass(frozen=True)
class _Series:
    """A series of numbers in time."""

    name: str
    data: Any
    """Dataset, (T,) or (T, C)."""
    scale: float
    unit: str | None
    start: float
    rate: float | None
    """In Hz; None where `times` hold."""
    times: NDArray[np.float64] | None

    @property
    def n_columns(self) -> int:
        return math.prod(self.data.shape[1:])

    def seconds(self) -> NDArray[np.float64]:
        if self.times is not None:
            return self.times
        assert self.rate is not None
        return self.start + np.arange(self.data.shape[0]) / self.rate

    def values(self, path: Path) -> NDArray[np.float64]:
        """Return all of it, (C, T)."""
        check_size(math.prod(self.data.shape) * 8, path)
        return np.asarray(self.data[...], np.float64).reshape(self.data.shape[0], -1).T * self.scale


def read(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recording of an NWB file: its one electrical series, or else its units as spike counts.

    Behaviour, such as a position or a force, lies beside it, brought onto its clock by straight lines.

    Raises:
        FormatError: there is neither, or several electrical series; times are uneven; or the file is damaged.
    """
    import h5py

    with parsing(path, "NWB"), h5py.File(path, "r") as file:
        series = list(_find(file, path))
        electrical = [each for each in series if each[0] in _ELECTRICAL]
        names = [each[1].name for each in electrical]
        if want.variable is not None:
            electrical = [each for each in electrical if each[1].name == want.variable]
            if not electrical and want.variable != "units":
                raise FormatError(
                    f"{path} has no electrical series '{want.variable}'",
                    hint=f"it has {', '.join(names) or 'none'}",
                )
        if len(electrical) > 1:
            raise FormatError(
                f"{path} holds several electrical series: {', '.join(names[:8])}",
                hint=f"name one as the variable (--variable {names[0]})",
            )
        behaviour = [
            each for kind, each in series if kind in _BEHAVIOUR and 1 <= each.n_columns <= _MOST_COLUMNS
        ]
        recording = (
            _electrical(electrical[0][1], behaviour, file, path)
            if electrical
            else _units(file, behaviour, path, want.fs or BIN_HZ)
        )
    yield from _asked(recording, want, path)


def _asked(recording: Recording, want: Request, path: Path) -> Iterator[Recording]:
    marks = recording.annotations.window(*want.span(recording.n_samples, recording.fs, path))
    for found in recordings_in(
        recording.signal, replace(want, fs=None, variable=None), path, stated_fs=recording.fs,
        channels=recording.channels, units=recording.units, modality=recording.modality, annotations=marks, as_is=True,
        notices=recording.notices,
    ):  # fmt: skip
        yield replace(found, beside=tuple(name for name in found.channels if name in recording.beside))


def _find(file: Any, path: Path) -> Iterator[tuple[str, _Series]]:
    """Yield every series with its type, acquired before processed."""
    import h5py

    stack, seen = (
        [file[name] for name in ("processing", "acquisition") if isinstance(file.get(name), h5py.Group)],
        0,
    )
    while stack:
        group = stack.pop()
        seen += 1
        if seen > _MOST_GROUPS:
            raise FormatError(f"{path} holds more than {_MOST_GROUPS:,} groups", hint="is it whole?")
        kind = group.attrs.get("neurodata_type", "")
        kind = kind.decode() if isinstance(kind, bytes) else str(kind)
        data = group.get("data")
        if kind in (*_ELECTRICAL, *_BEHAVIOUR) and isinstance(data, h5py.Dataset):
            if data.dtype.kind in "iuf" and 1 <= len(data.shape) <= 2 and data.shape[0] >= _LEAST_STEPS:
                check_stored(data, group.name, path)
                yield kind, _series(group, data, path)
            continue
        for name in reversed(group):
            if isinstance(group.get(name, getlink=True), h5py.HardLink) and isinstance(
                group[name], h5py.Group
            ):
                stack.append(group[name])


def _series(group: Any, data: Any, path: Path) -> _Series:
    name = group.name.rsplit("/", 1)[-1]
    scale = float(data.attrs.get("conversion", 1.0))
    unit = data.attrs.get("unit", "")
    unit = unit.decode() if isinstance(unit, bytes) else str(unit)
    start, rate, times = 0.0, None, None
    if "starting_time" in group:
        start, rate = float(group["starting_time"][()]), float(group["starting_time"].attrs["rate"])
    elif "timestamps" in group:
        check_size(group["timestamps"].size * 8, path)
        times = np.asarray(group["timestamps"][...], np.float64)
        if times.shape != data.shape[:1] or not np.isfinite(times).all() or (np.diff(times) < 0).any():
            raise FormatError(
                f"{path}: the times of '{name}' are not in order, or too few", hint="mend the file"
            )
    if (rate is not None and not 0 < rate < 1e7) or (rate is None and times is None):
        raise FormatError(f"{path}: '{name}' states no rate and no times", hint="mend the file")
    return _Series(
        name,
        data,
        scale if math.isfinite(scale) else 1.0,
        None if unit in ("", "unknown", "n/a") else unit,
        start,
        rate,
        times,
    )


def _electrical(series: _Series, behaviour: list[_Series], file: Any, path: Path) -> Recording:
    rate, start = series.rate, series.start
    if rate is None:
        steps = np.diff(series.seconds())
        middle = float(np.median(steps))
        if middle <= 0 or np.abs(steps - middle).max() > 0.5 * middle:
            raise FormatError(
                f"{path}: the times of '{series.name}' are uneven",
                hint="cut the file at its gaps, or fill them",
            )
        start, rate = float(series.seconds()[0]), round(1 / float(steps.mean()), 6)
    signal = series.values(path)
    clock = start + np.arange(signal.shape[1]) / rate
    names = [f"ecog {k + 1}" for k in range(len(signal))]
    in_volts = series.unit in ("volts", "volt", "V")
    unit = "uV" if in_volts else unit_name(series.unit or "")
    return _put_together(
        signal * (1e6 if in_volts else 1.0), rate, names, unit, "ecog", behaviour, clock, file, path
    )


def _units(file: Any, behaviour: list[_Series], path: Path, fs: float) -> Recording:
    """Return the units' spikes, counted in bins."""
    units = file.get("units")
    if units is None or "spike_times" not in units or "spike_times_index" not in units:
        raise FormatError(
            f"{path} holds neither an electrical series nor units with spikes",
            hint="choose a file with a signal in it",
        )
    for name in ("spike_times", "spike_times_index"):
        check_stored(units[name], name, path)
    times, ends = (np.asarray(units[name][...]) for name in ("spike_times", "spike_times_index"))
    ends = ends.astype(np.int64)
    if (np.diff(ends, prepend=0) < 0).any() or (len(ends) and ends[-1] > len(times)) or not len(ends):
        raise FormatError(f"{path}: the units' spikes do not fit their index", hint="fetch the file again")
    last = max([float(times.max(initial=0)), *(float(each.seconds()[-1]) for each in behaviour)])
    n = int(last * fs) + 1
    check_size(n * len(ends) * 4, path)
    counts = np.zeros((len(ends), n), np.float32)
    for unit, (first, end) in enumerate(zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)):
        at = np.floor(times[first:end] * fs + 1e-9)
        inside = np.isfinite(at) & (at >= 0) & (at < n)
        counts[unit] = np.bincount(at[inside].astype(np.int64), minlength=n)
    numbers = (
        np.asarray(units["id"][...]).tolist()
        if "id" in units and len(units["id"]) == len(ends)
        else range(len(ends))
    )
    names = [f"unit {number}" for number in numbers]
    if len(set(names)) < len(names):
        names = [f"unit {number}" for number in range(len(ends))]
    clock = (np.arange(n, dtype=np.float64) + 0.5) / fs
    return _put_together(counts, fs, names, "count", "spikes", behaviour, clock, file, path)


def _put_together(
    signal: NDArray[np.floating], fs: float, names: list[str], unit: str | None, modality: Modality,
    behaviour: list[_Series], clock: NDArray[np.floating], file: Any, path: Path,
) -> Recording:  # fmt: skip
    """Return a signal with the behaviour beside it, on its clock."""
    parts, beside, units = [signal], list[str](), [unit] * len(names)
    for series in behaviour:
        seconds, values = series.seconds(), series.values(path)
        if seconds[-1] < clock[0] or seconds[0] > clock[-1]:
            continue
        moved = np.stack([np.interp(clock, seconds, row) for row in values])
        step = float(np.median(np.diff(seconds)))  # beyond the last step before and after, nothing is known
        moved[:, (clock < seconds[0] - step) | (clock > seconds[-1] + step)] = np.nan
        parts.append(moved)
        beside += (
            [series.name] if len(values) == 1 else [f"{series.name} {k + 1}" for k in range(len(values))]
        )
        units += [unit_name(series.unit or "")] * len(values)
    kept = list(dict.fromkeys(beside))
    if len(kept) < len(beside):
        raise FormatError(f"{path}: several series beside the signal share a name", hint="rename them")
    return Recording(
        np.concatenate(parts).astype(np.float32), fs, (*names, *beside), tuple(units), modality,
        _trials(file, clock, fs), str(path), beside=tuple(beside),
    )  # fmt: skip


def _trials(file: Any, clock: NDArray[np.floating], fs: float) -> Annotations:
    """Return marks of trials, with a column of targets as their labels where there is one."""
    trials = file.get("intervals/trials")
    if trials is None or "start_time" not in trials or "stop_time" not in trials:
        return Annotations()
    column = next(
        (name for name in ("target_id", "target", "condition", "trial_type") if name in trials), None
    )
    labels = trials[column][...].tolist() if column else [""] * len(trials["start_time"])
    first = clock[0] - (0.5 / fs if clock[0] else 0)
    marks = []
    for start, stop, label in zip(trials["start_time"][...], trials["stop_time"][...], labels, strict=True):
        text = (
            label.decode("utf-8", "replace")
            if isinstance(label, bytes)
            else f"{label:g}"
            if isinstance(label, float)
            else str(label)
        )
        if (
            math.isfinite(start)
            and math.isfinite(stop)
            and 0 <= start - first < stop - first <= len(clock) / fs
        ):
            marks += [
                (round((start - first) * fs), "trial", f"target {text}" if text else ""),
                (round((stop - first) * fs), "trial end", ""),
            ]
    marks.sort(key=lambda mark: mark[0])
    return Annotations(
        np.array([mark[0] for mark in marks], np.int64),
        tuple(mark[1] for mark in marks),
        tuple(mark[2] for mark in marks),
    )
