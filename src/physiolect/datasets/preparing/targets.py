"""What a store keeps beside signals to decode: targets on the signal's clock, blocks of time, and trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physiolect.contract import InputContract, Remark
from physiolect.datasets.store.rows import Row
from physiolect.errors import ConfigError, ContractError, FormatError
from physiolect.formats import read_recordings
from physiolect.recording import NEURAL, Modality, Recording
from physiolect.signals.neural import NeuralFeatures

SPLITS = {2: ("train", "test"), 3: ("train", "validation", "test")}
"""Names of the parts that a recording's time is cut into, by how many there are."""
TRIAL, TRIAL_END = "trial", "trial end"
"""Symbols of marks: a trial begins, with its label as note, and ends."""


@dataclass(frozen=True)
class Beside:
    """What is kept beside the signals of a recording, and how its time is cut."""

    targets: tuple[str, ...] = ()
    """Channels that are targets, in the order of a model's outputs."""
    lag: float = 0.0
    """Seconds by which a target lies after the signal that it goes with."""
    blocks: tuple[float, ...] = ()
    """Shares of a recording's time that train, validate and test, in this order; () keeps it whole."""
    gap: float = 6.0
    """Seconds that are left out between blocks."""
    trials: bool = False
    """Each trial is a row, labelled with its target."""
    features: NeuralFeatures | None = None
    """Band power that electrodes become first; None leaves channels as they are."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = []
        if self.blocks and (
            len(self.blocks) not in SPLITS or min(self.blocks) <= 0 or abs(sum(self.blocks) - 1) > 1e-6
        ):
            found.append(
                "--blocks are shares of a recording's time that add up to 1: train and test, or train, validation and "
                f"test, such as 0.7 0.15 0.15; got {' '.join(f'{share:g}' for share in self.blocks)}"
            )
        if not 0 <= self.gap < np.inf:
            found.append(f"--gap is {self.gap:g}, but must be 0 s or more")
        if not abs(self.lag) <= 10:
            found.append(f"--lag is {self.lag:g}, but must be within 10 s")
        if self.lag and not self.targets:
            found.append("--lag moves targets: name them with --targets")
        if len(set(self.targets)) < len(self.targets):
            found.append("--targets names a channel twice")
        if self.features is not None:
            found += self.features.problems()
        return found

    def provenance(self) -> dict[str, object]:
        """Return what a store keeps of it, as plain values; nothing where nothing is asked for."""
        kept: dict[str, object] = {}
        if self.targets:
            kept |= {"targets": list(self.targets), "lag": self.lag}
        if self.blocks:
            kept |= {"blocks": list(self.blocks), "gap": self.gap}
        return {**kept, "trials": True} if self.trials else kept


class Piece(NamedTuple):
    """A stretch of an adapted recording that becomes a row."""

    first: int
    end: int
    split: str | None
    label: str | None


def neural_contract(
    inputs: Sequence[str],
    beside: Beside,
    *,
    modality: Modality | None,
    fs: float | None,
    variable: str | None,
) -> InputContract:
    """Return the contract of the first recording: its channels but those that lie beside them, at its rate.

    Raises:
        ConfigError: it cannot be read, or says nothing about what is a signal.
        ContractError: its rate does not allow the features.
    """
    file = next((each for given in inputs for each in _files(Path(given))), None)
    if file is None:
        raise ConfigError(
            "no recording is there to take the channels from", hint="name a file, or give --contract"
        )
    first = next(iter(read_recordings(file, modality=modality, fs=fs, variable=variable)))
    if first.modality not in NEURAL:
        raise ConfigError(
            f"{file} does not say that it holds {' or '.join(NEURAL)}, so its channels cannot be taken as they are",
            hint="give --modality ecog or --modality spikes, or a --contract that names the channels",
        )
    names = tuple(name for name in first.channels if name not in {*first.beside, *beside.targets})
    unit = {first.units[first.index(name)] for name in names}
    rate = first.fs
    if beside.features is not None:
        if problems := beside.features.problems(first.fs):
            raise ContractError("; ".join(problems), hint="choose other --bands, or another --bin-rate")
        names, unit, rate = beside.features.names(names), {"dB"}, beside.features.rate
    return InputContract(
        fs=rate, min_samples=1, max_samples=1_000_000, modality=first.modality, channels=names,
        unit=unit.pop() if len(unit) == 1 else None, normalisation="none", features=beside.features,
    )  # fmt: skip


def _files(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from sorted(
            each for each in place.rglob("*") if each.is_file() and not each.name.startswith(".")
        )
    else:
        yield place


def with_targets(adapted: Recording, recording: Recording, beside: Beside, start: float) -> Recording:
    """Return an adapted stretch with its targets as further channels, on its clock; the end may be cut by the lag.

    Args:
        adapted: the stretch, at the contract's rate.
        recording: what it was cut from, with the targets, at its own rate.
        beside: which channels are targets, and their lag.
        start: seconds into the recording at which the stretch begins.

    Raises:
        FormatError: a target is missing, not finite, or ends before the signal does.
    """
    values = np.stack([_target(recording, name) for name in beside.targets])  # (K, T)
    n, ratio = adapted.n_samples, recording.fs / adapted.fs
    at = (start + np.arange(n) / adapted.fs + beside.lag) * recording.fs
    if adapted.modality == "spikes" and ratio > 1:  # the middle of a wide bin of narrow ones
        at = at + (ratio - 1) / 2
    inside = (at > -1e-6) & (at < values.shape[1] - 1 + 1e-6)
    first, end = int(inside.argmax()), n - int(inside[::-1].argmax())
    if not inside.any():
        raise FormatError("no target lies within the signal's time", hint="choose a smaller --lag")
    at = at[first:end]
    whole = np.rint(at)
    if np.abs(at - whole).max() < 1e-3:
        found = values[:, whole.astype(np.int64)]
    else:
        found = np.stack([np.interp(at, np.arange(values.shape[1]), row) for row in values])
    _refuse_missing(found, beside.targets, adapted.fs)
    cut = adapted.slice(first, end, by="samples")
    units = tuple(recording.units[recording.index(name)] for name in beside.targets)
    return replace(
        cut,
        signal=np.concatenate([cut.signal, found]).astype(np.float32),
        channels=(*cut.channels, *beside.targets),
        unit=(*cut.units, *units),
        modality=adapted.modality,
        beside=beside.targets,
    )


def _target(recording: Recording, name: str) -> NDArray[np.float32]:
    if name not in recording.channels:
        there = recording.beside or recording.channels[-8:]
        raise FormatError(
            f"{recording.source} has no target '{name}'",
            hint=f"beside its signals it has {', '.join(there) or 'nothing'}",
        )
    return recording.signal[recording.channels.index(name)]


def _refuse_missing(found: NDArray[np.floating], names: Sequence[str], fs: float) -> None:
    bad = np.argwhere(~np.isfinite(found))
    if len(bad):
        row, at = bad[0].tolist()
        raise FormatError(
            f"target {names[row]} is {found[row, at]} at {at / fs:.3f} s of the stretch, but targets must be finite",
            hint="cut the stretch without a target away, or fill it",
        )


def rows_of_pieces(adapted: Recording, beside: Beside, start: float, as_row: Callable[..., Row]) -> list[Row]:
    """Return the blocks or trials of an adapted stretch that begins at `start` seconds, each made a row by `as_row`."""
    rows = []
    for piece in cut_in_pieces(adapted, beside):
        about = {"split": piece.split, "labels": None if piece.label is None else (piece.label,)}
        known = {name: value for name, value in about.items() if value is not None}
        part = adapted.slice(piece.first, piece.end, by="samples")
        rows.append(as_row(part, start=start + piece.first / adapted.fs, **known))
    return rows


def cut_in_pieces(recording: Recording, beside: Beside) -> list[Piece]:
    """Return the rows that a recording is cut into: blocks of its time, and trials within them.

    Raises:
        FormatError: a block is no longer than the gaps around it, or there are no trials.
    """
    blocks = _blocks(recording.n_samples, beside, recording.fs)
    if not beside.trials:
        return blocks
    trials = find_trials(recording)
    found = [
        Piece(first, end, block.split, label)
        for first, end, label in trials
        for block in blocks
        if block.first <= first and end <= block.end
    ]
    if not found:
        raise FormatError(
            f"{recording.source} has no marks of trials" if not trials else "no trial lies within a block",
            hint="give recordings with trials (marks 'trial' and 'trial end'), or leave --trials out",
        )
    return found


def _blocks(n: int, beside: Beside, fs: float) -> list[Piece]:
    if not beside.blocks:
        return [Piece(0, n, None, None)]
    edges = [round(share * n) for share in np.cumsum(beside.blocks)[:-1].tolist()]
    gap, names = round(beside.gap * fs), SPLITS[len(beside.blocks)]
    found = []
    for number, name in enumerate(names):
        first = (
            0
            if number == 0
            else edges[number - 1] + (gap if number < len(names) - 1 or len(names) == 2 else 0)
        )
        end = n if number == len(names) - 1 else edges[number] - (gap if number > 0 else 0)
        if first >= end:
            raise FormatError(
                f"block {name} of a recording of {n / fs:g} s is no longer than the gaps of {beside.gap:g} s around it",
                hint="give a longer recording, or a smaller --gap",
            )
        found.append(Piece(first, end, name, None))
    return found


def find_trials(recording: Recording) -> list[tuple[int, int, str]]:
    """Return first sample, the sample after the last, and label of each trial that is marked."""
    found, begun = [], None
    for sample, symbol, note in recording.annotations:
        if symbol == TRIAL:
            begun = (sample, note)
        elif symbol == TRIAL_END and begun is not None:
            found.append((begun[0], sample, begun[1]))
            begun = None
    return found


def silent_units(recording: Recording) -> list[Remark]:
    """Return a remark about units that never fire."""
    silent = [
        name for name, counts in zip(recording.channels, recording.signal, strict=True) if not counts.any()
    ]
    note = f"no spikes in {', '.join(silent)}"
    return [Remark(recording.source, "flat", note)] if silent else []
