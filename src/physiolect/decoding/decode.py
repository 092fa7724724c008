"""Decoding a whole recording, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint, as_checkpoint
from physiolect.contract import adapt, select_channels, with_features
from physiolect.decoding.matching import Match, match_targets
from physiolect.decoding.signal import Adapting, check_decoder, decode_signal
from physiolect.errors import ConfigError
from physiolect.events import Listener, Reporter
from physiolect.files import replacing, writing
from physiolect.formats import read_recording
from physiolect.recording import Recording
from physiolect.result import Result, make_frame

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Decoding(Result):
    """What was decoded from a recording."""

    source: str
    names: tuple[str, ...]
    """Of the targets."""
    values: NDArray[np.float32]
    """(T, K) in the targets' units; NaN where all channels are missing."""
    fs: float
    """Steps a second."""
    adapting: Adapting
    """Statistics of the channels that were used."""
    truth: NDArray[np.float32] | None = None
    """(T, K), where the recording has the targets."""
    match: Match | None = None
    """How the decoded targets go with the true ones."""
    gaps: tuple[tuple[float, float], ...] = ()
    """Seconds from and to, where all channels are missing."""
    notices: tuple[str, ...] = ()
    """What was done to make the recording fit."""

    @property
    def time(self) -> NDArray[np.float64]:
        """Seconds from the start of the recording, (T,)."""
        return np.arange(len(self.values)) / self.fs

    @property
    def warnings(self) -> list[str]:
        """What may be wrong with the true targets."""
        return [] if self.match is None or self.match.is_by_name else [str(self.match)]

    def scores(
        self, truth: NDArray[np.floating] | None = None, *, skip: float = 0.0
    ) -> dict[str, tuple[float, float]]:
        """Return R² and r of each target against the true one.

        Args:
            truth: (T, K); None takes the recording's own, by name.
            skip: seconds at the start that do not count.

        Raises:
            ConfigError: there is no truth.
        """
        truth = self.truth if truth is None else truth
        if truth is None:
            raise ConfigError("the recording has no true targets", hint="decode one that has them")
        there = np.isfinite(self.values).all(1) & np.isfinite(truth).all(1) & (self.time >= skip)
        found = {}
        for name, mine, own in zip(self.names, self.values[there].T, truth[there].T, strict=True):
            a, b = mine.astype(np.float64), own.astype(np.float64)
            total = ((b - b.mean()) ** 2).sum()
            r2 = 1 - ((a - b) ** 2).sum() / total if total else float("nan")
            moves = np.ptp(a) > 0 and total > 0
            found[name] = (float(r2), float(np.corrcoef(a, b)[0, 1]) if moves else float("nan"))
        return found

    @property
    def summary(self) -> str:
        """What was decoded, how well where the truth is known, gaps and warnings."""
        how = {"none": "of training", "running": "running, without labels", "recording": "of this recording"}
        lines = [
            f"{self.source}: {len(self.values):,} steps at {self.fs:g} Hz, {', '.join(self.names)}; statistics of the "
            f"channels: {how[self.adapting]}"
        ]
        if self.truth is not None:
            lines.append(f"against the recording's own targets: {_in_words(self.scores())}")
        if self.warnings and self.match is not None and self.truth is not None:
            lines.append(f"in the other order: {_in_words(self.scores(self.match.apply(self.truth)))}")
        lines += [
            f"all channels are missing from {first:.2f} to {end:.2f} s" for first, end in self.gaps[:10]
        ]
        if len(self.gaps) > 10:
            lines.append(f"and in {len(self.gaps) - 10} more gaps")
        return "\n".join([*lines, *self.notices, *(f"WARNING: {warning}" for warning in self.warnings)])

    def to_frame(self) -> pandas.DataFrame:
        """Return time, decoded targets, and true ones where they are known, a row a step.

        Raises:
            PhysiolectError: pandas is not installed.
        """
        return make_frame(self._columns())

    def plot(self) -> Figure:
        """Draw decoded targets over time, on the true ones where they are known."""
        from physiolect.plots import decoding_figure

        title, truth = Path(self.source).name, self.truth
        if self.warnings and self.match is not None and truth is not None:
            title, truth = f"{title}: true targets in the other order", self.match.apply(truth)
        return decoding_figure(self.time, self.values, truth, self.names, title=title)

    def write(self, folder: str | Path) -> list[Path]:
        """Write decoded.csv, decoded.npz and decoded.png, each whole or not at all; returns the files.

        Raises:
            WriteError: the folder cannot be written to.
        """
        folder = Path(folder)
        with writing(folder, hint="name a folder that may be written to"):
            folder.mkdir(parents=True, exist_ok=True)
        columns = self._columns()
        table = np.column_stack(list(columns.values()))
        with replacing(folder / "decoded.csv") as path:
            np.savetxt(path, table, fmt="%.7g", delimiter=",", header=",".join(columns), comments="")
        with replacing(folder / "decoded.npz") as path, path.open("wb") as file:
            held: dict[str, Any] = {} if self.truth is None else {"truth": self.truth}
            np.savez_compressed(file, decoded=self.values, fs=self.fs, names=np.array(self.names), **held)
        with replacing(folder / "decoded.png") as path:
            self.plot().savefig(path, format="png")
        return [folder / f"decoded.{ending}" for ending in ("csv", "npz", "png")]

    def _columns(self) -> dict[str, NDArray[np.floating]]:
        columns: dict[str, NDArray[np.floating]] = {"time_s": self.time}
        columns |= dict(zip(self.names, self.values.T, strict=True))
        if self.truth is not None:
            columns |= {f"true {name}": own for name, own in zip(self.names, self.truth.T, strict=True)}
        return columns


