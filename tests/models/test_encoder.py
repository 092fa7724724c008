"""The encoder: ECGformer against its description written down directly, patches, scaling, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from physiolect.errors import ConfigError
from physiolect.models.capture import Capture
from physiolect.models.encoder import ENCODER_PRESETS, Encoder, EncoderConfig

PlainLike = Callable[[Encoder], nn.Module]
SMALL = EncoderConfig(
    n_channels=2, context_length=24, n_outputs=3, width=16, n_layers=2, n_heads=2, mlp_width=32
)
TOY = replace(
    ENCODER_PRESETS["ecgformer"], n_channels=2, context_length=20, n_outputs=5, width=16, n_layers=3, n_heads=4,
    mlp_width=64,
)  # fmt: skip


@pytest.fixture
def plain_like(monkeypatch: pytest.MonkeyPatch) -> PlainLike:
    """What makes the plain model with the same weights: benchmarks/plain_ecgformer.py."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    from plain_ecgformer import plain_like

    return plain_like


def test_ecgformer_is_its_description_forward_and_backward(plain_like: PlainLike) -> None:
    torch.manual_seed(0)
    model = Encoder(TOY).double()
    plain = plain_like(model)
    x = torch.randn(4, 2, 20, dtype=torch.float64)
    out, expected = model(x, last_only=True), plain(x.transpose(1, 2)).unsqueeze(1)
    torch.testing.assert_close(out, expected, rtol=1e-11, atol=1e-12)
    out.square().sum().backward()
    expected.square().sum().backward()
    ours, theirs = plain_like_gradients(model, plain_like), dict(plain.named_parameters())
    for name, gradient in ours.items():
        torch.testing.assert_close(gradient, theirs[name].grad, rtol=1e-9, atol=1e-11)


def plain_like_gradients(model: Encoder, plain_like: PlainLike) -> dict[str, Tensor]:
    """Return the gradients under the plain model's names."""
    copy = Encoder(model.config).to(model.dtype)
    copy.load_state_dict({name: each.grad for name, each in model.named_parameters()})
    return dict(plain_like(copy).state_dict())


def test_ecgformer_takes_the_sizes_of_the_text() -> None:
    c = ENCODER_PRESETS["ecgformer"]
    assert (c.width, c.mlp_width, c.n_heads, c.context_length) == (768, 4 * 768, 8, 186)
    with torch.device("meta"):
        model = Encoder(c)
    assert model.positions is not None
    assert model.positions.weight.shape == (187, 768)


def test_captured_weights_are_those_of_the_softmax() -> None:
    torch.manual_seed(0)
    capture = Capture.of([0], hidden=True)
    Encoder(TOY)(torch.randn(1, 2, 20), last_only=True, capture=capture)
    torch.testing.assert_close(capture.attention[0].sum(-1), torch.ones(1, 4, 21))
    assert [tuple(each.shape) for each in capture.hidden_states] == [(1, 21, 16)] * 4


def test_tokens_of_a_window_by_lead_and_time() -> None:
    """A patch of one lead reaches one token alone, and its place is known by lead and time."""
    c = replace(SMALL, patch=4, per_lead=True, class_token=False)
    model = Encoder(c)
    x = torch.randn(1, 2, 24)
    other = x.clone()
    other[0, 1, 9] += 1  # second lead, third patch
    changed = (model.embed(other) - model.embed(x)).abs().amax(-1)[0] > 0
    assert changed.nonzero().tolist() == [[6 + 2]]
    with torch.no_grad():
        model.embedding.weight.zero_()
        capture = Capture.of(hidden=True)
        model(x, capture=capture)
        assert model.positions is not None
        assert model.lead_positions is not None
        expected = model.positions.weight[2] + model.lead_positions.weight[1] + model.embedding.bias
    torch.testing.assert_close(capture.hidden_states[0][0, 8], expected)


def test_leads_share_their_rotary_places() -> None:
    """Without learned positions, two leads that hold the same are told apart by nothing."""
    torch.manual_seed(0)
    model = Encoder(replace(SMALL, patch=4, per_lead=True, positions="rotary")).eval()
    assert model.lead_positions is not None
    nn.init.zeros_(model.lead_positions.weight)
    capture = Capture.of(hidden=True)
    model(torch.randn(1, 1, 24).expand(1, 2, 24), capture=capture)
    first, second = capture.hidden_states[-1][0, 1:].chunk(2)
    torch.testing.assert_close(first, second)
    assert (first[0] - first[1]).abs().max() > 1e-4


def test_given_tokens_are_windows_of_their_numbers() -> None:
    """Beats as tokens: 8 beats of 5 numbers each."""
    model = Encoder(replace(SMALL, n_channels=5, context_length=8))
    beats = torch.randn(2, 8, 5)
    torch.testing.assert_close(model.embed(beats.transpose(1, 2)), model.embedding(beats))
    assert model(beats.transpose(1, 2)).shape == (2, 8, 3)


