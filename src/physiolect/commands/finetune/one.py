"""One fine-tuning: a checkpoint and its examples to a run's folder. `finetune` makes one, or one a fold."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from physiolect.checkpoint import Checkpoint, Outputs, Run, for_task, named_patients
from physiolect.checkpoint.fingerprint import weights_digest
from physiolect.commands.runs import Settings, is_saved, save_run, saved_run
from physiolect.commands.terminal import progress, say
from physiolect.datasets import Examples
from physiolect.datasets.examples.augmentation import Augmentation
from physiolect.datasets.examples.example_batches import Draws, ExampleBatches
from physiolect.detection import check_examples
from physiolect.errors import ConfigError
from physiolect.models.heads import Pooling, Trained, choose_trained, n_still
from physiolect.training import (
    Callbacks,
    Form,
    Journal,
    Labelled,
    Outcome,
    Precision,
    Recipe,
    Schedule,
    Step,
    Stop,
    balanced_weights,
    choose_form,
    choose_precision,
    fit,
)

ClassWeights: TypeAlias = Literal["balanced", "none"] | tuple[float, ...]
Begun: TypeAlias = dict[tuple[int, int, int], Tensor]
"""Row, channel and start of a window -> what comes out of the frozen blocks (T, E)."""

_MOST_BYTES = 2**31
"""Largest features of windows that are kept in memory."""
_WEIGHTS = "weights/"
"""What names in the state begin with, that are of a model with low-rank additions: `last` holds their sum alone."""


@dataclass(frozen=True)
class Choice:
    """All that decides how a checkpoint is fine-tuned."""

    trained: Trained
    pooling: Pooling
    unmask_last: bool
    dropout: float | None
    class_weights: ClassWeights
    rank: int
    alpha: float
    steps: int
    batch_size: int
    accumulate: int
    validation: float
    patience: int | None
    draws: Draws
    augmentation: Augmentation
    recipe: Recipe


@dataclass(frozen=True)
class Manner:
    """How a fine-tuning is run: what decides no number but by rounding, and how often what is told."""

    device: torch.device
    precision: Precision
    form: Form
    schedule: Schedule


class Base(NamedTuple):
    """What a fine-tuning begins with."""

    name: str
    checkpoint: Checkpoint

    @property
    def known_by(self) -> dict[str, Any]:
        """What is kept of it with what is made of it."""
        run = self.checkpoint.run
        own = {"checkpoint": self.name, "weights_sha256": weights_digest(self.checkpoint.model.state_dict())}
        named = sorted(Run.of(run).used)
        return {**own, "store_sha256": run.get("store_sha256"), "trained_on": named} if named else own


def fine_tune(
    settings: Settings,
    base: Base,
    choice: Choice,
    manner: Manner,
    train: Examples,
    validation: Examples | None,
    out: Path,
    stop: Stop,
    begun: Begun,
) -> Outcome:
    """Fine-tune a checkpoint, or go on where `out` holds `last` already.

    Args:
        settings: of the verb, kept with the checkpoints.
        base: checkpoint to begin with.
        choice: what trains, and how.
        manner: where it trains.
        train: examples to learn from.
        validation: examples that say which checkpoint is best; None keeps the last alone.
        out: folder of the run.
        stop: what may end it.
        begun: filled with what comes out of blocks that always say the same, for the next fold of the same base and
            choice; empty for the first.

    Raises:
        CheckpointError: examples do not fit the base's contract.
        ConfigError: a class is missing among the examples, or all their numbers are the same, or weights do not fit
            the classes, or `out` was begun with other examples.
    """
    torch.manual_seed(settings.seed)
    weights = _class_weights(choice.class_weights, train)
    learnt = _digest(train)
    checkpoint, state = (
        _going_on(out, train, learnt) if is_saved(out) else (_fresh(base, choice, train), None)
    )
    n_trained = _let_train(checkpoint, choice, state)
    sizes = "none to validate"
    if validation is not None:
        sizes = f"{len(validation)} to validate, of {of_whom(validation)}"
    say(
        f"{n_trained:,} of {checkpoint.model.n_parameters():,} parameters train on {manner.device}; "
        f"{len(train)} windows of {of_whom(train)} to learn from, {sizes}"
    )
    step, evaluate = _make_step(checkpoint, choice, manner, train, validation, weights, settings.seed, begun)
    journal = Journal(
        out,
        choice.steps,
        choice.batch_size * choice.accumulate * train.length,
        resumed_at=int(state["step"]) if state else 0,
        unit="squared" if train.kind == "number" else "nats",
    )
    more = {
        "examples_sha256": learnt,
        "base": checkpoint.run.get("base") or base.known_by,
        **named_patients(train.groups, validation.groups if validation is not None else ()),
    }
    with journal:
        callbacks = Callbacks(
            save=_saver(checkpoint, settings, train, out, more),
            report=journal.report,
            evaluate=evaluate,
            should_stop=stop.asked,
        )
        return fit(step, replace(manner.schedule, patience=choice.patience), callbacks, resume=state)


def _going_on(out: Path, train: Examples, learnt: str) -> tuple[Checkpoint, dict[str, Tensor]]:
    """Return what a run goes on from, unless it learnt from other examples."""
    checkpoint, state = saved_run(out, train.store)
    if checkpoint.run.get("examples_sha256") != learnt:
        raise ConfigError(
            f"the windows to learn from, or their labels, are not those that {out} began with",
            hint="give the table of labels as it was, or start a new run",
        )
    return checkpoint, state


def _digest(examples: Examples) -> str:
    """Return what is another where other windows are learnt from, or the same ones with other labels."""
    found = hashlib.sha256()
    for column in (examples.rows, examples.channels, examples.starts, examples.values):
        if column is not None:  # beats are marks of the store, which has a digest of its own
            found.update(column.tobytes())
    return found.hexdigest()


def of_whom(examples: Examples) -> str:
    """Return how many patients examples are of, or patients or recordings where not every patient is known."""
    n = len(set(examples.groups))
    several = "s" * (n != 1)
    return f"{n} patient{several}" + ("" if examples.by_patient else f" or recording{several}")


def _fresh(base: Base, choice: Choice, train: Examples) -> Checkpoint:
    rows = train.store.contract
    checkpoint = for_task(
        base.checkpoint,
        _outputs_of(train),
        pooling=choice.pooling,
        unmask_last=choice.unmask_last,
        dropout=choice.dropout,
        channels=rows.channels if len(rows.channels) == 1 else (train.channel_name(0),),
        modality=rows.modality,
    )
    check_examples(checkpoint, train)
    checkpoint.run = {}
    return checkpoint


def _outputs_of(train: Examples) -> Outputs:
    """Return what the head's numbers will mean."""
    if train.kind != "number":
        return Outputs(train.task.name, train.classes, train.several)
    assert train.values is not None
    mean, sd = float(train.values.mean()), float(train.values.std())
    if not sd > 0:
        raise ConfigError(
            f"all windows that are left to learn from have one {train.column}: {train.values[0]:g}",
            hint="keep fewer patients for validation, or choose other parts",
        )
    return Outputs(train.task.name, target=train.column, unit=train.unit, mean=mean, sd=sd)


