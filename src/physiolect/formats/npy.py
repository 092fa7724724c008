"""NumPy arrays: `.npy`, and `.npz` with the signal, its rate, names, units and annotations."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.files import replacing
from physiolect.formats.boundary import parsing
from physiolect.formats.matrix import is_rate, recordings_in
from physiolect.formats.request import Request
from physiolect.formats.research import neural
from physiolect.formats.text_statements import rate_of_text
from physiolect.formats.variables import Held, check_unpacked, read_variables
from physiolect.recording import MODALITIES, Annotations, Recording
from physiolect.recording.start_time import parse_start

_MOST_TEXT = 1 << 20
"""Bytes of names that are read."""
_OURS = (
    "channels",
    "unit",
    "modality",
    "annotation_sample",
    "annotation_symbol",
    "annotation_note",
    "start_time",
    "beside",
)


def read_npy(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recordings of an `.npy` file, mapped into memory: only what is asked for is read.

    Raises:
        FormatError: the array holds objects or text, or its header promises more than the file holds.
    """
    with parsing(path, "NPY"), path.open("rb") as file:
        shape, dtype = _array_header(file)
        held = path.stat().st_size - file.tell()
    _check_array(path, path.name, shape, dtype, held)
    with parsing(path, "NPY"):
        array = np.load(path, mmap_mode="r", allow_pickle=False) if math.prod(shape) else np.empty(shape)
        beside = neural.read_beside(path, array, want)
    yield from recordings_in(array, want, path) if beside is None else beside