def decode(
    recording: Recording | str | Path,
    checkpoint: Checkpoint | str | Path,
    *,
    adapting: Adapting = "none",
    targets: Sequence[str] = (),
    on_event: Listener | None = None,
) -> Decoding:
    """Decode force or movement from a recording of neural signals.

    Args:
        recording: with the channels that the checkpoint's contract names; opened or a file.
        checkpoint: of a model that decodes; opened or a path.
        adapting: statistics of the channels: "none" keeps those of training, "running" adapts causally and without
            labels, "recording" takes those of the whole recording.
        targets: names of the recording's channels that hold the truth, in the checkpoint's order, where they have other
            names or are exchanged.
        on_event: receives messages.

    Raises:
        CheckpointError: the checkpoint does not decode.
        ContractError: the recording does not fit it.
        ConfigError: the number of targets is not the checkpoint's.
        FormatError: the file cannot be read, or a target is not there.
    """
    checkpoint, reporter = as_checkpoint(checkpoint), Reporter(on_event)
    check_decoder(checkpoint)
    outputs, contract = checkpoint.outputs, checkpoint.contract
    if targets and len(targets) != len(outputs.targets):
        raise ConfigError(
            f"{len(targets)} targets are named, but the model decodes {', '.join(outputs.targets)}",
            hint="name one channel of the recording for each",
        )
    if not isinstance(recording, Recording):
        recording = read_recording(recording, modality=contract.modality)
    recording = with_features(recording, contract)
    missing = np.isnan(select_channels(recording, contract).signal)
    fitted, report = adapt(recording, replace(contract, max_gap=np.inf), window="all")
    signal = fitted.signal
    if recording.fs == contract.fs and missing.any():
        signal = np.where(missing, np.float32(np.nan), signal)
    reporter.progress(f"decoding {recording.source}")(0)
    values = decode_signal(checkpoint, signal, adapting=adapting)
    truth = _truth(
        recording, tuple(targets) or outputs.targets, contract.fs, len(values), asked=bool(targets)
    )
    return Decoding(
        source=recording.source or "the recording", names=outputs.targets, values=values, fs=contract.fs,
        adapting=adapting, truth=truth, match=None if truth is None else match_targets(values, truth, outputs.targets),
        gaps=_gaps(np.atleast_1d(np.isnan(values).all(1)), contract.fs), notices=report.notices,
    )  # fmt: skip


def _truth(
    recording: Recording, names: Sequence[str], fs: float, n: int, *, asked: bool
) -> NDArray[np.float32] | None:
    """Return a recording's own targets on the model's clock, (T, K); None where it does not have them all."""
    if not asked and not set(names) <= set(recording.channels):
        return None
    held = recording.signal[[recording.index(name) for name in names]]
    at = np.arange(n) * recording.fs / fs
    places = np.arange(held.shape[1])
    return np.stack([np.interp(at, places, row) for row in held], 1).astype(np.float32)


def _gaps(missing: NDArray[np.bool_], fs: float) -> tuple[tuple[float, float], ...]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
    return tuple((first / fs, end / fs) for first, end in edges.reshape(-1, 2).tolist())


def _in_words(scores: dict[str, tuple[float, float]]) -> str:
    each = ", ".join(f"{name} R² {r2:.3f} (r {r:.3f})" for name, (r2, r) in scores.items())
    return f"{each}; mean R² {np.mean([r2 for r2, _ in scores.values()]):.3f}"
