"""Low-rank additions to linear layers: W + B A alpha / rank, of which A and B alone train.

Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", arXiv:2106.09685.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Collection
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from physiolect.errors import ConfigError

M = TypeVar("M", bound=nn.Module)

LAYERS = ("qkv", "q", "kv", "projection", "up", "down")
"""The linear layers of a block, by name."""


class LowRank(nn.Module):
    """Adds to a weight (out, in) the product of two thin matrices; nothing at first, since one is zero."""

    def __init__(self, out: int, into: int, *, rank: int, alpha: float) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.empty(rank, into))
        self.up = nn.Parameter(torch.zeros(out, rank))
        self.scale = alpha / rank
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (self.up @ self.down) * self.scale


def add_lora(
    model: nn.Module, *, rank: int = 8, alpha: float = 16.0, layers: Collection[str] = LAYERS
) -> None:
    """Give every linear layer of these names a low-rank addition that trains; the layer's own weight is frozen.

    Raises:
        ConfigError: the rank or alpha is out of range.
    """
    chosen = [
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.rpartition(".")[2] in layers
    ]
    if not chosen:
        raise ConfigError(
            "the model has no blocks for low-rank additions", hint="train all weights, or the head"
        )
    most = min(min(layer.weight.shape) for layer in chosen)
    if not 1 <= rank <= most:
        raise ConfigError(
            f"the rank of the low-rank additions is {rank}, but must be from 1 to {most}", hint="8 is usual"
        )
    if not 0 < alpha < math.inf:
        raise ConfigError(f"alpha is {alpha}, but must be above 0", hint="twice the rank is usual")
    for layer in chosen:
        layer.weight.requires_grad_(False)
        out, into = layer.weight.shape
        addition = LowRank(out, into, rank=rank, alpha=alpha).to(layer.weight)
        parametrize.register_parametrization(layer, "weight", addition)


def merged(model: M) -> M:
    """Return a plain model that computes the same: a copy with its additions added up, or itself without any."""
    if not any(parametrize.is_parametrized(module) for module in model.modules()):
        return model
    plain = copy.deepcopy(model)
    for name, module in list(plain.named_modules()):
        if isinstance(module, nn.Linear) and parametrize.is_parametrized(module):
            parent, _, own = name.rpartition(".")
            setattr(plain.get_submodule(parent), own, _plain(module))
    return plain


@torch.no_grad()
def _plain(layer: nn.Linear) -> nn.Linear:
    """Return a layer that holds its weights as they add up; no random number is drawn for it."""
    plain = nn.utils.skip_init(
        nn.Linear,
        layer.in_features,
        layer.out_features,
        bias=layer.bias is not None,
        dtype=layer.weight.dtype,
    ).to(layer.weight.device)
    plain.weight.copy_(layer.weight)
    if layer.bias is not None:
        plain.bias.copy_(layer.bias)
    return plain.train(layer.training)
