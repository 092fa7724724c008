"""A checkpoint for a task, out of one that continues signals."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from physiolect import Checkpoint
from physiolect.checkpoint import Outputs, for_task
from physiolect.contract import CONTRACTS
from physiolect.errors import ConfigError
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.tokenizers import LevelTokenizer

CONFIG = GPTConfig(context_length=24, width=16, n_layers=2, n_heads=2, mlp_width=32)


def base(**contract: object) -> Checkpoint:
    accepts = replace(CONTRACTS["heartgpt-ecg"], min_samples=10, max_samples=24, **contract)  # type: ignore[arg-type]
    return Checkpoint(GPT(CONFIG).eval(), LevelTokenizer(), accepts)


def test_it_takes_whole_windows_and_keeps_the_trunk() -> None:
    old = base()
    outputs = Outputs("classify", ("a", "b", "c"), several=True)
    fresh = for_task(old, outputs, pooling="mean", channels=("II",))
    assert fresh.outputs == outputs
    assert (fresh.contract.min_samples, fresh.contract.max_samples) == (24, 24)
    assert fresh.contract.channels == ("II",)
    assert (old.task.name, old.contract.min_samples) == ("forecast", 10)
    assert torch.equal(fresh.model.tokens.weight, old.model.tokens.weight)
    assert fresh.model(torch.zeros(2, 24, dtype=torch.int64), last_only=True).shape == (2, 1, 3)


def test_what_the_base_asks_for_stays() -> None:
    fresh = for_task(base(channels=("V1",)), Outputs("rhythm", ("AFIB",)), channels=("II",), modality="ppg")
    assert (fresh.contract.channels, fresh.contract.modality) == (("V1",), "ecg")
    assert for_task(base(modality=None), Outputs("beats"), modality="ppg").contract.modality == "ppg"


def test_a_dropout_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="dropout"):
        for_task(base(), Outputs("rhythm"), dropout=1.0)
