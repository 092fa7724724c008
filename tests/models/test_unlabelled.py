"""Networks of learning without labels, each against the same maths written out window by window."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physiolect.models.encoder import Encoder, EncoderConfig
from physiolect.models.paired import PairedText, PairedViews
from physiolect.models.unlabelled import (
    DecoderConfig,
    JointEmbedding,
    LeadDecoder,
    MaskedImage,
    MaskedPatches,
    count_masked,
    draw_masked,
    draw_masked_times,
    kept_patches,
)
from physiolect.training import (
    contrastive_loss,
    joint_embedding_loss,
    masked_image_loss,
    masked_loss,
    views_loss,
)

CONFIG = EncoderConfig(
    n_channels=3, context_length=24, patch=4, per_lead=True, width=16, n_layers=2, n_heads=2, mlp_width=32,
    class_token=False, scaling="standard",
)  # fmt: skip
ENCODERS = {
    "learned": CONFIG,
    "separators and class": replace(CONFIG, separators=True, class_token=True),
    "rotary": replace(CONFIG, positions="rotary", norm="rms", activation="swiglu", bias=False, qk_norm=True),
    "every layer": replace(CONFIG, positions_at="every-layer"),
    "cross": replace(CONFIG, pattern="cross"),
    "all cross": replace(CONFIG, pattern="cross", class_token=True, separators=True, positions="rotary"),
    "all channels": replace(CONFIG, per_lead=False, class_token=True),
}
SMALL = DecoderConfig(width=8, n_layers=2, n_heads=2)
CLOSE: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(params=ENCODERS)
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return stirred(Encoder(ENCODERS[request.param]))


def stirred(module: Any) -> Any:
    torch.manual_seed(1)
    for parameter in module.parameters():  # away from the symmetric start
        parameter.data += 0.2 * torch.randn_like(parameter)
    return module.eval()


def windows(n: int = 4) -> Tensor:
    torch.manual_seed(2)
    return torch.randn(n, 3, 24)


def plain_tokens(encoder: Encoder, x: Tensor, channels: list[int], times: list[int]) -> Tensor:
    """Return features (k, E) of these patches of one window (C, T), attention and all written out."""
    c = encoder.config
    E, H = c.width, c.n_heads
    x = (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True, correction=0)
    tokens, place, where = [], [], []
    if encoder.class_token is not None:
        tokens.append(encoder.class_token.weight[0])
        place.append(0)
        where.append((-1, -1))
    first = len(tokens)
    for channel, time in zip(channels, times, strict=True):
        if c.per_lead:
            token = encoder.embedding(x[channel, time * 4 : time * 4 + 4])
            token = token + encoder.lead_positions.weight[channel]
        else:
            token = encoder.embedding(x[:, time * 4 : time * 4 + 4].flatten())
        tokens.append(token)
        place.append(first + time)
        where.append((channel, time))
    for channel in range(3 if c.separators else 0):
        for end in range(2):
            tokens.append(encoder.separators.weight[end] + encoder.lead_positions.weight[channel])
            place.append(first - 1 if end == 0 else first + 6)
            where.append((channel, 6 + end))
    h = torch.stack(tokens)
    k = first + len(channels)
    table = 0
    if encoder.positions is not None:
        table = torch.cat((encoder.positions.weight[place[:k]], torch.zeros(len(h) - k, E)))
        h = h + table if c.positions_at == "input" else h
    seen = torch.tensor(
        [
            [c.pattern == "all" or a[0] == b[0] or a[1] == b[1] or -1 in (a[0], b[0]) for b in where]
            for a in where
        ]
    )
    for block in encoder.trunk.blocks:
        h = h + table if c.positions_at == "every-layer" else h
        q, key, v = block.attention.qkv(block.attention_norm(h)).view(-1, 3, H, E // H).permute(1, 2, 0, 3)
        if c.qk_norm:
            q, key = (
                each / each.square().mean(-1, keepdim=True).add(1.1920929e-07).sqrt() for each in (q, key)
            )
        if c.positions == "rotary":
            q, key = (turned(each, place) for each in (q, key))
        scores = (q @ key.transpose(1, 2) / (E // H) ** 0.5).masked_fill(~seen, -torch.inf)
        h = h + block.attention.projection((scores.softmax(-1) @ v).transpose(0, 1).flatten(1))
        h = h + block.mlp(block.mlp_norm(h))
    return encoder.trunk.norm(h)[first:k]


def turned(x: Tensor, place: list[int]) -> Tensor:
    half = x.shape[-1] // 2
    angle = torch.tensor(place).unsqueeze(1) * 10_000.0 ** (-torch.arange(half) / half)
    even, odd = x[..., :half], x[..., half:]
    return torch.cat((even * angle.cos() - odd * angle.sin(), even * angle.sin() + odd * angle.cos()), -1)


def places(masked: Tensor) -> tuple[list[int], list[int]]:
    """Return channel and time of the patches that are not masked, of one window (C, n)."""
    channel, time = (~masked).nonzero(as_tuple=True)
    return channel.tolist(), time.tolist()


def plain_decoder(decoder: LeadDecoder, known: Tensor, masked: Tensor) -> Tensor:
    """Return outputs (C, n, K) of one window, channel by channel."""
    found, at = [], 0
    for mask in masked:
        rows = []
        for time, hidden in enumerate(mask.tolist()):
            rows.append(decoder.mask_token[0] if hidden else decoder.source(known[at]))
            at += not hidden
            rows[-1] = rows[-1] + decoder.positions[time]
        found.append(decoder.out(decoder.trunk(torch.stack(rows)[None])[0]))
    return torch.stack(found)


def assert_same(loss: Tensor, plain: Tensor, *modules: nn.Module) -> None:
    """Compare two losses and the gradients that they give the modules' weights."""
    torch.testing.assert_close(loss, plain, **CLOSE)
    weights = [p for module in modules for p in module.parameters() if p.requires_grad]
    one, other = (torch.autograd.grad(each, weights, allow_unused=True) for each in (loss, plain))
    assert sum(each is not None for each in one) > 10
    for mine, theirs in zip(one, other, strict=True):
        torch.testing.assert_close(
            torch.zeros(1) if mine is None else mine,
            torch.zeros_like(mine) if theirs is None else theirs,
            **CLOSE,
        ) if mine is not None else None


