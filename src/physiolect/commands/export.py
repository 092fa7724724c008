"""`physiolect export INPUT --to FORMAT --out FILE`: a recording, or a folder of them, in another format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from physiolect.commands.settings import above_zero, stretch_problems
from physiolect.commands.terminal import listening, say
from physiolect.recording import Modality

EXAMPLE = "physiolect export rest.xml --to dicom --out rest.dcm"


@dataclass(frozen=True)
class Config:
    """Write a recording, or a folder of recordings, in another format."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("input",)

    input: str
    """A recording of any format that is read, or a folder of recordings."""
    to: Literal["edf", "dicom", "aecg", "wfdb", "csv", "npz"]
    """Format to write."""
    out: str
    """File to write; a folder if INPUT is a folder. Files in a folder keep the names of their inputs."""
    deidentify: bool = True
    """Drop the date of the recording (its time of day stays), mask dates in notes, and remove notes and marks that
    speak of a person; names, birth dates and ids of patients are never written."""
    patient_key: str | None = None
    """Secret that turns a patient's id into a pseudonym, which is written as a note; without it the id is dropped."""
    fs: float | None = None
    """Sampling rate in Hz, for a file that states none."""
    channels: tuple[str, ...] | None = None
    """Only these channels, by name, alias or number from 0."""
    start: float | None = None
    """Leave out what comes before this moment, in seconds."""
    stop: float | None = None
    """Leave out what comes after this moment, in seconds."""
    modality: Modality | None = None
    """What was measured, for a file that does not state it."""
    variable: str | None = None
    """Variable, series or stream of a file that holds several."""
    unit: str | None = None
    """Unit, such as mV, of channels whose file states none."""
    names: tuple[str, ...] = ()
    """Names of all channels, in their order, where the file names none or others."""
    annotator: tuple[str, ...] = ()
    """Annotation files of WFDB records to read, by extension, such as qrs st (default: the first of atr, qrs, ecg)."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        from physiolect.formats.exporting import out_problems

        found = out_problems(self.to, Path(self.out), is_folder=Path(self.input).is_dir())
        return found + above_zero({"fs": self.fs}) + stretch_problems(self.input, self.start, self.stop)


def run(config: Config) -> None:
    """Write the file or files, and say what the format could not hold."""
    from physiolect.formats import export

    settings = {name: value for name, value in vars(config).items() if name not in ("input", "out")}
    with listening() as terminal:
        exported = export(config.input, config.out, **settings, on_event=terminal)
    say(exported.summary)
