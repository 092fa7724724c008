"""One update of the weights, in three forms of one meaning: eager, compiled, captured."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from typing import Generic, Literal, TypeVar

import torch
from torch import Tensor, nn

from physiolect.errors import ConfigError, PhysiolectError, check_option
from physiolect.training.graph import capture_graph
from physiolect.training.optim import Recipe, learning_rate_at, make_optimizer
from physiolect.training.processes import Processes

Batch = TypeVar("Batch")
Form = Literal["auto", "eager", "compiled", "captured"]


class TrainingError(PhysiolectError):
    """Training cannot go on."""


def choose_form(
    name: Form, device: torch.device, *, n_processes: int = 1
) -> Literal["eager", "compiled", "captured"]:
    """Return the form of the step that goes by this name; "auto" is captured on one GPU and eager elsewhere.

    Raises:
        ConfigError: the name is unknown, or the step cannot be compiled or captured here.
    """
    check_option("form", name, ("auto", "eager", "compiled", "captured"))
    able = device.type == "cuda" and n_processes == 1
    if name == "captured" and not able:
        raise ConfigError(
            f"form is captured, but {n_processes} processes train on {device}",
            hint="leave form out: a step is captured on one GPU only",
        )
    if name == "compiled" and not _can_compile(device):
        raise ConfigError(
            f"form is compiled, but what compiles for {device} is not installed",
            hint="leave form out, or install Triton and gcc for a GPU, g++ for a CPU",
        )
    if name == "auto":
        return "captured" if able else "eager"
    return name


def _can_compile(device: torch.device) -> bool:
    """Say whether torch.compile finds what it needs: a C++ compiler, or for a GPU Triton and its C compiler."""
    if device.type != "cuda":
        return bool(os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++"))
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
    return find_spec("triton") is not None and compiler is not None


def _of_rank(rank: int) -> str:
    """Return what the name of a process's own tensor ends in; the first one's are named as if it were alone."""
    return f"/{rank}" if rank else ""


class Step(Generic[Batch]):
    """An update: loss and gradient of some batches, clipping, AdamW; all of it on the device, waiting for nothing.

    An update whose loss or gradient is not finite is not made, nor is any after it; `read` tells.

    Args:
        model: trained in place; on its device already.
        loss_of: mean loss of a batch.
        batches: (update, part of the accumulation) -> batch. In the captured form the update is an int64 tensor () on
            the device, what is computed must have the same shapes each time, and nothing may wait for the device.
        recipe: optimiser and schedule of the learning rate.
        steps: updates in all, for the schedule.
        accumulate: batches summed into one update.
        stage: brings to the device what the batches of an update need; never captured.
        form: "eager"; "compiled", by torch.compile; or "captured", compiled where that is possible and then the whole
            update as one CUDA graph, replayed: one launch instead of hundreds.
        regions: what is compiled, each on its own and in place, so that blocks of one shape are compiled once; the
            whole model by default.
        processes: who else trains the model, each with batches of its own and as large; losses and gradients are the
            means over all, and what one must refuse, all refuse.
        after: called at the end of each update with its number () and whether it was made (), both on the device.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_of: Callable[[nn.Module, Batch], Tensor],
        batches: Callable[[int | Tensor, int], Batch],
        recipe: Recipe,
        steps: int,
        *,
        accumulate: int = 1,
        stage: Callable[[int], None] | None = None,
        form: Literal["eager", "compiled", "captured"] = "eager",
        regions: Iterable[nn.Module] | None = None,
        processes: Processes | None = None,
        after: Callable[[Tensor, Tensor], None] | None = None,
    ) -> None:
        self.model, self.loss_of, self.batches, self.recipe, self.steps = (
            model,
            loss_of,
            batches,
            recipe,
            steps,
        )
        self.parts, self.stage, self.form, self.after = accumulate, stage, form, after
        self.done = 0
        """Updates asked for."""
        self.rate = 0.0
        """Learning rate of the last update."""
        self.processes = processes or Processes()
        regions = None if regions is None else list(regions)
        self._wrapped = self.processes.wrap(model, regions or [])
        self.optimizer = make_optimizer(model, recipe)
        self._device = next(model.parameters()).device
        self._at = self._number(0, kind=torch.int64)
        self._failed_at = self._number(-1, kind=torch.int64)
        self._failed_with = self._number(0, 0)
        self._total = self._number(0)
        self._norm = self._number(0)
        self._refuse = self._number(0, kind=torch.float32)
        self._rate = self._number(0, kind=torch.float32)
        self._graph: torch.cuda.CUDAGraph | None = None
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate
        # AdamW skips its update where this is 1: what mixed precision uses it for, too
        self.optimizer.found_inf = self._refuse  # type: ignore[attr-defined]
        self._make_moments()
        if form == "compiled" or (form == "captured" and _can_compile(self._device)):
            for region in [model] if regions is None else regions:
                region.compile()

    def __call__(self) -> None:
        """Make the next update."""
        if self.form == "captured" and self._graph is None:
            self._graph = self._captured()
        self._begin()
        if self._graph is None:
            self._update(self.done)
        else:
            self._graph.replay()
        self.done += 1

    def read(self) -> tuple[float, float]:
        """Return the sum of the losses since the last reading, and the last gradient's norm before clipping.

        Raises:
            TrainingError: an update was refused; nothing was made since, and `done` says so.
        """
        failed = int(self._failed_at)
        if failed >= 0:
            self.done = failed
            loss, norm = self._failed_with.tolist()
            raise TrainingError(
                f"update {failed + 1} has a loss of {loss} and a gradient of norm {norm}",
                hint=f"the weights of update {failed} are saved; start anew with a lower rate, or look at the data",
            )
        total, norm = float(self._total), float(self._norm)
        self._total.zero_()
        return total, norm

    def state(self) -> dict[str, Tensor]:
        """Return everything that the next update depends on besides the weights, as flat tensors.

        They are the same whether the model is sharded or not; it takes all processes to ask.
        """
        state = {"step": torch.tensor(self.done)}
        generators = {"random": torch.get_rng_state()}
        if self._device.type == "cuda":
            generators["random_cuda"] = torch.cuda.get_rng_state(self._device)
        for name, own in generators.items():
            for rank, each in enumerate(self.processes.gather(own)):
                state[name + _of_rank(rank)] = each
        for name, parameter in self._named():
            for kind, value in self.optimizer.state[parameter].items():
                value = self.processes.whole(value.detach())  # on the host where one device may be too small
                state[f"optimizer/{name}/{kind}"] = value.cpu() if self.processes.sharded else value.clone()
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state; one saved on another kind of device, or by fewer processes, with other random numbers.

        Raises:
            TrainingError: the state is another model's.
        """
        try:
            for name, parameter in self._named():
                for kind, value in self.optimizer.state[parameter].items():
                    self.processes.fill(value, state[f"optimizer/{name}/{kind}"])
            own = _of_rank(self.processes.rank)
            known = own if f"random{own}" in state else ""
            torch.set_rng_state(state[f"random{known}"])
            if self._device.type == "cuda" and f"random_cuda{known}" in state:
                torch.cuda.set_rng_state(state[f"random_cuda{known}"], self._device)
            if known != own:
                self.processes.draw_apart()
            self.done = int(state["step"])
        except (KeyError, RuntimeError) as error:
            raise TrainingError(
                f"the saved state does not fit the model: {error}",
                hint="resume from the folder this run wrote, with the settings it had",
            ) from error

    def _begin(self) -> None:
        """Send what changes from update to update; a number written to the device is waited for by nobody."""
        if self.stage is not None:
            self.stage(self.done)
        self.rate = learning_rate_at(self.done, self.steps, self.recipe)
        self._rate.fill_(self.rate)
        self._at.fill_(self.done)

    def _update(self, at: int | Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        loss = torch.zeros_like(self._total)
        for part in range(self.parts):
            self.processes.sum_gradients_later(self._wrapped, part < self.parts - 1)
            piece = self.loss_of(self._wrapped, self.batches(at, part)) / self.parts
            piece.backward()
            loss = loss + piece.detach()
        loss, norm = self.processes.mean(loss), self.processes.whole(self._clip())
        failed = ~torch.isfinite(loss + norm)
        first = failed & (self._failed_at < 0)
        self._failed_at.copy_(torch.where(first, self._at, self._failed_at))
        self._failed_with.copy_(torch.where(first, torch.stack((loss, norm.double())), self._failed_with))
        self._refuse.copy_(self._failed_at >= 0)
        self.optimizer.step()
        if self.after is not None:
            self.after(self._at, self._failed_at < 0)
        self._total += loss
        self._norm.copy_(norm)

    def _clip(self) -> Tensor:
        """Return the norm of the whole gradient, after making it no longer than the recipe allows."""
        if self.recipe.clip_norm is not None:
            return nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        return nn.utils.get_total_norm([p.grad for p in self.model.parameters() if p.grad is not None])

    def _captured(self) -> torch.cuda.CUDAGraph:
        """Return the whole update as a graph, and everything else as it was before."""
        moments = [value for _, p in self._named() for value in self.optimizer.state[p].values()]
        counts = [self._failed_at, self._failed_with, self._refuse, self._total, self._norm]
        held = [*self.model.parameters(), *self.model.buffers(), *moments, *counts]
        self._begin()
        return capture_graph(lambda: self._update(self._at), held, self._device, warm_ups=3)[0]

    def _make_moments(self) -> None:
        """Initialise AdamW's state with a skipped zero-gradient step."""
        for _, parameter in self._named():
            parameter.grad = torch.zeros_like(parameter)
        self._refuse.fill_(1)
        self.optimizer.step()
        self._refuse.zero_()
        self.optimizer.zero_grad(set_to_none=True)

    def _named(self) -> list[tuple[str, nn.Parameter]]:
        return [(name, p) for name, p in self.model.named_parameters() if p.requires_grad]

    def _number(self, *values: float, kind: torch.dtype = torch.float64) -> Tensor:
        """Return numbers that live on the device; one of them as a tensor ()."""
        return torch.tensor(values if len(values) > 1 else values[0], dtype=kind, device=self._device)
