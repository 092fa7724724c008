"""Attention over short windows on a CPU by whole products: softmax of one, times the other.

The library's fused kernel multiplies small blocks, which oneDNN is slow at. Where that makes the products, in half
precision, and in float32 while `training.fast_products` is on, the kernel takes two to ten times as long.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_KEYS = 256
"""From 512 keys on the library's is as fast for heads of 32 features, and needs less memory."""


def wins(q: Tensor, k: Tensor) -> bool:
    """Say whether this path is the faster one for attention that looks both ways over these tensors, without a mask."""
    if q.device.type != "cpu" or k.shape[-2] > MOST_KEYS or q.shape[-2] < 2:
        return False
    if q.dtype == torch.float32 and not torch.compiler.is_compiling():  # the setting cannot be traced
        return torch.get_float32_matmul_precision() == "medium"
    return q.dtype == torch.bfloat16


def attention(q: Tensor, k: Tensor, v: Tensor, *, scale: float, dropout: float = 0.0) -> Tensor:
    """Return softmax(q k^T scale) v for q (B, H, T, D) and k, v (B, H, S, D)."""
    weights = (q * scale @ k.transpose(-2, -1)).softmax(-1).to(v.dtype)
    return (F.dropout(weights, dropout) if dropout else weights) @ v
