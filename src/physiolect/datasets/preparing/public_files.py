"""From a public dataset's folder to files for `prepare_store`, with patient, labels and split."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from physiolect.datasets.preparing.preparation import File
from physiolect.datasets.public.dataset import Entry, PublicDataset, open_file
from physiolect.errors import FormatError

MEMBERS = 256
"""Recordings of a file of many that are prepared in one go, so that memory stays small and work is shared."""


def public_files(
    dataset: PublicDataset,
    *folders: str | os.PathLike[str],
    labels: str | None = None,
    split: str | None = None,
    fs: float | None = None,
) -> tuple[list[File], int]:
    """Return the files of a dataset that are there, and how many recordings are listed without being there.

    Recordings and patients are named after the dataset ("ptbxl/records100/00000/00001_lr", "ptbxl/15709"), so
    that stores of several datasets may stand side by side. A recording that lies in two of the folders, because one
    is given twice or is a part of another, comes once.

    Args:
        dataset: Which dataset.
        folders: Where it lies, in one folder or several.
        labels: One of its sets of labels, as for `PublicDataset.entries`.
        split: One of its published splits, likewise.
        fs: Rate in Hz that will do, likewise.

    Raises:
        ConfigError: the dataset has no such labels or split.
        FormatError: a folder does not hold it, a table of it is damaged, or none of its recordings is there.
    """
    missing, found = set[str](), set[str]()
    single: list[File] = []
    by_path: dict[str, list[Entry]] = {}
    inside: dict[str, str] = {}  # path -> place in its folder
    exists: dict[str, bool] = {}
    seen: set[tuple[str, int | None]] = set()
    for folder, entry in _entries(dataset, folders, labels, split, fs):
        path = os.path.abspath(entry.path)
        there = os.path.isfile(path) if dataset.opened is open_file else exists.get(path)
        if there is None:
            there = exists[path] = os.path.isfile(path)
        if not there:
            missing.add(entry.name)
            continue
        if len(folders) > 1:
            found.add(entry.name)
        if len(folders) > 1:
            before = len(seen)
            seen.add((os.path.realpath(path), entry.place))
            if len(seen) == before:
                continue
        patient = None if entry.patient is None else f"{dataset.name}/{entry.patient}"
        named = replace(entry, name=f"{dataset.name}/{entry.name}", patient=patient, report="")
        if dataset.opened is open_file:
            single.append(File(named.name, path, patient, named.labels, named.split))
        else:
            by_path.setdefault(path, []).append(named)
            inside.setdefault(path, Path(path).relative_to(os.path.abspath(folder)).as_posix())
    files = [*single, *_shared(dataset, by_path, inside)]
    if not files:
        raise FormatError(
            f"{', '.join(map(str, folders))} holds none of the {len(missing)} recordings that {dataset.title} lists",
            hint="fetch some: physiolect download, or the dataset's own page",
        )
    return sorted(files, key=lambda file: file.name), len(missing - found)


def _entries(
    dataset: PublicDataset,
    folders: Sequence[str | os.PathLike[str]],
    labels: str | None,
    split: str | None,
    fs: float | None,
) -> Iterator[tuple[Path, Entry]]:
    """Yield what the folders list, each with its folder."""
    for folder in map(Path, folders):
        for entry in dataset.entries(folder, labels=labels, split=split, fs=fs):
            yield folder, entry


def _shared(
    dataset: PublicDataset, by_path: dict[str, list[Entry]], inside: dict[str, str]
) -> Iterator[File]:
    """Yield files of many recordings, a few recordings at a time, named by their place inside the dataset."""
    for path, entries in by_path.items():
        waiting, first = iter(entries), 0
        while members := tuple(islice(waiting, MEMBERS)):
            name = f"{dataset.name}/{inside[path]}[{first:06}:{first + len(members):06}]"
            yield File(name, path, members=members, opened=dataset.opened)
            first += len(members)
