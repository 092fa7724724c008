"""The plain reference of the encoders: ECGformer's description (arXiv:2401.05434) written down directly.

Projections, the whole attention matrix by `torch.einsum`, and its division after the softmax. Tests prove the package
equal to it, and `benchmarks/encoder.py` measures against it.
"""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn

from physiolect.models.encoder import Encoder, EncoderConfig


class PlainLayer(nn.Module):
    """A layer of ECGformer, as its description gives it."""

    def __init__(self, width: int, n_heads: int, expansion: int = 4) -> None:
        super().__init__()
        self.n_heads, self.width = n_heads, width
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.mlp = nn.Sequential(
            nn.Linear(width, expansion * width), nn.GELU(), nn.Linear(expansion * width, width)
        )

    def attention(self, x: Tensor) -> Tensor:
        B, T, E = x.shape
        q, k, v = (each(x).view(B, T, self.n_heads, -1) for each in (self.q, self.k, self.v))
        weights = torch.einsum("bqhd,bkhd->bhqk", q, k).softmax(-1) / sqrt(self.width)
        return self.out(torch.einsum("bhqk,bkhd->bqhd", weights, v).reshape(B, T, E))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PlainECGformer(nn.Module):
    """ECGformer, as its description gives it; windows are (B, T, C)."""

    def __init__(self, c: EncoderConfig) -> None:
        super().__init__()
        self.embedding = nn.Linear(c.n_channels, c.width)
        self.token = nn.Parameter(torch.randn(1, 1, c.width))
        self.positions = nn.Parameter(torch.randn(c.context_length + 1, c.width))
        self.layers = nn.ModuleList(PlainLayer(c.width, c.n_heads) for _ in range(c.n_layers))
        self.classifier = nn.Sequential(
            nn.Linear(c.width, c.width), nn.LayerNorm(c.width), nn.Linear(c.width, c.n_outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat((self.token.expand(len(x), -1, -1), self.embedding(x)), 1)
        for layer in self.layers:
            x = layer(x + self.positions)
        return self.classifier(x.mean(1))


_NAMES = (
    ("trunk.blocks.", "layers."), ("attention_norm", "norm1"), ("mlp_norm", "norm2"), ("attention.projection", "out"),
    ("mlp.up", "mlp.0"), ("mlp.down", "mlp.2"), ("head.", "classifier."), ("positions.weight", "positions"),
    ("class_token.weight", "token"),
)  # fmt: skip


def plain_like(model: Encoder) -> PlainECGformer:
    """Return the plain model with the same weights."""
    held: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        for ours, theirs in _NAMES:
            name = name.replace(ours, theirs)
        if "attention.qkv" in name:
            parts = zip("qkv", value.chunk(3), strict=True)
            held |= {name.replace("attention.qkv", part): piece for part, piece in parts}
        else:
            held[name] = value.unsqueeze(0) if name == "token" else value
    plain = PlainECGformer(model.config).to(model.dtype)
    plain.load_state_dict(held)
    return plain
