"""The parts of every transformer in the house beside attention: MLP, block, trunk. Each is written once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physiolect.errors import ConfigError
from physiolect.models.attention import Angles, Attention, last_of
from physiolect.models.cache import LayerCache, SourceCache
from physiolect.models.capture import Capture
from physiolect.models.dropout import drop

Activation = Literal["relu", "gelu", "silu", "relu2", "swiglu", "quick-gelu"]
Norm = Literal["layer", "rms"]

CPU_TOKENS = 1024
"""Positions a CPU takes through all blocks at once where no gradient is asked for: they stay in its cache."""

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,  # not in place: on the view a Linear returns, autograd would copy the whole gradient
    "gelu": F.gelu,
    "silu": F.silu,
    "relu2": lambda x: F.relu(x).square(),
    "swiglu": F.silu,
    "quick-gelu": lambda x: x * torch.sigmoid(1.702 * x),  # CLIP's
}


class MLP(nn.Module):
    """Two linear layers around an activation; "swiglu" gates a third (Shazeer 2020)."""

    def __init__(
        self, *, width: int, hidden: int, activation: Activation = "gelu", bias: bool = True
    ) -> None:
        super().__init__()
        self.activation = _ACTIVATIONS[activation]
        self.gated = activation == "swiglu"
        self.up = nn.Linear(width, 2 * hidden if self.gated else hidden, bias=bias)
        self.down = nn.Linear(hidden, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.up(x)
        if self.gated:
            gate, x = x.chunk(2, -1)
            return self.down(self.activation(gate) * x)
        return self.down(self.activation(x))


def make_norm(kind: Norm, width: int, *, bias: bool = True) -> nn.Module:
    """Return a LayerNorm or an RMSNorm of this width."""
    return nn.LayerNorm(width, bias=bias) if kind == "layer" else nn.RMSNorm(width, eps=1e-6)


class Block(nn.Module):
    """Pre-norm transformer block: x + attention(norm(x)), with `cross` x + cross(norm(x), source), x + MLP(norm(x))."""

    def __init__(
        self,
        *,
        attention: Attention,
        mlp: MLP,
        cross: Attention | None = None,
        norm: Norm = "layer",
        norm_bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.attention_norm = make_norm(norm, attention.width, bias=norm_bias)
        self.attention = attention
        self.cross_norm = None if cross is None else make_norm(norm, attention.width, bias=norm_bias)
        self.cross = cross
        self.mlp_norm = make_norm(norm, attention.width, bias=norm_bias)
        self.mlp = mlp
        self.dropout = dropout

    def forward(
        self,
        x: Tensor,
        *,
        cache: LayerCache | None = None,
        attention_mask: Tensor | None = None,
        source: Tensor | SourceCache | None = None,
        source_mask: Tensor | None = None,
        angles: Angles | None = None,
        positions: Tensor | None = None,
        last_only: bool = False,
        capture: Capture | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Map x (B, T, E) to the same shape, or to its last position; see `Attention.forward` for the arguments.

        `positions` (T, E) is added to x first. A block without cross-attention does not look at the source. What
        `capture` keeps is self-attention, and with its `cross` cross-attention too.
        """
        if positions is not None:
            x = x + positions
        attended, weights = self.attention(
            self.attention_norm(x),
            cache=cache,
            attention_mask=attention_mask,
            angles=angles,
            last_only=last_only,
            capture=capture,
        )
        x = (last_of(x, attention_mask) if last_only else x) + self._drop(attended)
        if self.cross is not None:
            assert self.cross_norm is not None
            seen = capture if capture is not None and capture.cross else None
            crossed, of_source = self.cross(
                self.cross_norm(x), source, attention_mask=source_mask, capture=seen
            )
            if seen is not None and of_source is not None:
                seen.crossed.append(of_source)
            x = x + self._drop(crossed)
        return x + self._drop(self.mlp(self.mlp_norm(x))), weights

    def _drop(self, x: Tensor) -> Tensor:
        return drop(x, self.dropout) if self.training else x