def test_masked_patches_are_as_written_out(encoder: Encoder) -> None:
    network, x = stirred(MaskedPatches(encoder, sizes=SMALL, share=0.6)), windows()
    C = 3 if encoder.config.per_lead else 1
    torch.manual_seed(3)
    masked = draw_masked((4, C, 6), network.n_masked, x.device)
    assert masked.sum(-1).eq(4).all()
    loss = masked_loss(*network(encoder, x, masked=masked))
    errors = []
    for window, mask in zip(x, masked, strict=True):
        known = plain_tokens(encoder, window, *places(mask))
        predicted = plain_decoder(network.decoder, known, mask)
        scaled = (window - window.mean(-1, keepdim=True)) / window.std(-1, keepdim=True, correction=0)
        for channel, time in mask.nonzero().tolist():
            rows = scaled[channel : channel + 1] if C == 3 else scaled
            patch = rows[:, time * 4 : time * 4 + 4].flatten()
            patch = (patch - patch.mean()) / (patch.var() + 1e-6) ** 0.5
            errors.append(((predicted[channel, time] - patch) ** 2).mean())
    assert_same(loss, torch.stack(errors).mean(), encoder, network)


@pytest.mark.parametrize(("kind", "shares"), [("random", (0.3, 0.7)), ("blocks", (0.2, 0.35))])
def test_joint_embeddings_are_as_written_out(encoder: Encoder, kind: Any, shares: Any) -> None:
    network, x = JointEmbedding(encoder, sizes=SMALL, mask=kind, shares=shares), windows()
    stirred(network)
    C = 3 if encoder.config.per_lead else 1
    torch.manual_seed(4)
    masked = draw_masked_times(4, 6, kind, shares, x.device)
    loss = joint_embedding_loss(*network(encoder, x, masked=masked))
    rows = []
    for window, mask in zip(x, masked, strict=True):
        every = mask.expand(C, -1)
        predicted = plain_decoder(network.predictor, plain_tokens(encoder, window, *places(every)), every)
        whole = plain_tokens(network.teacher, window, *places(torch.zeros_like(every))).detach()
        target = F.layer_norm(whole, (16,)).view(C, 6, 16)
        off = (predicted - target)[:, mask].abs()
        rows.append(torch.where(off < 1, off**2 / 2, off - 0.5).mean())
    assert_same(loss, torch.stack(rows).mean(), encoder, network)
    assert all(p.grad is None for p in network.teacher.parameters())


