"""What models that read heartbeats need to know of a store's rows: where the beats are, and the rhythm around each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint, as_checkpoint
from physiolect.datasets.examples.beat_table import FindBeats, FindRhythm
from physiolect.datasets.examples.splits import row_groups
from physiolect.datasets.store.store import Store
from physiolect.detection import check_answers, detect_beats, detect_rhythm
from physiolect.errors import CheckpointError
from physiolect.evaluation.cross_validated import CrossValidatedRun, is_cross_validated
from physiolect.recording import Recording

OVERLAP = 3
"""Windows of the rhythm that cover a beat."""


def beat_finder(checkpoint: Checkpoint | str | Path) -> FindBeats:
    """Return what finds the beats of a row without marks of them.

    Raises:
        CheckpointError: the checkpoint finds no beats.
    """
    model = as_checkpoint(checkpoint)
    check_answers(model, "position")

    def find(row: int, recording: Recording) -> NDArray[np.int64]:
        return detect_beats(model, recording, channel=0).samples

    return find


def rhythm_finder(checkpoint: Checkpoint | str | Path, store: Store) -> FindRhythm:
    """Return what gives the probability of a rhythm around each beat of a row.

    Args:
        checkpoint: a rhythm model; or the folder of a cross-validated run, of which each fold's model is asked about
            the patients that it was tested on. Patients that no fold knows are described by the first fold.
        store: whose rows these are.

    Raises:
        CheckpointError: the checkpoint is for another task.
    """
    if not isinstance(checkpoint, Checkpoint) and is_cross_validated(checkpoint):
        run, groups = CrossValidatedRun(str(checkpoint)), row_groups(store)

        def of_row(row: int) -> Checkpoint | None:
            unseen = (
                fold
                for fold in run.folds
                if groups[row] in fold.tested_on
                or groups[row] not in {*fold.run.trained_on, *fold.run.validated_on}
            )
            tested_first = sorted(unseen, key=lambda fold: groups[row] not in fold.tested_on)
            return tested_first[0].checkpoint if tested_first else None
    else:
        one = as_checkpoint(checkpoint)
        check_answers(one, "window")

        def of_row(row: int) -> Checkpoint | None:
            return one

    def find(row: int, recording: Recording, beats: NDArray[np.int64]) -> NDArray[np.float32]:
        model = of_row(row)
        if model is None:
            raise CheckpointError(
                f"every fold of {checkpoint} was trained on {store.sources[row]}",
                hint="cross-validate the rhythm on this store",
            )
        return rhythm_at_beats(model, recording, beats)

    return find


def rhythm_at_beats(
    checkpoint: Checkpoint, recording: Recording, beats: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the probability of a rhythm around each beat (n,), given as samples of the recording; NaN: not judged."""
    contract = checkpoint.contract
    if recording.n_samples / recording.fs * contract.fs < contract.min_samples:
        return np.full(len(beats), np.nan, np.float32)
    found = detect_rhythm(
        checkpoint, recording, channel=0, stride=contract.max_samples / contract.fs / OVERLAP,
        beats=beats if checkpoint.reads_beats else None,
    )  # fmt: skip
    if found.interrupted:
        raise KeyboardInterrupt
    return found.at(beats / recording.fs)