class Transformer(nn.Module):
    """The trunk: blocks one after another, then a final norm, or none where `norm` is None."""

    def __init__(
        self, blocks: Iterable[Block], *, norm: Norm | None = "layer", norm_bias: bool = True
    ) -> None:
        super().__init__()
        blocks = list(blocks)
        self.blocks = nn.ModuleList(blocks)
        width = blocks[0].attention.width
        self.norm = nn.Identity() if norm is None else make_norm(norm, width, bias=norm_bias)
        self.rotary = blocks[0].attention.rotary
        """What all blocks share, where positions are rotary."""
        self.is_cross = any(block.cross is not None for block in blocks)

    def forward(
        self,
        x: Tensor,
        *,
        cache: list[LayerCache] | None = None,
        attention_mask: Tensor | None = None,
        source: Tensor | list[SourceCache | None] | None = None,
        source_mask: Tensor | None = None,
        angles: Angles | None = None,
        positions: Tensor | None = None,
        capture: Capture | None = None,
        last_only: bool = False,
    ) -> Tensor:
        """Map x (B, T, E) to (B, T, E), or with `last_only` to the last position's (B, 1, E) at less cost.

        Args:
            x: input of the first block.
            cache: for each block, keys and values of earlier positions.
            attention_mask: (B, T), True or 1 at real positions, False or 0 at padding; None means all real. With
                `last_only` the last position is each row's last real one.
            source: what cross-attention reads: (B, S, E_source), or what `read_source` returned.
            source_mask: (B, S), the same of the source; it is inside what `read_source` returned.
            angles: of rotary positions; None means that tokens stand one after another.
            positions: (T, E), or (B, T, E) where rows differ, added to the input of every block.
            capture: attention weights and hidden states to keep.
            last_only: compute the last position alone in the last block.

        Raises:
            ConfigError: a source is missing or not expected, a mask has the wrong shape, or it comes with a cache.
        """
        self._check_source(source)
        alone = cache is None and capture is None and not torch.is_grad_enabled()
        if alone and x.device.type == "cpu" and x.shape[0] > max(1, CPU_TOKENS // x.shape[1]):
            beside = (attention_mask, source, source_mask)
            # what is read already stays whole, and what has other rows is refused by attention
            if all(each is None or (isinstance(each, Tensor) and len(each) == len(x)) for each in beside):
                return self._in_parts(x, *beside, angles=angles, positions=positions, last_only=last_only)
        capture = capture or Capture()
        if capture.hidden:
            capture.hidden_states.append(x)
        if self.rotary and angles is None:
            places = cache[0].places(x.shape[1]) if cache else slice(0, x.shape[1])
            angles = self.rotary.angles(places, x)
        last = len(self.blocks) - 1
        for i, block in enumerate(self.blocks):
            x, weights = block(
                x,
                cache=cache[i] if cache else None,
                attention_mask=attention_mask,
                source=source[i] if isinstance(source, list) else source,
                source_mask=source_mask,
                angles=angles,
                positions=positions,
                last_only=last_only and i == last,
                capture=capture if i in capture.attention_layers else None,
            )
            if weights is not None:
                capture.attention[i] = weights
            if capture.hidden:
                capture.hidden_states.append(x)
        return self.norm(x)

    def _check_source(self, source: Tensor | list[SourceCache | None] | None) -> None:
        if source is None and self.is_cross:
            raise ConfigError(
                "the trunk's cross-attention was given no source",
                hint="pass source, (B, S, E_source), or what read_source() returns",
            )
        if source is not None and not self.is_cross:
            raise ConfigError(
                "the trunk was given a source, but has no cross-attention",
                hint="leave source out, or build its blocks with cross=",
            )

    def _in_parts(
        self, x: Tensor, *beside: Any, angles: Angles | None, positions: Tensor | None, last_only: bool
    ) -> Tensor:
        """Return what `forward` does, a few rows at a time."""
        rows = max(1, CPU_TOKENS // x.shape[1])
        parts = []
        for first in range(0, len(x), rows):
            part = slice(first, first + rows)
            mask, source, source_mask = (None if each is None else each[part] for each in beside)
            own_angles = None if angles is None else (_rows(angles[0], part), _rows(angles[1], part))
            parts.append(
                self.forward(
                    x[part],
                    attention_mask=mask,
                    source=source,
                    source_mask=source_mask,
                    angles=own_angles,
                    positions=None if positions is None else _rows(positions, part),
                    last_only=last_only,
                )
            )
        return torch.cat(parts)

    def read_source(self, source: Tensor, source_mask: Tensor | None = None) -> list[SourceCache | None]:
        """Return the keys and values of a source (B, S, E_source) for each block, which many passes can then read.

        Args:
            source: what cross-attention reads.
            source_mask: (B, S), True or 1 where it is real; None means everywhere.
        """
        crosses = [block.cross for block in self.blocks if isinstance(block, Block)]
        return [None if cross is None else cross.read_source(source, source_mask) for cross in crosses]

    def finish(
        self,
        x: Tensor,
        *,
        first: int,
        attention_mask: Tensor | None = None,
        angles: Angles | None = None,
        positions: Tensor | None = None,
        last_only: bool = False,
    ) -> Tensor:
        """Map what came out of the first `first` blocks (B, T, E) to what `forward` returns, without a source."""
        if self.rotary and angles is None:
            angles = self.rotary.angles(slice(0, x.shape[1]), x)
        shared: dict[str, Any] = {
            "attention_mask": attention_mask, "angles": angles, "positions": positions
        }  # fmt: skip
        for block in self.blocks[first:-1]:
            x, _ = block(x, **shared)
        if first < len(self.blocks):
            x, _ = self.blocks[-1](x, last_only=last_only, **shared)
        elif last_only:
            x = last_of(x, attention_mask)
        return self.norm(x)


def _rows(beside: Tensor, part: slice) -> Tensor:
    """Return what stands beside some rows: all of a table (T, …) that they share, or theirs of one (B, T, …)."""
    return beside[part] if beside.ndim == 3 else beside
