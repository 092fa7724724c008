"""Attention over short windows in half precision on a CPU, as two products and a softmax.

The library's fused kernel takes two to five times as long there, forward and backward: it multiplies small blocks,
where its products of whole matrices use what the processor has for half precision.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_KEYS = 256
"""From 512 keys on the library's is as fast for heads of 32 features, and needs less memory."""


def wins(q: Tensor, k: Tensor) -> bool:
    """Say whether this path is the faster one for attention that looks both ways over these tensors, without a mask."""
    return (
        q.device.type == "cpu" and q.dtype == torch.bfloat16 and q.shape[-2] > 1 and k.shape[-2] <= MOST_KEYS
    )


def attention(q: Tensor, k: Tensor, v: Tensor, *, scale: float, dropout: float = 0.0) -> Tensor:
    """Return softmax(q k^T scale) v for q (B, H, T, D) and k, v (B, H, S, D)."""
    weights = (q * scale @ k.transpose(-2, -1)).softmax(-1).to(v.dtype)
    return (F.dropout(weights, dropout) if dropout else weights) @ v
