"""Leakage: patients or recordings that a model was trained on, or chosen by, and is now tested on."""

from __future__ import annotations

from collections.abc import Collection

from physiolect.evaluation.cross_validated import CrossValidatedRun
from physiolect.evaluation.models import EvaluatedModel

_BASE = "fine-tuned from a checkpoint that was trained on"


def find_leaks(model: EvaluatedModel, groups: Collection[str], digest: str) -> list[str]:
    """Return a warning for each way in which a model used the patients that it is tested on.

    Patients are known by name alone: patients of the same name in two stores count as the same patient.

    Args:
        model: the model.
        groups: patients, or recordings without a patient, that it is tested on.
        digest: of the store.
    """
    if isinstance(model.source, CrossValidatedRun):
        return _leaks_of_folds(model.source)
    run = model.source
    tested = set(groups)
    found = []
    for used, what, store in (
        (run.trained_on, "trained on", run.store_sha256),
        (run.validated_on, "chosen by", run.store_sha256),
        (run.base_trained_on, _BASE, run.base.store_sha256 if run.base else None),
    ):
        shared = tested & set(used)
        if shared:
            same = "" if store == digest else ", by the names of another store"
            found.append(
                f"leakage: {model.path} was {what} {len(shared)} of the {len(tested)} patients or recordings it is "
                f"tested on{same} ({_first(shared)}): the figures say little about new patients"
            )
    if not found and run.store_sha256 == digest and not run.records_patients:
        found.append(
            f"leakage: {model.path} was trained on this store, and does not record on which patients"
        )
    return found


def unrecorded_training(model: EvaluatedModel) -> list[str]:
    """Return a note where a model, or a fold's model, does not record which patients it was trained on."""
    source = model.source
    runs = [fold.run for fold in source.folds] if isinstance(source, CrossValidatedRun) else [source]
    if all(run.records_patients for run in runs):
        return []
    return [f"{model.path} does not record which patients it was trained on: leakage cannot be checked."]


def _leaks_of_folds(run: CrossValidatedRun) -> list[str]:
    found = []
    for fold in run.folds:
        used = {*fold.run.trained_on, *fold.run.validated_on}
        for names, what in ((used, "trained on"), (set(fold.run.base_trained_on), _BASE)):
            shared = names & set(fold.tested_on)
            if shared:
                found.append(
                    f"leakage: fold {fold.name} of {run.path} was {what} patients or recordings it is tested on: "
                    f"{_first(shared)}"
                )
    return found


def _first(names: Collection[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:5]) + (" …" if len(shown) > 5 else "")
