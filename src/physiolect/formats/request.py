"""What the caller wants of a file, and how every format answers it the same way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.recording import Annotations, Modality, Recording, Unit
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
            allow_empty: Whether a channel may hold nothing but NaN.

        Raises:
            FormatError: a channel holds nothing but NaN, or an infinite value.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            samples = np.ascontiguousarray(signal, np.float32)
        names = tuple(channels)
        recording = Recording(
            samples,
            fs,
            names,
            tuple(unit or self.unit for unit in units) if units else self.unit,
            self.modality or modality,
            annotations if annotations is not None else Annotations(),
            source or str(path),
        )
        for name, row in zip(recording.channels, recording.signal, strict=True):
            # One pass where all is well: NaN or infinity anywhere makes the sum one of them.
            with np.errstate(over="ignore", invalid="ignore"):
                if np.isfinite(row.sum(dtype=np.float64)):
                    continue
            if np.isinf(row).any():
                raise FormatError(
                    f"channel '{name}' of {path} holds infinite values or values too large for float32",
                    hint="write missing samples as NaN, or choose other channels",
                )
            if not allow_empty and np.isnan(row).all():
                raise FormatError(
                    f"channel '{name}' of {path} has no valid sample, only NaN",
                    hint="choose other channels, or another stretch with start and stop",
                )
        return recording
