"""Threads of a call: one for a small model, and the setting comes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from physiolect.training import using_threads


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_a_small_model_uses_one_thread_and_the_setting_comes_back() -> None:
    small = nn.Linear(10, 10)
    with using_threads(None, small, positions=500) as n:
        assert n == torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


def test_much_work_keeps_the_setting() -> None:
    with using_threads(None, nn.Linear(1000, 1000), positions=10_000) as n:
        assert n == torch.get_num_threads() == 3


def test_a_number_that_is_given_is_used_and_an_error_restores_the_setting() -> None:
    with pytest.raises(ZeroDivisionError), using_threads(2, nn.Linear(10, 10)) as n:
        _ = n / (torch.get_num_threads() - 2)
    assert torch.get_num_threads() == 3
