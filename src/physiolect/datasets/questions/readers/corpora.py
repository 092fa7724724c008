"""Where the recordings of questions lie: a PTB-XL or MIMIC-IV-ECG folder by number, any other folder by name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from physiolect.datasets.public.catalogue import DATASETS, recognise
from physiolect.datasets.public.dataset import Entry, inside
from physiolect.datasets.questions.identity import dataset_of, ecg_identity, ecg_number, patient_in
from physiolect.datasets.store.manifest import is_store
from physiolect.datasets.store.store import Store, open_store
from physiolect.errors import ConfigError, FormatError

NUMBERED = ("ptbxl", "mimic-iv-ecg")
"""Datasets whose ECGs questions name by number."""
_PICTURE = re.compile(r"(-\d+)?\.(png|jpe?g)$", re.IGNORECASE)
"""End of a picture's name: "07190_hr-0.png" is the first picture of 07190_hr."""


@dataclass
class Corpus:
    """Recordings of a folder, and what was looked for in vain."""

    folder: Path
    dataset: str = ""
    """Name of the public dataset; "" for any other folder."""
    entries: dict[int, Entry] = field(default_factory=dict)
    """Number of the ECG (ecg_id, study_id) -> the recording, all that the dataset lists."""
    there: frozenset[int] = frozenset()
    """Numbers whose file is on the disk."""
    in_millivolts: frozenset[int] | None = None
    """Numbers whose leads are all in millivolts; None where the files say it."""
    unlisted: set[str] = field(default_factory=set)
    """What was looked for and is not listed."""
    absent: set[str] = field(default_factory=set)
    """What was looked for and has no file on the disk."""

    def find(self, number: int) -> Entry | None:
        """Return an ECG by number, or None where it is not listed or not on the disk; this is remembered."""
        entry = self.entries.get(number)
        if entry is None:
            self.unlisted.add(str(number))
        elif number not in self.there:
            self.absent.add(str(number))
            return None
        return entry

    def find_named(self, name: str) -> Entry | None:
        """Return the ECG that a path, or the name of a picture of it, means; None where it is not there.

        Raises:
            FormatError: the path leads out of the folder.
        """
        if self.dataset:
            number = ecg_number(name, self.dataset)
            if number is None:
                self.unlisted.add(name)
                return None
            return self.find(number)
        record = inside(_PICTURE.sub("", name))
        place = self.folder / record
        if place.is_file():
            return Entry(record, place, patient_in(record))
        header = place.with_name(f"{place.name}.hea")
        if header.is_file():
            return Entry(record, header, patient_in(record))
        self.absent.add(name)
        return None

    @property
    def notes(self) -> list[str]:
        """Sentences about what was not found."""
        said = []
        for names, why in ((self.unlisted, "does not list"), (self.absent, "does not hold the files of")):
            if names:
                first = ", ".join(sorted(names)[:3]) + (" …" if len(names) > 3 else "")
                said.append(f"{self.folder} {why} {len(names):,} of the ECGs asked about ({first})")
        return said


def open_corpus(folder: Path | str, *, dataset: str = "", fs: float | None = None) -> Corpus:
    """Return the recordings of a folder: by number in the layout of PTB-XL or MIMIC-IV-ECG, by path in others.

    Args:
        folder: of recordings, where a dataset may be in part; or a store of them.
        dataset: that a store's recordings are of, where their names are bare numbers.
        fs: rate in Hz that will do, where recordings lie at several; the highest by default.

    Raises:
        FormatError: there is no such folder, or a table in it is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FormatError(f"there is no folder {folder}", hint="name the folder of the recordings")
    if is_store(folder):
        return _of_store(open_store(folder), dataset)
    name = recognise(folder)
    if name not in NUMBERED:
        return Corpus(folder)
    entries = {
        number: entry
        for entry in DATASETS[name].entries(folder, fs=fs)
        if (number := ecg_number(entry.name, name)) is not None
    }
    there = frozenset(number for number, entry in entries.items() if entry.path.is_file())
    return Corpus(folder, name, entries, there)


def _of_store(store: Store, dataset: str) -> Corpus:
    sources, patients, splits = store.sources, store.patients, store.splits
    dataset = dataset or (dataset_of(sources[0]) if sources else "")
    if dataset not in NUMBERED:
        raise ConfigError(
            f"the recordings of {store.path} are of no dataset whose ECGs have numbers",
            hint=f"name it, if they are: dataset={' or '.join(NUMBERED)}",
        )
    entries, measured = {}, set()
    for row, (source, patient, split) in enumerate(zip(sources, patients, splits, strict=True)):
        number = ecg_identity(source, dataset).rpartition("/")[2]
        if number.isdecimal():
            entries[int(number)] = Entry(source, store.path, patient, split=split)
            if all(unit == "mV" for unit in store.row(row).units):
                measured.add(int(number))
    return Corpus(store.path, dataset, entries, frozenset(entries), frozenset(measured))


def numbered(corpus: Corpus) -> Corpus:
    """Return a corpus whose ECGs have numbers.

    Raises:
        ConfigError: it is neither PTB-XL nor MIMIC-IV-ECG.
    """
    if not corpus.dataset:
        raise ConfigError(
            f"{corpus.folder} holds neither PTB-XL nor MIMIC-IV-ECG",
            hint="name the dataset's folder, with ptbxl_database.csv or record_list.csv",
        )
    return corpus
