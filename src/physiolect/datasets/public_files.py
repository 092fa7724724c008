"""From a public dataset's folder to files for `prepare_store`, with patient, labels and split."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from physiolect.datasets.public import Entry, PublicDataset, open_file
from physiolect.datasets.recipe import File
from physiolect.errors import FormatError

MEMBERS = 256
"""Recordings of a file of many that are prepared in one go, so that memory stays small and work is shared."""


def public_files(
    dataset: PublicDataset,
    folder: str | os.PathLike[str],
    *,
    labels: str | None = None,
    split: str | None = None,
    fs: float | None = None,
) -> tuple[list[File], int]:
    """Return the files of a dataset that are there, and how many recordings are listed without being there.

    Recordings and patients are named after the dataset ("ptbxl/records100/00000/00001_lr", "ptbxl/15709"), so
    that stores of several datasets may stand side by side. The arguments are those of `PublicDataset.entries`.

    Raises:
        ConfigError: the dataset has no such labels or split.
        FormatError: the folder does not hold it, a table of it is damaged, or none of its recordings is there.
    """
    missing = 0
    single: list[File] = []
    by_path: dict[Path, list[Entry]] = {}
    exists: dict[Path, bool] = {}
    for entry in dataset.entries(Path(folder), labels=labels, split=split, fs=fs):
        path = Path(os.path.abspath(entry.path))
        there = path.is_file() if dataset.opened is open_file else exists.get(path)
        if there is None:
            there = exists[path] = path.is_file()
        if not there:
            missing += 1
            continue
        patient = None if entry.patient is None else f"{dataset.name}/{entry.patient}"
        named = replace(entry, name=f"{dataset.name}/{entry.name}", patient=patient, report="")
        if dataset.opened is open_file:
            single.append(File(named.name, path, patient, named.labels, named.split))
        else:
            by_path.setdefault(path, []).append(named)
    files = [*single, *_shared(dataset, by_path)]
    if not files:
        raise FormatError(
            f"{folder} holds none of the {missing} recordings that {dataset.title} lists",
            hint="fetch some: physiolect download, or the dataset's own page",
        )
    return sorted(files, key=lambda file: file.name), missing


def _shared(dataset: PublicDataset, by_path: dict[Path, list[Entry]]) -> Iterator[File]:
    """Yield files of many recordings, a few recordings at a time."""
    for path, entries in by_path.items():
        waiting, first = iter(entries), 0
        while members := tuple(islice(waiting, MEMBERS)):
            name = f"{dataset.name}/{path.name}[{first:06}:{first + len(members):06}]"
            yield File(name, path, members=members, opened=dataset.opened)
            first += len(members)
