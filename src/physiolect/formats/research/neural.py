"""Neural signals with targets beside them, in NPZ, MAT and NPY: features x time, and force or movement as long."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.matrix import check_size, recordings_in
from physiolect.formats.request import Request
from physiolect.formats.variables import Arrays, Held, agree
from physiolect.recording import NEURAL, Annotations, Modality, Recording

Texts = Mapping[str, Callable[[], NDArray[Any]]]
"""Arrays of text by name, each loaded when it is asked for."""

_SPIKES = re.compile(r"spikes?|spikecounts?|spikerates?|firingrates?|unitcounts?")
_RATES = re.compile(r"\w*rates?")
_FIELD = re.compile(r"ecog|ieeg|seeg|lfps?|neural|highgamma")
_PLAIN = re.compile(r"x?|features?|signals?")
"""Names of neural signals only where the modality is given: elsewhere such a matrix is one of records."""
_TARGETS = re.compile(
    r"force|emgs?|kin(ematics)?|vel(ocity)?|pos(ition)?|cursor(pos|vel)?\w*|hand(pos|vel)?\w*|fingers?|fingerpos\w*"
    r"|labels?|targets?|y|dg|glove|movements?|behaviou?r"
)
_BIN = {
    "bin_s": 1.0,
    "bin_size_s": 1.0,
    "bin_width_s": 1.0,
    "binsize_s": 1.0,
    "dt_s": 1.0,
    "bin_ms": 1e-3,
    "bin_size_ms": 1e-3,
    "bin_width_ms": 1e-3,
}
"""Names of the width of a bin, and their unit in seconds."""
_MOST_TARGETS = 64
_LEAST_STEPS = 16


def _word(name: str) -> str:
    """Return the last part of a name without what says nothing: "binnedData.forcedatabin" is "force"."""
    last = re.sub(r"[^a-z]", "", re.split(r"[.]", name)[-1].lower())
    return re.sub(r"data|binned|bin", "", last)


@dataclass(frozen=True)
class Pair:
    """A neural signal among the arrays of a file, and what lies beside it."""

    signal: str
    modality: Modality
    targets: tuple[str, ...]


def find_pair(arrays: Arrays, want: Request, path: Path) -> Pair | None:
    """Return the neural signal of a file and its targets; None where the file holds no such pair.

    Raises:
        FormatError: there is a signal and targets, but none of the targets is as long.
    """
    named = [name for name in arrays if _modality_of(name, want) and _is_matrix(arrays[name])]
    if want.variable is not None:
        named = [name for name in named if name == want.variable]
    if len(named) != 1:
        return None
    signal = named[0]
    shape = arrays[signal][0].shape
    beside = [
        name
        for name, held in arrays.items()
        if name != signal
        and _TARGETS.fullmatch(_word(name))
        and len(held) == 1
        and held[0].is_real
        and math.prod(held[0].shape) > 1
    ]
    fitting = [name for name in beside if _fits(arrays[name][0], _time_steps(shape, arrays, beside))]
    if beside and not fitting:
        described = ", ".join(f"'{name}' {'x'.join(map(str, arrays[name][0].shape))}" for name in beside)
        raise FormatError(
            f"{path}: '{signal}' is {'x'.join(map(str, shape))}, but no target has that length: {described}",
            hint="give one row of targets for each time step of the signal",
        )
    if wrong := [name for name in beside if name not in fitting]:
        raise FormatError(
            f"{path}: '{wrong[0]}' is {'x'.join(map(str, arrays[wrong[0]][0].shape))}, but '{signal}' is "
            f"{'x'.join(map(str, shape))}: they do not have one time step in common",
            hint="cut both to the same time steps, or take the array out of the file",
        )
    modality = _modality_of(signal, want)
    assert modality is not None
    return Pair(signal, modality, tuple(fitting)) if fitting or modality == "spikes" else None


def read_pair(arrays: Arrays, texts: Texts, pair: Pair, want: Request, path: Path) -> Iterator[Recording]:
    """Yield the recording of a pair: channels of the signal first, then those of the targets.

    Raises:
        FormatError: rates disagree or are missing, or a target is not finite.
    """
    held = arrays[pair.signal][0]
    steps = _time_steps(held.shape, arrays, pair.targets)
    names, beside = _signal_names(arrays, texts, pair, held, steps), list[str]()
    rate = _rate(arrays, steps, want, path)
    fs = want.rate(rate, path)
    signal, unit, notices = _counted(_in_time(held, steps, path), pair, fs)
    parts, units = [signal], [unit] * len(names)
    for name in pair.targets:
        target = _in_time(arrays[name][0], steps, path)
        if not np.isfinite(target).all():
            row, at = np.argwhere(~np.isfinite(target))[0].tolist()
            raise FormatError(
                f"{path}: column {row} of '{name}' is {target[row, at]} at step {at}, but targets must be finite",
                hint="cut the steps without a target away, or fill them",
            )
        parts.append(target)
        beside += _target_names(texts, name, len(target))
    names += beside
    units += [None] * len(beside)
    for recording in recordings_in(
        np.concatenate(parts), want, path, stated_fs=rate, channels=names, units=units, modality=pair.modality,
        annotations=_trials(arrays, texts, fs, steps), as_is=True, notices=notices,
    ):  # fmt: skip
        yield replace(recording, beside=tuple(name for name in recording.channels if name in beside))


def _counted(
    signal: NDArray[np.float32], pair: Pair, fs: float
) -> tuple[NDArray[np.float32], str | None, list[str]]:
    """Return a signal, its unit and notices; rates of whole counts become counts.

    Raises:
        FormatError: counts are negative.
    """
    if pair.modality != "spikes":
        return signal, None, []
    if (signal < 0).any():
        raise FormatError(
            f"'{pair.signal}' holds values below 0, which are no spike counts",
            hint="give the counts as they are, not z-scored",
        )
    if not _RATES.fullmatch(_word(pair.signal)):
        return signal, "count", []
    counts = signal / fs
    if np.abs(counts - np.rint(counts)).max() > 1e-3:
        return signal, "Hz", []
    return (
        np.rint(counts),
        "count",
        [f"the rates of '{pair.signal}' are counts in bins of {1000 / fs:g} ms: taken as such"],
    )


def read_beside(path: Path, array: NDArray[Any], want: Request) -> Iterator[Recording] | None:
    """Return the recording of an NPY file with a file of targets beside it, such as labels.npy; None without one."""
    if want.modality not in NEURAL or array.ndim != 2:
        return None
    found = [
        other
        for other in sorted(path.parent.glob("*.npy"))
        if other != path and _TARGETS.fullmatch(_word(other.stem)) and other.is_file()
    ]
    if len(found) != 1:
        return None
    target = np.load(found[0], mmap_mode="r", allow_pickle=False)
    if target.dtype.kind not in "biuf":
        return None
    arrays = {"data": [_held(array)], found[0].stem: [_held(target)]}
    pair = find_pair(arrays, replace(want, variable="data"), path)
    return None if pair is None else read_pair(arrays, {}, pair, replace(want, variable=None), path)


def _held(array: NDArray[Any]) -> Held:
    return Held(array.shape, lambda: array)


def _modality_of(name: str, want: Request) -> Modality | None:
    """Return what an array of this name holds; None where it is no neural signal."""
    if _SPIKES.fullmatch(_word(name)):
        return "spikes" if want.modality in (None, "spikes") else None
    if _FIELD.fullmatch(_word(name)):
        return "ecog" if want.modality in (None, "ecog") else None
    given = want.modality if want.modality in NEURAL else None
    return given if _PLAIN.fullmatch(_word(name)) or (given is not None and name == want.variable) else None


def _is_matrix(held: Any) -> bool:
    shape = held[0].shape
    return (
        len(held) == 1
        and held[0].is_real
        and len(shape) == 2
        and min(shape) >= 1
        and max(shape) >= _LEAST_STEPS
    )


def _time_steps(shape: tuple[int, ...], arrays: Arrays, targets: Any) -> int:
    """Return the number of steps in time: the side of the matrix that the targets share, else the longer."""
    for name in targets:
        for side in shape:
            if side in arrays[name][0].shape and side == max(arrays[name][0].shape):
                return side
    return max(shape)


def _fits(held: Held, steps: int) -> bool:
    shape = [side for side in held.shape if side != 1] or [1]
    return steps in shape and len(shape) <= 2 and math.prod(shape) // steps <= _MOST_TARGETS


def _in_time(held: Held, steps: int, path: Path) -> NDArray[np.float32]:
    """Return an array as (channels, time)."""
    check_size(math.prod(held.shape) * 4, path)
    array = held.load()
    whole = np.asarray(array[tuple(slice(None) for _ in array.shape)])
    if whole.ndim == 1 or min(whole.shape) == 1:
        return whole.reshape(1, -1).astype(np.float32)
    return np.ascontiguousarray((whole.T if whole.shape[0] == steps else whole).astype(np.float32))


def _signal_names(arrays: Arrays, texts: Texts, pair: Pair, held: Held, steps: int) -> list[str]:
    """Return the names of units or electrodes: by the numbers that the file gives them, or counted from 1."""
    n = math.prod(held.shape) // steps
    stem = "unit" if pair.modality == "spikes" else "ecog"
    for name in ("channels", "channel_names", f"{pair.signal}_names"):
        if name in texts and (words := _words(texts[name])) and len(words) == n == len(set(words)):
            return words
    known = ("neuronids", "unitids", "channelids", "electrodeids")
    for ids in (held for name, held in arrays.items() if _word(name) in known):
        if len(ids) == 1 and ids[0].shape[:1] == (n,) and len(ids[0].shape) <= 2:
            rows = ids[0].numbers().reshape(n, -1)
            kept = rows if len(np.unique(rows[:, 0])) < n else rows[:, :1]
            names = [f"{stem} {'.'.join(f'{number:g}' for number in row)}" for row in kept]
            if len(set(names)) == n:
                return names
    return [f"{stem} {number + 1}" for number in range(n)]


def _target_names(texts: Texts, name: str, n: int) -> list[str]:
    last = _word(name) or name
    for key in (f"{name}_names", f"{name}_columns", f"{name}_labels"):
        if key in texts and (words := _words(texts[key])) and len(words) == n == len(set(words)):
            return [word if last.lower() in word.lower() else f"{last} {word}" for word in words]
    return [last] if n == 1 else [f"{last} {number + 1}" for number in range(n)]


def _words(load: Callable[[], NDArray[Any]]) -> list[str]:
    return [str(word) for word in load().reshape(-1).tolist()]


def _rate(arrays: Arrays, steps: int, want: Request, path: Path) -> float | None:
    """Return the rate in Hz that a bin's width, a rate or times state."""
    from physiolect.formats.matrix import is_rate
    from physiolect.recording.time_column import rate_of_vector
    from physiolect.recording.time_words import is_time_name

    found: dict[str, float] = {}
    for name, held in arrays.items():
        last = re.split(r"[.]", name)[-1]
        if len(held) != 1 or not held[0].is_real:
            continue
        if math.prod(held[0].shape) == 1:
            value = float(held[0].numbers()[0])
            if last.lower() in _BIN and value > 0:
                found[name] = 1 / (value * _BIN[last.lower()])
            elif is_rate(last):
                found[name] = value
        elif (
            (is_time_name(last) or _word(name).startswith("time"))
            and held[0].is_vector
            and math.prod(held[0].shape) == steps
        ):
            rate = rate_of_vector(held[0].numbers(), last, f"{path} ({name})", want.fs)
            if rate is not None:
                found[name] = round(rate, 6)
    if found and max(found.values()) <= min(found.values()) * (1 + 1e-5):
        exact = [rate for name, rate in found.items() if not is_time_name(name)]
        return exact[0] if exact else next(iter(found.values()))
    return agree(found, path)


