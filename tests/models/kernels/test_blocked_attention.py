"""The blocked kernel is the library's attention, gradients included."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from physiolect.models.attention import causal_mask
from physiolect.models.kernels.blocked_attention import attention, wins


def qkv(T: int, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 5, T, 8, dtype=dtype, generator=generator).requires_grad_() for _ in range(3)]


@pytest.mark.parametrize("T", [1, 95, 96, 250])
@pytest.mark.parametrize("band", [None, 1, 20, 120])
def test_equals_the_library_with_gradients(T: int, band: int | None) -> None:
    q, k, v = qkv(T)
    mask = causal_mask(T, T, band=band, device=q.device)
    expected = F.scaled_dot_product_attention(q, k, v, mask, scale=0.3)
    out = attention(q, k, v, scale=0.3, band=band)
    torch.testing.assert_close(out, expected, atol=1e-12, rtol=1e-10)
    weight = torch.randn(out.shape, dtype=out.dtype, generator=torch.Generator().manual_seed(1))
    for ours, theirs in zip(
        torch.autograd.grad((out * weight).sum(), (q, k, v)),
        torch.autograd.grad((expected * weight).sum(), (q, k, v)),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-11, rtol=1e-9)


def test_dropout_keeps_the_mean_and_the_asked_share() -> None:
    torch.manual_seed(0)
    q, k = (torch.zeros(4, 8, 300, 8) for _ in range(2))
    v = torch.ones(4, 8, 300, 8)
    out = attention(q, k, v, scale=1.0, dropout=0.2)  # each output is (share kept) / 0.8
    assert out[:, :, 100:].mean().item() == pytest.approx(1, abs=0.002)
    assert out[:, :, 0].unique().tolist() == [0, 1.25]  # the first query has a single weight: kept or dropped
    seen = torch.arange(1, 301)  # query t mixes t + 1 weights of 1 / (t + 1), each kept with p = 0.8
    deviation = (out[..., 0] - 1) * (seen / 0.25).sqrt()
    assert deviation.var().item() == pytest.approx(1, rel=0.1)


def test_gradient_uses_the_same_dropped_weights() -> None:
    q, k, v = qkv(70)

    def run(*args: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        return attention(*args, scale=0.5, dropout=0.4)

    small = [x[:1, :2, :10].detach().requires_grad_() for x in (q, k, v)]
    assert torch.autograd.gradcheck(run, small)


def test_masks_first_made_without_gradients_serve_training_too() -> None:
    q, k, v = qkv(77)
    with torch.inference_mode():
        first = attention(q, k, v, scale=0.3, band=13)
    out = attention(q, k, v, scale=0.3, band=13)
    torch.testing.assert_close(out, first)
    out.sum().backward()
    assert q.grad is not None


def test_views_of_one_projection_are_read_as_they_lie() -> None:
    wide = torch.randn(2, 70, 3, 5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    q, k, v = wide.permute(2, 0, 3, 1, 4).unbind()
    expected = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.3)
    torch.testing.assert_close(attention(q, k, v, scale=0.3), expected, atol=1e-12, rtol=1e-10)


def test_it_serves_tiny_heads_and_any_heads_whose_weights_are_dropped() -> None:
    small, large = torch.zeros(1, 2, 9, 8), torch.zeros(1, 2, 9, 64)
    assert wins(small, small)
    assert not wins(large, large)
    assert wins(large, large, dropout=0.1)
    assert not wins(small[:, :, :1], small)  # one query of a cache
