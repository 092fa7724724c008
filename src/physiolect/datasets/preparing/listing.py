"""Which files are prepared: what folders hold, without outputs of models, with patients and labels out of tables."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

from physiolect.datasets.preparing.preparation import File
from physiolect.errors import ConfigError, FormatError
from physiolect.files import check_regular
from physiolect.formats.folder import Folder, list_folder
from physiolect.formats.outputs import is_output

Known = TypeVar("Known")

_NAMED = 3
"""How many lines of a table that go unused are named."""


def list_files(inputs: Iterable[str | os.PathLike[str]]) -> list[File]:
    """Return the files that `find_inputs` finds to prepare.

    Raises:
        PhysiolectError: as for `find_inputs`.
    """
    return find_inputs(inputs).files


@dataclass(frozen=True)
class FoundInputs:
    """What the inputs of `prepare` hold."""

    files: list[File]
    """The files to prepare."""
    outputs: list[str]
    """Files that are skipped because a model wrote them, as they were given."""
    notices: list[str]
    """Which other files of folders are skipped, a sentence a folder."""


def find_inputs(inputs: Iterable[str | os.PathLike[str]]) -> FoundInputs:
    """Return what files and folders hold, each once, sorted by name, and what of it is skipped.

    A file in a folder is named after the folder and its place in it ("mitdb/100.hea"), any other by its own
    name; where two would share a name all are named by their paths as given.

    Args:
        inputs: Files and folders.

    Raises:
        PhysiolectError: an input is missing, a folder holds no recording, or a model wrote all the files.
    """
    named: dict[str, tuple[str, str, str]] = {}  # where links lead -> short name, path as given, place
    skipped: dict[str, None] = {}
    notices: list[str] = []
    for given in map(Path, inputs):
        home = Path(os.path.abspath(given))
        folder = _listed(given)
        paths = folder.recordings
        skipped.update(dict.fromkeys(map(_text, folder.outputs)))
        if folder.notice:
            notices.append(folder.notice)
        paths.reverse()
        while paths:  # a path takes more memory than all that is kept of it: it goes as soon as it is read
            path = paths.pop()
            place = Path(os.path.abspath(path))
            inside = place.relative_to(home.parent) if place.is_relative_to(home) else place.name
            text = str(place)
            as_given, real = (
                each if each != text else text for each in (_text(path), os.path.realpath(text))
            )
            named.setdefault(real, (_text(inside), as_given, text))
    if not named and skipped:
        raise FormatError(
            f"a model wrote all files that are named: {', '.join([*skipped][:_NAMED])}",
            hint="name the recordings; outputs of a model are not training data",
        )
    clash = len({short for short, _, _ in named.values()}) < len(named)
    files = [File(as_given if clash else short, place) for short, as_given, place in named.values()]
    return FoundInputs(sorted(files, key=lambda file: file.name), list(skipped), notices)


def check_input(path: str | os.PathLike[str]) -> None:
    """Refuse a file that is missing; a damaged one passes, as reading it says what is wrong.

    Raises:
        FormatError: there is no such file.
    """
    _listed(Path(path))


def known_files(
    files: Sequence[File],
    patients: Mapping[str, str] | None = None,
    labels: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[list[File], list[str]]:
    """Return files with their patients and labels, and notes on how many have any.

    Args:
        files: What `list_files` found.
        patients: Patient of a recording, by any ending of its name, with or without extension.
        labels: Labels of a recording, in the same way.

    Raises:
        ConfigError: a table speaks of none of the files, or one name in it is an ending of two.
    """
    notes: list[str] = []
    patient_of = {} if patients is None else _matched(files, patients, "patients", notes)
    labels_of = {} if labels is None else _matched(files, labels, "labels", notes)
    known = [
        replace(file, patient=patient_of.get(file.name), labels=labels_of.get(file.name, ()))
        for file in files
    ]
    return known, notes


def read_patients(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read who is recorded where: a CSV with the columns `recording` and `patient`.

    Raises:
        FormatError: the file cannot be read, lacks a column, or gives one recording two patients.
    """
    patients: dict[str, str] = {}
    for recording, patient in _pairs(path, "patient"):
        if patients.setdefault(recording, patient) != patient:
            raise FormatError(
                f"{path} gives recording '{recording}' two patients", hint="name each recording once"
            )
    return patients


def read_labels(path: str | os.PathLike[str]) -> dict[str, tuple[str, ...]]:
    """Read what recordings show: a CSV with the columns `recording` and `label`, a line for each label of each.

    Raises:
        FormatError: the file cannot be read, or lacks a column.
    """
    labels: dict[str, tuple[str, ...]] = {}
    for recording, label in _pairs(path, "label"):
        before = labels.get(recording, ())
        labels[recording] = before if label in before else (*before, label)
    return labels


def _pairs(path: str | os.PathLike[str], column: str) -> Iterator[tuple[str, str]]:
    """Yield recording and value of each line of a CSV that has both."""
    hint = f"write a CSV with the columns recording,{column}"
    check_regular(Path(path), FormatError)
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            if missing := {"recording", column} - set(table.fieldnames or ()):
                raise FormatError(f"{path} has no column '{min(missing)}'", hint=hint)
            for line in table:
                recording, value = (line["recording"] or "").strip(), (line[column] or "").strip()
                if recording and value:
                    yield recording, value
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{path} cannot be read as a CSV: {error}", hint=hint) from error


def _listed(path: Path) -> Folder:
    """Return what there is at a path."""
    if is_output(path):
        return Folder(path, [], [path])
    try:
        return list_folder(path)
    except FormatError:
        if path.is_file():  # one bad file must not stop the others: reading it will say what is wrong with it
            return Folder(path, [path])
        raise


def _matched(
    files: Sequence[File], known: Mapping[str, Known], what: str, notes: list[str]
) -> dict[str, Known]:
    """Return what is known by the files' names; `notes` receives for how many."""
    found: dict[str, str] = {}  # a recording in the table -> the file it is
    for file in files:
        key = _longest_ending(file.name, known)
        if key is not None and found.setdefault(key, file.name) != file.name:
            raise ConfigError(
                f"recording '{key}' of the {what} could be {found[key]} or {file.name}",
                hint="write more of the path into the table, so that each line means one recording",
            )
    if not found:
        raise ConfigError(
            f"the {what} name {len(known)} recordings, but none of the {len(files)} files",
            hint=f"a file goes by any ending of its name, with or without extension: {files[0].name}",
        )
    notes.append(f"{what} for {len(found)} of {len(files)} files")
    unused = [key for key in known if key not in found]
    if unused:
        more = f" and {len(unused) - _NAMED} more" if len(unused) > _NAMED else ""
        notes.append(f"not used of the {what}: {', '.join(unused[:_NAMED])}{more}")
    return {name: known[key] for key, name in found.items()}


def _longest_ending(name: str, known: Mapping[str, Known]) -> str | None:
    """Return the longest ending of a recording's name, with or without extension, of which something is known."""
    path = PurePosixPath(name)
    for k in range(len(path.parts)):  # the longest ending says most
        ending = PurePosixPath(*path.parts[k:])
        for key in (str(ending), str(ending.with_suffix(""))):
            if key in known:
                return key
    return None


def _text(path: Path | str) -> str:
    """Return a path as text that any encoding can hold, the same on every system."""
    return Path(path).as_posix().encode("utf-8", "backslashreplace").decode()
