"""One class of several at positions: heartbeats, beat by beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Run
from physiolect.datasets.examples.beat_examples import BeatExamples
from physiolect.datasets.examples.beat_table import NOTHING
from physiolect.datasets.examples.labels import rhythm_episodes
from physiolect.datasets.examples.splits import row_groups, rows_named
from physiolect.evaluation.baselines.heartbeats import (
    HEARTBEAT_BASELINES,
    RR_FOREST,
    heartbeat_baselines,
    missing_groups,
)
from physiolect.evaluation.heartbeats import confusion, measure_heartbeats
from physiolect.evaluation.judge.trial import Trial
from physiolect.evaluation.judge.windows import label, predictor
from physiolect.evaluation.models import MODEL
from physiolect.evaluation.protocol import Fold, make_folds
from physiolect.evaluation.result import EvaluationResult
from physiolect.plots import confusion_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = (
    "macro f1", "macro sensitivity", "macro ppv", "accuracy", "sensitivity", "ppv", "f1",
)  # fmt: skip
_FIBRILLATING = ("AFIB", "AFL", "AF")


def judge_heartbeats(trial: Trial) -> EvaluationResult:
    """Evaluate models that sort heartbeats into classes.

    Raises:
        PhysiolectError: checkpoint, store and settings do not fit one another.
    """
    examples = label(trial, trial.lead)
    assert isinstance(examples, BeatExamples)
    every = np.arange(len(examples))
    numbers, value = examples.beat_numbers(every), examples.beat_values(every)
    asked = numbers != NOTHING
    beats, truth = numbers[asked], value[asked]
    group_of = dict(zip(examples.rows.tolist(), examples.groups, strict=True))
    rows = examples.table.row[beats]
    draws = trial.bootstrap([group_of[row] for row in rows.tolist()])
    decided, warnings, remarks = _decide(trial, examples, asked)
    compared, protocol = _baselines(trial, examples, beats)
    decided |= compared
    parts = _parts(trial, examples, beats, rows)
    classes = examples.classes
    counts = np.bincount(truth, minlength=len(classes))
    listed = ", ".join(f"{count:,} {name}" for name, count in zip(classes, counts, strict=True))
    n_other = int((examples.table.value[np.isin(examples.table.row, np.unique(rows))] == NOTHING).sum())
    if n_other:
        remarks.append(f"{n_other:,} beats of other classes are not counted.")
    return trial.result(
        measures={name: measure_heartbeats(truth, each, classes, draws) for name, each in decided.items()},
        parts={
            part: {
                name: measure_heartbeats(truth, each, classes, draws, counted=counted)
                for name, each in decided.items()
            }
            for part, counted in parts.items()
        },
        columns=_COLUMNS, draws=draws, by_patient=examples.by_patient, count=len(beats), counted="beats",
        data=f"{len(beats):,} beats ({listed}) of {len(set(rows.tolist()))} records in {trial.store_name}",
        protocol=protocol, warnings=tuple(warnings), remarks=tuple(remarks),
        each=_each_record(trial, rows, truth, decided, len(classes)),
        draw=lambda: _figures(trial, truth, decided[MODEL], classes),
    )  # fmt: skip


def _decide(
    trial: Trial, examples: BeatExamples, asked: NDArray[np.bool_]
) -> tuple[dict[str, NDArray[np.int64]], list[str], list[str]]:
    """Return each model's decisions about the beats that are asked for, with warnings and notes about training."""
    found: dict[str, NDArray[np.int64]] = {}
    warnings: list[str] = []
    notes: list[str] = []
    for model in trial.models:
        with model.named_in_errors():
            predict = predictor(trial, model, examples)
            leaks, unrecorded = trial.check_leakage(model, examples.groups)
            warnings += leaks
            notes += unrecorded
            found[model.name] = np.asarray(predict())[:, : asked.shape[1]][asked].argmax(-1)
    return found, warnings, notes


