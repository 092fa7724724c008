"""What every model of every family must do; a new family adds its variants here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from physiolect import Checkpoint, load_checkpoint
from physiolect.checkpoint import Outputs
from physiolect.contract import ANY_CHANNEL, CONTRACTS
from physiolect.models import MODELS
from physiolect.models.continuous_config import CONTINUOUS_PRESETS, ContinuousConfig, tutorial
from physiolect.models.encoder import ENCODER_PRESETS, EncoderConfig
from physiolect.models.gpt import GPT_PRESETS, GPTConfig
from physiolect.models.heads import choose_trained
from physiolect.models.model import Model
from physiolect.models.recurrent import RECURRENT_PRESETS, RecurrentConfig
from physiolect.models.resnet import RESNET_PRESETS, ResNetConfig
from physiolect.models.seq2seq import SEQ2SEQ_PRESETS, Seq2SeqConfig
from physiolect.tokenizers import LevelTokenizer
from physiolect.training.step import _can_compile

_GPT = GPTConfig(vocabulary_size=101, context_length=24, width=16, n_layers=2, n_heads=2, mlp_width=32)
_ENCODER = EncoderConfig(context_length=24, width=16, n_layers=2, n_heads=2, mlp_width=32)
_TOY: dict[str, Any] = {"context_length": 24, "width": 16, "n_layers": 2, "n_heads": 2, "mlp_width": 32}
_CONTINUOUS = ContinuousConfig(**_TOY, n_channels=5)
_SMALL: dict[str, Any] = {"context_length": 24, "width": 16, "n_channels": 5}

VARIANTS: dict[str, dict[str, Any]] = {
    "gpt": {
        "rotary": _GPT,
        "learned": replace(_GPT, positions="learned"),
        "modern": replace(
            GPT_PRESETS["modern"], context_length=24, width=16, n_layers=2, n_heads=2, mlp_width=32, band=7
        ),
        "detector": replace(_GPT, n_outputs=1, pooling="mean"),
        "looking ahead": replace(_GPT, n_outputs=3, pooling="attention", unmask_last=True),
    },
    "encoder": {
        "samples": _ENCODER,
        "ecgformer": replace(ENCODER_PRESETS["ecgformer"], **_TOY, n_outputs=5),
        "modern": replace(ENCODER_PRESETS["modern"], **{**_TOY, "patch": 4}, n_channels=2),
        "class token": replace(_ENCODER, n_channels=3, patch=4, per_lead=True, pooling="class", n_outputs=3),
        "each sample": replace(
            _ENCODER, n_channels=2, patch=6, each_sample=True, pooling="attention", class_token=False
        ),
        "scaled": replace(_ENCODER, n_channels=2, scaling="range", positions_at="every-layer"),
        "image": replace(
            _ENCODER,
            n_channels=2,
            patch=8,
            per_lead=True,
            image_patch=4,
            positions="each",
            first_norm=True,
            scaling="joint-range",
            pooling="class",
            activation="quick-gelu",
        ),
        "separators": replace(_ENCODER, n_channels=3, patch=4, per_lead=True, separators=True),
        "cross pattern": replace(
            _ENCODER,
            n_channels=3,
            patch=4,
            per_lead=True,
            pattern="cross",
            separators=True,
            positions="rotary",
        ),
    },
    "resnet": {
        "two convolutions": ResNetConfig(context_length=24, width=4),
        "bottleneck": ResNetConfig(
            context_length=24, depth=50, width=4, doubling=False, n_channels=2, n_outputs=3
        ),
        "xresnet": replace(
            RESNET_PRESETS["xresnet18"],
            context_length=24,
            width=4,
            head_width=6,
            n_channels=3,
            scaling="joint-range",
        ),
        "merl": replace(
            RESNET_PRESETS["merl"], depth=18, context_length=48, width=4, projection=8, n_outputs=2
        ),
    },
    "continuous": {
        "modern": replace(CONTINUOUS_PRESETS["modern"], **_TOY, n_channels=5, band=7, n_outputs=2),
        "tutorial": tutorial(input_size=8, num_layers=2, num_heads=2, n_embd=8, out_dim=24, trial_len=24),
        "tutorial of windows": tutorial(
            input_size=8, num_layers=2, num_heads=2, n_embd=8, out_dim=3, trial_len=24
        ),
        "learned": replace(_CONTINUOUS, positions="learned", pooling="attention"),
        "adapting": replace(_CONTINUOUS, positions="sinusoidal", statistics="adapting", pooling="last"),
        "patches": replace(_CONTINUOUS, causal=False, patch=4, n_outputs=2),
        "grid": replace(_CONTINUOUS, causal=False, patch=3, grid=(2, 3), n_channels=6, each_step=False),
    },
    "recurrent": {
        "gru": replace(RECURRENT_PRESETS["gru"], **_SMALL, n_outputs=2),
        "deep": RecurrentConfig(**_SMALL, n_layers=2, pooling="mean", statistics="adapting"),
        "state space": replace(RECURRENT_PRESETS["state-space"], **_SMALL, n_layers=2, pooling="attention"),
    },
    "seq2seq": {
        "modern": replace(SEQ2SEQ_PRESETS["modern"], **_TOY, n_channels=5, n_outputs=7, longest=9),
        "each step": Seq2SeqConfig(
            **_TOY,
            n_channels=3,
            n_outputs=6,
            statistics="adapting",
            norm="layer",
            bias=True,
            input_positions=False,
        ),
    },
}
"""Small models of every family: family -> name -> settings."""

EVERY = [(family, name) for family in MODELS for name in VARIANTS.get(family, {"missing": None})]


@pytest.fixture(params=EVERY, ids=lambda each: f"{each[0]}-{each[1]}")
def model(request: pytest.FixtureRequest) -> Model:
    family, name = request.param
    torch.manual_seed(0)
    model = MODELS[family](VARIANTS[family][name]).eval()
    for parameter in model.parameters():  # away from the symmetric start
        nn.init.normal_(parameter, std=0.3)
    return model


def as_checkpoint(model: Model) -> Checkpoint:
    k = model.n_outputs
    tokenizer = LevelTokenizer() if model.takes == "levels" else None
    outputs = Outputs("forecast") if k is None else Outputs("rhythm")
    if k is not None and k > 1:
        outputs = Outputs("classify", tuple("abcdefgh"[:k]))
    T = model.context_length
    n = model.n_channels
    names = (ANY_CHANNEL,) if n == 1 else tuple(f"lead {i}" for i in range(n))
    contract = replace(CONTRACTS["heartgpt-ecg"], min_samples=1, max_samples=T, channels=names)
    return Checkpoint(model, tokenizer, contract, outputs)


def test_outputs_of_every_position_and_of_the_window(model: Model) -> None:
    full = model(model.probe())
    assert full.shape[:2] == (1, model.context_length)
    assert model.n_outputs in (None, full.shape[2])
    assert model(model.probe(), last_only=True).shape == (1, 1, full.shape[2])
    assert torch.isfinite(full).all()


def test_every_weight_gets_a_finite_gradient_and_lies_in_one_part(model: Model) -> None:
    (model(model.probe()).square().sum() + model(model.probe(), last_only=True).square().sum()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    parts = [*model.input_parts, *model.blocks, *model.output_parts]
    held = {id(p) for part in parts for p in part.parameters()}
    assert held == {id(p) for p in model.parameters()}


def test_it_is_causal_or_not_as_it_declares(model: Model) -> None:
    """The gradient of one position's outputs reaches all samples before it, and later ones only if it is not causal."""
    T = model.context_length
    if model.takes == "signal":
        x = model.probe().requires_grad_()
        (gradient,) = torch.autograd.grad(model(x)[:, T // 2].sum(), x)
        gradient = gradient.transpose(1, 2)  # (B, T, C)
    else:
        x = model.embed(model.probe()).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(model.from_embedded(x)[:, T // 2].sum(), x)
    later = gradient[:, T // 2 + 1 :].abs().max()
    assert gradient[:, : T // 2 + 1].abs().max() > 0
    assert (later == 0) == model.causal


def test_embedding_first_changes_nothing(model: Model) -> None:
    x = model.probe()
    torch.testing.assert_close(model.from_embedded(model.embed(x)), model(x))


def test_from_the_middle_on_it_is_the_same(model: Model) -> None:
    for n in range(len(model.blocks) + 1):
        held = model.begin(model.probe(), n)
        torch.testing.assert_close(model.finish(held, n), model(model.probe()))
        whole = model(model.probe(), last_only=True)
        torch.testing.assert_close(model.finish(held, n, last_only=True), whole)


def padded(model: Model) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Return three windows of several lengths in one batch, its mask, and the lengths."""
    T = model.context_length
    lengths = [T, 1, T // 2 + 1]
    x = torch.cat([model.probe().roll(shift, -1) for shift in range(3)])
    mask = torch.arange(T) < torch.tensor(lengths)[:, None]
    return x, mask, lengths


@pytest.mark.parametrize("last_only", [False, True])
def test_a_padded_batch_gives_each_row_the_numbers_it_gives_alone(model: Model, last_only: bool) -> None:
    x, mask, lengths = padded(model)
    together = model(x, attention_mask=mask, last_only=last_only)
    again = model.from_embedded(model.embed(x, attention_mask=mask), attention_mask=mask, last_only=last_only)
    torch.testing.assert_close(again, together)
    for row, length in enumerate(lengths):
        alone = model(x[row : row + 1, ..., :length], last_only=last_only)
        torch.testing.assert_close(together[row : row + 1, : 1 if last_only else length], alone)


def test_a_padded_batch_from_the_middle_on(model: Model) -> None:
    x, mask, _ = padded(model)
    whole = model(x, attention_mask=mask, last_only=True)
    for n in range(len(model.blocks) + 1):
        held = model.begin(x, n, attention_mask=mask)
        torch.testing.assert_close(model.finish(held, n, attention_mask=mask, last_only=True), whole)


def test_a_mask_without_padding_changes_nothing(model: Model) -> None:
    x = model.probe()
    mask = torch.ones(1, model.context_length, dtype=torch.bool)
    torch.testing.assert_close(model(x, attention_mask=mask), model(x))


def test_a_checkpoint_rebuilds_it_and_verifies(model: Model, tmp_path: Path) -> None:
    made = as_checkpoint(model)
    loaded = load_checkpoint(made.save(tmp_path / "x"))
    assert type(loaded.model) is type(model)
    assert loaded.model.config == model.config
    assert loaded.outputs == made.outputs
    assert loaded.verify().deviation < 1e-5
    torch.testing.assert_close(loaded.model(model.probe()), model(model.probe()), rtol=0, atol=0)


def test_encoded_windows_go_in_and_predictions_come_out(model: Model) -> None:
    rng = np.random.default_rng(0)
    windows = rng.standard_normal((3, model.n_channels, model.context_length)).astype(np.float32)
    windows[1] = 2.0
    checkpoint = as_checkpoint(model)
    inputs, flat = checkpoint.encode(windows)
    assert flat.tolist() == [False, True, False]
    found = checkpoint.predict(inputs)
    assert len(found) == 3
    assert np.isfinite(found).all()


def test_half_precision_is_close(model: Model) -> None:
    x = model.probe()
    with torch.no_grad():
        usual = model(x).square().mean().sqrt()
        for last_only in (False, True):
            full = model(x, last_only=last_only)
            with torch.autocast("cpu", torch.bfloat16):
                half = model(x, last_only=last_only).float()
            assert (half - full).square().mean().sqrt() < 0.05 * usual


def test_gradients_in_half_precision_are_close(model: Model) -> None:
    found = []
    for half in (False, True):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            out = model(model.probe())
        out.float().square().mean().backward()
        found.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    assert (found[1] - found[0]).norm() < 0.1 * found[0].norm()


@pytest.mark.slow
@pytest.mark.skipif(not _can_compile(torch.device("cpu")), reason="there is no C++ compiler")
def test_compiled_it_is_the_same_forward_and_backward(model: Model) -> None:
    compiled = torch.compile(model)
    for last_only in (False, True):
        found = []
        for each in (model, compiled):
            model.zero_grad()
            out = each(model.probe(), last_only=last_only)
            out.square().sum().backward()
            found.append([out, *(p.grad for p in model.parameters() if p.grad is not None)])
        torch.testing.assert_close(found[1], found[0], rtol=1e-3, atol=1e-3)


def test_another_head_keeps_the_trunk(model: Model) -> None:
    other = model.with_head(n_outputs=4)
    assert other.n_outputs == 4
    assert other(model.probe(), last_only=True).shape == (1, 1, 4)
    heads = {id(p) for part in other.head_parts for p in part.parameters()}
    own = dict(model.named_parameters())
    for name, parameter in other.named_parameters():
        if id(parameter) not in heads:
            assert torch.equal(parameter, own[name]), name


def test_the_head_alone_can_train(model: Model) -> None:
    names = choose_trained(model, "head")
    assert names
    heads = {id(p) for part in model.head_parts for p in part.parameters()}
    assert {id(model.get_parameter(name)) for name in names} == heads
