"""One call evaluates a model on a store, beside baselines, with intervals by patient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from physiolect.checkpoint import Checkpoint
from physiolect.config import as_names
from physiolect.datasets import Store, open_store
from physiolect.errors import CheckpointError, ConfigError, check_option
from physiolect.evaluation.judge import JUDGES, Trial
from physiolect.evaluation.judge.vectors import judge_vectors
from physiolect.evaluation.models import left_in_place, load_models
from physiolect.evaluation.result import EvaluationResult
from physiolect.evaluation.settings import Baselines, EvaluationProtocol, EvaluationSettings, OfVectors
from physiolect.events import Listener, Reporter
from physiolect.tasks import TASKS, TaskName, find_task


def evaluate(
    store: str | Path | Store,
    checkpoint: str | Path | Checkpoint,
    *,
    task: TaskName,
    compare: str | Path | Checkpoint | None = None,
    baselines: Baselines = "all",
    protocol: EvaluationProtocol = "k-fold",
    k: int = 5,
    labels: str | None = None,
    column: str | None = None,
    classes: str | Sequence[str] = (),
    several: bool = False,
    prompts: str | None = None,
    text_tower: str | None = None,
    positive: str | Sequence[str] = (),
    negative: str | Sequence[str] = (),
    test_on: str | Sequence[str] = (),
    leave_out: str | Sequence[str] = (),
    without: str | Sequence[str] = (),
    beats: str | None = None,
    rhythm: str | None = None,
    channel: str | int | None = None,
    stride: int | None = None,
    max_per_episode: int | None = None,
    detector: str | None = None,
    skip: float = 0.0,
    adapt: Literal["none", "running", "recording"] = "none",
    targets: str | Sequence[str] = (),
    continuations: int = 0,
    threshold: float = 0.5,
    resamples: int = 2000,
    seed: int = 0,
    batch_size: int = 64,
    device: str = "auto",
    threads: int = 1,
    on_event: Listener | None = None,
) -> EvaluationResult:
    """Evaluate a checkpoint, or a cross-validated run, on a store.

    An opened checkpoint is left on its device; PyTorch's number of threads is restored.

    Args:
        store: folder made by `prepare` with the checkpoint's contract, or an opened store.
        checkpoint: a path, as for `load_checkpoint`; an opened checkpoint; or the folder of a cross-validated run, of
            which each fold's model predicts the patients that it was not trained on.
        task: name of the task.
        compare: another model or run, on the same windows; differences are paired.
        baselines: "all"; "light" leaves out those that pass all windows through a model; or "none".
        protocol: folds in which baselines are trained: "k-fold", "leave-one-out", or "given" (the store's splits).
            "linear-probe" and "zero-shot" evaluate a model on classes that it was not trained for: by a linear model on
            its frozen features, trained on the other folds or on what `test_on` does not name; or by prompts alone.
        k: number of folds, for "k-fold".
        labels: table of labels (.csv, .parquet) with a column "recording"; None takes the store's marks or labels.
        column: column of the table that holds the labels.
        classes: for "linear-probe" and "zero-shot", the classes in order; none for all that occur.
        several: for these, a window may belong to several classes at once.
        prompts: for "zero-shot", a YAML file of class: text, or list of texts; None takes our wordings.
        text_tower: for "zero-shot", folder of the text tower that the model learned with, where it has moved.
        positive: names of the rhythm to detect; none for atrial fibrillation.
        negative: names of the opposite rhythm; none for sinus rhythm.
        test_on: splits, recordings or patients that are evaluated; none for all.
        leave_out: splits, recordings or patients that are not evaluated.
        without: for heartbeats, recordings or patients; the figures are also given without each of them.
        beats: for a rhythm model that reads heartbeats, a beats checkpoint that finds them; None takes the store's
            marks.
        rhythm: for heartbeats, the rhythm checkpoint, or cross-validated run, whose probability describes each beat.
        channel: name of the channel to use, or its number from 0; None where rows have one.
        stride: samples from one window to the next; None for the length of a window.
        max_per_episode: most windows of an episode of the opposite rhythm; for other tasks, of a row.
        detector: library detector of beats: "xqrs", "neurokit" (ECG), "elgendi" (PPG); None for xqrs or elgendi.
        skip: seconds at the start of each record that are not evaluated, for beats and decode.
        adapt: for decode, statistics of channels: "none" keeps those of training; "running" adapts, causally and
            without labels; "recording" takes those of each whole row.
        targets: for decode, the store's targets in the order of the model's outputs, where their names are exchanged;
            none for the order of the names.
        continuations: windows of which the last fifth is continued and compared with the signal, for forecasts.
        threshold: probability from which a window counts as the rhythm.
        resamples: bootstrap resamples of the patients.
        seed: of folds, resamples, random weights and drawn windows.
        batch_size: windows that pass a model at once.
        device: where to compute: "auto", "cpu", "cuda" …
        threads: processor threads; another number changes results by rounding.
        on_event: gets messages and progress; returning True stops the evaluation.

    Returns:
        measures with intervals, paired differences, warnings about leakage, and figures.

    Raises:
        ConfigError: a setting is out of range, or the store has nothing to evaluate.
        CheckpointError: a checkpoint cannot be loaded, is for another task, or does not fit the store.
        Cancelled: the listener asked to stop.
    """
    check_option("baselines", baselines, get_args(Baselines))
    check_option("protocol", protocol, get_args(EvaluationProtocol))
    settings = EvaluationSettings(
        task=find_task(task).name, baselines=baselines, protocol=protocol, k=k, labels=labels, column=column,
        classes=as_names(classes), several=several, prompts=prompts, text_tower=text_tower,
        positive=as_names(positive), negative=as_names(negative), test_on=as_names(test_on),
        leave_out=as_names(leave_out),
        without=as_names(without), beats=beats, rhythm=rhythm,
        channel=None if channel is None else str(channel), stride=stride,
        max_per_episode=max_per_episode, detector=detector, skip=skip, adapt=adapt, targets=as_names(targets),
        continuations=continuations,
        threshold=threshold,
        resamples=resamples, seed=seed, batch_size=batch_size, device=device, threads=threads,
    )  # fmt: skip
    problems = settings.setting_problems()
    if problems:
        raise ConfigError("; ".join(problems), hint="see help(physiolect.evaluation.evaluate)")
    return _evaluate(settings, store, checkpoint, compare, Reporter(on_event))


def _evaluate(
    settings: EvaluationSettings,
    store: str | Path | Store,
    checkpoint: str | Path | Checkpoint,
    compare: str | Path | Checkpoint | None,
    reporter: Reporter,
) -> EvaluationResult:
    from physiolect.training import choose_device, using_threads

    task = settings.asked
    if task.kind == "vector":
        raise ConfigError(
            "vectors are evaluated by the classes that they tell apart, not by themselves",
            hint="take the task classify, with the protocol linear-probe or zero-shot",
        )
    if (task.kind, task.scope) not in JUDGES:
        known = [name for name, each in TASKS.items() if (each.kind, each.scope) in JUDGES]
        raise ConfigError(f"the task {task} cannot be evaluated yet", hint=f"take one of {', '.join(known)}")
    opened = store if isinstance(store, Store) else open_store(store, verify=True)
    models = load_models(checkpoint, compare)
    of_vectors = settings.protocol in get_args(OfVectors)
    for model in models:
        if model.checkpoint.outputs.kind == "vector" and not of_vectors:
            with model.named_in_errors():
                raise CheckpointError(
                    "it gives vectors, and no answers to a task",
                    hint="fine-tune it, or take the protocol linear-probe or zero-shot (--protocol)",
                )
    trial = Trial(
        settings=settings,
        store=opened,
        store_name=str(opened.path if isinstance(store, Store) else store),
        models=models,
        device=choose_device(settings.device),
        reporter=reporter,
    )
    with left_in_place(models), using_threads(settings.threads, models[0].checkpoint.model):
        judge = judge_vectors if of_vectors else JUDGES[task.kind, task.scope]
        return judge(trial)
