"""Causal attention on a GPU for tiny heads, with dropped weights inside: one kernel forward and two backward.

With 8 to 32 features a head is far smaller than the library's kernels are made for. Here a program takes one block of
queries (or, for the gradient of keys and values, of keys) of one head and goes once over what it may see. Weights are
recomputed in the backward pass (Dao et al. 2022, FlashAttention, section 3.1 and appendix B.2), and so is what was
dropped, from one random factor a query, a key and a head.
"""

from __future__ import annotations

import os
import shutil
from typing import Any

import torch
from torch import Tensor

from physiolect.models.dropout import dropped_of_65536
from physiolect.models.kernels.blocked_attention import like_projected

try:
    from physiolect.models.kernels import fused_programs as programs
except ImportError:  # PyTorch for a CPU, or for a system without Triton
    programs = None  # type: ignore[assignment]

READY = programs is not None and bool(os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang"))
"""Triton compiles what starts a kernel, which needs the system's C compiler; without it the library serves."""

HEAD_SIZES = range(8, 33)
"""Features a head may have; it was measured to win at 8, 16 and 32, and larger heads were not tried."""
_MOST_HEADS = 65_535
"""Heads of all windows that one launch may count (CUDA's limit on the second axis of a grid)."""

_SIZES = {
    "forward": (64, 64, 4, 3),
    "backward_q": (64, 64, 4, 3),
    "backward_kv": (64, 32, 4, 2),
}
"""Of each kernel: rows of a program's own block, rows of a step, warps, stages. The block is a multiple of the step.

All of them were chosen by timing each kernel alone on an H200 over 500 positions.
"""
_TINY = {**_SIZES, "forward": (64, 32, 4, 2), "backward_q": (64, 64, 4, 2)}
"""The same for heads of fewer than 16 features."""
_BANDED = {"forward": (32, 32, 2, 2), "backward_q": (32, 32, 2, 2), "backward_kv": (32, 32, 1, 2)}
"""The same for larger heads that see a band: smaller blocks waste less of its edges."""
_EXACT = {"forward": (64, 64, 4, 2)}
"""The same in single precision."""
_LARGEST_EXACT = 16
"""Features a head may have in single precision; at 32 the library is as fast."""


def wins(q: Tensor, k: Tensor, dropout: float = 0.0) -> bool:
    """Say whether this path takes causal self-attention over these tensors: a small head, a GPU, and half precision.

    In single precision it takes what needs no gradient, and multiplies as exactly as the library.
    """
    half = q.dtype in (torch.bfloat16, torch.float16)
    learning = dropout > 0 or (torch.is_grad_enabled() and q.requires_grad)
    exact = q.dtype == torch.float32 and not learning and q.shape[-1] <= _LARGEST_EXACT
    return (
        READY
        and q.device.type == "cuda"
        and (half or exact)
        and q.shape[-1] in HEAD_SIZES
        and q.shape[-2] == k.shape[-2] > 1
        and q.shape[0] * q.shape[1] <= _MOST_HEADS
    )


def attention(
    q: Tensor, k: Tensor, v: Tensor, *, scale: float, band: int | None = None, dropout: float = 0.0
) -> Tensor:
    """Return causal attention, equal to `scaled_dot_product_attention` under the same mask.

    Args:
        q: queries (B, H, T, D) in half precision; k and v alike. Views of a wider tensor are read as they lie.
        k: keys.
        v: values.
        scale: factor on q k^T before the softmax.
        band: each query sees its own and the `band - 1` positions before; None sees all before.
        dropout: share of attention weights set to zero (in steps of 2^-16), the others scaled up.
    """
    # drawn by the generator of the device, so that a captured step draws anew each time
    seed = q.new_empty(0, dtype=torch.int32)
    if dropout:
        seed = torch.randint(2**31 - 1, (1,), device=q.device, dtype=torch.int32)
    q, k, v = (x if x.stride(-1) == 1 else x.contiguous() for x in (q, k, v))
    out: Tensor = _attention(q, k, v, seed, scale, band, dropout)[0]
    return out


# Custom operators, so that torch.compile takes them as they are into what it fuses around them.
@torch.library.custom_op("physiolect::tiny_attention", mutates_args=())
def _attention(
    q: Tensor, k: Tensor, v: Tensor, seed: Tensor, scale: float, band: int | None, dropout: float
) -> tuple[Tensor, Tensor]:
    """Return attention, and what its backward pass needs: the logarithm of each row's sum, in bits."""
    B, H, T, _ = q.shape
    out, lse = like_projected(q), q.new_empty(B * H, T, dtype=torch.float32)
    grid, settings = _launch("forward", q, scale, band, dropout)
    with torch.cuda.device_of(q):
        programs.attention_forward[grid](q, k, v, out, lse, seed, *_strides(q, k, v, out), H, T, **settings)
    return out, lse


@torch.library.custom_op("physiolect::tiny_attention_backward", mutates_args=())
def _gradients(
    q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor, g: Tensor, seed: Tensor,
    scale: float, band: int | None, dropout: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Return the gradients of q, k and v."""
    g = g if g.stride(-1) == 1 else g.contiguous()
    H, T = q.shape[1:3]
    dq, dk, dv = (like_projected(q) for _ in range(3))
    less = torch.empty_like(lse)
    places = (*_strides(q, k, v, out, g, dq), H, T)
    with torch.cuda.device_of(q):
        grid, settings = _launch("backward_q", q, scale, band, dropout)
        programs.attention_backward_q[grid](q, k, v, out, g, lse, less, dq, seed, *places, **settings)
        grid, settings = _launch("backward_kv", q, scale, band, dropout)
        programs.attention_backward_kv[grid](q, k, v, g, lse, less, dk, dv, seed, *places, **settings)
    return dq, dk, dv


@_attention.register_fake
def _(q: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    B, H, T, _D = q.shape
    return like_projected(q), q.new_empty(B * H, T, dtype=torch.float32)


@_gradients.register_fake
def _(q: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    return like_projected(q), like_projected(q), like_projected(q)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    q, k, v, seed, *ctx.settings = inputs
    ctx.save_for_backward(q, k, v, *output, seed)


def _differentiate(ctx: Any, g: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    q, k, v, out, lse, seed = ctx.saved_tensors
    return *_gradients(q, k, v, out, lse, g, seed, *ctx.settings), None, None, None, None


_attention.register_autograd(_differentiate, setup_context=_remember)


def _strides(*tensors: Tensor) -> tuple[int, ...]:
    return tuple(stride for x in tensors for stride in x.stride()[:3])


def _launch(
    kernel: str, q: Tensor, scale: float, band: int | None, dropout: float
) -> tuple[tuple[int, int], dict[str, Any]]:
    """Return the grid, blocks by heads, and what a kernel is compiled for."""
    B, H, T, D = q.shape
    band = 0 if band is None or band >= T else band
    sizes = _EXACT if q.dtype == torch.float32 else _TINY if D < 16 else _BANDED if band else _SIZES
    block, step, n_warps, n_stages = sizes[kernel]
    settings = {
        "SCALE": scale,
        "BAND": band,
        "DROPPED": dropped_of_65536(dropout),
        "D": D,
        "WIDE": max(16, 1 << (D - 1).bit_length()),
        "BLOCK": block,
        "STEP": step,
        "num_warps": n_warps,
        "num_stages": n_stages,
    }
    return (-(-T // block), B * H), settings
