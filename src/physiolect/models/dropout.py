"""Dropout whose draws a CPU makes several at a time: the library draws them one by one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_LOWEST = torch.iinfo(torch.int64).min


def dropped_of_65536(dropout: float) -> int:
    """Return how many of 2^16 equally likely values drop a weight; never all of them."""
    return min(round(dropout * (1 << 16)), (1 << 16) - 1)


def draw_kept(shape: torch.Size, dropout: float) -> Tensor:
    """Return True with probability 1 - dropout, on the CPU: four 16-bit draws out of each 64-bit one."""
    n = shape.numel()
    bits = torch.empty((n + 3) // 4, dtype=torch.int64).random_(_LOWEST, None).view(torch.int16)[:n]
    return bits.ge(dropped_of_65536(dropout) - (1 << 15)).view(shape)  # dropped are the lowest


def drop(x: Tensor, dropout: float) -> Tensor:
    """Set a share of x to zero (on the CPU in steps of 2^-16) and scale the rest up, so that the mean stays."""
    if dropout == 0 or x.device.type != "cpu":
        return F.dropout(x, dropout)
    return x * draw_kept(x.shape, dropout).to(x.dtype).mul_(1 / (1 - dropout))
