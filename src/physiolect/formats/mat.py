"""MATLAB files of versions 4, 5 and 7.3, and other HDF5 files: which reads which."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from physiolect.errors import FormatError
from physiolect.formats import hdf5_signals, mat4, mat5
from physiolect.formats.boundary import parsing
from physiolect.formats.request import Request
from physiolect.formats.research import neural
from physiolect.formats.variables import read_variables
from physiolect.recording import LEADS, Recording

HDF5 = b"\x89HDF\r\n\x1a\n"
_CPSC2018 = "ECG.data"
"""The challenge's files hold the leads in the usual order, unnamed, beside ECG.sex and ECG.age."""


def read(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recordings of a MATLAB or HDF5 file.

    The signal is the only numeric variable of more than one element, or the one asked for; a field of a
    structure is called "structure.field". The cells of an array of cells, and the elements of an array of
    structures, are recordings. A single number named fs (or much like it) is the sampling rate; without one, a
    vector of times as long as the signal gives it.

    Raises:
        FormatError: no variable, or more than one, could be the signal, or the file is damaged.
    """
    with parsing(path, "MAT"), path.open("rb") as file:
        head = file.read(520)
    if HDF5 in (head[:8], head[512:]):
        yield from hdf5_signals.read(path, want)
        return
    if not mat5.is_mat5(head[:128]) and 0 not in head[:4]:
        raise FormatError(
            f"{path} is not a readable MAT file", hint="the file may be damaged or cut short: fetch it again"
        )
    with parsing(path, "MAT"):
        arrays = (mat5 if mat5.is_mat5(head[:128]) else mat4).list_arrays(path)
    known = _CPSC2018 in arrays and "ECG" not in arrays and arrays[_CPSC2018][0].shape[0] == len(LEADS)
    if known and want.variable in (None, _CPSC2018) and len(arrays) <= 2:
        yield from read_variables(arrays, want, path, channels=LEADS, modality="ecg")
    elif (pair := neural.find_pair(arrays, want, path)) is not None:
        yield from neural.read_pair(arrays, {}, pair, want, path)
    else:
        yield from read_variables(arrays, want, path)
