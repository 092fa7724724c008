"""What stands on the trunk: how a window's positions become one, and which weights train."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from physiolect.errors import check_option
from physiolect.models.layers import Block
from physiolect.models.lora import add_lora

if TYPE_CHECKING:
    from physiolect.models.model import Model

Pooling = Literal["last", "mean", "attention", "class"]
POOLINGS: tuple[Pooling, ...] = ("last", "mean", "attention")
"""A window's last position, the mean of all, or a mean weighted by what a learnt query sees. An encoder, which looks
both ways, has no last position, and instead "class": the token put before a window."""

Trained = Literal["head", "last-block", "all", "lora"]
TRAINED: tuple[Trained, ...] = ("head", "last-block", "all", "lora")
"""The head alone; with it the last block and the final norm, as published; everything; or the head, and low-rank
additions to the trunk."""


class MeanPool(nn.Module):
    """The mean over positions."""

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Map x (B, T, E) to (B, 1, E), over the real positions of a mask (B, T)."""
        if attention_mask is None:
            return x.mean(1, keepdim=True)
        real = attention_mask.to(x.dtype).unsqueeze(1)  # (B, 1, T)
        return real @ x / real.sum(-1, keepdim=True).clamp_min(1)


class AttentionPool(nn.Module):
    """A mean over positions weighted by softmax(x . query); a fresh one is the plain mean."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Map x (B, T, E) to (B, 1, E), over the real positions of a mask (B, T)."""
        scores = (x @ self.query).float()  # (B, T)
        if attention_mask is not None:  # a finite score, since a row may be padding only
            scores = scores.masked_fill(~attention_mask.bool(), torch.finfo(scores.dtype).min)
        weights = scores.softmax(1).to(x.dtype)
        return weights.unsqueeze(1) @ x


class FirstPool(nn.Module):
    """The first position, where the class token stands."""

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Map x (B, T, E) to (B, 1, E)."""
        return x[:, :1]


def make_pool(kind: Pooling, width: int) -> nn.Module | None:
    """Return what makes one position of many; None for the last, which the trunk computes alone."""
    if kind == "class":
        return FirstPool()
    if kind == "attention":
        return AttentionPool(width)
    return MeanPool() if kind == "mean" else None


def choose_trained(model: Model, what: Trained, *, rank: int = 8, alpha: float = 16.0) -> list[str]:
    """Let the chosen weights of a model train and freeze all others, whose backward pass then costs nothing.

    Args:
        model: its weights' `requires_grad` is set; "lora" adds weights to it.
        what: see TRAINED.
        rank: with "lora", of the additions.
        alpha: with "lora", the additions are scaled by alpha / rank.

    Returns:
        the names of the weights that train.

    Raises:
        ConfigError: there is no such choice, or the rank is out of range.

    Source: "last-block" is what the fine-tuned models of Davies et al. 2024 (arXiv:2407.20775) differ in from
        their bases.
    """
    check_option("what trains", what, TRAINED)
    model.requires_grad_(what == "all")
    own = [*model.blocks[-1:], *model.output_parts] if what == "last-block" else model.head_parts
    for part in own:
        part.requires_grad_()
    if what == "lora":
        add_lora(nn.ModuleList(model.blocks), rank=rank, alpha=alpha)
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def n_still(model: Model, *, quiet: bool) -> int:
    """Return how many blocks, from the first on, always give the same output for a window: frozen, without dropout.

    Args:
        model: after `choose_trained`.
        quiet: switch the dropout of frozen blocks off first.
    """
    if any(p.requires_grad for part in model.input_parts for p in part.parameters()):
        return 0
    for n, block in enumerate(model.blocks):
        if not isinstance(block, Block):
            return n
        if any(parameter.requires_grad for parameter in block.parameters()):
            return n
        if quiet:
            block.dropout = block.attention.dropout = 0.0
        if block.dropout or block.attention.dropout:
            return n
    return len(model.blocks)
