"""`physiolect finetune STORE --checkpoint CHECKPOINT --task TASK --out RUN`: teach a checkpoint what labels say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch

from physiolect import config
from physiolect.checkpoint import Checkpoint, load_checkpoint
from physiolect.commands.finetune.folds import any_fold_saved, cross_validate, in_words, keep_share, measure
from physiolect.commands.finetune.one import Base, Choice, ClassWeights, Manner, fine_tune
from physiolect.commands.runs import (
    SETTINGS_FILE,
    is_saved,
    locked_run,
    run_problems,
    tell_left_out,
    tell_stop,
    with_held_settings,
)
from physiolect.commands.terminal import say
from physiolect.datasets import Examples, Store, choose_rows, make_examples, named_split, open_store
from physiolect.datasets.examples.augmentation import Augmentation
from physiolect.datasets.examples.example_batches import Draws
from physiolect.detection import predict_windows
from physiolect.errors import ConfigError
from physiolect.evaluation.protocol import Protocol
from physiolect.models.heads import Pooling, Trained
from physiolect.tasks import TASKS, LabelledTaskName, LabelSource
from physiolect.training import (
    RECIPES,
    Form,
    Precision,
    Recipe,
    Schedule,
    choose_device,
    n_launched,
    stop_signals,
)

EXAMPLE = "physiolect finetune store --checkpoint ecg --task rhythm --out runs/af"

PRESETS: dict[str, Choice] = {
    "modern": Choice(
        trained="all",
        pooling="mean",
        unmask_last=True,
        dropout=0.0,
        class_weights="none",
        rank=8,
        alpha=16.0,
        steps=500,
        batch_size=128,
        accumulate=1,
        validation=0.15,
        patience=5,
        draws="balanced",
        augmentation=Augmentation(noise=0.05, wander=0.3),
        recipe=RECIPES["fine-tuning"],
    ),
    "published": Choice(
        trained="last-block",
        pooling="last",
        unmask_last=False,
        dropout=None,
        class_weights="none",
        rank=8,
        alpha=16.0,
        steps=1000,
        batch_size=128,
        accumulate=1,
        validation=0.0,
        patience=None,
        draws="epochs",
        augmentation=Augmentation(),
        recipe=RECIPES["published"],
    ),
}
"""How a checkpoint is fine-tuned, by name. Source of "published": Davies et al. 2024, arXiv:2407.20775."""

_ONLY_FOR: dict[str, LabelSource] = {
    "positive": "rhythms",
    "negative": "rhythms",
    "classes": "classes",
    "several": "classes",
    "unit": "numbers",
}
"""Setting -> the labels that it is for."""


@dataclass(frozen=True)
class Config:
    """Fine-tune a checkpoint on the labels of a store made by `prepare`."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("store",)

    store: str
    """Folder made by `prepare` with the checkpoint's contract."""
    checkpoint: str
    """What to begin with: a folder, a published HeartGPT file, ecg, or owner/name."""
    task: LabelledTaskName
    """A rhythm or not, beats at every sample, classes, or a number."""
    out: str
    """Folder of the run: checkpoints `last` and `best`, metrics.jsonl, TensorBoard files, settings.yaml."""
    preset: Literal["modern", "published"] = "modern"
    """How to train where nothing else is said; published is HeartGPT's way."""
    labels: str | None = None
    """Table (.csv, .parquet) with a column recording; none takes the store's marks or labels."""
    column: str | None = None
    """Column of the table that tells."""
    positive: tuple[str, ...] = ()
    """Names of the rhythm asked for; none is atrial fibrillation: AFIB, AF."""
    negative: tuple[str, ...] = ()
    """Names of its opposite; none is sinus rhythm: N, sinus."""
    classes: tuple[str, ...] = ()
    """For classify, the classes in order; none takes all there are."""
    several: bool = False
    """A window may be of several classes at once."""
    unit: str | None = None
    """Unit of the number, kept with the checkpoint."""
    channel: str | None = None
    """Channel to look at, where rows have several: a name, or a number from 0."""
    stride: int | None = None
    """Samples from one window to the next; none lays them one after another."""
    max_per_episode: int | None = None
    """Most windows of an episode of the opposite rhythm; of a row, for other tasks."""
    trained: Trained | None = None
    """What trains: the head; the last block, final norm and head; all; or low-rank additions and the head."""
    rank: int | None = None
    """Of low-rank additions."""
    alpha: float | None = None
    """Low-rank additions are scaled by alpha / rank."""
    pooling: Pooling | None = None
    """Whose features speak for a window: the last position's, the mean, or a learnt mean."""
    unmask_last: bool | None = None
    """Let the last block look ahead within its window; none is the preset's: modern does."""
    dropout: float | None = None
    """In training, of attention weights and branches; published keeps the checkpoint's."""
    draws: Draws | None = None
    """Windows of a step: each once an epoch, or balanced: classes alike, patients by the root of their windows."""
    class_weights: str | None = None
    """balanced, none, or one number a class with commas between; for a rhythm and beats of no and yes."""
    steps: int | None = None
    """Updates; published takes 5000 for beats."""
    batch_size: int | None = None
    """Windows a batch."""
    accumulate: int | None = None
    """Batches an update."""
    validation: float | None = None
    """Share of patients, or of recordings where no patients are known, that choose the best checkpoint; 0 for none."""
    patience: int | None = None
    """Evaluations without a better one that end the run; 0 never does."""
    train_on: tuple[str, ...] = ()
    """Parts of a published split, recordings or patients that train, and no others."""
    validate_on: tuple[str, ...] = ()
    """Parts of a published split to validate on in place of that share; with --train-on, recordings or patients too."""
    leave_out: tuple[str, ...] = ()
    """Parts of a published split, or recordings, that neither train nor validate."""
    protocol: Protocol | None = None
    """Cross-validate: train a model a fold, by patient, into --out/fold-NAME; given takes the store's parts."""
    k: int = 5
    """Folds, for k-fold."""
    seed: int = 0
    """Decides the head, the order of windows, dropout, and who validates."""
    resume: bool = False
    """Go on with the run in --out, with the settings it had."""
    device: str = "auto"
    """Where to train: auto, cpu, cuda …"""
    precision: Precision = "auto"
    """Of products and attention in training: float32, or bf16, which auto takes on a GPU made for it."""
    form: Form = "auto"
    """Of the training step: eager, compiled, or captured as one CUDA graph, which auto takes on one GPU."""
    threads: int | None = None
    """Processor threads; none leaves PyTorch's choice."""
    log_every: int = 10
    """Updates between lines of metrics.jsonl."""
    evaluate_every: int = 50
    """Updates between evaluations."""
    save_every: int = 100
    """Updates between saves of `last`."""
    minutes: float | None = None
    """Stop after this long, as if interrupted."""
    recipe: Recipe = field(default_factory=lambda: RECIPES["fine-tuning"])
    """The recipe, for preset modern."""
    augmentation: Augmentation = field(default_factory=lambda: PRESETS["modern"].augmentation)
    """How training windows are varied, for preset modern."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        asked = TASKS[self.task]
        counts = ("steps", "batch_size", "accumulate", "rank", "stride", "max_per_episode", "k", "threads")
        more = ("log_every", "evaluate_every", "save_every")
        found = run_problems(self, (*counts, *more), saved=self._saved())
        if self.preset == "published" and self.recipe != RECIPES["fine-tuning"]:
            found.append("preset published is what was published: --recipe goes with preset modern")
        if self.preset == "published" and self.augmentation != PRESETS["modern"].augmentation:
            found.append("preset published varies no windows: --augmentation goes with preset modern")
        if self.augmentation.tempo != 1 or self.augmentation.mix:
            found.append(
                "--augmentation.tempo and --augmentation.mix need more than a window: they are for pretrain"
            )
        if self.validation is not None and not 0 <= self.validation <= 0.5:
            found.append(f"--validation is {self.validation}, but must be from 0 to 0.5")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            found.append(f"--dropout is {self.dropout}, but must be from 0 to below 1")
        found += [
            f"--{name} is for tasks learned from {source}, but {self.task} is learned from {asked.labels}"
            for name, source in _ONLY_FOR.items()
            if getattr(self, name) and asked.labels != source
        ]
        if (self.rank, self.alpha) != (None, None) and self.trained != "lora":
            found.append("--rank and --alpha are of low-rank additions: they go with --trained lora")
        if self.alpha is not None and not 0 < self.alpha < math.inf:
            found.append(f"--alpha is {self.alpha}, but must be above 0")
        if self.patience is not None and self.patience < 0:
            found.append(f"--patience is {self.patience}, but cannot be negative")
        if _weights_in(self.class_weights) is None:
            found.append(
                f"--class-weights is '{self.class_weights}', but must be balanced, none, or numbers above 0: 1,5"
            )
        if asked.scope == "position" and self.pooling not in (None, "last"):
            found.append(f"--pooling is for one label a window, but {self.task} has one a sample")
        if self.protocol and (self.train_on or self.validate_on):
            found.append("--protocol says who trains: leave --train-on and --validate-on out")
        if n_launched() > 1:
            found.append("fine-tuning is one process's work: start it without a launcher")
        return found

    @classmethod
    def complete(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what was given, and on `resume` the settings the run had, which must not be contradicted."""
        return with_held_settings(given)

    @property
    def chosen(self) -> Choice:
        """All choices, with the preset's where nothing was said."""
        preset = PRESETS[self.preset]
        if TASKS[self.task].scope == "position":
            # what is read is the height of a peak, which weights would shift; and every position speaks for itself
            preset = replace(preset, class_weights="none", pooling="last", steps=5 * preset.steps)
        if self.preset == "modern":
            preset = replace(preset, recipe=self.recipe, augmentation=self.augmentation)
        own = (
            "trained",
            "rank",
            "alpha",
            "pooling",
            "dropout",
            "steps",
            "batch_size",
            "accumulate",
            "validation",
            "unmask_last",
            "draws",
        )
        given = {name: getattr(self, name) for name in own if getattr(self, name) is not None}
        if self.class_weights is not None:
            given["class_weights"] = _weights_in(self.class_weights)
        if self.patience is not None:
            given["patience"] = self.patience or None
        return replace(preset, **given)

    def _saved(self) -> bool:
        return is_saved(self.out) or any_fold_saved(self.out)


