"""Conformance: what every decoder must do, whatever its settings."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from physiolect.errors import ConfigError
from physiolect.models import layers
from physiolect.models.attention import Attention
from physiolect.models.cache import FixedCache, LayerCache
from physiolect.models.capture import Capture
from physiolect.models.gpt import GPT, GPT_PRESETS, GPTConfig
from physiolect.models.layers import MLP, Block, Transformer

SMALL = GPTConfig(vocabulary_size=11, context_length=24, width=16, n_layers=3, n_heads=2, mlp_width=32)
VARIANTS = {
    "rotary": SMALL,
    "banded": replace(SMALL, band=7),
    "learned": replace(SMALL, positions="learned"),
    "large heads": replace(SMALL, width=64, n_heads=2, band=7),
    "all different": replace(
        SMALL, activation="swiglu", norm="rms", bias=False, head_bias=False, tied=True, qk_norm=True,
        attention_scale=0.2, rotary_base=500.0,
    ),
    "published": replace(
        GPT_PRESETS["heartgpt-ecg"], vocabulary_size=11, context_length=24, width=16, n_layers=3, n_heads=2
    ),
}  # fmt: skip


@pytest.fixture(params=list(VARIANTS))
def model(request: pytest.FixtureRequest) -> GPT:
    torch.manual_seed(0)
    model = GPT(VARIANTS[request.param]).double().eval()
    for parameter in model.parameters():  # away from the symmetric start
        nn.init.normal_(parameter, std=0.3)
    return model


def ids(T: int = 24, B: int = 2) -> Tensor:
    return torch.randint(0, 11, (B, T), generator=torch.Generator().manual_seed(1))


def test_shapes_and_last_only(model: GPT) -> None:
    full = model(ids())
    assert full.shape == (2, 24, 11)
    torch.testing.assert_close(model(ids(), last_only=True), full[:, -1:])


@pytest.mark.parametrize("last_only", [False, True])
def test_a_batch_in_parts_is_the_batch_at_once(
    model: GPT, monkeypatch: pytest.MonkeyPatch, last_only: bool
) -> None:
    at_once = model(ids(B=7), last_only=last_only)  # with gradients, so never in parts
    monkeypatch.setattr(layers, "CPU_TOKENS", 50)  # two windows of 24
    with torch.no_grad():
        torch.testing.assert_close(model(ids(B=7), last_only=last_only), at_once)


def test_gradient_never_comes_from_the_future_nor_from_outside_the_band(model: GPT) -> None:
    hidden: list[Tensor] = []
    hook = model.tokens.register_forward_hook(
        lambda *a: hidden.append(a[2].detach().requires_grad_()) or hidden[-1]
    )
    logits = model(ids(B=1))
    hook.remove()
    reach = (model.config.band or 24) - 1
    for t in range(24):
        (grad,) = torch.autograd.grad(logits[0, t].sum(), hidden[0], retain_graph=True)
        touched = grad[0].abs().sum(-1).nonzero().flatten().tolist()
        first = max(0, t - reach * model.config.n_layers)
        assert touched == list(range(first, t + 1))


def test_cached_equals_full(model: GPT) -> None:
    full = model(ids())
    cache = model.new_cache()
    steps = [model(ids()[:, :9], cache=cache)] + [
        model(ids()[:, t : t + 1], cache=cache) for t in range(9, 24)
    ]
    torch.testing.assert_close(torch.cat(steps, 1), full)


def test_ring_cache_equals_full_attention_under_the_band_far_past_the_context() -> None:
    torch.manual_seed(0)
    model = GPT(VARIANTS["banded"]).double().eval()
    long = ids(T=200)
    full = model(long)
    cache = model.new_cache()
    steps = [model(long[:, :20], cache=cache)] + [
        model(long[:, t : t + 1], cache=cache) for t in range(20, 200)
    ]
    torch.testing.assert_close(torch.cat(steps, 1), full)
    assert cache[0]._keys is not None
    assert cache[0]._keys.shape[2] == 7


def test_captured_weights_are_the_ones_used(model: GPT) -> None:
    capture = Capture.of([0, 2], hidden=True)
    logits = model(ids(), capture=capture)
    torch.testing.assert_close(logits, model(ids()))
    assert sorted(capture.attention) == [0, 2]
    torch.testing.assert_close(capture.attention[2].sum(-1), torch.ones(2, model.config.n_heads, 24).double())
    assert len(capture.hidden_states) == 4


def test_equals_a_plain_transcription() -> None:
    """HeartGPT's equations, one head at a time (Davies et al. 2024; Vaswani et al. 2017, eq. 1)."""
    torch.manual_seed(0)
    model = GPT(VARIANTS["published"]).double().eval()
    c, E, D = model.config, 16, 8
    x = model.tokens.weight[ids()] + model.positions.weight[:24]  # type: ignore[union-attr]
    for block in model.trunk.blocks:
        normed = block.attention_norm(x)  # type: ignore[union-attr, operator]
        heads = []
        for j in range(c.n_heads):
            q, k, v = (normed @ w[j * D : (j + 1) * D].T for w in block.attention.qkv.weight.split(E))  # type: ignore[union-attr]
            scores = (q @ k.transpose(1, 2) * c.attention_scale).masked_fill(
                torch.ones(24, 24).tril() == 0, -torch.inf
            )
            heads.append(scores.softmax(-1) @ v)
        x = x + block.attention.projection(torch.cat(heads, -1))  # type: ignore[union-attr, operator]
        x = x + block.mlp.down(torch.relu(block.mlp.up(block.mlp_norm(x))))  # type: ignore[union-attr, operator]
    torch.testing.assert_close(model(ids()), model.head(model.trunk.norm(x)))


