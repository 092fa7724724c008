"""Whether the rows of a shard keep to the contract of their store, judged by all that is beside their samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physiolect.contract import ANY_CHANNEL, InputContract
from physiolect.recording import canonical_channel

if TYPE_CHECKING:
    import pyarrow as pa

_LARGEST_SAMPLE = 32768.0
_LARGEST = float(np.finfo(np.float32).max)


def broken_rule(table: pa.Table, contract: InputContract, targets: Sequence[str] = ()) -> str | None:
    """Return which rule of the contract the first bad row of a shard breaks; None where all rows keep to it.

    Args:
        table: The rows; their columns fit each other in length.
        contract: What every row keeps to.
        targets: Channels that follow those of the contract.
    """
    n_channels, named = table["n_channels"].to_numpy(), (*contract.channels, *targets)
    # Where the contract takes any one channel, a row may hold several to take it from.
    if ANY_CHANNEL not in named and (row := _first(n_channels != len(named))) is not None:
        return f"row {row} has {n_channels[row]} channels, and the contract {len(named)}"
    rates = table["fs"].to_numpy()
    if (row := _first(rates != contract.fs)) is not None:
        return f"row {row} is at {rates[row]:g} Hz, and the contract at {contract.fs:g} Hz"
    if (row := _first(~np.isfinite(starts := table["start"].to_numpy()))) is not None:
        return f"row {row} begins at {starts[row]:g} s"
    return (
        _bad_scale(table, n_channels)
        or _bad_names(table, named)
        or _bad_measure(table, contract, targets)
        or _bad_marks(table)
    )


def _bad_scale(table: pa.Table, n_channels: NDArray[np.int32]) -> str | None:
    """Return what is wrong with a scale or an offset."""
    ends = np.cumsum(n_channels)
    scale, offset = (_flat(table, name).astype(np.float64) for name in ("scale", "offset"))
    if (at := _first(~((scale > 0) & (scale <= _LARGEST)))) is not None:
        return f"row {_row(ends, at)} has a scale of {scale[at]:g}, which is no step"
    if (at := _first(~(np.abs(offset) + scale * _LARGEST_SAMPLE <= _LARGEST))) is not None:
        return (
            f"row {_row(ends, at)} has an offset of {offset[at]:g} and a scale of {scale[at]:g}, which float32 "
            "cannot hold"
        )
    return None


def _bad_names(table: pa.Table, named: Sequence[str]) -> str | None:
    """Return what is wrong with the names of several channels; of one, another may have been asked for."""
    if len(named) == 1:
        return None
    coded = table["channels"].chunk(0).flatten().dictionary_encode()
    known = [canonical_channel(name or "").lower() for name in coded.dictionary.to_pylist()]
    codes = coded.indices.to_numpy(zero_copy_only=False).reshape(len(table), -1)  # (rows, channels)
    for column, name in zip(codes.T, named, strict=True):
        fits = np.array([each == canonical_channel(name).lower() for each in known])
        if (row := _first(~fits[column])) is not None:
            return f"row {row} has channel {coded.dictionary[int(column[row])].as_py()} where the contract has {name}"
    return None


def _bad_measure(table: pa.Table, contract: InputContract, targets: Sequence[str]) -> str | None:
    """Return what is wrong with a unit or modality."""
    import pyarrow.compute as pc

    units = set(pc.unique(table["units"].chunk(0).flatten()).to_pylist())
    if targets:  # which are in units of their own
        inputs = len(contract.channels)
        units = {unit for row in table["units"].to_pylist() for unit in row[:inputs]}
    if contract.unit is not None and (others := units - {contract.unit}):
        return f"a row is in {next(iter(others)) or 'an unknown unit'}, and the contract in {contract.unit}"
    measured = set(pc.unique(table["modality"]).to_pylist()) - {None, contract.modality}
    if contract.modality is not None and measured:
        return f"a row is {next(iter(measured))}, and the contract for {contract.modality}"
    return None


def _bad_marks(table: pa.Table) -> str | None:
    """Return what is wrong with the marks of a row."""
    marks = table["annotation_sample"].chunk(0)
    bounds = marks.offsets.to_numpy()
    samples = marks.values.to_numpy()[bounds[0] : bounds[-1]]
    lengths = np.diff(table["signal"].chunk(0).offsets.to_numpy()) // table["n_channels"].to_numpy()
    counts = np.diff(bounds)
    if (at := _first((samples < 0) | (samples >= np.repeat(lengths, counts)))) is None:
        return None
    row = _row(np.cumsum(counts), at)
    return f"row {row} of {lengths[row]} samples has a mark at sample {samples[at]}"


def _row(ends: NDArray[np.integer], at: int) -> int:
    """Return the row that an entry of a list column belongs to, by where each row's entries end."""
    return int(np.searchsorted(ends, at, side="right"))


def _flat(table: pa.Table, name: str) -> NDArray[np.float32]:
    return table[name].chunk(0).flatten().to_numpy(zero_copy_only=False)


def _first(bad: NDArray[np.bool_]) -> int | None:
    """Return where the first True is; None where there is none."""
    at = int(bad.argmax()) if bad.size else 0
    return at if bad.size and bad[at] else None
