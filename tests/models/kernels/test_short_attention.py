"""Attention over short windows on a CPU by whole products: the same function, forward and backward."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from physiolect.models.attention import Attention
from physiolect.models.kernels import short_attention


def drawn(T: int, S: int) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(2, 3, n, 8, dtype=torch.float64, requires_grad=True) for n in (T, S, S)]


@pytest.mark.parametrize(("T", "S"), [(5, 5), (7, 3), (2, 256)])
@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_it_is_the_library_function(T: int, S: int, scale: float) -> None:
    found = []
    for function in (
        lambda q, k, v: short_attention.attention(q, k, v, scale=scale),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, scale=scale),
    ):
        q, k, v = drawn(T, S)
        out = function(q, k, v)
        found.append([out, *torch.autograd.grad(out.square().sum(), (q, k, v))])
    torch.testing.assert_close(found[0], found[1])


def test_dropped_weights_keep_their_mean() -> None:
    q, k, _ = drawn(64, 64)
    out = short_attention.attention(q, k, torch.ones_like(k), scale=1.0, dropout=0.25)
    assert 0.05 < out.detach().std() < 1
    assert abs(float(out.detach().mean()) - 1) < 0.05


def test_it_serves_what_onednn_multiplies_over_short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    q = torch.zeros(1, 1, 8, 4)
    assert not short_attention.wins(q, q)
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "medium")
    assert short_attention.wins(q, q)
    assert not short_attention.wins(q.double(), q.double())
    assert short_attention.wins(q.bfloat16(), q.bfloat16())
    long = torch.zeros(1, 1, short_attention.MOST_KEYS + 1, 4, dtype=torch.bfloat16)
    assert not short_attention.wins(long, long)


def test_attention_that_looks_both_ways_is_the_same_in_half_precision() -> None:
    torch.manual_seed(0)
    attention = Attention(width=32, n_heads=2, causal=False)
    x = torch.randn(2, 20, 32)
    full, _ = attention(x)
    with torch.autocast("cpu", torch.bfloat16):
        half, _ = attention(x)
    assert (half.float() - full).norm() < 0.02 * full.norm()
