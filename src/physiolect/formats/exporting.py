"""Recordings from one format to another, without what could tell whose they are."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from physiolect.errors import ConfigError, FormatError, PhysiolectError, WriteError
from physiolect.events import Listener, Reporter
from physiolect.files import writing
from physiolect.formats.folder import list_folder, without_extension
from physiolect.formats.hospital.patients import NOTE, clean_texts
from physiolect.formats.read import read_recording, read_recordings
from physiolect.formats.wfdb_library import codes
from physiolect.formats.write import WRITERS
from physiolect.recording import Annotations, Modality, Recording, seconds_text, without_date
from physiolect.result import Result

Target = Literal["edf", "dicom", "aecg", "wfdb", "csv", "npz"]
SUFFIXES: dict[str, str] = {
    "edf": ".edf", "dicom": ".dcm", "aecg": ".xml", "wfdb": ".hea", "csv": ".csv", "npz": ".npz"
}  # fmt: skip
"""Format to write -> extension of its files."""

_WITHOUT_MARKS = ("csv",)
_NOTES_ALONE = ("aecg",)
_WITHOUT_CLOCK = ("aecg",)
_WITHOUT_ZONE = ("edf", "wfdb")
_REMOVED = "removed"
"""What stands for a mark whose text spoke of a person."""
_LONGEST_WFDB_NOTE = 254
_SHOWN = 20
"""How many of the sentences in `Exported.lost` the summary shows."""
_NAMED = 12
"""How many channels are named."""


@dataclass(frozen=True, repr=False)
class Exported(Result):
    """What `export` wrote."""

    files: tuple[Path, ...]
    skipped: tuple[tuple[Path, str], ...] = ()
    """Files of a folder that could not be read or written, and why."""
    lost: tuple[str, ...] = ()
    """What reading left out or changed, what the format cannot hold, and which other files of a folder were skipped, a
    sentence each."""
    held: str = ""
    """Channels, rate and length, where it is one recording."""

    @property
    def summary(self) -> str:
        """What was written, skipped and lost."""
        held = f": {self.held}" if self.held else ""
        first = (
            f"{self.files[0]} written{held}" if len(self.files) == 1 else f"{len(self.files)} files written"
        )
        n_skipped, more = len(self.skipped), len(self.lost) - _SHOWN
        lines = [first + (f", {n_skipped} input{'s' * (n_skipped > 1)} skipped" if n_skipped else "")]
        return "\n".join([*lines, *self.lost[:_SHOWN], *([f"… and {more} more notices"] if more > 0 else [])])


def export(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    to: Target,
    deidentify: bool = True,
    fs: float | None = None,
    channels: Sequence[str | int] | None = None,
    start: float | None = None,
    stop: float | None = None,
    modality: Modality | None = None,
    variable: str | None = None,
    unit: str | None = None,
    names: Sequence[str] = (),
    annotator: str | Sequence[str] | None = None,
    patient_key: str | None = None,
    on_event: Listener | None = None,
) -> Exported:
    """Write a recording, or all recordings of a folder, in another format.

    No recording holds a patient's name, birth date or id. With `deidentify`, the date of the recording is dropped (its
    time of day stays), dates in notes are masked, and notes and marks whose text speaks of a person are removed.

    Args:
        source: A recording of any format, or a folder of them.
        out: The file to write; a folder where `source` is one. Files in it keep the names of their sources.
        to: The format to write.
        deidentify: Whether to drop the date, and to clean notes and marks.
        fs: Sampling rate in Hz, for files that state none.
        channels: Names, aliases or numbers from 0 of the channels to write; all by default.
        start: First moment to write, in seconds.
        stop: End of the stretch to write, in seconds.
        modality: "ecg", "ppg" or "ecog", where the files do not tell.
        variable: Which variable, series or stream of a file that holds several.
        unit: Unit of the channels for which a file states no unit.
        names: Names of all channels, in the files' order, where they name none or others.
        annotator: Which annotation files of WFDB records to read, by extension, one or several.
        patient_key: A secret with which patients' ids become pseudonyms, kept as notes.
        on_event: Gets messages about skipped files, and progress.

    Raises:
        ConfigError: the format is unknown, or `out` has the extension of another.
        FormatError: the source cannot be read, or the format cannot hold it.
        WriteError: `out` exists, or cannot be written.
    """
    source, out = Path(source), Path(out)
    if problems := out_problems(to, out, is_folder=source.is_dir()):
        raise ConfigError(problems[0], hint=f"formats and extensions: {_listed()}")
    asked = {
        "fs": fs, "channels": channels, "start": start, "stop": stop, "modality": modality, "variable": variable,
        "unit": unit, "names": names, "annotator": annotator or None, "patient_key": patient_key,
    }  # fmt: skip
    if not source.is_dir():
        recording = read_recording(source, **asked)  # type: ignore[arg-type]
        target = _target(out, to)
        _check_new(target, to)
        _make_folder(target)
        lost_of_one = tuple(_write(recording, target, to, deidentify))
        return Exported((target,), lost=lost_of_one, held=_held(recording))
    reporter = Reporter(on_event)
    taken: dict[Path, None] = {}
    skipped: list[tuple[Path, str]] = []
    folder = list_folder(source, or_outputs=False)
    listed, lost = folder.recordings, dict.fromkeys(filter(None, [folder.notice]))
    tell = reporter.progress("files", len(listed))
    for number, item in enumerate(listed, 1):
        try:
            many = list(read_recordings(item, **asked))  # type: ignore[arg-type]
            for k, recording in enumerate(many):
                which = f"_{k}" if len(many) > 1 else ""
                target = _target_of(item, which, out / item.relative_to(source).parent, to, taken)
                _make_folder(target)
                _check_new(target, to)
                lost.update(dict.fromkeys(_write(recording, target, to, deidentify)))
                taken[target] = None
        except PhysiolectError as error:
            if isinstance(error, WriteError) and not taken:
                raise
            skipped.append((item, str(error)))
            reporter.say(f"skipped: {error}" if str(item) in str(error) else f"skipped {item}: {error}")
        tell(number)
    if not taken:
        raise FormatError(
            f"none of the {len(listed)} recordings of {source} could be written",
            hint="see why each was skipped",
        )
    return Exported(tuple(taken), tuple(skipped), tuple(lost))


def out_problems(to: str, out: Path, *, is_folder: bool) -> list[str]:
    """List what is wrong with a format and the name of the file, or folder, to write."""
    if to not in SUFFIXES or SUFFIXES[to] not in WRITERS:
        return [f"'{to}' is no format that can be written"]
    if is_folder:
        return [f"--out '{out}' is a file, but a folder is exported"] if out.is_file() else []
    others = set(SUFFIXES.values()) - {SUFFIXES[to]}
    if out.suffix.lower() in others:
        return [f"--out '{out}' has the extension of another format than {to}"]
    return [f"--out '{out}' is a folder, but one recording is exported"] if out.is_dir() else []


def _listed() -> str:
    return ", ".join(f"{name} ({suffix})" for name, suffix in SUFFIXES.items() if suffix in WRITERS)


def _target(out: Path, to: str) -> Path:
    suffix = SUFFIXES[to]
    return out if out.suffix.lower() == suffix else out.with_name(out.name + suffix)


def _target_of(source: Path, which: str, folder: Path, to: str, taken: Collection[Path]) -> Path:
    """Return the file to write for a recording of a folder; where its name is taken, it keeps the source's extension.

    Args:
        source: The file that is read.
        which: What tells its recordings apart, "_1"; "" for a single one.
        folder: Where to write.
        to: The format.
        taken: What was written already: a.csv and a.npz may lie side by side.
    """
    target = _target(folder / _safe(without_extension(source).name + which, to), to)
    return _target(folder / _safe(source.name + which, to), to) if target in taken else target


def _safe(name: str, to: str) -> str:
    """Return a file's name with what WFDB cannot have in it replaced."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name) if to == "wfdb" else name


