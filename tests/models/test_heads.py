"""Heads: pooling, looking ahead, a new head on an old trunk, and what trains."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from physiolect.errors import ConfigError
from physiolect.models.gpt import GPT, GPT_PRESETS, GPTConfig
from physiolect.models.heads import AttentionPool, choose_trained, n_still

SMALL = GPTConfig(vocabulary_size=11, context_length=12, width=16, n_layers=3, n_heads=2, mlp_width=32)
IDS = torch.randint(0, 11, (3, 12), generator=torch.Generator().manual_seed(1))


def made(config: GPTConfig = SMALL) -> GPT:
    torch.manual_seed(0)
    model = GPT(config).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


@pytest.mark.parametrize("pooling", ["last", "mean", "attention"])
def test_a_window_is_spoken_for_by_what_pooling_says(pooling: str) -> None:
    model = made(replace(SMALL, n_outputs=2, pooling=pooling))  # type: ignore[arg-type]
    features: list[Tensor] = []
    hook = model.trunk.register_forward_hook(lambda *a: features.append(a[2]))
    assert model(IDS).shape == (3, 12, 2)
    hook.remove()
    if pooling == "attention":
        weights = torch.softmax(features[0] @ model.pool.query, 1)  # type: ignore[union-attr, operator]
        expected = (weights[..., None] * features[0]).sum(1, keepdim=True)
    else:
        expected = features[0][:, -1:] if pooling == "last" else features[0].mean(1, keepdim=True)
    torch.testing.assert_close(model(IDS, last_only=True), model.head(expected))


@pytest.mark.parametrize("unmask_last", [False, True])
@pytest.mark.parametrize("pooling", ["last", "mean", "attention"])
def test_padding_does_not_speak_for_a_window(pooling: str, unmask_last: bool) -> None:
    model = made(replace(SMALL, n_outputs=2, pooling=pooling, unmask_last=unmask_last))  # type: ignore[arg-type]
    ids = torch.randint(SMALL.vocabulary_size, (3, 12))
    lengths = [12, 1, 7]
    mask = torch.arange(12) < torch.tensor(lengths)[:, None]
    with torch.no_grad():
        together = model(ids, attention_mask=mask, last_only=True)
        alone = [model(ids[row : row + 1, :length], last_only=True) for row, length in enumerate(lengths)]
    torch.testing.assert_close(together, torch.cat(alone))
    model.zero_grad()
    model(ids, attention_mask=mask, last_only=True)[1].sum().backward()
    assert model.tokens.weight.grad is not None
    seen = model.tokens.weight.grad.abs().sum(-1).nonzero().flatten().tolist()
    assert seen == [int(ids[1, 0])]


def test_a_fresh_attention_pool_is_the_mean() -> None:
    x = torch.randn(2, 5, 4)
    torch.testing.assert_close(AttentionPool(4)(x), x.mean(1, keepdim=True))


def test_an_unmasked_last_block_sees_the_future_and_no_other_does() -> None:
    for unmasked in (False, True):
        model = made(replace(SMALL, n_outputs=1, unmask_last=unmasked, band=3))
        hidden: list[Tensor] = []
        hook = model.tokens.register_forward_hook(
            lambda *a, hidden=hidden: hidden.append(a[2].detach().requires_grad_()) or hidden[-1]
        )
        outputs = model(IDS[:1])
        hook.remove()
        (grad,) = torch.autograd.grad(outputs[0, 0].sum(), hidden[0], retain_graph=True)
        assert grad[0].abs().sum(-1).nonzero().flatten().tolist() == (list(range(12)) if unmasked else [0])
    states: list[Tensor] = []
    model.trunk.blocks[1].register_forward_hook(lambda *a: states.append(a[2][0]))
    model(IDS[:1])
    model(torch.cat((IDS[:1, :6], IDS[:1, 6:].flip(1)), 1))
    torch.testing.assert_close(states[0][:, :6], states[1][:, :6])


def test_a_model_that_looks_ahead_is_not_cached() -> None:
    model = made(replace(SMALL, n_outputs=1, unmask_last=True))
    with pytest.raises(ConfigError, match="looks ahead") as caught:
        model.new_cache()
    assert caught.value.hint
    with pytest.raises(ConfigError, match="looks ahead"):
        model(IDS, cache=made().new_cache())


@pytest.mark.parametrize(
    "change", [{"pooling": "mean"}, {"unmask_last": True}, {"n_outputs": 1, "pooling": "max"}]
)
def test_what_a_forecast_cannot_have_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="pooling"):
        replace(SMALL, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("tied", [False, True])
def test_a_new_head_keeps_the_trunk_and_leaves_the_old_model_alone(tied: bool) -> None:
    old = made(replace(SMALL, tied=tied, head_bias=not tied))
    before = {name: value.clone() for name, value in old.state_dict().items()}
    fresh = old.with_head(n_outputs=4, pooling="attention", unmask_last=False, dropout=0.1)
    assert fresh.config == replace(
        SMALL, n_outputs=4, pooling="attention", attention_dropout=0.1, residual_dropout=0.1
    )
    assert fresh(IDS).shape == (3, 12, 4)
    torch.testing.assert_close(
        fresh.eval().trunk(fresh.tokens(IDS)), old.trunk(old.tokens(IDS)), rtol=0, atol=0
    )
    with torch.no_grad():
        for parameter in fresh.parameters():
            parameter.add_(1)
    for name, value in old.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_head_is_decided_by_the_seed() -> None:
    old, heads = made(), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        heads.append(old.with_head(n_outputs=1).head.weight)
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_the_published_choice_trains_the_last_block_the_final_norm_and_the_head() -> None:
    model = GPT(GPT_PRESETS["heartgpt-ecg"]).with_head(n_outputs=1)
    trained = choose_trained(model, "last-block")
    assert {
        name.rsplit(".", 1)[0] if "blocks" not in name else "block " + name.split(".")[2] for name in trained
    } == {
        "block 7",
        "trunk.norm",
        "head",
    }
    assert trained == [name for name, p in model.named_parameters() if p.requires_grad]
    model(torch.zeros(1, 20, dtype=torch.int64)).sum().backward()
    assert {name for name, p in model.named_parameters() if p.grad is not None} == set(trained)


def test_a_frozen_trunk_costs_no_backward_work() -> None:
    model = made(replace(SMALL, n_outputs=1))
    choose_trained(model, "last-block")
    wanted: list[bool] = []
    for block in model.trunk.blocks:
        block.register_forward_hook(lambda *a: wanted.append(a[2][0].requires_grad))
    model(IDS)
    assert wanted == [False, False, True]


@pytest.mark.parametrize(("what", "n"), [("head", 3), ("all", None)])
def test_what_trains(what: str, n: int | None) -> None:
    model = made(replace(SMALL, n_outputs=1, pooling="attention"))
    trained = choose_trained(model, what)  # type: ignore[arg-type]
    assert len(trained) == (n or len(list(model.parameters())))
    assert {"head.weight", "head.bias", "pool.query"} <= set(trained)


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(ConfigError, match="last-block") as caught:
        choose_trained(made(), "last_block")  # type: ignore[arg-type]
    assert "did you mean 'last-block'" in str(caught.value.hint)


@pytest.mark.parametrize("last_only", [False, True])
@pytest.mark.parametrize("pooling", ["last", "mean"])
@pytest.mark.parametrize("n_blocks", [0, 2, 3])
def test_begun_and_finished_is_the_whole(pooling: str, last_only: bool, n_blocks: int) -> None:
    model = made(replace(SMALL, n_outputs=2, pooling=pooling, unmask_last=True, band=5))  # type: ignore[arg-type]
    features = model.begin(IDS, n_blocks)
    assert not features.requires_grad
    torch.testing.assert_close(
        model.finish(features, n_blocks, last_only=last_only), model(IDS, last_only=last_only)
    )


@pytest.mark.parametrize(
    ("what", "dropout", "quiet", "expected"),
    [
        ("head", 0.0, False, 3),
        ("last-block", 0.0, False, 2),
        ("last-block", 0.1, False, 0),
        ("last-block", 0.1, True, 2),
        ("all", 0.0, True, 0),
        ("lora", 0.0, True, 0),
    ],
)
def test_blocks_that_always_say_the_same(what: str, dropout: float, quiet: bool, expected: int) -> None:
    model = made(replace(SMALL, n_outputs=1, attention_dropout=dropout, residual_dropout=dropout))
    choose_trained(model, what, rank=2)  # type: ignore[arg-type]
    assert n_still(model, quiet=quiet) == expected
    model.train()
    if expected:
        assert torch.equal(model.begin(IDS, expected), model.begin(IDS, expected))
    if what == "last-block":
        assert model.trunk.blocks[-1].dropout == dropout  # what trains is dropped as before
