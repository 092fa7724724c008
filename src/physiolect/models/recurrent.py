"""Recurrent models over continuous signals: GRU, or diagonal state space. They are causal, and decode at every step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from physiolect.errors import ConfigError
from physiolect.models.attention import last_of
from physiolect.models.capture import Capture
from physiolect.models.channel_input import COUNTS, STATISTICS, ChannelInput, Counts, Statistics
from physiolect.models.heads import Pooling, make_pool
from physiolect.models.model import Model, wandering
from physiolect.models.state_space import StateSpace
from physiolect.models.stream import Stream, check_channels
from physiolect.tasks import Scope

_LITERALS: dict[str, tuple[str, ...]] = {
    "layer": ("gru", "state-space"),
    "counts": COUNTS,
    "statistics": STATISTICS,
    "pooling": ("last", "mean", "attention"),
}


@dataclass(frozen=True)
class RecurrentConfig:
    """Everything that decides the shape and the maths of a recurrent model."""

    n_channels: int = 96
    """Channels of a window: electrodes, or spike counts of units."""
    context_length: int = 160
    """Steps of the windows that it is trained on; what it remembers has no end."""
    n_outputs: int = 1
    """Outputs of a step, or of a window."""
    layer: Literal["gru", "state-space"] = "gru"
    """Gated recurrent units, or damped oscillations with learned rates (S4D)."""
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
    width: int = 96
    """Features of each layer."""
    n_layers: int = 1
    """Layers."""
    pooling: Pooling = "last"
    """For one answer a window: the last step's features, the mean, or a learned mean."""
    dropout: float = 0.0
    """Between layers, in training."""

    def __post_init__(self) -> None:
        problems = self.problems()
        if problems:
            raise ConfigError("; ".join(problems), hint="mend the model's settings, or start from a preset")

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        sizes = ("n_channels", "context_length", "n_outputs", "width", "n_layers", "prior")
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
        for name in ("dropout", "channel_dropout"):
            if not 0 <= getattr(self, name) < 1:
                found.append(f"{name} is {getattr(self, name)}, but must be in [0, 1)")
        if not 0 <= self.noise < inf:
            found.append(f"noise is {self.noise}, but cannot be negative")
        return found


RECURRENT_PRESETS: dict[str, RecurrentConfig] = {
    "gru": RecurrentConfig(counts="square-root", channel_dropout=0.15, noise=0.1, dropout=0.1),
    "state-space": RecurrentConfig(
        layer="state-space", n_layers=3, counts="square-root", channel_dropout=0.15, noise=0.1, dropout=0.1
    ),
}
"""Recurrent models by name, for spike counts."""


