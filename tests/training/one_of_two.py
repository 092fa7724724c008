"""What each of two processes does for test_processes.py: `one_of_two.py FOLDER DEVICE` under a launcher's environment.

Writes what it saw into `FOLDER/<rank>.pt`; asserts nothing. On a GPU it trains once and does no more.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from physiolect.models.gpt import GPT, GPTConfig
from physiolect.training import (
    RECIPES,
    Callbacks,
    Processes,
    Recipe,
    Schedule,
    Step,
    TrainingError,
    TrainingProgress,
    fit,
    join_processes,
    next_token_loss,
)
from physiolect.training.processes import _Launched

SMALL = GPTConfig(vocabulary_size=11, context_length=8, width=8, n_layers=2, n_heads=2, mlp_width=16)
DROPOUT = GPTConfig(
    vocabulary_size=11, context_length=8, width=8, n_layers=2, n_heads=2, mlp_width=16,
    attention_dropout=0.2, residual_dropout=0.2,
)  # fmt: skip
LEVEL = Recipe(learning_rate=1e-2, schedule="constant", warmup_steps=0)
SIZE, PARTS = 4, 2
"""Windows of a batch of all processes together, and batches of an update."""

Loss = Callable[[nn.Module, Any], Tensor]


def window(step: int, row: int) -> Tensor:
    return torch.randint(0, 11, (9,), generator=torch.Generator().manual_seed(1000 * step + row))


class Run:
    """A small run of one or several processes, and what it told and kept."""

    def __init__(
        self, processes: Processes, config: GPTConfig = SMALL, loss_of: Loss = next_token_loss
    ) -> None:
        torch.manual_seed(0)
        self.model, self.processes, self.loss_of = GPT(config).to(processes.device), processes, loss_of
        processes.draw_apart()
        self.losses: list[tuple[float, float]] = []
        self.kept: dict[str, Tensor] = {}
        """The last that was saved: state, and weights as `weights/…`."""
        self.refused = ""
        self.stop_at = math.inf
        self.done = 0

    def batch(self, step: int, part: int) -> Any:
        share = SIZE // self.processes.count
        first = (self.processes.rank * PARTS + part) * share
        ids = torch.stack([window(step, first + row) for row in range(share)]).to(self.processes.device)
        return ids if self.loss_of is next_token_loss else (step, ids)

    def train(self, steps: int, resume: dict[str, Tensor] | None = None, recipe: Recipe = LEVEL) -> Run:
        if resume:
            weights = {
                name.removeprefix("weights/"): value for name, value in resume.items() if "weights/" in name
            }
            self.model.load_state_dict(weights)
        self.step: Step[Any] = Step(
            self.model, self.loss_of, self.batch, recipe, steps, accumulate=PARTS,
            regions=self.model.trunk.blocks, processes=self.processes,
        )  # fmt: skip
        callbacks = Callbacks(self.save, self.report, should_stop=lambda: self.step.done == self.stop_at)
        try:
            self.done = fit(self.step, Schedule(log_every=1, save_every=2), callbacks, resume=resume).step
        except TrainingError as error:
            self.done, self.refused = self.step.done, str(error)
        return self

    def save(self, kind: Literal["last", "best"], state: Callable[[], dict[str, Tensor]]) -> None:
        weights = {f"weights/{k}": self.processes.whole(v) for k, v in self.model.state_dict().items()}
        self.kept = {name: value.clone() for name, value in {**state(), **weights}.items()}

    def report(self, progress: TrainingProgress) -> None:
        self.losses.append((progress.loss, progress.gradient_norm))


def bad_for_one(processes: Processes) -> Loss:
    """Return a loss that is no number in update 4, from 1, of the second process alone; its gradient is one."""

    def loss_of(model: nn.Module, batch: tuple[int, Tensor]) -> Tensor:
        step, ids = batch
        return next_token_loss(model, ids) + (math.nan if (step, processes.rank) == (3, 1) else 0.0)

    return loss_of


def gradients(processes: Processes) -> list[Tensor]:
    """Return a gradient after a pass that shares nothing yet, and after one that shares both."""
    run, seen = Run(processes), []
    wrapped = processes.wrap(run.model)
    for part in range(PARTS):
        processes.sum_gradients_later(wrapped, part < PARTS - 1)
        next_token_loss(wrapped, run.batch(0, part)).backward()
        seen.append(run.model.head.weight.grad.clone())
    return seen


def trained(processes: Processes) -> dict[str, Any]:
    """Return who this process is, and what it sees of a run."""
    run = Run(processes).train(6, recipe=RECIPES["modern"])
    return {
        "rank": processes.rank,
        "count": processes.count,
        "sharded": processes.sharded,
        "whole": (run.losses, {name: value.cpu() for name, value in run.kept.items()}),
        "held": sum(getattr(p, "_local_tensor", p).numel() for p in run.model.parameters()),
    }


def everything(processes: Processes) -> dict[str, Any]:
    """Return what this process sees of all that is to be shown."""
    rank = processes.rank
    saw: dict[str, Any] = trained(processes) | {"main": processes.main}
    saw["gathered"] = processes.gather(torch.arange(3) + 10 * rank)
    saw["sum"], saw["largest"] = processes.sum(0.1 + rank), processes.largest(rank == 1)
    saw["mean"] = processes.mean(torch.tensor([1.0, 2.0 + rank]))
    refused = Run(processes, loss_of=bad_for_one(processes)).train(6)
    saw["refused"] = refused.refused, refused.done, refused.kept
    stopped = Run(processes)
    stopped.stop_at = 3 if rank == 1 else math.inf
    saw["stopped"] = stopped.train(6).done, stopped.kept
    twice = [Run(processes, DROPOUT).train(6) for _ in range(2)]
    saw["dropout"] = [(run.losses, run.kept) for run in twice]
    first = Run(processes, DROPOUT)
    first.stop_at = 3
    first.train(6)
    second = Run(processes, DROPOUT).train(6, resume=first.kept)
    saw["resumed"] = first.losses + second.losses, second.kept
    saw["gradients"] = None if processes.sharded else gradients(processes)
    before = torch.load(Path(sys.argv[1]) / "alone.pt", weights_only=True)
    saw["from one"] = Run(processes).train(6, resume=before).losses
    return saw


def threads() -> int:
    """Return how many threads of connections this process has."""
    names = [file.read_text().strip() for file in Path("/proc/self/task").glob("*/comm")]
    return sum("gloo" in name for name in names)


if __name__ == "__main__":
    device = sys.argv[2]
    alone = os.environ["WORLD_SIZE"] == "1"  # on one GPU, a group of one still goes the way of several
    with nullcontext(_Launched(device)) if alone else join_processes(device) as processes:
        saw = everything(processes) if device == "cpu" else trained(processes)
        saw["threads"] = threads()
    saw["threads left"] = threads()
    torch.save(saw, Path(sys.argv[1]) / f"{processes.rank}.pt")
