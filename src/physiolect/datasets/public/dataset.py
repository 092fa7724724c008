"""What every public dataset says of itself, and of each recording in it before a sample is read."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from physiolect.contract import InputContract
from physiolect.errors import FormatError, check_option
from physiolect.formats import read_recording
from physiolect.recording import Recording


@dataclass(frozen=True, slots=True)
class Entry:
    """One recording of a public dataset, and what the dataset tells of it."""

    name: str
    """What the dataset calls it: its path without extension, or file and number ("exams_part0.hdf5#1169160")."""
    path: Path
    """The file that holds it."""
    patient: str | None = None
    """Whose recording it is, as the dataset numbers its patients; None where it does not tell."""
    labels: tuple[str, ...] = ()
    split: str | None = None
    """Which part of the chosen split it belongs to."""
    place: int | None = None
    """Where in a file of many recordings it is found, in that file's own way of counting."""
    report: str = ""
    """What a physician or a machine wrote about it."""


@dataclass(frozen=True)
class LabelChoice:
    """What is wanted of a dataset that offers several."""

    labels: str | None = None
    """Which of its sets of labels; None where it has none."""
    split: str | None = None
    """Which of its published splits; None for none."""
    fs: float | None = None
    """The rate in Hz that will do, where recordings come at several."""


Read = Callable[[Entry], Recording]

_STRANGE = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')
"""What no dataset has in a path; a backslash or a colon is a way out of a folder on Windows."""


@contextmanager
def open_file(path: Path) -> Iterator[Read]:
    """Give what reads an entry that is a file of its own."""
    yield lambda entry: read_recording(entry.path)


@dataclass(frozen=True)
class PublicDataset:
    """A public dataset: its facts, and how to list and read what a folder in its published layout holds."""

    name: str
    title: str
    licence: str
    citation: str
    origin: str
    """Who hands it out, and its version."""
    layout: str
    """What its folder holds, for the one who named another."""
    patients: str
    """What it tells of patients."""
    recognise: Callable[[Path], bool]
    """Whether a folder looks like it."""
    index: Callable[[Path, LabelChoice], Iterator[Entry]]
    """Its recordings in a folder, in the dataset's order, whether their files are there or not."""
    opened: Callable[[Path], AbstractContextManager[Read]] = open_file
    """Opens a file of it and gives what reads the entries in it."""
    physionet: str | None = None
    """Its "project/version" on PhysioNet, for datasets that are there."""
    tables: tuple[str, ...] = ()
    """Files beside the recordings without which these mean little."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Its sets of labels, and what each is; the first is taken unless another is named."""
    splits: Mapping[str, str] = field(default_factory=dict)
    """Its published splits, and what each is."""
    split: str | None = None
    """The split that is taken unless another is named; None where each must be named."""
    cautions: Mapping[str, str] = field(default_factory=dict)
    """Split -> what whoever takes it must know."""
    contract: InputContract | None = None
    """What its rows are, where `prepare` should take this contract unless another is named."""

    def entries(
        self,
        folder: Path | str,
        *,
        labels: str | None = None,
        split: str | None = None,
        fs: float | None = None,
    ) -> Iterator[Entry]:
        """Return the recordings that the dataset lists, in its order, without reading a sample.

        A file that was not fetched is listed all the same.

        Args:
            folder: The dataset's folder, laid out as it is published.
            labels: One of its sets of labels; the first of them by default.
            split: One of its published splits, or "none".
            fs: Rate in Hz that will do, for a dataset at several: the lowest that reaches it is taken.

        Raises:
            ConfigError: the dataset has no such labels or split.
            FormatError: the folder does not hold it, or a table of it is damaged.
        """
        folder = Path(folder)
        self.check(folder, labels, split)
        chosen = LabelChoice(
            labels or next(iter(self.labels), None), None if split == "none" else split or self.split, fs
        )
        if caution := self.cautions.get(chosen.split or ""):
            warnings.warn(f"{self.name}: {caution}", stacklevel=2)
        return self.index(folder, chosen)

    def check(self, folder: Path, labels: str | None, split: str | None) -> None:
        """Make sure that a folder holds the dataset, and that it has such labels and such a split.

        Raises:
            ConfigError: it has no such labels or split.
            FormatError: the folder does not hold it.
        """
        if labels is not None:
            check_option(f"the label set of {self.name}", labels, self.labels or ("none",))
        if split is not None:
            check_option(f"the split of {self.name}", split, (*self.splits, "none"))
        if not self.recognise(folder):
            raise FormatError(
                f"{folder} is not laid out as {self.title}", hint=f"it should hold {self.layout}"
            )

    def recordings(
        self,
        folder: Path | str,
        *,
        labels: str | None = None,
        split: str | None = None,
        fs: float | None = None,
    ) -> Iterator[tuple[Entry, Recording]]:
        """Iterate over the recordings with what the dataset tells of each; arguments are those of `entries`.

        Raises:
            ConfigError: the dataset has no such labels or split.
            FormatError: the folder does not hold it, or a file of it is missing or damaged.
        """
        found = self.entries(folder, labels=labels, split=split, fs=fs)
        return self._read(found)

    def _read(self, entries: Iterator[Entry]) -> Iterator[tuple[Entry, Recording]]:
        waiting = next(entries, None)
        while waiting is not None:
            path = waiting.path
            with self.opened(path) as read:  # a file stays open while entries in it follow one another
                while waiting is not None and waiting.path == path:
                    yield waiting, read(waiting)
                    waiting = next(entries, None)


def read_table(path: Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """Iterate over the lines of a CSV as text, after making sure of its columns.

    Raises:
        FormatError: it cannot be read, lacks a column, or has a line with too few cells.
    """
    hint = "fetch the file again, as the dataset publishes it"
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file, restval=None)
            if missing := [name for name in columns if name not in (table.fieldnames or ())]:
                raise FormatError(f"{path} has no column '{missing[0]}'", hint=hint)
            for line in table:
                if any(line[name] is None for name in columns):
                    raise FormatError(f"line {table.line_num} of {path} is cut short", hint=hint)
                yield line
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{path} cannot be read as a CSV: {error}", hint=hint) from error


def whole(text: str) -> str | None:
    """Return a number of a table without the ".0" that pandas gives it; None for an empty cell, or its "nan"."""
    number = re.sub(r"\.0+$", "", text.strip())
    return None if number.lower() in ("", "nan") else number


def inside(text: str) -> str:
    """Return a relative path that a list names, plainly spelt, once it is sure to lead nowhere but further down.

    Raises:
        FormatError: it is absolute, empty, climbs, or holds characters that no dataset uses.
    """
    steps = [step for step in text.split("/") if step not in ("", ".")]
    if not steps or text.startswith("/") or ".." in steps or _STRANGE.search(text):
        raise FormatError(
            f"{text[:200]!r} is listed as a file, but does not lie in the dataset's folder",
            hint="the list is damaged or was tampered with: fetch it again",
        )
    return "/".join(steps)
