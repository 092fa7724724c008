"""Pre-train a decoder: predict the next level of a signal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from physiolect import config
from physiolect.checkpoint import Checkpoint, load_checkpoint, named_patients
from physiolect.datasets import Store, choose_rows, open_store
from physiolect.datasets.examples.batches import LevelBatches, StreamedBatches, fits_on
from physiolect.datasets.examples.splits import row_groups
from physiolect.errors import ConfigError
from physiolect.events import Listener, Reporter
from physiolect.learning.job import Base
from physiolect.learning.pretrain_settings import N_LEVELS, PretrainSettings
from physiolect.learning.run_folder import (
    SETTINGS_FILE,
    last_saved_step,
    lengthened,
    locked_run,
    save_run,
    saved_run,
)
from physiolect.learning.settings import read_settings, takes_settings
from physiolect.learning.training_result import TrainingResult
from physiolect.models.gpt import GPT, GPT_PRESETS
from physiolect.tokenizers import LevelTokenizer
from physiolect.training import (
    Callbacks,
    Journal,
    LostProcessError,
    NextToken,
    Outcome,
    Processes,
    Schedule,
    Step,
    TrainingError,
    choose_form,
    choose_precision,
    fast_products,
    fit,
    join_processes,
    next_token_loss,
    noticing_loss,
    stop_signals,
    using_threads,
)


@takes_settings(PretrainSettings)
def pretrain(
    store: Store | str | Path, *, out: str | Path, on_event: Listener | None = None, **settings: Any
) -> TrainingResult:
    """Pre-train a decoder on a store, or resume a run.

    Ctrl-C and SIGTERM stop the run after the update under way; the run is saved, and the result is not finished.
    Of several launched processes, the first one writes and reports.

    Args:
        store: made by `prepare`, of one channel a row; opened or a folder.
        out: folder of the run.
        on_event: called with messages and metrics; returning True stops the run after the update under way.
        **settings: fields of `PretrainSettings`.

    Raises:
        ConfigError: settings are wrong, or the store has several channels.
        WriteError: another run is writing to the folder, or the disk is full.
        TrainingError: the loss or its gradient is not finite; the weights before that update are saved.
        LostProcessError: another of the launched processes has ended.
    """
    chosen = read_settings(PretrainSettings, "pretrain", {"store": store, "out": out, **settings})
    base = _base(chosen)
    if base is not None:
        chosen = replace(chosen, model=base.checkpoint.model.config)
    reporter = Reporter(on_event)
    torch.manual_seed(chosen.seed)
    lock = locked_run(chosen.out_folder, resume=chosen.resume, saved=chosen.holds_run)
    try:
        with join_processes(chosen.device) as processes, lock if processes.main else nullcontext():
            quiet = reporter if processes.main else Reporter()
            run = _Run.prepare(chosen, processes, quiet, base)
            batch = chosen.batch_size // processes.count
            threads = using_threads(chosen.threads, run.checkpoint.model, batch=batch)
            with threads, fast_products(processes.device, run.checkpoint.model.config.width):
                return run.train()
    except LostProcessError as error:
        step = last_saved_step(out)
        what = "nothing was saved yet, so start again" if step is None else f"resume from update {step}"
        raise LostProcessError(str(error), hint=f"{error.hint}; {what}") from error


@dataclass(frozen=True)
class _Run:
    """One run in one process."""

    settings: PretrainSettings
    processes: Processes
    reporter: Reporter
    store: Store
    checkpoint: Checkpoint
    state: dict[str, torch.Tensor] | None
    """What is resumed."""
    windows: _Windows

    @classmethod
    def prepare(
        cls, settings: PretrainSettings, processes: Processes, reporter: Reporter, base: Base | None = None
    ) -> _Run:
        """Open the store, choose windows, and make or load the model."""
        store = open_store(settings.store, verify=True)
        if len(store.contract.channels) > 1:
            raise ConfigError(
                f"{settings.store} holds {len(store.contract.channels)} channels a row, but this decoder reads one",
                hint="prepare a store of one channel, as with the contract heartgpt-ecg",
            )
        windows = _windows(store, settings, processes.device)
        resumed = settings.resume
        checkpoint, state = (
            saved_run(settings.out_folder, store)
            if resumed
            else (_fresh(settings, store, base, reporter), None)
        )
        if processes.main and not settings.resume:
            config.dump(settings, settings.out_folder / SETTINGS_FILE)
        elif processes.main and (longer := lengthened(settings.out_folder, settings.steps)):
            reporter.say(longer)
        checkpoint.model.to(processes.device)
        processes.draw_apart()
        return cls(settings, processes, reporter, store, checkpoint, state, windows)

    def train(self) -> TrainingResult:
        """Train to the end, or until something asks to stop."""
        settings, processes, reporter = self.settings, self.processes, self.reporter
        step = self._step()
        notice = (lambda: reporter.say("stopping after this update …")) if processes.main else None
        journal = self._journal() if processes.main else None
        with (
            stop_signals(settings.minutes, on_signal=notice) as stop,
            journal or nullcontext(),
            noticing_loss(),
        ):
            if processes.main:
                reporter.say(self._described(step.form))
            callbacks = Callbacks(
                save=self._saver(),
                report=journal.report if journal else lambda _: None,
                evaluate=self._validation_loss,
                should_stop=lambda: stop.asked() or reporter.stopping,
            )
            schedule = Schedule(settings.log_every, settings.evaluate_every, settings.save_every)
            try:
                outcome = fit(step, schedule, callbacks, resume=self.state)
            except TrainingError:
                if processes.main:
                    raise
                outcome = Outcome(step.done, finished=False, best_loss=float("inf"))
                return self._result(outcome, None)  # the first process raises
        return self._result(outcome, processes.largest(stop.signal or 0) or None)

    def _result(self, outcome: Outcome, signal: int | None) -> TrainingResult:
        out, steps = self.settings.out_folder, self.settings.steps
        return TrainingResult(out, outcome.step, steps, outcome.finished, outcome.best_loss, signal=signal)

    def _step(self) -> Step[torch.Tensor]:
        settings, model, processes = self.settings, self.checkpoint.model, self.processes
        _, recipe = settings.chosen
        objective = NextToken(choose_precision(settings.precision, processes.device))
        batches, stage = _own_share(self.windows.train, settings, processes)
        return Step(
            model, objective, batches, recipe, settings.steps,
            accumulate=settings.accumulate, stage=stage,
            form=choose_form(settings.form, processes.device, n_processes=processes.count),
            regions=[*model.blocks, objective.score], processes=processes,
        )  # fmt: skip

    def _journal(self) -> Journal:
        settings = self.settings
        tokens = settings.batch_size * settings.accumulate * self.checkpoint.model.context_length
        resumed_at = int(self.state["step"]) if self.state else 0
        return Journal(
            settings.out_folder, settings.steps, tokens, resumed_at=resumed_at, on_event=self.reporter.send
        )

    def _described(self, form: str) -> str:
        """Return what trains, where and on what, in a sentence."""
        precision = str(choose_precision(self.settings.precision, self.processes.device)).removeprefix(
            "torch."
        )
        return (
            f"{self.checkpoint.model.n_parameters():,} parameters on {_company(self.processes)} in {precision}, "
            f"{form} steps; {self.windows.text}"
        )

    @torch.no_grad()  # a sharded model cannot be gathered in inference mode
    def _validation_loss(self) -> float:
        """Return the mean loss of the validation windows, of which the processes score pieces in turn."""
        ids, processes = self.windows.validation, self.processes
        pieces = ids.split(max(1, self.settings.batch_size // processes.count))
        total = 0.0
        for first in range(0, len(pieces), processes.count):
            mine = first + processes.rank
            piece = pieces[min(mine, len(pieces) - 1)]  # a sharded model needs all processes for every pass
            loss = next_token_loss(self.checkpoint.model, piece).item() * len(piece)
            total += loss if mine < len(pieces) else 0.0
        return processes.sum(total) / len(ids)

    def _saver(self) -> Callable[[Literal["last", "best"], Callable[[], dict[str, torch.Tensor]]], None]:
        checkpoint, settings, processes = self.checkpoint, self.settings, self.processes
        base = {"base": checkpoint.run["base"]} if "base" in checkpoint.run else {}
        with torch.random.fork_rng([]):
            whole = GPT(checkpoint.model.config) if processes.sharded else checkpoint.model

        def save(kind: Literal["last", "best"], state: Callable[[], dict[str, torch.Tensor]]) -> None:
            tensors = state()
            sharded = checkpoint.model.state_dict() if processes.sharded else {}
            weights = {name: processes.whole(value).cpu() for name, value in sharded.items()}
            if processes.main:
                if weights:
                    whole.load_state_dict(weights)
                save_run(
                    replace(checkpoint, model=whole), settings.out_folder, tensors, kind,
                    made_by="pretrain", settings=settings, store_sha256=self.store.digest,
                    **base, **self.windows.patients,
                )  # fmt: skip
            processes.wait()

        return save


@dataclass(frozen=True)
class _Windows:
    """What a run trains on and is validated on."""

    train: LevelBatches
    validation: torch.Tensor
    """Ids (N, T)."""
    text: str
    """Both in words."""
    patients: dict[str, list[str]]
    """Keys of run.yaml that name the patients."""


def _windows(store: Store, settings: PretrainSettings, device: torch.device) -> _Windows:
    model_config, _ = settings.chosen
    tokenizer = LevelTokenizer(N_LEVELS, model_config.vocabulary_size)
    rows, validation_rows = choose_rows(
        store, settings.validation, settings.seed, validate_on=settings.validate_on, leave_out=settings.leave_out
    )  # fmt: skip
    shared: dict[str, Any] = {
        "length": model_config.context_length + 1, "seed": settings.seed, "device": device
    }  # fmt: skip
    resident = device.type == "cuda" and fits_on(store, rows, device)
    train = LevelBatches(
        store, rows, tokenizer, scale_samples=settings.range_samples, augmentation=settings.augmentation,
        resident=resident, **shared,
    )  # fmt: skip
    validation = LevelBatches(store, validation_rows, tokenizer, **shared).fixed(settings.validation_windows)
    text = (
        f"{len(rows)} rows to train on{', kept on the device' if resident else ''}, "
        f"{len(validation_rows)} to validate ({len(validation)} windows)"
    )
    groups = row_groups(store)
    patients = named_patients(*([groups[row] for row in side.tolist()] for side in (rows, validation_rows)))
    return _Windows(train, validation, text, patients)


def _base(settings: PretrainSettings) -> Base | None:
    """Return the decoder whose weights a new run begins with; None where there is none, or the run is resumed.

    Raises:
        ConfigError: it is no decoder of levels, or a model was described too.
    """
    if settings.checkpoint is None or settings.resume:
        return None
    found = load_checkpoint(settings.checkpoint)
    if (
        not isinstance(found.model, GPT)
        or found.model.config.n_outputs is not None
        or found.tokenizer is None
    ):
        raise ConfigError(
            f"{settings.checkpoint} does not predict the next level: pre-training cannot go on from it",
            hint="name a checkpoint of pretrain, or a published decoder",
        )
    if settings.model not in (GPT_PRESETS["modern"], found.model.config):
        raise ConfigError(
            f"the model of {settings.checkpoint} is fixed, but --model was given",
            hint="leave --model out, or --checkpoint",
        )
    return Base(settings.checkpoint, found)


def _begun_from(base: Base, store: Store, reporter: Reporter) -> Checkpoint:
    """Return a copy of the base's model for what the store holds, and tell where the two differ."""
    reporter.say(f"beginning with the weights of {base.name}")
    learnt, held = base.checkpoint.contract, store.contract
    for what, before, now in (
        ("", learnt.modality, held.modality),
        (" Hz", f"{learnt.fs:g}", f"{held.fs:g}"),
    ):
        if before != now:
            reporter.say(f"{base.name} has learnt from {before}{what}, and the store holds {now}{what}")
    longest = base.checkpoint.model.context_length
    contract = replace(held, min_samples=min(held.min_samples, longest), max_samples=longest)
    tokenizer = LevelTokenizer(N_LEVELS, base.checkpoint.model.config.vocabulary_size)
    if base.checkpoint.tokenizer != tokenizer:
        raise ConfigError(
            f"{base.name} cuts a signal into other levels than the {N_LEVELS} of pre-training",
            hint="name a checkpoint of pretrain, or a published decoder",
        )
    return Checkpoint(base.checkpoint.model, tokenizer, contract, run={"base": base.record})


