"""Batch norm over the real samples of a batch."""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

_MOMENTUM, _SMALL = 0.1, 1e-5


class BatchNorm(nn.Module):
    """Normalises features by their mean and variance over a batch and its time; once trained, by kept averages.

    It uses and updates the batch's statistics only while it trains itself: frozen weights keep their averages, so that
    a frozen trunk gives the same output in every step. Padding counts for nothing. Processes that train one model
    together have the statistics of the batch of them all.

    Source: Ioffe and Szegedy 2015, arXiv:1502.03167.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, width: int, *, first: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((width,), first))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        """Map x (B, E, n) to the same shape; at padding, False in a mask (B, 1, n), outputs are 0."""
        learning = self.training and self.weight.requires_grad
        shared = learning and dist.is_available() and dist.is_initialized()
        single = x.shape[0] * x.shape[2] == 1  # which PyTorch refuses to learn from
        if not shared and not (learning and (single or real is not None)):
            out = F.batch_norm(
                x, self.mean, self.variance, self.weight, self.bias, training=learning, momentum=_MOMENTUM
            )
            return out if real is None else out.masked_fill(~real, 0)
        real = torch.ones_like(x[:, :1], dtype=torch.bool) if real is None else real
        kept = x.to(self.weight.dtype).masked_fill(~real, 0)
        total = _over_processes(torch.cat((kept.sum((0, 2)), real.sum()[None].to(kept.dtype))), shared)
        n = total[-1].detach().clamp_min(1)
        mean = total[:-1] / n  # (E,)
        off = (kept - mean[:, None]).masked_fill(~real, 0)
        variance = _over_processes(off.square().sum((0, 2)), shared) / n
        with torch.no_grad():
            self.mean.lerp_(mean, _MOMENTUM)
            self.variance.lerp_(variance * n / (n - 1).clamp_min(1), _MOMENTUM)
        out = off * (variance + _SMALL).rsqrt()[:, None] * self.weight[:, None] + self.bias[:, None]
        return out.masked_fill(~real, 0).to(x.dtype)


def _over_processes(value: Tensor, shared: bool) -> Tensor:
    """Return the sum over the processes that train together, with a gradient."""
    if not shared:
        return value
    from torch.distributed.nn.functional import all_reduce

    return all_reduce(value)
