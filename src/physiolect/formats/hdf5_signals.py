"""Signals in HDF5 files: MATLAB 7.3, whose axes are reversed, and files of other programs, whose axes are kept."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.formats.hdf5 import check_stored
from physiolect.formats.matrix import ArrayLike, is_rate
from physiolect.formats.request import Request
from physiolect.formats.text_statements import rate_of_text
from physiolect.formats.variables import Held, read_variables
from physiolect.recording import Recording

_KIND = "HDF5"
_DEEPEST, _MOST = 8, 500_000
_MATLAB = b"MATLAB 7.3"


def read(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recordings of an HDF5 file.

    Raises:
        FormatError: as for `mat.read`; or the signal or its rate lies in another file.
    """
    import h5py

    with parsing(path, _KIND):
        with path.open("rb") as plain:
            is_matlab = plain.read(len(_MATLAB)) == _MATLAB
        file = h5py.File(path, "r")
    with closing(file):
        found = _Found(path, is_matlab)
        with parsing(path, _KIND):
            found.look_into(file, file, "", 0)
        yield from read_variables(found.arrays, want, path, rates=found.rates)


@dataclass
class _Found:
    """What a walk over a file finds."""

    path: Path
    is_matlab: bool
    """Whether MATLAB wrote the file, all of whose axes are then reversed."""
    arrays: dict[str, list[Held]] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    """Rates that attributes state."""
    _seen: set[tuple[int, int]] = field(default_factory=set)

    def look_into(self, file: Any, item: Any, name: str, depth: int, place: tuple[int, ...] = ()) -> None:
        """Take in a dataset, or all of a group that lies in this file; links out of it are not followed."""
        import h5py

        info = h5py.h5o.get_info(item.id)
        if (info.fileno, info.addr) in self._seen or depth > _DEEPEST:
            return
        self._seen.add((info.fileno, info.addr))
        if len(self._seen) > _MOST:
            raise FormatError(f"{self.path} has more than {_MOST} arrays", hint="split the file")
        self._note_rates(item, name)
        if isinstance(item, h5py.Group):
            for key in item:
                if not key.startswith("#") and isinstance(item.get(key, getlink=True), h5py.HardLink):
                    self.look_into(file, item[key], f"{name}.{key}" if name else key, depth + 1, place)
        elif isinstance(item, h5py.Dataset):
            if h5py.check_ref_dtype(item.dtype) is h5py.Reference:
                if not item.id.get_storage_size():
                    return  # made, and never filled
                check_stored(item, name, self.path)
                references = item[()].reshape(-1)
                for number, reference in enumerate(references):
                    if reference:
                        inner = (*place, number) if len(references) > 1 else place
                        self.look_into(file, file[reference], name, depth + 1, inner)
            else:
                self._take(item, name, place)

    def _note_rates(self, item: Any, name: str) -> None:
        for key in item.attrs:
            if is_rate(key):
                stored = item.attrs.get_id(key)
                if math.prod(stored.shape) != 1 or stored.dtype.kind not in "iufOS":
                    continue
                value = np.asarray(item.attrs[key]).reshape(())[()]
                text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
                rate = rate_of_text(text) if stored.dtype.kind in "OS" else float(value)
                if rate is not None:
                    self.rates[f"{name}.{key}" if name else key] = rate

    def _note_text(self, dataset: Any, name: str) -> None:
        """Note a rate that is written as text, "500 Hz"."""
        check_stored(dataset, name, self.path)
        values = np.asarray(dataset[()]).reshape(-1)
        if values.dtype.kind == "u":
            text = "".join(map(chr, values.tolist()))
        else:
            text = values[0].decode("latin-1") if isinstance(values[0], bytes) else str(values[0])
        if (rate := rate_of_text(text)) is not None:
            self.rates[name] = rate

    def _take(self, dataset: Any, name: str, place: tuple[int, ...]) -> None:
        kind, matlab_class = dataset.dtype.kind, dataset.attrs.get("MATLAB_class", b"")
        size = math.prod(dataset.shape) if dataset.shape is not None else 0
        if is_rate(name.split(".")[-1]) and (matlab_class == b"char" or kind in "OS") and size <= 64:
            self._note_text(dataset, name)
        if kind not in "biuf" or not size or matlab_class == b"char" or "MATLAB_empty" in dataset.attrs:
            return
        reverse = self.is_matlab or bool(matlab_class)
        shape = tuple(int(n) for n in (dataset.shape[::-1] if reverse else dataset.shape))
        if size == 1 and is_rate(name.split(".")[-1]):
            check_stored(dataset, name, self.path)

        def load() -> ArrayLike:
            check_stored(dataset, name, self.path)
            return _OnDisk(dataset, self.path, reverse)

        self.arrays.setdefault(name, []).append(Held(shape, load, place=place))


@dataclass(frozen=True)
class _OnDisk:
    """A dataset whose parts are read when they are needed, with its axes in the intended order."""

    dataset: Any
    path: Path
    reverse: bool

    @property
    def shape(self) -> tuple[int, ...]:
        full = tuple(int(n) for n in self.dataset.shape)
        return (math.prod(full),) if self._is_vector else full[::-1] if self.reverse else full

    @property
    def _is_vector(self) -> bool:
        return self.dataset.ndim == 2 and 1 in self.dataset.shape

    def __getitem__(self, key: tuple[slice | int, ...]) -> NDArray[np.generic]:
        with parsing(self.path, _KIND):
            if self._is_vector:
                return np.asarray(self.dataset[(key[0], 0) if self.dataset.shape[1] == 1 else (0, key[0])])
            if self.reverse:
                return np.asarray(self.dataset[key[::-1]]).T
            return np.asarray(self.dataset[key])
