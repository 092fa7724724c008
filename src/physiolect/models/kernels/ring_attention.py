"""One query on a GPU against a ring of keys and values, which takes in its own: a step of generation in one kernel.

The library needs three kernels to write and to mask, and one that is made for many queries. Here a program takes one
head: it puts the new key and value in their place and reads what is held once, no more than is filled.
"""

from __future__ import annotations

import torch
from torch import Tensor

from physiolect.models.kernels.blocked_attention import BITS, like_projected
from physiolect.models.kernels.fused_attention import READY

try:
    import triton
    import triton.language as tl
except ImportError:  # PyTorch for a CPU, or for a system without Triton
    triton = None

_AT_ONCE = 4096
"""Numbers of keys that a program reads at once."""


def wins(q: Tensor) -> bool:
    """Say whether this path takes a query: on a GPU, in single or half precision, which it adds up in single."""
    return READY and q.device.type == "cuda" and q.dtype != torch.float64


def attention(
    q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor, seen: Tensor, *, scale: float
) -> Tensor:
    """Return what the newest query sees (B, H, 1, D), after its own key and value took their place in the ring.

    Args:
        q: the query (B, H, 1, D).
        k: its key; v alike.
        v: its value.
        keys: ring of keys (B, H, S, D), contiguous, changed; values alike.
        values: ring of values.
        seen: positions before this one (1,), int64; beyond S the oldest gives way.
        scale: factor on q k^T before the softmax.
    """
    B, H, S, D = keys.shape
    wide = 1 << (D - 1).bit_length()
    out = like_projected(q)
    q, k, v = (x if x.stride(-1) == 1 else x.contiguous() for x in (q, k, v))
    strides = [stride for x in (q, k, v, out) for stride in x.stride()[:2]]
    block = max(16, min(_AT_ONCE // wide, 1 << (S - 1).bit_length()))
    with torch.cuda.device_of(q):
        _look[(B * H,)](
            q, k, v, keys, values, seen, out, *strides, H, S, SCALE=scale, D=D, WIDE=wide, BLOCK=block
        )
    return out


if triton is not None:
    _LOG2E = tl.constexpr(BITS)

    @triton.jit
    def _look(  # type: ignore[no-untyped-def]
        q, k, v, keys, values, seen, out, qb, qh, kb, kh, vb, vh, ob, oh, H, S,
        SCALE: tl.constexpr, D: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr,
    ):  # fmt: skip
        row, head = (tl.program_id(0) // H).to(tl.int64), tl.program_id(0) % H
        features = tl.arange(0, WIDE)
        own = features < D
        q_row = tl.load(q + row * qb + head * qh + features, mask=own, other=0.0).to(tl.float32)
        k_row = tl.load(k + row * kb + head * kh + features, mask=own, other=0.0)
        v_row = tl.load(v + row * vb + head * vh + features, mask=own, other=0.0)
        count = tl.load(seen)
        ring, place = (row * H + head) * S * D, count % S
        tl.store(keys + ring + place * D + features, k_row, mask=own)
        tl.store(values + ring + place * D + features, v_row, mask=own)
        q_row = q_row * (SCALE * _LOG2E)
        peak = tl.sum(q_row * k_row.to(tl.float32), 0)  # in bits; its own weight is then 1
        total = peak * 0 + 1
        acc = v_row.to(tl.float32)
        for first in range(0, tl.minimum(count, S), BLOCK):
            at = first + tl.arange(0, BLOCK)
            held = (at < count) & (at < S) & (at != place)
            places = ring + at[:, None] * D + features[None, :]
            inside = held[:, None] & own[None, :]
            k_b = tl.load(keys + places, mask=inside, other=0.0).to(tl.float32)  # (s, WIDE)
            v_b = tl.load(values + places, mask=inside, other=0.0).to(tl.float32)
            scores = tl.where(held, tl.sum(k_b * q_row[None, :], 1), -float("inf"))
            higher = tl.maximum(peak, tl.max(scores, 0))
            weights = tl.exp2(scores - higher)
            fade = tl.exp2(peak - higher)
            total = total * fade + tl.sum(weights, 0)
            acc = acc * fade + tl.sum(weights[:, None] * v_b, 0)
            peak = higher
        tl.store(out + row * ob + head * oh + features, (acc / total).to(out.dtype.element_ty), mask=own)
