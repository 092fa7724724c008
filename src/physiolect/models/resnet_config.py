"""The settings of a 1-D residual network, and its presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from physiolect.errors import ConfigError
from physiolect.models.scaling import SCALINGS, Scaling

RESNET_BLOCKS: dict[int, tuple[int, int, int, int]] = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
}
"""Depth -> blocks of the four stages; from 50 on a block is a bottleneck of three convolutions (He et al. 2016,
table 1)."""

ResNetPooling = Literal["mean", "mean-max", "attention"]
"""The mean over time; mean and maximum side by side; or what the attention of a learned token to all times gives."""
_LITERALS: dict[str, tuple[str, ...]] = {
    "stem": ("single", "xresnet"),
    "scaling": SCALINGS,
    "pooling": ("mean", "mean-max", "attention"),
}


@dataclass(frozen=True)
class ResNetConfig:
    """Everything that decides the shape and the maths of a residual network over time."""

    n_channels: int = 1
    """Channels of a window: leads."""
    context_length: int = 5000
    """Most samples of a window."""
    n_outputs: int = 1
    """Outputs of a window, or of each sample."""
    depth: int = 18
    """18 or 34, with two convolutions a block; 50 or 101, with bottlenecks of three."""
    width: int = 64
    """Features of the first stage; a bottleneck gives four times as many."""
    doubling: bool = True
    """Each further stage has twice the features of the one before; otherwise all have `width` (xresnet1d)."""
    kernel: int = 3
    """Samples that a block's convolution covers, an odd number."""
    stem: Literal["single", "xresnet"] = "single"
    """Before the stages: one convolution; or three, and the shortcuts of blocks that halve the time average first."""
    stem_kernel: int = 7
    """Samples that the stem's convolutions cover, an odd number."""
    max_pool: bool = True
    """The stem ends with a maximum over 3 positions, which halves the time once more (MERL's network has none)."""
    projection: int = 0
    """Map the last stage to so many features before pooling; 0 leaves them."""
    scaling: Scaling = "none"
    """What is done to a window first: nothing; each channel to [0, 1] (range) or to mean 0 and standard deviation 1
    (standard); or all channels together (joint-range, joint-standard)."""
    pooling: ResNetPooling = "mean"
    """How the window's positions become one: their mean, mean and maximum, or a learned token's attention."""
    pool_heads: int = 4
    """Heads of attention pooling."""
    head_width: int = 0
    """Hidden features of the head; 0 is one linear layer."""
    dropout: float = 0.0
    """Before each linear layer of the head."""

    def __post_init__(self) -> None:
        problems = self.problems()
        if problems:
            raise ConfigError("; ".join(problems), hint="mend the model's settings, or start from a preset")

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        sizes = (
            "n_channels", "context_length", "n_outputs", "width", "kernel", "stem_kernel", "pool_heads",
        )  # fmt: skip
        found = [
            f"{name} is {getattr(self, name)}, but must be at least 1"
            for name in sizes
            if getattr(self, name) < 1
        ]
        found += [
            f"{name} is {getattr(self, name)}, but must be an odd number"
            for name in ("kernel", "stem_kernel")
            if getattr(self, name) % 2 == 0
        ]
        found += [
            f"{name} is {getattr(self, name)}, but cannot be negative"
            for name in ("projection", "head_width")
            if getattr(self, name) < 0
        ]
        if self.depth not in RESNET_BLOCKS:
            found.append(f"depth is {self.depth}, which is not one of {', '.join(map(str, RESNET_BLOCKS))}")
        if self.stem == "xresnet" and self.width % 2:
            found.append(f"width is {self.width}, but the stem xresnet has half as many features first")
        found += [
            f"{name} is '{getattr(self, name)}', which is not one of {', '.join(known)}"
            for name, known in _LITERALS.items()
            if getattr(self, name) not in known
        ]
        if not 0 <= self.dropout < 1:
            found.append(f"dropout is {self.dropout}, but must be in [0, 1)")
        if not found and self.pooling == "attention" and self.n_features % self.pool_heads:
            found.append(f"{self.n_features} features are no multiple of pool_heads {self.pool_heads}")
        return found

    @property
    def bottleneck(self) -> bool:
        """Whether a block narrows its features, convolves, and widens them."""
        return self.depth >= 50

    @property
    def blocks(self) -> tuple[int, ...]:
        """Blocks of each stage."""
        return RESNET_BLOCKS[self.depth]

    @property
    def n_layers(self) -> int:
        """Blocks of all stages."""
        return sum(self.blocks)

    @property
    def widths(self) -> tuple[int, ...]:
        """Features inside the blocks of each stage."""
        return tuple(
            self.width << stage if self.doubling else self.width for stage in range(len(self.blocks))
        )

    @property
    def expansion(self) -> int:
        """Features that a block gives, for each inside it."""
        return 4 if self.bottleneck else 1

    @property
    def n_features(self) -> int:
        """Features of each position before pooling."""
        return self.projection or self.widths[-1] * self.expansion

    @property
    def strides(self) -> tuple[int, ...]:
        """Samples that a position stands for: after the stem, then after each stage."""
        stem = 4 if self.max_pool else 2
        return (stem, *(stem << stage for stage in range(len(self.blocks))))


_XRESNET = ResNetConfig(
    stem="xresnet", stem_kernel=5, kernel=5, doubling=False, pooling="mean-max", head_width=128, dropout=0.5
)
RESNET_PRESETS: dict[str, ResNetConfig] = {
    **{f"resnet{depth}": ResNetConfig(depth=depth) for depth in RESNET_BLOCKS},
    **{f"xresnet{depth}": ResNetConfig(**{**_XRESNET.__dict__, "depth": depth}) for depth in RESNET_BLOCKS},
    "merl": ResNetConfig(depth=101, max_pool=False, projection=256, pooling="attention"),
}
"""Networks by name. resnet is He et al. 2016 over time. xresnet has the stem, the widths and the kernels of xresnet1d
in the PTB-XL benchmarks (Strodthoff et al. 2021, arXiv:2004.13701), but no batch norm in its head. merl is the signal's
encoder of MERL (Liu et al. 2024, arXiv:2403.06659), for windows of 5000 samples."""
