"""The labelled windows of a fine-tuning, and who trains and validates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from physiolect.checkpoint import Checkpoint
from physiolect.datasets import Examples, Store, choose_rows, make_examples, named_split
from physiolect.datasets.examples.beat_examples import make_beat_examples
from physiolect.datasets.examples.sequences import make_sequence_examples
from physiolect.errors import ConfigError
from physiolect.evaluation import Fold, make_folds
from physiolect.evaluation.beat_context import beat_finder, rhythm_finder
from physiolect.events import Reporter
from physiolect.learning.finetune_settings import FinetuneSettings
from physiolect.tasks import TASKS


def label_windows(store: Store, settings: FinetuneSettings, base: Checkpoint, reporter: Reporter) -> Examples:
    """Return all labelled windows of a store that a base checkpoint can read.

    Raises:
        ConfigError: nothing is labelled; see `make_examples` and `make_beat_examples`.
        CheckpointError: a checkpoint that finds beats, or a rhythm, is for another task.
    """
    if base.reads_beats:
        return _label_beats(store, settings, base, reporter)
    channel: str | int | Sequence[str] | None = settings.channel
    if settings.channel and settings.channel.isdecimal():
        channel = int(settings.channel)
    elif len(base.contract.channels) > 1:
        channel = base.contract.channels
    if TASKS[settings.task].kind == "sequence":
        return make_sequence_examples(
            store, settings.task, longest=base.contract.max_samples, most_symbols=base.model.config.longest,
            stride=settings.stride, labels=settings.labels, column=settings.column, symbols=settings.classes or None,
            channel=channel,
        )  # fmt: skip
    length, stride = min(base.contract.max_samples, base.model.context_length), settings.stride
    if TASKS[settings.task].labels == "targets" and stride is None:
        stride = max(1, round(length * settings.tuning.stride))
    return make_examples(
        store,
        settings.task,
        length=length,
        stride=stride,
        positive=settings.positive or None,
        negative=settings.negative or None,
        labels=settings.labels,
        column=settings.column,
        classes=settings.classes or None,
        several=settings.several,
        max_per_episode=settings.max_per_episode,
        channel=channel,
        unit=settings.unit,
        seed=settings.seed,
    )


def _label_beats(store: Store, settings: FinetuneSettings, base: Checkpoint, reporter: Reporter) -> Examples:
    channel = settings.channel
    return make_beat_examples(
        store,
        settings.task,
        replace(base.beats, mean=(), sd=()),
        context=base.model.context_length,
        length=base.contract.max_samples,
        stride=settings.stride,
        positive=settings.positive or None,
        negative=settings.negative or None,
        labels=settings.labels,
        column=settings.column,
        classes=settings.classes or None,
        channel=int(channel) if channel and channel.isdecimal() else channel,
        find_beats=beat_finder(settings.beats) if settings.beats else None,
        find_rhythm=rhythm_finder(settings.rhythm, store) if settings.rhythm else None,
        tell=reporter.progress("recordings whose heartbeats are described"),
    )


def without_left_out(examples: Examples, settings: FinetuneSettings) -> Examples:
    """Return the windows that `leave_out` does not exclude."""
    if not settings.leave_out:
        return examples
    rows, _ = choose_rows(examples.store, 0, settings.seed, leave_out=settings.leave_out)
    return examples.take(np.isin(examples.rows, rows))


def divide(examples: Examples, settings: FinetuneSettings) -> tuple[Examples, Examples | None]:
    """Return the training windows and the validation windows, None without a validation.

    Raises:
        ConfigError: no window is left for one of them.
    """
    store = examples.store
    if settings.split == "overlapping-random":
        drawn = np.random.default_rng(settings.seed).permutation(len(examples))
        n = len(drawn)
        return examples.take(drawn[: int(0.7 * n)]), examples.take(drawn[int(0.7 * n) : int(0.85 * n)])
    if store.is_cut_in_blocks and not (settings.train_on or settings.validate_on):
        there = set(store.splits)
        held_out = ("validation",) if "validation" in there else ()
        settings = replace(settings, train_on=("train",), validate_on=held_out)
    train, validation = _sides(examples, settings)
    if validation is not None and examples.task.labels == "targets":
        return train, _counted_once(validation, settings.tuning.skip)
    return train, validation


def _counted_once(examples: Examples, skip: int) -> Examples:
    """Return windows of the same rows of which each step that counts is counted once."""
    step = examples.length - skip
    rows, first = np.unique(examples.rows, return_index=True)
    starts = [
        np.arange(0, int(examples.store.lengths[row]) - examples.length + 1, step) for row in rows.tolist()
    ]
    chosen = examples.take(np.repeat(first, [len(each) for each in starts]))
    return replace(chosen, starts=np.concatenate(starts).astype(np.int64))


def _sides(examples: Examples, settings: FinetuneSettings) -> tuple[Examples, Examples | None]:
    store = examples.store
    if settings.train_on:
        rows, held = named_split(store, settings.train_on, settings.validate_on, leave_out=settings.leave_out)
    else:
        rows, held = choose_rows(
            store, 0, settings.seed, validate_on=settings.validate_on, leave_out=settings.leave_out
        )
    train = examples.take(np.isin(examples.rows, rows))
    validation = examples.take(np.isin(examples.rows, held)) if len(held) else None
    for side, what in ((train, "train on"), (validation, "validate on")):
        if side is not None and not len(side):
            raise ConfigError(
                f"no labelled window of {store.path} is left to {what}", hint="name fewer or other parts"
            )
    if validation is not None:
        return train, validation
    return keep_share(train, settings.tuning.validation, settings.seed)


def keep_share(examples: Examples, share: float, seed: int) -> tuple[Examples, Examples | None]:
    """Keep a share of the patients for validation, with classes alike on both sides as far as patients allow.

    Of the folds that such shares make, it takes the one that leaves every class on both sides and comes nearest to the
    share. A fold that one patient with very many windows fills is avoided in this way.
    """
    n = len(set(examples.groups))
    if not share or n < 2:
        return examples, None
    k = min(n, max(2, round(1 / share)))
    strata = np.zeros(len(examples), np.int64) if examples.strata is None else examples.strata
    every = np.bincount(strata)
    there = every > 0

    def unlike(fold: Fold) -> tuple[int, float]:
        held = np.bincount(strata[fold.test], minlength=len(every))[there]
        one_sided = int(((held == 0) | (held == every[there])).sum())
        return one_sided, round(float(np.abs(held / every[there] - share).sum()), 9)  # alike is alike

    folds = make_folds(examples.groups, "k-fold", k=k, seed=seed, stratify_by=examples.strata)
    nearest = min(folds, key=unlike)
    return examples.take(nearest.train), examples.take(nearest.test)


def patients_text(examples: Examples) -> str:
    """Return the number of patients in words, such as "9 patients"; "or recordings" is added where IDs are missing."""
    n = len(set(examples.groups))
    several = "s" * (n != 1)
    return f"{n} patient{several}" + ("" if examples.by_patient else f" or recording{several}")
