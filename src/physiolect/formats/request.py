"""What the caller wants of a file, and how every format answers it the same way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.plain_text import escape_controls
from physiolect.recording import MODALITIES, Annotations, Modality, Recording, Unit, modality_of
from physiolect.recording.time_column import agreed_rate


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
    """Names of all channels of a file that names none."""
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
    patient_key: str | None = None
    """Secret with which a patient's id becomes a pseudonym; None keeps nothing of it."""

    def rate(self, stated: float | None, path: Path) -> float:
        """Return the sampling rate in Hz out of what the file states and what the caller gave.

        Raises:
            FormatError: neither says anything, the two differ, or the rate is not above 0.
        """
        return agreed_rate(self.fs, stated, str(path))

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
        group is that of `channel` or, without one, of the ECG (else the PPG, or the ECoG; or what `modality` says), by
        the channels' names.

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
                hint=f"choose a channel, or several of one rate (--channel '{names[rows[0]]}', or channels=)",
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
        for modality in MODALITIES if self.modality is None else (self.modality,):
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
            allow_empty: Whether all channels may hold nothing but NaN.
            notices: What the user should know, a sentence each.

        Raises:
            FormatError: no channel, or not every channel that was asked for, holds a valid sample; or a value is
                infinite.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            samples = np.ascontiguousarray(signal, np.float32)
        names = tuple(printable(name) for name in channels)
        self._check_unit(units, path)
        found = [*notices]
        # One pass where all is well: NaN or infinity anywhere makes the sum one of them.
        with np.errstate(over="ignore", invalid="ignore"):
            whole = [bool(np.isfinite(row.sum(dtype=np.float64))) for row in samples]
        if self.channels is None and any(whole) and not all(whole):
            samples = _without_infinities(samples, names, whole, found)
        recording = Recording(
            samples,
            fs,
            names,
            tuple(printable(unit) if unit else self.unit for unit in units) if units else self.unit,
            self.modality or modality,
            Annotations() if annotations is None else _printable_marks(annotations),
            source or str(path),
            tuple(printable(notice) for notice in found),
        )
        empty = []
        for name, row, is_whole in zip(recording.channels, recording.signal, whole, strict=True):
            if not is_whole and np.isinf(row).any():
                raise FormatError(
                    f"channel '{name}' of {path} holds infinite values or values too large for float32",
                    hint="write missing samples as NaN, or choose other channels",
                )
            if np.isnan(row).all():
                empty.append(name)
        if empty and not allow_empty and (self.channels is not None or len(empty) == len(recording.channels)):
            raise FormatError(
                f"channel '{empty[0]}' of {path} has no valid sample, only NaN",
                hint="choose other channels, or another stretch with start and stop",
            )
        if empty and not allow_empty:
            told = f"no valid sample in channel{'s' * (len(empty) > 1)} {', '.join(empty)}"
            return replace(recording, notices=(*recording.notices, told))
        return recording

    def _check_unit(self, units: Sequence[Unit], path: Path) -> None:
        """Refuse a unit that no channel takes, because the file states another one for each."""
        if self.unit is None or not units or None in units or self.unit in units:
            return
        raise FormatError(
            f"{path} states {', '.join(dict.fromkeys(map(str, units)))}, but unit={self.unit} was given",
            hint="leave unit out to read the file in its own unit",
        )


def _without_infinities(
    samples: NDArray[np.float32], names: Sequence[str], whole: Sequence[bool], notices: list[str]
) -> NDArray[np.float32]:
    """Return samples with NaN for infinite values of channels that may not be needed; add to `notices` which they are.

    Args:
        samples: (channels, time).
        names: of the channels; none where the file names none.
        whole: whether all values of a channel are finite, as those of one are at least.
        notices: what the user should know.
    """
    samples = samples if samples.flags.writeable else samples.copy()
    for i in (i for i, is_whole in enumerate(whole) if not is_whole):
        infinite = np.isinf(samples[i])
        if count := int(np.count_nonzero(infinite)):
            samples[i][infinite] = np.nan
            name = names[i] if names else f"ch{i + 1}"
            notices.append(f"channel {name} holds {count} infinite value{'s' * (count > 1)}, now NaN")
    return samples


def _printable_marks(marks: Annotations) -> Annotations:
    if all(map(str.isprintable, {*marks.symbol, *marks.note})):
        return marks
    return replace(marks, symbol=tuple(map(printable, marks.symbol)), note=tuple(map(printable, marks.note)))


def printable(text: str) -> str:
    """Return a text out of a file with its control characters escaped, line breaks included."""
    return escape_controls(text, keep="")
