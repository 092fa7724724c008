from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from physiolect.training import next_token_loss


def test_the_loss_is_that_of_the_next_id() -> None:
    torch.manual_seed(0)
    model = nn.Embedding(5, 5)  # the logits of the next id depend on this one alone
    ids = torch.tensor([[0, 3, 1], [4, 4, 2]])
    table = model.weight.detach().log_softmax(-1)
    pairs = [(0, 3), (3, 1), (4, 4), (4, 2)]
    expected = -sum(table[now, after].item() for now, after in pairs) / 4
    assert next_token_loss(model, ids).item() == pytest.approx(expected, rel=1e-6)


def test_knowing_nothing_costs_the_logarithm_of_the_vocabulary() -> None:
    model = nn.Embedding(101, 101)
    nn.init.zeros_(model.weight)
    assert next_token_loss(model, torch.arange(50).reshape(2, 25)).item() == pytest.approx(math.log(101))
