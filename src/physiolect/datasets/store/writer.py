"""Writes a store, shard by shard, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from physiolect.config import to_dict
from physiolect.contract import InputContract, Remark
from physiolect.datasets.store.manifest import (
    Header,
    Manifest,
    Part,
    Rejection,
    Shard,
    ShardHeader,
    part_of,
    read_manifest,
    sha256_of,
)
from physiolect.datasets.store.rows import Row, arrow_table
from physiolect.datasets.store.store import read_shard
from physiolect.errors import FormatError
from physiolect.files import Lock, replacing, writing

SHARD_BYTES = 64 * 2**20
"""A shard is closed by the file whose samples bring it to this size."""
SHARD_ROWS = 16_384
"""Or by the one that brings it to so many rows: what is kept beside a short row's samples is larger than these."""

_BUSY = "wait for it, or end it and run the same command again: finished shards are kept"


class StoreWriter:
    """Writes rows into a folder of shards; a context manager that ends with the manifest.

    Files are added in order, each once. All rows of a file lie in one shard, a shard appears under its name only
    when it is whole, and it says itself which files it deals with: after an interruption a new writer of the same
    header finds them in `finished`, the caller leaves those out, and the store comes out as if nothing had
    happened, byte for byte. From its making to its end a writer keeps others from its part.

    Args:
        path: Folder of the store; it is made, or empty, or holds an unfinished store of the same header.
        contract: What every row keeps to.
        provenance: Plain values that say what the store was made from and how.
        part: Which share of the store this writer makes.
        shard_bytes: Size of samples at which a shard is closed.

    Raises:
        FormatError: the folder holds something else, a store of another header, or another run is writing this part.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        contract: InputContract,
        *,
        provenance: Mapping[str, Any] | None = None,
        part: Part | None = None,
        shard_bytes: int = SHARD_BYTES,
    ) -> None:
        self.path = Path(path)
        self.part = part or Part()
        self.header = Header(contract, dict(provenance or {}))
        self.finished: set[str] = set()
        """Files that earlier runs dealt with, kept or rejected."""
        self._shard_bytes = shard_bytes
        self._shards: list[Shard] = []
        self._rejected: list[Rejection] = []
        self._remarks: list[Remark] = []
        self._dropped = 0
        self._taken: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._n_files = 0
        self._manifest: Manifest | None = None
        self._clear()
        with writing(self.path, hint="name a folder that may be written to"):
            self.path.mkdir(parents=True, exist_ok=True)
        self._lock = Lock(self.path / self.part.lock_name, f"part {self.part} of {self.path}", hint=_BUSY)
        try:
            self._take_up()
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            self._lock.release()

    def add(
        self,
        file: str,
        rows: Iterable[Row],
        rejected: Iterable[Rejection] = (),
        *,
        remarks: Iterable[Remark] = (),
        dropped: int = 0,
        taken: Mapping[str, int] | None = None,
        left_out: Mapping[str, int] | None = None,
    ) -> None:
        """Add what a file gave.

        Args:
            file: Its name.
            rows: What is kept.
            rejected: What is not.
            remarks: What is remarkable about its recordings.
            dropped: Samples in time that fill no segment.
            taken: Channels, and of how many recordings each was taken.
            left_out: The same for those beside them.
        """
        if self.complete or file in self.finished:
            raise ValueError(f"file '{file}' was added before, or the store is complete")
        self.finished.add(file)
        self._pending_files.append(file)
        self._pending_rejected.extend(rejected)
        self._pending_remarks.extend(remarks)
        self._pending_dropped += dropped
        self._pending_taken.update(taken or {})
        self._pending_left_out.update(left_out or {})
        for row in rows:
            self._pending.append(row)
            self._pending_bytes += row.samples.nbytes
        if self._pending_bytes >= self._shard_bytes or len(self._pending) >= SHARD_ROWS:
            self._close_shard()

    @property
    def complete(self) -> bool:
        """Whether the store, or this part of it, is finished and takes nothing more."""
        return self._manifest is not None

    @property
    def n_rows(self) -> int:
        """Rows added so far, by earlier runs too."""
        return sum(shard.rows for shard in self._shards) + len(self._pending)

    @property
    def rejected(self) -> Sequence[Rejection]:
        """What was left out so far, by earlier runs too."""
        return self._manifest.rejected if self._manifest else [*self._rejected, *self._pending_rejected]

    def finish(self) -> Manifest:
        """Close the last shard, write the manifest and return it; leaving the context does so too."""
        if self._manifest is not None:
            return self._manifest
        if self._pending:
            self._close_shard()
        elif not self._shards:
            self._agree()
        # what came after the last row has no shard to stand in, and stands in the manifest alone
        self._manifest = Manifest(
            self.header,
            self.part,
            self._n_files + len(self._pending_files),
            tuple(self._shards),
            (*self._rejected, *self._pending_rejected),
            (*self._remarks, *self._pending_remarks),
            self._dropped + self._pending_dropped,
            dict(self._taken + self._pending_taken),
            dict(self._left_out + self._pending_left_out),
        )
        self._manifest.write(self.path)
        return self._manifest

    def _clear(self) -> None:
        self._pending: list[Row] = []
        self._pending_bytes = 0
        self._pending_files: list[str] = []
        self._pending_rejected: list[Rejection] = []
        self._pending_remarks: list[Remark] = []
        self._pending_dropped = 0
        self._pending_taken: Counter[str] = Counter()
        self._pending_left_out: Counter[str] = Counter()

    def _close_shard(self) -> None:
        import pyarrow as pa

        if not self._shards:  # another part may have been begun since this one was
            self._agree()
        path = self.path / self.part.shard_name(len(self._shards))
        about = ShardHeader(
            self.header,
            self.part,
            tuple(self._pending_files),
            tuple(self._pending_rejected),
            tuple(self._pending_remarks),
            self._pending_dropped,
            dict(self._pending_taken),
            dict(self._pending_left_out),
            max(row.max_error for row in self._pending),
        )
        metadata = {"physiolect": json.dumps(to_dict(about), sort_keys=True, ensure_ascii=False)}
        table = arrow_table(self._pending, metadata)
        with (
            replacing(path, durable=True) as temporary,
            pa.OSFile(str(temporary), "wb") as sink,
            pa.ipc.new_stream(sink, table.schema) as stream,
        ):
            stream.write_table(table)
        self._count(path, about, len(table), self._pending_bytes // 2)
        self._clear()

    def _count(self, path: Path, about: ShardHeader, rows: int, samples: int) -> None:
        self._shards.append(
            Shard(path.name, rows, samples, path.stat().st_size, sha256_of(path), about.max_error)
        )
        self._rejected.extend(about.rejected)
        self._remarks.extend(about.remarks)
        self._dropped += about.dropped
        self._taken.update(about.taken)
        self._left_out.update(about.left_out)
        self._n_files += len(about.files)

    def _take_up(self) -> None:
        """Find what an earlier run finished, and clear away what it did not."""
        names = [name for name in os.listdir(self.path) if not name.startswith(".")]
        foreign = sorted(name for name in names if part_of(name) is None)
        if foreign:
            raise FormatError(
                f"{self.path} holds something other than a store: {', '.join(foreign[:3])}",
                hint="name an empty or a new folder",
            )
        other_counts = {part[1] for part in map(part_of, names) if part} - {self.part.count}
        if other_counts:
            raise FormatError(
                f"the store {self.path} was begun in {max(other_counts)} parts, not {self.part.count}",
                hint="go on as it was begun, or name a new folder",
            )
        self._agree()
        if self._lock.holds:  # whoever began these is gone
            own = self.part.shard_name(0).removesuffix("-00000.arrow")
            for pattern in (f".{own}-*.tmp*", f".{self.part.manifest_name}.*.tmp*"):
                for left in self.path.glob(pattern):
                    left.unlink()
        if self.part.manifest_name in names:
            manifest = read_manifest(self.path / self.part.manifest_name)
            self._same(manifest.header)
            paths = [(self.path / shard.name, shard.bytes) for shard in manifest.shards]
            if all(path.is_file() and path.stat().st_size == size for path, size in paths):
                self._manifest = manifest
                return
        while self.part.shard_name(len(self._shards)) in names:
            path = self.path / self.part.shard_name(len(self._shards))
            about, table = read_shard(path)
            self._same(about.header)
            self.finished.update(about.files)
            self._count(path, about, len(table), len(table["signal"].chunk(0).values))

    def _agree(self) -> None:
        """Make sure that another part, if one was begun, is of the same header; any speaks for the others."""
        for name in sorted(os.listdir(self.path)):
            part = part_of(name)
            if part is not None and part[0] != self.part.number:
                path = self.path / name
                self._same((read_manifest(path) if path.suffix == ".json" else read_shard(path)[0]).header)
                return

    def _same(self, found: Header) -> None:
        if found != self.header:
            raise FormatError(
                f"the store {self.path} was begun with other inputs or settings "
                f"({'; '.join(found.differences(self.header))})",
                hint="give the same inputs and settings to go on, or name a new folder",
            )
