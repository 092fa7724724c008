"""What a signal is: the Recording, its annotations, and the names of its channels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError, did_you_mean

Modality = Literal["ecg", "ppg", "ecog"]
MODALITIES: tuple[Modality, ...] = ("ecg", "ppg", "ecog")

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""The twelve standard ECG leads in the house's order."""

_ALIASES = {
    "mli": "I", "mlii": "II", "ml2": "II", "mliii": "III", "mv1": "V1", "mv2": "V2", "mv5": "V5",
    "mcl1": "MCL1", "di": "I", "dii": "II", "diii": "III",
    **{lead.lower(): lead for lead in LEADS},
    **{name: name.upper() for name in ("vx", "vy", "vz", "v3r", "v4r", "v5r", "v7", "v8", "v9")},
}  # fmt: skip
_PPG = re.compile(
    r"^(ppg|plethr?|(photo)?plethysmogra(m|ph|phy)|spo2[ _]?(wave|pleth))(\b|[_\d])|[ _-](ppg|pleth)$",
    re.IGNORECASE,
)
_ECOG = re.compile(r"^(ecog|ieeg|seeg)\b|^(ecog|seeg)_", re.IGNORECASE)
_ECG = re.compile(r"^(ecg|ekg)\b|^(ecg|ekg)[_\d]", re.IGNORECASE)


@lru_cache(1024)  # a collection has few names, and each is asked about many times a recording
def canonical_channel(name: str) -> str:
    """Return the standard name of a channel: "MLII", "ii", "ECG lead II" and "ECG-II" are all "II".

    Names that are no alias of a standard lead come back as they are, stripped.
    """
    stripped = name.strip()
    key = re.sub(r"^(ecg|ekg)[\s_:.-]*", "", stripped, flags=re.IGNORECASE)
    key = re.sub(r"^(lead|channel|derivation)[\s_:.-]*", "", key, flags=re.IGNORECASE).lower()
    return _ALIASES.get(key, stripped)


def modality_of(channel: str) -> Modality | None:
    """Return the modality a channel's name tells of, or None where it tells nothing."""
    name = channel.strip()
    if canonical_channel(name) in _ALIASES.values() or _ECG.match(name):
        return "ecg"
    if _PPG.search(name):
        return "ppg"
    return "ecog" if _ECOG.match(name) else None


@dataclass(frozen=True, eq=False)
class Annotations:
    """Marks on a recording's time axis, in order of time; three columns of one length."""

    sample: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """Positions in samples at the recording's own rate, (n,)."""
    symbol: tuple[str, ...] = ()
    """Kind of each mark: the codes of WFDB ("N", "V", "+" …) or a label."""
    note: tuple[str, ...] = ()
    """Free text of each mark ("(AFIB"), "" for none."""

    def __post_init__(self) -> None:
        sample = np.asarray(self.sample, np.int64).reshape(-1)
        note = tuple(self.note) or ("",) * len(sample)
        if not len(sample) == len(self.symbol) == len(note):
            raise ValueError(
                f"annotations need as many symbols and notes as samples, got {len(sample)}, "
                f"{len(self.symbol)} and {len(note)}"
            )
        object.__setattr__(self, "sample", sample)
        object.__setattr__(self, "symbol", tuple(self.symbol))
        object.__setattr__(self, "note", note)

    def __len__(self) -> int:
        return len(self.sample)

    def __iter__(self) -> Iterator[tuple[int, str, str]]:
        return zip(self.sample.tolist(), self.symbol, self.note, strict=True)

    def window(self, start: int, stop: int) -> Annotations:
        """Return those in [start, stop), counted from `start`."""
        keep = np.flatnonzero((self.sample >= start) & (self.sample < stop))
        return Annotations(
            self.sample[keep] - start,
            tuple(self.symbol[i] for i in keep),
            tuple(self.note[i] for i in keep),
        )

    def at_rate(self, ratio: float) -> Annotations:
        """Return the same marks with positions multiplied by new rate / old rate."""
        return replace(self, sample=np.round(self.sample * ratio).astype(np.int64))


