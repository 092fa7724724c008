"""What an encoder is made of: embedding and block by its settings, and which tokens see each other."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physiolect.errors import ConfigError
from physiolect.models.attention import Attention, Rotary
from physiolect.models.encoder_config import EncoderConfig
from physiolect.models.layers import MLP, Block


def make_embedding(c: EncoderConfig) -> nn.Module:
    """Return what maps the numbers of a patch (…, n) to a token (…, E)."""
    n = c.patch_size
    if c.embedding == "linear":
        return nn.Linear(n, c.width)
    return nn.Sequential(
        nn.Linear(n, 2 * c.width), nn.GELU(), nn.Dropout(c.residual_dropout), nn.Linear(2 * c.width, c.width)
    )


def make_block(c: EncoderConfig, rotary: Rotary | None) -> Block:
    post = c.attention == "post-scaled"
    return Block(
        attention=Attention(
            width=c.width, n_heads=c.n_heads, causal=False, bias=c.attention_bias, output_bias=c.bias,
            scale=1.0 if post else None, post_scale=c.width**-0.5 if post else 1.0,
            dropout=c.attention_dropout, rotary=rotary, qk_norm=c.qk_norm,
        ),
        mlp=MLP(width=c.width, hidden=c.mlp_width, activation=c.activation, bias=c.bias),
        norm=c.norm,
        norm_bias=c.bias,
        dropout=c.residual_dropout,
    )  # fmt: skip


def image_patches(x: Tensor, c: EncoderConfig) -> Tensor:
    """Return the pixels of the patches of windows (B, C, T) that are resized to square images, (B, n, n, 3 p p).

    Windows fill up with zeros on the right. A patch holds its colours one after another, as in Hugging Face.

    Raises:
        ConfigError: a window is longer than the image stands for.
    """
    if x.shape[-1] > c.context_length:
        raise ConfigError(
            f"a window has {x.shape[-1]} samples, but the model's image stands for {c.context_length}",
            hint="pass shorter windows",
        )
    p, side = c.image_patch, c.n_patches * c.image_patch
    x = F.pad(x, (0, c.context_length - x.shape[-1])).unsqueeze(1)  # (B, 1, C, T)
    x = F.interpolate(x, (side, side), mode="bilinear", antialias=True, align_corners=False)
    mean, sd = (
        torch.stack([x.new_full((), each) for each in values]).view(3, 1, 1)
        for values in (c.image_mean, c.image_sd)
    )
    x = ((x - mean) / sd).unflatten(3, (-1, p)).unflatten(2, (-1, p))  # (B, 3, n, p, n, p)
    return x.permute(0, 2, 4, 1, 3, 5).flatten(3)


def seen_across(c: EncoderConfig, n: int, device: torch.device) -> Tensor:
    """Return which tokens see each other, (N, N): those of one channel, those of one time, and the class token.

    Args:
        c: settings of an encoder with patches of one channel each.
        n: patches of a channel.
        device: where it is made.
    """
    first = int(c.class_token)
    token = torch.arange(c.n_rows * n, device=device)
    channel, time = F.pad(token // n, (first, 0), value=-1), F.pad(token % n, (first, 0), value=-1)
    if c.separators:
        ends = torch.arange(2 * c.n_rows, device=device)
        channel, time = torch.cat((channel, ends // 2)), torch.cat((time, n + ends % 2))
    seen = (channel.unsqueeze(1) == channel) | (time.unsqueeze(1) == time)
    return seen | (channel == -1) | (channel.unsqueeze(1) == -1)
