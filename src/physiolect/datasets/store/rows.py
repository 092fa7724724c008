"""One row of a store: a stretch of recording as int16 samples, and how rows lie in Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.recording import Annotations, Modality, Recording

if TYPE_CHECKING:
    import pyarrow as pa

_MOST = 32767  # and -32767 the least, so that the middle of a channel's range is sample 0
_FINEST = 64
"""Steps that the middle 98 % of a channel's samples must span."""
_LOOK = 2048
"""Samples, spread over a channel, out of which its spread is estimated."""
_LEAST_SCALE = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, eq=False)
class Row:
    """A stretch of recording as a store keeps it.

    Each channel has a scale and an offset of its own, physical = samples * scale + offset, so that all of
    int16's range is used: one scale a row would spend a PPG's resolution on its large constant part, and a
    small lead's on its large neighbour. No sample lies further than half a step from its value.
    """

    samples: NDArray[np.int16]
    """(channels, time)."""
    scale: NDArray[np.float32]
    """Physical size of one step, (channels,)."""
    offset: NDArray[np.float32]
    """Physical value of sample 0, (channels,)."""
    channels: tuple[str, ...]
    """One name a channel."""
    units: tuple[str | None, ...]
    """One unit a channel; None where unknown."""
    fs: float
    """Sampling rate in Hz."""
    source: str
    """Name of the recording this stretch comes from."""
    start: float = 0.0
    """Seconds into the source at which the stretch begins."""
    modality: Modality | None = None
    """ "ecg", "ppg", "ecog", or None where unknown."""
    patient: str | None = None
    """Whose recording it is; None where unknown."""
    labels: tuple[str, ...] = ()
    """What the recording shows, as far as anybody said."""
    split: str | None = None
    """Which part of a published split the recording belongs to ("train", "fold 9", "DS2"); None where there is none."""
    annotations: Annotations = field(default_factory=Annotations)
    """Marks in the stretch, in samples from its start; the rhythm that holds at the start is marked at sample 0."""

    def __post_init__(self) -> None:
        count = len(self.samples)
        if not count == len(self.scale) == len(self.offset) == len(self.channels) == len(self.units):
            raise FormatError(
                f"a row of {count} channels has {len(self.scale)} scales, {len(self.offset)} offsets, "
                f"{len(self.channels)} names and {len(self.units)} units",
                hint="give one of each a channel",
            )

    @classmethod
    def from_recording(
        cls,
        recording: Recording,
        *,
        source: str,
        start: float = 0.0,
        patient: str | None = None,
        labels: tuple[str, ...] = (),
        split: str | None = None,
    ) -> Row:
        """Return a recording as a row, each sample within half a step of its value.

        Raises:
            FormatError: samples are missing or infinite, or one is so far from the rest that int16 cannot hold both.
        """
        samples, scale, offset = quantise(recording.signal)
        _refuse_outliers(recording, start)
        return cls(
            samples=samples,
            scale=scale,
            offset=offset,
            channels=recording.channels,
            units=recording.units,
            fs=recording.fs,
            source=source,
            start=start,
            modality=recording.modality,
            patient=patient,
            labels=labels,
            split=split,
            annotations=recording.annotations,
        )

    @property
    def max_error(self) -> float:
        """Half of the largest step: no sample lies further from what was prepared, in the unit of the first channel.

        Channels of other units, such as targets beside a signal, are left out.
        """
        moving = self.samples.any(axis=1) | (self.scale != 1)  # a flat channel is its offset, exactly
        moving &= np.array([unit == self.units[0] for unit in self.units])
        return float(self.scale[moving].max(initial=0)) / 2

    def recording(self) -> Recording:
        """Return the row as a recording in physical units, (channels, time) float32.

        Computed in float64 and rounded once, so that rounding adds less than the half step there is.
        """
        signal = self.samples * self.scale[:, None].astype(np.float64) + self.offset[:, None]
        return Recording(
            signal=signal.astype(np.float32),
            fs=self.fs,
            channels=self.channels,
            unit=self.units,
            modality=self.modality,
            annotations=self.annotations,
            source=self.source,
        )


