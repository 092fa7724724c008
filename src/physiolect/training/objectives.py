"""What training makes smaller."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def next_token_loss(model: nn.Module, ids: Tensor) -> Tensor:
    """Return the mean cross-entropy, in nats per token, of every id of (B, T) but the first given those before."""
    return _CrossEntropy()(model(ids[:, :-1]), ids[:, 1:])


class NextToken(nn.Module):
    """`next_token_loss` with products and attention in another precision; logits are scored in float32.

    Args:
        precision: torch.float32, or torch.bfloat16 by autocast.
    """

    def __init__(self, precision: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.precision = precision
        self.score = _CrossEntropy()
        """A module of its own, which `Step` may compile: it takes the place of six passes over the logits."""

    def forward(self, model: nn.Module, ids: Tensor) -> Tensor:
        """Return the loss of ids (B, T)."""
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            logits = model(ids[:, :-1])  # (B, T - 1, V)
        return self.score(logits, ids[:, 1:])


class _CrossEntropy(nn.Module):
    def forward(self, logits: Tensor, ids: Tensor) -> Tensor:
        return F.cross_entropy(logits.flatten(0, 1).float(), ids.flatten())
