"""Settings that several verbs share: how a recording is read, where results go, and what computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isinf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physiolect.errors import FormatError
from physiolect.recording import Modality

if TYPE_CHECKING:
    from physiolect.recording import Recording


def above_zero(values: Mapping[str, float | None]) -> list[str]:
    """List the settings that are given and are not a number above 0."""
    return [
        f"--{name.replace('_', '-')} is {value:g}, but must be above 0"
        for name, value in values.items()
        if value is not None and not 0 < value < inf
    ]


def at_least_one(values: Mapping[str, int | None]) -> list[str]:
    """List the settings that are given and are below 1."""
    return [
        f"--{name.replace('_', '-')} is {value}, but must be at least 1"
        for name, value in values.items()
        if value is not None and value < 1
    ]


def folder_problems(out: str | None) -> list[str]:
    """List what is wrong with the name of a folder to write to."""
    if out is None or not Path(out).exists() or Path(out).is_dir():
        return []
    return [f"--out '{out}' is a file, but a folder is needed"]


def stretch_problems(source: str, start: float | None, stop: float | None) -> list[str]:
    """List what is wrong with a stretch in seconds; None means the recording's beginning, or its end."""
    if isinf(start or 0.0) or isinf(stop or 0.0):
        return [f"the stretch does not lie in {source}: --start and --stop are seconds, not inf"]
    if 0 <= (start or 0.0) < (inf if stop is None else stop):
        return []
    end = "the end" if stop is None else format(stop, "g")
    return [
        f"--start {start or 0:g} and --stop {end} enclose nothing: they count seconds from 0, and start comes first"
    ]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How one channel of a recording is read."""

    fs: float | None = None
    """Sampling rate in Hz, for a file that states none."""
    channel: str | None = None
    """The channel to use, by name, alias or number from 0 (default: chosen by the contract)."""
    modality: Modality | None = None
    """What was measured, for a file that does not state it."""
    lead: str | None = None
    """What the channel is, such as II or MLII, where the file does not name it so."""
    names: tuple[str, ...] = ()
    """Names of all channels, in their order, where the file names none or others."""
    unit: str | None = None
    """Unit, such as mV, of channels whose file states none."""
    variable: str | None = None
    """Variable of a MAT or NPZ file that holds the signal."""
    annotator: tuple[str, ...] = ()
    """Annotation files of WFDB records to read, by extension, such as qrs st (default: the first of atr, qrs, ecg)."""
    start: float | None = None
    """Use nothing before this moment of the recording, in seconds."""
    stop: float | None = None
    """Use nothing after this moment of the recording, in seconds."""

    def reading_problems(self, source: str) -> list[str]:
        """List what is wrong with these settings."""
        return above_zero({"fs": self.fs}) + stretch_problems(source, self.start, self.stop)

    def read(self, path: str | Path, *, content: bytes | None = None, **changed: Any) -> Recording:
        """Read a recording: all its channels or, where their rates differ, those of the rate that is needed.

        Args:
            path: of the recording.
            content: its text where that has been read already, as from standard input.
            **changed: keywords of `read_recording` that replace these settings.

        Raises:
            FormatError: the file cannot be read.
        """
        from physiolect.formats import read_recording, read_text

        asked: dict[str, Any] = {
            "fs": self.fs, "modality": self.modality, "variable": self.variable,
            "names": self.names, "unit": self.unit, "annotator": self.annotator or None, "for_modality": None,
            "start": self.start, "stop": self.stop, **changed,
        }  # fmt: skip
        if content is not None:
            if self.annotator:
                raise FormatError(f"{path} has no annotation files", hint="leave --annotator out")
            del asked["for_modality"], asked["annotator"]  # text has one rate
            return read_text(content, source=str(path), **asked)
        return read_recording(path, channel=self.channel, **asked)

    @property
    def chosen(self) -> str | None:
        """The channel to choose in what `with_lead` returns; None leaves it to the contract."""
        return self.channel if self.lead is None else None

    def with_lead(self, recording: Recording) -> Recording:
        """Return the recording or, with --lead, its one channel under that name.

        Raises:
            FormatError: there are several channels, and none was chosen.
        """
        if self.lead is None:
            return recording
        from physiolect.contract import name_lead

        return name_lead(recording, self.lead, self.channel)


@dataclass(frozen=True, kw_only=True)
class Computing:
    """What computes."""

    device: str = "auto"
    """Where to compute: auto, cpu, cuda …"""
    threads: int = 1
    """Processor threads; more than one hardly speeds up small models, and slows them down on a busy machine."""

    def computing_problems(self) -> list[str]:
        """List what is wrong with these settings."""
        return at_least_one({"threads": self.threads})