def _trials(arrays: Arrays, texts: Texts, fs: float, steps: int) -> Annotations | None:
    """Return marks of trials: "trial" at a start with its target, "trial end" at its end."""
    held = arrays.get("trials", ())
    if len(held) != 1 or "trial_columns" not in texts:
        return None
    words = [re.sub(r"[\s_]+", " ", word.lower()) for word in _words(texts["trial_columns"])]
    table = held[0].numbers().reshape(held[0].shape)
    if table.ndim != 2 or table.shape[1] != len(words):
        return None
    start, end = (next((i for i, w in enumerate(words) if w in names), None) for names in (_STARTS, _ENDS))
    target = next((i for i, w in enumerate(words) if w in ("tgt id", "target id", "target")), None)
    if start is None or end is None or target is None:
        return None
    marks = []
    for row in table:
        first, last = round(row[start] * fs), round(row[end] * fs)
        if np.isfinite(row[[start, end, target]]).all() and 0 <= first < last < steps:
            marks += [(first, "trial", f"target {row[target]:g}"), (last, "trial end", "")]
    marks.sort(key=lambda mark: mark[0])
    return Annotations(
        np.array([mark[0] for mark in marks], np.int64),
        tuple(mark[1] for mark in marks),
        tuple(mark[2] for mark in marks),
    )


_STARTS = ("trial start time", "start time", "start")
_ENDS = ("trial end time", "end time", "end", "stop time")
