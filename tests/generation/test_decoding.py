"""Tokens from captured graphs beside those of the plain way: on a GPU, and their logic without one."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from threading import Event
from typing import Any

import pytest
import torch
from torch import Tensor

from physiolect.errors import CheckpointError
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


def test_graphs_are_captured_anew_when_the_type_or_the_mode_of_the_model_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, captured = made("endless"), captured_without_a_gpu(monkeypatch)

    def n_captured() -> int:
        before = len(captured)
        tokens(model, 8, 5)
        return len(captured) - before

    assert [n_captured(), n_captured()] == [1, 0]
    model.double()
    assert [n_captured(), n_captured()] == [1, 0]
    model.train()
    assert n_captured() == 1
    model.eval()
    assert n_captured() == 0
    with monkeypatch.context() as later:
        later.setattr(torch, "get_float32_matmul_precision", lambda: "high")
        assert n_captured() == 1
    stepping.release_graphs()
    assert n_captured() == 1


def test_continuations_under_way_at_once_do_not_share_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    model = made("learned")
    captured_without_a_gpu(monkeypatch)

    def begun(first: int) -> Iterator[Tensor]:
        return decode(model, torch.arange(first, 20), sampling=Sampling(greedy=True))

    with torch.inference_mode():
        wanted = [torch.cat(list(islice(begun(first), 40))) for first in (0, 7)]
        both = list(islice(zip(begun(0), begun(7), strict=True), 40))
    for i in (0, 1):
        assert torch.equal(torch.cat([pair[i] for pair in both]), wanted[i])


def test_threads_continue_at_once_as_each_would_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model = made("learned")
    captured_without_a_gpu(monkeypatch)
    together(model, repeats=3)


def test_graphs_may_be_released_while_threads_use_them(monkeypatch: pytest.MonkeyPatch) -> None:
    model = made("learned")
    captured_without_a_gpu(monkeypatch)
    with releasing():
        together(model, repeats=1)


def test_a_model_is_freed_with_its_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    model = made("learned")
    captured = captured_without_a_gpu(monkeypatch)
    tokens(model, 20, 30)
    for each in captured:
        del each.work  # a graph on a GPU holds no work
    assert len(stepping.SHELF) == 2
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert len(stepping.SHELF) == 0


def together(model: GPT, repeats: int) -> None:
    """Compare continuations of several threads with the same ones alone."""
    ways = [{"n_samples": n, "sampling": Sampling(greedy=True)} for n in (1, 1, 2, 3)]
    wanted = [tokens(model, 20, 30, **way) for way in ways]
    stepping.release_graphs()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda way: tokens(model, 20, 30, **way), ways * repeats))
    assert all(torch.equal(a, b) for a, b in zip(found, wanted * repeats, strict=True))


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


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", MODELS)
def test_a_kept_graph_follows_weights_that_change_or_move(name: str) -> None:
    model, greedy = made(name).to("cuda"), {"sampling": Sampling(greedy=True)}

    @torch.no_grad()
    def change_in_place() -> None:
        for parameter in model.parameters():
            parameter.mul_(-0.7)

    changes: list[Callable[[], object]] = [
        lambda: None, change_in_place, lambda: model.cpu().cuda(), model.double, model.bfloat16
    ]  # fmt: skip
    for change in changes:
        change()
        tokens(model, 20, 30, **greedy)
        kept = tokens(model, 20, 30, **greedy)
        stepping.release_graphs()
        assert torch.equal(kept, tokens(model, 20, 30, **greedy))
    drawn = []
    for release in (True, False):  # the default generator goes on as if nothing had been captured
        if release:
            stepping.release_graphs()
        torch.manual_seed(3)
        drawn.append(tokens(model, 20, 30))
    assert torch.equal(*drawn)


@contextmanager
def releasing() -> Iterator[None]:
    """Free the kept graphs and collect garbage again and again in another thread."""
    stop = Event()

    def release() -> int:
        rounds = 0
        while not stop.wait(0.002):
            stepping.release_graphs()
            gc.collect()
            rounds += 1
        return rounds

    with ThreadPoolExecutor(1) as pool:
        rounds = pool.submit(release)
        try:
            yield
        finally:
            stop.set()
        assert rounds.result()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", MODELS)
def test_on_a_gpu_threads_continue_while_others_release_graphs(name: str) -> None:
    model = made(name).cuda()
    with releasing():
        together(model, repeats=5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_threads_draw_from_the_default_generator_while_others_capture() -> None:
    model = made("learned").cuda()
    for _ in range(3):
        stepping.release_graphs()
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda n: tokens(model, 20, 30, n_samples=n), [1, 2, 3, 4] * 2))
        assert not torch.equal(found[3], found[7])


@pytest.mark.parametrize("greedy", [True, False])
@pytest.mark.parametrize("since", [0, 5])
def test_outputs_that_are_no_numbers_continue_nothing(greedy: bool, since: int) -> None:
    model, calls = made("endless"), []

    def spoil(_: object, __: object, logits: Tensor) -> Tensor:
        calls.append(1)
        return logits * torch.nan if len(calls) > since else logits

    model.head.register_forward_hook(spoil)
    with pytest.raises(CheckpointError, match="outputs are not numbers"):
        tokens(model, 8, 10, sampling=Sampling(greedy=greedy))
    assert len(calls) == since + 1
