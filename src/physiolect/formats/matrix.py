"""What a bare array of numbers means: channels of one recording, or many recordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.boundary import MAX_BYTES
from physiolect.formats.request import Request
from physiolect.recording import Annotations, Modality, Recording, StartTime, Unit, later

MAX_CHANNELS = 32
"""A matrix with more rows and columns than this is one of records x samples, unless it is said to be ECoG."""

RATE_NAMES = {
    "fs", "fshz", "sfreq", "srate", "samplingrate", "samplerate", "samplingfrequency", "samplefrequency",
    "samplingfreq", "samplefreq", "samplingratehz", "sampleratehz", "currsamplerate", "freqsampling", "ratehz",
    "freq", "frequency", "freqhz", "frequencyhz", "hz", "fsamp", "samprate", "sampfreq", "sps", "samplespersecond",
    "samplingfreqhz", "samplingfrequencyhz", "samplefrequencyhz", "samplingfrequencyinhz", "samplerateinhz",
}  # fmt: skip
"""How files call their sampling rate, in small letters and without "_"."""


class ArrayLike(Protocol):
    """An array, or a dataset on disk that gives arrays when sliced."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, key: tuple[slice | int, ...]) -> NDArray[np.generic]: ...


def is_rate(name: str) -> bool:
    """Tell whether a variable of that name is a sampling rate."""
    return name.lower().replace("_", "") in RATE_NAMES


def check_size(n_bytes: int, path: Path) -> None:
    """Refuse what declares more than a file may hold.

    Raises:
        FormatError: `n_bytes` is above MAX_BYTES.
    """
    if n_bytes > MAX_BYTES:
        raise FormatError(
            f"{path} declares {n_bytes / 2**30:.3g} GiB, but at most {MAX_BYTES >> 30} GiB are read at once",
            hint="read a stretch with start and stop, or split the file",
        )


def recordings_in(
    array: ArrayLike,
    want: Request,
    path: Path,
    *,
    stated_fs: float | None = None,
    channels: Sequence[str] = (),
    units: Sequence[Unit] = (),
    modality: Modality | None = None,
    annotations: Annotations | None = None,
    as_is: bool = False,
    notices: Sequence[str] = (),
    start_time: StartTime | None = None,
) -> Iterator[Recording]:
    """Yield the recordings an array holds, reading no more of it than was asked for.

    One dimension is one channel. Of two, the longer is time where the other is at most MAX_CHANNELS or the
    modality is "ecog"; otherwise every row is a recording of its own. Three are (records, channels, time).

    Args:
        array: Real numbers, on disk or in memory.
        want: What the caller wants.
        path: The file.
        stated_fs: Sampling rate in Hz the file states.
        channels: Names the file gives.
        units: Units the file gives.
        modality: What the file says it is.
        annotations: Marks, in samples from the start of the wanted stretch.
        as_is: Whether the array is known to be (channels, time).
        notices: What the user should know, a sentence each.
        start_time: When the first sample of the array was recorded.

    Raises:
        FormatError: the shape means no recording, or many where one was asked for.
    """
    shape = tuple(int(n) for n in array.shape)
    layout = _layout(shape, as_is, "ecog" in (want.modality, modality), path)
    if want.one and layout.n_records > 1:
        raise FormatError(
            f"{path} holds {layout.n_records} recordings in a matrix of {' x '.join(map(str, shape))}",
            hint="prepare and read_recordings take many; if the rows are ECoG channels, say so (--modality ecog)",
        )
    fs = want.rate(stated_fs, path)
    _check_names(channels, units, layout.n_channels, path)
    names, renamed = want.named(channels, layout.n_channels, path)
    rows, (first, last) = want.rows(names, path), want.span(layout.n_samples, fs, path)
    check_size((last - first) * layout.n_channels * 4, path)
    for record in range(layout.n_records):
        for begin, end in want.spans(layout.n_samples, fs, path, len(rows)):
            signal = layout.take(array, record, slice(begin, end))
            whole = (begin, end) == (first, last)
            yield want.recording(
                path,
                signal if want.channels is None else signal[rows],
                fs,
                channels=[names[row] for row in rows],
                units=[units[row] for row in rows] if units else (),
                modality=modality,
                annotations=annotations
                if whole or annotations is None
                else annotations.window(begin - first, end - first),
                source=f"{path}[{record}]" if layout.many else str(path),
                allow_empty=layout.n_records > 1,  # one dead record must not hide the thousands after it
                notices=(*notices, *renamed),
                start_time=later(start_time, begin / fs),
            )


def _check_names(names: Sequence[str], units: Sequence[Unit], n_channels: int, path: Path) -> None:
    for what, given in (("names", names), ("gives the units of", units)):
        if given and len(given) != n_channels:
            raise FormatError(
                f"{path} {what} {len(given)} channels, but holds {n_channels}",
                hint="name every channel once, with its unit where it is known",
            )


@dataclass(frozen=True)
class _Layout:
    """What the axes of an array are."""

    many: bool
    """Whether the first axis counts recordings."""
    n_records: int
    n_channels: int
    n_samples: int
    flat: bool
    """Whether a recording has the axis of time alone."""
    time_first: bool

    def take(self, array: ArrayLike, record: int, stretch: slice) -> NDArray[np.generic]:
        """Return a stretch of one recording, (channels, time)."""
        axes = (
            (stretch,) if self.flat else (stretch, slice(None)) if self.time_first else (slice(None), stretch)
        )
        part = np.asarray(array[(record, *axes) if self.many else axes])
        return part[np.newaxis] if self.flat else part.T if self.time_first else part


def _layout(shape: tuple[int, ...], as_is: bool, ecog: bool, path: Path) -> _Layout:
    """Tell what the axes of an array are.

    Raises:
        FormatError: the shape is that of no signal.
    """
    if len(shape) not in (1, 2, 3) or 0 in shape:
        raise FormatError(
            f"{path} holds an array of shape {shape}, which is no signal",
            hint="a signal is (time), (channels, time) or (records, channels, time)",
        )
    many = len(shape) == 3 or (len(shape) == 2 and min(shape) > MAX_CHANNELS and not as_is and not ecog)
    inner = shape[1:] if many else shape
    if len(inner) == 1:
        return _Layout(many, shape[0] if many else 1, 1, inner[0], True, False)
    time_first = not as_is and inner[0] > inner[1]
    channels, samples = inner[::-1] if time_first else inner
    return _Layout(many, shape[0] if many else 1, channels, samples, False, time_first)
