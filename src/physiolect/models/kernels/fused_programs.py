"""Causal attention for tiny heads as GPU programs in Triton: one forward, two backward, and what these call.

`fused_attention` launches them. This file needs Triton, which PyTorch for a CPU lacks.
"""

from __future__ import annotations

import triton
import triton.language as tl

from physiolect.models.kernels.blocked_attention import BITS

_LOG2E = tl.constexpr(BITS)


@triton.jit
def _rows(x, head, H, stride_b, stride_h, stride_t, at, features, T, D: tl.constexpr):  # type: ignore[no-untyped-def]
    """Read the rows `at` of one head, (block, WIDE), zero beyond T; beyond D its features come again.

    So a row is read in one piece; `_own` of the other side of every product is zero there.
    """
    start = x + (head // H).to(tl.int64) * stride_b + (head % H) * stride_h
    places = start + at[:, None] * stride_t + (features % D)[None, :]
    return tl.load(places, mask=at[:, None] < T, other=0.0)


@triton.jit
def _own(x, head, H, stride_b, stride_h, stride_t, at, features, T, D: tl.constexpr):  # type: ignore[no-untyped-def]
    """Read a program's own rows, (block, WIDE), zero beyond T and D."""
    rows = _rows(x, head, H, stride_b, stride_h, stride_t, at, features, T, D)
    return tl.where(features[None, :] < D, rows, 0.0)


@triton.jit
def _write(x, value, head, H, stride_b, stride_h, stride_t, at, features, T, D: tl.constexpr):  # type: ignore[no-untyped-def]
    start = x + (head // H).to(tl.int64) * stride_b + (head % H) * stride_h
    places = start + at[:, None] * stride_t + features[None, :]
    tl.store(places, value.to(x.dtype.element_ty), mask=(at[:, None] < T) & (features[None, :] < D))


@triton.jit
def _seen(query, key, BAND: tl.constexpr):  # type: ignore[no-untyped-def]
    """Say which keys a query sees; `query` and `key` broadcast."""
    seen = key <= query
    if BAND > 0:
        seen = seen & (key > query - BAND)
    return seen


@triton.jit
def _mixed(x):  # type: ignore[no-untyped-def]
    """Mix the bits of an unsigned number (the finaliser of MurmurHash3, Appleby 2011)."""
    x = (x ^ (x >> 16)) * 0x85EBCA6B
    x = (x ^ (x >> 13)) * 0xC2B2AE35
    return x ^ (x >> 16)


@triton.jit
def _streams(seed, head, DROPPED: tl.constexpr):  # type: ignore[no-untyped-def]
    """Return where a call's factors of queries and of keys begin, and one head's factor."""
    if DROPPED == 0:
        return 0, 0, 0
    else:
        call = tl.load(seed).to(tl.uint32)
        return _mixed(call + 1), _mixed(call + 2), _mixed(call + head.to(tl.uint32) * 0x9E3779B9) | 1


@triton.jit
def _factor(stream, at, DROPPED: tl.constexpr):  # type: ignore[no-untyped-def]
    """Return an odd random factor for each of some places."""
    if DROPPED == 0:
        return at
    else:
        x = stream + at.to(tl.uint32) * 0x9E3779B9
        return ((x ^ (x >> 15)) * 0x85EBCA6B) | 1


@triton.jit
def _kept(one, other, DROPPED: tl.constexpr):  # type: ignore[no-untyped-def]
    """Say which weights are kept: a query's, a key's and a head's factors multiplied, against a threshold.

    So a weight costs a product where mixing its place would cost seven instructions. Matrices of what is kept
    have the singular values of independent draws, within a head and from head to head.
    """
    return one * other >= DROPPED << 16


@triton.jit
def _look(  # type: ignore[no-untyped-def]
    acc, peak, total, q_b, query, begin, end, k, v, stream, own, features, head, H, kb, kh, kt, vb, vh, vt, T,
    MASKED: tl.constexpr, SCALE: tl.constexpr, BAND: tl.constexpr, DROPPED: tl.constexpr,
    D: tl.constexpr, STEP: tl.constexpr,
):  # fmt: skip
    """Let a block of queries look at the keys from `begin` to `end`."""
    for at in range(begin, end, STEP):
        key = at + tl.arange(0, STEP)
        k_b = _rows(k, head, H, kb, kh, kt, key, features, T, D)  # (s, WIDE)
        v_b = _rows(v, head, H, vb, vh, vt, key, features, T, D)
        scores = tl.dot(q_b, tl.trans(k_b), input_precision="ieee")  # (t, s)
        if MASKED:
            scores = tl.where(_seen(query[:, None], key[None, :], BAND), scores, -1e30)
        higher = tl.maximum(peak, tl.max(scores, 1) * (SCALE * _LOG2E))  # in bits
        weights = tl.exp2(scores * (SCALE * _LOG2E) - higher[:, None])
        if MASKED:
            weights = tl.where(_seen(query[:, None], key[None, :], BAND), weights, 0.0)
        fade = tl.exp2(peak - higher)
        total = total * fade + tl.sum(weights, 1)
        if DROPPED > 0:
            key_factor = _factor(stream, key, DROPPED)
            weights = tl.where(_kept(own[:, None], key_factor[None, :], DROPPED), weights, 0.0)
        acc = acc * fade[:, None] + tl.dot(weights.to(v_b.dtype), v_b, input_precision="ieee")
        peak = higher
    return acc, peak, total


@triton.jit
def attention_forward(  # type: ignore[no-untyped-def]
    q, k, v, out, lse, seed,
    qb, qh, qt, kb, kh, kt, vb, vh, vt, ob, oh, ot, H, T,
    SCALE: tl.constexpr, BAND: tl.constexpr, DROPPED: tl.constexpr,
    D: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr, STEP: tl.constexpr,
):  # fmt: skip
    head, first = tl.program_id(1), tl.program_id(0) * BLOCK
    features, query = tl.arange(0, WIDE), first + tl.arange(0, BLOCK)
    q_b = _own(q, head, H, qb, qh, qt, query, features, T, D)  # (t, WIDE)
    peak = tl.full((BLOCK,), -1e30, tl.float32)
    total = tl.zeros((BLOCK,), tl.float32)
    acc = tl.zeros((BLOCK, WIDE), tl.float32)
    queries, stream, own = _streams(seed, head, DROPPED)
    own = own * _factor(queries, query, DROPPED)
    whole = 0
    if BAND > 0:  # keys that only some of the block still see, then those that all of it see
        begin = tl.maximum(0, first - BAND + 1) // STEP * STEP
        whole = tl.minimum(first, tl.cdiv(tl.maximum(0, first + BLOCK - BAND), STEP) * STEP)
        acc, peak, total = _look(
            acc, peak, total, q_b, query, begin, whole, k, v, stream, own, features, head, H, kb, kh, kt, vb, vh,
            vt, T, True, SCALE, BAND, DROPPED, D, STEP,
        )  # fmt: skip
    acc, peak, total = _look(
        acc, peak, total, q_b, query, whole, first, k, v, stream, own, features, head, H, kb, kh, kt, vb, vh, vt,
        T, False, SCALE, BAND, DROPPED, D, STEP,
    )  # fmt: skip
    acc, peak, total = _look(
        acc, peak, total, q_b, query, first, tl.minimum(T, first + BLOCK), k, v, stream, own, features, head, H,
        kb, kh, kt, vb, vh, vt, T, True, SCALE, BAND, DROPPED, D, STEP,
    )  # fmt: skip
    acc = acc / (total * (1 - DROPPED / 65536))[:, None]
    _write(out, acc, head, H, ob, oh, ot, query, features, T, D)
    tl.store(lse + head * T + query, peak + tl.log2(total), mask=query < T)


@triton.jit
def _look_back(  # type: ignore[no-untyped-def]
    acc, q_b, g_b, lse_b, less_b, query, begin, end, k, v, stream, own, features, head, H,
    kb, kh, kt, vb, vh, vt, T,
    MASKED: tl.constexpr, SCALE: tl.constexpr, BAND: tl.constexpr, DROPPED: tl.constexpr,
    D: tl.constexpr, STEP: tl.constexpr,
):  # fmt: skip
    """Add to the gradient of a block of queries what the keys from `begin` to `end` give."""
    for at in range(begin, end, STEP):
        key = at + tl.arange(0, STEP)
        k_b = _rows(k, head, H, kb, kh, kt, key, features, T, D)
        v_b = _rows(v, head, H, vb, vh, vt, key, features, T, D)
        weights = tl.exp2(tl.dot(q_b, tl.trans(k_b)) * (SCALE * _LOG2E) - lse_b[:, None])  # (t, s)
        if MASKED:
            weights = tl.where(_seen(query[:, None], key[None, :], BAND), weights, 0.0)
        dp = tl.dot(g_b, tl.trans(v_b))
        if DROPPED > 0:
            key_factor = _factor(stream, key, DROPPED)
            dp = tl.where(_kept(own[:, None], key_factor[None, :], DROPPED), dp, 0.0)
        ds = weights * (dp - less_b[:, None])
        acc += tl.dot(ds.to(k_b.dtype), k_b)
    return acc


@triton.jit
def attention_backward_q(  # type: ignore[no-untyped-def]
    q, k, v, out, g, lse, less, dq, seed,
    qb, qh, qt, kb, kh, kt, vb, vh, vt, ob, oh, ot, gb, gh, gt, db, dh, dt, H, T,
    SCALE: tl.constexpr, BAND: tl.constexpr, DROPPED: tl.constexpr,
    D: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr, STEP: tl.constexpr,
):  # fmt: skip
    head, first = tl.program_id(1), tl.program_id(0) * BLOCK
    features, query = tl.arange(0, WIDE), first + tl.arange(0, BLOCK)
    q_b = _own(q, head, H, qb, qh, qt, query, features, T, D)
    g_b = _own(g, head, H, gb, gh, gt, query, features, T, D)
    o_b = _own(out, head, H, ob, oh, ot, query, features, T, D)
    # what the softmax takes off each row, (t,); like all that meets g, not yet scaled up for what was dropped
    less_b = tl.sum(g_b.to(tl.float32) * o_b.to(tl.float32), 1) * (1 - DROPPED / 65536)
    tl.store(less + head * T + query, less_b, mask=query < T)
    lse_b = tl.load(lse + head * T + query, mask=query < T, other=0.0)
    acc = tl.zeros((BLOCK, WIDE), tl.float32)
    queries, stream, own = _streams(seed, head, DROPPED)
    own = own * _factor(queries, query, DROPPED)
    whole = 0
    if BAND > 0:
        begin = tl.maximum(0, first - BAND + 1) // STEP * STEP
        whole = tl.minimum(first, tl.cdiv(tl.maximum(0, first + BLOCK - BAND), STEP) * STEP)
        acc = _look_back(
            acc, q_b, g_b, lse_b, less_b, query, begin, whole, k, v, stream, own, features, head, H, kb, kh, kt,
            vb, vh, vt, T, True, SCALE, BAND, DROPPED, D, STEP,
        )  # fmt: skip
    acc = _look_back(
        acc, q_b, g_b, lse_b, less_b, query, whole, first, k, v, stream, own, features, head, H, kb, kh, kt, vb,
        vh, vt, T, False, SCALE, BAND, DROPPED, D, STEP,
    )  # fmt: skip
    acc = _look_back(
        acc, q_b, g_b, lse_b, less_b, query, first, tl.minimum(T, first + BLOCK), k, v, stream, own, features,
        head, H, kb, kh, kt, vb, vh, vt, T, True, SCALE, BAND, DROPPED, D, STEP,
    )  # fmt: skip
    _write(dq, acc * (SCALE / (1 - DROPPED / 65536)), head, H, db, dh, dt, query, features, T, D)


@triton.jit
def _be_seen(  # type: ignore[no-untyped-def]
    dk_b, dv_b, k_b, v_b, key, begin, end, q, g, lse, less, stream, own, features, head, H,
    qb, qh, qt, gb, gh, gt, T,
    MASKED: tl.constexpr, SCALE: tl.constexpr, BAND: tl.constexpr, DROPPED: tl.constexpr,
    D: tl.constexpr, STEP: tl.constexpr,
):  # fmt: skip
    """Add to the gradients of a block of keys and values what the queries from `begin` to `end` give."""
    for at in range(begin, end, STEP):
        query = at + tl.arange(0, STEP)
        q_b = _rows(q, head, H, qb, qh, qt, query, features, T, D)
        g_b = _rows(g, head, H, gb, gh, gt, query, features, T, D)
        lse_b = tl.load(lse + head * T + query, mask=query < T, other=0.0)
        less_b = tl.load(less + head * T + query, mask=query < T, other=0.0)
        weights = tl.exp2(tl.dot(k_b, tl.trans(q_b)) * (SCALE * _LOG2E) - lse_b[None, :])  # (s, t)
        if MASKED:
            weights = tl.where(_seen(query[None, :], key[:, None], BAND), weights, 0.0)
        dp = tl.dot(v_b, tl.trans(g_b))
        dropped = weights
        if DROPPED > 0:
            query_factor = _factor(stream, query, DROPPED)
            kept = _kept(query_factor[None, :], own[:, None], DROPPED)
            dropped = tl.where(kept, weights, 0.0)
            dp = tl.where(kept, dp, 0.0)
        dv_b += tl.dot(dropped.to(g_b.dtype), g_b)
        ds = weights * (dp - less_b[None, :])
        dk_b += tl.dot(ds.to(q_b.dtype), q_b)
    return dk_b, dv_b


@triton.jit
def attention_backward_kv(  # type: ignore[no-untyped-def]
    q, k, v, g, lse, less, dk, dv, seed,
    qb, qh, qt, kb, kh, kt, vb, vh, vt, ob, oh, ot, gb, gh, gt, db, dh, dt, H, T,
    SCALE: tl.constexpr, BAND: tl.constexpr, DROPPED: tl.constexpr,
    D: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr, STEP: tl.constexpr,
):  # fmt: skip
    head, first = tl.program_id(1), tl.program_id(0) * BLOCK
    features, key = tl.arange(0, WIDE), first + tl.arange(0, BLOCK)
    k_b = _own(k, head, H, kb, kh, kt, key, features, T, D)
    v_b = _own(v, head, H, vb, vh, vt, key, features, T, D)
    dk_b = tl.zeros((BLOCK, WIDE), tl.float32)
    dv_b = tl.zeros((BLOCK, WIDE), tl.float32)
    stream, keys, own = _streams(seed, head, DROPPED)
    own = own * _factor(keys, key, DROPPED)
    diagonal = tl.minimum(T, first + BLOCK)
    dk_b, dv_b = _be_seen(
        dk_b, dv_b, k_b, v_b, key, first, diagonal, q, g, lse, less, stream, own, features, head, H, qb, qh, qt,
        gb, gh, gt, T, True, SCALE, BAND, DROPPED, D, STEP,
    )  # fmt: skip
    whole = T
    if BAND > 0:  # queries that see the whole block, then those that see only some of it
        whole = tl.minimum(T, tl.maximum(first + BLOCK, (first + BAND) // STEP * STEP))
    dk_b, dv_b = _be_seen(
        dk_b, dv_b, k_b, v_b, key, first + BLOCK, whole, q, g, lse, less, stream, own, features, head, H, qb, qh,
        qt, gb, gh, gt, T, False, SCALE, BAND, DROPPED, D, STEP,
    )  # fmt: skip
    if BAND > 0:
        dk_b, dv_b = _be_seen(
            dk_b, dv_b, k_b, v_b, key, whole, tl.minimum(T, first + BLOCK + BAND - 1), q, g, lse, less,
            stream, own, features, head, H, qb, qh, qt, gb, gh, gt, T, True, SCALE, BAND, DROPPED, D, STEP,
        )  # fmt: skip
    kept_share = 1 - DROPPED / 65536
    _write(dk, dk_b * (SCALE / kept_share), head, H, db, dh, dt, key, features, T, D)
    _write(dv, dv_b / kept_share, head, H, db, dh, dt, key, features, T, D)
