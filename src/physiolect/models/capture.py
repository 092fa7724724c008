"""What a pass through a trunk keeps for explanation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from torch import Tensor


@dataclass
class Capture:
    """What a forward pass should keep for explanation; the pass fills it.

    Attention weights are computed eagerly, beside the pass's own attention, and no more of them than is asked for:
    layers, heads and queries, or the queries' weighted sum.
    """

    attention_layers: frozenset[int] = frozenset()
    """Layers, from 0, whose attention weights are kept."""
    hidden: bool = False
    """Keep the trunk's input and the output of every block."""
    heads: tuple[int, ...] | None = None
    """Heads, from 0, whose weights are kept, in this order; None keeps all."""
    queries: tuple[int, ...] | None = None
    """Positions of the pass, from 0, whose weights are kept, in this order; None keeps all that are computed."""
    shares: Tensor | None = None
    """(Q,): keep the sum of the queries' weights, each times its share, in place of every query's own."""
    cross: bool = False
    """Also keep the cross-attention of these layers."""
    attention: dict[int, Tensor] = field(default_factory=dict)
    """Layer -> weights (B, H, Q, S) after the softmax, keys in order of time; (B, H, 1, S) with `shares`."""
    crossed: list[Tensor] = field(default_factory=list)
    """Weights (B, H, Q, S) of the cross-attention of the layers that are kept, in their order."""
    hidden_states: list[Tensor] = field(default_factory=list)
    """(B, T, E) each: the input of block 0, then the output of each block, before the final norm."""

    @classmethod
    def of(
        cls,
        layers: Iterable[int] = (),
        *,
        hidden: bool = False,
        heads: Iterable[int] | None = None,
        queries: Iterable[int] | None = None,
        shares: Tensor | None = None,
    ) -> Capture:
        """Ask for the attention of these layers, heads and queries, and the hidden states if wanted."""
        return cls(
            frozenset(layers),
            hidden,
            None if heads is None else tuple(heads),
            None if queries is None else tuple(queries),
            shares,
        )
