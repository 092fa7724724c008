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

from physiolect.models.dropout import draw_kept

QUERY_BLOCK = 64
HEAD_BLOCK = 8
LARGEST_HEAD = 15
"""From 16 features a head the library's kernel is as fast, unless weights are dropped (benchmarks/attention.py)."""

BITS = 1 / math.log(2)
"""Bits in a nat: powers of 2 come twice as fast as powers of e."""


def wins(q: Tensor, k: Tensor, dropout: float = 0.0) -> bool:
    """Say whether this path is the faster one for causal self-attention over these tensors."""
    small = q.shape[-1] <= LARGEST_HEAD or dropout > 0
    return small and q.device.type == "cpu" and q.shape[-2] == k.shape[-2] > 1


def attention(
    q: Tensor, k: Tensor, v: Tensor, *, scale: float, band: int | None = None, dropout: float = 0.0
) -> Tensor:
    """Return causal attention, equal to `scaled_dot_product_attention` under the same mask.

    Args:
        q: queries (B, H, T, D); k and v alike. Views of a wider tensor are read as they lie.
        k: keys.
        v: values.
        scale: factor on q k^T before the softmax.
        band: each query sees its own and the `band - 1` positions before; None sees all before.
        dropout: share of attention weights set to zero (in steps of 2^-16), the others scaled up.
    """
    return _BlockedAttention.apply(q, k, v, scale, band, dropout)


class _BlockedAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, scale: float, band: int | None, dropout: float
    ) -> Tensor:
        B, H, T, _ = q.shape
        out, lse = like_projected(q), q.new_empty(B, H, T, 1)
        blocks, room = _query_blocks(q.shape[2], band, q.dtype), _room(q)
        kept: list[Tensor | None] = []
        for heads in _head_blocks(q):
            k_t, v_t = k[heads].mT, v[heads].mT.contiguous()  # (h, D, T)
            parts, lse_parts = [], []
            q_bits = q[heads] * (scale * BITS)
            for q_b, (cols, mask) in zip(q_bits.split(QUERY_BLOCK, 1), blocks, strict=True):
                scores = _masked_product(q_b, k_t[:, :, cols], mask, room)  # (h, t, s)
                peak = scores.amax(-1, keepdim=True)  # (h, t, 1)
                weights = scores.sub_(peak).exp2_()
                total = weights.sum(-1, keepdim=True)
                lse_parts.append(peak + total.log2())
                keep = draw_kept(weights.shape, dropout) if dropout else None
                if keep is not None:
                    weights.mul_(keep)
                    total.mul_(1 - dropout)
                parts.append(torch.bmm(v_t[:, :, cols], weights.mT).div_(total.mT))  # (h, D, t)
                kept.append(keep)
            out[heads], lse[heads] = torch.cat(parts, -1).mT, torch.cat(lse_parts, 1)
        ctx.save_for_backward(q, k, v, out, lse)
        ctx.scale, ctx.band, ctx.dropout, ctx.kept = scale, band, dropout, kept
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, out, lse = ctx.saved_tensors
        g = grads[0]
        less = (g * out).sum(-1, keepdim=True).neg_()  # (B, H, T, 1): the softmax takes it off each row
        if ctx.dropout:
            g = g / (1 - ctx.dropout)
        dq, dk, dv = (like_projected(q) for _ in range(3))
        blocks, room, second_room = _query_blocks(q.shape[2], ctx.band, q.dtype), _room(q), _room(q)
        kept = iter(ctx.kept)
        for heads in _head_blocks(q):
            q_t, k_t, v_t, g_t = (x[heads].mT.contiguous() for x in (q, k, v, g))  # (h, D, T)
            dk_t, dv_t, parts = torch.zeros_like(k_t), torch.zeros_like(v_t), []
            # one feature more, and the product is already the logarithm of the weights
            q_1 = torch.cat((q[heads] * (ctx.scale * BITS), -lse[heads]), -1)  # (h, T, D + 1)
            k_1 = torch.cat((k_t, torch.ones_like(k_t[:, :1])), 1)  # (h, D + 1, T)
            rows = (x.split(QUERY_BLOCK, 1) for x in (q_1, g[heads], less[heads], q_t.mT, g_t.mT))
            for q_b, g_b, less_b, q_bt, g_bt, (cols, mask) in zip(*rows, blocks, strict=True):
                weights = _masked_product(q_b, k_1[:, :, cols], mask, room).exp2_()  # (h, t, s)
                keep, ds = next(kept), _part(second_room, weights.shape)
                if keep is None:
                    torch.baddbmm(less_b, g_b, v_t[:, :, cols], out=ds).mul_(weights)
                else:
                    torch.bmm(g_b, v_t[:, :, cols], out=ds).mul_(keep)
                    ds.add_(less_b).mul_(weights)
                    weights.mul_(keep)
                dv_t[:, :, cols].add_(torch.bmm(g_bt.mT, weights))
                dk_t[:, :, cols].add_(torch.bmm(q_bt.mT, ds))
                parts.append(torch.bmm(k_t[:, :, cols], ds.mT))
            dq[heads] = torch.cat(parts, -1).mT
            dk[heads], dv[heads] = dk_t.mT, dv_t.mT
        return dq.mul_(ctx.scale), dk.mul_(ctx.scale), dv, None, None, None


