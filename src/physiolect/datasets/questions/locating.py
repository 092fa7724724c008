"""From a question to its recordings: files below a folder, or rows of a store."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from physiolect.datasets.public.dataset import inside
from physiolect.datasets.questions.identity import dataset_of, ecg_identity
from physiolect.datasets.questions.question import Question, Stretch
from physiolect.datasets.store.store import Store
from physiolect.errors import FormatError

_SLACK = 0.01
"""Seconds by which a row may miss an end of the stretch asked about."""


def recording_file(stretch: Stretch, folder: Path | str) -> Path:
    """Return the file of a recording below a folder: the path itself, or that of its WFDB header.

    Raises:
        FormatError: it is not there, or does not lie in the folder.
    """
    place = Path(folder) / inside(stretch.recording)
    for path in (place, place.with_name(f"{place.name}.hea")):
        if path.is_file():
            if not path.resolve().is_relative_to(Path(folder).resolve()):
                raise FormatError(
                    f"{path} is a link that leads out of {folder}", hint="copy the recording into the folder"
                )
            return path
    raise FormatError(
        f"the recording {stretch.recording} of a question is not in {folder}",
        hint="name the folder that the questions were prepared with",
    )


class RowFinder:
    """Finds the rows of a store that questions are about.

    Args:
        store: with whole recordings, or segments.
        dataset: public dataset of its recordings, where their names do not say it.
    """

    def __init__(self, store: Store, dataset: str = "") -> None:
        self._store, self._rows = store, defaultdict[str, list[int]](list)
        for row, source in enumerate(store.sources):
            self._rows[ecg_identity(source, dataset or dataset_of(source))].append(row)
        self._starts = store.starts

    def find(self, question: Question) -> list[int | None]:
        """Return a row for each recording of a question; None where the store has none that covers the stretch."""
        return [self._find(stretch, question.dataset) for stretch in question.recordings]

    def _find(self, stretch: Stretch, dataset: str) -> int | None:
        rows = self._rows.get(ecg_identity(stretch.recording, dataset)) or self._rows.get(
            stretch.recording, []
        )
        if stretch.stop is None:
            return rows[0] if len(rows) == 1 else None
        fs = self._store.contract.fs
        for row in rows:
            start = float(self._starts[row])
            stop = start + float(self._store.lengths[row]) / fs
            if start <= stretch.start + _SLACK and stop >= stretch.stop - _SLACK:
                return row
        return None
