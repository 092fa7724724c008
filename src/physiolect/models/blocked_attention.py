"""Causal attention for tiny heads on a CPU, in blocks that stay in cache.

The library's CPU kernel spends most of its time outside the arithmetic when a head has fewer than 16
features, and leaves its fused path altogether when attention weights are dropped. Here the same function is
computed block by block of queries, without ever holding the (T, T) weights of more than a few heads:
the forward pass keeps q, k, v and one byte per dropped-or-kept weight, the backward pass recomputes the rest
(Dao et al. 2022, FlashAttention, section 3.1, gives the recomputation).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

QUERY_BLOCK = 96
HEAD_BLOCK = 8
LARGEST_HEAD = 15
"""From 16 features a head the library's kernel is as fast (measured: benchmarks/attention.py)."""

_RESOLUTION = 1 << 15


def wins(q: Tensor, k: Tensor) -> bool:
    """Say whether this path is the faster one for causal self-attention over these tensors."""
    return q.device.type == "cpu" and q.shape[-1] <= LARGEST_HEAD and q.shape[-2] == k.shape[-2] > 1


def blocked_attention(
    q: Tensor, k: Tensor, v: Tensor, *, scale: float, band: int | None = None, dropout: float = 0.0
) -> Tensor:
    """Return causal attention, equal to `scaled_dot_product_attention` under the same mask.

    Args:
        q: queries (B, H, T, D); k and v alike.
        k: keys.
        v: values.
        scale: factor on q k^T before the softmax.
        band: each query sees its own and the `band - 1` positions before; None sees all before.
        dropout: share of attention weights set to zero (in steps of 2^-15), the others scaled up.
    """
    return _BlockedAttention.apply(q, k, v, scale, band, dropout)  # type: ignore[no-any-return, no-untyped-call]


class _BlockedAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, scale: float, band: int | None, dropout: float
    ) -> Tensor:
        B, H, T, D = q.shape
        q, k, v = (x.reshape(B * H, T, D) for x in (q, k, v))
        out = torch.empty(B * H, D, T, dtype=q.dtype)
        kept: list[Tensor | None] = []
        for heads in _head_blocks(B * H):
            v_t = v[heads].transpose(1, 2).contiguous()  # (h, D, T): the product below runs 4x faster so
            for rows, cols in _query_blocks(T, band):
                weights = _weights(q[heads, rows], k[heads, cols], rows, cols, scale, band)  # (h, t, s)
                keep = _draw_kept(weights.shape, dropout) if dropout else None
                if keep is not None:
                    weights.mul_(keep)
                out[heads, :, rows] = torch.bmm(v_t[:, :, cols], weights.transpose(1, 2))
                kept.append(keep)
        if dropout:
            out.mul_(1 / (1 - dropout))
        ctx.save_for_backward(q, k, v)
        ctx.shape, ctx.scale, ctx.band, ctx.dropout, ctx.kept = (B, H, T, D), scale, band, dropout, kept
        return out.transpose(1, 2).view(B, H, T, D)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v = ctx.saved_tensors
        B, H, T, D = ctx.shape
        g = grads[0].reshape(B * H, T, D)
        if ctx.dropout:
            g = g / (1 - ctx.dropout)
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        kept = iter(ctx.kept)
        for heads in _head_blocks(B * H):
            for rows, cols in _query_blocks(T, ctx.band):
                q_b, k_b, g_b = q[heads, rows], k[heads, cols], g[heads, rows]
                weights = _weights(q_b, k_b, rows, cols, ctx.scale, ctx.band)  # (h, t, s)
                keep = next(kept)
                dw = torch.bmm(g_b, v[heads, cols].transpose(1, 2))  # (h, t, s)
                if keep is not None:
                    dw.mul_(keep)
                    dv[heads, cols] += torch.bmm((weights * keep).transpose(1, 2), g_b)
                else:
                    dv[heads, cols] += torch.bmm(weights.transpose(1, 2), g_b)
                ds = torch._softmax_backward_data(dw, weights, -1, weights.dtype)
                dq[heads, rows] = torch.bmm(ds, k_b).mul_(ctx.scale)
                dk[heads, cols] += torch.bmm(ds.transpose(1, 2), q_b).mul_(ctx.scale)
        return (*(x.view(B, H, T, D) for x in (dq, dk, dv)), None, None, None)


def _head_blocks(n: int) -> Iterator[slice]:
    return (slice(start, min(start + HEAD_BLOCK, n)) for start in range(0, n, HEAD_BLOCK))


def _query_blocks(T: int, band: int | None) -> Iterator[tuple[slice, slice]]:
    """Yield each block of queries with the stretch of keys any of them sees."""
    for start in range(0, T, QUERY_BLOCK):
        stop = min(start + QUERY_BLOCK, T)
        yield slice(start, stop), slice(0 if band is None else max(0, start - band + 1), stop)


def _weights(q: Tensor, k: Tensor, rows: slice, cols: slice, scale: float, band: int | None) -> Tensor:
    """Return softmax(scale q k^T) under the mask, (h, t, s)."""
    scores = torch.bmm(q * scale, k.transpose(1, 2))
    query = torch.arange(rows.start, rows.stop).unsqueeze(1)
    key = torch.arange(cols.start, cols.stop)
    if band is None:  # only the last square of the block has keys in the future
        first = rows.start - cols.start
        scores[:, :, first:].masked_fill_(key[first:] > query, -torch.inf)
    else:
        scores.masked_fill_((key > query) | (key <= query - band), -torch.inf)
    return torch.softmax(scores, -1, out=scores)


def _draw_kept(shape: torch.Size, dropout: float) -> Tensor:
    """Return True with probability 1 - dropout: four 15-bit draws out of each 64-bit one."""
    n = shape.numel()
    bits = torch.empty((n + 3) // 4, dtype=torch.int64).random_().view(torch.int16)[:n]
    return bits.bitwise_and_(_RESOLUTION - 1).ge(round(dropout * _RESOLUTION)).view(shape)