def run(settings: Config) -> int:
    """Fine-tune, or resume; returns 130 or 143 if a signal ended it."""
    with locked_run(settings, settings._saved):
        return _run(settings)


def _run(settings: Config) -> int:
    if settings.threads:
        torch.set_num_threads(settings.threads)
    out, choice = Path(settings.out), settings.chosen
    device = choose_device(settings.device)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    schedule = Schedule(settings.log_every, settings.evaluate_every, settings.save_every)
    manner = Manner(device, settings.precision, settings.form, schedule)
    store = open_store(settings.store, verify=True)
    base = Base(settings.checkpoint, load_checkpoint(settings.checkpoint))
    examples = _examples(store, settings, base.checkpoint)
    tell_left_out(examples, settings.labels)
    if not examples.by_patient:
        say("not every patient is known: who trains and who is judged is decided by recording there")
    if settings.protocol:
        kept = _kept(store, examples, settings)
        if not settings.resume:
            config.dump(settings, out / SETTINGS_FILE)
        return cross_validate(settings, base, choice, manner, kept, settings.protocol, settings.k)
    train, validation = _divide(store, examples, settings, choice)
    if not settings.resume:
        config.dump(settings, out / SETTINGS_FILE)
    with stop_signals(settings.minutes) as stop:
        outcome = fine_tune(settings, base, choice, manner, train, validation, out, stop, {})
    if not outcome.finished:
        done = f"{outcome.step} of {choice.steps} updates"
        return tell_stop(done, "finetune", settings, stop.signal or 0)
    if validation is None or stop.signal or math.isinf(outcome.best_loss):
        say(f"{outcome.step} updates: {out}/last")
        return 128 + stop.signal if stop.signal else 0
    say(f"best validation loss {outcome.best_loss:.4f} after {outcome.step} updates: {out}/best")
    said = predict_windows(load_checkpoint(out), validation)
    measured = measure(validation, said)
    print(f"{len(validation)} windows to validate, which chose the checkpoint: {in_words(measured)}")
    return 0


