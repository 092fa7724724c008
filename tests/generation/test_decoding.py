"""Tokens from captured graphs beside those of the plain way: on a GPU, and their logic without one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
import torch
from torch import Tensor

from physiolect.generation import Sampling, decode, decoding
from physiolect.generation import steps as stepping
from physiolect.generation.shelf import Shelf
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
        steps = decode(model, context.to(model.device), **way)
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

    captured_without_a_gpu(monkeypatch)
    assert torch.equal(drawn(), wanted)


class Replayed:
    """Does its work anew at each replay, into the same tensor, as a graph on a GPU does."""

    def __init__(self, work: Callable[[], Tensor], result: Tensor) -> None:
        self.work, self.result = work, result

    def replay(self) -> None:
        self.result.copy_(self.work())


def captured_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> list[Replayed]:
    """Let passes be captured on a CPU; return what was captured so far."""
    made: list[Replayed] = []

    def capture(work: Callable[[], Tensor], changed: list[Tensor], _: object) -> tuple[Replayed, Tensor]:
        before = [each.clone() for each in changed]
        result = work().clone()
        for each, value in zip(changed, before, strict=True):
            each.copy_(value)
        made.append(Replayed(work, result))
        return made[-1], result

    monkeypatch.setattr(stepping, "is_captured", lambda _: True)
    monkeypatch.setattr(decoding, "is_captured", lambda _: True)
    monkeypatch.setattr(stepping, "capture_graph", capture)
    monkeypatch.setattr(stepping, "_pool_size", lambda _: 1000)
    monkeypatch.setattr(stepping, "SHELF", Shelf(most=4, most_bytes=10**9))
    return made


def test_a_later_call_finds_the_graphs_of_an_earlier_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model = made("learned")
    greedy = {"sampling": Sampling(greedy=True)}
    wanted = tokens(model, 8, 30, **greedy)
    captured = captured_without_a_gpu(monkeypatch)
    for _ in range(3):
        assert torch.equal(tokens(model, 8, 30, **greedy), wanted)
    assert len(captured) == 2  # a step inside the context, and a whole context past it
    tokens(model, 8, 30, n_samples=3, **greedy)
    assert len(captured) == 4  # other shapes
    with torch.no_grad():
        model.head.weight.mul_(2)
    changed = tokens(model, 8, 30, **greedy)
    assert len(captured) == 4  # weights changed in place are read where they are
    model.head.weight = torch.nn.Parameter(model.head.weight / 2)
    assert torch.equal(tokens(model, 8, 30, **greedy), wanted)
    assert len(captured) == 6  # weights that moved need new graphs
    assert changed.shape == wanted.shape


def test_a_shelf_lends_to_one_at_a_time_and_keeps_no_owner_alive() -> None:
    shelf: Shelf[str] = Shelf(most=2, most_bytes=100)
    owner = made("learned")
    shelf.put(owner, "here", "a", "thing", 10)
    assert shelf.take(owner, "here", "b") is None
    assert shelf.take(owner, "here", "a") == "thing"
    assert shelf.take(owner, "here", "a") is None
    for key, size in (("a", 60), ("b", 30), ("c", 5), ("too large", 101)):
        shelf.put(owner, "here", key, key, size)
    assert (len(shelf), shelf.size) == (2, 35)  # the longest unused went
    assert shelf.take(owner, "moved", "b") is None
    assert len(shelf) == 0  # of another state
    shelf.put(owner, "here", "a", "thing", 10)
    del owner
    assert len(shelf) == 0


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
