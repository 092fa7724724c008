"""The forms of a step: one meaning, and nothing waited for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import Tensor

from physiolect.errors import ConfigError
from physiolect.models.gpt import GPT, GPT_PRESETS, GPTConfig
from physiolect.training import RECIPES, Form, NextToken, Step, TrainingError, choose_form, next_token_loss
from physiolect.training import step as step_module

on_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("name", "device", "n_processes", "chosen"),
    [
        ("auto", CPU, 1, "eager"),
        ("auto", CUDA, 1, "captured"),
        ("auto", CUDA, 2, "eager"),
        ("compiled", CUDA, 2, "compiled"),
        ("eager", CUDA, 1, "eager"),
    ],
)
def test_the_form_is_chosen_by_where_training_runs(
    name: Form, device: torch.device, n_processes: int, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_module, "_can_compile", lambda _: True)
    assert choose_form(name, device, n_processes=n_processes) == chosen


@pytest.mark.parametrize(("device", "n_processes"), [(CPU, 1), (CUDA, 2)])
def test_no_step_is_captured_off_a_single_gpu(device: torch.device, n_processes: int) -> None:
    with pytest.raises(ConfigError, match="form is captured") as refused:
        choose_form("captured", device, n_processes=n_processes)
    assert refused.value.hint


@pytest.mark.parametrize("device", [CPU, CUDA])
def test_nothing_is_compiled_without_a_compiler(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CC", "CXX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match="form is compiled") as refused:
        choose_form("compiled", device)
    assert refused.value.hint


@pytest.mark.slow
def test_compiled_updates_are_the_eager_ones() -> None:
    if shutil.which("g++") is None:
        pytest.skip("needs a C++ compiler")
    batch = torch.randint(0, 11, (4, 9), generator=torch.Generator().manual_seed(0))
    seen = []
    forms: tuple[Literal["eager", "compiled"], ...] = ("eager", "compiled")
    for form in forms:
        torch.manual_seed(0)
        model = GPT(
            GPTConfig(vocabulary_size=11, context_length=8, width=8, n_layers=2, n_heads=2, mlp_width=8)
        )
        objective = NextToken()
        regions = [*model.trunk.blocks, objective.score]
        step = Step(model, objective, lambda *_: batch, RECIPES["modern"], 10, form=form, regions=regions)
        losses = []
        for _ in range(5):
            step()
            losses.append(step.read()[0])
        seen.append(losses)
    assert seen[1] == pytest.approx(seen[0], rel=1e-5)
    assert seen[0][-1] < seen[0][0]


def test_after_a_refused_update_nothing_moves() -> None:
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocabulary_size=11, context_length=8, width=8, n_layers=1, n_heads=2, mlp_width=8))
    batch = torch.randint(0, 11, (4, 9))

    def loss_of(model: torch.nn.Module, at: int) -> Tensor:
        return next_token_loss(model, batch) * (torch.nan if at == 2 else 1.0)

    step = Step(model, loss_of, lambda at, _: int(at), RECIPES["modern"], 10)
    step(), step()
    weights = [p.clone() for p in model.parameters()]
    moments = {name: value for name, value in step.state().items() if name.startswith("optimizer/")}
    for _ in range(3):
        step()
    with pytest.raises(TrainingError, match="update 3 has a loss of nan"):
        step.read()
    assert step.done == 2
    assert all(torch.equal(a, b) for a, b in zip(weights, model.parameters(), strict=True))
    after = step.state()
    assert all(torch.equal(value, after[name]) for name, value in moments.items())


def windows(size: int) -> Callable[[int | Tensor, int], Tensor]:
    """Return batches made on the GPU out of the update's number alone: noise that wanders, as levels."""
    ticks = torch.arange(size * 126, device=CUDA).view(size, 126).double()

    def batch(at: int | Tensor, part: int) -> Tensor:
        wave = (ticks * 0.37 + at * 1.3).sin() + (ticks * 0.05 + at + part).cos()
        return ((wave + 2) * 25).long().clamp(0, 100)

    return batch


def gpu_step(
    form: Form, model: GPT, precision: torch.dtype = torch.float32, steps: int = 200
) -> Step[Tensor]:
    objective = NextToken(precision)
    return Step(
        model, objective, windows(16), replace(RECIPES["modern"], warmup_steps=10), steps, accumulate=2,
        form=choose_form(form, CUDA), regions=[*model.trunk.blocks, objective.score],
    )  # fmt: skip


def made(name: str, **changes: object) -> GPT:
    torch.manual_seed(0)
    config = replace(GPT_PRESETS[name], context_length=125, n_layers=2, **changes)  # type: ignore[arg-type]
    return GPT(config).to(CUDA).train()


def curve(step: Step[Tensor], n: int) -> Tensor:
    losses = []
    for _ in range(n):
        step()
        losses.append(step.read()[0])
    return torch.tensor(losses)


@pytest.mark.parametrize("name", ["modern", "heartgpt-ecg"])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
class TestOnGPU:
    pytestmark = on_gpu

    def test_two_hundred_captured_updates_follow_the_eager_ones(
        self, name: str, precision: torch.dtype
    ) -> None:
        undropped = {"attention_dropout": 0.0, "residual_dropout": 0.0}
        eager = curve(gpu_step("eager", made(name, **undropped), precision), 200)
        captured = curve(gpu_step("captured", made(name, **undropped), precision), 200)
        assert captured[-1] < 0.7 * captured[0]
        # fused arithmetic rounds otherwise, and updates amplify it: nats per token
        apart = (captured - eager).abs()
        assert apart[:20].max() < (1e-3 if precision == torch.float32 else 2e-2)
        assert (captured[-20:].mean() - eager[-20:].mean()).abs() < 0.05

    def test_a_captured_run_goes_on_where_it_stopped(self, name: str, precision: torch.dtype) -> None:
        whole_model = made(name, residual_dropout=0.1)
        whole = gpu_step("captured", whole_model, precision)
        losses = curve(whole, 10)
        state = whole.state()
        weights = {key: value.clone() for key, value in whole_model.state_dict().items()}
        losses = curve(whole, 10)
        fresh = made(name, residual_dropout=0.1)
        fresh.load_state_dict(weights)
        torch.cuda.manual_seed(99)
        resumed = gpu_step("captured", fresh, precision)
        resumed.restore(state)
        assert resumed.done == 10
        torch.testing.assert_close(curve(resumed, 10), losses, rtol=0, atol=5e-3)

    def test_a_captured_update_without_a_number_is_refused(self, name: str, precision: torch.dtype) -> None:
        model = made(name)
        step = gpu_step("captured", model, precision)
        inner = step.loss_of

        def loss_of(model: torch.nn.Module, batch: Tensor) -> Tensor:
            return inner(model, batch) + torch.where(step._at == 4, torch.nan, 0.0)

        step.loss_of = loss_of
        for _ in range(4):
            step()
        weights = [p.clone() for p in model.parameters()]
        for _ in range(5):
            step()
        with pytest.raises(TrainingError, match="update 5 has a loss of nan"):
            step.read()
        assert all(torch.equal(a, b) for a, b in zip(weights, model.parameters(), strict=True))
