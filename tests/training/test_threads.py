"""Threads of a call: one for a small model, and the setting comes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from physiolect.errors import ConfigError
from physiolect.models.gpt import GPT, GPT_PRESETS
from physiolect.training import using_threads


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_a_small_model_uses_one_thread_and_the_setting_comes_back() -> None:
    small = nn.Linear(10, 10)
    with using_threads(None, small) as n:
        assert n == torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


def test_the_published_detectors_are_small_however_many_windows_pass_at_once() -> None:
    with using_threads(None, GPT(GPT_PRESETS["heartgpt-ecg"])) as n:
        assert n == 1


def test_a_large_model_keeps_the_setting() -> None:
    large = nn.Linear(1000, 1000)
    large.context_length = 10_000  # type: ignore[assignment]
    with using_threads(None, large) as n:
        assert n == torch.get_num_threads() == 3


def test_fewer_than_one_thread_is_refused_in_a_sentence() -> None:
    with pytest.raises(ConfigError, match="threads is 0, but must be at least 1"), using_threads(0):
        pass
    assert torch.get_num_threads() == 3


def test_a_number_that_is_given_is_used_and_an_error_restores_the_setting() -> None:
    with pytest.raises(ZeroDivisionError), using_threads(2, nn.Linear(10, 10)) as n:
        _ = n / (torch.get_num_threads() - 2)
    assert torch.get_num_threads() == 3


def test_training_counts_the_windows_of_a_batch() -> None:
    model = GPT(GPT_PRESETS["heartgpt-ecg"])
    with using_threads(None, model, batch=32) as n:
        assert n == 3
    with using_threads(None, nn.Linear(10, 10), batch=32) as n:
        assert n == 1