class GRULayer(nn.Module):
    """A layer of gated recurrent units (Cho et al. 2014), with dropout after it in training."""

    def __init__(self, *, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.gru = nn.GRU(width, width, batch_first=True)
        self.dropout = dropout

    @torch.compiler.disable  # the library's own kernel is one call
    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Map x (B, T, E) to the same shape, from a state (1, B, E) on, and return the last state."""
        with torch.autocast(x.device.type, enabled=False):
            x, state = self.gru(x.to(next(self.gru.parameters()).dtype), state)
        return nn.functional.dropout(x, self.dropout, self.training), state

    def start(self, n_rows: int) -> Tensor:
        """Return the state before the first step, (1, B, E)."""
        return torch.zeros(1, n_rows, self.gru.hidden_size, device=next(self.gru.parameters()).device)


class Recurrent(Model):
    """Reads windows (B, C, T) of real numbers step by step; missing samples (NaN) count as the channel's mean."""

    Config = RecurrentConfig
    takes = "signal"
    config: RecurrentConfig

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.config = c = config
        self.input = ChannelInput(
            n_channels=c.n_channels, counts=c.counts, statistics=c.statistics, prior=c.prior,
            dropout=c.channel_dropout, noise=c.noise,
        )  # fmt: skip
        self.projection = nn.Linear(c.n_channels, c.width)
        make: type[GRULayer | StateSpace] = GRULayer if c.layer == "gru" else StateSpace
        self.layers = nn.ModuleList(make(width=c.width, dropout=c.dropout) for _ in range(c.n_layers))
        self.norm = nn.LayerNorm(c.width)
        self.pool = make_pool(c.pooling, c.width)
        self.head = nn.Linear(c.width, c.n_outputs)

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
            last_only: one output a window, of what `pooling` makes of its real steps.
            capture: hidden states of steps to keep; there is no attention.

        Raises:
            ConfigError: a window has other channels.
        """
        return self.from_embedded(
            self.embed(x), attention_mask=attention_mask, last_only=last_only, capture=capture
        )

    def embed(self, x: Tensor, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return the first features of steps (B, T, E); padding on the right reaches no real step."""
        check_channels(self, x)
        return self.projection(self.input(x.to(self.dtype)))

    def from_embedded(
        self,
        x: Tensor,
        *,
        attention_mask: Tensor | None = None,
        last_only: bool = False,
        capture: Capture | None = None,
    ) -> Tensor:
        """Return what `forward` does, given what `embed` returned."""
        keep = capture is not None and capture.hidden
        for layer in self.layers:
            if capture is not None and keep:
                capture.hidden_states.append(x)
            x, _ = layer(x)
        if capture is not None and keep:
            capture.hidden_states.append(x)
        return self._read(x, attention_mask, last_only)

    def features(self, x: Tensor, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return what the head reads of windows (B, C, T), (B, T, E); without a gradient."""
        return self.norm(self.begin(x, self.config.n_layers))

    @torch.no_grad()
    def begin(self, x: Tensor, n_blocks: int, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return the output of the first layers (B, T, E), from which `finish` continues; without a gradient."""
        x = self.embed(x)
        for layer in self.layers[:n_blocks]:
            x, _ = layer(x)
        return x

    def finish(
        self, x: Tensor, n_blocks: int, *, attention_mask: Tensor | None = None, last_only: bool = False
    ) -> Tensor:
        """Return what `forward` does, given the output of the first layers (B, T, E)."""
        for layer in self.layers[n_blocks:]:
            x, _ = layer(x)
        return self._read(x, attention_mask, last_only)

    def start(self, n_rows: int = 1) -> Stream:
        """Return the memory of `n_rows` signals that `step` reads one step at a time."""
        running = self.input.start(n_rows) if self.input.adapting else None
        layers: Iterable[Any] = self.layers
        return Stream(running, [layer.start(n_rows) for layer in layers])

    def step(self, x: Tensor, stream: Stream) -> Tensor:
        """Return the outputs (B, K) of the next step (B, C), equal to those of the whole signal up to it."""
        tokens = self.projection(self.input(x.unsqueeze(-1).to(self.dtype), stream.running))
        for number, layer in enumerate(self.layers):
            tokens, stream.cache[number] = layer(tokens, stream.cache[number])
        stream.seen += 1
        return self.head(self.norm(tokens))[:, 0]

    def _read(self, x: Tensor, attention_mask: Tensor | None, last_only: bool) -> Tensor:
        x = self.norm(x)
        if last_only:
            x = last_of(x, attention_mask) if self.pool is None else self.pool(x, attention_mask)
        return self.head(x)

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
    def receptive_field(self) -> None:
        """Steps that an output depends on: all that came before."""
        return None

    @torch.no_grad()
    def run(self, x: Tensor) -> Tensor:
        """Return the outputs (B, T, K) of signals (B, C, T) of any length."""
        return self(x)

    @property
    def blocks(self) -> list[nn.Module]:
        """The layers in their order."""
        return list(self.layers)

    @property
    def input_parts(self) -> list[nn.Module]:
        """Statistics and projection."""
        return [self.input, self.projection]

    @property
    def head_parts(self) -> list[nn.Module]:
        """The head, and the pooling before it."""
        return [part for part in (self.head, self.pool) if part is not None]

    @property
    def output_parts(self) -> list[nn.Module]:
        """Head, pooling and final norm."""
        return [*self.head_parts, self.norm]

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
        """Return a model with these layers, copied, and a new head, initialised by PyTorch's random numbers.

        Args:
            n_outputs: of the head.
            pooling: which features represent a window; None keeps the model's.
            scope: without effect: every step has features of its own.
            unmask_last: without effect: no layer looks ahead.
            dropout: between layers; None leaves the model's.

        Raises:
            ConfigError: a setting is out of range.
        """
        changed: dict[str, Any] = {"n_outputs": n_outputs, "pooling": pooling or self.config.pooling}
        if dropout is not None:
            changed["dropout"] = dropout
        return self.with_config(replace(self.config, **changed))
