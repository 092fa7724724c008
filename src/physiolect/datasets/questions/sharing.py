"""Patients and ECGs that stand on two sides: training and test questions, and what a checkpoint was trained on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from physiolect.datasets.public.catalogue import DATASETS, recognise
from physiolect.datasets.public.dataset import Entry
from physiolect.datasets.questions.identity import (
    dataset_of,
    ecg_identity,
    patient_identity,
    patient_in,
)
from physiolect.datasets.questions.question import Question
from physiolect.errors import ConfigError

_BLOCK = re.compile(r", .* from [\d.e+-]+ s$")
"""What a run adds to the name of a recording of which it used a block of time."""


@dataclass(frozen=True)
class Side:
    """The patients and ECGs that one side of a comparison uses."""

    what: str
    """For messages: "the training questions of qa.jsonl"."""
    ecgs: frozenset[str] = frozenset()
    """As `ecg_identity` names them."""
    patients: frozenset[tuple[str, str]] = frozenset()
    """(dataset, patient); the dataset is "" where it is unknown."""

    def __or__(self, other: Side) -> Side:
        return Side(f"{self.what} and {other.what}", self.ecgs | other.ecgs, self.patients | other.patients)


def side_of_questions(questions: Iterable[Question], what: str) -> Side:
    """Return the patients and ECGs of some questions."""
    ecgs, patients = set(), set()
    for question in questions:
        for stretch in question.recordings:
            ecgs.add(ecg_identity(stretch.recording, question.dataset))
            if (stated := patient_in(stretch.recording)) is not None:
                patients.add((dataset_of(stretch.recording), stated))
        patients |= {patient_identity(name, question.dataset) for name in question.patient}
    return Side(what, frozenset(ecgs), frozenset(patients))


def side_of_names(names: Iterable[str], what: str, *, dataset: str = "") -> Side:
    """Return the patients and ECGs that a checkpoint's run lists (`Run.used`).

    A run lists groups of a store's rows: "patient ptbxl/15709", "source ludb/12", "NAME, PART from 60 s". Any other
    name is taken as both a patient's and a recording's.

    Args:
        names: what a run lists.
        what: for messages.
        dataset: of the store that they are of, where it is known and the names do not show it.
    """
    ecgs, patients = set(), set()
    for group in names:
        kind, _, name = group.partition(" ")
        if kind != "source":
            patients.add(patient_identity(name if kind == "patient" else group, dataset))
        if kind != "patient":
            source = _BLOCK.sub("", name if kind == "source" else group)
            ecgs.add(ecg_identity(source, dataset))
            if (stated := patient_in(source)) is not None:
                patients.add((dataset_of(source), stated))
    return Side(what, frozenset(ecgs), frozenset(patients))


def side_of_folder(folder: Path | str, parts: Iterable[str] = (), *, what: str = "") -> Side:
    """Return the patients and ECGs that a public dataset's own folder lists.

    Args:
        folder: as the dataset is published.
        parts: of its published split ("fold 10"); all recordings by default.
        what: for messages; the folder's name and the parts by default.

    Raises:
        ConfigError: no known dataset lies there, or it has no such part.
    """
    folder, wanted = Path(folder), frozenset(parts)
    name = _dataset_in(folder)
    entries: list[Entry] = list(DATASETS[name].entries(folder))
    there = {entry.split for entry in entries if entry.split}
    if unknown := wanted - there:
        raise ConfigError(
            f"{folder} has no part '{min(unknown)}'", hint=f"its parts: {', '.join(sorted(there)) or 'none'}"
        )
    kept = [entry for entry in entries if not wanted or entry.split in wanted]
    return Side(
        what or " ".join([str(folder), *sorted(wanted)]),
        frozenset(ecg_identity(entry.name, name) for entry in kept),
        frozenset((name, entry.patient) for entry in kept if entry.patient),
    )


def completed(side: Side, folder: Path | str) -> Side:
    """Return a side with the patients of its ECGs, as a public dataset's own folder lists them.

    PTB-XL's ECGs are in other collections too, which do not tell its patients.

    Raises:
        ConfigError: no known dataset lies in the folder.
    """
    folder = Path(folder)
    name = _dataset_in(folder)
    found = {
        (name, entry.patient)
        for entry in DATASETS[name].entries(folder)
        if entry.patient and ecg_identity(entry.name, name) in side.ecgs
    }
    return Side(side.what, side.ecgs, side.patients | found)


class Held:
    """What several sides hold together; finds what another side shares with them.

    Patients of two datasets differ, whatever their names. Where the dataset of one is unknown, names alone decide.

    Args:
        sides: any number.
    """

    def __init__(self, sides: Iterable[Side]) -> None:
        self._ecgs: set[str] = set()
        self._datasets: dict[str, set[str]] = {}
        for side in sides:
            self._ecgs |= side.ecgs
            for dataset, name in side.patients:
                self._datasets.setdefault(name, set()).add(dataset)

    def shared(self, side: Side) -> tuple[list[str], list[str]]:
        """Return the ECGs and the patients that a side shares, sorted."""
        patients = set()
        for dataset, name in side.patients:
            there = self._datasets.get(name)
            if there and (not dataset or "" in there or dataset in there):
                patients.add(f"{dataset or max(there)}/{name}".removeprefix("/"))
        return sorted(self._ecgs & side.ecgs), sorted(patients)


def refuse_shared(train: Sequence[Side], test: Side) -> None:
    """Make sure that no patient and no ECG of the test side was used in training, in whatever corpus.

    Args:
        train: everything that trains: questions, stores, and what the checkpoints before were trained on.
        test: what is tested on.

    Raises:
        ConfigError: some were; the message names them and the side.
    """
    found = []
    for side in train:
        ecgs, patients = Held([side]).shared(test)
        if ecgs or patients:
            counts = [
                _counted(ecgs, "ECG", len(test.ecgs)),
                _counted(patients, "patient", len(test.patients)),
            ]
            found.append(f"{side.what} shares {' and '.join(filter(None, counts))} with {test.what}")
    if found:
        raise ConfigError(
            "leakage: " + "; ".join(found),
            hint="leave these patients out of one side (apart), or train on parts of the same split",
        )


def apart(questions: Iterable[Question], held_out: Iterable[Side]) -> Iterator[Question]:
    """Iterate over the questions of which no patient and no ECG stands on a side that is held out."""
    held = Held(held_out)
    for question in questions:
        if not any(held.shared(side_of_questions([question], ""))):
            yield question


def _counted(names: list[str], what: str, total: int) -> str:
    if not names:
        return ""
    first = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
    return f"{len(names):,} of {total:,} {what}s ({first})"


def _dataset_in(folder: Path) -> str:
    name = recognise(folder) if folder.is_dir() else None
    if name is None:
        raise ConfigError(
            f"{folder} holds no dataset whose layout is known", hint=f"known: {', '.join(DATASETS)}"
        )
    return name
