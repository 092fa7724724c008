"""The Recording: one or more signals with everything needed to interpret them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError, did_you_mean, require
from physiolect.recording.annotations import Annotations
from physiolect.recording.channels import (
    MODALITIES,
    Modality,
    canonical_channel,
    shared_modality,
    split_unit,
)
from physiolect.recording.frame import frame_parts, is_frame
from physiolect.recording.samples import as_signal, transposed
from physiolect.recording.start_time import StartTime, later, parse_start, start_text
from physiolect.recording.time_words import is_time_name
from physiolect.recording.wording import seconds_text, unit_text

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

_SHOWN = 12
"""How many channels a notebook's page lists."""


@dataclass(frozen=True, eq=False)
class Recording:
    """A stretch of one or more signals with everything needed to interpret it.

    Raises:
        FormatError: the parts contradict one another (channel names, units, rate).
    """

    signal: NDArray[np.float32]
    """(channels, time) float32; missing samples are NaN."""
    fs: float
    """Sampling rate in Hz."""
    channels: tuple[str, ...] = ()
    """One name a channel; "ch1", "ch2" … where the source names none."""
    unit: str | tuple[str | None, ...] | None = None
    """One unit for every channel ("mV"), or one each where they differ, or None where unknown."""
    modality: Modality | None = None
    """ "ecg", "ppg", "ecog" or "spikes"; by default what the names of all channels mean, None where they differ or mean
    none."""
    annotations: Annotations = field(default_factory=Annotations)
    source: str = ""
    """Where it came from: a path, or what made it."""
    notices: tuple[str, ...] = ()
    """What reading the file met that the user should know, a sentence each: lost samples, channels left out …"""
    start_time: StartTime | None = None
    """When the first sample was recorded, as the file states it: local time without a zone in most files, with its zone
    where the file states one, and a `datetime.time` where it states a time of day without a date. None where unknown.

    A date can tell whose recording it is. It stays in memory; a prepared store leaves it out, and `export` writes the
    time of day alone."""
    beside: tuple[str, ...] = ()
    """Channels that lie beside the signals and are no input of a model: force, movement, muscle activity."""

    def __post_init__(self) -> None:
        if is_frame(self.signal):
            self._take_frame()
        signal = as_signal(self.signal)
        try:
            fs = float(self.fs)
        except (TypeError, ValueError):
            fs = np.nan
        if not (np.isfinite(fs) and fs > 0):
            raise FormatError(
                f"the sampling rate is {self.fs}, but it must be above 0 Hz", hint="give fs, the rate in Hz"
            )
        names = (self.channels,) if isinstance(self.channels, str) else tuple(self.channels)
        channels = names or tuple(f"ch{i + 1}" for i in range(signal.shape[0]))
        if len(channels) != signal.shape[0]:
            raise FormatError(
                f"{len(channels)} channel names for {signal.shape[0]} channels",
                hint="name every channel once",
            )
        unit = tuple(self.unit) if isinstance(self.unit, list) else self.unit
        if isinstance(unit, tuple):
            if len(unit) != len(channels):
                raise FormatError(
                    f"{len(unit)} units for {len(channels)} channels", hint="give one unit a channel"
                )
            unit = unit[0] if len(set(unit)) == 1 else unit
        modality = self.modality or shared_modality(channels)
        if modality is not None and modality not in MODALITIES:
            raise FormatError(
                f"modality '{modality}' is unknown", hint=f"allowed: {', '.join(MODALITIES)}, or none"
            )
        parts = {"signal": signal, "fs": fs, "channels": channels, "unit": unit, "modality": modality}
        for name, value in parts.items():
            object.__setattr__(self, name, value)

    def _take_frame(self) -> None:
        """Take the columns of a DataFrame as channels."""
        frame: Any = self.signal
        first = str(frame.columns[0]) if len(frame.columns) else ""
        if is_time_name(split_unit(first)[0]):
            raise FormatError(
                f"column '{first}' of the DataFrame is no channel",
                hint="Recording.from_frame(frame) takes the rate from it",
            )
        parts = frame_parts(frame, self.fs, None)
        object.__setattr__(self, "signal", parts.signal)
        if not self.channels:
            object.__setattr__(self, "channels", parts.channels)
        if self.unit is None:
            object.__setattr__(self, "unit", parts.units)
        if self.start_time is None:
            object.__setattr__(self, "start_time", parts.start)
        object.__setattr__(self, "notices", (*self.notices, *parts.notices))

    @classmethod
    def from_array(
        cls,
        signal: ArrayLike,
        fs: float,
        *,
        channels: str | Sequence[str] = (),
        unit: str | Sequence[str | None] | None = None,
        modality: Modality | None = None,
        annotations: Annotations | None = None,
        source: str = "",
        start_time: StartTime | None = None,
    ) -> Recording:
        """Return a recording of samples in memory.

        Args:
            signal: (channels, time), or (time,) for one channel, of any real numbers; missing samples are NaN.
            fs: Sampling rate in Hz.
            channels: One name a channel; "ch1", "ch2" … by default.
            unit: One unit for every channel, or one each.
            modality: "ecg", "ppg" or "ecog"; by default what the names of the channels mean.
            annotations: Marks on the time axis.
            source: Where it came from.
            start_time: When the first sample was recorded: a `datetime`, or a `time` of day where the date is unknown.

        Raises:
            FormatError: the parts contradict one another, or there are more channels than samples.
        """
        samples = np.asarray(signal)
        if samples.ndim == 2 and 0 < samples.shape[1] < samples.shape[0]:
            raise transposed(samples.shape)
        return cls(
            samples,
            fs,
            (channels,) if isinstance(channels, str) else tuple(channels),
            unit if unit is None or isinstance(unit, str) else tuple(unit),
            modality,
            annotations or Annotations(),
            source,
            start_time=start_time,
        )

    @classmethod
    def from_frame(
        cls,
        frame: pandas.DataFrame,
        fs: float | None = None,
        *,
        time: str | None = None,
        unit: str | None = None,
        modality: Modality | None = None,
        source: str = "",
    ) -> Recording:
        """Return a recording of a DataFrame with a column for each channel, such as `to_frame` returns.

        Args:
            frame: A column called "II (mV)" is channel II in mV. The rate comes from a column of times or an index of
                dates, where there is one.
            fs: Sampling rate in Hz, for a frame without times.
            time: Column of the times; by default the first column, where it is called time, t, time_s, "t (ms)",
                Zeit …
            unit: Unit of the columns that name none.
            modality: "ecg", "ppg" or "ecog"; by default what the names of the channels mean.
            source: Where it came from.

        Raises:
            FormatError: a column holds text, the times are not uniform, or there is no rate.
        """
        kept = frame.attrs.get("units") or ()
        parts = frame_parts(frame, fs, time)
        units = kept if len(kept) == len(parts.units) else parts.units
        return cls(
            parts.signal,
            parts.fs,
            parts.channels,
            tuple(each or unit for each in units),
            modality or frame.attrs.get("modality"),
            source=source or frame.attrs.get("source", ""),
            start_time=parts.start or later(parse_start(frame.attrs.get("start_time") or ""), parts.first),
            notices=parts.notices,
        )

    def to_frame(self) -> pandas.DataFrame:
        """Return a DataFrame with a column for each channel and the seconds from the start as index.

        Units, modality, source and start time are in its `attrs`; annotations are left out.

        Raises:
            PhysiolectError: pandas is not installed.
        """
        pd = require("pandas", extra="tables")
        index = pd.Index(np.arange(self.n_samples) / self.fs, name="time_s")
        frame: pandas.DataFrame = pd.DataFrame(self.signal.T, index=index, columns=list(self.channels))
        frame.attrs.update(units=self.units, modality=self.modality, source=self.source)
        if self.start_time is not None:
            frame.attrs["start_time"] = self.start_time.isoformat()  # text, so that a frame can be saved
        return frame

    def plot(
        self,
        start: float | None = None,
        stop: float | None = None,
        *,
        max_channels: int = 12,
        title: str | None = None,
    ) -> Figure:
        """Return a figure of the channels under one another, with marks on its beats.

        Args:
            start: First moment to draw, in seconds.
            stop: Last moment to draw, in seconds.
            max_channels: Draws the first so many channels.
            title: Above the figure; by default the source.

        Raises:
            FormatError: the stretch is empty or outside the recording.
        """
        from physiolect.plots import recording_figure

        return recording_figure(self.slice(start, stop), max_channels=max_channels, title=title)

    @property
    def n_samples(self) -> int:
        return int(self.signal.shape[1])

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.fs

    @property
    def units(self) -> tuple[str | None, ...]:
        """One unit a channel."""
        return self.unit if isinstance(self.unit, tuple) else (self.unit,) * len(self.channels)

    def n_missing(self) -> int:
        """Count the samples that are NaN, over all channels."""
        return int(np.count_nonzero(np.isnan(self.signal)))

    def index(self, channel: str | int) -> int:
        """Return the row of a channel given its name, an alias of it, or its number from 0.

        Raises:
            FormatError: no channel, or more than one, goes by that name.
        """
        if isinstance(channel, int | np.integer) or (channel.isdecimal() and channel not in self.channels):
            if 0 <= int(channel) < len(self.channels):
                return int(channel)
            raise FormatError(
                f"there is no channel {channel} among {len(self.channels)}",
                hint=f"count from 0, or use a name: {', '.join(self.channels)}",
            )
        rows = [row for row, name in enumerate(self.channels) if name == channel]
        if not rows:
            wanted = canonical_channel(channel).lower()
            rows = [
                row for row, name in enumerate(self.channels) if canonical_channel(name).lower() == wanted
            ]
        if len(rows) == 1:
            return rows[0]
        where = self.source or "the recording"
        if not rows:
            raise FormatError(
                f"no channel named '{channel}' in {where}", hint=did_you_mean(channel, self.channels)
            )
        raise FormatError(
            f"{len(rows)} channels named '{channel}' in {where}",
            hint=f"choose by number: {' or '.join(map(str, rows))}",
        )

    def select(self, channels: Iterable[str | int]) -> Recording:
        """Return the recording with these channels only, in this order; one, or neighbours in order, are not copied.

        Raises:
            FormatError: none is given, or one is not there.
        """
        rows = [self.index(channel) for channel in channels]
        if not rows:
            raise FormatError(
                "no channel is selected", hint=f"name one or more of {', '.join(self.channels)}"
            )
        neighbours = rows == list(range(rows[0], rows[0] + len(rows)))
        signal = self.signal[rows[0] : rows[-1] + 1] if neighbours else self.signal[rows]
        names = tuple(self.channels[row] for row in rows)
        return replace(
            self,
            signal=signal,
            channels=names,
            unit=tuple(self.units[row] for row in rows),
            modality=self.modality,
        )

    def slice(
        self,
        start: float | None = None,
        stop: float | None = None,
        *,
        by: Literal["seconds", "samples"] = "seconds",
    ) -> Recording:
        """Return the stretch [start, stop) without copying its samples; None means the end on that side.

        Raises:
            FormatError: the stretch is empty or outside the recording.
        """
        rate = self.fs if by == "seconds" else 1.0
        ends = [0.0 if start is None else start * rate, self.n_samples if stop is None else stop * rate]
        first, last = (round(end) if np.isfinite(end) else -1 for end in ends)
        if not 0 <= first < last <= self.n_samples:
            raise FormatError(
                f"the stretch {start} to {stop} {by} does not lie in a recording of {self.n_samples / rate:g} {by}",
                hint="start counts from 0 and must come before stop",
            )
        return replace(
            self,
            signal=self.signal[:, first:last],
            annotations=self.annotations.window(first, last),
            start_time=later(self.start_time, first / self.fs),
        )

    def __repr__(self) -> str:
        names = ", ".join(self.channels[:4]) + (
            f", … ({len(self.channels)})" if len(self.channels) > 4 else ""
        )
        parts = [names, *self._facts()]
        return f"<Recording {self.source or 'unnamed'}: {'; '.join(parts)}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(unit or '')}</td></tr>"
            for name, unit in list(zip(self.channels, self.units, strict=True))[:_SHOWN]
        )
        n_more = len(self.channels) - _SHOWN
        more = f"<tr><td>… and {n_more} more</td><td></td></tr>" if n_more > 0 else ""
        return (
            f"<b>Recording</b> {escape(self.source)}<p>{escape('; '.join(self._facts()))}</p>"
            f"<table><tr><th>channel</th><th>unit</th></tr>{rows}{more}</table>"
        )

    def _facts(self) -> list[str]:
        """Return length, unit, modality, and what is missing or marked."""
        parts = [
            f"{seconds_text(self.duration)} at {self.fs:g} Hz",
            unit_text(self.unit),
            self.modality or "modality unknown",
        ]
        if self.start_time is not None:
            parts.append(f"from {start_text(self.start_time)}")
        missing = self.n_missing()
        if missing:
            parts.append(f"{missing} of {self.signal.size} samples missing")
        if len(self.annotations):
            parts.append(f"{len(self.annotations)} annotations")
        return parts
