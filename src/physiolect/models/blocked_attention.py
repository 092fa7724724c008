"""Causal attention on a CPU for tiny heads, and for dropped weights, in blocks that stay in cache.

The library's CPU kernel spends most of its time outside the arithmetic when a head has fewer than 16
features, and leaves its fused path altogether when attention weights are dropped. Here the same function is
computed block by block of queries, without ever holding the (T, T) weights of more than a few heads:
the forward pass keeps q, k, v, its result and one byte per dropped-or-kept weight, the backward pass recomputes
the rest (Dao et al. 2022, FlashAttention, section 3.1 and appendix B.2, give the recomputation).

Every product with a narrow side of D features is written so that its result is (D, many): the library's matrix
product is several times faster on it than on (many, D).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

QUERY_BLOCK = 64
HEAD_BLOCK = 8
LARGEST_HEAD = 15
"""From 16 features a head the library's kernel is as fast, unless weights are dropped (benchmarks/attention.py)."""

_RESOLUTION = 1 << 15


def wins(q: Tensor, k: Tensor, dropout: float = 0.0) -> bool:
    """Say whether this path is the faster one for causal self-attention over these tensors."""
    small = q.shape[-1] <= LARGEST_HEAD or dropout > 0
    return small and q.device.type == "cpu" and q.shape[-2] == k.shape[-2] > 1


def blocked_attention(
    q: Tensor, k: Tensor, v: Tensor, *, scale: float, band: int | None = None, dropout: float = 0.0
) -> Tensor:
    """Return causal attention, equal to `scaled_dot_product_attention` under the same mask.

    Args:
        q: queries (B, H, T, D); k and v alike. Views of a wider tensor are read as they lie.
        k: keys.
        v: values.
        scale: factor on q k^T before the softmax.
        band: each query sees its own and the `band - 1` positions before; None sees all before.
        dropout: share of attention weights set to zero (in steps of 2^-15), the others scaled up.
    """
    return _BlockedAttention.apply(q, k, v, scale, band, dropout)


class _BlockedAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, scale: float, band: int | None, dropout: float
    ) -> Tensor:
        out = _like_projected(q)
        blocks, room = _query_blocks(q.shape[2], band, q.dtype), _room(q)
        kept: list[Tensor | None] = []
        for heads in _head_blocks(q):
            k_t, v_t = k[heads].mT, v[heads].mT.contiguous()  # (h, D, T)
            parts = []
            for q_b, (cols, mask) in zip(q[heads].split(QUERY_BLOCK, 1), blocks, strict=True):
                weights = _weights(q_b, k_t[:, :, cols], mask, scale, room)  # (h, t, s)
                keep = _draw_kept(weights.shape, dropout) if dropout else None
                if keep is not None:
                    weights.mul_(keep)
                parts.append(torch.bmm(v_t[:, :, cols], weights.mT))  # (h, D, t)
                kept.append(keep)
            out[heads] = torch.cat(parts, -1).mT
        if dropout:
            out.mul_(1 / (1 - dropout))
        ctx.save_for_backward(q, k, v, out)
        ctx.scale, ctx.band, ctx.dropout, ctx.kept = scale, band, dropout, kept
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, out = ctx.saved_tensors
        g = grads[0]
        less = (g * out).sum(-1, keepdim=True).neg_()  # (B, H, T, 1): the softmax takes it off each row
        if ctx.dropout:
            g = g / (1 - ctx.dropout)
        dq, dk, dv = (_like_projected(q) for _ in range(3))
        blocks, room, second_room = _query_blocks(q.shape[2], ctx.band, q.dtype), _room(q), _room(q)
        kept = iter(ctx.kept)
        for heads in _head_blocks(q):
            q_t, k_t, v_t, g_t = (x[heads].mT.contiguous() for x in (q, k, v, g))  # (h, D, T)
            dk_t, dv_t, parts = torch.zeros_like(k_t), torch.zeros_like(v_t), []
            rows = (x.split(QUERY_BLOCK, 1) for x in (q[heads], g[heads], less[heads], q_t.mT, g_t.mT))
            for q_b, g_b, less_b, q_bt, g_bt, (cols, mask) in zip(*rows, blocks, strict=True):
                k_b = k_t[:, :, cols]
                weights = _weights(q_b, k_b, mask, ctx.scale, room)
                keep, ds = next(kept), _part(second_room, weights.shape)  # (h, t, s)
                if keep is None:
                    torch.baddbmm(less_b, g_b, v_t[:, :, cols], out=ds).mul_(weights)
                else:
                    torch.bmm(g_b, v_t[:, :, cols], out=ds).mul_(keep)
                    ds.add_(less_b).mul_(weights)
                    weights.mul_(keep)
                dv_t[:, :, cols] += torch.bmm(g_bt.mT, weights)
                dk_t[:, :, cols] += torch.bmm(q_bt.mT, ds)
                parts.append(torch.bmm(k_b, ds.mT))
            dq[heads] = torch.cat(parts, -1).mT
            dk[heads], dv[heads] = dk_t.mT, dv_t.mT
        return dq.mul_(ctx.scale), dk.mul_(ctx.scale), dv, None, None, None


