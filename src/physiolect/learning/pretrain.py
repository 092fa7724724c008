"""Pre-train a model without labels: a decoder on the next level, or an encoder by another objective."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from physiolect import config
from physiolect.datasets import Store, open_store
from physiolect.events import Listener, Reporter
from physiolect.learning.job import Base
from physiolect.learning.next_level import decoder_base, prepare_next_level
from physiolect.learning.pretrain_settings import PretrainSettings
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
from physiolect.learning.unlabelled.work import model_base, n_training_rows, prepare_unlabelled
from physiolect.learning.work import Work
from physiolect.training import (
    Callbacks,
    Journal,
    LostProcessError,
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
    noticing_loss,
    stop_signals,
    using_threads,
)


@takes_settings(PretrainSettings)
def pretrain(
    store: Store | str | Path, *, out: str | Path, on_event: Listener | None = None, **settings: Any
) -> TrainingResult:
    """Pre-train a model on a store without labels, or resume a run.

    Ctrl-C and SIGTERM stop the run after the update under way; the run is saved, and the result is not finished.
    Of several launched processes, the first one writes and reports.

    Args:
        store: made by `prepare`; opened or a folder. A decoder needs one channel a row.
        out: folder of the run.
        on_event: called with messages and metrics; returning True stops the run after the update under way.
        **settings: fields of `PretrainSettings`.

    Raises:
        ConfigError: settings or captions are wrong, or the store has several channels and the model is a decoder.
        WriteError: another run is writing to the folder, or the disk is full.
        TrainingError: the loss or its gradient is not finite; the weights before that update are saved.
        LostProcessError: another of the launched processes has ended.
    """
    chosen = read_settings(PretrainSettings, "pretrain", {"store": store, "out": out, **settings})
    base = _base(chosen)
    if base is not None and chosen.is_next_level:
        chosen = replace(chosen, model=base.checkpoint.model.config)
    reporter = Reporter(on_event)
    torch.manual_seed(chosen.seed)
    lock = locked_run(chosen.out_folder, resume=chosen.resume, saved=chosen.holds_run)
    try:
        with join_processes(chosen.device) as processes, lock if processes.main else nullcontext():
            quiet = reporter if processes.main else Reporter()
            run = _Run.prepare(chosen, processes, quiet, base)
            batch = (run.settings.batch_size or 1) // processes.count
            threads = using_threads(chosen.threads, run.work.checkpoint.model, batch=batch)
            with threads, fast_products(processes.device, run.work.width):
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
    work: Work
    state: dict[str, torch.Tensor] | None
    """What is resumed."""

    @classmethod
    def prepare(
        cls, settings: PretrainSettings, processes: Processes, reporter: Reporter, base: Base | None = None
    ) -> _Run:
        """Open the store, choose windows, and make or load the model."""
        store = open_store(settings.store, verify=True)
        saved, state = saved_run(settings.out_folder, store) if settings.resume else (None, None)
        settings = settings.sized(_n_training_rows(store, settings))
        if settings.is_next_level:
            work = prepare_next_level(settings, store, processes, reporter, base=base, saved=saved)
        else:
            work = prepare_unlabelled(
                settings, store, processes, reporter, base=base, saved=saved, state=state
            )
        assert settings.steps is not None
        if processes.main and not settings.resume:
            config.dump(settings, settings.out_folder / SETTINGS_FILE)
        elif processes.main and (longer := lengthened(settings.out_folder, settings.steps)):
            reporter.say(longer)
        processes.draw_apart()
        return cls(settings, processes, reporter, store, work, state)

    @property
    def _steps(self) -> int:
        assert self.settings.steps is not None
        return self.settings.steps

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
                evaluate=self.work.validation_loss,
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
        return TrainingResult(
            self.settings.out_folder, outcome.step, self._steps, outcome.finished, outcome.best_loss,
            unit=self.work.unit, signal=signal,
        )  # fmt: skip

    def _step(self) -> Step[Any]:
        settings, work, processes = self.settings, self.work, self.processes
        asked = "eager" if settings.form == "auto" and not work.capturable else settings.form
        return Step(
            work.network, work.objective, work.batch, work.recipe, self._steps,
            accumulate=settings.accumulate, stage=work.stage,
            form=choose_form(asked, processes.device, n_processes=processes.count),
            regions=work.regions, processes=processes, after=work.after,
        )  # fmt: skip

    def _journal(self) -> Journal:
        resumed_at = int(self.state["step"]) if self.state else 0
        return Journal(
            self.settings.out_folder, self._steps, self.work.tokens_per_update, resumed_at=resumed_at,
            unit=self.work.journal_unit, on_event=self.reporter.send,
        )  # fmt: skip

    def _described(self, form: str) -> str:
        """Return what trains, where and on what, in a sentence."""
        precision = choose_precision(self.settings.precision, self.processes.device)
        return (
            f"{self.work.checkpoint.model.n_parameters():,} parameters on {_company(self.processes)} in "
            f"{str(precision).removeprefix('torch.')}, {form} steps; {self.work.text}"
        )

    def _saver(self) -> Callable[[Literal["last", "best"], Callable[[], dict[str, torch.Tensor]]], None]:
        work, settings, processes = self.work, self.settings, self.processes
        run = work.checkpoint.run
        base = {"base": run["base"]} if "base" in run else {}

        def save(kind: Literal["last", "best"], state: Callable[[], dict[str, torch.Tensor]]) -> None:
            tensors = state()
            weights = {name: processes.whole(value) for name, value in work.network.state_dict().items()}
            if processes.sharded:
                weights = {name: value.cpu() for name, value in weights.items()}
            if processes.main:
                checkpoint, beside = work.save(weights)
                save_run(
                    checkpoint, settings.out_folder, {**tensors, **beside}, kind,
                    made_by="pretrain", settings=settings, store_sha256=self.store.digest,
                    **base, **work.patients,
                )  # fmt: skip
            processes.wait()

        return save


def _n_training_rows(store: Store, settings: PretrainSettings) -> int:
    """Return how many rows train, of which epochs are counted; 0 where none are counted."""
    if settings.is_next_level or settings.steps is not None:
        return 0
    return n_training_rows(store, settings)


def _base(settings: PretrainSettings) -> Base | None:
    """Return the model whose weights a new run begins with; None where there is none, or the run is resumed.

    Raises:
        ConfigError: it does not fit the objective, or a model was described too.
    """
    if settings.checkpoint is None or settings.resume:
        return None
    return decoder_base(settings) if settings.is_next_level else model_base(settings)


def _company(processes: Processes) -> str:
    if processes.count == 1:
        return str(processes.device)
    return (
        f"{processes.count} processes of {processes.device.type}{', sharded' if processes.sharded else ''},"
    )
