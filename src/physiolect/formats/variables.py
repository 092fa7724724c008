"""Files of named arrays: which of them is the signal, and which rate the numbers beside it state."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError, did_you_mean
from physiolect.formats.matrix import ArrayLike, check_size, is_rate, recordings_in
from physiolect.formats.request import Request
from physiolect.recording import Modality, Recording
from physiolect.recording.time_column import rate_of_vector
from physiolect.recording.time_words import is_time_name

_UNPACKED_FREELY, _MOST_UNPACKED = 64 << 20, 100
"""Above so many bytes, at most so many may come out of one packed byte; signals give five at most."""
_NO_SIGNAL = re.compile(
    r"(?:.*[._ ])?(?:ids?|idx|index|indices|labels?|class(?:es)?|targets?|ages?|sex|gender|subjects?|patients?"
    r"|(?:exam|patient|subject|record|trace|study|file)_?ids?|rpeaks?|r_?peaks|beats?|annotations?|marks?|counts?"
    r"|counter|times?|timestamps?|t)",
    re.IGNORECASE,
)
"""Names of what lies beside a signal."""
_SAYS_NOTHING = re.compile(
    r"(?:[a-z]|val(?:ues?)?|data|signals?|sig|feats?|arr(?:ay)?_?\d*|waves?|waveforms?|rec(?:ord)?s?|recordings?|samples?"
    r"|part_?\d*|tracings?|ch_?\d+)",
    re.IGNORECASE,
)
"""Names that tell nothing of what was measured."""
_SHORTEST_RAMP = 16


@dataclass(frozen=True)
class Held:
    """An array of a file that is loaded when it is asked for."""

    shape: tuple[int, ...]
    load: Callable[[], ArrayLike]
    is_real: bool = True
    place: tuple[int, ...] = ()
    """Number of the cell or element that it lies in, from the outermost to the innermost."""

    @property
    def is_vector(self) -> bool:
        """Whether it has one axis that is longer than one."""
        return max(self.shape, default=0) == math.prod(self.shape) > 1

    def numbers(self) -> NDArray[np.float64]:
        """Return all of it in one row."""
        array = self.load()
        whole = np.asarray(array[tuple(slice(None) for _ in array.shape)])
        return np.asarray(whole, np.float64).reshape(-1)


Arrays = Mapping[str, Sequence[Held]]
"""Arrays by name; several of one name are the cells, or the elements of a structure, one recording each."""


def check_unpacked(n_bytes: int, packed: int, path: Path) -> None:
    """Refuse what unpacks to more than a signal does, before it is unpacked.

    Raises:
        FormatError: `n_bytes` out of `packed` bytes are too many.
    """
    check_size(n_bytes, path)
    if n_bytes > max(_UNPACKED_FREELY, packed * _MOST_UNPACKED):
        raise FormatError(
            f"{path} is no signal: {packed} packed bytes of it unpack to {n_bytes / 2**20:.0f} MB",
            hint="the file may be damaged, or made to fill the memory: save it anew, unpacked",
        )


def read_variables(
    arrays: Arrays,
    want: Request,
    path: Path,
    *,
    rates: Mapping[str, float] | None = None,
    channels: Sequence[str] = (),
    modality: Modality | None = None,
) -> Iterator[Recording]:
    """Yield the recordings of the signal among named arrays: of the only one it can be, or the one asked for.

    Args:
        arrays: what the file holds.
        want: what the caller wants.
        path: the file, for errors.
        rates: rates that the file states in another way, in Hz, by name.
        channels: names of the channels.
        modality: what the file says it is.

    Raises:
        FormatError: no array, or more than one, could be the signal; rates disagree; or see `recordings_in`.
    """
    name = _chosen(arrays, want.variable, path)
    held = arrays[name]
    if not all(each.is_real for each in held):
        raise FormatError(
            f"variable '{name}' of {path} holds complex numbers, not real numbers", hint="choose another"
        )
    if want.one and len(held) > 1:
        raise FormatError(
            f"{path} holds {len(held)} recordings in '{name}', of {_times(held[0].shape)} each",
            hint="prepare and read_recordings take many",
        )
    for i, each in enumerate(held):
        stated = _stated_rate(arrays, name, i, rates or {}, path)
        if stated is None:
            stated = _rate_of_vector(arrays, name, i, want, path)
        named = channels or (_channel_name(name) if each.is_vector else ())
        for recording in recordings_in(
            each.load(), want, path, stated_fs=stated, channels=named, modality=modality
        ):
            part = recording.source.removeprefix(str(path))
            yield replace(recording, source=f"{path}[{i}]{part}") if len(held) > 1 else recording


def _channel_name(name: str) -> tuple[str, ...]:
    """Return the name of a vector as that of its channel, where it says anything: "abp" must not pass as an ECG."""
    last = name.rpartition(".")[2]
    return () if _SAYS_NOTHING.fullmatch(last) else (last,)


def agree(rates: Mapping[str, float], path: Path) -> float | None:
    """Return the one rate that a file states under several names, in Hz; None where it states none.

    Raises:
        FormatError: they differ.
    """
    if not rates:
        return None
    (first, rate), *others = rates.items()
    for name, other in others:
        if not math.isclose(rate, other, rel_tol=1e-9):
            raise FormatError(
                f"{path} states {rate:g} Hz ({first}) and {other:g} Hz ({name})",
                hint="the two contradict each other: mend the file",
            )
    return rate


def _stated_rate(
    arrays: Arrays, name: str, number: int, rates: Mapping[str, float], path: Path
) -> float | None:
    """Return the rate that single numbers beside an array state, or else those anywhere in the file."""
    beside: dict[str, float] = {}
    elsewhere: dict[str, float] = {}
    of_all: dict[str, Sequence[Held]] = {
        each: held for each, held in arrays.items() if is_rate(each.split(".")[-1])
    }
    for each, held in of_all.items():
        place = arrays[name][number].place
        beside_it = held[number : number + 1]  # one for each, as a rule, and nothing is searched
        for one in beside_it if beside_it and beside_it[0].place == place else held:
            shared = min(len(place), len(one.place))
            if math.prod(one.shape) != 1 or not one.is_real or one.place[:shared] != place[:shared]:
                continue
            folder = each.rpartition(".")[0]
            inside = not folder or name == folder or name.startswith(f"{folder}.")
            numbered = f"{each} of {'.'.join(map(str, one.place))}" if len(held) > 1 else each
            (beside if inside else elsewhere)[numbered] = float(one.numbers()[0])
    for each, rate in rates.items():
        folder = each.rpartition(".")[0]
        (beside if not folder or name == folder or name.startswith(f"{folder}.") else elsewhere)[each] = rate
    return agree(beside or elsewhere, path)


def _rate_of_vector(arrays: Arrays, name: str, number: int, want: Request, path: Path) -> float | None:
    """Return the rate of a vector of times as long as the signal; None where there is none."""
    shape = arrays[name][number].shape
    for each, held in arrays.items():
        if each == name or len(held) not in (1, len(arrays[name])):
            continue
        times = held[number] if len(held) > 1 else held[0]
        if len(held) > 1 and times.place != arrays[name][number].place:
            continue
        last = each.split(".")[-1]
        if is_time_name(last) and times.is_vector and math.prod(times.shape) in shape:
            return rate_of_vector(times.numbers(), last, f"{path} ({each})", want.fs)
    return None


def _chosen(arrays: Arrays, wanted: str | None, path: Path) -> str:
    listed = ", ".join(f"{name} {_described(held)}" for name, held in list(arrays.items())[:12])
    candidates = [name for name, held in arrays.items() if max(math.prod(each.shape) for each in held) > 1]
    signals = [name for name in candidates if not _is_time(name, arrays, candidates)]
    best = min(
        signals or candidates,
        key=lambda name: (bool(_NO_SIGNAL.fullmatch(name)), -math.prod(arrays[name][0].shape)),
        default="",
    )
    if wanted is not None:
        if wanted in arrays:
            if wanted in candidates and wanted not in signals:
                raise FormatError(
                    f"variable '{wanted}' of {path} counts samples or holds their times, and is no signal",
                    hint=f"choose another (--variable {best})" if signals else "choose another file",
                )
            return wanted
        if not arrays:
            raise FormatError(f"{path} holds no numeric variable", hint="choose a file with a signal in it")
        raise FormatError(
            f"{path} has no numeric variable '{wanted}', but {listed}", hint=did_you_mean(wanted, arrays)
        )
    if not signals:
        raise FormatError(f"{path} holds no variable that could be a signal", hint="choose another file")
    if len(signals) > 1:
        raise FormatError(
            f"{path} holds several variables: {listed}", hint=f"name one as the variable (--variable {best})"
        )
    return signals[0]


def _is_time(name: str, arrays: Arrays, candidates: Sequence[str]) -> bool:
    """Tell whether an array counts samples or holds their times: a ramp that is called so, or lies beside others."""
    held = arrays[name]
    if not held[0].is_vector or not held[0].is_real or math.prod(held[0].shape) < _SHORTEST_RAMP:
        return False
    if not _NO_SIGNAL.fullmatch(name) and len(candidates) == 1:
        return False
    check_size(math.prod(held[0].shape) * 8, Path(name))
    steps = np.diff(held[0].numbers())
    middle = float(np.median(steps))
    return middle > 0 and bool((np.abs(steps - middle) <= 0.5 * middle).all())


def _described(held: Sequence[Held]) -> str:
    return _times(held[0].shape) if len(held) == 1 else f"{len(held)} of {_times(held[0].shape)}"


def _times(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "1"
