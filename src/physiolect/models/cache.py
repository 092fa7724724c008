"""What attention has seen already: keys and values that are kept from pass to pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from physiolect.models.kernels import ring_attention

Positions: TypeAlias = slice | Tensor
"""Where the tokens of a pass stand: from and to, or one by one (T,)."""


@dataclass
class SourceCache:
    """Keys and values of a source, computed once, which one cross-attention reads in every pass."""

    keys: Tensor
    """(B, H, S, D)."""
    values: Tensor
    """(B, H, S, D)."""
    attention_mask: Tensor | None = None
    """(B, S), True where the source is real; None means everywhere."""

    def repeat(self, n: int) -> None:
        """Make `n` copies along the batch, so that samples share one source."""
        self.keys = self.keys.repeat_interleave(n, 0)
        self.values = self.values.repeat_interleave(n, 0)
        if self.attention_mask is not None:
            self.attention_mask = self.attention_mask.repeat_interleave(n, 0)


class LayerCache:
    """Keys and values one attention layer has seen, as a ring of `capacity` positions."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.seen = 0
        self._keys: Tensor | None = None
        self._values: Tensor | None = None

    def places(self, T: int) -> Positions:
        """Return the positions of the next T tokens."""
        return slice(self.seen, self.seen + T)

    def extend(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Add new keys and values (B, H, T, D) and return all those now held, in no particular order.

        Only a first fill may be longer than the ring, and only single steps may go round it.
        """
        B, H, T, D = k.shape
        assert T == 1 or self.seen == 0 or self.seen + T <= self.capacity
        if self._keys is None or self._values is None:
            self._keys = k.new_empty(B, H, self.capacity, D)
            self._values = v.new_empty(B, H, self.capacity, D)
        start = self.seen % self.capacity
        self.seen += T
        if T == 1:
            self._keys.narrow(2, start, 1).copy_(k)
            self._values.narrow(2, start, 1).copy_(v)
        else:
            kept = min(T, self.capacity)
            slots = torch.arange(self.seen - kept, self.seen, device=k.device) % self.capacity
            self._keys[:, :, slots] = k[:, :, T - kept :]
            self._values[:, :, slots] = v[:, :, T - kept :]
        held = min(self.seen, self.capacity)
        return self._keys.narrow(2, 0, held), self._values.narrow(2, 0, held)

    def repeat(self, n: int) -> None:
        """Make `n` copies along the batch, so that samples share one prefill."""
        if self._keys is not None and self._values is not None:
            self._keys = self._keys.repeat_interleave(n, 0)
            self._values = self._values.repeat_interleave(n, 0)

    def choose(self, rows: Tensor) -> None:
        """Keep the rows (B,) of the batch at these places, in this order: the beams that go on."""
        if self._keys is not None and self._values is not None:
            self._keys, self._values = self._keys[rows], self._values[rows]


class FixedCache(LayerCache):
    """A filled cache whose tensors stay in place and whose count lives on the device: for a step captured as a graph.

    Args:
        cache: what was held so far; from now on single steps alone are added.
        place: positions seen, (1,), int64; one tensor for all layers, counted on by whoever makes the steps.
    """

    def __init__(self, cache: LayerCache, place: Tensor) -> None:
        super().__init__(cache.capacity)
        assert cache._keys is not None
        assert cache._values is not None
        self.place, self.keys, self.values = place, cache._keys, cache._values
        self.refill(cache)

    def refill(self, cache: LayerCache) -> None:
        """Hold what another cache of this shape holds instead; `place` is whoever's who makes the steps."""
        assert cache._keys is not None
        assert cache._values is not None
        self.seen = cache.seen
        for held, new in ((self.keys, cache._keys), (self.values, cache._values)):
            held.copy_(new)
            held[:, :, cache.seen :] = 0  # weights of nothing would not hide what is not a number there

    def extend(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        raise AssertionError("a fixed cache is added to by `attend`")

    def repeat(self, n: int) -> None:
        raise AssertionError("a fixed cache keeps its shape")

    def places(self, T: int) -> Positions:
        """Return the position of the next token, (1,)."""
        assert T == 1
        return self.place

    def attend(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        """Add key and value (B, H, 1, D) of the next token, and return what its query sees of all that is held."""
        if ring_attention.wins(q):
            return ring_attention.attention(q, k, v, self.keys, self.values, self.place, scale=scale)
        slot = self.place % self.capacity
        self.keys.index_copy_(2, slot, k)
        self.values.index_copy_(2, slot, v)
        held = torch.arange(self.capacity, device=q.device) <= self.place  # (S,)
        return F.scaled_dot_product_attention(q, self.keys, self.values, held.unsqueeze(0), scale=scale)