def read_npz(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recordings of an `.npz` file.

    The members `signal`, `fs`, `channels`, `unit`, `modality` and `annotation_*` are those that
    `write_recording` makes; any other file is taken by its only array, or by the variable asked for.

    Raises:
        FormatError: no member, or more than one, could be the signal, or one is damaged.
    """
    with parsing(path, "NPZ"):
        archive = zipfile.ZipFile(path)
    with archive:
        arrays: dict[str, list[Held]] = {}
        ours: list[str] = []
        texts: list[str] = []  # names of rates that are written as text
        words: dict[str, partial[NDArray[Any]]] = {}  # names of channels, targets and columns
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if name == info.filename:
                continue
            with parsing(path, "NPZ"), archive.open(info) as file:
                shape, dtype = _array_header(file)
                header_size = file.tell()
            if name in _OURS and dtype.kind in "Ui":
                ours.append(name)
            elif dtype.kind == "U" and shape and math.prod(shape) * dtype.itemsize <= _MOST_TEXT:
                words[name] = partial(_member, archive, name, path)
            elif dtype.kind in "US" and is_rate(name) and math.prod(shape) == 1 and dtype.itemsize <= 256:
                texts.append(name)
            elif dtype.kind in "biufO":
                _check_array(path, f"{name} of {path.name}", shape, dtype, info.file_size - header_size)
                arrays[name] = [Held(shape, partial(_member, archive, name, path))]
        rates = {name: rate for name in texts if (rate := _stated_rate(archive, name, path)) is not None}
        if arrays.keys() >= {"signal", "fs"} and "channels" in ours and want.variable in (None, "signal"):
            extra = {key: _member(archive, key, path) for key in sorted(ours)}
            stated = _member(archive, "fs", path)
            if stated.size != 1:
                raise FormatError(f"{path} states {stated.size} sampling rates", hint="write the file again")
            rate = float(stated.reshape(()))
            yield from _ours(path, want, _member(archive, "signal", path), rate, extra)
        else:
            if (pair := neural.find_pair(arrays, want, path)) is not None:
                yield from neural.read_pair(arrays, words, pair, want, path)
                return
            chosen = want.variable or ("signal" if "signal" in arrays else None)
            yield from read_variables(arrays, replace(want, variable=chosen), path, rates=rates)


def _stated_rate(archive: zipfile.ZipFile, name: str, path: Path) -> float | None:
    """Return the rate in Hz that a text states, "500 Hz"."""
    with parsing(path, "NPZ"):
        value = _member(archive, name, path).reshape(-1)[0]
        return rate_of_text(value.decode("latin-1") if isinstance(value, bytes) else str(value))


def _ours(
    path: Path, want: Request, array: NDArray[Any], fs: float | None, extra: dict[str, NDArray[Any]]
) -> Iterator[Recording]:
    """Yield the recording that `write` stored."""
    with parsing(path, "NPZ"):
        words = {
            key: tuple(str(word) for word in value.reshape(-1))
            for key, value in extra.items()
            if value.dtype.kind == "U"
        }
    marks = Annotations()
    if "annotation_sample" in extra:
        samples = extra["annotation_sample"].reshape(-1)
        symbols, notes = words.get("annotation_symbol", ()), words.get("annotation_note", ())
        if len(samples) != len(symbols) or len(notes) not in (0, len(samples)):
            raise FormatError(f"{path} has annotations of unequal columns", hint="write the file again")
        if samples.dtype.kind != "i":
            raise FormatError(
                f"{path} has annotations whose samples are {samples.dtype}, not whole numbers",
                hint="write the file again",
            )
        rate = want.rate(fs, path)
        marks = Annotations(samples, symbols, notes).window(*want.span(array.shape[-1], rate, path))
    modality = words.get("modality", ()) or ("",)
    if modality[0] not in ("", *MODALITIES):
        raise FormatError(
            f"{path} states the modality {modality[0][:40]!r}",
            hint=f"it must be one of {', '.join(MODALITIES)}",
        )
    beside = words.get("beside", ())
    for recording in recordings_in(
        array,
        want,
        path,
        stated_fs=fs,
        channels=words.get("channels", ()),
        units=tuple(unit or None for unit in words.get("unit", ())),
        modality=modality[0] or None,  # type: ignore[arg-type]  # it is one of MODALITIES
        annotations=marks,
        as_is=True,
        start_time=parse_start("".join(words.get("start_time", ()))),
    ):
        yield replace(recording, beside=tuple(name for name in recording.channels if name in beside))


def write(recording: Recording, path: Path) -> None:
    """Write a recording as `.npz`; reading gives back exactly the same, annotations included.

    Raises:
        FormatError: the file cannot be written.
    """
    marks, start = recording.annotations, recording.start_time
    stated: dict[str, Any] = {} if start is None else {"start_time": np.array(start.isoformat(), np.str_)}
    if recording.beside:
        stated["beside"] = np.array(recording.beside, np.str_)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            signal=recording.signal,
            fs=np.float64(recording.fs),
            channels=np.array(recording.channels, np.str_),
            unit=np.array([unit or "" for unit in recording.units], np.str_),
            modality=np.array(recording.modality or "", np.str_),
            annotation_sample=marks.sample,
            annotation_symbol=np.array(marks.symbol, np.str_),
            annotation_note=np.array(marks.note, np.str_),
            **stated,
        )


def _array_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read shape and type of the array that follows, and nothing of it."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _check_array(path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], held: int) -> None:
    """Refuse an array that is no numbers, or whose header promises more bytes than are there."""
    if dtype.hasobject:
        raise FormatError(
            f"{name} holds Python objects, which are never loaded",
            hint="save plain numbers: np.save(path, np.asarray(signal, np.float32))",
        )
    if dtype.kind not in "biuf":
        raise FormatError(f"{name} holds {dtype}, not real numbers", hint="save plain real numbers")
    stated = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or stated > held:
        raise FormatError(
            f"{path} is truncated or damaged: its header promises {stated} bytes of samples and {held} are there",
            hint="save or fetch the file again",
        )


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> NDArray[Any]:
    """Load one array of an archive, once its stated size was held against a bound."""
    info = archive.getinfo(f"{name}.npy")
    check_unpacked(info.file_size, info.compress_size, path)
    with parsing(path, "NPZ"):
        with archive.open(info) as file:
            shape, dtype = _array_header(file)
        if math.prod(shape) * dtype.itemsize > info.file_size:
            raise ValueError(f"the header of {name} promises more than is there")
        with archive.open(info) as file:
            return np.lib.format.read_array(file, allow_pickle=False)