def _let_train(checkpoint: Checkpoint, choice: Choice, state: dict[str, Tensor] | None) -> int:
    """Choose what trains, with the low-rank additions of an earlier run; returns how many numbers that is."""
    names = choose_trained(checkpoint.model, choice.trained, rank=choice.rank, alpha=choice.alpha)
    held = {k.removeprefix(_WEIGHTS): v for k, v in (state or {}).items() if k.startswith(_WEIGHTS)}
    if held:
        checkpoint.model.load_state_dict(held)
    return sum(checkpoint.model.get_parameter(name).numel() for name in names)


def _class_weights(asked: ClassWeights, train: Examples) -> list[float] | None:
    """Return the weights of the classes in the loss.

    Raises:
        ConfigError: a class does not occur, or there are more or fewer weights than classes.
    """
    binary, at_positions = train.kind == "binary", train.task.scope == "position"
    if train.kind == "number" or (at_positions and asked == "none"):
        return None  # at positions no class can be missing, and to check it costs a target for every sample
    weights = balanced_weights(train.kind, torch.from_numpy(train.target))
    names = train.classes
    if binary:
        names = ("no", "yes") if at_positions else (f"not {train.classes[0]}", train.classes[0])
    missing = [name for name, weight in zip(names, weights, strict=True) if weight == 0]
    if missing:
        raise ConfigError(
            f"no window that is left to learn from is of class {', '.join(missing)}",
            hint="keep fewer patients for validation, or choose other parts",
        )
    if asked == "balanced":
        return weights
    if asked == "none":
        return None
    if len(asked) != len(names):
        there = ", ".join(f"'{name}'" for name in names)
        raise ConfigError(
            f"{len(asked)} class weights are given, but the classes are "
            + (f"'no', 'yes' ({there})" if binary and not at_positions else there),
            hint="give one number a class, or balanced, or none",
        )
    return list(asked)