def test_masked_images_are_as_written_out() -> None:
    config = replace(
        CONFIG, patch=8, image_patch=4, positions="each", first_norm=True, class_token=True, scaling="joint-range",
        activation="quick-gelu",
    )  # fmt: skip
    encoder = stirred(Encoder(config))
    network, x = stirred(MaskedImage(encoder, share=0.5)), windows()
    torch.manual_seed(3)
    predicted, patches, masked = network(encoder, x)
    assert masked.shape == (4, 3, 3)
    assert masked.sum((1, 2)).tolist() == [5] * 4  # half of nine, of which four are kept
    errors = []
    for window, mask in zip(x, masked, strict=True):
        low, high = window.min(), window.max()
        image = F.interpolate(
            ((window - low) / (high - low))[None, None], (12, 12), mode="bilinear", antialias=True
        )[0, 0]
        image = (image - 0.5) / 0.5
        tokens = [encoder.class_token.weight[0]]
        for row in range(3):
            for column in range(3):
                pixels = image[row * 4 : row * 4 + 4, column * 4 : column * 4 + 4].flatten().repeat(3)
                tokens.append(network.mask_token[0] if mask[row, column] else encoder.embedding(pixels))
                if mask[row, column]:
                    errors.append((row, column, pixels))
        h = encoder.first_norm(torch.stack(tokens) + encoder.positions.weight)[None]
        for block in encoder.trunk.blocks:
            h, _ = block(h)
        out = network.out(encoder.trunk.norm(h))[0, 1:].view(3, 3, 48)
        for number in range(len(errors) - 5, len(errors)):
            row, column, pixels = errors[number]
            errors[number] = (out[row, column] - pixels).abs().mean()
    assert_same(masked_image_loss(predicted, patches, masked), torch.stack(errors).mean(), encoder, network)


def test_all_patches_kept_are_what_forward_sees(encoder: Encoder) -> None:
    x = windows()
    embedded = encoder.embed(x)
    torch.manual_seed(5)
    shuffled = torch.stack([torch.randperm(embedded.shape[1]) for _ in x])
    whole = encoder.read_patches(embedded)
    kept = encoder.read_patches(embedded, keep=shuffled)
    first = int(encoder.config.class_token)
    patches = slice(first, first + embedded.shape[1])
    torch.testing.assert_close(
        kept[:, patches], whole[:, patches].take_along_dim(shuffled.unsqueeze(-1), 1), **CLOSE
    )


def test_many_windows_without_a_gradient_are_read_as_few(encoder: Encoder) -> None:
    network, x = stirred(MaskedPatches(encoder, sizes=SMALL)), windows(300)  # a CPU reads them in parts
    torch.manual_seed(6)
    masked = draw_masked((300, 3 if encoder.config.per_lead else 1, 6), network.n_masked, x.device)
    with torch.no_grad():
        found = masked_loss(*network(encoder, x, masked=masked))
    torch.testing.assert_close(found, masked_loss(*network(encoder, x, masked=masked)), **CLOSE)


def test_what_is_masked_is_not_seen(encoder: Encoder) -> None:
    network, x = stirred(MaskedPatches(encoder, sizes=SMALL, share=0.5)), windows(1).requires_grad_()
    plain = replace(encoder.config, scaling="none")  # statistics of a window know all of its samples
    unscaled = Encoder(plain)
    unscaled.load_state_dict(encoder.state_dict())
    predicted, _, masked = network(unscaled.eval(), x)
    (gradient,) = torch.autograd.grad(predicted.sum(), x)
    C = masked.shape[1]
    touched = (
        gradient[0].view(3, 6, 4).abs().sum(-1) > 0
        if C == 3
        else gradient[0].view(3, 6, 4).abs().sum((0, -1)) > 0
    )
    assert not (touched.view(C, 6) & masked[0]).any()
    assert (touched.view(C, 6) | masked[0]).all()


