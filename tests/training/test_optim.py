from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from physiolect.errors import ConfigError
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.training import RECIPES, Recipe, learning_rate_at, make_optimizer

SMALL = GPTConfig(
    vocabulary_size=11, context_length=8, width=8, n_layers=1, n_heads=2, mlp_width=16, positions="learned"
)


def test_cosine_by_hand() -> None:
    recipe = Recipe(learning_rate=2.0, warmup_steps=3)
    rates = [learning_rate_at(step, 8, recipe) for step in range(8)]
    # a quarter more each step up to the peak, then 0.2 + 0.9 * (1 + cos) at 0, 45, 90, 135 and 180 degrees
    root = 0.5**0.5
    assert rates == pytest.approx([0.5, 1.0, 1.5, 2.0, 1.1 + 0.9 * root, 1.1, 1.1 - 0.9 * root, 0.2])


def test_the_cosine_stays_at_its_end() -> None:
    assert learning_rate_at(11, 8, Recipe(learning_rate=1.0, warmup_steps=3)) == pytest.approx(0.1)


def test_constant_by_hand() -> None:
    recipe = Recipe(learning_rate=1.0, schedule="constant", warmup_steps=1)
    assert [learning_rate_at(step, 4, recipe) for step in range(4)] == [0.5, 1.0, 1.0, 1.0]
    assert {learning_rate_at(step, 4, RECIPES["published"]) for step in range(4)} == {3e-4}


def test_a_run_that_ends_in_its_warm_up_only_rises() -> None:
    rates = [learning_rate_at(step, 5, Recipe(warmup_steps=50)) for step in range(5)]
    assert rates == pytest.approx([3e-3 * n / 51 for n in (1, 2, 3, 4, 5)])


def test_matrices_decay_and_the_rest_does_not() -> None:
    model = GPT(SMALL)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decayed, spared = make_optimizer(model, Recipe(weight_decay=0.3)).param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.3, 0.0)
    spared_names = {names[id(parameter)] for parameter in spared["params"]}
    assert {"positions" in name for name in spared_names} == {True, False}
    assert all(parameter.ndim == 1 or "positions" in names[id(parameter)] for parameter in spared["params"])
    assert all(
        parameter.ndim == 2 and "positions" not in names[id(parameter)] for parameter in decayed["params"]
    )
    assert len(decayed["params"]) + len(spared["params"]) == len(names)


def test_frozen_weights_are_left_alone() -> None:
    model = GPT(SMALL)
    model.tokens.weight.requires_grad_(False)
    groups = make_optimizer(model, RECIPES["modern"]).param_groups
    assert all(parameter is not model.tokens.weight for group in groups for parameter in group["params"])


def test_published_is_pytorchs_default_step_by_step() -> None:
    torch.manual_seed(0)
    ours, plain = nn.Linear(5, 3), nn.Linear(5, 3)
    plain.load_state_dict(ours.state_dict())
    recipe = RECIPES["published"]
    optimizer, reference = make_optimizer(ours, recipe), torch.optim.AdamW(plain.parameters(), lr=3e-4)
    for step in range(20):
        x = torch.randn(7, 5)
        optimizer.param_groups[0]["lr"] = learning_rate_at(step, 20, recipe)
        for model, each in ((ours, optimizer), (plain, reference)):
            each.zero_grad()
            model(x).square().sum().backward()
            each.step()
        for mine, theirs in zip(ours.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-7)  # fused arithmetic rounds otherwise
    assert len(optimizer.param_groups) == 1
    for setting in ("lr", "betas", "eps", "weight_decay", "amsgrad", "maximize"):
        assert optimizer.param_groups[0][setting] == reference.param_groups[0][setting]
    assert recipe.clip_norm is None


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        replace(
            RECIPES["modern"], learning_rate=math.inf, warmup_steps=-1, weight_decay=math.nan, clip_norm=0,
            beta1=7, beta2=1.0,
        )  # fmt: skip
    for name in ("learning_rate", "warmup_steps", "weight_decay", "clip_norm", "beta1", "beta2"):
        assert name in str(raised.value)
    assert raised.value.hint