def _check_new(target: Path, to: str) -> None:
    names = [target.with_suffix(suffix) for suffix in (".hea", ".dat", ".atr")] if to == "wfdb" else [target]
    there = next((name for name in names if name.exists()), None)
    if there is not None:
        raise WriteError(f"{there} exists already", hint="name another --out, or remove it first")


def _make_folder(target: Path) -> None:
    with writing(target, hint="name a file in a folder that may be written to"):
        target.parent.mkdir(parents=True, exist_ok=True)


def _held(recording: Recording) -> str:
    names = ", ".join(recording.channels[:_NAMED])
    more = f" and {len(recording.channels) - _NAMED} more" if len(recording.channels) > _NAMED else ""
    return f"{names}{more} at {recording.fs:g} Hz, {seconds_text(recording.duration)}"


def _write(recording: Recording, target: Path, to: str, deidentify: bool) -> list[str]:
    """Write one recording, and return the notices of reading it and what its format could not hold."""
    marks = without_persons(recording.annotations) if deidentify else recording.annotations
    lost = list(recording.notices)
    if to in _WITHOUT_MARKS and len(marks):
        lost.append(f"{to} holds no annotations: they are left out")
    if to in _NOTES_ALONE and any(symbol != NOTE for symbol in marks.symbol):
        lost.append(f"{to} holds notes alone: other annotations are left out")
    if to == "wfdb":
        marks = _as_wfdb(marks)
    start = without_date(recording.start_time) if deidentify else recording.start_time
    if isinstance(recording.start_time, datetime) and not isinstance(start, datetime):
        lost.append("the date of the start is left out: --no-deidentify keeps it")
    if to in _WITHOUT_CLOCK and start is not None and not isinstance(start, datetime):
        lost.append(f"{to} holds no time of day without a date: it is left out")
    if to in _WITHOUT_ZONE and isinstance(start, datetime) and start.tzinfo is not None:
        lost.append(f"{to} holds no time zone: the start is written as its local time")
    WRITERS[SUFFIXES[to]](replace(recording, annotations=marks, start_time=start), target)
    return lost


def without_persons(marks: Annotations) -> Annotations:
    """Return marks with dates masked in their texts, without notes that speak of a person.

    A mark whose symbol is such a text stays, as "removed".
    """
    kept = []
    for sample, symbol, note in marks:
        clean = next(iter(clean_texts([note])), "")
        if symbol == NOTE and note and not clean:
            continue
        short = len(symbol) <= 2  # a code of WFDB
        kept.append((sample, symbol if short else next(iter(clean_texts([symbol])), _REMOVED), clean))
    return _marks(kept)


def _as_wfdb(marks: Annotations) -> Annotations:
    """Return marks with symbols that WFDB has: any other becomes a note that holds it."""
    known = set(codes().values())
    kept = []
    for sample, symbol, note in marks:
        text = note if symbol in known else f"{symbol} {note}".strip()
        plain = text.encode("ascii", "replace").decode()[:_LONGEST_WFDB_NOTE]
        kept.append((sample, symbol if symbol in known else NOTE, plain))
    return _marks(kept)


def _marks(kept: Sequence[tuple[int, str, str]]) -> Annotations:
    samples, symbols, notes = zip(*kept, strict=True) if kept else ((), (), ())
    return Annotations(samples, symbols, notes)  # type: ignore[arg-type]
