"""The residual network: convolutions over windows of real numbers, whose time halves from stage to stage."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import torch
from torch import Tensor, nn

from physiolect.errors import ConfigError
from physiolect.models.capture import Capture
from physiolect.models.model import Model, wandering
from physiolect.models.resnet_config import RESNET_PRESETS, ResNetConfig, ResNetPooling
from physiolect.models.resnet_layers import Stage, Stem
from physiolect.models.resnet_pools import make_resnet_pool
from physiolect.models.scaling import scaled
from physiolect.tasks import Scope

__all__ = ["RESNET_PRESETS", "ResNet", "ResNetConfig"]


class ResNet(Model):
    """Reads windows (B, C, T); gives outputs of the window as a whole, or of each sample.

    Its blocks are the four stages. A position of the last stage stands for 16 or 32 samples, which share its outputs.
    A stage sees both ways in time. Padding is 0 before each convolution, as what lies beyond a window's ends is.
    """

    Config = ResNetConfig
    takes = "signal"
    config: ResNetConfig

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.config = config
        c = config
        self.stem = Stem(c)
        taken = (c.width, *(width * c.expansion for width in c.widths))
        self.stages = nn.ModuleList(
            Stage(c, taken[stage], width, n_blocks=n, stride=1 if stage == 0 else 2)
            for stage, (width, n) in enumerate(zip(c.widths, c.blocks, strict=True))
        )
        self.projection = nn.Conv1d(taken[-1], c.projection, 1) if c.projection else None
        self.pool = make_resnet_pool(c)
        width = c.n_features * (2 if c.pooling == "mean-max" else 1)
        last = nn.Linear(c.head_width or width, c.n_outputs)
        hidden = (
            (nn.Dropout(c.dropout / 2), nn.Linear(width, c.head_width), nn.ReLU()) if c.head_width else ()
        )
        self.head = nn.Sequential(*hidden, nn.Dropout(c.dropout), last)
        for module in self.modules():
            if isinstance(module, nn.Conv1d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(
        self,
        x: Tensor,
        *,
        attention_mask: Tensor | None = None,
        last_only: bool = False,
        capture: Capture | None = None,
    ) -> Tensor:
        """Return outputs (B, T, K) for windows (B, C, T), or with `last_only` (B, 1, K) for windows as a whole.

        Args:
            x: windows; at padding any finite number.
            attention_mask: (B, T), True or 1 at real samples, False or 0 at padding, which stands on the right; None
                means all real. A row gets what it gets alone, but for batch norm in training.
            last_only: one output a window, of what `pooling` makes of its positions.
            capture: gets the hidden states; there is no attention to keep.

        Raises:
            ConfigError: a window has other channels, or is longer than attention pooling reaches; the mask has another
                shape.
        """
        embedded = self.embed(x, attention_mask=attention_mask)
        out = self._continue(embedded, 0, attention_mask, last_only, capture)
        return out if last_only else out[:, : x.shape[-1]]

    def embed(self, x: Tensor, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return what the stem makes of windows (B, N, E)."""
        B, C, T = x.shape
        if self.config.n_channels != C:
            raise ConfigError(
                f"the windows have {C} channels, but the model takes {self.config.n_channels}",
                hint="choose the channels that the checkpoint's contract names",
            )
        if attention_mask is not None and attention_mask.shape != (B, T):
            raise ConfigError(
                f"attention_mask is {tuple(attention_mask.shape)}, but the windows are {(B, T)}",
                hint="one value a row and sample: True where it is real, False where it is padding",
            )
        real = None if attention_mask is None else attention_mask.bool().unsqueeze(1)  # (B, 1, T)
        return self.stem(scaled(x, real, self.config.scaling).to(self.dtype), real).transpose(1, 2)

    def from_embedded(
        self, x: Tensor, *, attention_mask: Tensor | None = None, last_only: bool = False
    ) -> Tensor:
        """Return what `forward` does, given what `embed` returned; without a mask outputs fill the last position."""
        return self._continue(x, 0, attention_mask, last_only)

    @torch.no_grad()
    def features(self, x: Tensor, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return what the pooling reads of windows (B, C, T), (B, N, E); without a gradient."""
        found = self.begin(x, len(self.stages), attention_mask=attention_mask)
        return self._projected(found)

    @torch.no_grad()
    def begin(self, x: Tensor, n_blocks: int, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return the output of the first stages (B, N, E), from which `finish` continues; without a gradient."""
        capture = Capture.of(hidden=True)
        self(x, attention_mask=attention_mask, last_only=True, capture=capture)
        return capture.hidden_states[n_blocks]

    def finish(
        self, x: Tensor, n_blocks: int, *, attention_mask: Tensor | None = None, last_only: bool = False
    ) -> Tensor:
        """Return what `forward` does, given the output of the first stages; see `from_embedded`."""
        return self._continue(x, n_blocks, attention_mask, last_only)

    @property
    def causal(self) -> bool:
        """Whether no output depends on later positions: never."""
        return False

    @property
    def blocks(self) -> list[nn.Module]:
        """The four stages."""
        return list(self.stages)

    @property
    def input_parts(self) -> list[nn.Module]:
        """The stem."""
        return [self.stem]

    @property
    def head_parts(self) -> list[nn.Module]:
        """The head, and the pooling before it."""
        return [self.head, self.pool]

    @property
    def output_parts(self) -> list[nn.Module]:
        """Head, pooling and projection."""
        return [*self.head_parts, *([] if self.projection is None else [self.projection])]

    def probe(self) -> Tensor:
        """Return a fixed wandering window (1, C, T)."""
        steps = wandering(self.config.n_channels, self.config.context_length, self.device)
        return (steps / 50 - 1).to(self.dtype)

    def with_head(  # type: ignore[override]
        self,
        *,
        n_outputs: int,
        pooling: ResNetPooling | None = None,
        scope: Scope = "window",
        unmask_last: bool = True,
        dropout: float | None = None,
    ) -> Self:
        """Return a model with this trunk, copied, and a new head, initialised by PyTorch's random numbers.

        Args:
            n_outputs: of the head.
            pooling: how a window's positions become one; None keeps the model's.
            scope: what outputs are about; without effect: outputs of positions are there in any case.
            unmask_last: without effect, since every stage looks ahead.
            dropout: of the head; None leaves the model's.

        Raises:
            ConfigError: a setting is out of range.
        """
        c = self.config
        config = replace(
            c,
            n_outputs=n_outputs,
            pooling=pooling or c.pooling,
            dropout=c.dropout if dropout is None else dropout,
        )
        return self.with_config(config).train(self.training)

    def _continue(
        self,
        x: Tensor,
        first: int,
        attention_mask: Tensor | None,
        last_only: bool,
        capture: Capture | None = None,
    ) -> Tensor:
        """Return outputs, given the output (B, N, E) of the stem and the first stages."""
        c, n_samples = self.config, x.shape[1] * self.config.strides[first]
        real = None if attention_mask is None else attention_mask.bool().unsqueeze(1)  # (B, 1, T)
        states = [x]
        x = x.transpose(1, 2)  # (B, E, N)
        for number in range(first, len(self.stages)):
            x = self.stages[number](x, None if real is None else real[..., :: c.strides[number]])
            states.append(x.transpose(1, 2))
        if capture is not None and capture.hidden:
            capture.hidden_states += states
        x = self._projected(states[-1])
        last = None if real is None else real[:, 0, :: c.strides[-1]]  # (B, N)
        if last_only:
            return self.head(self.pool(x, last))
        out = self.head(self.pool.of_each(x)).repeat_interleave(c.strides[-1], 1)
        return out[:, : min(n_samples, c.context_length) if real is None else real.shape[-1]]

    def _projected(self, x: Tensor) -> Tensor:
        return x if self.projection is None else self.projection(x.transpose(1, 2)).transpose(1, 2)