def _baselines(
    trial: Trial, examples: BeatExamples, beats: NDArray[np.int64]
) -> tuple[dict[str, NDArray[np.int64]], str]:
    """Return what baselines decide about the beats that are asked for, and how they were trained.

    They train on the patients that trained the model, as far as the store has them and they are not evaluated;
    otherwise in folds of the evaluated patients.
    """
    settings, table = trial.settings, examples.table
    if settings.baselines == "none":
        return {}, "none"
    if missing := missing_groups(examples.tokenizer):
        return {}, f"none: the model's beats are described without {', '.join(missing)}"
    owners = row_groups(trial.store)
    used = Run.of(trial.models[0].checkpoint.run).used - set(examples.groups)
    mine = np.array([owner in used for owner in owners], np.bool_)
    train = np.flatnonzero(mine[table.row] & (table.value != NOTHING))
    if len(train):
        folds = [Fold("given", train, beats)]
        protocol = (
            "given: baselines are trained on the model's training patients, without those that are evaluated"
        )
    else:
        groups = [owners[row] for row in table.row[beats].tolist()]
        n = len(set(groups))
        if n < 2:
            return {}, "none: all beats are of one patient or recording"
        k = min(settings.k, n)
        drawn = make_folds(groups, "k-fold", k=k, seed=settings.seed, stratify_by=table.value[beats])
        folds = [Fold(each.name, beats[each.train], beats[each.test]) for each in drawn]
        protocol = f"k-fold, {k} folds by patient: each is predicted by baselines trained on the others"
    names = [each for each in HEARTBEAT_BASELINES if settings.baselines == "all" or each == RR_FOREST]
    found = heartbeat_baselines(
        table.features, table.value, folds, examples.tokenizer, len(examples.classes), names=names, seed=settings.seed,
        threads=settings.threads, device=trial.device, on_baseline=trial.reporter.progress("baselines trained"),
    )  # fmt: skip
    return {name: each[beats] for name, each in found.items()}, protocol


def _parts(
    trial: Trial, examples: BeatExamples, beats: NDArray[np.int64], rows: NDArray[np.int64]
) -> dict[str, NDArray[np.bool_]]:
    """Return which beats are counted in the figures of a part: without some recordings, and by rhythm."""
    found = {
        f"without {name}": ~np.isin(rows, rows_named(trial.store, [name])) for name in trial.settings.without
    }
    fibrillating = np.zeros(len(beats), np.bool_)
    known = False
    samples = examples.table.samples[beats]
    for row in np.unique(rows).tolist():
        mine = rows == row
        length = int(trial.store.lengths[row])
        for begin, end, name in rhythm_episodes(trial.store.annotations(row), length):
            known = True
            if name in _FIBRILLATING:
                fibrillating[mine] |= (samples[mine] >= begin) & (samples[mine] < end)
    if known and fibrillating.any():
        found["in atrial fibrillation or flutter"] = fibrillating
        found["in other rhythms"] = ~fibrillating
    return found


def _each_record(
    trial: Trial,
    rows: NDArray[np.int64],
    truth: NDArray[np.int64],
    decided: Mapping[str, NDArray[np.int64]],
    n: int,
) -> dict[str, Any]:
    """Return of each model and record how many beats of each class were decided to be of each."""
    return {
        name: [
            {
                "record": trial.store.sources[row],
                "confusion": confusion(truth[rows == row], each[rows == row], n).tolist(),
            }
            for row in np.unique(rows).tolist()
        ]
        for name, each in decided.items()
    }


def _figures(
    trial: Trial, truth: NDArray[np.int64], decided: NDArray[np.int64], classes: tuple[str, ...]
) -> dict[str, Figure]:
    title = f"{trial.titles[MODEL]}: heartbeats"
    return {"confusion": confusion_figure(confusion(truth, decided, len(classes)), classes, title=title)}