def _examples(store: Store, settings: Config, base: Checkpoint) -> Examples:
    channel = settings.channel
    return make_examples(
        store,
        settings.task,
        length=min(base.contract.max_samples, base.model.context_length),
        stride=settings.stride,
        positive=settings.positive or None,
        negative=settings.negative or None,
        labels=settings.labels,
        column=settings.column,
        classes=settings.classes or None,
        several=settings.several,
        max_per_episode=settings.max_per_episode,
        channel=int(channel) if channel and channel.isdecimal() else channel,
        unit=settings.unit,
        seed=settings.seed,
    )


def _kept(store: Store, examples: Examples, settings: Config) -> Examples:
    if not settings.leave_out:
        return examples
    rows, _ = choose_rows(store, 0, settings.seed, leave_out=settings.leave_out)
    return examples.take(np.isin(examples.rows, rows))


def _divide(
    store: Store, examples: Examples, settings: Config, choice: Choice
) -> tuple[Examples, Examples | None]:
    """Return the examples that train and those that validate."""
    if settings.train_on:
        rows, held = named_split(store, settings.train_on, settings.validate_on, leave_out=settings.leave_out)
    else:
        rows, held = choose_rows(
            store, 0, settings.seed, validate_on=settings.validate_on, leave_out=settings.leave_out
        )
    train = examples.take(np.isin(examples.rows, rows))
    validation = examples.take(np.isin(examples.rows, held)) if len(held) else None
    for side, what in ((train, "learn from"), (validation, "validate on")):
        if side is not None and not len(side):
            raise ConfigError(
                f"no labelled window of {store.path} is left to {what}", hint="name fewer or other parts"
            )
    return (
        (train, validation) if validation is not None else keep_share(train, choice.validation, settings.seed)
    )


def _weights_in(text: str | None) -> ClassWeights | None:
    """Return what a text says of class weights; None where that makes no sense."""
    if text in ("balanced", "none") or text is None:
        return cast(ClassWeights, text or "none")
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        return None
    return numbers if all(0 < number < math.inf for number in numbers) else None