def like_projected(q: Tensor) -> Tensor:
    """Return an empty (B, H, T, D) that lies in memory as (B, T, H, D), as projections read and write it."""
    B, H, T, D = q.shape
    return q.new_empty(B, T, H, D).transpose(1, 2)


def _head_blocks(q: Tensor) -> Iterator[tuple[int, slice]]:
    B, H = q.shape[:2]
    return ((b, slice(first, first + HEAD_BLOCK)) for b in range(B) for first in range(0, H, HEAD_BLOCK))


@lru_cache(maxsize=8)
def _query_blocks(T: int, band: int | None, dtype: torch.dtype) -> list[tuple[slice, Tensor]]:
    """Return for each block of queries the stretch of keys any of them sees, and the additive mask.

    The mask covers the last keys of the stretch only, (t, at most s): those before are seen by all queries. All masks
    are windows on one strip, since they depend on the distance between query and key alone.
    """
    before = 0 if band is None else min(T, band)
    query = torch.arange(QUERY_BLOCK).unsqueeze(1)
    key = torch.arange(-before, QUERY_BLOCK)
    hidden = key > query if band is None else (key > query) | (key <= query - band)
    strip = torch.zeros(hidden.shape, dtype=dtype).masked_fill_(hidden, -torch.inf)
    blocks = []
    for start in range(0, T, QUERY_BLOCK):
        stop = min(start + QUERY_BLOCK, T)
        first = 0 if band is None else max(0, start - band + 1)
        masked = start if band is None else first
        blocks.append(
            (slice(first, stop), strip[: stop - start, before + masked - start : before + stop - start])
        )
    return blocks


def _room(q: Tensor) -> Tensor:
    """Return room for the weights of any block: asked for once, since memory fresh from the system is slow."""
    return q.new_empty(min(HEAD_BLOCK, q.shape[1]) * min(QUERY_BLOCK, q.shape[2]) * q.shape[2])


def _masked_product(q: Tensor, k_t: Tensor, mask: Tensor, room: Tensor) -> Tensor:
    """Return q k^T in `room`, (h, t, s), its last columns under the mask."""
    scores = torch.bmm(q, k_t, out=_part(room, (*q.shape[:2], k_t.shape[2])))
    scores.narrow(2, k_t.shape[2] - mask.shape[1], mask.shape[1]).add_(mask)
    return scores


def _part(room: Tensor, shape: tuple[int, ...]) -> Tensor:
    return room[: math.prod(shape)].view(shape)