def _fresh(settings: PretrainSettings, store: Store, base: Base | None, reporter: Reporter) -> Checkpoint:
    if base is not None:
        return _begun_from(base, store, reporter)
    model_config, _ = settings.chosen
    longest = model_config.context_length
    contract = replace(
        store.contract, min_samples=min(store.contract.min_samples, longest), max_samples=longest
    )
    return Checkpoint(GPT(model_config), LevelTokenizer(N_LEVELS, model_config.vocabulary_size), contract)


def _own_share(
    train: LevelBatches, settings: PretrainSettings, processes: Processes
) -> tuple[Callable[[int | torch.Tensor, int], torch.Tensor], Callable[[int], None] | None]:
    """Return what gives this process its equal share of an update's windows, and what stages them."""
    size, parts = settings.batch_size // processes.count, settings.accumulate
    first = processes.rank * size * parts
    if train.device.type == "cuda" and not train.resident:
        streamed = StreamedBatches(train, size, parts, first=first)
        return streamed.batch, streamed.stage
    return lambda step, part: train.batch(step, size, first=first + part * size), None


def _company(processes: Processes) -> str:
    if processes.count == 1:
        return str(processes.device)
    return (
        f"{processes.count} processes of {processes.device.type}{', sharded' if processes.sharded else ''},"
    )