_MOST_CHANNELS = 512
"""Arrays of more rows than this, and than columns, are taken for (time, channels)."""


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
    """ "ecg", "ppg" or "ecog"; None where the source does not tell or the channels differ."""
    annotations: Annotations = field(default_factory=Annotations)
    source: str = ""
    """Where it came from: a path, or what made it."""

    def __post_init__(self) -> None:
        signal = np.asarray(self.signal)
        if signal.dtype != np.float32:
            signal = signal.astype(np.float32)
        signal = signal[np.newaxis] if signal.ndim == 1 else signal
        if signal.ndim == 2 and signal.shape[0] > max(signal.shape[1], _MOST_CHANNELS):
            raise FormatError(
                f"the signal has {signal.shape[0]} channels of {signal.shape[1]} samples: more channels than samples",
                hint="a signal is (channels, time): transpose it, Recording(array.T, fs)",
            )
        if signal.ndim != 2 or signal.shape[0] == 0:
            raise FormatError(
                f"a signal is (channels, time), got shape {np.shape(self.signal)}",
                hint="pass one row per channel",
            )
        fs = float(self.fs)
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
        unit = self.unit
        if isinstance(unit, tuple):
            if len(unit) != len(channels):
                raise FormatError(
                    f"{len(unit)} units for {len(channels)} channels", hint="give one unit a channel"
                )
            unit = unit[0] if len(set(unit)) == 1 else unit
        if self.modality is not None and self.modality not in MODALITIES:
            raise FormatError(
                f"modality '{self.modality}' is unknown", hint=f"allowed: {', '.join(MODALITIES)}, or none"
            )
        for name, value in (("signal", signal), ("fs", fs), ("channels", channels), ("unit", unit)):
            object.__setattr__(self, name, value)

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
        if channel in self.channels:
            return self.channels.index(channel)
        wanted = canonical_channel(channel)
        rows = [
            i for i, name in enumerate(self.channels) if canonical_channel(name).lower() == wanted.lower()
        ]
        if len(rows) != 1:
            trouble = "no channel" if not rows else f"{len(rows)} channels"
            raise FormatError(
                f"{trouble} named '{channel}' in {self.source or 'the recording'}",
                hint=did_you_mean(channel, self.channels),
            )
        return rows[0]

    def select(self, channels: Iterable[str | int]) -> Recording:
        """Return the recording with these channels only, in this order; one channel is not copied.

        Raises:
            FormatError: none is given, or one is not there.
        """
        rows = [self.index(channel) for channel in channels]
        if not rows:
            raise FormatError(
                "no channel is selected", hint=f"name one or more of {', '.join(self.channels)}"
            )
        signal = self.signal[rows[0] : rows[0] + 1] if len(rows) == 1 else self.signal[rows]
        names = tuple(self.channels[row] for row in rows)
        return replace(
            self,
            signal=signal,
            channels=names,
            unit=tuple(self.units[row] for row in rows),
            modality=self.modality or shared_modality(names),
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
            self, signal=self.signal[:, first:last], annotations=self.annotations.window(first, last)
        )

    def __repr__(self) -> str:
        names = ", ".join(self.channels[:4]) + (
            f", … ({len(self.channels)})" if len(self.channels) > 4 else ""
        )
        parts = [
            names,
            f"{seconds_text(self.duration)} at {self.fs:g} Hz",
            _unit_text(self.unit),
            self.modality or "modality unknown",
        ]
        missing = self.n_missing()
        if missing:
            parts.append(f"{missing} of {self.signal.size} samples missing")
        if len(self.annotations):
            parts.append(f"{len(self.annotations)} annotations")
        return f"<Recording {self.source or 'unnamed'}: {'; '.join(parts)}>"


def shared_modality(channels: Sequence[str]) -> Modality | None:
    """Return the modality all these channel names tell of, or None where they differ or tell nothing."""
    told = {modality_of(name) for name in channels}
    return told.pop() if len(told) == 1 else None


def seconds_text(value: float) -> str:
    """Return a length or a position in time as text, to five digits: "2.5 s", "86,400 s"."""
    return f"{value:,.0f} s" if abs(value) >= 10_000 else f"{value:.5g} s"


def _unit_text(unit: str | tuple[str | None, ...] | None) -> str:
    if isinstance(unit, tuple):
        return "units " + ", ".join(u or "?" for u in unit)
    return unit or "unit unknown"
