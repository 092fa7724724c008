"""Models that turn windows into vectors: how well a linear probe, or the names of classes alone, tell windows apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.datasets import Examples, make_examples, skipped_recordings
from physiolect.datasets.examples.splits import rows_named
from physiolect.detection import check_examples, check_store
from physiolect.errors import CheckpointError, ConfigError
from physiolect.evaluation.baselines import CONSTANT, Predictions, majority, random_weights, window_features
from physiolect.evaluation.classification import RANKS
from physiolect.evaluation.judge.trial import Trial
from physiolect.evaluation.linear_probe import fit_linear_probe
from physiolect.evaluation.measures import Measured, measure_predictions
from physiolect.evaluation.models import EvaluatedModel, place
from physiolect.evaluation.prompts import prompts_for
from physiolect.evaluation.protocol import Fold, make_folds
from physiolect.evaluation.result import EvaluationResult

_ZERO_SHOT = "zero-shot"
_RANKS = (*(f"macro {name}" for name in RANKS), *RANKS)
_RATES = ("macro sensitivity", "macro f1", "sensitivity", "specificity", "ppv", "f1", "accuracy")


@dataclass(frozen=True, eq=False)
class _Windows:
    """Labelled windows, and which of them are evaluated."""

    every: Examples
    tested: NDArray[np.int64]
    folds: list[Fold]
    """In which probes are trained, over `every`."""
    words: str
    """How they were divided."""

    @property
    def examples(self) -> Examples:
        """The windows that are evaluated."""
        return self.every.take(self.tested)


def judge_vectors(trial: Trial) -> EvaluationResult:
    """Evaluate models on windows of classes that they were not trained for.

    Raises:
        PhysiolectError: checkpoint, store and settings do not fit one another.
    """
    settings, zero_shot = trial.settings, trial.settings.protocol == _ZERO_SHOT
    task = settings.asked
    if task.scope != "window" or task.labels not in ("classes", "rhythms"):
        raise ConfigError(
            f"{settings.protocol} is for classes of windows, not for the task {task}", hint="take classify"
        )
    for model in trial.models:
        with model.named_in_errors():
            check_store(model.checkpoint, trial.store)
    windows = _label(trial, probe=not zero_shot)
    examples = windows.examples
    target = np.asarray(examples.target, np.float64)
    draws = trial.bootstrap(examples.groups)
    warnings: list[str] = []
    remarks: list[str] = []
    predictions: dict[str, Predictions] = {}
    for model in trial.models:
        with model.named_in_errors():
            checkpoint = _checked(model, windows.every)
            for held, found in zip(
                (warnings, remarks), trial.check_leakage(model, examples.groups), strict=True
            ):
                held += found
            predictions[model.name] = (
                _by_prompts(trial, checkpoint, examples)
                if zero_shot
                else _by_probe(trial, checkpoint, windows, model.path)
            )
    if settings.baselines != "none":
        if not zero_shot:
            untrained = random_weights(trial.lead, seed=settings.seed)
            predictions["random weights + linear"] = _by_probe(trial, untrained, windows, "random weights")
        predictions[CONSTANT] = majority(target)
    kept = _RANKS if zero_shot else (*_RANKS, *_RATES)
    measures = {
        name: _only(measure_predictions(examples.kind, each, target, draws, classes=examples.classes), kept)
        for name, each in predictions.items()
    }
    return trial.result(
        measures=measures, columns=kept, draws=draws, by_patient=examples.by_patient, count=len(examples),
        counted="windows",
        data=f"{len(examples):,} windows{_positives(examples, target)} of {draws.n_groups} "
        f"{'patients' if examples.by_patient else 'patients or recordings'} in {trial.store_name}",
        protocol=windows.words, warnings=tuple(warnings), remarks=tuple(remarks),
    )  # fmt: skip


def _label(trial: Trial, *, probe: bool) -> _Windows:
    """Return the labelled windows and, for a probe, the folds in which it is trained."""
    settings, lead = trial.settings, trial.lead
    shared: dict[str, Any] = {
        "stride": settings.stride, "positive": settings.positive or None, "negative": settings.negative or None,
        "labels": settings.labels, "column": settings.column,
        "classes": (settings.classes or None) if settings.asked.labels == "classes" else None,
    }  # fmt: skip
    examples = make_examples(
        trial.store, settings.asked, length=min(lead.contract.max_samples, lead.model.context_length),
        several=settings.several, max_per_episode=settings.max_per_episode, channel=trial.channel, seed=settings.seed,
        **shared,
    )  # fmt: skip
    if skipped := skipped_recordings(examples, settings.labels):
        trial.reporter.say(skipped)
    if not probe:
        kept = trial.kept(examples)
        return _Windows(
            kept,
            np.arange(len(kept)),
            [],
            "no training: windows are compared with the prompts of the classes",
        )
    if not settings.test_on:
        kept = trial.kept(examples)
        n = len(set(kept.groups))
        folds = make_folds(
            kept.groups, "k-fold", k=min(settings.k, n), seed=settings.seed, stratify_by=kept.strata
        )  # fmt: skip
        words = (
            f"probes are trained in {len(folds)} folds by patient or recording; each window is tested once"
        )
        return _Windows(kept, np.arange(len(kept)), folds, words)
    return _divided(trial, examples)


def _divided(trial: Trial, examples: Examples) -> _Windows:
    """Return the windows with one fold: those of `test_on` test, and all others that are not left out train."""
    tested = trial.kept(examples)
    places = {place: number for number, place in enumerate(examples.places)}
    test = np.array([places[place] for place in tested.places], np.int64)
    groups = np.asarray(examples.groups, dtype=object)
    out = rows_named(trial.store, trial.settings.leave_out)
    train = np.flatnonzero(~np.isin(np.arange(len(examples)), test) & ~np.isin(examples.rows, out))
    shared = sorted(set(groups[train]) & set(groups[test]))
    if shared or not len(train):
        what = (
            f"{shared[0]} would train the probe and test it"
            if shared
            else "no window is left to train the probe"
        )
        raise ConfigError(
            what, hint="name whole splits or all recordings of a patient in test_on, and leave some to train"
        )
    words = f"probes are trained on the {len(train):,} windows that are not tested"
    return _Windows(examples, test, [Fold("test", train, test)], words)


def _checked(model: EvaluatedModel, examples: Examples) -> Checkpoint:
    if model.is_cross_validated or model.checkpoint.reads_beats:
        raise CheckpointError(
            "it is a cross-validated run, or reads heartbeats",
            hint="name one checkpoint that reads windows of signal",
        )
    check_examples(model.checkpoint, examples)
    return model.checkpoint


def _by_probe(trial: Trial, checkpoint: Checkpoint, windows: _Windows, name: str) -> Predictions:
    every = windows.every
    tell = trial.reporter.progress(f"windows of {name}")
    features = window_features(
        place(checkpoint, trial.device), every, batch_size=trial.settings.batch_size, on_window=tell
    )
    target = np.asarray(every.target, np.float64)
    found = fit_linear_probe(features, target, windows.folds, every.groups, seed=trial.settings.seed)
    return Predictions(found.score[windows.tested], note=found.note)


def _by_prompts(trial: Trial, checkpoint: Checkpoint, examples: Examples) -> Predictions:
    """Return how near each window lies to the words of each class: cosines, moved to [0, 1]."""
    if checkpoint.text is None:
        raise CheckpointError(
            "the checkpoint did not learn from texts, and cannot tell classes by their names",
            hint="pre-train with --objective contrastive or merl, or take the protocol linear-probe",
        )
    settings = trial.settings
    binary = examples.kind == "binary"
    names = [examples.classes[0], *(settings.negative[:1] or ("N",))] if binary else list(examples.classes)
    prompts = prompts_for(names, settings.prompts)
    vectors = _class_vectors(checkpoint.text.open(settings.text_tower).vectors, list(prompts.values()))
    signals = _signal_vectors(trial, checkpoint, examples)
    cosines = signals @ vectors.T  # (n, K)
    score = (1 + (cosines[:, 0] - cosines[:, 1]) / 2) / 2 if binary else (1 + cosines) / 2
    note = "cosine of signal and prompt; no threshold is chosen"
    return Predictions(score.astype(np.float64), probability=False, note=note)


def _class_vectors(
    vectors: Callable[[Sequence[str]], Any], prompts: Sequence[Sequence[str]]
) -> NDArray[np.float32]:
    """Return a vector of length 1 for each class: the mean of those of its wordings."""
    found = np.stack([vectors([text.lower() for text in texts]).cpu().numpy().mean(0) for texts in prompts])
    unit: NDArray[np.float32] = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit


def _signal_vectors(trial: Trial, checkpoint: Checkpoint, examples: Examples) -> NDArray[np.float32]:
    placed, tell = place(checkpoint, trial.device), trial.reporter.progress("windows")
    parts = []
    for first in range(0, len(examples), trial.settings.batch_size):
        index = np.arange(first, min(first + trial.settings.batch_size, len(examples)))
        parts.append(placed.predict(placed.encode(examples.windows(index))[0]))
        tell(int(index[-1]) + 1, len(examples))
    found = np.concatenate(parts)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), np.finfo(np.float32).tiny)


def _only(measured: Measured, kept: Sequence[str]) -> Measured:
    """Return measures without those that need a threshold, or probabilities, that nothing decided."""
    overall = {name: each for name, each in measured.overall.items() if name in kept}
    per_class = {
        of: {name: each for name, each in found.items() if name in kept}
        for of, found in measured.per_class.items()
    }
    return replace(measured, overall=overall, per_class=per_class)


def _positives(examples: Examples, target: NDArray[np.float64]) -> str:
    counts = target.reshape(len(target), -1).sum(0).astype(int).tolist()
    return f" ({', '.join(f'{n} {name}' for n, name in zip(counts, examples.classes, strict=False))})"
