"""What the caller wants of a file, and how every format answers it the same way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.plain_text import escape_controls
from physiolect.recording import (
    MODALITIES,
    Annotations,
    Modality,
    Recording,
    StartTime,
    Unit,
    modality_of,
)
from physiolect.recording.time_column import agreed_rate

_MOST_VALUES, _SHORTEST = 1 << 24, 1 << 16
"""Values of a stretch at most, all channels together; but no stretch is shorter than so many samples."""


@dataclass(frozen=True)
class Request:
    """The keywords of `read_recording`, passed to every format."""

    fs: float | None = None
    """Sampling rate in Hz for a file that states none."""
    channels: tuple[str | int, ...] | None = None
    """Names, aliases or numbers from 0 of the wanted channels; None means all."""
    start: float | None = None
    """First moment wanted, in seconds."""
    stop: float | None = None
    """End of the wanted stretch, in seconds."""
    modality: Modality | None = None
    """What the caller says it is."""
    variable: str | None = None
    """Which variable of a MAT or NPZ file."""
    unit: Unit = None
    """Unit of the channels of which the file states none."""
    names: tuple[str, ...] = ()
    """Names of all channels of a file, where it names none or others."""
    one: bool = True
    """Whether the caller can take one recording only."""
    channel: str | int | None = None
    """The one channel that will be used, where the rates of the channels differ."""
    annotator: tuple[str, ...] | None = None
    """Extensions of the WFDB annotation files to read; None means the usual one."""
    stretch: int | None = None
    """How many samples a recording holds at most, where a file is read as several that follow each other."""
    every_rate: bool = False
    """Whether the channels of each sampling rate make a recording of their own."""
    for_modality: Modality | None = None
    """What the model reads that the recording is for: it chooses among channels of several rates."""
    patient_key: str | None = None
    """Secret with which a patient's id becomes a pseudonym; None keeps nothing of it."""

    def rate(self, stated: float | None, path: Path) -> float:
        """Return the sampling rate in Hz out of what the file states and what the caller gave.

        Raises:
            FormatError: neither says anything, the two differ, or the rate is not above 0.
        """
        return agreed_rate(self.fs, stated, str(path))

    def named(self, own: Sequence[str], n_channels: int, path: Path) -> tuple[list[str], list[str]]:
        """Return the names of all channels of a file, and a notice where the caller's replace the file's.

        They are the caller's; without these the file's own, or "ch1", "ch2" and so on.

        Args:
            own: the names that the file gives; none where it names no channel.
            n_channels: how many channels the file holds.
            path: the file, for errors.

        Raises:
            FormatError: the caller names another number of channels.
        """
        if not self.names:
            return list(own) or [f"ch{i + 1}" for i in range(n_channels)], []
        if len(self.names) != n_channels:
            listed = f": {', '.join(own[:12])}" if own else ""
            raise FormatError(
                f"{len(self.names)} names were given, but {path} holds {n_channels} channels{listed}",
                hint="name every channel once, in the file's order",
            )
        pairs = [
            f"{old} to {new}"
            for number, (old, new) in enumerate(zip(own, self.names, strict=False), 1)
            if old not in (new, f"ch{number}")
        ]
        return list(self.names), [f"renamed channels, as asked for: {', '.join(pairs)}"] if pairs else []

    def rows(self, names: Sequence[str], path: Path) -> list[int]:
        """Return the numbers of the wanted channels among `names`.

        Raises:
            FormatError: no channel, or more than one, goes by a wanted name.
        """
        if self.channels is None:
            return list(range(len(names)))
        if not self.channels:
            raise FormatError("channels is empty", hint="name a channel, or leave channels out for all")
        probe = Recording(np.empty((len(names), 0), np.float32), 1.0, tuple(names), source=str(path))
        return [probe.index(channel) for channel in self.channels]

    def groups(
        self, names: Sequence[str], rates: Sequence[float], path: Path, *, base: float | None = None
    ) -> list[tuple[list[int], tuple[str, ...]]]:
        """Return the wanted channels as groups of one sampling rate each, with what to tell the user about each.

        It is one group, unless `every_rate` asks for all. Where no channels were named and the rates differ, the
        group is that of `channel` or, without one, of what `modality` says, of what the model reads, of the ECG, the
        PPG or the ECoG, by the channels' names.

        Args:
            names: all channels of the file.
            rates: the sampling rate of each, in Hz.
            path: the file, for errors.
            base: the rate in Hz that channels of all rates can be averaged down to, where that is possible.

        Raises:
            FormatError: the named channels differ in rate, or no name tells which channels are meant.
        """
        rows = self.rows(names, path)
        found = list(dict.fromkeys(rates[row] for row in rows))
        if len(found) == 1:
            return [(rows, ())]
        if self.every_rate:
            return [([row for row in rows if rates[row] == rate], ()) for rate in found]
        meant = set() if self.channels is not None else self._meant_rates(names, rates, path)
        if len(meant) != 1 and base is not None:
            own = ", ".join(f"{names[row]} {rates[row]:g} Hz" for row in rows if rates[row] != base)
            return [(rows, (f"averaged down to {base:g} Hz: {own}; one channel alone keeps its rate",))]
        if len(meant) != 1:
            listed = ", ".join(f"{names[row]} {rates[row]:g} Hz" for row in rows[:12])
            more = f" and {len(rows) - 12} more" if len(rows) > 12 else ""
            raise FormatError(
                f"the channels of {path} differ in sampling rate: {listed}{more}",
                hint=f"choose a channel, or several of one rate (--channel '{names[rows[0]]}')",
            )
        kept = [row for row in rows if rates[row] in meant]
        if self.channel is not None and str(self.channel) not in names:
            self._check_number(kept, names, path)
        others = ", ".join(f"{names[row]} ({rates[row]:g} Hz)" for row in rows if rates[row] not in meant)
        chosen = ", ".join(names[row] for row in kept)
        return [
            (kept, (f"read {chosen} at {meant.pop():g} Hz; channels of other rates are left out: {others}",))
        ]

    def _meant_rates(self, names: Sequence[str], rates: Sequence[float], path: Path) -> set[float]:
        """Return the rates of the channels that the caller will use."""
        if self.channel is not None:
            (row,) = replace(self, channels=(self.channel,)).rows(names, path)
            return {rates[row]}
        first = [] if self.for_modality is None else [self.for_modality]
        for modality in (*first, *MODALITIES) if self.modality is None else (self.modality,):
            meant = {rate for name, rate in zip(names, rates, strict=True) if modality_of(name) == modality}
            if meant:
                return meant
        return set()

    def _check_number(self, kept: Sequence[int], names: Sequence[str], path: Path) -> None:
        """Refuse a number that would count other channels once those of other rates are left out.

        Raises:
            FormatError: it would.
        """
        (row,) = replace(self, channels=(self.channel or 0,)).rows(names, path)
        if str(self.channel).isdecimal() and kept.index(row) != row:
            raise FormatError(
                f"channel {self.channel} of {path} has another number among the channels of its rate",
                hint=f"name it: {names[row]}",
            )

    def span(self, n_samples: int, fs: float, path: Path) -> tuple[int, int]:
        """Return the wanted stretch [first, last) in samples of a file of `n_samples` at `fs` Hz.

        Raises:
            FormatError: the file holds no samples, or the stretch is empty or outside it.
        """
        if n_samples < 1:
            raise FormatError(f"{path} holds no samples", hint="choose a file with a signal in it")
        start = 0.0 if self.start is None else float(self.start)
        stop = n_samples / fs if self.stop is None else float(self.stop)
        if math.isfinite(start) and math.isfinite(stop):
            first = round(start * fs)
            last = n_samples if self.stop is None else round(stop * fs)
            if 0 <= first < last <= n_samples:
                return first, last
        raise FormatError(
            f"the stretch {start:g} to {stop:g} s does not lie in {path}, which lasts {n_samples / fs:g} s",
            hint="start counts from 0 and must come before stop",
        )

    def spans(self, n_samples: int, fs: float, path: Path, n_channels: int) -> Iterator[tuple[int, int]]:
        """Yield the wanted stretch as `span` gives it, or parts of it in order where `stretch` asks for them.

        Args:
            n_samples: What the file holds of each channel.
            fs: Sampling rate in Hz.
            path: The file, for errors.
            n_channels: Wanted channels: parts are shorter where there are many.

        Raises:
            FormatError: as for `span`.
        """
        first, last = self.span(n_samples, fs, path)
        step = last - first
        if self.stretch is not None:
            step = min(self.stretch, max(_SHORTEST, _MOST_VALUES // n_channels))
        for begin in range(first, last, step):
            yield begin, min(begin + step, last)

    def recording(
        self,
        path: Path,
        signal: NDArray[np.generic],
        fs: float,
        *,
        channels: Sequence[str] = (),
        units: Sequence[Unit] = (),
        modality: Modality | None = None,
        annotations: Annotations | None = None,
        source: str = "",
        allow_empty: bool = False,
        notices: Sequence[str] = (),
        start_time: StartTime | None = None,
    ) -> Recording:
        """Make the recording out of the stretch and channels already read, and look it over.

        Args:
            path: The file, for errors.
            signal: (channels, time) in any real dtype; the wanted channels and stretch only.
            fs: Sampling rate in Hz.
            channels: One name a channel; none where the file names none.
            units: One unit a channel; none where the file states none.
            modality: What the file says it is.
            annotations: Marks, in samples from the first of `signal`.
            source: Where it came from, where that is more than `path`.
            allow_empty: Whether all channels may hold nothing but NaN, as in a stretch of many they may.
            notices: What the user should know, a sentence each.
            start_time: When the first of `signal` was recorded.

        Raises:
            FormatError: no channel, or not every channel that was asked for, holds a valid sample; or one that was
                asked for, or every channel, holds infinite values.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            samples = np.ascontiguousarray(signal, np.float32)
        names = tuple(printable(name) for name in channels)
        self._check_unit(units, path)
        recording = Recording(
            samples,
            fs,
            names,
            tuple(printable(unit) if unit else self.unit for unit in units) if units else self.unit,
            self.modality or modality,
            Annotations() if annotations is None else _printable_marks(annotations),
            source or str(path),
            tuple(printable(notice) for notice in notices),
            start_time,
        )
        return self._looked_over(recording, path, allow_empty)

    def _looked_over(self, recording: Recording, path: Path, allow_empty: bool) -> Recording:
        """Return a recording without infinite values, and with a notice of each channel that cannot be used.

        Raises:
            FormatError: a channel that was asked for, or every channel, holds infinite values or nothing but NaN.
        """
        infinite, empty = _unusable(recording)
        allow_empty = allow_empty or self.stretch is not None
        names = recording.channels
        asked = [row for row in infinite if self._is_asked_for(recording, row)]
        if asked or (infinite and len(infinite) + len(empty) == len(names)):
            raise FormatError(
                f"channel '{names[(asked or infinite)[0]]}' of {path} holds infinite values or values too large for "
                "float32",
                hint="write missing samples as NaN, or choose other channels",
            )
        remarks = []
        if infinite:
            signal = recording.signal.copy()
            for row in infinite:
                bad = np.isinf(signal[row])
                signal[row, bad] = np.nan
                count = int(bad.sum())
                remarks.append(
                    f"channel {names[row]} holds {count:,} value{'s' * (count > 1)} taken as missing: "
                    "infinite, or too large for float32"
                )
            recording = replace(recording, signal=signal)
        if empty and not allow_empty:
            if self.channels is not None or len(empty) + len(infinite) == len(names):
                raise FormatError(
                    f"channel '{names[empty[0]]}' of {path} has no valid sample, only NaN",
                    hint="choose other channels, or another stretch with start and stop",
                )
            remarks.append(notice_of_empty([names[row] for row in empty]))
        return replace(recording, notices=(*recording.notices, *remarks)) if remarks else recording

    def _is_asked_for(self, recording: Recording, row: int) -> bool:
        """Return whether the caller names a channel."""
        if self.channels is not None or self.channel is None:
            return self.channels is not None
        try:
            return recording.index(self.channel) == row
        except FormatError:
            return False

    def _check_unit(self, units: Sequence[Unit], path: Path) -> None:
        """Refuse a unit that no channel takes, because the file states another one for each."""
        if self.unit is None or not units or None in units or self.unit in units:
            return
        raise FormatError(
            f"{path} states {', '.join(dict.fromkeys(map(str, units)))}, but unit={self.unit} was given",
            hint="leave unit out to read the file in its own unit",
        )


def notice_of_empty(channels: Sequence[str]) -> str:
    """Return the notice about channels that hold nothing but NaN."""
    return f"no valid sample in channel{'s' * (len(channels) > 1)} {', '.join(channels)}"


def _unusable(recording: Recording) -> tuple[list[int], list[int]]:
    """Return the rows that hold infinite values, and those that hold nothing but NaN."""
    infinite, empty = [], []
    for number, row in enumerate(recording.signal):
        # One pass where all is well: NaN or infinity anywhere makes the sum one of them.
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(row.sum(dtype=np.float64)):
                continue
        if np.isinf(row).any():
            infinite.append(number)
        elif np.isnan(row).all():
            empty.append(number)
    return infinite, empty


def _printable_marks(marks: Annotations) -> Annotations:
    if all(map(str.isprintable, {*marks.symbol, *marks.note})):
        return marks
    return replace(marks, symbol=tuple(map(printable, marks.symbol)), note=tuple(map(printable, marks.note)))


def printable(text: str) -> str:
    """Return a text out of a file with its control characters escaped, line breaks included."""
    return escape_controls(text, keep="")
