"""MATLAB files: versions 4 and 5 through scipy, 7.3 through HDF5."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.boundary import parsing
from physiolect.formats.hdf5 import check_stored
from physiolect.formats.matrix import check_size, choose_variable, is_rate, recordings_in
from physiolect.formats.request import Request
from physiolect.recording import LEADS, Modality, Recording

HDF5 = b"\x89HDF\r\n\x1a\n"
_NUMERIC = {"double", "single", "logical", *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64))}
_CPSC2018 = {"ECG.sex", "ECG.age", "ECG.data"}


def read(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recordings of a MATLAB file.

    The signal is the only numeric variable of more than one element, or the one asked for; a field of a
    structure is called "structure.field". A scalar named fs (or much like it) is the sampling rate.

    Raises:
        FormatError: no variable, or more than one, could be the signal, or the file is damaged.
    """
    with parsing(path, "MAT"), path.open("rb") as file:
        is_hdf5 = HDF5 in (file.read(8), file.seek(512) and file.read(8))
    yield from _read_hdf5(path, want) if is_hdf5 else _read_v5(path, want)


def _read_v5(path: Path, want: Request) -> Iterator[Recording]:
    import scipy.io

    with parsing(path, "MAT"):
        listed = scipy.io.whosmat(str(path))
        structures = [name for name, shape, kind in listed if kind == "struct" and shape == (1, 1)]
        numeric = {name: tuple(map(int, shape)) for name, shape, kind in listed if kind in _NUMERIC}
    scalars = [name for name, shape in numeric.items() if is_rate(name) and math.prod(shape) == 1]
    load = {*numeric, *structures}
    if want.variable:
        load = load & {want.variable.split(".")[0]} or load
    for name in load & numeric.keys():
        check_size(math.prod(numeric[name]) * 8, path)
    with parsing(path, "MAT"):
        # MATLAB objects and functions are not among the names, so nothing but numbers is built.
        loaded = scipy.io.loadmat(
            str(path), variable_names=[*load, *scalars], struct_as_record=True, chars_as_strings=True
        )
        arrays = {name: np.asarray(loaded[name]) for name in numeric if name in loaded}
        fields = {}
        for name in structures:
            if name in loaded:
                record = loaded[name][0, 0]
                fields.update(
                    {f"{name}.{field}": np.asarray(record[field]) for field in record.dtype.names or ()}
                )
    modality: Modality | None = None
    channels: tuple[str, ...] = ()
    if fields.keys() >= _CPSC2018 and fields["ECG.data"].shape[0] == len(LEADS):
        modality, channels = "ecg", LEADS  # the challenge's files hold the leads in this order, unnamed
        arrays.pop("ECG", None)
    arrays.update({name: value for name, value in fields.items() if value.dtype.kind in "biuf"})
    yield from _chosen(arrays, want, path, channels, modality)


def _chosen(
    arrays: dict[str, NDArray[Any]],
    want: Request,
    path: Path,
    channels: tuple[str, ...],
    modality: Modality | None,
) -> Iterator[Recording]:
    """Yield the recordings of the array wanted among those loaded."""
    rate = _rate({name: value for name, value in arrays.items() if value.size == 1})
    name = choose_variable({name: value.shape for name, value in arrays.items()}, want.variable, path)
    array = arrays[name]
    if array.dtype.kind not in "biuf":
        raise FormatError(
            f"variable '{name}' of {path} holds {array.dtype}, not real numbers", hint="choose another"
        )
    named = channels if name == "ECG.data" else ()
    yield from recordings_in(
        _without_ones(array), want, path, stated_fs=rate, channels=named, modality=modality if named else None
    )


def _rate(scalars: dict[str, Any]) -> float | None:
    """Return the sampling rate among single numbers, "fs" or "structure.fs"."""
    for name, value in scalars.items():
        if is_rate(name.split(".")[-1]):
            return float(np.asarray(value).reshape(()))
    return None


def _without_ones(array: NDArray[Any]) -> NDArray[Any]:
    """Drop MATLAB's dimension of one: 5000 x 1 and 1 x 5000 are one channel."""
    return array.reshape(-1) if array.ndim == 2 and 1 in array.shape else array


@dataclass(frozen=True)
class _Transposed:
    """A dataset on disk with its axes in MATLAB's order, which is the reverse of HDF5's."""

    dataset: Any
    path: Path

    @property
    def shape(self) -> tuple[int, ...]:
        full = tuple(int(n) for n in self.dataset.shape[::-1])
        return (math.prod(full),) if self._is_vector else full

    @property
    def _is_vector(self) -> bool:
        return self.dataset.ndim == 2 and 1 in self.dataset.shape

    def __getitem__(self, key: tuple[slice | int, ...]) -> NDArray[np.generic]:
        if self._is_vector:
            key = (key[0], 0) if self.dataset.shape[1] == 1 else (0, key[0])
            with parsing(self.path, "MAT 7.3"):
                return np.asarray(self.dataset[key])
        with parsing(self.path, "MAT 7.3"):
            return np.asarray(self.dataset[key[::-1]]).T


def _read_hdf5(path: Path, want: Request) -> Iterator[Recording]:
    import h5py

    with parsing(path, "MAT 7.3"):
        file = h5py.File(path, "r")
    with closing(file):
        with parsing(path, "MAT 7.3"):
            datasets = dict(_datasets(file, ""))
            shapes = {name: tuple(int(n) for n in data.shape[::-1]) for name, data in datasets.items()}
            rate = _rate({name: data[()] for name, data in datasets.items() if data.size == 1})
        name = choose_variable(shapes, want.variable, path)
        dataset = datasets[name]
        check_stored(dataset, name, path)
        yield from recordings_in(_Transposed(dataset, path), want, path, stated_fs=rate)


def _datasets(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield the numeric datasets of a group and, one level down, of its structures; links out are not followed."""
    import h5py

    for name in group:
        if name.startswith("#") or not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        item = group[name]
        if isinstance(item, h5py.Dataset):
            is_text = item.attrs.get("MATLAB_class", b"") == b"char"
            if item.shape and item.dtype.kind in "biuf" and not is_text and "MATLAB_empty" not in item.attrs:
                yield prefix + name, item
        elif isinstance(item, h5py.Group) and not prefix:
            yield from _datasets(item, f"{name}.")
