"""MFER (.mwf, ISO 22077): waveforms as tags, lengths and values.

Uncompressed frames are read, channels of other rates as recordings of their own.
Source: ISO 22077-1:2022 and its public draft (MFER 1.02, http://www.mfer.org).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.formats.hospital.lead_names import SCP_LEADS, numbered_names
from physiolect.formats.hospital.rhythm import MOST_CHANNELS, Rhythm, choose
from physiolect.formats.request import Request
from physiolect.recording import Recording, StartTime
from physiolect.recording.start_time import moment_of, time_of

_MOST_BYTES = 256 << 20
_MOST_ITEMS = 1_000_000

_ORDER, _BLOCK, _CHANNELS, _SEQUENCES, _LEAD, _TYPE = 0x01, 0x04, 0x05, 0x06, 0x09, 0x0A
_INTERVAL, _RESOLUTION, _OFFSET, _COMPRESSION, _NULL = 0x0B, 0x0C, 0x0D, 0x0E, 0x12
_DATA, _OF_CHANNEL, _PREAMBLE, _END = 0x1E, 0x3F, 0x40, 0x80
_PATIENT_NAME, _PATIENT_ID, _TIME = 0x81, 0x82, 0x85
_TYPES = {0: "i2", 1: "u2", 2: "i4", 3: "u1", 5: "i1", 6: "u4", 7: "f4", 8: "f8"}
_UNITS = {0: ("uV", 1e6), 1: ("mmHg", 1.0), 2: ("Pa", 1.0), 3: ("cmH2O", 1.0), 7: ("%", 1.0), 8: ("degC", 1.0),
          9: ("/min", 1.0), 11: ("Ohm", 1.0), 12: ("A", 1.0)}  # fmt: skip
"""Unit's code -> its name, and how many of it a unit of the file is: volts become microvolts."""


def is_mfer(head: bytes) -> bool:
    """Tell whether a file that begins with these bytes is MFER: its preamble comes first."""
    return head[:1] == bytes([_PREAMBLE]) and (b"MFR " in head[2:12] or b"MFER" in head[2:12])


@dataclass(frozen=True)
class _Channel:
    """What the tags say of one channel, or of all that do not say otherwise."""

    lead: int = 0
    kind: int = 0
    fs: float | None = 1000.0
    unit: str | None = "uV"
    gain: float = 1.0
    missing: bytes | None = None
    block: int = 1


@dataclass
class _State:
    big: bool = True
    n_channels: int = 1
    n_sequences: int | None = None
    shared: _Channel = field(default_factory=_Channel)
    own: dict[int, dict[str, object]] = field(default_factory=dict)
    patient: str = ""
    name: str = ""
    start: StartTime | None = None
    stated_date: str = ""

    def channel(self, number: int) -> _Channel:
        return replace(self.shared, **self.own.get(number, {}))  # type: ignore[arg-type]