def quantise(
    signal: NDArray[np.float32],
) -> tuple[NDArray[np.int16], NDArray[np.float32], NDArray[np.float32]]:
    """Return int16 samples (C, T), scale (C,) and offset (C,), |samples * scale + offset - signal| <= scale / 2.

    The bound is exact: scale and offset are rounded to float32 first, and samples are chosen for what is stored.

    Raises:
        FormatError: samples are missing or infinite, or there are none.
    """
    if signal.size == 0 or not np.isfinite(signal).all():
        raise FormatError(
            "a store takes signals without missing or infinite samples, and at least one sample",
            hint="adapt the recording to the store's contract first",
        )
    low = signal.min(axis=1).astype(np.float64)
    high = signal.max(axis=1).astype(np.float64)
    offset = ((low + high) / 2).astype(np.float32)
    needed = np.maximum(high - offset, offset - low) / _MOST  # (C,) the step that reaches both ends
    scale = needed.astype(np.float32)
    scale = np.where(scale < needed, np.nextafter(scale, np.float32(np.inf)), scale)
    scale = np.maximum(scale, np.float32(_LEAST_SCALE))
    scale[low == high] = 1  # a flat channel: every sample is 0, and nothing is ever divided by a tiny step
    steps = (signal - offset[:, None].astype(np.float64)) / scale[:, None].astype(np.float64)
    return np.rint(steps).astype(np.int16), scale, offset


def _refuse_outliers(recording: Recording, start: float) -> None:
    """Raise FormatError where one sample makes the steps so large that the others could not be told apart."""
    for row, signal in enumerate(recording.signal):
        limit = _FINEST * float(np.ptp(signal)) / (2 * _MOST)
        # a few samples are enough to see that all is well
        if not 0 < _spread(signal[:: 1 + len(signal) // _LOOK]) < limit or not 0 < _spread(signal) < limit:
            continue
        low, high = np.percentile(signal, (1, 99))
        place = int(np.abs(signal - np.median(signal)).argmax())
        moment = f"{start + place / recording.fs:.5g} s"
        raise FormatError(
            f"sample {place} of channel {recording.channels[row]}, at {moment}, is {signal[place]:.6g}, but the rest "
            f"lies within {low:.4g} to {high:.4g}: beside it no step of int16 is fine enough for these",
            hint="is it a header or a time read as a sample? Remove it, mark it as missing (NaN), or leave out that "
            "stretch",
        )


def _spread(signal: NDArray[np.float32]) -> float:
    """Return what the middle 98 % of the samples span."""
    low, high = np.percentile(signal, (1, 99))
    return float(high - low)


def arrow_schema(metadata: dict[str, str]) -> pa.Schema:
    """Return the columns of a shard; `metadata` goes into the shard's own header."""
    import pyarrow as pa

    a_channel = {"scale": pa.float32(), "offset": pa.float32(), "channels": pa.string(), "units": pa.string()}
    return pa.schema(
        [
            pa.field("signal", pa.large_list(pa.int16()), nullable=False),
            pa.field("n_channels", pa.int32(), nullable=False),
            *(pa.field(name, pa.list_(kind), nullable=False) for name, kind in a_channel.items()),
            pa.field("fs", pa.float64(), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("start", pa.float64(), nullable=False),
            pa.field("modality", pa.string()),
            pa.field("patient", pa.string()),
            pa.field("labels", pa.list_(pa.string()), nullable=False),
            pa.field("split", pa.string()),
            pa.field("annotation_sample", pa.list_(pa.int64()), nullable=False),
            pa.field("annotation_symbol", pa.list_(pa.string()), nullable=False),
            pa.field("annotation_note", pa.list_(pa.string()), nullable=False),
        ],
        metadata=metadata,
    )


def arrow_table(rows: Sequence[Row], metadata: dict[str, str]) -> pa.Table:
    """Return rows as one Arrow table of one chunk."""
    import pyarrow as pa

    schema = arrow_schema(metadata)
    bounds = np.cumsum([0, *(row.samples.size for row in rows)], dtype=np.int64)
    values = np.concatenate([row.samples.ravel() for row in rows])  # channel-major
    columns = [
        pa.LargeListArray.from_arrays(pa.array(bounds), pa.array(values)),
        [len(row.channels) for row in rows],
        [row.scale for row in rows],
        [row.offset for row in rows],
        [row.channels for row in rows],
        [row.units for row in rows],
        [row.fs for row in rows],
        [row.source for row in rows],
        [row.start for row in rows],
        [row.modality for row in rows],
        [row.patient for row in rows],
        [row.labels for row in rows],
        [row.split for row in rows],
        [row.annotations.sample for row in rows],
        [row.annotations.symbol for row in rows],
        [row.annotations.note for row in rows],
    ]
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, field.type)
        for column, field in zip(columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
