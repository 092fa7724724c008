"""Cross-validated runs as `evaluate` reads them, and what a checkpoint has seen of whom it is to judge."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint, Run, load_checkpoint
from physiolect.datasets import Examples
from physiolect.errors import CheckpointError

FOLDS_FILE, PREDICTIONS_FILE = "folds.json", "predictions.npz"
_BEGUN = "begun with a checkpoint that had seen"


def is_cross_validated(path: str) -> bool:
    """Tell whether a path is the folder of a finished cross-validation."""
    return (Path(path) / FOLDS_FILE).is_file()


def judged_by_run(path: str, examples: Examples) -> NDArray[np.float32]:
    """Return what the folds' models said of windows they had not seen, in the order of the examples.

    Raises:
        CheckpointError: the run judged other windows, or they were labelled otherwise.
    """
    with np.load(Path(path) / PREDICTIONS_FILE, allow_pickle=False) as held:
        score, target = held["score"], held["target"]
        columns = [held[name].tolist() for name in ("source", "row", "channel", "start")]
    place = {key: number for number, key in enumerate(zip(*columns, strict=True))}
    numbers = (each.tolist() for each in (examples.rows, examples.channels, examples.starts))
    wanted = zip(examples.sources, *numbers, strict=True)
    found = [place.get(key, -1) for key in wanted]
    lost = found.count(-1)
    if lost or not np.array_equal(target[found], examples.target):
        what = (
            f"{lost} of {len(found)} windows were not judged by it" if lost else "the windows' labels differ"
        )
        raise CheckpointError(
            f"{path} cross-validated on other windows: {what}",
            hint="give the store, labels, stride, max-per-episode and seed that it was trained with",
        )
    return score[found]


def models_of_rows(path: str, groups: Sequence[str], rows: Sequence[int]) -> dict[int, Checkpoint]:
    """Return who judges each row: the checkpoint, or of a cross-validated run the fold's that has not seen it.

    Raises:
        CheckpointError: no fold tested a row's group.
    """
    if not is_cross_validated(path):
        checkpoint = load_checkpoint(path)
        return dict.fromkeys(rows, checkpoint)
    models = {}
    for fold in _folds(path):
        checkpoint = load_checkpoint(Path(path) / fold["checkpoint"])
        models.update(dict.fromkeys(fold["tested_on"], checkpoint))
    lost = sorted({groups[row] for row in rows} - set(models))
    if lost:
        raise CheckpointError(
            f"no fold of {path} judged {', '.join(lost[:5])}{' …' if len(lost) > 5 else ''}",
            hint="give the store that it was trained on",
        )
    return {row: models[groups[row]] for row in rows}


def leaks(path: str, groups: Collection[str], digest: str) -> list[str]:
    """Return warnings: whom a checkpoint was trained on, or chosen by, that it is now to judge.

    Patients are known by name alone, so that two stores' patients of one name are taken for one.
    """
    if is_cross_validated(path):
        found = []
        for fold in _folds(path):
            run = Run.of(load_checkpoint(Path(path) / fold["checkpoint"]).run)
            tested = set(fold["tested_on"])
            used = {*run.trained_on, *run.validated_on}
            for whom, what in ((used & tested, "trained on"), (tested & {*run.base_trained_on}, _BEGUN)):
                if whom:
                    found.append(f"fold {fold['name']} of {path} was {what} whom it tests: {_some(whom)}")
        return found
    run = Run.of(load_checkpoint(path).run)
    judged = set(groups)
    found = []
    for whom, what, of in (
        (judged & {*run.trained_on}, "trained on", run),
        (judged & {*run.validated_on}, "chosen by", run),
        (judged & {*run.base_trained_on}, _BEGUN, run.base),
    ):
        if whom:
            same = "" if of and of.store_sha256 == digest else ", by the names of another store"
            found.append(
                f"leakage: {path} was {what} {len(whom)} of the {len(judged)} patients or recordings it judges here"
                f"{same} ({_some(whom)}): the figures say little about new patients"
            )
    if not found and run.store_sha256 == digest and not run.records_patients:
        found.append(f"leakage: {path} was trained on this very store, and does not tell on whom")
    return found


def untold(path: str) -> list[str]:
    """Return what has to be said of a checkpoint, or a run's folds, that does not tell whom it was trained on."""
    paths = [path]
    if is_cross_validated(path):
        paths = [str(Path(path) / fold["checkpoint"]) for fold in _folds(path)]
    if all(Run.of(load_checkpoint(each).run).records_patients for each in paths):
        return []
    return [f"Nothing is recorded of whom {path} was trained on: leakage cannot be checked."]


def _folds(path: str) -> list[dict[str, Any]]:
    import json

    file = Path(path) / FOLDS_FILE
    try:
        folds = json.loads(file.read_text(encoding="utf-8"))["folds"]
        return [{name: each[name] for name in ("name", "checkpoint", "tested_on")} for each in folds]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{file} does not tell a run's folds", hint="train the run anew") from error


def _some(names: Collection[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:5]) + (" …" if len(shown) > 5 else "")
