"""What is done to the amplitudes of a window before a model reads it."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Scaling = Literal["none", "range", "standard", "joint-range", "joint-standard"]
"""Nothing; each channel to [0, 1]; each channel to mean 0 and standard deviation 1; or either of these for all channels
together."""
SCALINGS: tuple[Scaling, ...] = ("none", "range", "standard", "joint-range", "joint-standard")

_FLAT = 1e-6
"""A channel that varies by no more than this share of its level is flat: it is moved to 0, and not scaled up."""


def scaled(x: Tensor, real: Tensor | None, how: Scaling) -> Tensor:
    """Scale windows (B, C, T) over their real samples, a mask (B, 1, T); padding becomes 0."""
    if how == "none":
        return x if real is None else x.masked_fill(~real, 0)
    inside = torch.ones_like(x, dtype=torch.bool) if real is None else real.expand_as(x)
    over = (-2, -1) if how.startswith("joint-") else (-1,)
    if how.endswith("standard"):
        n = inside.sum(over, keepdim=True).clamp_min(1)
        low = x.masked_fill(~inside, 0).sum(over, keepdim=True) / n
        size = ((x - low).masked_fill(~inside, 0).square().sum(over, keepdim=True) / n).sqrt()
    else:
        low = x.masked_fill(~inside, torch.inf).amin(over, keepdim=True)
        size = x.masked_fill(~inside, -torch.inf).amax(over, keepdim=True) - low
    flat = size <= (_FLAT * low.abs()).clamp_min(torch.finfo(x.dtype).tiny)
    size = size.masked_fill(flat, 1)
    return ((x - low) / size).masked_fill(~inside, 0)
