"""Tokens from captured graphs beside those of the plain way: on a GPU, and their logic without one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
import torch
from torch import Tensor

from physiolect.generation import Sampling, decode, decoding
from physiolect.models.gpt import GPT, GPTConfig

MODELS = {
    "learned": GPTConfig(
        width=16, n_layers=2, n_heads=2, mlp_width=32, context_length=24, positions="learned"
    ),
    "endless": GPTConfig(width=16, n_layers=2, n_heads=2, mlp_width=32, context_length=24, band=9),
    "sliding": GPTConfig(width=16, n_layers=2, n_heads=2, mlp_width=32, context_length=24, band=None),
}
WAYS: list[dict[str, Any]] = [{}, {"mode": "hop"}, {"mode": "hop", "hop": 1}, {"mode": "hop", "hop": 23}]


def tokens(model: GPT, n_context: int, n: int, **way: Any) -> Tensor:
    context = torch.randint(0, 101, (n_context,), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        steps = decode(model, context.to(model.tokens.weight.device), **way)
        return torch.cat(list(islice(steps, n)), 1).cpu()


def made(name: str) -> GPT:
    torch.manual_seed(0)
    model = GPT(MODELS[name]).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)  # so that what was seen decides
    return model


@pytest.mark.parametrize("n_context", [1, 8, 23, 24, 60])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MODELS)
def test_steps_of_fixed_shape_give_the_same_tokens(
    name: str, way: dict[str, Any], n_context: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn() -> Tensor:
        generator = torch.Generator().manual_seed(1)
        return tokens(made(name), n_context, 60, n_samples=3, generator=generator, **way)

    wanted = drawn()

    def replayed(function: Callable[[Tensor], Tensor], _: list[Tensor]) -> Callable[[Tensor], Tensor]:
        return function

    monkeypatch.setattr(decoding, "_is_captured", lambda _: True)
    monkeypatch.setattr(decoding, "_Replayed", replayed)
    assert torch.equal(drawn(), wanted)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("device", ["cuda:0", "cuda:1"])
@pytest.mark.parametrize("n_context", [8, 24])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MODELS)
def test_graphs_give_the_tokens_of_a_cpu(name: str, way: dict[str, Any], n_context: int, device: str) -> None:
    if int(device[-1]) >= torch.cuda.device_count():
        pytest.skip("needs two CUDA devices")
    for n_samples in (1, 3):
        greedy = {"sampling": Sampling(greedy=True), "n_samples": n_samples, **way}
        wanted = tokens(made(name), n_context, 60, **greedy)
        assert torch.equal(tokens(made(name).to(device), n_context, 60, **greedy), wanted)
