"""Tiny models that have learnt nothing, and one whose gaze is set by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from physiolect import Checkpoint, InputContract, Recording, synthetic
from physiolect.checkpoint import Outputs
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.tokenizers import LevelTokenizer

Make = Callable[..., Checkpoint]

CONTRACT = InputContract(fs=100.0, min_samples=100, max_samples=300, modality="ecg")
MODEL = GPTConfig(
    context_length=300,
    width=16,
    n_layers=3,
    n_heads=2,
    mlp_width=16,
    positions="learned",
    norm="rms",
    bias=False,
)


@pytest.fixture(scope="session")
def make() -> Make:
    """Return what makes a model of windows of three seconds at 100 Hz, with changes to its settings."""

    def make(
        task: str = "forecast", *, outputs: dict[str, object] | None = None, **settings: object
    ) -> Checkpoint:
        torch.manual_seed(4)
        n_outputs = None if task == "forecast" else 1
        model = GPT(replace(MODEL, **{"n_outputs": n_outputs, **settings})).eval()  # type: ignore[arg-type]
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        return Checkpoint(model, LevelTokenizer(), CONTRACT, Outputs(task, **(outputs or {})))  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def heart() -> Recording:
    """Eight seconds of ECG whose beats are marked."""
    return synthetic.ecg(seconds=8, fs=250.0, leads=("II",), seed=3)


@pytest.fixture(scope="session")
def top_gazer(make: Make) -> Checkpoint:
    """A model whose layer 2, head 1 looks at high levels, wherever the query; all other heads look at all alike."""
    checkpoint = make()
    model, E, D = checkpoint.model, 16, 8
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for block in model.trunk.blocks:
            block.attention_norm.weight.fill_(1.0)  # type: ignore[union-attr, operator]
        model.tokens.weight[:, 0] = 1.0  # the same for all, for the query
        model.tokens.weight[:, 1] = torch.arange(101) / 100.0  # the level, for the key
        qkv = model.trunk.blocks[1].attention.qkv.weight  # type: ignore[union-attr]
        qkv[0, 0] = 1.0
        qkv[E + 0, 1] = 1.0
    assert model.trunk.blocks[1].attention.head_size == D  # type: ignore[union-attr]
    return checkpoint
