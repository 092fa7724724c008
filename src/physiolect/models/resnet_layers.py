"""The layers of a residual network over time."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from physiolect.models.batch_norm import BatchNorm
from physiolect.models.resnet_config import ResNetConfig


class ConvNorm(nn.Module):
    """Convolution and batch norm; the time is rounded up where it halves."""

    def __init__(
        self,
        taken: int,
        given: int,
        *,
        kernel: int,
        stride: int = 1,
        rectified: bool = True,
        first: float = 1.0,
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(taken, given, kernel, stride, padding=kernel // 2, bias=False)
        self.norm = BatchNorm(given, first=first)
        self.rectified = rectified

    def forward(self, x: Tensor, real: Tensor | None) -> Tensor:
        """Map x (B, E, n), 0 at padding, to (B, E', n'), 0 at padding; `real` is the mask of the output."""
        x = self.norm(self.convolution(x), real)
        return F.relu(x) if self.rectified else x


class Stem(nn.Module):
    """One convolution or three, and a maximum over three positions."""

    def __init__(self, c: ResNetConfig) -> None:
        super().__init__()
        widths = (c.width,) if c.stem == "single" else (c.width // 2, c.width // 2, c.width)
        taken = (c.n_channels, *widths)
        self.convolutions = nn.ModuleList(
            ConvNorm(taken[i], width, kernel=c.stem_kernel, stride=2 if i == 0 else 1)
            for i, width in enumerate(widths)
        )
        self.max_pool = c.max_pool

    def forward(self, x: Tensor, real: Tensor | None) -> Tensor:
        """Map windows (B, C, T) to (B, E, N); `real` is the mask of the windows."""
        half = None if real is None else real[..., ::2]
        for convolution in self.convolutions:
            x = convolution(x, half)
        if not self.max_pool:
            return x
        x = F.max_pool1d(x, 3, 2, 1)  # nothing is below 0 here, so that padding of 0 wins nowhere
        return x if real is None else x.masked_fill(~real[..., ::4], 0)


class ResidualBlock(nn.Module):
    """relu(shortcut(x) + convolutions(x)); a fresh one is its shortcut."""

    def __init__(self, c: ResNetConfig, taken: int, width: int, *, stride: int) -> None:
        super().__init__()
        given = width * c.expansion
        if c.bottleneck:
            parts = [
                ConvNorm(taken, width, kernel=1),
                ConvNorm(width, width, kernel=c.kernel, stride=stride),
                ConvNorm(width, given, kernel=1, rectified=False, first=0.0),
            ]
        else:
            parts = [
                ConvNorm(taken, width, kernel=c.kernel, stride=stride),
                ConvNorm(width, given, kernel=c.kernel, rectified=False, first=0.0),
            ]
        self.convolutions = nn.ModuleList(parts)
        self.stride, self.halving = stride, 1 if c.bottleneck else 0
        self.averaged = c.stem == "xresnet" and stride > 1
        changed = taken != given or (stride > 1 and not self.averaged)
        inner = 1 if self.averaged else stride
        self.shortcut = ConvNorm(taken, given, kernel=1, stride=inner, rectified=False) if changed else None

    def forward(self, x: Tensor, real: Tensor | None) -> Tensor:
        """Map x (B, E, n) to (B, E', n'), both 0 at padding; `real` is the mask of x."""
        after = None if real is None else real[..., :: self.stride]
        direct = _halved(x, real) if self.averaged else x
        if self.shortcut is not None:
            direct = self.shortcut(direct, after)
        for i, convolution in enumerate(self.convolutions):
            x = convolution(x, real if i < self.halving else after)
        return F.relu(x + direct)


class Stage(nn.Module):
    """Blocks in their order, of which the first may halve the time."""

    def __init__(self, c: ResNetConfig, taken: int, width: int, *, n_blocks: int, stride: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ResidualBlock(c, width * c.expansion if i else taken, width, stride=1 if i else stride)
            for i in range(n_blocks)
        )
        self.stride = stride

    def forward(self, x: Tensor, real: Tensor | None) -> Tensor:
        """Map x (B, E, n) to (B, E', n'), both 0 at padding; `real` is the mask of x."""
        for i, block in enumerate(self.blocks):
            x = block(x, real if real is None or i == 0 else real[..., :: self.stride])
        return x


def _halved(x: Tensor, real: Tensor | None) -> Tensor:
    """Return the mean of each pair of positions, of an odd last one itself; padding counts for nothing."""
    real = x.new_ones(1, 1, x.shape[-1]) if real is None else real.to(x.dtype)
    total, n = (F.pad(each, (0, each.shape[-1] % 2)).unflatten(-1, (-1, 2)).sum(-1) for each in (x, real))
    return total / n.clamp_min(
        1
    )  # not by avg_pool1d: compiled, it divides the gradient of an odd last one by 2
