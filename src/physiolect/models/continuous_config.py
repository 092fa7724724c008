"""The settings of models of continuous signals, and their presets."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

from physiolect.errors import ConfigError
from physiolect.models.channel_input import COUNTS, STATISTICS, Counts, Statistics
from physiolect.models.heads import Pooling
from physiolect.models.layers import Activation, Norm

CONTINUOUS_POOLINGS: tuple[Pooling, ...] = ("last", "mean", "attention")
_LITERALS: dict[str, tuple[str, ...]] = {
    "counts": COUNTS,
    "statistics": STATISTICS,
    "projection": ("linear", "none"),
    "positions": ("none", "learned", "sinusoidal", "rotary"),
    "readout": ("step", "sum"),
    "pooling": CONTINUOUS_POOLINGS,
}


@dataclass(frozen=True)
class ContinuousConfig:
    """Everything that decides the shape and the maths of a transformer over continuous signals."""

    n_channels: int = 96
    """Channels of a window: electrodes, or spike counts of units."""
    context_length: int = 160
    """Steps of the windows that it is trained on; most steps of a window with learned positions or readout sum."""
    n_outputs: int = 1
    """Outputs of a step, or of a window."""
    causal: bool = True
    """No output depends on later steps."""
    band: int | None = None
    """With `causal`, steps that a step sees in each layer, itself included; None for all of them."""
    counts: Counts = "as-they-are"
    """Channels as they are, or their square roots, for spike counts."""
    statistics: Statistics = "fixed"
    """How channels are standardised: none, fixed from the training data, or adapting to the signal without labels."""
    prior: int = 200
    """Steps that the training data count for in adapting statistics."""
    channel_dropout: float = 0.0
    """Share of the channels that are silenced in training."""
    noise: float = 0.0
    """Standard deviation of the noise that is added to standardised channels in training."""
    projection: Literal["linear", "none"] = "linear"
    """How a step becomes a token: a linear layer, or as it is, where `width` equals `n_channels`."""
    patch: int = 1
    """Steps that one token is made from; more than one only where the model is not causal."""
    grid: tuple[int, int] | None = None
    """Rows and columns of an electrode grid: each electrode has tokens of its own, at its place; not causal."""
    width: int = 96
    """Features of the residual stream."""
    n_layers: int = 3
    """Blocks."""
    n_heads: int = 4
    """Attention heads; divides `width`."""
    mlp_width: int = 256
    """Hidden features of each block's MLP."""
    positions: Literal["none", "learned", "sinusoidal", "rotary"] = "rotary"
    """Positions in time; with none, a model that is not causal cannot see the order of the steps."""
    rotary_base: float = 10_000.0
    """Slowest rotary wavelength is about 2 pi times this many steps."""
    qk_norm: bool = False
    """Normalise queries and keys per head."""
    activation: Activation = "gelu"
    """Of the MLP."""
    norm: Norm = "layer"
    """LayerNorm or RMSNorm."""
    bias: bool = True
    """Biases in norms, projections and MLP."""
    readout: Literal["step", "sum"] = "step"
    """What outputs are made of: each step's own features, or the sum of all steps' features (the tutorial)."""
    each_step: bool = True
    """Outputs are of each step; otherwise of the window as a whole."""
    pooling: Pooling = "mean"
    """For one answer a window: the last step's features, the mean, or a learned mean."""
    attention_dropout: float = 0.0
    """On attention weights."""
    residual_dropout: float = 0.0
    """After attention and after the MLP."""

    def __post_init__(self) -> None:
        problems = self.problems()
        if problems:
            raise ConfigError("; ".join(problems), hint="mend the model's settings, or start from a preset")

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        sizes = (
            "n_channels", "context_length", "n_outputs", "patch", "width", "n_layers", "n_heads", "mlp_width", "prior",
        )  # fmt: skip
        found = [
            f"{name} is {getattr(self, name)}, but must be at least 1"
            for name in sizes
            if getattr(self, name) < 1
        ]
        found += [
            f"{name} is '{getattr(self, name)}', which is not one of {', '.join(known)}"
            for name, known in _LITERALS.items()
            if getattr(self, name) not in known
        ]
        for name in ("attention_dropout", "residual_dropout", "channel_dropout"):
            if not 0 <= getattr(self, name) < 1:
                found.append(f"{name} is {getattr(self, name)}, but must be in [0, 1)")
        if not 0 <= self.noise < inf:
            found.append(f"noise is {self.noise}, but cannot be negative")
        if not 0 < self.rotary_base < inf:
            found.append(f"rotary_base is {self.rotary_base}, but must be above 0")
        return found or self._misfits() + self._contradictions()

    def _misfits(self) -> list[str]:
        found = []
        if self.width % self.n_heads:
            found.append(f"width {self.width} is no multiple of n_heads {self.n_heads}")
        elif self.positions == "rotary" and self.width // self.n_heads % 2:
            found.append(f"rotary positions need an even head size, got {self.width // self.n_heads}")
        if self.context_length % self.patch:
            found.append(f"context_length {self.context_length} is no multiple of patch {self.patch}")
        if self.projection == "none" and self.width != self.n_channels:
            found.append(
                f"without a projection the width is the number of channels, but width is {self.width} and n_channels "
                f"{self.n_channels}"
            )
        if self.grid is not None and (min(self.grid) < 1 or self.grid[0] * self.grid[1] != self.n_channels):
            rows, columns = self.grid
            found.append(f"a grid of {rows} x {columns} electrodes does not have {self.n_channels} channels")
        return found

    def _contradictions(self) -> list[str]:
        found = []
        if self.causal and (self.patch > 1 or self.grid is not None or self.readout == "sum"):
            found.append("patches, grids and readout sum mix steps: they need causal: false")
        if self.band is not None and not (self.causal and self.band >= 1):
            found.append(f"band is {self.band}, but must be at least 1, and goes with causal: true")
        if self.projection == "none" and (self.patch > 1 or self.grid is not None):
            found.append("patches and grids need a projection")
        if self.pooling == "last" and self.grid is not None:
            found.append("pooling last is for one token a step, and not for a grid")
        if self.readout == "sum" and self.grid is not None:
            found.append("readout sum is for one token a step, and not for a grid")
        return found

    @property
    def n_patches(self) -> int:
        """Tokens in time of the longest window."""
        return self.context_length // self.patch

    @property
    def receptive_field(self) -> int:
        """Steps that an output depends on, itself included."""
        if not self.causal or self.band is None:
            return self.context_length
        return 1 + self.n_layers * (self.band - 1)