def test_masks_are_as_large_as_published() -> None:
    torch.manual_seed(0)
    assert count_masked(30, 0.75) == 23  # int(30 * 0.25) are kept
    assert (count_masked(196, 0.75), count_masked(50, 0.6), count_masked(10, 0.9)) == (147, 30, 9)
    assert (count_masked(4, 0.01), count_masked(4, 0.99)) == (1, 3)
    assert draw_masked((5, 12, 30), 23, torch.device("cpu")).sum(-1).eq(23).all()
    times = draw_masked_times(500, 50, "random", (0.6, 0.7), torch.device("cpu"))
    assert set(times.sum(1).tolist()) == set(range(30, 35))
    blocks = draw_masked_times(500, 50, "blocks", (0.175, 0.225), torch.device("cpu"))
    counts = blocks.sum(1)
    assert counts.min() >= 8
    assert counts.max() <= 44
    edges = blocks.int().diff(dim=1).clamp(min=0).sum(1) + blocks[:, 0]
    assert edges.max() <= 4
    assert (blocks.float().mean(0) > 0).all()


def test_kept_patches_fill_up_with_masked_ones() -> None:
    masked = torch.tensor([[[True, False, True]], [[False, False, True]]])
    keep, real = kept_patches(masked, 2)
    assert keep.tolist() == [[1, 0], [0, 1]]
    assert real.tolist() == [[True, False], [True, True]]


def test_the_teacher_follows_by_an_exponential_mean() -> None:
    encoder = Encoder(CONFIG)
    network = JointEmbedding(encoder, sizes=SMALL, momentum=0.9)
    before = [p.clone() for p in network.teacher.parameters()]
    stirred(encoder)
    network.follow(encoder, torch.tensor(5), 10, torch.tensor(True))
    for own, old, new in zip(network.teacher.parameters(), before, encoder.parameters(), strict=True):
        torch.testing.assert_close(own, 0.95 * old + 0.05 * new)  # 0.9 rises to 1: half way it is 0.95
    held = [p.clone() for p in network.teacher.parameters()]
    network.follow(encoder, torch.tensor(5), 10, torch.tensor(False))
    assert all(torch.equal(own, old) for own, old in zip(network.teacher.parameters(), held, strict=True))
    assert not network.train().teacher.training


def plain_contrastive(one: Tensor, other: Tensor, scale: Tensor) -> Tensor:
    total = torch.zeros(())
    unit = [[row / row.square().sum().sqrt() for row in side] for side in (one, other)]
    for mine, theirs in (unit, unit[::-1]):
        for i, row in enumerate(mine):
            exps = torch.stack([(scale[0] * (row @ each)).exp() for each in theirs])
            total = total - (exps[i] / exps.sum()).log()
    return total / (2 * len(one))


def paired(kind: type[PairedText], **more: Any) -> tuple[Encoder, PairedText, tuple[Tensor]]:
    torch.manual_seed(0)
    encoder = stirred(Encoder(replace(CONFIG, n_outputs=6)))
    return encoder, stirred(kind(text_width=5, width=6, temperature=0.5, **more)), (torch.randn(4, 5),)


@pytest.mark.parametrize("projection", ["linear", "two-layer"])
def test_pairs_are_told_by_the_symmetric_cross_entropy(projection: Any) -> None:
    encoder, network, text = paired(PairedText, projection=projection)
    x = windows()
    signals = torch.stack([encoder(window[None], last_only=True)[0, 0] for window in x])
    words = torch.stack([network.projection(row) for row in text[0]])
    loss = contrastive_loss(*network(encoder, x, text))
    assert_same(loss, plain_contrastive(signals, words, network.log_scale.exp()), encoder, network)


def test_merl_adds_two_views_of_the_signal() -> None:
    encoder, network, text = paired(PairedViews, projection="two-layer", learned=False)
    x = windows()
    signals = encoder(x, last_only=True)[:, 0]
    views = [signals @ view.weight.T for view in network.views]
    scale = torch.tensor([2.0])
    network.log_scale.data.fill_(torch.tensor(2.0).log())
    loss = views_loss(*network(encoder, x, text))
    plain = plain_contrastive(signals, network.projection(text[0]), scale) + plain_contrastive(*views, scale)
    assert_same(loss, plain, encoder, network)
    one, other = network.train()(encoder, x, text)[3:]
    assert (one == 0).any()
    assert not torch.equal(one == 0, other == 0)


def test_the_temperature_is_learned_up_to_a_hundredth() -> None:
    network = PairedText(text_width=5, width=6)
    assert network.scale().item() == pytest.approx(1 / 0.07)
    network.log_scale.data.fill_(9.0)
    assert network.scale().item() == pytest.approx(100)
