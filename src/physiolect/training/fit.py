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
    best, waited = math.inf, 0  # evaluations since the best
    total, since = 0.0, step.done  # sum of the losses after update `since`, the last one reported
    if resume is not None:
        step.restore(resume)
        best, waited = float(resume.get("best", best)), int(resume.get("waited", 0))
        total, since = float(resume.get("loss_sum", 0.0)), int(resume.get("loss_since", step.done))
    most = math.inf if schedule.patience is None else schedule.patience

    def state() -> dict[str, Tensor]:
        return {
            **step.state(),
            "best": torch.tensor(best, dtype=torch.float64),
            "waited": torch.tensor(waited),
            "loss_sum": torch.tensor(total, dtype=torch.float64),
            "loss_since": torch.tensor(since),
        }

    last = TrainingProgress(step.done, math.nan, math.nan, math.nan, 0.0)
    clock = time.perf_counter()
    step.model.train()
    while step.done < step.steps and waited < most:
        step()
        stopping = bool(step.processes.largest(callbacks.should_stop()))
        ending = stopping or step.done == step.steps
        logging = step.done % schedule.log_every == 0 or ending
        evaluating = callbacks.evaluate and (
            step.done % schedule.evaluate_every == 0 or (ending and not stopping)
        )
        saving = step.done % schedule.save_every == 0 or ending
        if logging or evaluating or saving:
            try:
                losses, norm = step.read()
            except TrainingError:
                total, since = 0.0, step.done
                callbacks.save("last", state)
                raise
            total += losses
        if logging:
            now = time.perf_counter()
            last = TrainingProgress(step.done, total / (step.done - since), step.rate, norm, now - clock)
            callbacks.report(last)
            clock = now
            if (
                step.done % schedule.log_every == 0
            ):  # the line of a stop leaves the resumed run's next one as it is
                total, since = 0.0, step.done
        if evaluating and callbacks.evaluate:
            paused = time.perf_counter()
            step.model.eval()
            with torch.compiler.set_stance("force_eager"):  # it is seldom, and would be compiled anew
                validation = callbacks.evaluate()
            step.model.train()
            callbacks.report(replace(last, step=step.done, seconds=0.0, validation_loss=validation))
            waited += 1
            if validation < best:
                best, waited = validation, 0
                callbacks.save("best", state)
            clock += time.perf_counter() - paused
        if saving or waited >= most:
            callbacks.save("last", state)
        if stopping:
            break
    step.model.eval()
    return Outcome(step.done, step.done >= step.steps or waited >= most, best)
