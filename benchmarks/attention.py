"""Causal attention by head size: the library's kernel against ours in blocks, 8 windows of 500 tokens, width 64.

The library's kernel pays for every weight about as much as for 16 features, and drops weights outside its fused path;
ours pays for the softmax first. `wins` and `LARGEST_HEAD` in `models/blocked_attention.py` are set by this table.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from interleave import Contest, Run, main
from torch import Tensor

from physiolect.models.kernels.blocked_attention import attention


def library(q: Tensor, k: Tensor, v: Tensor, *, dropout: float) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True, scale=0.125)


def blocked(q: Tensor, k: Tensor, v: Tensor, *, dropout: float) -> Tensor:
    return attention(q, k, v, scale=0.125, dropout=dropout)


def run_of(kernel: type(library), head_size: int, backward: bool, dropout: float) -> Run:
    """Return the kernel over q, k and v as a model holds them: views of one projection."""
    qkv = torch.randn(8, 500, 192, generator=torch.Generator().manual_seed(0)).requires_grad_(backward)

    def run() -> Tensor:
        parts = (x.unflatten(-1, (-1, head_size)).transpose(1, 2) for x in qkv.chunk(3, -1))
        out = kernel(*parts, dropout=dropout).transpose(1, 2).flatten(2)  # (B, T, E)
        if not backward:
            return out
        (gradient,) = torch.autograd.grad(out.square().sum(), qkv)
        return gradient.mean() if dropout else gradient

    return run


def contest(head_size: int, backward: bool, dropout: float) -> Contest:
    name = f"{64 // head_size} heads of {head_size}, " + ("with gradient" if backward else "forward")
    kernels = {"library": library, "blocked": blocked}
    sides = {
        label: lambda kernel=kernel: run_of(kernel, head_size, backward, dropout)
        for label, kernel in kernels.items()
    }
    return Contest(name + (", dropout" if dropout else ""), sides, tolerance=1e-1 if dropout else 1e-4)


if __name__ == "__main__":
    kinds = [(False, 0.0), (True, 0.0), (True, 0.2)]
    main([contest(head_size, *kind) for head_size in (8, 16, 32) for kind in kinds])