def tutorial(
    *, input_size: int, num_layers: int, num_heads: int, n_embd: int, out_dim: int, trial_len: int
) -> ContinuousConfig:
    """Return the settings of the tutorial's model, by the names that it gives them.

    Args:
        input_size: channels.
        num_layers: blocks.
        num_heads: attention heads.
        n_embd: features, which are the channels themselves.
        out_dim: numbers that the model gives of a window: one, or one for each of its steps.
        trial_len: steps of a window.

    Raises:
        ConfigError: `n_embd` is not `input_size`, `num_heads` does not divide it, or `out_dim` is no multiple of
            `trial_len` and above 1.
    """
    each_step = trial_len > 1 and out_dim % trial_len == 0
    return ContinuousConfig(
        n_channels=input_size,
        context_length=trial_len,
        n_outputs=out_dim // trial_len if each_step else out_dim,
        causal=False,
        statistics="none",
        projection="none",
        width=n_embd,
        n_layers=num_layers,
        n_heads=num_heads,
        mlp_width=4 * n_embd,
        positions="none",
        readout="sum",
        each_step=each_step,
    )


CONTINUOUS_PRESETS: dict[str, ContinuousConfig] = {
    "tutorial": tutorial(input_size=96, num_layers=2, num_heads=4, n_embd=96, out_dim=10, trial_len=10),
    "modern": ContinuousConfig(
        band=40,
        counts="square-root",
        channel_dropout=0.15,
        noise=0.1,
        activation="swiglu",
        norm="rms",
        bias=False,
        qk_norm=True,
        residual_dropout=0.1,
    ),
}
"""Models by name. "tutorial" is the tutorial's model as it is run there; see docs/models/continuous.md for what it
cannot do. "modern" is ours, for spike counts."""
