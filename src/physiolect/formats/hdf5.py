"""Tables of an HDF5 file, read row by row; nothing a file says of itself is believed before it was looked into."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.formats.matrix import check_size

_LARGEST_CHUNK = 256 << 20
"""Bytes of a chunk, which is unpacked whole for any row of it; files are written with a few megabytes."""
_PACKED = 1100
"""More than any byte of a deflated dataset unpacks to."""
_SMALL_CHUNK = 512 << 10
"""Packed bytes that cannot unpack to more than half a gigabyte."""


@dataclass(frozen=True)
class Table:
    """A numeric dataset on disk, of which rows are read as they are asked for."""

    dataset: Any
    path: Path

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(int(n) for n in self.dataset.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: int | slice) -> NDArray[np.generic]:
        with parsing(self.path, "HDF5"):
            return np.asarray(self.dataset[rows])


@contextmanager
def open_hdf5(path: Path, *names: str) -> Iterator[tuple[Table, ...]]:
    """Open a file and give its datasets of these names.

    Raises:
        FormatError: it is no HDF5 file, lacks one of them, or one is not numeric or not whole.
    """
    import h5py

    with parsing(path, "HDF5"):
        file = h5py.File(path, "r")
    with closing(file):
        yield tuple(Table(_numeric(file, name, path), path) for name in names)


def _numeric(file: Any, name: str, path: Path) -> Any:
    import h5py

    with parsing(path, "HDF5"):
        # a link out of the file is not followed
        found: Any = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
        numeric = isinstance(found, h5py.Dataset) and bool(found.shape) and found.dtype.kind in "biuf"
    if not numeric:
        raise FormatError(f"{path} has no numeric dataset '{name}'", hint="is it the right file?")
    check_stored(found, name, path)
    row = int(np.prod(found.shape[1:], dtype=np.int64)) * found.dtype.itemsize
    check_size(row, path)
    return found


def check_stored(dataset: Any, name: str, path: Path) -> None:
    """Make sure that a dataset lies in its file, and that the file is large enough for what it states.

    Raises:
        FormatError: it lies in other files, is cut short, or unpacks to more than a signal does.
    """
    with parsing(path, "HDF5"):
        outside = ", ".join(dict.fromkeys(each[0] for each in dataset.external or ()))
        is_virtual = dataset.is_virtual
    if outside or is_virtual:
        kind = "scalar" if dataset.size == 1 else "variable"
        where = f"another file ({outside})" if outside else "other files"
        raise FormatError(f"the {kind} '{name}' of {path} lies in {where}", hint="store it in this file")
    with parsing(path, "HDF5"):
        stated, held = dataset.size * dataset.dtype.itemsize, int(dataset.id.get_storage_size())
        chunk = math.prod(dataset.chunks or (0,)) * dataset.dtype.itemsize
    if stated > held * _PACKED:
        raise FormatError(
            f"{path} is truncated or damaged: variable '{name}' states {stated} bytes and {held} are there",
            hint="fetch the file again",
        )
    if chunk > _LARGEST_CHUNK:
        raise FormatError(
            f"{path} holds '{name}' in chunks of {chunk >> 20} MB, and {_LARGEST_CHUNK >> 20} MB are unpacked at most",
            hint="fetch the file again, or write it anew in smaller chunks",
        )
    with parsing(path, "HDF5"):
        trouble = _filters_trouble(dataset)
    if trouble:
        raise FormatError(
            f"{path} holds '{name}' {trouble}",
            hint="the file may be damaged: fetch it again, or write it anew",
        )


def _filters_trouble(dataset: Any) -> str:
    """Return what is wrong with how a dataset is packed: filters that are not known, or a chunk that grows too much."""
    import h5py

    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    if len(set(filters)) < len(filters):
        return "packed twice"
    if h5py.h5z.FILTER_DEFLATE not in filters:
        return ""
    # the library makes room for whatever a chunk unpacks to, however large
    size = math.prod(dataset.chunks) * dataset.dtype.itemsize
    large: list[Any] = []
    dataset.id.chunk_iter(lambda info: large.append(info) if info.size > _SMALL_CHUNK else None)
    for info in large:
        if (info.filter_mask >> filters.index(h5py.h5z.FILTER_DEFLATE)) & 1:
            continue
        _, raw = dataset.id.read_direct_chunk(info.chunk_offset)
        engine = zlib.decompressobj()
        left = 2 * size + 64  # a filter before this one may have made it a little longer
        while raw and left > 0 and not engine.eof:
            out = len(engine.decompress(raw, min(left, 1 << 20)))
            left, raw = left - out, engine.unconsumed_tail
            if not out:
                break
        if left <= 0:
            return "in a packed chunk that unpacks to more than the chunk"
    return ""
