"""Attention in all its forms: padded rows are the rows alone, and a cached source is the source."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physiolect.errors import ConfigError
from physiolect.models import layers
from physiolect.models.attention import Attention, Rotary
from physiolect.models.cache import LayerCache, SourceCache
from physiolect.models.capture import Capture
from physiolect.models.heads import AttentionPool, MeanPool
from physiolect.models.layers import MLP, Block, Transformer
from physiolect.models.lora import add_lora, merged

E, H, T, S, W = 16, 2, 12, 9, 10
LENGTHS = (12, 5, 1)
FORMS: dict[str, dict[str, Any]] = {
    "causal": {},
    "both ways": {"causal": False},
    "banded": {"band": 3},
    "large heads": {"n_heads": 1},
    "qk_norm": {"qk_norm": True, "bias": True},
}


def randn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def trunk(*, rotary: bool = False, source_width: int | None = None, **form: Any) -> Transformer:
    torch.manual_seed(0)
    heads = form.pop("n_heads", H)
    shared = Rotary(head_size=E // heads) if rotary else None
    blocks = [
        Block(
            attention=Attention(width=E, n_heads=heads, rotary=shared, **form),
            mlp=MLP(width=E, hidden=16),
            cross=source_width and Attention(width=E, n_heads=heads, source_width=source_width),
        )
        for _ in range(3)
    ]
    return Transformer(blocks)


def real(side: str, lengths: tuple[int, ...] = LENGTHS, T: int = T) -> Tensor:
    place, length = torch.arange(T), torch.tensor(lengths).unsqueeze(1)
    return place < length if side == "right" else place >= T - length


def gradients(module: nn.Module) -> list[Tensor]:
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in module.parameters()]


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize("last_only", [False, True])
def test_a_padded_batch_gives_each_row_what_it_gives_alone(
    form: str, rotary: bool, side: str, last_only: bool
) -> None:
    model, mask = trunk(rotary=rotary, **FORMS[form]), real(side)
    x = randn(3, T, E).masked_fill(~mask.unsqueeze(-1), 50).requires_grad_()  # padding that would be seen
    out = model(x, attention_mask=mask, last_only=last_only)
    weight = randn(*out.shape, seed=1)
    kept = torch.ones(3, 1, dtype=torch.bool) if last_only else mask
    (out * weight)[kept].sum().backward()
    assert x.grad is not None
    assert (x.grad[~mask] == 0).all()
    together = gradients(model)
    model.zero_grad()
    for row, (own, each) in enumerate(zip(mask, x, strict=True)):
        lone = each[own].detach().unsqueeze(0).requires_grad_()
        expected = model(lone, last_only=last_only)
        torch.testing.assert_close(out[row][kept[row]], expected[0], atol=1e-6, rtol=1e-6)
        (expected[0] * weight[row][kept[row]]).sum().backward()
        assert lone.grad is not None
        torch.testing.assert_close(x.grad[row][own], lone.grad[0], atol=5e-6, rtol=1e-5)
    for a, b in zip(together, gradients(model), strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize("last_only", [False, True])
def test_a_row_of_padding_only_gives_no_nan(form: str, last_only: bool) -> None:
    model, x = trunk(rotary=True, **FORMS[form]), randn(3, T, E).requires_grad_()
    out = model(x, attention_mask=real("right", (4, 0, 12)), last_only=last_only)
    out.sum().backward()
    assert x.grad is not None
    assert out.isfinite().all()
    assert x.grad.isfinite().all()


def test_a_query_that_sees_nothing_gets_zeros() -> None:
    attention = Attention(width=E, n_heads=H, source_width=W, output_bias=False)
    out, _ = attention(randn(2, T, E), randn(2, S, W), attention_mask=real("right", (4, 0), S))
    assert (out[1] == 0).all()
    assert (out[0] != 0).all()
    causal = Attention(width=E, n_heads=H, source_width=W, output_bias=False, causal=True)
    early, _ = causal(randn(2, T, E), randn(2, S, W))  # the last of both are one position
    assert (early[:, : T - S] == 0).all()
    assert (early[:, T - S :] != 0).all()


def test_a_mask_of_ones_and_zeros_is_one_of_booleans() -> None:
    model, x, mask = trunk(), randn(3, T, E), real("right")
    torch.testing.assert_close(model(x, attention_mask=mask.long()), model(x, attention_mask=mask))
    whole = model(x, attention_mask=torch.ones(3, T))
    torch.testing.assert_close(whole, model(x), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("first", [0, 2, 3])
@pytest.mark.parametrize("last_only", [False, True])
def test_finish_and_batches_in_parts_take_the_mask(
    first: int, last_only: bool, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, x, mask, capture = trunk(rotary=True), randn(3, T, E), real(side), Capture.of(hidden=True)
    full = model(x, attention_mask=mask, last_only=last_only)
    model(x, attention_mask=mask, capture=capture)
    begun = capture.hidden_states[first]
    torch.testing.assert_close(
        model.finish(begun, first=first, attention_mask=mask, last_only=last_only), full
    )
    monkeypatch.setattr(layers, "CPU_TOKENS", 2 * T)
    with torch.no_grad():
        torch.testing.assert_close(model(x, attention_mask=mask, last_only=last_only), full)


@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize("side", ["right", "left"])
def test_captured_weights_of_a_padded_batch_are_those_of_the_rows_alone(form: str, side: str) -> None:
    model, x, mask, capture = trunk(rotary=True, **FORMS[form]), randn(3, T, E), real(side), Capture.of([1])
    last = Capture.of([2], queries=[T - 1])
    model(x, attention_mask=mask, capture=capture)
    model(x, attention_mask=mask, capture=last, last_only=True)
    for row, own in enumerate(mask):
        alone, lone = Capture.of([1, 2]), x[row][own].unsqueeze(0)
        model(lone, capture=alone)
        got = capture.attention[1][row]
        torch.testing.assert_close(got[:, own][:, :, own], alone.attention[1][0], atol=1e-6, rtol=1e-5)
        assert (got[:, :, ~own] == 0).all()
        ended = last.attention[2][row][:, :, own]
        torch.testing.assert_close(ended, alone.attention[2][0, :, -1:], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("width", [E, W])
def test_cross_attention_is_the_library_module(width: int, padded: bool) -> None:
    ours = Attention(width=E, n_heads=H, source_width=width, bias=True).double()
    theirs = nn.MultiheadAttention(E, H, kdim=width, vdim=width, batch_first=True).double()
    k, v = ours.kv.weight.chunk(2)
    with torch.no_grad():
        if width == E:
            theirs.in_proj_weight.copy_(torch.cat((ours.q.weight, k, v)))
        else:
            for name, value in (("q", ours.q.weight), ("k", k), ("v", v)):
                getattr(theirs, f"{name}_proj_weight").copy_(value)
        theirs.in_proj_bias.copy_(torch.cat((ours.q.bias, ours.kv.bias)))
        theirs.out_proj.load_state_dict(ours.projection.state_dict())
    x, source = randn(2, T, E, dtype=torch.float64), randn(2, S, width, seed=1, dtype=torch.float64)
    mask = real("right", (9, 4), S) if padded else None
    capture = Capture.of([0])
    out, weights = ours(x, source, attention_mask=mask, capture=capture)
    expected, their_weights = theirs(
        x, source, source, key_padding_mask=None if mask is None else ~mask, average_attn_weights=False
    )
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(weights, their_weights)


@pytest.mark.parametrize(("causal", "band"), [(True, None), (False, None), (True, 3)])
def test_self_attention_is_a_plain_transcription(causal: bool, band: int | None) -> None:
    ours = Attention(width=E, n_heads=H, causal=causal, band=band).double()
    x = randn(2, T, E, dtype=torch.float64)
    q, k, v = (part.unflatten(-1, (H, E // H)).transpose(1, 2) for part in ours.qkv(x).chunk(3, -1))
    distance = torch.arange(T).unsqueeze(1) - torch.arange(T)
    seen = (distance >= 0) & (distance < (band or T)) if causal else torch.ones(T, T, dtype=torch.bool)
    weights = (q @ k.mT * (E // H) ** -0.5).masked_fill(~seen, -torch.inf).softmax(-1)
    torch.testing.assert_close(ours(x)[0], ours.projection((weights @ v).transpose(1, 2).flatten(2)))


@pytest.mark.parametrize("padded", [False, True])
def test_step_by_step_with_both_caches_equals_full(padded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trunk(rotary=True, source_width=W)
    x, source = randn(2, T, E), randn(2, S, W, seed=1)
    mask = real("right", (9, 4), S) if padded else None
    full = model(x, source=source, source_mask=mask)
    read = model.read_source(source, mask)
    monkeypatch.setattr(Attention, "read_source", None)  # from here on it is computed no more
    cache: list[LayerCache] = [LayerCache(T) for _ in range(3)]
    parts = [model(x[:, t : t + 1], cache=cache, source=read) for t in range(T)]
    torch.testing.assert_close(torch.cat(parts, 1), full, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(model(x, source=read, last_only=True), full[:, -1:], atol=1e-6, rtol=1e-5)


def test_a_padded_source_gives_each_row_what_it_gives_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model, mask, read_mask = trunk(source_width=W), real("right"), real("left", (3, 9, 1), S)
    x = randn(3, T, E)
    source = randn(3, S, W, seed=1).masked_fill(~read_mask.unsqueeze(-1), 50)
    out = model(x, attention_mask=mask, source=source, source_mask=read_mask)
    for row in range(3):
        expected = model(x[row : row + 1, mask[row]], source=source[row : row + 1, read_mask[row]])
        torch.testing.assert_close(out[row][mask[row]], expected[0], atol=1e-6, rtol=1e-5)
    monkeypatch.setattr(layers, "CPU_TOKENS", 2 * T)
    with torch.no_grad():
        parts = model(x, attention_mask=mask, source=source, source_mask=read_mask)
    torch.testing.assert_close(parts, out)


def test_samples_share_one_source() -> None:
    attention = Attention(width=E, n_heads=H, source_width=W)
    x, source, mask = randn(4, 1, E), randn(2, S, W), real("right", (9, 4), S)
    cache = attention.read_source(source, mask)
    cache.repeat(2)
    expected = attention(x, source.repeat_interleave(2, 0), attention_mask=mask.repeat_interleave(2, 0))
    torch.testing.assert_close(attention(x, cache)[0], expected[0])


@pytest.mark.parametrize("qk_norm", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_gradients_of_cross_attention_and_its_cache(causal: bool, padded: bool, qk_norm: bool) -> None:
    torch.manual_seed(0)
    attention = Attention(width=4, n_heads=2, source_width=3, causal=causal, qk_norm=qk_norm).double()
    x, source = randn(2, 3, 4, dtype=torch.float64), randn(2, 5, 3, seed=1, dtype=torch.float64)
    mask = real("right", (4, 2), 5) if padded else None

    def once(x: Tensor, source: Tensor) -> Tensor:
        return attention(x, source, attention_mask=mask)[0]

    def cached(x: Tensor, source: Tensor) -> Tensor:
        read = attention.read_source(source, mask)
        if causal:
            return attention(x, read)[0]
        return torch.cat([attention(x[:, t : t + 1], read)[0] for t in range(3)], 1)

    inputs = x.requires_grad_(), source.requires_grad_()
    assert torch.autograd.gradcheck(once, inputs)
    assert torch.autograd.gradcheck(cached, inputs)
    torch.testing.assert_close(cached(*inputs), once(*inputs))


@pytest.mark.parametrize("causal", [None, False, True])
def test_what_cross_attention_sees_by_gradient(causal: bool | None) -> None:
    attention = Attention(width=E, n_heads=H, source_width=W, causal=causal)
    source = randn(1, S, W).requires_grad_()
    out, _ = attention(randn(1, S, E), source)
    for t in range(S):
        (grad,) = torch.autograd.grad(out[0, t].sum(), source, retain_graph=True)
        touched = grad[0].abs().sum(-1).nonzero().flatten().tolist()
        assert touched == list(range(t + 1 if causal else S))


def test_a_decoder_with_cross_attention_sees_all_of_the_source_and_none_of_the_future() -> None:
    model, x, source = trunk(source_width=W), randn(1, T, E).requires_grad_(), randn(1, S, W).requires_grad_()
    out = model(x, source=source)
    for t in range(T):
        own, other = torch.autograd.grad(out[0, t].square().sum(), (x, source), retain_graph=True)
        assert own[0].abs().sum(-1).nonzero().flatten().tolist() == list(range(t + 1))
        assert (other[0].abs().sum(-1) > 0).all()


def test_old_names_of_weights_remain() -> None:
    plain, cross = trunk().blocks[0], trunk(source_width=W).blocks[0]
    old = [
        f"{part}.weight" for part in ("attention_norm", "attention.qkv", "attention.projection", "mlp_norm")
    ]
    assert set(old) <= set(plain.state_dict())
    added = set(cross.state_dict()) - set(plain.state_dict())
    assert {name.split(".")[0] for name in plain.state_dict()} == {
        "attention_norm", "attention", "mlp_norm", "mlp"
    }  # fmt: skip
    assert added == {
        "cross_norm.weight", "cross_norm.bias", "cross.q.weight", "cross.kv.weight",
        "cross.projection.weight", "cross.projection.bias",
    }  # fmt: skip


def test_low_rank_additions_reach_cross_attention() -> None:
    model, x, source = trunk(source_width=W), randn(1, T, E), randn(1, S, W)
    add_lora(model, rank=2)
    added = {name.rpartition(".parametrizations")[0] for name, _ in model.named_parameters() if ".up" in name}
    assert {"blocks.0.cross.q", "blocks.0.cross.kv"} <= added
    torch.testing.assert_close(merged(copy.deepcopy(model))(x, source=source), model(x, source=source))


@pytest.mark.parametrize("pool", [MeanPool(), AttentionPool(E)])
def test_pooling_a_padded_batch_gives_each_row_what_it_gives_alone(pool: nn.Module) -> None:
    for parameter in pool.parameters():
        nn.init.normal_(parameter)
    x, mask = randn(4, T, E), real("right", (12, 5, 1, 0))
    out = pool(x, mask)
    assert out.isfinite().all()
    for row in range(3):
        torch.testing.assert_close(out[row], pool(x[row : row + 1, mask[row]])[0], atol=1e-6, rtol=1e-5)


def test_what_does_not_fit_is_refused() -> None:
    itself, cross = Attention(width=E, n_heads=H), Attention(width=E, n_heads=H, source_width=W)
    x, source = randn(2, T, E), randn(2, S, W)
    assert (itself.causal, cross.causal) == (True, False)
    with pytest.raises(ConfigError, match="self-attention was given a source"):
        itself(x, source)
    with pytest.raises(ConfigError, match="no source to read"):
        itself.read_source(source)
    with pytest.raises(ConfigError, match="given no source"):
        cross(x)
    with pytest.raises(ConfigError, match="SourceCache"):
        cross(x, source, cache=LayerCache(T))
    with pytest.raises(ConfigError, match="SourceCache"):
        cross(x, cross.read_source(source), attention_mask=real("right", (9, 4), S))
    with pytest.raises(ConfigError, match="keeps no padding"):
        itself(x, attention_mask=real("right", (9, 4)), cache=LayerCache(T))
    with pytest.raises(ConfigError, match=r"\(2, 9\), but the keys are \(2, 12\)"):
        itself(x, attention_mask=real("right", (9, 4), S))
    with pytest.raises(ConfigError, match=r"\(2, 12\), but the keys are \(2, 9\)"):
        cross(x, source, attention_mask=real("right", (9, 4)))
    with pytest.raises(ConfigError, match="rotary"):
        Attention(width=E, n_heads=H, source_width=W, rotary=Rotary(head_size=8))
    with torch.no_grad(), pytest.raises(ConfigError, match=r"\(2, 12\), but the keys are \(600, 12\)"):
        trunk()(randn(600, T, E), attention_mask=real("right", (9, 4)))  # a batch that a CPU takes in parts
    with pytest.raises(ConfigError, match="no cross-attention"):
        trunk()(x, source=source)
    with pytest.raises(ConfigError, match="given no source"):
        trunk(source_width=W)(x)


def test_a_source_cache_holds_what_it_was_made_of() -> None:
    attention = Attention(width=E, n_heads=H, source_width=W, qk_norm=True)
    source = randn(2, S, W)
    cache = attention.read_source(source)
    assert isinstance(cache, SourceCache)
    k, v = (part.unflatten(-1, (H, E // H)).transpose(1, 2) for part in attention.kv(source).chunk(2, -1))
    torch.testing.assert_close(cache.keys, F.rms_norm(k, (E // H,)))
    torch.testing.assert_close(cache.values, v)
