"""The residual network: against its layers written down plainly, its batch norm, and what is refused."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physiolect.errors import ConfigError
from physiolect.models.batch_norm import BatchNorm
from physiolect.models.heads import choose_trained
from physiolect.models.resnet import RESNET_PRESETS, ResNet, ResNetConfig
from physiolect.models.resnet_pools import make_resnet_pool
from physiolect.models.scaling import SCALINGS, Scaling, scaled
from physiolect.training import Processes

SMALL = ResNetConfig(n_channels=3, context_length=80, width=4, n_outputs=2)


class Plain(nn.Module):
    """The network of a config by PyTorch's own layers, in the order in which ResNet makes its parameters."""

    def __init__(self, c: ResNetConfig) -> None:
        super().__init__()
        x = c.stem == "xresnet"
        widths = [c.width // 2, c.width // 2, c.width] if x else [c.width]
        taken, stem = c.n_channels, list[nn.Module]()
        for i, width in enumerate(widths):
            stem += [_conv(taken, width, c.stem_kernel, 1 if i else 2), nn.BatchNorm1d(width), nn.ReLU()]
            taken = width
        self.stem = nn.Sequential(*stem, nn.MaxPool1d(3, 2, 1) if c.max_pool else nn.Identity())
        blocks = []
        for stage, n in enumerate(c.blocks):
            inner = c.width * 2**stage if c.doubling else c.width
            for i in range(n):
                blocks.append(_PlainBlock(c, taken, inner, 2 if stage and not i else 1, averaged=x))
                taken = inner * c.expansion
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Linear(taken * (2 if c.pooling == "mean-max" else 1), c.n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.stem(x))
        pooled = [x.mean(-1)] if self.last.in_features == x.shape[1] else [x.mean(-1), x.amax(-1)]
        return self.last(torch.cat(pooled, 1))


class _PlainBlock(nn.Module):
    def __init__(self, c: ResNetConfig, taken: int, inner: int, stride: int, *, averaged: bool) -> None:
        super().__init__()
        given = inner * c.expansion
        if c.bottleneck:
            shapes = [(taken, inner, 1, 1), (inner, inner, c.kernel, stride), (inner, given, 1, 1)]
        else:
            shapes = [(taken, inner, c.kernel, stride), (inner, given, c.kernel, 1)]
        parts: list[nn.Module] = []
        for shape in shapes:
            parts += [_conv(*shape), nn.BatchNorm1d(shape[1]), nn.ReLU()]
        self.convolutions = nn.Sequential(*parts[:-1])
        way: list[nn.Module] = []
        if averaged and stride > 1:
            way, stride = [nn.AvgPool1d(2, ceil_mode=True)], 1
        if taken != given or stride > 1:
            way += [_conv(taken, given, 1, stride), nn.BatchNorm1d(given)]
        self.shortcut = nn.Sequential(*way)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.convolutions(x) + self.shortcut(x))


def _conv(taken: int, given: int, kernel: int, stride: int) -> nn.Conv1d:
    return nn.Conv1d(taken, given, kernel, stride, kernel // 2, bias=False)


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        replace(SMALL, depth=50, max_pool=False),
        replace(
            RESNET_PRESETS["xresnet50"], n_channels=3, context_length=80, width=4, head_width=0, dropout=0.0
        ),
    ],
    ids=["resnet18", "resnet50", "xresnet50"],
)
def test_it_is_the_plain_network_forward_and_backward(config: ResNetConfig) -> None:
    torch.manual_seed(0)
    model, plain = ResNet(config).double().train(), Plain(config).double().train()
    for parameter in model.parameters():  # away from blocks that begin as their shortcuts
        nn.init.normal_(parameter, std=0.5)
    ours, theirs = list(model.parameters()), list(plain.parameters())
    assert [p.shape for p in ours] == [p.shape for p in theirs]
    for one, other in zip(ours, theirs, strict=True):
        other.data.copy_(one.data)
    x = torch.randn(5, 3, 80, dtype=torch.float64)
    for _ in range(2):  # the second step sees the averages of the first
        out, expected = model(x, last_only=True)[:, 0], plain(x)
        torch.testing.assert_close(out, expected, rtol=1e-8, atol=1e-8)
    gradients = (
        torch.autograd.grad(each.square().sum(), of) for each, of in ((out, ours), (expected, theirs))
    )
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(model.eval()(x, last_only=True)[:, 0], plain.eval()(x), rtol=1e-8, atol=1e-8)


