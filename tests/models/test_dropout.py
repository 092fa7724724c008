"""Dropout keeps the mean, drops the asked share, and passes the gradient of what it kept."""

from __future__ import annotations

import pytest
import torch

from physiolect.models.dropout import draw_kept, drop


@pytest.mark.parametrize("dropout", [0.0, 0.1, 0.5, 0.9])
def test_the_asked_share_is_dropped_and_the_rest_scaled_up(dropout: float) -> None:
    torch.manual_seed(0)
    x = torch.ones(101, 1001, requires_grad=True)
    out = drop(x, dropout)
    assert (out == 0).float().mean().item() == pytest.approx(dropout, abs=0.005)
    assert out.mean().item() == pytest.approx(1, abs=0.03)
    (gradient,) = torch.autograd.grad(out.sum(), x)
    torch.testing.assert_close(gradient, out)


def test_neighbours_are_drawn_independently() -> None:
    torch.manual_seed(0)
    kept = draw_kept(torch.Size([400_001]), 0.3).double()
    for lag in (1, 2, 3, 4):  # four draws share one random number
        agreement = torch.corrcoef(torch.stack((kept[lag:], kept[:-lag])))[0, 1]
        assert abs(agreement.item()) < 0.008


def test_a_seed_repeats_the_draws() -> None:
    first, second = (drop(torch.ones(50), 0.5) for _ in range(2) if torch.manual_seed(4))
    assert torch.equal(first, second)