@pytest.mark.parametrize("per_lead", [False, True])
def test_every_sample_of_a_patch_has_outputs_of_its_own(per_lead: bool) -> None:
    torch.manual_seed(0)
    model = Encoder(replace(SMALL, patch=4, per_lead=per_lead))
    x = torch.randn(2, 2, 24)
    shared = model(x)
    assert shared.shape == (2, 24, 3)
    assert torch.equal(shared[:, 0], shared[:, 3])
    own = model.with_head(n_outputs=1, scope="position")
    out = own(x)
    assert out.shape == (2, 24, 1)
    assert (out[:, 0] - out[:, 3]).abs().max() > 1e-6
    assert own(x, last_only=True).shape == (2, 1, 1)


def test_scaling_makes_windows_alike_whatever_gain_and_offset() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 2, 24)
    for how in ("range", "standard"):
        model = Encoder(replace(SMALL, scaling=how)).eval()
        torch.testing.assert_close(model(3.0 * x + 7.0), model(x), rtol=1e-4, atol=1e-5)
    model = Encoder(replace(SMALL, scaling="range"))
    captured: list[Tensor] = []
    model.embedding.register_forward_pre_hook(lambda _, given: captured.append(given[0]))
    model(x)
    assert captured[0].min() == 0
    assert captured[0].max() == 1


@pytest.mark.parametrize("level", [0.0, 0.1, -70000.3])
def test_a_flat_channel_is_not_scaled_up(level: float) -> None:
    x = torch.full((1, 2, 24), level)
    for how in ("range", "standard"):
        model = Encoder(replace(SMALL, scaling=how))
        seen: list[Tensor] = []
        model.embedding.register_forward_pre_hook(lambda _, given, seen=seen: seen.append(given[0]))
        model(x)
        assert seen[0].abs().max() <= 0.01


def test_pooling() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 2, 24)
    mean, first = Encoder(SMALL), Encoder(replace(SMALL, pooling="class"))
    first.load_state_dict(mean.state_dict())
    held = mean.features(x)
    torch.testing.assert_close(mean(x, last_only=True)[:, 0], mean.head(held.mean(1)))
    torch.testing.assert_close(first(x, last_only=True)[:, 0], first.head(held[:, 0]))


def test_what_does_not_fit_is_refused() -> None:
    model = Encoder(SMALL)
    with pytest.raises(ConfigError, match="1 channels, but the model takes 2"):
        model(torch.zeros(1, 1, 24))
    with pytest.raises(ConfigError, match="learned positions end at 24"):
        model(torch.zeros(1, 2, 25))
    with pytest.raises(ConfigError, match="attention_mask is"):
        model(torch.zeros(1, 2, 24), attention_mask=torch.ones(1, 25))
    with pytest.raises(ConfigError, match="pooling is 'last'"):
        model.with_head(n_outputs=1, pooling="last")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"width": 15}, "no multiple of n_heads"),
        ({"patch": 5}, "no multiple of patch"),
        ({"n_layers": 0}, "at least 1"),
        ({"class_token": False, "pooling": "class"}, "no class token"),
        ({"positions": "rotary", "positions_at": "every-layer"}, "learned positions"),
        ({"positions": "rotary", "width": 6, "n_heads": 2}, "even head size"),
        ({"attention": "none"}, "not one of scaled, post-scaled"),
        ({"attention": "post-scaled", "qk_norm": True}, "qk_norm"),
        ({"residual_dropout": 1.0}, r"must be in \[0, 1\)"),
        ({"rotary_base": 0.0}, "above 0"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(SMALL, **wrong)


def test_a_longer_window_than_trained_on_with_rotary_positions() -> None:
    model = Encoder(replace(SMALL, positions="rotary"))
    assert model(torch.randn(1, 2, 100)).shape == (1, 100, 3)


def test_an_embedding_of_two_layers_and_a_channel_that_marks_padding() -> None:
    torch.manual_seed(0)
    config = EncoderConfig(
        n_channels=7, context_length=12, n_outputs=2, width=16, n_layers=2, n_heads=2, mlp_width=32,
        embedding="two-layer", padding_channel=True, positions="rotary", class_token=False,
    )  # fmt: skip
    model = Encoder(config).eval()
    x = torch.randn(3, 7, 12)
    x[:, -1] = 1
    x[1, :, 8:] = 0
    out = model(x)
    torch.testing.assert_close(model(x[1:2, :, :8]), out[1:2, :8])
    torch.testing.assert_close(model(x[1:2, :, :8], last_only=True), model(x, last_only=True)[1:2])
    assert type(model.with_head(n_outputs=3).embedding) is type(model.embedding)
    with pytest.raises(ConfigError, match="embedding is 'deep'"):
        replace(config, embedding="deep")
