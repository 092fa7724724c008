"""A store: prepared recordings on disk, opened by memory map without copying a sample."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.config import to_dict
from physiolect.contract import InputContract, Remark
from physiolect.datasets.store.keeping import broken_rule
from physiolect.datasets.store.manifest import (
    Manifest,
    Rejection,
    Shard,
    ShardHeader,
    parse,
    read_manifests,
    sha256_of,
)
from physiolect.datasets.store.rows import Row, arrow_schema
from physiolect.errors import FormatError
from physiolect.recording import Annotations, Recording

if TYPE_CHECKING:
    import pyarrow as pa


Number = TypeVar("Number", np.int64, np.float64)

_CHANNELS = ("scale", "offset", "channels", "units")
_MARKS = ("annotation_sample", "annotation_symbol", "annotation_note")


def open_store(path: str | os.PathLike[str], *, verify: bool = False) -> Store:
    """Open a store.

    Args:
        path: Its folder.
        verify: Also read every shard through and compare it with its SHA-256 in the manifest.

    Raises:
        FormatError: the folder holds no store, an unfinished one, or one that was altered.
    """
    return Store(path, verify=verify)


class Store:
    """Prepared recordings, row by row; `len(store)` is the number of rows.

    Rows come in the order of parts, shards and files. A store holds no open files, and pickles as its path.

    Args:
        path: Its folder.
        verify: Also compare every shard with its SHA-256.

    Raises:
        FormatError: the folder holds no store, an unfinished one, or one that was altered.
    """

    def __init__(self, path: str | os.PathLike[str], *, verify: bool = False) -> None:
        self.path = Path(path)
        self.manifests: tuple[Manifest, ...] = tuple(read_manifests(self.path))
        listed = [(m, shard) for m in self.manifests for shard in m.shards]
        self._tables = [_checked(self.path, m, shard, verify=verify) for m, shard in listed]
        self._values = [_signal(table).values.to_numpy(zero_copy_only=True) for table in self._tables]
        rows = np.array([shard.rows for _, shard in listed], np.int64)
        self._first_row = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)
        self._shard = np.repeat(np.arange(len(rows)), rows)  # (rows,) the shard each row lies in
        bounds = [_signal(table).offsets.to_numpy() for table in self._tables]
        self._begin = _joined([b[:-1] for b in bounds], np.int64)  # (rows,) where in its shard's values
        sizes = _joined([np.diff(b) for b in bounds], np.int64)
        self.n_channels: NDArray[np.int64] = _joined(
            [table["n_channels"].to_numpy() for table in self._tables], np.int64
        )
        """Channels of each row, (rows,)."""
        self.lengths: NDArray[np.int64] = sizes // self.n_channels
        """Samples of each row in time, (rows,)."""

    def __len__(self) -> int:
        return int(self._first_row[-1])

    def __reduce__(self) -> tuple[Callable[..., Store], tuple[str]]:
        return open_store, (str(self.path),)

    def __repr__(self) -> str:
        hours = float(self.lengths.sum()) / self.contract.fs / 3600
        return f"<Store {self.path}: {len(self)} rows, {hours:.2f} hours at {self.contract.fs:g} Hz>"

    @property
    def contract(self) -> InputContract:
        """What every row keeps to."""
        return self.manifests[0].header.contract

    @property
    def targets(self) -> tuple[str, ...]:
        """Channels of every row that are targets; they follow those of the contract."""
        return tuple(self.manifests[0].header.provenance.get("targets") or ())

    @property
    def is_cut_in_blocks(self) -> bool:
        """Whether recordings were cut into blocks of time, which train, validate and test."""
        return bool(self.manifests[0].header.provenance.get("blocks"))

    @property
    def is_cut_in_trials(self) -> bool:
        """Whether each row is a trial."""
        return bool(self.manifests[0].header.provenance.get("trials"))

    @property
    def digest(self) -> str:
        """SHA-256 over its shards' hashes and its contract: the same for the same samples, wherever they lie."""
        shards = [shard.sha256 for manifest in self.manifests for shard in manifest.shards]
        contract = to_dict(self.contract)
        if contract["features"] is None:  # stores of before there were features keep their digest
            del contract["features"]
        return hashlib.sha256(repr((contract, shards)).encode()).hexdigest()

    @property
    def rejected(self) -> tuple[Rejection, ...]:
        """Files, and stretches of files, that did not enter the store, with the reason."""
        return tuple(rejection for manifest in self.manifests for rejection in manifest.rejected)

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What is remarkable about recordings' quality, whether they entered the store or not."""
        return tuple(remark for manifest in self.manifests for remark in manifest.remarks)

    @cached_property
    def units(self) -> frozenset[str | None]:
        """Every unit that a channel of some row is in; None stands for an unknown one."""
        units = [table["units"].chunk(0).flatten().unique().to_pylist() for table in self._tables]
        return frozenset(unit for each in units for unit in each)

    @cached_property
    def sources(self) -> list[str]:
        """Name of the recording each row comes from, (rows,)."""
        return [source for table in self._tables for source in table["source"].to_pylist()]

    @cached_property
    def patients(self) -> list[str | None]:
        """Patient of each row, or None where unknown, (rows,)."""
        return [patient for table in self._tables for patient in table["patient"].to_pylist()]

    @cached_property
    def labels(self) -> list[tuple[str, ...]]:
        """Labels of each row, (rows,)."""
        return [tuple(labels) for table in self._tables for labels in table["labels"].to_pylist()]

    @cached_property
    def splits(self) -> list[str | None]:
        """Part of a published split that each row belongs to, or None where there is none, (rows,)."""
        return [split for table in self._tables for split in table["split"].to_pylist()]

    @cached_property
    def starts(self) -> NDArray[np.float64]:
        """Seconds into its source at which each row begins, (rows,)."""
        return _joined([table["start"].to_numpy() for table in self._tables], np.float64)

    def samples(self, row: int) -> NDArray[np.int16]:
        """Return a row's samples as they lie in the file, (channels, time), read-only and not copied."""
        row = self._checked_row(row)
        n_channels, length, begin = int(self.n_channels[row]), int(self.lengths[row]), int(self._begin[row])
        values = self._values[self._shard[row]]
        return values[begin : begin + n_channels * length].reshape(n_channels, length)

    def scale(self, row: int) -> NDArray[np.float32]:
        """Return the physical size of one step, (channels,)."""
        return np.array(self._cell(row, "scale"), np.float32)

    def offset(self, row: int) -> NDArray[np.float32]:
        """Return the physical value of sample 0, (channels,)."""
        return np.array(self._cell(row, "offset"), np.float32)

    def channels(self, row: int) -> tuple[str, ...]:
        """Return the names of a row's channels."""
        return tuple(self._cell(row, "channels"))

    def annotations(self, row: int) -> Annotations:
        """Return the marks of a row, in samples from its start; the rhythm that holds there is marked at sample 0."""
        return _annotations({name: self._cell(row, name) for name in _MARKS})

    def row(self, row: int) -> Row:
        """Return all a store knows of a row; its samples are not copied."""
        table, index = self._place(row)
        cells = {name: table[name][index].as_py() for name in table.column_names if name != "signal"}
        return Row(
            samples=self.samples(row),
            scale=np.array(cells["scale"], np.float32),
            offset=np.array(cells["offset"], np.float32),
            channels=tuple(cells["channels"]),
            units=tuple(cells["units"]),
            fs=cells["fs"],
            source=cells["source"],
            start=cells["start"],
            modality=cells["modality"],
            patient=cells["patient"],
            labels=tuple(cells["labels"]),
            split=cells["split"],
            annotations=_annotations(cells),
        )

    def recording(self, row: int) -> Recording:
        """Return a row in physical units, (channels, time) float32."""
        return self.row(row).recording()

    def windows(
        self, rows: ArrayLike, channels: ArrayLike, starts: ArrayLike, length: int
    ) -> NDArray[np.int16]:
        """Return windows of single channels, (..., length) int16; the arguments broadcast.

        Args:
            rows: row of each window, (...).
            channels: channel of each window, counted within its row, (...).
            starts: sample at which each window begins, (...).
            length: samples in each.

        Raises:
            ValueError: a window does not lie within its row.
        """
        rows, channels, starts = np.broadcast_arrays(
            *(np.asarray(a, np.int64) for a in (rows, channels, starts))
        )
        lengths = self.lengths[rows]
        inside = (
            (starts >= 0)
            & (starts + length <= lengths)
            & (channels >= 0)
            & (channels < self.n_channels[rows])
        )
        if not inside.all():
            raise ValueError("a window does not lie within its row")
        first = (self._begin[rows] + channels * lengths + starts).ravel()
        windows = np.empty((first.size, length), np.int16)
        for window, shard, begin in zip(
            windows, self._shard[rows].ravel().tolist(), first.tolist(), strict=True
        ):
            window[:] = self._values[shard][begin : begin + length]
        return windows.reshape(*rows.shape, length)

    def _checked_row(self, row: int) -> int:
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of a store of {len(self)} rows")
        return row % len(self)

    def _place(self, row: int) -> tuple[pa.Table, int]:
        row = self._checked_row(row)
        shard = int(self._shard[row])
        return self._tables[shard], row - int(self._first_row[shard])

    def _cell(self, row: int, column: str) -> list[Any]:
        table, index = self._place(row)
        return table[column][index].as_py()


