"""The decoder: a GPT over signal levels, with learned or rotary positions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Literal, Self

import torch
from torch import Tensor, nn

from physiolect.errors import ConfigError
from physiolect.models.attention import Attention, Rotary
from physiolect.models.cache import LayerCache
from physiolect.models.capture import Capture
from physiolect.models.heads import POOLINGS, Pooling, make_pool
from physiolect.models.layers import MLP, Activation, Block, Norm, Transformer
from physiolect.models.model import Model
from physiolect.tasks import Scope


@dataclass(frozen=True)
class GPTConfig:
    """Everything that decides the shape and the maths of a decoder."""

    vocabulary_size: int = 101
    """Number of token ids."""
    context_length: int = 500
    """Most tokens seen at once in training, and ever with learned positions."""
    width: int = 64
    """Features of the residual stream."""
    n_layers: int = 8
    """Blocks."""
    n_heads: int = 4
    """Attention heads; divides `width`."""
    mlp_width: int = 256
    """Hidden features of each block's MLP."""
    positions: Literal["learned", "rotary"] = "rotary"
    """A learned table added to the input, or rotary angles in every layer."""
    rotary_base: float = 10_000.0
    """Slowest rotary wavelength is about 2 pi times this many samples."""
    band: int | None = None
    """Each position sees this many latest positions, itself included; None sees all before it."""
    attention_scale: float | None = None
    """Factor before the softmax; None is (width / n_heads)^-0.5."""
    qk_norm: bool = False
    """Normalise queries and keys per head."""
    activation: Activation = "gelu"
    """Of the MLP."""
    norm: Norm = "layer"
    """LayerNorm or RMSNorm."""
    bias: bool = True
    """Biases in norms, MLP and the attention's output."""
    head_bias: bool = True
    """Bias of the output head."""
    tied: bool = False
    """Output head shares the token table."""
    attention_dropout: float = 0.0
    """On attention weights."""
    residual_dropout: float = 0.0
    """After attention and after the MLP."""
    initialisation: Literal["torch", "scaled"] = "scaled"
    """PyTorch's defaults, or normal(0, 0.02) with residual branches scaled by (2 n_layers)^-0.5 (GPT-2)."""
    n_outputs: int | None = None
    """Outputs a position; None is one logit a token id, 1 a single logit (detection heads)."""
    pooling: Pooling = "last"
    """With `n_outputs`, whose features speak for a window: the last position's, the mean, or a learnt mean."""
    unmask_last: bool = False
    """With `n_outputs`, the last block looks ahead too (an option of Davies et al. 2024)."""

    def __post_init__(self) -> None:
        problems = self.problems()
        if problems:
            raise ConfigError("; ".join(problems), hint="mend the model's settings, or start from a preset")

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        sizes = ("vocabulary_size", "context_length", "width", "n_layers", "n_heads", "mlp_width")
        found = [
            f"{name} is {getattr(self, name)}, but must be at least 1"
            for name in sizes
            if getattr(self, name) < 1
        ]
        if not found and self.width % self.n_heads:
            found.append(f"width {self.width} is no multiple of n_heads {self.n_heads}")
        elif not found and self.positions == "rotary" and self.width // self.n_heads % 2:
            found.append(f"rotary positions need an even head size, got {self.width // self.n_heads}")
        if self.band is not None and self.band < 1:
            found.append(f"band is {self.band}, but must be at least 1")
        for name in ("attention_dropout", "residual_dropout"):
            if not 0 <= getattr(self, name) < 1:
                found.append(f"{name} is {getattr(self, name)}, but must be in [0, 1)")
        if not 0 < self.rotary_base < inf:
            found.append(f"rotary_base is {self.rotary_base}, but must be above 0")
        if self.attention_scale is not None and not 0 < self.attention_scale < inf:
            found.append(f"attention_scale is {self.attention_scale}, but must be above 0")
        if self.n_outputs is not None and self.n_outputs < 1:
            found.append(f"n_outputs is {self.n_outputs}, but must be at least 1, or none for one a token id")
        if self.tied and self.n_outputs not in (None, self.vocabulary_size):
            found.append("a tied head has one output a token id, so n_outputs must stay empty")
        if self.pooling not in POOLINGS:
            found.append(f"pooling is '{self.pooling}', which is not one of {', '.join(POOLINGS)}")
        if self.n_outputs is None and (self.pooling != "last" or self.unmask_last):
            found.append("pooling and unmask_last are for heads: without n_outputs a model forecasts")
        return found


