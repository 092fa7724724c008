"""What `evaluate` puts together: models, baselines and figures, task by task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint, load_checkpoint
from physiolect.commands.evaluate.models import MODEL, OTHER, blaming, lead_of, named_of, placed, titles_of
from physiolect.commands.evaluate.runs import (
    is_cross_validated,
    judged_by_run,
    leaks,
    models_of_rows,
    untold,
)
from physiolect.commands.terminal import progress, say
from physiolect.datasets import Examples, Store, make_examples, skipped_recordings
from physiolect.datasets.examples.labels import beat_samples
from physiolect.datasets.examples.splits import row_groups
from physiolect.detection import (
    check_task,
    check_window_task,
    check_windows,
    detect_beats,
    lay_out,
    predict_windows,
)
from physiolect.errors import ConfigError
from physiolect.evaluation import (
    BeatMatch,
    Bootstrap,
    Fold,
    Measured,
    make_folds,
    match_beats,
    measure_beats,
    measure_predictions,
)
from physiolect.evaluation.baselines import (
    CONSTANT,
    DETECTORS,
    Predictions,
    check_detector,
    find_pulses,
    linear_probe,
    majority,
    random_weights,
    rr_regression,
    rr_rule,
    window_beats,
    window_features,
)
from physiolect.tasks import TASKS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from physiolect.commands.evaluate import Config


@dataclass(frozen=True, eq=False)
class Evaluated:
    """All that was measured."""

    rows: Mapping[str, Measured]
    """The model first, then what it was compared with, then baselines."""
    columns: Sequence[str]
    """Measures in the order of the table."""
    draws: Bootstrap
    by_patient: bool
    n: int
    what: str
    """What there are n of."""
    said_of: str
    """On what, in a line."""
    protocol: str
    """Who trained the baselines."""
    warnings: Sequence[str] = ()
    words: Sequence[str] = ()
    each: Mapping[str, Any] = field(default_factory=dict)
    """Numbers of each patient or record."""
    figures: Mapping[str, Figure] = field(default_factory=dict)


def judge(config: Config, store: Store) -> Evaluated:
    """Evaluate by the task.

    Raises:
        PhysiolectError: checkpoint, store and settings do not fit one another.
    """
    if config.task == "beats":
        return _beats(config, store)
    if config.task == "forecast":
        from physiolect.commands.evaluate.forecasts import judge_forecasts

        return judge_forecasts(config, store)
    return _windows(config, store)


def _windows(config: Config, store: Store) -> Evaluated:
    """Evaluate a rhythm, classes or numbers."""
    from physiolect.commands.evaluate.figures import window_figures

    lead = lead_of(config)
    with blaming(config, MODEL):  # what is labelled for it depends on its classes
        check_window_task(lead, TASKS[config.task])
    examples = _examples(config, store, lead)
    if skipped := skipped_recordings(examples, config.labels):
        say(skipped)
    target = np.asarray(examples.target, np.float64)
    draws = Bootstrap(examples.groups, n_resamples=config.resamples, seed=config.seed)
    scores: dict[str, Callable[[], NDArray[np.floating]]] = {}
    warnings: list[str] = []
    words: list[str] = []
    for name, path in named_of(config).items():
        with blaming(config, name):
            scores[name] = _window_scores(config, path, examples)
            warnings += leaks(path, examples.groups, store.digest)
            words += untold(path)
    folds, protocol = folds_of(config, examples)
    detector = _detector(config, lead) if folds and config.task == "rhythm" else None
    said = {name: Predictions(np.asarray(judge(), np.float64)) for name, judge in scores.items()}
    if folds:
        said |= _window_baselines(config, lead, examples, target, folds, detector)
        words, protocol = [*words, *_fold_words(said)], _who_trained(said, protocol)
    for name in (MODEL, OTHER):
        if name in said and config.task == "rhythm" and config.threshold != 0.5:
            said[name] = Predictions(said[name].score, decided=said[name].score >= config.threshold)
    rows = {
        name: measure_predictions(
            config.task, each, target, draws, classes=examples.classes, several=examples.several
        )
        for name, each in said.items()
    }
    columns = {
        "rhythm": ("auroc", "auprc", "sensitivity", "specificity", "ppv", "f1", "accuracy", "ece", "brier"),
        "classify": (
            "macro auroc", "macro auprc", "macro sensitivity", "macro f1", "macro ece", "auroc", "auprc", "sensitivity",
            "specificity", "ppv", "f1", "accuracy", "ece", "brier",
        ),
        "regress": ("mae", "rmse", "bias", "r2", "r"),
    }[config.task]  # fmt: skip
    positive = f" ({int(target.sum())} {examples.classes[0]})" if config.task == "rhythm" else ""
    of = "patients" if examples.by_patient else "patients or recordings"
    return Evaluated(
        rows, columns, draws, examples.by_patient, len(examples), "windows",
        f"{len(examples):,} windows{positive} of {draws.n_groups} {of} in {config.store}", protocol, warnings,
        words, _each_group(said[MODEL], target, examples),
        window_figures(config, examples, target, draws, said, rows, unit=lead.outputs.unit),
    )  # fmt: skip


def _learnt(said: Mapping[str, Predictions]) -> bool:
    return any(name not in (MODEL, OTHER, CONSTANT) for name in said)


def _fold_words(said: Mapping[str, Predictions]) -> list[str]:
    return ["Baselines' folds are pooled."] if _learnt(said) else []


def _who_trained(said: Mapping[str, Predictions], protocol: str) -> str:
    if not _learnt(said):
        return f"'{CONSTANT}' alone, the mean of the judged windows themselves"
    return f"{protocol}; but '{CONSTANT}' is the mean of the judged windows themselves"


def _window_baselines(
    config: Config,
    lead: Checkpoint,
    examples: Examples,
    target: NDArray[np.float64],
    folds: list[Fold],
    detector: str | None,
) -> dict[str, Predictions]:
    kind = "binary"
    if config.task != "rhythm":
        kind = "number" if config.task == "regress" else "several" if examples.several else "one-of"
    said: dict[str, Predictions] = {}
    if config.baselines == "all":
        probed = {"random weights + linear": random_weights(lead, seed=config.seed)}
        if not is_cross_validated(config.checkpoint):  # a fold's features have seen whom other folds test
            probed = {"its features + linear": lead, **probed}
        for name, model in probed.items():
            with progress(f"windows of {name}") as tell:
                features = window_features(model, examples, batch_size=config.batch_size, on_window=tell)
            said[name] = linear_probe(features, target, folds, kind=kind)
    if detector:
        with progress(f"rows searched for beats by {detector}") as tell:
            beats = window_beats(examples, detector, on_row=tell)
        said[f"RR regression ({detector})"] = rr_regression(beats, target, folds)
        said[f"RR rule ({detector})"] = rr_rule(beats, target, folds)
    said[CONSTANT] = majority(target)
    return said


def _beats(config: Config, store: Store) -> Evaluated:
    """Evaluate beats in whole rows."""
    from physiolect.commands.evaluate.figures import beat_figures

    groups, patients = row_groups(store), store.patients
    rows = [row for row in range(len(store)) if len(beat_samples(store.annotations(row)))]
    if not rows:
        raise ConfigError(
            f"no row of {store.path} has marks of beats", hint="prepare recordings with beat annotations"
        )
    finders, warnings, untold_of = _finders(config, store, groups, rows)
    words = [
        "Counts are added over records; 'mean' is over records. Ends of records as EC57: docs/evaluation.md."
    ]
    found: dict[str, list[BeatMatch]] = {name: [] for name in finders}
    with progress("records searched for beats") as tell:
        for done, row in enumerate(rows):
            seconds = int(store.lengths[row]) / store.contract.fs
            truth = beat_samples(store.annotations(row)) / store.contract.fs
            for name, find in finders.items():
                found[name].append(match_beats(truth, find(row), duration=seconds, skip=config.skip))
            tell(done + 1, len(rows))
    draws = Bootstrap([groups[row] for row in rows], n_resamples=config.resamples, seed=config.seed)
    measured = {name: Measured(measure_beats(each, draws)) for name, each in found.items()}
    by_patient = all(patients[row] is not None for row in rows)
    names = [f"{store.sources[row]}" for row in rows]
    n_beats = sum(each.right + each.missed for each in found[MODEL])
    columns = (
        "sensitivity", "ppv", "f1", "mean sensitivity", "mean ppv", "mean f1", "timing_mean_ms", "timing_sd_ms",
        "timing_median_abs_ms",
    )  # fmt: skip
    return Evaluated(
        measured, columns, draws, by_patient, len(rows), "records",
        f"{n_beats:,} reference beats of {len(rows)} records in {config.store}; 150 ms tolerance, the first "
        f"{config.skip:g} s not judged",
        "a library's detector, which learns nothing from labels", warnings,
        [*words, *untold_of],
        {
            name: [{"record": record, **match.to_dict()} for record, match in zip(names, each, strict=True)]
            for name, each in found.items()
        },
        beat_figures(names, found, titles_of(config)),
    )  # fmt: skip


def _finders(
    config: Config, store: Store, groups: Sequence[str], rows: Sequence[int]
) -> tuple[dict[str, Callable[[int], NDArray[np.float64]]], list[str], list[str]]:
    """Return what finds the beats of a row, by name, with warnings and words of whom the models have seen."""
    finders: dict[str, Callable[[int], NDArray[np.float64]]] = {}
    warnings: list[str] = []
    words: list[str] = []
    lead = None
    for name, path in named_of(config).items():
        with blaming(config, name):
            models = models_of_rows(path, groups, rows)
            _check_rows(config, models, store)
            warnings += leaks(path, [groups[row] for row in rows], store.digest)
            words += untold(path)
        lead = lead or models[rows[0]]
        finders[name] = lambda row, models=models: (
            detect_beats(
                placed(models[row], config),
                store.recording(row),
                channel=config.channel,
                batch_size=config.batch_size,
            ).times
        )  # type: ignore[misc]
    assert lead is not None
    if config.baselines != "none":
        detector = _detector(config, lead)
        finders[detector] = lambda row: _pulses(store, row, config.channel, detector)
    return finders, warnings, words


def _check_rows(config: Config, models: Mapping[int, Checkpoint], store: Store) -> None:
    """Refuse a model that finds no beats, or rows that are not as it wants them, before the first is searched."""
    for row, model in models.items():
        check_task(model, TASKS["beats"])
        lay_out(store.recording(row), model.contract, config.channel)


def _window_scores(config: Config, path: str, examples: Examples) -> Callable[[], NDArray[np.floating]]:
    """Return what judges the windows when it is called; whatever can be refused is refused before."""
    if is_cross_validated(path):
        held = judged_by_run(path, examples)
        return lambda: held
    checkpoint = load_checkpoint(path)
    check_windows(checkpoint, examples)

    def judge() -> NDArray[np.floating]:
        with progress(f"windows of {path}") as tell:
            return predict_windows(
                placed(checkpoint, config), examples, batch_size=config.batch_size, on_window=tell
            )

    return judge


def _examples(config: Config, store: Store, lead: Checkpoint) -> Examples:
    assert config.task != "forecast"
    return make_examples(
        store,
        config.task,
        length=min(lead.contract.max_samples, lead.model.context_length),
        stride=config.stride,
        positive=config.positive or None,
        negative=config.negative or None,
        labels=config.labels,
        column=config.column,
        classes=lead.outputs.classes if config.task == "classify" else None,
        several=lead.outputs.several,
        max_per_episode=config.max_per_episode,
        channel=channel_of(config),
        seed=config.seed,
    )


def folds_of(config: Config, examples: Examples) -> tuple[list[Fold], str]:
    """Return who trains baselines, and that in words."""
    if config.baselines == "none":
        return [], "none"
    n = len(set(examples.groups))
    if n < 2:
        return [], "none: all windows are of one patient or recording"
    parts = examples.store.splits
    folds = make_folds(
        examples.groups, config.protocol, k=min(config.k, n), seed=config.seed, stratify_by=examples.strata,
        given=[parts[row] for row in examples.rows.tolist()] if config.protocol == "given" else None,
    )  # fmt: skip
    judged = sum(len(fold.test) for fold in folds)
    if judged < len(examples):
        raise ConfigError(
            f"{len(examples) - judged} windows are of no given part, and no baseline can judge them",
            hint="prepare the store with --split, or take k-fold",
        )
    by = "patient" if examples.by_patient else "patient or recording"
    return (
        folds,
        f"{config.protocol}, {len(folds)} folds by {by}; each judged by what was trained on the others",
    )


def _detector(config: Config, lead: Checkpoint) -> str:
    modality = lead.contract.modality or "ecg"
    name = config.detector or ("elgendi" if modality == "ppg" else "xqrs")
    if name in DETECTORS and DETECTORS[name][0] != modality:
        raise ConfigError(
            f"{name} finds beats in {DETECTORS[name][0]}, but the model reads {modality}",
            hint=f"take {', '.join(key for key, (kind, _) in DETECTORS.items() if kind == modality)}",
        )
    check_detector(name)
    return name


def channel_of(config: Config) -> str | int | None:
    """Return the channel by name or number."""
    return int(config.channel) if config.channel and config.channel.isdecimal() else config.channel


def _pulses(store: Store, row: int, channel: str | None, detector: str) -> NDArray[np.float64]:
    from physiolect.contract import select_channels

    signal = select_channels(store.recording(row), store.contract, channel).signal[0]
    return find_pulses(signal, store.contract.fs, detector) / store.contract.fs


def _each_group(said: Predictions, target: NDArray[np.float64], examples: Examples) -> dict[str, Any]:
    """Return how many windows of each group there are, and what was said of them."""
    groups = np.asarray(examples.groups)
    found = {}
    for group in dict.fromkeys(examples.groups):
        mine = groups == group
        score, truth = said.score[mine].mean(0), target[mine].mean(0)
        found[group] = {
            "windows": int(mine.sum()), "mean_target": truth.tolist(), "mean_score": score.tolist()
        }  # fmt: skip
    return found