def _like_projected(q: Tensor) -> Tensor:
    """Return an empty (B, H, T, D) that lies in memory as (B, T, H, D), as projections read and write it."""
    B, H, T, D = q.shape
    return q.new_empty(B, T, H, D).transpose(1, 2)


def _head_blocks(q: Tensor) -> Iterator[tuple[int, slice]]:
    B, H = q.shape[:2]
    return ((b, slice(first, first + HEAD_BLOCK)) for b in range(B) for first in range(0, H, HEAD_BLOCK))


@lru_cache(maxsize=8)
def _query_blocks(T: int, band: int | None, dtype: torch.dtype) -> list[tuple[slice, Tensor]]:
    """Return for each block of queries the stretch of keys any of them sees, and the additive mask (t, s).

    The masks are windows on one strip, since they depend on the distance between query and key alone.
    """
    before = T if band is None else min(T, band)
    query = torch.arange(QUERY_BLOCK).unsqueeze(1)
    key = torch.arange(-before, QUERY_BLOCK)
    hidden = key > query if band is None else (key > query) | (key <= query - band)
    strip = torch.zeros(hidden.shape, dtype=dtype).masked_fill_(hidden, -torch.inf)
    blocks = []
    for start in range(0, T, QUERY_BLOCK):
        stop = min(start + QUERY_BLOCK, T)
        first, shift = 0 if band is None else max(0, start - band + 1), before - start
        mask = strip[: stop - start, first + shift : stop + shift]
        blocks.append((slice(first, stop), mask))
    return blocks


def _room(q: Tensor) -> Tensor:
    """Return room for the weights of any block: asked for once, since memory fresh from the system is slow."""
    return q.new_empty(min(HEAD_BLOCK, q.shape[1]) * min(QUERY_BLOCK, q.shape[2]) * q.shape[2])


def _part(room: Tensor, shape: tuple[int, ...]) -> Tensor:
    return room[: math.prod(shape)].view(shape)


def _weights(q: Tensor, k_t: Tensor, mask: Tensor, scale: float, room: Tensor) -> Tensor:
    """Return softmax(scale q k^T + mask), (h, t, s), in `room`."""
    scores = torch.baddbmm(mask, q, k_t, alpha=scale, out=_part(room, (len(q), *mask.shape)))
    return torch.softmax(scores, -1, out=scores)


def _draw_kept(shape: torch.Size, dropout: float) -> Tensor:
    """Return True with probability 1 - dropout: four 15-bit draws out of each 64-bit one."""
    n = shape.numel()
    bits = torch.empty((n + 3) // 4, dtype=torch.int64).random_().view(torch.int16)[:n]
    return bits.bitwise_and_(_RESOLUTION - 1).ge(round(dropout * _RESOLUTION)).view(shape)