class GPT(Model):
    """Predicts the next token id at every position, or with `n_outputs` what its head has learnt."""

    Config = GPTConfig
    takes = "levels"
    config: GPTConfig

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        c = config
        self.tokens = nn.Embedding(c.vocabulary_size, c.width)
        self.positions = nn.Embedding(c.context_length, c.width) if c.positions == "learned" else None
        rotary = (
            Rotary(head_size=c.width // c.n_heads, base=c.rotary_base) if c.positions == "rotary" else None
        )
        blocks = [
            Block(
                attention=Attention(
                    width=c.width, n_heads=c.n_heads, scale=c.attention_scale, band=c.band, output_bias=c.bias,
                    dropout=c.attention_dropout, rotary=rotary, qk_norm=c.qk_norm,
                    causal=not (c.unmask_last and i == c.n_layers - 1),
                ),
                mlp=MLP(width=c.width, hidden=c.mlp_width, activation=c.activation, bias=c.bias),
                norm=c.norm,
                norm_bias=c.bias,
                dropout=c.residual_dropout,
            )
            for i in range(c.n_layers)
        ]  # fmt: skip
        self.trunk = Transformer(blocks, norm=c.norm, norm_bias=c.bias)
        self.head = nn.Linear(c.width, c.n_outputs or c.vocabulary_size, bias=c.head_bias)
        self.pool = make_pool(c.pooling, c.width)
        if c.initialisation == "scaled":
            self._initialise()
        if c.tied:
            self.head.weight = self.tokens.weight

    def forward(
        self,
        ids: Tensor,
        *,
        attention_mask: Tensor | None = None,
        cache: list[LayerCache] | None = None,
        capture: Capture | None = None,
        last_only: bool = False,
    ) -> Tensor:
        """Return logits (B, T, V) for ids (B, T), or with `last_only` (B, 1, V) for the window as a whole.

        Args:
            ids: token ids, integers; at padding any valid id.
            attention_mask: (B, T), True or 1 at real positions, False or 0 at padding; None means all real. A row gets
                at its real positions, and from `pooling`, what it gets alone. Padding stands on the right; with rotary
                positions it may stand on the left.
            cache: from `new_cache`; positions then continue where it stands. It takes no mask.
            capture: attention weights and hidden states to keep.
            last_only: one output a window, of what `pooling` makes of its real positions; for the last position alone,
                the last block computes nothing else.

        Raises:
            ConfigError: learned positions do not reach that far; there is a cache and the last block looks ahead; the
                mask has another shape, or comes with a cache.
        """
        if cache is not None:
            self._refuse_looking_ahead()
        return self.from_embedded(
            self.embed(ids), attention_mask=attention_mask, cache=cache, capture=capture, last_only=last_only
        )

    def embed(self, x: Tensor, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return the token table's rows for ids (B, T), (B, T, E), without positions."""
        return self.tokens(x)

    def from_embedded(
        self,
        x: Tensor,
        *,
        attention_mask: Tensor | None = None,
        cache: list[LayerCache] | None = None,
        capture: Capture | None = None,
        last_only: bool = False,
    ) -> Tensor:
        """Return what `forward` does, given what `embed` returned."""
        if self.positions is not None:
            T = x.shape[1]
            start = cache[0].seen if cache else 0
            stop = start + T
            if stop > self.config.context_length:
                raise ConfigError(
                    f"{stop} positions, but the model's learned positions end at {self.config.context_length}",
                    hint="pass the last tokens only, or use a model with rotary positions",
                )
            x = x + self.positions.weight[cache[0].places(T) if cache else slice(stop)]
        alone = last_only and self.pool is None
        x = self.trunk(
            x, cache=cache, attention_mask=attention_mask, capture=capture, last_only=alone
        )  # (B, T or 1, E)
        return self._read(x, last_only, attention_mask)

    @torch.no_grad()
    def begin(self, ids: Tensor, n_blocks: int, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return the output of the first blocks (B, T, E), from which `finish` continues; without a gradient."""
        capture = Capture.of(hidden=True)
        self(ids, attention_mask=attention_mask, capture=capture)
        return capture.hidden_states[n_blocks]

    def finish(
        self, x: Tensor, n_blocks: int, *, attention_mask: Tensor | None = None, last_only: bool = False
    ) -> Tensor:
        """Return what `forward` does, given the output of the first blocks (B, T, E)."""
        alone = last_only and self.pool is None
        x = self.trunk.finish(x, first=n_blocks, attention_mask=attention_mask, last_only=alone)
        return self._read(x, last_only, attention_mask)

    def new_cache(self) -> list[LayerCache]:
        """Return an empty key-value cache: a ring of `band` positions, or of the whole context without a band.

        Raises:
            ConfigError: the last block looks ahead.
        """
        self._refuse_looking_ahead()
        capacity = self.config.band or self.config.context_length
        return [LayerCache(capacity) for _ in range(self.config.n_layers)]

    @property
    def causal(self) -> bool:
        """Whether no output depends on later positions."""
        return not self.config.unmask_last

    @property
    def blocks(self) -> list[nn.Module]:
        """The transformer blocks in their order."""
        return list(self.trunk.blocks)

    @property
    def input_parts(self) -> list[nn.Module]:
        """The token table, and the table of learned positions."""
        return [part for part in (self.tokens, self.positions) if part is not None]

    @property
    def head_parts(self) -> list[nn.Module]:
        """The head, and the pooling before it."""
        return [part for part in (self.head, self.pool) if part is not None]

    @property
    def output_parts(self) -> list[nn.Module]:
        """Head, pooling and final norm."""
        return [*self.head_parts, self.trunk.norm]

    def features(self, x: Tensor, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return what the last norm makes of ids (B, T), (B, T, E); without a gradient."""
        return self.trunk.norm(self.begin(x, self.config.n_layers, attention_mask=attention_mask))

    def probe(self) -> Tensor:
        """Return a fixed wandering sequence of ids (1, T)."""
        step = torch.arange(self.config.context_length, device=self.device)
        return ((step * step * 7 + step * 3) % min(self.config.vocabulary_size, 101)).unsqueeze(0)

    def with_head(  # type: ignore[override]
        self,
        *,
        n_outputs: int,
        scope: Scope = "window",
        pooling: Pooling | None = None,
        unmask_last: bool = False,
        dropout: float | None = None,
    ) -> Self:
        """Return a model with this trunk, copied, and a new head, initialised by PyTorch's random numbers.

        Args:
            n_outputs: of the head.
            scope: without effect, since a decoder has outputs of every position.
            pooling: which features represent a window; the last position's where it is None.
            unmask_last: let the last block look ahead.
            dropout: of attention weights and of branches; None leaves the model's.

        Raises:
            ConfigError: a setting is out of range.
        """
        config = replace(
            self.config,
            n_outputs=n_outputs,
            pooling=pooling or "last",
            unmask_last=unmask_last,
            tied=False,
            head_bias=True,
        )
        if dropout is not None:
            config = replace(config, attention_dropout=dropout, residual_dropout=dropout)
        fresh = type(self)(config).to(self.tokens.weight)
        own, kept = fresh.state_dict(), self.state_dict()
        head = ("head.", "pool.")
        fresh.load_state_dict(
            {name: value for name, value in own.items() if name.startswith(head)}
            | {name: value for name, value in kept.items() if not name.startswith(head)}
        )
        return fresh

    def _read(self, x: Tensor, last_only: bool, attention_mask: Tensor | None) -> Tensor:
        """Map the trunk's features (B, T or 1, E) to outputs."""
        return self.head(self.pool(x, attention_mask) if last_only and self.pool is not None else x)

    def _refuse_looking_ahead(self) -> None:
        if self.config.unmask_last:
            raise ConfigError(
                "the model's last block looks ahead, so no position can be kept before the next is known",
                hint="pass whole windows, or use a model whose last block is causal",
            )

    def _initialise(self) -> None:
        residual = 0.02 / (2 * self.config.n_layers) ** 0.5
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                branch_end = name.endswith(("attention.projection", "mlp.down"))
                nn.init.normal_(module.weight, std=residual if branch_end else 0.02)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)


_HEARTGPT = GPTConfig(
    n_heads=8,
    positions="learned",
    attention_scale=64**-0.5,  # of the width, not of the head size: as published
    activation="relu",
    attention_dropout=0.2,
    residual_dropout=0.2,
    initialisation="torch",
)

GPT_PRESETS: dict[str, GPTConfig] = {
    "heartgpt-ecg": _HEARTGPT,
    "heartgpt-ppg": replace(_HEARTGPT, vocabulary_size=102),
    "modern": GPTConfig(activation="swiglu", mlp_width=170, norm="rms", bias=False, band=125),
}
"""Decoders by name. The two published ones are Davies et al. 2024 to the letter; "modern" is ours
(chosen by the table "Choosing the modern preset" in docs/results.md)."""