def test_rotary_sees_distance_not_position() -> None:
    torch.manual_seed(0)
    model = GPT(replace(SMALL, band=5, n_layers=1)).double().eval()
    long = ids(T=60)
    torch.testing.assert_close(model(long)[:, 40:], model(long[:, 30:])[:, 10:])


def test_training_mode_drops() -> None:
    torch.manual_seed(0)
    model = GPT(replace(SMALL, attention_dropout=0.5, n_layers=1))
    assert not torch.equal(model.train()(ids()), model(ids()))
    assert torch.equal(model.eval()(ids()), model(ids()))


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigError, match=r"width 65 .*band is 0.*attention_dropout is 2"):
        GPTConfig(width=65, band=0, attention_dropout=2)
    with pytest.raises(ConfigError, match="even head size"):
        GPTConfig(width=12, n_heads=4)
    with pytest.raises(ConfigError, match=r"rotary_base is 0.*attention_scale is nan.*n_outputs is 0"):
        GPTConfig(rotary_base=0, attention_scale=float("nan"), n_outputs=0)


def test_learned_positions_end() -> None:
    with pytest.raises(ConfigError, match=r"25 positions.*end at 24"):
        GPT(VARIANTS["learned"])(ids(T=25))


@pytest.mark.parametrize("seen", [3, 12])
def test_a_cache_of_fixed_shape_is_the_growing_one(model: GPT, seen: int) -> None:
    """What a GPU captures as a graph, tried here: all slots are looked at, and those not filled are masked."""
    growing = model.new_cache()
    with torch.inference_mode():
        model(ids()[:, :seen], cache=growing)
        place = torch.tensor([seen])
        fixed: list[LayerCache] = [FixedCache(copy.deepcopy(layer), place) for layer in growing]
        for at in range(seen, 24):
            place.fill_(at)
            token = ids()[:, at : at + 1]
            torch.testing.assert_close(
                model(token, cache=fixed, last_only=True), model(token, cache=growing, last_only=True)
            )


def test_only_the_heads_and_queries_asked_for_are_kept(model: GPT) -> None:
    whole, part, mean = (
        Capture.of([1]),
        Capture.of([1], heads=[1], queries=[20, 3]),
        Capture.of([1], queries=range(4, 24), shares=torch.full((20,), 1 / 20)),
    )
    for capture in (whole, part, mean):
        with torch.no_grad():
            model(ids(), capture=capture)
        assert list(capture.attention) == [1]
    everything = whole.attention[1]  # (B, H, T, T)
    torch.testing.assert_close(part.attention[1], everything[:, [1]][:, :, [20, 3]])
    torch.testing.assert_close(mean.attention[1], everything[:, :, 4:].mean(2, keepdim=True))


def test_captured_weights_with_a_cache_are_those_without(model: GPT) -> None:
    """Also where the ring of a banded model has gone round, and holds its keys in another order."""
    whole, cache = Capture.of([0, 2]), model.new_cache()
    with torch.no_grad():
        model(ids(), capture=whole)
        model(ids()[:, :9], cache=cache)
        for t in range(9, 24):
            step = Capture.of([0, 2])
            model(ids()[:, t : t + 1], cache=cache, capture=step)
            for layer in (0, 2):
                held = step.attention[layer].shape[-1]
                expected = whole.attention[layer][:, :, t : t + 1, t + 1 - held : t + 1]
                torch.testing.assert_close(step.attention[layer], expected)


def test_captured_weights_of_the_last_query_alone(model: GPT) -> None:
    whole, last = Capture.of([2]), Capture.of([2], queries=[23])
    with torch.no_grad():
        model(ids(), capture=whole)
        model(ids(), capture=last, last_only=True)
    torch.testing.assert_close(last.attention[2], whole.attention[2][:, :, -1:])


def test_captured_weights_of_a_trunk_that_looks_both_ways() -> None:
    torch.manual_seed(0)
    blocks = [
        Block(attention=Attention(width=16, n_heads=2, causal=False), mlp=MLP(width=16, hidden=16))
        for _ in range(2)
    ]
    trunk, capture = Transformer(blocks).double(), Capture.of([1], queries=[0])
    with torch.no_grad():
        trunk(torch.randn(1, 12, 16, dtype=torch.float64), capture=capture)
    first = capture.attention[1][0, :, 0]  # (H, T)
    torch.testing.assert_close(first.sum(-1), torch.ones(2).double())
    assert (first > 0).all()


@pytest.mark.parametrize("asked", [{"queries": [1999]}, {"shares": torch.full((2000,), 1 / 2000)}])
def test_what_is_kept_of_long_contexts_never_was_a_full_matrix(asked: dict[str, Any]) -> None:
    """The full weights of one head would be 16 MB: no tensor of a quarter of that is ever made."""
    model = GPT(replace(SMALL, context_length=2000, n_heads=2)).eval()
    capture = Capture.of([1], heads=[0], **asked)
    with torch.no_grad(), profile(profile_memory=True, activities=[ProfilerActivity.CPU]) as seen:
        model(ids(T=2000, B=1), capture=capture)
    assert capture.attention[1].shape == (1, 1, 1, 2000)
    assert max(event.self_cpu_memory_usage for event in seen.events()) < 4_000_000
