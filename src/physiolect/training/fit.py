"""The training loop: any model, any loss, any batches; what to keep and show is the caller's."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from physiolect.errors import PhysiolectError
from physiolect.training.optim import Recipe, learning_rate_at, make_optimizer

Batch = TypeVar("Batch")


class TrainingError(PhysiolectError):
    """Training cannot go on."""


@dataclass(frozen=True)
class Progress:
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
    """How long, and how often what; in updates."""

    steps: int
    accumulate: int = 1
    """Batches summed into one update."""
    log_every: int = 10
    evaluate_every: int = 100
    save_every: int = 500


@dataclass
class Callbacks:
    """What the caller does along the way; `state` holds the tensors to resume from."""

    save: Callable[[Literal["last", "best"], Callable[[], dict[str, Tensor]]], None]
    report: Callable[[Progress], None]
    evaluate: Callable[[], float] | None = None
    """Validation loss; None never evaluates, and there is no best then."""
    should_stop: Callable[[], bool] = lambda: False
    """Asked after each update: a signal, a deadline."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    step: int
    finished: bool
    """False if `should_stop` ended it."""
    best_loss: float
    """Lowest validation loss; infinity without evaluation."""


def fit(
    model: nn.Module,
    loss_of: Callable[[nn.Module, Batch], Tensor],
    batches: Callable[[int, int], Batch],
    recipe: Recipe,
    schedule: Schedule,
    callbacks: Callbacks,
    *,
    resume: Mapping[str, Tensor] | None = None,
) -> Outcome:
    """Train a model; saves at the end, at each interval, and before it gives up.

    On a CPU a resumed run is bit for bit the one that was not interrupted.

    Args:
        model: trained in place, in train mode.
        loss_of: mean loss of a batch.
        batches: (update, part of the accumulation) -> batch; must depend on nothing else.
        recipe: optimiser and schedule of the learning rate.
        schedule: how long, and how often what.
        callbacks: saving, reporting, evaluating, stopping.
        resume: state of an earlier run of the same settings.

    Raises:
        TrainingError: the loss or its gradient is not finite; the weights before that update are saved.
    """
    optimizer = make_optimizer(model, recipe)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    step, best = (0, math.inf) if resume is None else _restore(optimizer, names, resume)

    def state() -> dict[str, Tensor]:
        return _capture(optimizer, names, step, best)

    parts = range(schedule.accumulate)
    last = Progress(step, math.nan, math.nan, math.nan, 0.0)
    total, since, clock = 0.0, step, time.perf_counter()
    model.train()
    while step < schedule.steps:
        rate = learning_rate_at(step, schedule.steps, recipe)
        pieces = (loss_of(model, batches(step, part)) / len(parts) for part in parts)
        loss, norm = _update(model, optimizer, pieces, rate, recipe.clip_norm)
        if not math.isfinite(loss + norm):
            callbacks.save("last", state)
            raise TrainingError(
                f"update {step + 1} has a loss of {loss} and a gradient of norm {norm}",
                hint=f"the weights of update {step} are saved; start anew with a lower rate, or look at the data",
            )
        step, total = step + 1, total + loss
        stopping = callbacks.should_stop()
        ending = stopping or step == schedule.steps
        if step % schedule.log_every == 0 or ending:
            now = time.perf_counter()
            last = Progress(step, total / (step - since), rate, norm, now - clock)
            callbacks.report(last)
            total, since, clock = 0.0, step, now
        if callbacks.evaluate and (step % schedule.evaluate_every == 0 or (ending and not stopping)):
            paused = time.perf_counter()
            model.eval()
            validation = callbacks.evaluate()
            model.train()
            callbacks.report(replace(last, step=step, seconds=0.0, validation_loss=validation))
            if validation < best:
                best = validation
                callbacks.save("best", state)
            clock += time.perf_counter() - paused
        if step % schedule.save_every == 0 or ending:
            callbacks.save("last", state)
        if stopping:
            break
    model.eval()
    return Outcome(step, step >= schedule.steps, best)


def _update(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    pieces: Iterable[Tensor],
    rate: float,
    clip_norm: float | None,
) -> tuple[float, float]:
    """Move the weights down the gradient of the sum of `pieces`, unless it or its gradient is not finite.

    Returns:
        the sum, and the norm of its gradient before clipping.
    """
    optimizer.zero_grad(set_to_none=True)
    loss = 0.0
    for piece in pieces:
        piece.backward()
        loss += piece.item()
    norm = float(nn.utils.clip_grad_norm_(model.parameters(), clip_norm or math.inf))
    if math.isfinite(loss + norm):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
    return loss, norm


def _capture(
    optimizer: torch.optim.Optimizer, names: Mapping[int, str], step: int, best: float
) -> dict[str, Tensor]:
    """Return everything that the next update depends on besides the weights, as flat tensors."""
    state = {
        "step": torch.tensor(step),
        "best": torch.tensor(best, dtype=torch.float64),
        "random": torch.get_rng_state(),
    }
    for parameter, moments in optimizer.state.items():
        for kind, value in moments.items():
            state[f"optimizer/{names[id(parameter)]}/{kind}"] = value.detach().clone()
    return state


def _restore(
    optimizer: torch.optim.Optimizer, names: Mapping[int, str], state: Mapping[str, Tensor]
) -> tuple[int, float]:
    parameters = {names[id(each)]: each for group in optimizer.param_groups for each in group["params"]}
    try:
        for key, value in state.items():
            if key.startswith("optimizer/"):
                name, _, kind = key.removeprefix("optimizer/").rpartition("/")
                parameter = parameters[name]
                optimizer.state[parameter][kind] = value.to(parameter.device, copy=True)
        torch.set_rng_state(state["random"])
        return int(state["step"]), float(state["best"])
    except KeyError as error:
        raise TrainingError(
            f"the saved state does not fit the model: there is no {error}",
            hint="resume from the folder this run wrote, with the settings it had",
        ) from error
