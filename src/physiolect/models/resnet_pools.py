"""What makes one position of many in a residual network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physiolect.errors import ConfigError
from physiolect.models.heads import MeanPool
from physiolect.models.resnet_config import ResNetConfig


class _Mean(MeanPool):
    def of_each(self, x: Tensor) -> Tensor:
        """Return what the pool would make of each position alone."""
        return x


class _MeanMax(nn.Module):
    """Mean and maximum over positions, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = MeanPool()

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Map x (B, N, E) to (B, 1, 2 E), over the real positions of a mask (B, N)."""
        shown = x
        if attention_mask is not None:  # a finite number, since a row may be padding only
            shown = x.masked_fill(~attention_mask.bool().unsqueeze(-1), torch.finfo(x.dtype).min)
        return torch.cat((self.mean(x, attention_mask), shown.amax(1, keepdim=True)), -1)

    def of_each(self, x: Tensor) -> Tensor:
        """Return what the pool makes of each position alone, (B, N, 2 E)."""
        return torch.cat((x, x), -1)


class _Attention(nn.Module):
    """Attention of a learned token to itself and to all positions, with learned places.

    Source: MERL, Liu et al. 2024, arXiv:2403.06659; its two linear layers after the attention are one here.
    """

    def __init__(self, width: int, n_heads: int, n_positions: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.token = nn.Parameter(torch.randn(1, width))
        self.positions = nn.Parameter(torch.randn(1 + n_positions, width) / width)
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Map x (B, N, E) to (B, 1, E), over the real positions of a mask (B, N)."""
        n = x.shape[1]
        if n >= len(self.positions):
            raise ConfigError(
                f"{n} positions, but the pooling's learned ones end at {len(self.positions) - 1}",
                hint="pass shorter windows, or use a model that pools by mean",
            )
        token = self.token.expand(x.shape[0], 1, -1).to(x.dtype)
        tokens = torch.cat((token, x), 1) + self.positions[: n + 1]  # (B, 1 + N, E)
        q, k, v = (
            part(each).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
            for part, each in ((self.query, tokens[:, :1]), (self.key, tokens), (self.value, tokens))
        )  # (B, H, 1 or 1 + N, D)
        shown = None
        if attention_mask is not None:
            shown = F.pad(attention_mask.bool(), (1, 0), value=True)[:, None, None]  # (B, 1, 1, 1 + N)
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=shown)
        return self.output(found.transpose(1, 2).flatten(2))

    def of_each(self, x: Tensor) -> Tensor:
        """Return what attention to one position alone would give, without its place, (B, N, E)."""
        return self.output(self.value(x))


def make_resnet_pool(c: ResNetConfig) -> _Mean | _MeanMax | _Attention:
    """Return what makes one position of many, as the settings say."""
    if c.pooling == "attention":
        return _Attention(c.n_features, c.pool_heads, -(-c.context_length // c.strides[-1]))
    return _MeanMax() if c.pooling == "mean-max" else _Mean()
