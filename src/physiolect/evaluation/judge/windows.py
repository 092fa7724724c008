"""Whole windows: models and baselines predict them, and all are measured on the same resamples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.datasets import Examples, make_examples, skipped_recordings
from physiolect.datasets.examples.beat_examples import make_beat_examples
from physiolect.detection import check_window_task, check_windows, predict_windows
from physiolect.errors import ConfigError
from physiolect.evaluation.baselines import (
    CONSTANT,
    Predictions,
    boosting,
    channel_means,
    choose_detector,
    linear_probe,
    majority,
    measured_features,
    random_weights,
    rr_regression,
    rr_rule,
    window_beats,
    window_features,
)
from physiolect.evaluation.beat_context import beat_finder, rhythm_finder
from physiolect.evaluation.bootstrap import Bootstrap
from physiolect.evaluation.cross_validated import CrossValidatedRun
from physiolect.evaluation.judge.trial import Trial
from physiolect.evaluation.measures import Measured, measure_predictions
from physiolect.evaluation.models import MODEL, EvaluatedModel, place
from physiolect.evaluation.protocol import Fold
from physiolect.evaluation.result import EvaluationResult
from physiolect.recording import LEADS, canonical_channel

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class JudgedWindows:
    """Windows, what was predicted for them, and how good that is: what figures are made of."""

    trial: Trial
    examples: Examples
    target: NDArray[np.float64]
    """(n,), or (n, classes)."""
    draws: Bootstrap
    predictions: Mapping[str, Predictions]
    """Of models and baselines."""
    measures: Mapping[str, Measured]

    @property
    def of(self) -> str:
        """What a group is, in the singular."""
        return "patient" if self.examples.by_patient else "patient or recording"


@dataclass(frozen=True)
class WindowJudge:
    """What differs between the kinds of answers about whole windows."""

    columns: tuple[str, ...]
    """Measures in the order of the table."""
    draw: Callable[[JudgedWindows], dict[str, Figure]]
    """Makes the figures."""
    count: Callable[[Examples, NDArray[np.float64]], str] = lambda examples, target: ""
    """What to add to the number of windows: " (48 AFIB)"."""
    by_intervals: bool = False
    """Whether intervals between beats make baselines."""
    by_measurements: bool = False
    """Whether measurements of the twelve standard leads make a baseline."""
    by_threshold: bool = False
    """Whether the setting `threshold` decides."""

    def __call__(self, trial: Trial) -> EvaluationResult:
        """Evaluate models on windows.

        Raises:
            PhysiolectError: checkpoint, store and settings do not fit one another.
        """
        settings, lead = trial.settings, trial.lead
        examples = label(trial, lead)
        target = np.asarray(examples.target, np.float64)
        draws = trial.bootstrap(examples.groups)
        warnings: list[str] = []
        remarks = trial.rows_remark
        predictors: dict[str, Callable[[], NDArray[np.floating]]] = {}
        for model in trial.models:
            with model.named_in_errors():
                predictors[model.name] = predictor(trial, model, examples)
                for held, found in zip(
                    (warnings, remarks), trial.check_leakage(model, examples.groups), strict=True
                ):
                    held += found
        if lead.reads_beats:
            where = f"{settings.beats} finds them" if settings.beats else "the store's marks say"
            remarks.append(f"Heartbeats are where {where}.")
        remarks += _absent_classes(examples, target)
        folds, protocol = trial.make_folds(examples)
        detector = None
        if folds and self.by_intervals:
            detector = choose_detector(lead.contract.modality, settings.detector)
        predictions = {
            name: Predictions(np.asarray(predict(), np.float64)) for name, predict in predictors.items()
        }
        if self.by_threshold and settings.threshold != 0.5:
            predictions = {
                name: Predictions(each.score, decided=each.score >= settings.threshold)
                for name, each in predictions.items()
            }
        if folds:
            baselines = _baselines(
                trial, lead, examples, target, folds, detector, measured=self.by_measurements
            )
            predictions |= baselines
            learned = any(name != CONSTANT for name in baselines)
            remarks += ["Baselines' folds are pooled."] if learned else []
            protocol = _describe_training(protocol, learned=learned)
        measures = {
            name: measure_predictions(examples.kind, each, target, draws, classes=examples.classes)
            for name, each in predictions.items()
        }
        judged = JudgedWindows(trial, examples, target, draws, predictions, measures)
        return trial.result(
            measures=measures, columns=self.columns, draws=draws, by_patient=examples.by_patient,
            count=len(examples), counted="windows",
            data=f"{len(examples):,} windows{self.count(examples, target)} of {draws.n_groups} {_groups(examples)} "
            f"in {trial.store_name}",
            protocol=protocol, warnings=tuple(warnings), remarks=tuple(remarks),
            each=_each_group(predictions[MODEL], target, examples), draw=lambda: self.draw(judged),
        )  # fmt: skip


def label(trial: Trial, lead: Checkpoint) -> Examples:
    """Return the labelled windows that are evaluated; what is labelled depends on the classes of the model.

    Raises:
        ConfigError: nothing is labelled, or nothing is left of it; see `make_examples` and `make_beat_examples`.
        CheckpointError: the model is for another task.
    """
    settings, task = trial.settings, trial.settings.asked
    with trial.models[0].named_in_errors():
        check_window_task(lead, task)
    shared: dict[str, Any] = {
        "stride": settings.stride, "positive": settings.positive or None, "negative": settings.negative or None,
        "labels": settings.labels, "column": settings.column,
        "classes": lead.outputs.classes if task.labels in ("classes", "heartbeats") else None,
    }  # fmt: skip
    if lead.reads_beats:
        return trial.kept(_label_beats(trial, lead, shared))
    if settings.beats or settings.rhythm:
        raise ConfigError(
            "beats and rhythm are for models that read heartbeats, but this one reads windows of signal",
            hint="leave beats and rhythm out",
        )
    examples = make_examples(
        trial.store,
        task,
        length=min(lead.contract.max_samples, lead.model.context_length),
        several=lead.outputs.several,
        absent=True,
        max_per_episode=settings.max_per_episode,
        channel=trial.channel,
        seed=settings.seed,
        **shared,
    )
    skipped = skipped_recordings(examples, settings.labels)
    if skipped:
        trial.reporter.say(skipped)
    return trial.kept(examples)


def _label_beats(trial: Trial, lead: Checkpoint, shared: dict[str, Any]) -> Examples:
    settings = trial.settings
    if "rhythm" in lead.beats.places and not settings.rhythm:
        raise ConfigError(
            "the model was trained with the probability of a rhythm around each beat, and nothing gives it",
            hint="give the rhythm checkpoint, or its cross-validated run: rhythm=, --rhythm",
        )
    return make_beat_examples(
        trial.store,
        settings.asked,
        replace(lead.beats, mean=(), sd=()),
        context=lead.model.context_length,
        length=lead.contract.max_samples,
        channel=settings.chosen_channel,
        find_beats=beat_finder(settings.beats) if settings.beats else None,
        find_rhythm=rhythm_finder(settings.rhythm, trial.store) if settings.rhythm else None,
        use_marks=not settings.beats or settings.asked.scope == "position",
        tell=trial.reporter.progress("recordings whose heartbeats are described"),
        **shared,
    )


def predictor(trial: Trial, model: EvaluatedModel, examples: Examples) -> Callable[[], NDArray[np.floating]]:
    """Return what predicts the windows when it is called; all that can be refused is refused before."""
    if isinstance(model.source, CrossValidatedRun):
        held = model.source.predictions(examples)
        return lambda: held
    check_windows(model.checkpoint, examples)

    def predict() -> NDArray[np.floating]:
        return predict_windows(
            place(model.checkpoint, trial.device),
            examples,
            batch_size=trial.settings.batch_size,
            on_window=trial.reporter.progress(f"windows of {model.path}"),
        )

    return predict


def _baselines(
    trial: Trial,
    lead: Checkpoint,
    examples: Examples,
    target: NDArray[np.float64],
    folds: list[Fold],
    detector: str | None,
    *,
    measured: bool,
) -> dict[str, Predictions]:
    settings, reporter = trial.settings, trial.reporter
    found: dict[str, Predictions] = {}
    if settings.baselines == "all" and not lead.reads_beats:
        probed = {"random weights + linear": random_weights(lead, seed=settings.seed)}
        if not trial.models[
            0
        ].is_cross_validated:  # a fold's features were trained on patients of other folds
            probed = {"its features + linear": lead, **probed}
        for name, model in probed.items():
            tell = reporter.progress(f"windows of {name}")
            features = window_features(model, examples, batch_size=settings.batch_size, on_window=tell)
            found[name] = linear_probe(features, target, folds, kind=examples.kind)
    if measured and settings.baselines == "all" and _has_twelve_leads(lead):
        tell = reporter.progress("windows that are measured")
        values = measured_features(examples, on_window=tell)
        found["boosting on measurements"] = boosting(values, target, folds, kind=examples.kind)
    if lead.model.streams:
        means = channel_means(examples)
        found["channels' means + linear"] = linear_probe(means, target, folds, kind=examples.kind)
    if detector:
        beats = window_beats(
            examples, detector, on_row=reporter.progress(f"rows searched for beats by {detector}")
        )
        found[f"RR regression ({detector})"] = rr_regression(beats, target, folds)
        found[f"RR rule ({detector})"] = rr_rule(beats, target, folds)
    found[CONSTANT] = majority(target)
    return found


def _absent_classes(examples: Examples, target: NDArray[np.float64]) -> list[str]:
    """Return a sentence on classes that no evaluated window has."""
    if examples.kind not in ("one-of", "several"):
        return []
    absent = [name for name, n in zip(examples.classes, target.sum(0), strict=True) if not n]
    if not absent:
        return []
    return [f"No window is of class {', '.join(absent)}: its AUROC and the macro AUROC do not exist."]


def _has_twelve_leads(lead: Checkpoint) -> bool:
    return set(LEADS) <= set(map(canonical_channel, lead.contract.channels))


def _describe_training(protocol: str, *, learned: bool) -> str:
    if not learned:
        return f"'{CONSTANT}' alone, the mean of the evaluated windows themselves"
    return f"{protocol}; but '{CONSTANT}' is the mean of the evaluated windows themselves"


def _groups(examples: Examples) -> str:
    return "patients" if examples.by_patient else "patients or recordings"


def _each_group(
    predictions: Predictions, target: NDArray[np.float64], examples: Examples
) -> dict[str, dict[str, Any]]:
    """Return the number of windows of each group, with their mean target and mean score."""
    groups = np.asarray(examples.groups)
    found = {}
    for group in dict.fromkeys(examples.groups):
        mine = groups == group
        score, truth = predictions.score[mine].mean(0), target[mine].mean(0)
        found[group] = {
            "windows": int(mine.sum()), "mean_target": truth.tolist(), "mean_score": score.tolist()
        }  # fmt: skip
    return found