def read(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recordings of an MFER file, one a frame of waveforms.

    Raises:
        FormatError: the file is compressed, states offsets, or is damaged.
    """
    with parsing(path, "MFER"):
        if path.stat().st_size > _MOST_BYTES:
            raise FormatError(f"{path} is larger than {_MOST_BYTES >> 20} MiB", hint="split the file")
        content = path.read_bytes()
        state = _State()
        rhythms = list(_frames(content, state, path))
    if not rhythms:
        raise FormatError(f"{path} is an MFER file without a waveform", hint="choose a file with waveforms")
    for rhythm in rhythms:
        rhythm.patient, rhythm.personal = state.patient, [state.name]
        rhythm.start_time, rhythm.stated_date = state.start, state.stated_date
    for number, rhythm in choose(rhythms, path, want, "frames"):
        yield rhythm.recording(path, want, f"{path}#{number}" if len(rhythms) > 1 else str(path))


def _frames(content: bytes, state: _State, path: Path) -> Iterator[Rhythm]:
    for tag, number, value in _items(content):
        if tag == _ORDER:
            state.big = value[:1] != b"\x01"
        elif tag == _CHANNELS:
            state.n_channels = _whole(value, state.big)
            state.own = {}
        elif tag == _SEQUENCES:
            state.n_sequences = _whole(value, state.big)
        elif tag == _COMPRESSION and _whole(value[:2], state.big):
            raise FormatError(
                f"{path} is a compressed MFER file, which is not read", hint="export it without compression"
            )
        elif tag == _OFFSET and any(value):
            raise FormatError(
                f"{path} states an offset of its samples, which is not read",
                hint="export it without an offset",
            )
        elif tag == _PATIENT_ID:
            state.patient = value.decode("latin-1").strip("\0 ")
        elif tag == _PATIENT_NAME:
            state.name = value.decode("latin-1").strip("\0 ")
        elif tag == _TIME:
            state.start, state.stated_date = _start(value, state.big), value[:4].hex()
        elif tag == _DATA:
            yield from _rhythms(value, state)
        elif number is not None:
            for inner, _, part in _items(value):
                if inner == _OFFSET and any(part):
                    raise FormatError(
                        f"{path} states an offset of a channel, which is not read",
                        hint="export it without an offset",
                    )
                state.own.setdefault(number, {}).update(_described(inner, part, state.big))
        else:
            state.shared = replace(state.shared, **_described(tag, value, state.big))  # type: ignore[arg-type]


def _items(content: bytes) -> Iterator[tuple[int, int | None, bytes]]:
    """Yield (tag, number of the channel or None, value) until the end mark or the end of the bytes."""
    at = 0
    for _ in range(_MOST_ITEMS):
        if at >= len(content) or content[at] == _END:
            return
        tag, number = content[at], None
        at += 1
        if tag == 0:
            continue  # fills up
        if tag == _OF_CHANNEL:
            number = shift = 0
            while number < MOST_CHANNELS:
                number |= (content[at] & 0x7F) << shift
                shift += 7
                at += 1
                if not content[at - 1] & 0x80:
                    break
        size = content[at]
        at += 1
        if size & 0x80:
            n_bytes = size & 0x7F
            if not 1 <= n_bytes <= 8:
                raise ValueError("a value of unknown length")
            size = int.from_bytes(content[at : at + n_bytes], "big")
            at += n_bytes
        if at + size > len(content):
            raise ValueError(f"a value of {size} bytes where {len(content) - at} are left")
        yield tag, number, content[at : at + size]
        at += size


def _whole(value: bytes, big: bool) -> int:
    return int.from_bytes(value[:8], "big" if big else "little")


def _start(value: bytes, big: bool) -> StartTime | None:
    """Return the time of measurement: year, month, day, hour, minute, second, and milli- and microseconds."""
    if len(value) < 7:
        return None
    clock = value[2:7]
    parts = [_whole(value[at : at + 2], big) for at in (7, 9)]
    second = clock[4] + parts[0] / 1e3 + parts[1] / 1e6
    hour, minute = clock[2], clock[3]
    dated = moment_of(_whole(value[:2], big), clock[0], clock[1], hour, minute, second)
    return dated or (time_of(hour, minute, second) if any(clock[2:]) else None)


def _described(tag: int, value: bytes, big: bool) -> dict[str, object]:
    """Return what a tag says, as fields of a channel."""
    order = "big" if big else "little"
    if tag == _LEAD:
        return {"lead": _whole(value[:2], big)}
    if tag == _TYPE:
        return {"kind": value[0]}
    if tag == _BLOCK:
        return {"block": _whole(value, big)}
    if tag == _NULL:
        return {"missing": value}
    if tag not in (_INTERVAL, _RESOLUTION):
        return {}
    power = int.from_bytes(value[1:2], "big", signed=True)
    scaled = int.from_bytes(value[2:10], order) * 10.0**power  # type: ignore[arg-type]
    if tag == _INTERVAL:
        # Code 0 is a rate in hertz, 1 an interval in seconds.
        return {"fs": scaled if value[0] == 0 else 1 / scaled} if value[0] < 2 and scaled else {"fs": None}
    unit, factor = _UNITS.get(value[0], (None, 1.0))
    return {"unit": unit, "gain": scaled * factor}


def _rhythms(content: bytes, state: _State) -> Iterator[Rhythm]:
    """Yield the channels of a frame, those of one rate together."""
    if not 1 <= state.n_channels <= MOST_CHANNELS:
        raise ValueError(f"{state.n_channels} channels")
    channels = [state.channel(number) for number in range(state.n_channels)]
    order = ">" if state.big else "<"
    kinds = [np.dtype(order + _TYPES[channel.kind]) for channel in channels]
    n_bytes = sum(kind.itemsize * channel.block for kind, channel in zip(kinds, channels, strict=True))
    if any(channel.block < 1 for channel in channels) or n_bytes > len(content):
        raise ValueError("waveforms that are cut short")
    n_sequences = len(content) // n_bytes if state.n_sequences is None else state.n_sequences
    if not 1 <= n_sequences <= len(content) // n_bytes:
        raise ValueError(f"{n_sequences} sequences of {n_bytes} bytes where {len(content)} are stored")
    frame = np.dtype([(str(k), kinds[k], (channel.block,)) for k, channel in enumerate(channels)])
    stored = np.frombuffer(content, frame, n_sequences)
    names = numbered_names([SCP_LEADS.get(channel.lead, "") for channel in channels])
    for fs in dict.fromkeys(channel.fs for channel in channels):
        chosen = [k for k, channel in enumerate(channels) if channel.fs == fs]
        yield Rhythm(
            fs,
            [names[k] for k in chosen],
            [_with_gaps(stored[str(k)].reshape(-1), channels[k]) for k in chosen],
            [channels[k].gain for k in chosen],
            [channels[k].unit for k in chosen],
            modality="ecg" if all(channels[k].lead in SCP_LEADS for k in chosen) else None,
        )


def _with_gaps(row: NDArray[np.generic], channel: _Channel) -> NDArray[np.generic]:
    if channel.missing is None or len(channel.missing) != row.dtype.itemsize:
        return row
    gaps = row == np.frombuffer(channel.missing, row.dtype)[0]
    return np.where(gaps, np.nan, row.astype(np.float32))