def test_attention_pooling_is_that_of_a_token() -> None:
    """MERL's pooling by PyTorch's own attention, forward and backward; padding is not attended to."""
    torch.manual_seed(0)
    config = replace(RESNET_PRESETS["merl"], context_length=80, projection=8, pool_heads=2)
    pool = make_resnet_pool(config).double()
    plain = nn.MultiheadAttention(8, 2, batch_first=True).double()
    with torch.no_grad():
        parts = (pool.query, pool.key, pool.value)
        plain.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        plain.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        plain.out_proj.load_state_dict(pool.output.state_dict())
    x = torch.randn(3, 5, 8, dtype=torch.float64, requires_grad=True)
    mask = torch.arange(5) < torch.tensor([5, 2, 1])[:, None]
    tokens = torch.cat((pool.token.expand(3, 1, 8), x), 1) + pool.positions
    hidden = torch.cat((torch.zeros(3, 1, dtype=torch.bool), ~mask), 1)
    expected, _ = plain(tokens[:, :1], tokens, tokens, key_padding_mask=hidden)
    out = pool(x, mask)
    torch.testing.assert_close(out, expected)
    ours, theirs = (torch.autograd.grad(each.square().sum(), (x, pool.token)) for each in (out, expected))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)
    assert ours[0][1, 2:].abs().max() == 0


@pytest.mark.parametrize("how", SCALINGS)
def test_scaling_is_over_real_samples(how: Scaling) -> None:
    x = torch.randn(2, 3, 9, generator=torch.Generator().manual_seed(0)) * 5 + 2
    real = (torch.arange(9) < torch.tensor([9, 4])[:, None]).unsqueeze(1)
    found = scaled(x.masked_fill(~real, 99.0), real, how)
    for row, length in enumerate((9, 4)):
        each = x[row, :, :length]
        expected = {
            "none": each,
            "range": (each - each.amin(1, True)) / (each.amax(1, True) - each.amin(1, True)),
            "standard": (each - each.mean(1, True)) / each.std(1, correction=0, keepdim=True),
            "joint-range": (each - each.min()) / (each.max() - each.min()),
            "joint-standard": (each - each.mean()) / each.std(correction=0),
        }[how]
        torch.testing.assert_close(found[row, :, :length], expected)
    assert found[1, :, 4:].abs().max() == 0


def test_batch_norm_learns_from_real_samples_alone() -> None:
    torch.manual_seed(0)
    ours, plain = BatchNorm(4).double(), nn.BatchNorm1d(4).double()
    x = torch.randn(2, 4, 6, dtype=torch.float64)
    mask = torch.arange(6) < torch.tensor([6, 3])[:, None]
    real = torch.cat((x[0], x[1, :, :3]), 1)[None]  # (1, 4, 9)
    expected = plain(real)
    padded = x.clone()
    padded[1, :, 3:] = 1e3
    out = ours(padded, mask[:, None])
    torch.testing.assert_close(torch.cat((out[0], out[1, :, :3]), 1)[None], expected)
    assert out[1, :, 3:].abs().max() == 0
    torch.testing.assert_close(ours.mean, plain.running_mean)
    torch.testing.assert_close(ours.variance, plain.running_var)