def _make_step(
    checkpoint: Checkpoint,
    choice: Choice,
    manner: Manner,
    train: Examples,
    validation: Examples | None,
    weights: list[float] | None,
    seed: int,
    begun: Begun,
) -> tuple[Step[tuple[Tensor, Tensor]], Callable[[], float] | None]:
    """Return what makes updates, and what gives the validation loss."""
    model, device, size = checkpoint.model, manner.device, choice.batch_size
    varied = choice.augmentation != Augmentation()
    still = 0 if varied else n_still(model, quiet=choice.dropout is not None)
    model.to(device)
    scaled: dict[str, Any] = {"mean": checkpoint.outputs.mean, "sd": checkpoint.outputs.sd, "device": device}
    tokenizer = checkpoint.levels
    batches = ExampleBatches(
        train, tokenizer, size=size, parts=choice.accumulate, seed=seed, draws=choice.draws,
        augmentation=choice.augmentation, **scaled,
    )  # fmt: skip
    held = None if validation is None else ExampleBatches(validation, tokenizer, size=size, **scaled)
    of = [(batches, train)]
    if held is not None and validation is not None:
        of.append((held, validation))
    objective = Labelled(
        train.kind,
        scope=train.task.scope,
        weights=weights,
        n_begun=_begin(checkpoint, still, of, size, begun),
        precision=choose_precision(manner.precision, device),
    ).to(device)
    step = Step(
        model, objective, batches.batch, choice.recipe, choice.steps,
        accumulate=choice.accumulate, stage=batches.stage, form=choose_form(manner.form, device),
        regions=[*model.blocks, objective.score],
    )  # fmt: skip
    if held is None:
        return step, None
    return step, lambda: objective.of_all(model, held.in_order(size), held.target)


def _begin(
    checkpoint: Checkpoint, still: int, of: list[tuple[ExampleBatches, Examples]], size: int, begun: Begun
) -> int:
    """Let windows pass the blocks that always say the same once and for all, where there is room for what comes out.

    Returns:
        how many blocks that are.
    """
    n_all = sum(len(batches) for batches, _ in of)
    if not still or 4 * checkpoint.model.config.width * checkpoint.contract.max_samples * n_all > _MOST_BYTES:
        return 0
    model = checkpoint.model.eval()
    with progress("windows through the frozen blocks") as tell:
        for batches, examples in of:
            places = list(
                zip(examples.rows.tolist(), examples.channels.tolist(), examples.starts.tolist(), strict=True)
            )
            new = [i for i, place in enumerate(places) if place not in begun]
            for first in range(0, len(new), size):
                index = new[first : first + size]
                features = model.begin(batches.ids(index), still)
                begun.update((places[i], each) for i, each in zip(index, features, strict=True))
                tell(len(begun))
            batches.hold(torch.stack([begun[place] for place in places]))
    return still


def _saver(
    checkpoint: Checkpoint, settings: Settings, train: Examples, out: Path, more: dict[str, Any]
) -> Callable[[Literal["last", "best"], Callable[[], dict[str, Tensor]]], None]:
    added = any("parametrizations" in name for name in checkpoint.model.state_dict())

    def save(kind: Literal["last", "best"], state: Callable[[], dict[str, Tensor]]) -> None:
        tensors = state()
        if added:
            kept = checkpoint.model.state_dict()
            tensors |= {_WEIGHTS + name: value.detach().cpu().clone() for name, value in kept.items()}
        save_run(
            checkpoint, out, kind, tensors, verb="finetune", settings=settings, store=train.store, **more
        )

    return save
