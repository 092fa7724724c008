"""From any mixture of files and folders to a store: in parallel, in order, and past what cannot be read."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

from physiolect.datasets.preparing.outcomes import Silent, Watcher, in_order
from physiolect.datasets.preparing.preparation import File, Preparation
from physiolect.datasets.preparing.workers import Here, WorkerProcesses, Workers, processors
from physiolect.datasets.store.manifest import Manifest, Part, Rejection
from physiolect.datasets.store.writer import SHARD_BYTES, StoreWriter
from physiolect.errors import ConfigError, FormatError
from physiolect.formats import list_recordings

Known = TypeVar("Known")

_NAMED = 3
"""How many lines of a table that go unused are named."""


def prepare_store(
    files: Sequence[File],
    out: str | os.PathLike[str],
    recipe: Preparation,
    *,
    inputs: Sequence[str] = (),
    workers: int = 0,
    scheduler: str | None = None,
    part: Part | None = None,
    strict: bool = False,
    shard_bytes: int = SHARD_BYTES,
    about: Mapping[str, str | None] | None = None,
    watcher: Watcher | None = None,
) -> Manifest:
    """Prepare files into a store, going on from where an earlier run of the same arguments stopped.

    The same files and recipe give the same bytes, whoever works and however often that is interrupted.

    Args:
        files: All files of all parts.
        out: Folder of the store.
        recipe: How files are read and made to fit.
        inputs: What the user named, kept as provenance.
        workers: WorkerProcesses; 0 is one a processor, 1 works in this process.
        scheduler: Address of a Dask scheduler whose workers prepare the files instead; they must see the same paths.
        part: Which share of the files to prepare; each part needs the same `files`.
        strict: Stop at the first file, or stretch of one, that does not fit.
        shard_bytes: Size of samples at which a shard is closed.
        about: What else is worth knowing of where they come from, kept as provenance.
        watcher: Hears of the work while it goes on.

    Returns:
        What this part of the store holds.

    Raises:
        FormatError: nothing could be prepared, or `strict` and something could not, now or by an earlier run, or
            `out` holds something else or is being written, or two files have one name.
        PhysiolectError: workers cannot start or die one after another, or the cluster cannot be worked with.
    """
    part, watcher = part or Part(), watcher or Silent()
    _refuse_shared_names(files)
    listed = {"inputs": sorted(set(inputs)), "files": len(files), "files_sha256": _digest(files)}
    facts = {**listed, **recipe.provenance(), **(about or {})}
    with StoreWriter(out, recipe.contract, provenance=facts, part=part, shard_bytes=shard_bytes) as writer:
        if strict:
            _refuse(writer.rejected)  # by earlier runs, which were not strict
        if not writer.complete:
            share = files[part.number - 1 :: part.count]
            mine = [file for file in share if file.name not in writer.finished]
            crew = _workers(recipe, min(workers or processors(), len(mine)), scheduler)
            _write(writer, mine, crew, watcher, strict=strict)
            if part.count == 1 and not writer.n_rows:
                raise _nothing(len(files), "files")
        manifest = writer.finish()
    if (
        manifest.files and not manifest.shards
    ):  # the part counts as done, or the other parts would be lost too
        raise _nothing(manifest.files, f"files of part {part}")
    return manifest


def list_files(inputs: Iterable[str | os.PathLike[str]]) -> list[File]:
    """Return what files and folders hold, each once, sorted by name.

    A file in a folder is named after the folder and its place in it ("mitdb/100.hea"), any other by its own
    name; where two would share a name all are named by their paths as given.

    Args:
        inputs: Files and folders.

    Raises:
        PhysiolectError: an input is missing, or a folder holds no recording.
    """
    named: dict[str, tuple[str, str, str]] = {}  # where links lead -> short name, path as given, place
    for given in map(Path, inputs):
        home = Path(os.path.abspath(given))
        paths = _listed(given)[::-1]
        while paths:  # a path takes more memory than all that is kept of it: it goes as soon as it is read
            path = paths.pop()
            place = Path(os.path.abspath(path))
            inside = place.relative_to(home.parent) if place.is_relative_to(home) else place.name
            text = str(place)
            as_given, real = (
                each if each != text else text for each in (_text(path), os.path.realpath(text))
            )
            named.setdefault(real, (_text(inside), as_given, text))
    clash = len({short for short, _, _ in named.values()}) < len(named)
    files = [File(as_given if clash else short, place) for short, as_given, place in named.values()]
    return sorted(files, key=lambda file: file.name)


def known_files(
    files: Sequence[File],
    patients: Mapping[str, str] | None = None,
    labels: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[list[File], list[str]]:
    """Return files with their patients and labels, and what is to be told of how many have any.

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


def _write(
    writer: StoreWriter, files: Sequence[File], crew: Workers, watcher: Watcher, *, strict: bool
) -> None:
    """Add what each file gives, in the order of the files, and send the workers home."""
    finished = len(writer.finished)
    watcher.begin(finished, finished + len(files))
    with closing(crew):
        for file, prepared in zip(files, in_order(files, crew, watcher), strict=True):
            if strict:
                _refuse(prepared.rejected)
            writer.add(
                file.name,  # not the worker's copy of it, which would be kept too
                prepared.rows,
                prepared.rejected,
                remarks=prepared.remarks,
                dropped=prepared.dropped,
                taken=prepared.taken,
                left_out=prepared.left_out,
            )


def _refuse(rejected: Sequence[Rejection]) -> None:
    if rejected:
        raise FormatError(str(rejected[0]), hint="mend the file, leave it out, or drop --strict")


def _nothing(count: int, files: str) -> FormatError:
    return FormatError(
        f"none of {count} {files} could be prepared",
        hint="the reasons stand above; is it the right --contract, --channel, --variable or --fs? --derive-limb and "
        "--zero-missing make up for leads that are missing",
    )


def _listed(path: Path) -> list[Path]:
    try:
        return list_recordings(path)
    except FormatError:
        if path.is_file():
            return [path]  # one bad file must not stop the others: reading it will say what is wrong with it
        raise


def _workers(recipe: Preparation, count: int, scheduler: str | None) -> Workers:
    """Return who is to prepare the files."""
    if scheduler is not None:
        from physiolect.datasets.preparing.cluster import Cluster

        return Cluster(recipe, scheduler)
    return WorkerProcesses(recipe, count) if count > 1 else Here(recipe)


def _refuse_shared_names(files: Sequence[File]) -> None:
    seen: dict[str, File] = {}
    for file in files:
        first = seen.setdefault(file.name, file)
        if first is not file:
            raise FormatError(
                f"{first.path} and {file.path} would both be '{file.name}' in the store",
                hint="give one of them, or prepare them into stores of their own",
            )


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


def _digest(files: Sequence[File]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(json.dumps(file.identity()).encode() + b"\n")
    return digest.hexdigest()
