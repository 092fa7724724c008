"""The parts of a recording out of a pandas DataFrame: channels, units, samples and rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError, did_you_mean
from physiolect.recording.channels import Unit, split_unit, unit_name
from physiolect.recording.start_time import StartTime, later, parse_start
from physiolect.recording.time_column import agreed_rate, is_counter, rate_of_times, time_unit

if TYPE_CHECKING:
    import pandas

_SOURCE = "the DataFrame"


class FrameParts(NamedTuple):
    """What a frame holds."""

    signal: NDArray[np.float32]
    """(channels, time)."""
    fs: float
    """Sampling rate in Hz."""
    channels: tuple[str, ...]
    units: tuple[Unit, ...]
    """One a channel."""
    start: StartTime | None = None
    """When the first sample was recorded, where times are dates or say from when they count."""


def is_frame(value: object) -> bool:
    """Return whether something is a DataFrame, without importing pandas."""
    return all(hasattr(value, name) for name in ("columns", "iloc", "to_numpy"))


def frame_parts(frame: pandas.DataFrame, fs: float | None, time: str | None) -> FrameParts:
    """Return the parts of a frame with a column for each channel.

    The rate comes from `time`, else from a first column that is called time (time_s, "t (ms)" …), else from an index
    of dates or one called time; it must agree with `fs`. A first column that only counts the samples is left out.

    Args:
        frame: one column a channel.
        fs: Sampling rate in Hz; None where there is a column or an index of times.
        time: Column of the times.

    Raises:
        FormatError: a column holds text, the times are not uniform, or there is no rate.
    """
    names = [f"ch{name + 1}" if isinstance(name, int) else str(name) for name in frame.columns]
    if time is not None and time not in names:
        raise FormatError(f"there is no column '{time}' in {_SOURCE}", hint=did_you_mean(time, names))
    stated = start = None
    if time is not None or (names and _is_time(frame, names[0])):
        row = names.index(names[0] if time is None else time)
        stated = _rate(frame.iloc[:, row], names[row], fs)
        start = _start(frame.iloc[:, row], names[row])
        keep = [i for i in range(len(names)) if i != row]
    else:
        if _has_times(frame):
            times, name = frame.index.to_series(), str(frame.index.name or "")
            stated, start = _rate(times, name, fs), _start(times, name)
        keep = list(range(len(names)))
        if keep and split_unit(names[0])[0] != "" and _counts(frame, names[0]):
            keep = keep[1:]
    if not keep:
        raise FormatError(f"{_SOURCE} holds no channel", hint="give it a column for each channel")
    split = [split_unit(names[i]) for i in keep]
    return FrameParts(
        np.stack([_samples(frame, i, names[i]) for i in keep]),
        agreed_rate(fs, stated, _SOURCE),
        tuple(name for name, _ in split),
        tuple(unit_name(unit or "") for _, unit in split),
        start,
    )


def _is_time(frame: pandas.DataFrame, name: str) -> bool:
    return frame.dtypes.iloc[0].kind in "Mm" or time_unit(split_unit(name)[0]) is not None


def _has_times(frame: pandas.DataFrame) -> bool:
    """Return whether the index is one of dates, or is called time."""
    index = frame.index
    named = index.name is not None and time_unit(split_unit(str(index.name))[0]) is not None
    return getattr(index.dtype, "kind", "") in "Mm" or named


def _counts(frame: pandas.DataFrame, name: str) -> bool:
    return frame.dtypes.iloc[0].kind in "iuf" and is_counter(name, frame.iloc[:, 0].to_numpy(np.float64))


def _rate(times: Any, name: str, fs: float | None) -> float | None:
    """Return the rate in Hz of a series of dates, durations or numbers."""
    if len(times) < 2:
        return None
    if times.dtype.kind in "Mm":
        return rate_of_times((times - times.iloc[0]).dt.total_seconds().to_numpy(), "s", _SOURCE, fs)
    plain, unit = split_unit(name)
    unit = (unit or "").partition(" since ")[0]
    return rate_of_times(_numbers(times, name), unit or time_unit(plain) or "", _SOURCE, fs)


def _start(times: Any, name: str) -> StartTime | None:
    """Return when the first row was recorded: its date, or the moment in a name such as "time (s since 12:00:00)"."""
    if times.dtype.kind == "M" and len(times):
        moment = times.iloc[0]
        return None if moment != moment else moment.to_pydatetime(warn=False)
    unit, _, since = (split_unit(name)[1] or "").partition(" since ")
    start = parse_start(since)
    scale = {"ms": 1e-3, "us": 1e-6}.get(unit, 1.0)
    return later(start, float(times.iloc[0]) * scale) if start is not None and len(times) else None


def _samples(frame: pandas.DataFrame, column: int, name: str) -> NDArray[np.float32]:
    return _numbers(frame.iloc[:, column], name).astype(np.float32)


def _numbers(series: Any, name: str) -> NDArray[np.float64]:
    try:
        values: NDArray[np.float64] = series.to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise FormatError(
            f"column '{name}' of {_SOURCE} does not hold numbers alone",
            hint="drop the column, or name the column of times: from_frame(frame, time=...)",
        ) from error
    return values
