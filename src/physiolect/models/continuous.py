"""A transformer over continuous signals, causal or not: it decodes numbers at every step, or of a window."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physiolect.errors import ConfigError
from physiolect.models.attention import Attention, Rotary, last_of
from physiolect.models.cache import LayerCache
from physiolect.models.capture import Capture
from physiolect.models.channel_input import ChannelInput
from physiolect.models.continuous_config import CONTINUOUS_PRESETS, ContinuousConfig
from physiolect.models.heads import Pooling, make_pool
from physiolect.models.layers import MLP, Block, Transformer
from physiolect.models.model import Model, wandering
from physiolect.models.positions import grid_positions, sinusoidal
from physiolect.models.stream import Stream, check_channels
from physiolect.tasks import Scope

__all__ = ["CONTINUOUS_PRESETS", "Continuous", "ContinuousConfig"]


class Continuous(Model):
    """Reads windows (B, C, T) of real numbers; gives outputs of each step, or of the window.

    A token is made of a step of all channels, of a patch of steps, or with a grid of a patch of one electrode: those of
    the first electrode, then of the second, and so on. Missing samples (NaN) count as the channel's mean.
    """

    Config = ContinuousConfig
    takes = "signal"
    config: ContinuousConfig
    places: Tensor

    def __init__(self, config: ContinuousConfig) -> None:
        super().__init__()
        self.config = c = config
        self.input = ChannelInput(
            n_channels=c.n_channels, counts=c.counts, statistics=c.statistics, prior=c.prior,
            dropout=c.channel_dropout, noise=c.noise,
        )  # fmt: skip
        n = c.patch * (1 if c.grid else c.n_channels)
        self.projection = None if c.projection == "none" else nn.Linear(n, c.width, bias=c.bias)
        learned = c.positions == "learned"
        self.positions = nn.Embedding(c.n_patches, c.width) if learned else None
        if c.grid is not None:
            self.register_buffer("places", grid_positions(c.grid, c.width), persistent=False)
        rotary = Rotary(head_size=c.width // c.n_heads, base=c.rotary_base)
        blocks = [_make_block(c, rotary if c.positions == "rotary" else None) for _ in range(c.n_layers)]
        self.trunk = Transformer(blocks, norm=c.norm, norm_bias=c.bias)
        self.pool = make_pool(c.pooling, c.width) if c.readout == "step" else None
        each = c.context_length if c.readout == "sum" else c.patch
        self.head = nn.Linear(c.width, c.n_outputs * (each if c.each_step else 1))
        self._initialise()

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
            x: windows; missing samples are NaN.
            attention_mask: (B, T), True or 1 at real steps, False or 0 at padding, which stands on the right; None
                means all real.
            last_only: one output a window, of what `pooling` or `readout` makes of its real steps.
            capture: attention weights and hidden states of tokens to keep.

        Raises:
            ConfigError: a window has other channels or is too long, or the mask has another shape.
        """
        embedded = self.embed(x, attention_mask=attention_mask)
        out = self.from_embedded(
            embedded, attention_mask=attention_mask, last_only=last_only, capture=capture
        )
        return out if last_only else out[:, : x.shape[-1]]

    def embed(self, x: Tensor, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return the tokens' first features (B, N, E), without positions."""
        check_channels(self, x)
        if attention_mask is not None:
            _check_mask(attention_mask, x)
            x = x.masked_fill(~attention_mask.bool().unsqueeze(1), 0)
        return self._project(self.input(x.to(self.dtype)))

    def from_embedded(
        self,
        x: Tensor,
        *,
        attention_mask: Tensor | None = None,
        last_only: bool = False,
        capture: Capture | None = None,
    ) -> Tensor:
        """Return what `forward` does, given what `embed` returned; without a mask outputs fill the last patch."""
        x = self._placed(x, 0)
        beside = self._beside(x, attention_mask)
        x = self.trunk(x, capture=capture, **beside)
        return self._read(x, last_only, attention_mask)

    def features(self, x: Tensor, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return what the trunk makes of windows (B, C, T), (B, N, E); without a gradient."""
        return self.trunk.norm(self.begin(x, self.config.n_layers, attention_mask=attention_mask))

    @torch.no_grad()
    def begin(self, x: Tensor, n_blocks: int, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return the output of the first blocks (B, N, E), from which `finish` continues; without a gradient."""
        x = self._placed(self.embed(x, attention_mask=attention_mask), 0)
        beside = self._beside(x, attention_mask)
        for block in self.trunk.blocks[:n_blocks]:
            x, _ = block(x, **beside)
        return x

    def finish(
        self, x: Tensor, n_blocks: int, *, attention_mask: Tensor | None = None, last_only: bool = False
    ) -> Tensor:
        """Return what `forward` does, given the output of the first blocks; see `from_embedded`."""
        x = self.trunk.finish(x, first=n_blocks, **self._beside(x, attention_mask))
        return self._read(x, last_only, attention_mask)

    @torch.no_grad()
    def run(self, x: Tensor) -> Tensor:
        """Return the outputs (B, T, K) of signals (B, C, T) of any length.

        Those of a causal model with a band are what `step` gives. Other models see windows: each step is taken from the
        window that has most of the signal around it, or before it.
        """
        c, T = self.config, x.shape[-1]
        steps = self.input(x.to(self.dtype))
        if c.causal and c.band and c.positions in ("none", "rotary"):
            before, stride = self.receptive_field - 1, max(512, self.receptive_field)
            bounds = [
                (max(0, first - before), first, min(T, first + stride)) for first in range(0, T, stride)
            ]
        else:
            bounds = _windows(T, c.context_length, c.patch, causal=c.causal)
        parts = []
        for begin, first, end in bounds:
            stop = end if c.causal else min(T, begin + c.context_length)
            out = self.from_embedded(self._project(steps[:, begin:stop]))
            parts.append(out[:, first - begin : end - begin])
        return torch.cat(parts, 1)

    def start(self, n_rows: int = 1) -> Stream:
        """Return the memory of `n_rows` signals that `step` reads one step at a time.

        Raises:
            ConfigError: the model is not causal.
        """
        if not self.causal:
            raise ConfigError(
                "the model looks ahead, so it cannot answer step by step",
                hint="train a causal one (causal: true), or decode the whole recording",
            )
        size = self.config.band or self.config.context_length
        cache = [LayerCache(size) for _ in self.trunk.blocks]
        return Stream(self.input.start(n_rows) if self.input.adapting else None, cache)

    def step(self, x: Tensor, stream: Stream) -> Tensor:
        """Return the outputs (B, K) of the next step (B, C), equal to those of the whole signal up to it."""
        tokens = self._placed(
            self._project(self.input(x.unsqueeze(-1).to(self.dtype), stream.running)), stream.seen
        )
        stream.seen += 1
        return self.head(self.trunk(tokens, cache=stream.cache))[:, 0]

    @property
    def causal(self) -> bool:
        """Whether no output depends on later steps."""
        return self.config.causal

    @property
    def streams(self) -> bool:
        """Whether `start` and `step` read a signal one step at a time."""
        return self.causal

    def fit_statistics(self, x: Tensor) -> None:
        """Take the statistics of the channels of training windows (n, C, T)."""
        self.input.fit(x.to(self.dtype))

    def adapt_statistics(self, adapting: bool = True) -> None:
        """Let the statistics of channels follow the signal, or keep those of training."""
        self.input.adapt(adapting)

    @property
    def receptive_field(self) -> int:
        """Steps that an output depends on, itself included."""
        return self.config.receptive_field

    @property
    def blocks(self) -> list[nn.Module]:
        """The transformer blocks in their order."""
        return list(self.trunk.blocks)

    @property
    def input_parts(self) -> list[nn.Module]:
        """Statistics, projection and learned positions."""
        return [part for part in (self.input, self.projection, self.positions) if part is not None]

    @property
    def head_parts(self) -> list[nn.Module]:
        """The head, and the pooling before it."""
        return [part for part in (self.head, self.pool) if part is not None]

    @property
    def output_parts(self) -> list[nn.Module]:
        """Head, pooling and final norm."""
        return [*self.head_parts, self.trunk.norm]

    def probe(self) -> Tensor:
        """Return a fixed wandering window (1, C, T), of numbers above 0."""
        steps = wandering(self.config.n_channels, self.config.context_length, self.device)
        return (steps / 25 + 0.1).to(self.dtype)

    def with_head(  # type: ignore[override]
        self,
        *,
        n_outputs: int,
        pooling: Pooling | None = None,
        scope: Scope = "window",
        unmask_last: bool = True,
        dropout: float | None = None,
    ) -> Self:
        """Return a model with this trunk, copied, and a new head, initialised by PyTorch's random numbers.

        Args:
            n_outputs: of the head.
            pooling: which features represent a window; None keeps the model's.
            scope: what outputs are about: a window, or each of its steps.
            unmask_last: without effect: whether it looks ahead is one argument of the model, `causal`.
            dropout: of attention weights and of branches; None leaves the model's.

        Raises:
            ConfigError: a setting is out of range.
        """
        config = replace(
            self.config,
            n_outputs=n_outputs,
            pooling=pooling or self.config.pooling,
            each_step=scope == "position",
        )
        if dropout is not None:
            config = replace(config, attention_dropout=dropout, residual_dropout=dropout)
        return self.with_config(config)

    def _project(self, x: Tensor) -> Tensor:
        """Make tokens (B, N, E) of standardised steps (B, T, C)."""
        c = self.config
        if c.patch > 1 or c.grid is not None:
            x = F.pad(x, (0, 0, 0, -x.shape[1] % c.patch)).unflatten(1, (-1, c.patch))  # (B, n, P, C)
            x = x.permute(0, 3, 1, 2).flatten(1, 2) if c.grid else x.flatten(2)  # (B, C n, P) or (B, n, P C)
        return x if self.projection is None else self.projection(x)

    def _placed(self, x: Tensor, first: int) -> Tensor:
        """Add positions that stand at the input to tokens (B, N, E), of which the first is at step `first`."""
        c = self.config
        n = x.shape[1] // (c.n_channels if c.grid else 1)
        table: Tensor | None = None
        if (c.positions == "learned" or c.readout == "sum") and first + n > c.n_patches:
            raise ConfigError(
                f"{(first + n) * c.patch} steps, but the model's windows end at {c.context_length}",
                hint="pass shorter windows, or use a model with rotary positions and readout step",
            )
        if self.positions is not None:
            table = self.positions.weight[first : first + n]
        elif c.positions == "sinusoidal":
            table = sinusoidal(torch.arange(first, first + n, device=x.device), c.width).to(x.dtype)
        if c.grid is not None:
            where = self.places.to(x.dtype).repeat_interleave(n, 0)  # (C n, E)
            table = where if table is None else where + table.repeat(c.n_channels, 1)
        return x if table is None else x + table

    def _beside(self, x: Tensor, attention_mask: Tensor | None) -> dict[str, Any]:
        """Return what the trunk needs beside tokens: their mask and angles."""
        c, rotary = self.config, self.trunk.rotary
        angles = None
        if rotary is not None:
            n = x.shape[1] // (c.n_channels if c.grid else 1)
            places = torch.arange(n, device=x.device).repeat(c.n_channels if c.grid else 1)
            angles = rotary.angles(places, x)
        return {"attention_mask": self._token_mask(x, attention_mask), "angles": angles}

    def _token_mask(self, x: Tensor, attention_mask: Tensor | None) -> Tensor | None:
        """Return which tokens hold a real step, (B, N), of a mask of steps (B, T)."""
        c = self.config
        if attention_mask is None:
            return None
        real = F.pad(attention_mask.bool(), (0, -attention_mask.shape[1] % c.patch))
        return real.unflatten(1, (-1, c.patch)).any(-1).repeat(1, c.n_channels if c.grid else 1)

    def _read(self, x: Tensor, last_only: bool, attention_mask: Tensor | None) -> Tensor:
        """Map the trunk's features (B, N, E) to outputs."""
        c = self.config
        real = self._token_mask(x, attention_mask)
        if c.readout == "sum":
            total = (x if real is None else x * real.unsqueeze(-1)).sum(1, keepdim=True)  # (B, 1, E)
            out = self.head(total).unflatten(-1, (-1, c.n_outputs))[:, 0]  # (B, T or 1, K)
            if last_only:
                return out.mean(1, keepdim=True)
            return out if c.each_step else out.expand(-1, x.shape[1], -1)
        if last_only:
            pooled = last_of(x, real) if self.pool is None else self.pool(x, real)
            out = self.head(pooled)  # (B, 1, K), or (B, 1, P K)
            return out.unflatten(-1, (-1, c.n_outputs)).mean(2)
        if c.grid is not None:
            x = x.unflatten(1, (c.n_channels, -1)).mean(1)
        out = self.head(x)  # (B, n, K), or (B, n, P K)
        out = (
            out.unflatten(-1, (-1, c.n_outputs)).flatten(1, 2)
            if c.each_step
            else out.repeat_interleave(c.patch, 1)
        )
        return out if attention_mask is None else out[:, : attention_mask.shape[1]]

    def _initialise(self) -> None:
        residual = 0.02 / (2 * self.config.n_layers) ** 0.5
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                branch_end = name.endswith(("attention.projection", "mlp.down"))
                nn.init.normal_(module.weight, std=residual if branch_end else 0.02)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)


def _windows(T: int, length: int, patch: int, *, causal: bool) -> list[tuple[int, int, int]]:
    """Return windows that cover T steps: where each begins, and the first and the last step that is taken from it."""
    if length >= T:
        return [(0, 0, T)]
    stride = max(1, length // 2)
    begins = [*range(0, T - length, stride), T - length]
    margin = length - stride if causal else (length - stride) // 2
    bounds, taken = [], 0
    for number, begin in enumerate(begins):
        last = number == len(begins) - 1
        end = T if last else begin + length if causal else max(begin + margin + stride, taken)
        bounds.append((begin, taken, end))
        taken = end
    return [each for each in bounds if each[1] < each[2]]


def _make_block(c: ContinuousConfig, rotary: Rotary | None) -> Block:
    return Block(
        attention=Attention(
            width=c.width, n_heads=c.n_heads, causal=c.causal, band=c.band, bias=c.bias, output_bias=c.bias,
            dropout=c.attention_dropout, rotary=rotary, qk_norm=c.qk_norm,
        ),
        mlp=MLP(width=c.width, hidden=c.mlp_width, activation=c.activation, bias=c.bias),
        norm=c.norm,
        norm_bias=c.bias,
        dropout=c.residual_dropout,
    )  # fmt: skip


def _check_mask(attention_mask: Tensor, x: Tensor) -> None:
    if attention_mask.shape != (x.shape[0], x.shape[2]):
        raise ConfigError(
            f"attention_mask is {tuple(attention_mask.shape)}, but the windows are {(x.shape[0], x.shape[2])}",
            hint="one value a row and step: True where it is real, False where it is padding",
        )
