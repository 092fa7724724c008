"""What the loop of pre-training needs of an objective: who learns, from what, and what is saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from physiolect.checkpoint import Checkpoint
from physiolect.training import Recipe


@dataclass(frozen=True, eq=False)
class Work:
    """One objective with its model and its data, in one process."""

    checkpoint: Checkpoint
    """With the model as it is before training."""
    network: nn.Module
    """What learns: the model itself, or a network that contains it."""
    objective: Callable[[nn.Module, Any], Tensor]
    """Loss of a batch."""
    recipe: Recipe
    batch: Callable[[int | Tensor, int], Any]
    """A part of an update's windows, for this process."""
    stage: Callable[[int], None] | None
    """Prepares an update's windows; None where there is nothing to do."""
    regions: list[nn.Module]
    """Parts that are compiled, and sharded, each by itself."""
    validation_loss: Callable[[], float]
    save: Callable[[Mapping[str, Tensor]], tuple[Checkpoint, dict[str, Tensor]]]
    """All weights of the network -> the checkpoint to save, and what the run's state keeps of them beside it."""
    text: str
    """Training and validation windows in words."""
    tokens_per_update: int
    """Of all processes; counted in metrics."""
    width: int
    """Features of the model, by which a CPU chooses how to multiply."""
    unit: str = "nats per token"
    """Of the loss in the result; "" where it has none."""
    journal_unit: str = "nats/token"
    """Of the loss in metrics."""
    patients: Mapping[str, list[str]] = field(default_factory=dict)
    """Keys of run.yaml that name the patients."""
    capturable: bool = True
    """Whether an update may be one CUDA graph; code of a text tower that trains waits for the device."""
    after: Callable[[Tensor, Tensor], None] | None = None
    """Called after each update; see `Step`."""


def own_piece(pieces: list[Any], first: int, rank: int) -> tuple[Any, bool]:
    """Return the piece that a process scores in a round, and whether it counts.

    A sharded model needs all processes for every pass, so one without a piece of its own repeats the last.
    """
    mine = first + rank
    return pieces[min(mine, len(pieces) - 1)], mine < len(pieces)


def fixed_draws(device: torch.device) -> Any:
    """Return a context in which random numbers are the same at every call, and after which they go on as before."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [])
