"""The folder of a cross-validated fine-tuning: its folds, their models, and their predictions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint, Run, load_checkpoint
from physiolect.datasets import Examples
from physiolect.errors import CheckpointError

FOLDS_FILE = "folds.json"
"""Protocol, folds and measures: "folds" lists name, checkpoint (a folder beside the file), windows, tested_on and
measures of each."""
PREDICTIONS_FILE = "predictions.npz"
"""Predictions for the test windows of all folds, one row a window: score, target, group, source, row, channel, start,
fold. A fold's own folder has a file of the same name with score and index (number of the window)."""


def is_cross_validated(path: str | Path) -> bool:
    """Return whether a path is the folder of a finished cross-validation."""
    return (Path(path) / FOLDS_FILE).is_file()


class RunFold:
    """One fold of a cross-validated run.

    Args:
        name: of the fold.
        folder: of its checkpoint.
        tested_on: patients, or recordings without a patient, that its model was tested on.
    """

    def __init__(self, name: str, folder: Path, tested_on: Sequence[str]) -> None:
        self.name = name
        self.folder = folder
        self.tested_on = tuple(tested_on)
        self._checkpoint: Checkpoint | None = None

    @property
    def checkpoint(self) -> Checkpoint:
        """The fold's checkpoint, loaded at the first use and kept."""
        if self._checkpoint is None:
            self._checkpoint = load_checkpoint(self.folder)
        return self._checkpoint

    @cached_property
    def run(self) -> Run:
        """What made the fold's checkpoint; a checkpoint that is loaded for this alone is not kept."""
        return Run.of((self._checkpoint or load_checkpoint(self.folder)).run)


class CrossValidatedRun:
    """A cross-validated run: each fold's model predicts the windows of patients that it was not trained on.

    Args:
        path: of the folder.

    Raises:
        CheckpointError: folds.json does not list the folds.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    @cached_property
    def folds(self) -> tuple[RunFold, ...]:
        """The folds, in their order."""
        file = Path(self.path) / FOLDS_FILE
        try:
            listed = json.loads(file.read_text(encoding="utf-8"))["folds"]
            found = tuple(
                RunFold(each["name"], Path(self.path) / each["checkpoint"], each["tested_on"])
                for each in listed
            )
            if not found:
                raise ValueError("no folds")
            return found
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{file} does not list a run's folds", hint="cross-validate again"
            ) from error

    def predictions(self, examples: Examples) -> NDArray[np.float32]:
        """Return what the folds' models predicted for windows that they were not trained on.

        Args:
            examples: the windows.

        Returns:
            in the order of the examples, (n,) or (n, classes).

        Raises:
            CheckpointError: the run predicted other windows, or their labels were others.
        """
        with np.load(Path(self.path) / PREDICTIONS_FILE, allow_pickle=False) as held:
            score, target = held["score"], held["target"]
            source, row, start = (held[name].tolist() for name in ("source", "row", "start"))
            channels = list(map(tuple, held["channel"].reshape(len(row), -1).tolist()))
        places = zip(source, zip(row, channels, start, strict=True), strict=True)
        number = {key: i for i, key in enumerate(places)}
        found = [number.get(key, -1) for key in zip(examples.sources, examples.places, strict=True)]
        missing = found.count(-1)
        if missing or not np.array_equal(target[found], examples.target):
            what = (
                f"it has no prediction for {missing} of {len(found)} windows"
                if missing
                else "the windows' labels differ"
            )
            raise CheckpointError(
                f"{self.path} was cross-validated on other windows: {what}",
                hint="give the store, labels, stride, max-per-episode and seed that it was trained with",
            )
        return score[found]

    def models_of_rows(self, groups: Sequence[str], rows: Sequence[int]) -> dict[int, Checkpoint]:
        """Return the model for each row: that of the fold which tests the row's group.

        Args:
            groups: group of every row of the store.
            rows: those that are evaluated.

        Raises:
            CheckpointError: no fold tested a row's group.
        """
        models: dict[str, Checkpoint] = {}
        for fold in self.folds:
            models.update(dict.fromkeys(fold.tested_on, fold.checkpoint))
        missing = sorted({groups[row] for row in rows} - set(models))
        if missing:
            raise CheckpointError(
                f"no fold of {self.path} was tested on {', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}",
                hint="give the store that it was trained on",
            )
        return {row: models[groups[row]] for row in rows}
