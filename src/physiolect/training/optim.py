"""The optimiser, its schedule, and the recipes that go by name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from physiolect.errors import ConfigError


@dataclass(frozen=True)
class Recipe:
    """How weights are moved."""

    learning_rate: float = 3e-3
    """Peak of the schedule."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """After warm-up: down to a tenth along half a cosine, or level."""
    warmup_steps: int = 50
    """Steps of linear rise."""
    weight_decay: float = 0.01
    """AdamW's, on matrices, or on everything with `decay_all`."""
    decay_all: bool = False
    """Decay gains, biases and position tables too, as PyTorch does by default."""
    beta1: float = 0.9
    """AdamW's memory of gradients."""
    beta2: float = 0.95
    """AdamW's memory of squared gradients."""
    clip_norm: float | None = 1.0
    """Largest norm of the whole gradient; None leaves it alone."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = []
        if not 0 < self.learning_rate < math.inf:
            found.append(f"learning_rate is {self.learning_rate}, but must be above 0")
        if self.warmup_steps < 0:
            found.append(f"warmup_steps is {self.warmup_steps}, but cannot be negative")
        if not 0 <= self.weight_decay < math.inf:
            found.append(f"weight_decay is {self.weight_decay}, but cannot be negative")
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                found.append(f"{name} is {getattr(self, name)}, but must be in [0, 1)")
        if self.clip_norm is not None and not self.clip_norm > 0:
            found.append(f"clip_norm is {self.clip_norm}, but must be above 0")
        return found

    def __post_init__(self) -> None:
        problems = self.problems()
        if problems:
            raise ConfigError("; ".join(problems), hint="leave these out to take the preset's")


RECIPES: dict[str, Recipe] = {
    "modern": Recipe(),
    "published": Recipe(3e-4, "constant", 0, 0.01, decay_all=True, beta2=0.999, clip_norm=None),
    "fine-tuning": Recipe(5e-4, warmup_steps=20),
    "ecgformer": Recipe(2e-4, "constant", 0, 0.0, beta2=0.999, clip_norm=None),
}
""" "published" is AdamW with PyTorch's defaults at 3e-4, as the authors of HeartGPT trained; "ecgformer" is Adam (AdamW
without decay) with PyTorch's defaults at 2e-4, as ECGformer is described."""


def learning_rate_at(step: int, steps: int, recipe: Recipe) -> float:
    """Return the rate of update `step` (from 0) of `steps`; the cosine is Loshchilov and Hutter 2017, eq. 5."""
    warm = min(1.0, (step + 1) / (recipe.warmup_steps + 1))
    if recipe.schedule == "constant" or step < recipe.warmup_steps:
        return recipe.learning_rate * warm
    progress = (step - recipe.warmup_steps) / max(1, steps - 1 - recipe.warmup_steps)
    return recipe.learning_rate * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """Return a fused AdamW with the recipe's weight decay, which a CUDA graph may capture."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    decayed = [p for name, p in named if recipe.decay_all or (p.ndim >= 2 and "positions" not in name)]
    chosen = {id(p) for p in decayed}
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": [p for _, p in named if id(p) not in chosen], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=recipe.learning_rate,
        betas=(recipe.beta1, recipe.beta2),
        fused=True,
        capturable=named[0][1].device.type == "cuda",
    )