@pytest.mark.parametrize("sharded", [False, True], ids=["replicated", "sharded"])
def test_two_processes_have_the_statistics_of_all_windows(
    sharded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Path(__file__).with_name("batch_norm_of_two.py")
    monkeypatch.syspath_prepend(str(script.parent))
    from batch_norm_of_two import train

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = str(listening.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    shared |= {"OMP_NUM_THREADS": "1"}
    shared |= {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"} if sharded else {}
    running = [
        subprocess.Popen(
            [sys.executable, str(script), str(tmp_path / "found.pt")],
            env={**os.environ, **shared, "RANK": rank, "LOCAL_RANK": rank},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    try:
        for process in running:
            printed = process.communicate(timeout=120)[1]
            assert process.returncode == 0, printed
    finally:
        for process in running:
            process.kill()
    found = torch.load(tmp_path / "found.pt", weights_only=True)
    expected, loss = train(Processes())
    assert float(found.pop("loss")) == pytest.approx(loss, rel=1e-9)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-6, atol=1e-8)


def test_a_frozen_trunk_keeps_its_averages() -> None:
    torch.manual_seed(0)
    model = ResNet(SMALL).train()
    choose_trained(model, "head")
    before = {name: value.clone() for name, value in model.named_buffers()}
    x = torch.randn(3, 3, 80)
    first = model(x, last_only=True)
    torch.testing.assert_close(model(x[:1], last_only=True), first[:1])
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())
    model.requires_grad_()
    model(x)
    assert not torch.equal(model.stem.convolutions[0].norm.mean, before["stem.convolutions.0.norm.mean"])


def test_a_single_position_can_be_learned_from() -> None:
    model = ResNet(SMALL).train()
    model(torch.randn(1, 3, 20), last_only=True).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_another_head_keeps_the_averages() -> None:
    model = ResNet(SMALL).train()
    model(torch.randn(3, 3, 80))
    other = model.with_head(n_outputs=5, pooling="attention")
    for name, value in other.named_buffers():
        assert torch.equal(value, dict(model.named_buffers())[name]), name


def test_depths_have_the_blocks_of_the_paper() -> None:
    layers = {}
    for depth in (18, 34, 50, 101):
        model = ResNet(replace(SMALL, depth=depth))
        inside = [name for name, each in model.named_modules() if isinstance(each, nn.Conv1d)]
        layers[depth] = 1 + sum("shortcut" not in name for name in inside)  # the last layer is linear
    assert layers == {18: 18, 34: 34, 50: 50, 101: 101}


def test_a_published_xresnet_has_its_number_of_parameters() -> None:
    model = ResNet(replace(RESNET_PRESETS["xresnet101"], n_channels=12, head_width=0, n_outputs=5))
    stem = (12 * 32 + 32 * 32 + 32 * 64) * 5 + 2 * (32 + 32 + 64)
    inner, n = 64, sum(model.config.blocks)
    block = 256 * inner + 5 * inner * inner + inner * 256 + 2 * (inner + inner + 256)
    first = (
        (inner - 256) * inner + inner * 256 + 2 * 256
    )  # the first block takes 64 features, and changes them
    assert model.n_parameters() == stem + n * block + first + (2 * 256 + 1) * 5


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"depth": 20}, "depth is 20, which is not one of 18, 34, 50, 101"),
        ({"kernel": 4}, "kernel is 4, but must be an odd number"),
        ({"pooling": "last"}, "pooling is 'last', which is not one of mean, mean-max, attention"),
        ({"pooling": "attention", "pool_heads": 3}, "32 features are no multiple of pool_heads 3"),
        ({"stem": "xresnet", "width": 5}, "width is 5, but the stem xresnet has half as many"),
    ],
)
def test_settings_are_refused(changed: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(SMALL, **changed)


def test_windows_are_refused() -> None:
    model = ResNet(replace(SMALL, pooling="attention")).eval()
    with pytest.raises(ConfigError, match="the windows have 2 channels, but the model takes 3"):
        model(torch.zeros(1, 2, 80))
    with pytest.raises(ConfigError, match=r"attention_mask is \(1, 7\)"):
        model(torch.zeros(1, 3, 80), attention_mask=torch.ones(1, 7))
    with pytest.raises(ConfigError, match="4 positions, but the pooling's learned ones end at 3"):
        model(torch.zeros(1, 3, 128), last_only=True)
