"""One fine-tuning: a checkpoint and its examples become the folder of a run. A cross-validation makes one a fold."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from physiolect.checkpoint import Checkpoint, Outputs, Run, for_task, named_patients
from physiolect.checkpoint.fingerprint import weights_digest
from physiolect.datasets import Examples
from physiolect.datasets.examples.augmentation import Augmentation
from physiolect.datasets.examples.beat_batches import BeatBatches
from physiolect.datasets.examples.beat_examples import BeatExamples
from physiolect.datasets.examples.example_batches import ExampleBatches
from physiolect.datasets.examples.labels import NEGATIVE
from physiolect.detection import check_examples
from physiolect.errors import ConfigError
from physiolect.events import Reporter
from physiolect.learning.class_weights import class_weights
from physiolect.learning.finetune_settings import FinetuneSettings
from physiolect.learning.labelled_windows import patients_text
from physiolect.learning.run_folder import holds_run, save_run, saved_run
from physiolect.learning.tunings import Tuning
from physiolect.models.heads import choose_trained, n_still
from physiolect.training import (
    Callbacks,
    Form,
    Journal,
    Labelled,
    Outcome,
    Precision,
    Schedule,
    Sequences,
    Step,
    Stop,
    choose_device,
    choose_form,
    choose_precision,
    fast_products,
    fit,
    using_threads,
)

FrozenFeatures: TypeAlias = dict[tuple[int, tuple[int, ...], int], Tensor]
"""Row, channels and start of a window -> the output of the frozen blocks (T, E)."""

_MOST_BYTES = 2**31
"""Largest features of windows that are kept in memory."""
_MOST_FITTED = 1024
"""Windows that the statistics of channels are taken from."""
_WEIGHTS = "weights/"
"""Prefix of names in the state that belong to a model with low-rank additions: `last` holds their sum alone."""


@dataclass(frozen=True)
class Runtime:
    """How a fine-tuning runs; these settings change results only by rounding."""

    device: torch.device
    precision: Precision
    form: Form
    schedule: Schedule

    @classmethod
    def of(cls, settings: FinetuneSettings) -> Runtime:
        """Return what the settings name."""
        schedule = Schedule(settings.log_every, settings.evaluate_every, settings.save_every)
        return cls(choose_device(settings.device), settings.precision, settings.form, schedule)


class Base(NamedTuple):
    """The checkpoint that a fine-tuning starts from."""

    name: str | None
    """None is a new model, of random weights."""
    checkpoint: Checkpoint

    @property
    def record(self) -> dict[str, Any]:
        """What the run.yaml of a fine-tuned checkpoint records of its base; nothing of a new model."""
        if self.name is None:
            return {}
        run = self.checkpoint.run
        own = {"checkpoint": self.name, "weights_sha256": weights_digest(self.checkpoint.model.state_dict())}
        named = sorted(Run.of(run).used)
        return {**own, "store_sha256": run.get("store_sha256"), "trained_on": named} if named else own


@dataclass(frozen=True)
class Job:
    """All that the fine-tunings of one call share."""

    settings: FinetuneSettings
    """Kept with the checkpoints."""
    base: Base
    tuning: Tuning
    """What trains, and how."""
    runtime: Runtime
    stop: Stop
    """Ends a fine-tuning after the update under way."""
    reporter: Reporter = field(default_factory=Reporter)
    frozen_features: FrozenFeatures = field(default_factory=dict)
    """Output of blocks that stay as they are; the folds of a cross-validation share it."""

    def run(self, out: Path, train: Examples, validation: Examples | None) -> Outcome:
        """Fine-tune the base, or resume where `out` holds `last` already.

        Args:
            out: folder of the run.
            train: training examples.
            validation: examples that choose the best checkpoint; None keeps the last alone.

        Raises:
            CheckpointError: examples do not fit the base's contract.
            ConfigError: a class is missing among the examples, or all their numbers are the same, or weights do not
                fit the classes, or `out` was started with other examples.
        """
        torch.manual_seed(self.settings.seed)
        weights = class_weights(self.tuning.class_weights, train)
        digest = _digest(train)
        resumed = _resumed(out, train, digest) if holds_run(out) else None
        checkpoint, state = resumed or (self._fresh(train), None)
        self._report_sizes(checkpoint, self._let_train(checkpoint, state), train, validation)
        step, evaluate = self._step(checkpoint, train, validation, weights)
        base = checkpoint.run.get("base") or self.base.record
        about = {
            "store_sha256": train.store.digest,
            "examples_sha256": digest,
            **({"base": base} if base else {}),
            **named_patients(train.groups, validation.groups if validation is not None else ()),
        }
        with (
            using_threads(self.settings.threads, checkpoint.model, batch=self.tuning.batch_size),
            fast_products(self.runtime.device, getattr(checkpoint.model.config, "width", 0)),
            self._journal(out, train, state) as journal,
        ):
            callbacks = Callbacks(
                save=self._saver(checkpoint, out, about),
                report=journal.report,
                evaluate=evaluate,
                should_stop=lambda: self.stop.asked() or self.reporter.stopping,
            )
            return fit(
                step, replace(self.runtime.schedule, patience=self.tuning.patience), callbacks, resume=state
            )

    def _fresh(self, train: Examples) -> Checkpoint:
        stored, tuning = train.store.contract, self.tuning
        checkpoint = for_task(
            self.base.checkpoint,
            _outputs_of(train, self.settings),
            pooling=tuning.pooling,
            unmask_last=tuning.unmask_last,
            dropout=tuning.dropout,
            channels=stored.channels if len(stored.channels) == 1 else train.channel_names(0),
            modality=stored.modality,
        )
        check_examples(checkpoint, train)
        if checkpoint.tokenizer is None:
            every = np.linspace(0, len(train) - 1, min(len(train), _MOST_FITTED)).astype(np.int64)
            checkpoint.model.fit_statistics(checkpoint.encode(train.windows(np.unique(every)))[0])
        if isinstance(train, BeatExamples):
            checkpoint.tokenizer = checkpoint.beats.fitted(train.table.features[train.known_beats])
        checkpoint.run = {}
        return checkpoint

    def _let_train(self, checkpoint: Checkpoint, state: dict[str, Tensor] | None) -> int:
        """Choose what trains, with the low-rank additions of an earlier run; returns the number of parameters."""
        tuning, model = self.tuning, checkpoint.model
        names = choose_trained(model, tuning.trained, rank=tuning.rank, alpha=tuning.alpha)
        held = {k.removeprefix(_WEIGHTS): v for k, v in (state or {}).items() if k.startswith(_WEIGHTS)}
        if held:
            model.load_state_dict(held)
        return sum(model.get_parameter(name).numel() for name in names)

    def _report_sizes(
        self, checkpoint: Checkpoint, n_trained: int, train: Examples, validation: Examples | None
    ) -> None:
        validated = "no validation"
        if validation is not None:
            validated = f"{len(validation)} validation windows of {patients_text(validation)}"
        self.reporter.say(
            f"{n_trained:,} of {checkpoint.model.n_parameters():,} parameters train on {self.runtime.device}; "
            f"{len(train)} training windows of {patients_text(train)}, {validated}"
        )

    def _journal(self, out: Path, train: Examples, state: dict[str, Tensor] | None) -> Journal:
        tuning = self.tuning
        return Journal(
            out,
            tuning.steps,
            tuning.batch_size * tuning.accumulate * (tuning.beat.draws.most if tuning.beat else train.length),
            resumed_at=int(state["step"]) if state else 0,
            unit="squared" if train.kind == "number" else "nats",
            on_event=self.reporter.send,
        )

    def _step(
        self,
        checkpoint: Checkpoint,
        train: Examples,
        validation: Examples | None,
        weights: list[float] | None,
    ) -> tuple[Step[tuple[Tensor, Tensor]], Callable[[], float] | None]:
        """Return what makes updates, and what gives the validation loss."""
        tuning, runtime, model = self.tuning, self.runtime, checkpoint.model
        device, size = runtime.device, tuning.batch_size
        varied = tuning.augmentation != Augmentation()
        still = 0 if varied else n_still(model, quiet=tuning.dropout is not None)
        model.to(device)
        scale: dict[str, Any] = {"mean": checkpoint.outputs.mean, "sd": checkpoint.outputs.sd}
        if checkpoint.outputs.targets:
            means, sds = checkpoint.outputs.means, checkpoint.outputs.sds
            scale = {"mean": np.array(means, np.float32), "sd": np.array(sds, np.float32)}
        levels = None if checkpoint.reads_beats else checkpoint.tokenizer
        shared: dict[str, Any] = {"levels": levels, "device": device, **scale}
        drawn: dict[str, Any] = {"size": size, "parts": tuning.accumulate, "seed": self.settings.seed}
        batches: ExampleBatches | BeatBatches
        if isinstance(train, BeatExamples):
            assert tuning.beat is not None
            batches = BeatBatches(
                train, checkpoint.beats, device=device, draws=tuning.beat.draws,
                augmentation=tuning.beat.augmentation, copies=tuning.beat.copies, **drawn,
            )  # fmt: skip
        else:
            batches = ExampleBatches(
                train, checkpoint.encode, draws=tuning.draws, augmentation=tuning.augmentation, **drawn, **shared
            )  # fmt: skip
        sides: list[tuple[ExampleBatches | BeatBatches, Examples]] = [(batches, train)]
        held = None
        if validation is not None:
            held = ExampleBatches(validation, checkpoint.encode, size=size, **shared)
            sides.append((held, validation))
        n_frozen = self._freeze(checkpoint, still, sides)
        objective = self._objective(train, weights, n_frozen).to(device)
        form = choose_form(runtime.form, device)
        if isinstance(objective, Sequences) and runtime.form == "auto":
            form = "eager"  # the end of each window is looked for, which a graph cannot capture
        scored = [objective.score] if isinstance(objective, Labelled) else []
        step = Step(
            model, objective, batches.batch, tuning.recipe, tuning.steps,
            accumulate=tuning.accumulate, stage=batches.stage, form=form, regions=[*model.blocks, *scored],
        )  # fmt: skip
        if held is None:
            return step, None
        return step, lambda: objective.of_all(model, held.in_order(size), held.target)

    def _objective(self, train: Examples, weights: list[float] | None, n_frozen: int) -> Labelled | Sequences:
        """Return what training makes smaller."""
        tuning, precision = self.tuning, choose_precision(self.runtime.precision, self.runtime.device)
        if train.kind == "sequence":
            return Sequences(ctc=tuning.ctc, smoothing=tuning.smoothing, precision=precision)
        return Labelled(
            train.kind,
            scope=train.task.scope,
            weights=weights,
            n_frozen=n_frozen,
            precision=precision,
            smoothing=tuning.smoothing,
            skip=tuning.skip if train.task.scope == "position" else 0,
            huber=tuning.huber,
        )

    def _freeze(
        self, checkpoint: Checkpoint, still: int, sides: list[tuple[ExampleBatches | BeatBatches, Examples]]
    ) -> int:
        """Compute the output of frozen blocks once for every window, where memory allows.

        Args:
            checkpoint: its model's first blocks are frozen.
            still: how many.
            sides: batches that then give features in place of inputs, and their examples.

        Returns:
            how many blocks the features have passed.
        """
        n_all = sum(len(batches) for batches, _ in sides)
        model = checkpoint.model.eval()
        if not still or 4 * model.config.width * checkpoint.contract.max_samples * n_all > _MOST_BYTES:
            return 0
        held, size = self.frozen_features, self.tuning.batch_size
        tell = self.reporter.progress("windows through the frozen blocks", n_all)
        for batches, examples in sides:
            places = examples.places
            new = [i for i, place in enumerate(places) if place not in held]
            for first in range(0, len(new), size):
                index = new[first : first + size]
                features = model.begin(batches.inputs(index), still)
                held.update((places[i], each) for i, each in zip(index, features, strict=True))
                tell(len(held))
            batches.hold(torch.stack([held[place] for place in places]))
        return still

    def _saver(
        self, checkpoint: Checkpoint, out: Path, about: dict[str, Any]
    ) -> Callable[[Literal["last", "best"], Callable[[], dict[str, Tensor]]], None]:
        added = any("parametrizations" in name for name in checkpoint.model.state_dict())

        def save(kind: Literal["last", "best"], state: Callable[[], dict[str, Tensor]]) -> None:
            tensors = state()
            if added:
                kept = checkpoint.model.state_dict()
                tensors |= {_WEIGHTS + name: value.detach().cpu().clone() for name, value in kept.items()}
            save_run(checkpoint, out, tensors, kind, made_by="finetune", settings=self.settings, **about)

        return save


def _resumed(out: Path, train: Examples, digest: str) -> tuple[Checkpoint, dict[str, Tensor]]:
    """Return what a run resumes from, unless it was trained on other examples."""
    checkpoint, state = saved_run(out, train.store)
    if checkpoint.run.get("examples_sha256") != digest:
        raise ConfigError(
            f"the training windows, or their labels, differ from those that {out} started with",
            hint="give the table of labels as it was, or start a new run",
        )
    return checkpoint, state


def _digest(examples: Examples) -> str:
    """Return a digest that changes with the training windows and their labels."""
    found = hashlib.sha256()
    for column in (examples.rows, examples.channels, examples.starts, examples.values):
        if column is not None:  # beats are marks of the store, which has a digest of its own
            found.update(column.tobytes())
    return found.hexdigest()


def _outputs_of(train: Examples, settings: FinetuneSettings) -> Outputs:
    """Return what the head's numbers will mean."""
    if train.task.labels == "targets":
        return _targets_of(train)
    if train.kind == "sequence":
        return Outputs(train.task.name, symbols=train.classes)
    if train.kind != "number":
        negative = (settings.negative or NEGATIVE)[0] if train.task.labels == "rhythms" else ""
        return Outputs(train.task.name, train.classes, train.several, negative=negative)
    assert train.values is not None
    mean, sd = float(train.values.mean()), float(train.values.std())
    if not sd > 0:
        raise ConfigError(
            f"all training windows have one {train.column}: {train.values[0]:g}",
            hint="keep fewer patients for validation, or choose other parts",
        )
    return Outputs(train.task.name, target=train.column, unit=train.unit, mean=mean, sd=sd)


def _targets_of(train: Examples) -> Outputs:
    """Return the names of the targets, with means and standard deviations over the training windows.

    Raises:
        ConfigError: a target never moves.
    """
    every = train.target.reshape(-1, len(train.store.targets)).astype(np.float64)
    means, sds = every.mean(0), every.std(0)
    still = [name for name, sd in zip(train.store.targets, sds, strict=True) if not sd > 0]
    if still:
        raise ConfigError(
            f"target {', '.join(still)} has one value in all training windows",
            hint="prepare the store without it, or train on other parts",
        )
    return Outputs(
        train.task.name, targets=train.store.targets, means=tuple(means.tolist()), sds=tuple(sds.tolist())
    )