def read_shard(path: Path) -> tuple[ShardHeader, pa.Table]:
    """Return what a shard says of itself, and its rows over a memory map.

    Raises:
        FormatError: it is no shard of a store, or damaged.
    """
    import pyarrow as pa

    try:
        # Arrow keeps the mapping for as long as the table lives; the file itself need not stay open.
        with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
            table = stream.read_all()
        table.validate()
        table.drop_columns(["signal"]).validate(full=True)  # all but the samples, which would all be read
        if table["signal"].num_chunks > 1:  # they are put together by their offsets, which must not lie
            table["signal"].validate(full=True)
        table = table.combine_chunks()
    except (pa.ArrowException, ValueError, KeyError, OSError) as error:
        raise _damaged(path, "it is missing or not whole") from error
    header = parse(ShardHeader, (table.schema.metadata or {}).get(b"physiolect", b""), str(path))
    if not table.schema.equals(arrow_schema({})) or not len(table):
        raise _damaged(path, "it does not hold the columns and rows of a store")
    return header, table


def _checked(folder: Path, manifest: Manifest, shard: Shard, *, verify: bool) -> pa.Table:
    """Return a shard's rows after comparing it with the manifest and itself."""
    path = folder / shard.name
    size = path.stat().st_size if path.is_file() else 0
    if size != shard.bytes:
        raise _damaged(path, f"it has {size} bytes where the manifest says {shard.bytes}")
    if verify and sha256_of(path) != shard.sha256:
        raise _damaged(path, "its bytes are not those the manifest was written for")
    about, table = read_shard(path)
    if about.header != manifest.header or about.part != manifest.part or len(table) != shard.rows:
        raise _damaged(path, "it does not belong to this manifest")
    signal = _signal(table)
    bounds, n_channels = signal.offsets.to_numpy(), table["n_channels"].to_numpy()
    sizes = np.diff(bounds)
    lengths = {name: np.diff(table[name].chunk(0).offsets.to_numpy()) for name in (*_CHANNELS, *_MARKS)}
    if (
        bounds[0] != 0
        or bounds[-1] != len(signal.values)
        or len(signal.values) != shard.samples
        or (n_channels < 1).any()
        or (sizes < 1).any()
        or (sizes % n_channels).any()
        or any((lengths[name] != n_channels).any() for name in _CHANNELS)
        or any((lengths[name] != lengths[_MARKS[0]]).any() for name in _MARKS)
    ):
        raise _damaged(path, "its rows do not fit its samples, channels or marks")
    targets = manifest.header.provenance.get("targets") or ()
    if (broken := broken_rule(table, manifest.header.contract, targets)) is not None:
        raise _damaged(path, broken)
    return table


def _annotations(cells: Mapping[str, Any]) -> Annotations:
    sample, symbol, note = (cells[name] for name in _MARKS)
    return Annotations(np.array(sample, np.int64), tuple(symbol), tuple(note))


def _signal(table: pa.Table) -> pa.LargeListArray:
    return table["signal"].chunk(0)


def _joined(columns: Iterable[NDArray[Number]], kind: type[Number]) -> NDArray[Number]:
    """Return one column out of those of all shards; without shards, an empty one."""
    return np.concatenate([np.empty(0, kind), *columns]).astype(kind, copy=False)


def _damaged(path: Path, why: str) -> FormatError:
    return FormatError(
        f"the shard {path} was altered: {why}",
        hint="restore it, or delete the store's folder and prepare it anew",
    )
