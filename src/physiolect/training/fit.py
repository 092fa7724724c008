"""The training loop: any model, any loss, any batches; what to keep and show is the caller's."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from physiolect.training.step import Step, TrainingError


@dataclass(frozen=True)
class TrainingProgress:
    """Where a run stands."""

    step: int
    """Updates done."""
    loss: float
    """Mean training loss of the updates since the last report, nats per token."""
    learning_rate: float
    gradient_norm: float
    """Before clipping, of the last update."""
    seconds: float
    """Since the last report."""
    validation_loss: float | None = None
    """Where this report follows an evaluation."""


@dataclass(frozen=True)
class Schedule:
    """How often what; in updates."""

    log_every: int = 10
    evaluate_every: int = 100
    save_every: int = 500
    patience: int | None = None
    """End the run after this many evaluations in a row that were no better than the best; None goes on."""


@dataclass
class Callbacks:
    """What the caller does along the way, in every process; `state` gives the tensors to resume from.

    Every process must ask for the state, and only one may write it.
    """

    save: Callable[[Literal["last", "best"], Callable[[], dict[str, Tensor]]], None]
    report: Callable[[TrainingProgress], None]
    evaluate: Callable[[], float] | None = None
    """Validation loss; None never evaluates, and there is no best then."""
    should_stop: Callable[[], bool] = lambda: False
    """Asked after each update: a signal, a deadline; where one process says so, all stop after this update."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    step: int
    finished: bool
    """False if `should_stop` ended it; true after the last update, or when patience was at an end."""
    best_loss: float
    """Lowest validation loss; infinity without evaluation."""


def fit(
    step: Step[Any], schedule: Schedule, callbacks: Callbacks, *, resume: Mapping[str, Tensor] | None = None
) -> Outcome:
    """Train a model; saves at the end, at each interval, and before it gives up.

    On a CPU a resumed run is bit for bit the one that was not interrupted. The device is waited for only where
    something is reported, evaluated or saved, which is also when an update that was refused is noticed.

    Args:
        step: makes the updates of its model, in train mode.
        schedule: how often what.
        callbacks: saving, reporting, evaluating, stopping.
        resume: state of an earlier run of the same settings.

    Raises:
        TrainingError: the loss or its gradient is not finite; the weights before that update are saved.
    """
    run = _Run(step, callbacks, resume)
    most = math.inf if schedule.patience is None else schedule.patience
    step.model.train()
    while step.done < step.steps and run.waited < most:
        step()
        stopping = bool(step.processes.largest(callbacks.should_stop()))
        ending = stopping or step.done == step.steps
        due = step.done % schedule.log_every == 0
        evaluating = callbacks.evaluate and (
            step.done % schedule.evaluate_every == 0 or (ending and not stopping)
        )
        saving = step.done % schedule.save_every == 0 or ending
        if due or ending or evaluating or saving:
            run.read()
        if due or ending:
            run.report()
        if due:  # the line of a stop leaves the resumed run's next one as it is
            run.restart_mean()
        if evaluating and callbacks.evaluate:
            run.evaluate(callbacks.evaluate)
        if saving or run.waited >= most:
            callbacks.save("last", run.state)
        if stopping:
            break
    step.model.eval()
    return Outcome(step.done, step.done >= step.steps or run.waited >= most, run.best)


class _Run:
    """What a run counts from one report or evaluation to the next."""

    def __init__(self, step: Step[Any], callbacks: Callbacks, resume: Mapping[str, Tensor] | None) -> None:
        self.step, self.callbacks = step, callbacks
        self.best, self.waited = math.inf, 0  # evaluations since the best
        self.total, self.since = (
            0.0,
            step.done,
        )  # sum of the losses after update `since`, the last one reported
        if resume is not None:
            step.restore(resume)
            self.best, self.waited = float(resume.get("best", self.best)), int(resume.get("waited", 0))
            self.total = float(resume.get("loss_sum", 0.0))
            self.since = int(resume.get("loss_since", step.done))
        self.norm = math.nan
        self.last = TrainingProgress(step.done, math.nan, math.nan, math.nan, 0.0)
        self.clock = time.perf_counter()

    def state(self) -> dict[str, Tensor]:
        return {
            **self.step.state(),
            "best": torch.tensor(self.best, dtype=torch.float64),
            "waited": torch.tensor(self.waited),
            "loss_sum": torch.tensor(self.total, dtype=torch.float64),
            "loss_since": torch.tensor(self.since),
        }

    def read(self) -> None:
        """Wait for the device, and add the losses since the last reading."""
        try:
            losses, self.norm = self.step.read()
        except TrainingError:
            self.restart_mean()
            self.callbacks.save("last", self.state)
            raise
        self.total += losses

    def restart_mean(self) -> None:
        self.total, self.since = 0.0, self.step.done

    def report(self) -> None:
        now, done = time.perf_counter(), self.step.done
        mean = self.total / (done - self.since)
        self.last = TrainingProgress(done, mean, self.step.rate, self.norm, now - self.clock)
        self.callbacks.report(self.last)
        self.clock = now

    def evaluate(self, measure: Callable[[], float]) -> None:
        """Report the validation loss; save the model if it is the best so far."""
        paused = time.perf_counter()
        self.step.model.eval()
        with torch.compiler.set_stance("force_eager"):  # it is seldom, and would be compiled anew
            loss = measure()
        self.step.model.train()
        self.callbacks.report(replace(self.last, step=self.step.done, seconds=0.0, validation_loss=loss))
        self.waited += 1
        if loss < self.best:
            self.best, self.waited = loss, 0
            self.callbacks.save("best", self.state)
        self.clock += time.perf_counter() - paused
