"""The GPU's kernel for tiny heads against the library's attention under the same mask, and what it drops."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from physiolect.models.attention import causal_mask
from physiolect.models.kernels import fused_attention

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def heads(qkv: Tensor, n_heads: int) -> tuple[Tensor, ...]:
    B, T, E = qkv.shape
    return tuple(x.transpose(1, 2) for x in qkv.view(B, T, 3, n_heads, E // 3 // n_heads).unbind(2))


def results(qkv: Tensor, n_heads: int, g: Tensor, band: int | None, *, ours: bool) -> tuple[Tensor, Tensor]:
    """Return attention and the gradient of qkv."""
    qkv = qkv.detach().requires_grad_()
    q, k, v = heads(qkv, n_heads)
    if ours:
        out = fused_attention.attention(q, k, v, scale=0.3, band=band)
    else:
        mask = causal_mask(q.shape[2], q.shape[2], band=band, device=q.device)
        out = F.scaled_dot_product_attention(q, k, v, mask, scale=0.3)
    out.backward(g.to(out.dtype))
    assert qkv.grad is not None
    return out.detach().float(), qkv.grad.float()


@pytest.mark.parametrize("band", [None, 7, 125])
@pytest.mark.parametrize("T", [2, 64, 130, 500])
@pytest.mark.parametrize("size", [8, 16, 24, 32])
def test_as_near_to_float32_as_the_library(size: int, T: int, band: int | None) -> None:
    torch.manual_seed(0)
    qkv = torch.randn(2, T, 3 * 3 * size, device="cuda", dtype=torch.bfloat16)
    g = torch.randn(2, 3, T, size, device="cuda", dtype=torch.bfloat16)
    exact = results(qkv.float(), 3, g, band, ours=False)
    library = results(qkv, 3, g, band, ours=False)
    ours = results(qkv, 3, g, band, ours=True)
    for wanted, theirs, got in zip(exact, library, ours, strict=True):
        assert (got - wanted).abs().max() <= 2 * (theirs - wanted).abs().max() + 0.004


@pytest.mark.parametrize("band", [None, 7, 125])
@pytest.mark.parametrize("size", [8, 16])
def test_in_single_precision_without_a_gradient_as_exact_as_the_library(size: int, band: int | None) -> None:
    torch.manual_seed(0)
    q, k, v = heads(torch.randn(2, 130, 3 * 3 * size, device="cuda"), 3)
    assert fused_attention.wins(q, k)
    assert not fused_attention.wins(q.detach().requires_grad_(), k)
    out = fused_attention.attention(q, k, v, scale=0.3, band=band)
    mask = causal_mask(130, 130, band=band, device=q.device)
    exact = F.scaled_dot_product_attention(q.double(), k.double(), v.double(), mask, scale=0.3)
    torch.testing.assert_close(out.double(), exact, atol=2e-6, rtol=0)


def test_weights_are_dropped_alike_both_ways() -> None:
    torch.manual_seed(0)
    q, k, v, g = (torch.randn(1, 2, 32, 32, device="cuda", dtype=torch.bfloat16) for _ in range(4))
    unit = torch.eye(32, device="cuda", dtype=torch.bfloat16).expand(1, 2, 32, 32)

    def dropped(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        torch.manual_seed(1)
        return fused_attention.attention(q, k, v, scale=0.2, dropout=0.25)

    kept = dropped(torch.zeros_like(q), k, unit) > 0  # the weights themselves
    ours = [x.clone().requires_grad_() for x in (q, k, v)]
    by_hand = [x.float().requires_grad_() for x in (q, k, v)]
    dropped(*ours).backward(g)
    mask = causal_mask(32, 32, band=None, device=q.device)
    weights = (by_hand[0] @ by_hand[1].mT * 0.2).masked_fill(~mask, -torch.inf).softmax(-1) * kept / 0.75
    (weights @ by_hand[2]).backward(g.float())
    for mine, theirs in zip(ours, by_hand, strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        torch.testing.assert_close(mine.grad.float(), theirs.grad, atol=0.02, rtol=0.02)


def test_what_is_dropped_is_random() -> None:
    torch.manual_seed(0)
    q = torch.zeros(8, 8, 32, 32, device="cuda", dtype=torch.bfloat16)
    unit = torch.eye(32, device="cuda", dtype=torch.bfloat16).expand(8, 8, 32, 32)
    seen = causal_mask(32, 32, band=None, device=q.device)
    draws = [fused_attention.attention(q, q, unit, scale=1.0, dropout=0.2) for _ in range(200)]
    kept = (torch.stack(draws)[..., seen] > 0).float() - 0.8  # (calls, B, H, places)
    sure = 5 * 0.16 / kept.numel() ** 0.5
    assert kept.mean().abs() < 5 * 0.4 / kept.numel() ** 0.5
    for a, b in (  # neighbours in call, batch, head and place know nothing of each other
        (kept[1:], kept[:-1]),
        (kept[:, 1:], kept[:, :-1]),
        (kept[:, :, 1:], kept[:, :, :-1]),
        (kept[..., 1:], kept[..., :-1]),
    ):
        assert (a * b).mean().abs() < 1.1 * sure
    again = fused_attention.attention(q, q, unit, scale=1.0, dropout=0.2)
    assert not torch.equal(draws[-1], again)


def test_what_is_dropped_has_the_spectrum_of_chance() -> None:
    q = torch.zeros(4, 16, 512, 8, device="cuda", dtype=torch.bfloat16)
    columns = []
    for first in range(0, 256, 8):  # the weights themselves, eight keys a call, by the same draws
        torch.manual_seed(0)
        unit = torch.zeros_like(q)
        unit[:, :, first : first + 8] = torch.eye(8, device="cuda", dtype=torch.bfloat16)
        columns.append(fused_attention.attention(q, q, unit, scale=1.0, dropout=0.2)[:, :, 256:])
    kept = ((torch.cat(columns, -1) > 0).float() - 0.8).flatten(0, 1) / 0.4  # (heads, queries, keys)
    edge = 2 * 256**0.5  # of the singular values of independent draws (Bai and Yin 1993)
    assert torch.linalg.matrix_norm(kept, 2).mean() < 1.01 * edge
    assert torch.linalg.matrix_norm(kept, 2).max() < 1.05 * edge
    heads = kept.flatten(1)
    assert torch.linalg.matrix_norm(heads, 2) < 1.01 * (64**0.5 + 256)
