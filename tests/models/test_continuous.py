"""Transformers and recurrent models over continuous signals."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from physiolect.errors import ConfigError
from physiolect.models.channel_input import ChannelInput
from physiolect.models.continuous import CONTINUOUS_PRESETS, Continuous, ContinuousConfig
from physiolect.models.continuous_config import tutorial
from physiolect.models.positions import grid_positions, sinusoidal
from physiolect.models.recurrent import RECURRENT_PRESETS, Recurrent, RecurrentConfig

TOY: dict[str, Any] = {"n_channels": 6, "width": 16, "n_heads": 2, "mlp_width": 32, "n_layers": 2}
STREAMED = {
    "rotary, a band": ContinuousConfig(**TOY, context_length=24, band=7, n_outputs=2),
    "modern": replace(CONTINUOUS_PRESETS["modern"], **TOY, context_length=40, band=7),
    "learned": ContinuousConfig(**TOY, context_length=40, positions="learned"),
    "sinusoidal, adapting": ContinuousConfig(
        **TOY, context_length=24, band=7, positions="sinusoidal", statistics="adapting", prior=5
    ),
    "gru": RecurrentConfig(n_channels=6, width=16, n_layers=2, n_outputs=2, statistics="adapting", prior=5),
    "state space": replace(RECURRENT_PRESETS["state-space"], n_channels=6, width=16),
}


def the_tutorials(out_dim: int = 10) -> Continuous:
    torch.manual_seed(0)
    return Continuous(
        tutorial(input_size=20, num_layers=2, num_heads=4, n_embd=20, out_dim=out_dim, trial_len=10)
    )


@pytest.mark.parametrize("out_dim", [10, 20, 1])
def test_the_tutorials_model_forward_and_backward(out_dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held to benchmarks/plain_tutorial.py, which is the tutorial's model written down directly."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    from plain_tutorial import PlainTutorial, renamed

    model = the_tutorials(out_dim)
    plain = PlainTutorial(20, 2, 4, out_dim)
    plain.load_state_dict({name: weights.detach() for name, weights in renamed(model).items()})
    x = torch.randn(3, 10, 20)
    theirs = plain(x)
    ours = model(x.transpose(1, 2))[:, : max(1, out_dim // 10 * 10)]
    ours = ours if model.config.each_step else ours[:, :1]
    torch.testing.assert_close(ours.flatten(1), theirs)
    for out in (theirs, ours):
        out.square().sum().backward()
    for (_, a), (_, b) in zip(sorted(plain.named_parameters()), sorted(renamed(model).items()), strict=True):
        torch.testing.assert_close(b.grad, a.grad, rtol=1e-4, atol=1e-5)


def test_the_tutorials_initialisation() -> None:
    torch.manual_seed(0)
    model = Continuous(
        tutorial(input_size=200, num_layers=2, num_heads=4, n_embd=200, out_dim=10, trial_len=10)
    )
    block = model.trunk.blocks[0]
    assert block.attention.qkv.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert block.attention.projection.weight.std().item() == pytest.approx(0.02 / 2, rel=0.05)
    assert block.mlp.down.weight.std().item() == pytest.approx(0.02 / 2, rel=0.05)
    assert not any(
        parameter.any() for name, parameter in model.named_parameters() if name.endswith("qkv.bias")
    )


def test_without_positions_it_cannot_see_order() -> None:
    model = the_tutorials()
    x = torch.randn(2, 20, 10)
    torch.testing.assert_close(model(x[:, :, torch.randperm(10)]), model(x))


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary"])
def test_positions_are_the_cure(positions: Any) -> None:
    torch.manual_seed(0)
    config = tutorial(input_size=20, num_layers=2, num_heads=2, n_embd=20, out_dim=10, trial_len=10)
    model = Continuous(replace(config, positions=positions))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    x = torch.randn(2, 20, 10)
    assert (model(x.flip(-1)) - model(x)).abs().max() > 0.1


@pytest.mark.parametrize("name", STREAMED)
def test_step_by_step_it_is_the_whole(name: str) -> None:
    """Also after missing samples, and beyond the length of the windows that it was trained on."""
    model = made(STREAMED[name])
    x = torch.randn(2, 6, 40).abs()
    x[0, 2, 5:9] = torch.nan
    whole = model(x)
    stream = model.start(2)
    with torch.no_grad():
        steps = torch.stack([model.step(x[:, :, t], stream) for t in range(40)], 1)
    torch.testing.assert_close(steps, whole, rtol=1e-4, atol=1e-4)


def made(config: ContinuousConfig | RecurrentConfig) -> Continuous | Recurrent:
    torch.manual_seed(0)
    model = (Continuous(config) if isinstance(config, ContinuousConfig) else Recurrent(config)).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def test_a_band_and_layers_make_the_receptive_field() -> None:
    model = made(STREAMED["rotary, a band"])
    assert isinstance(model, Continuous)
    assert model.receptive_field == 13
    x = torch.randn(1, 6, 30, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(x)[:, 20].sum(), x)
    reached = gradient.abs().sum((0, 1)).nonzero().flatten().tolist()
    assert (reached[0], reached[-1]) == (8, 20)


def test_statistics_of_training_windows() -> None:
    x = torch.randn(50, 3, 20, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [[1.0], [4.0], [0.0]]
    )
    x = x + torch.tensor([[2.0], [5.0], [7.0]])
    x[0, 0, :5] = torch.nan
    layer = ChannelInput(n_channels=3)
    layer.fit(x)
    z = layer(x)  # (n, T, C)
    there = z[1:].flatten(0, 1)
    torch.testing.assert_close(there.mean(0), torch.zeros(3), atol=0.02, rtol=0)
    torch.testing.assert_close(there.std(0), torch.tensor([1.0, 1.0, 0.0]), atol=0.02, rtol=0)
    assert not z[0, :5, 0].any()


def test_running_statistics_follow_a_plain_loop() -> None:
    layer = ChannelInput(n_channels=1, statistics="adapting", prior=4)
    layer.fit(torch.tensor([[[1.0, 3.0]]]))  # mean 2, standard deviation 1
    x = torch.tensor([10.0, 12.0, torch.nan, 11.0])
    held, expected = [1.0, 3.0, 1.0, 3.0], []
    for value in x.tolist():
        held += [] if math.isnan(value) else [value]
        values = torch.tensor(held)
        expected.append(
            0.0 if math.isnan(value) else ((value - values.mean()) / values.std(correction=0)).item()
        )
    torch.testing.assert_close(layer(x.view(1, 1, -1)).flatten(), torch.tensor(expected))


def test_adapting_forgets_a_shifted_scale() -> None:
    layer = ChannelInput(n_channels=1, statistics="adapting", prior=20)
    x = 5 + 3 * torch.randn(1, 1, 4000, generator=torch.Generator().manual_seed(0))
    late = layer(x)[0, 1000:, 0]
    assert late.mean().abs() < 0.1
    assert late.std().item() == pytest.approx(1, abs=0.1)


def test_what_cannot_adapt_says_so() -> None:
    with pytest.raises(ConfigError, match="nothing to adapt"):
        ChannelInput(n_channels=2, statistics="none").adapt()
    acausal = Continuous(ContinuousConfig(**TOY, causal=False))
    with pytest.raises(ConfigError, match="looks ahead"):
        acausal.start()


def test_channels_fall_silent_in_training_alone() -> None:
    layer = ChannelInput(n_channels=400, dropout=0.25, noise=0.1)
    x = torch.ones(2, 400, 5)
    assert torch.equal(layer.eval()(x), x.transpose(1, 2))
    silent = (layer.train()(x).abs() < 0.6).all(1).float().mean().item()  # for the whole window
    assert silent == pytest.approx(0.25, abs=0.06)


def test_sinusoidal_positions() -> None:
    table = sinusoidal(torch.arange(5), 6)
    assert table[0].tolist() == [0, 1, 0, 1, 0, 1]
    assert table[3, 2].item() == pytest.approx(math.sin(3 / 10_000 ** (1 / 3)), abs=1e-6)
    grid = grid_positions((2, 3), 8)
    assert torch.equal(grid[0, :4], grid[2, :4])  # one row
    assert torch.equal(grid[1, 4:], grid[4, 4:])  # one column
    assert len({tuple(each.tolist()) for each in grid}) == 6


def test_electrodes_of_a_grid_are_told_apart() -> None:
    model = made(ContinuousConfig(**TOY, context_length=12, causal=False, grid=(2, 3)))
    x = torch.randn(1, 6, 12)
    assert (model(x[:, [1, 0, 2, 3, 4, 5]]) - model(x)).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"n_heads": 3}, "no multiple of n_heads"),
        ({"projection": "none"}, "without a projection"),
        ({"causal": True, "patch": 2}, "need causal: false"),
        ({"causal": False, "band": 3}, "band is 3"),
        ({"causal": False, "grid": (2, 2)}, "a grid of 2 x 2"),
        ({"causal": False, "grid": (2, 3), "pooling": "last"}, "pooling last"),
        ({"channel_dropout": 1.0}, "channel_dropout is 1.0"),
        ({"positions": "spiral"}, "positions is 'spiral'"),
    ],
)
def test_settings_that_contradict_each_other(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        replace(ContinuousConfig(**TOY), **changed)


def test_windows_that_do_not_fit() -> None:
    model = the_tutorials()
    with pytest.raises(ConfigError, match="11 steps, but the model's windows end at 10"):
        model(torch.randn(1, 20, 11))
    with pytest.raises(ConfigError, match="have 3 channels, but the model takes 20"):
        model(torch.randn(1, 3, 10))
    with pytest.raises(ConfigError, match="layer is 'lstm'"):
        RecurrentConfig(layer="lstm")  # type: ignore[arg-type]
