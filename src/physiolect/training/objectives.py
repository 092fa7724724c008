"""What training makes smaller."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def next_token_loss(model: nn.Module, ids: Tensor) -> Tensor:
    """Return the mean cross-entropy, in nats per token, of every id of (B, T) but the first given those before."""
    logits = model(ids[:, :-1])  # (B, T - 1, V)
    return F.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten())
