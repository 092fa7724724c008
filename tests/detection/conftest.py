"""Detectors that have learnt nothing, small enough to run a thousand windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from physiolect import Checkpoint, InputContract
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.tokenizers import LevelTokenizer

Make = Callable[..., Checkpoint]

CONTRACT = InputContract(fs=50.0, min_samples=100, max_samples=100, modality="ppg")


class Tops(GPT):
    """A detector of beats by hand: the nearer a sample is to its window's top, the likelier."""

    def forward(self, ids: torch.Tensor, **_: object) -> torch.Tensor:
        return ((ids - 85) / 3).unsqueeze(-1)  # (B, T, 1)


@pytest.fixture(scope="session")
def make() -> Make:
    """Return what makes a detector of windows of two seconds at 50 Hz, with changes to its contract."""

    def make(task: str, n_outputs: int | None = 1, kind: type[GPT] = GPT, **contract: object) -> Checkpoint:
        torch.manual_seed(4)
        config = GPTConfig(
            context_length=100,
            width=16,
            n_layers=1,
            n_heads=2,
            mlp_width=16,
            positions="learned",
            n_outputs=n_outputs,
        )
        model = kind(config).eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        return Checkpoint(model, LevelTokenizer(), replace(CONTRACT, **contract), task)  # type: ignore[arg-type]

    return make
