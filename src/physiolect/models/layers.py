"""The parts of every transformer in the house: attention, MLP, block, positions, trunk. Each is written once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physiolect.models.cache import FixedCache, LayerCache, Positions
from physiolect.models.capture import Capture
from physiolect.models.dropout import drop
from physiolect.models.kernels import blocked_attention, fused_attention
from physiolect.models.kernels.blocked_attention import QUERY_BLOCK

Activation = Literal["relu", "gelu", "silu", "relu2", "swiglu"]
Norm = Literal["layer", "rms"]
Angles: TypeAlias = tuple[Tensor, Tensor]
"""Cosines and sines of rotary positions."""

CPU_TOKENS = 1024
"""Positions a CPU takes through all blocks at once where no gradient is asked for: they stay in its cache."""

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,  # not in place: on the view a Linear returns, autograd would copy the whole gradient
    "gelu": F.gelu,
    "silu": F.silu,
    "relu2": lambda x: F.relu(x).square(),
    "swiglu": F.silu,
}


class Rotary(nn.Module):
    """Rotary positions (Su et al. 2021, eq. 34): pairs of features turn by an angle growing with position."""

    def __init__(self, *, head_size: int, base: float = 10_000.0) -> None:
        super().__init__()
        self.head_size, self.base = head_size, base

    def angles(self, places: Positions, like: Tensor) -> Angles:
        """Return what all layers of a pass over these positions share, (T, D / 2) each, typed like a tensor.

        Computed in float64, since hours of signal outgrow float32.
        """
        features = torch.arange(0, self.head_size, 2, dtype=torch.float64, device=like.device)
        if isinstance(places, slice):
            places = torch.arange(places.start, places.stop, device=like.device)
        angle = places.double().outer(self.base ** (-features / self.head_size))
        return angle.cos().to(like.dtype), angle.sin().to(like.dtype)

    def forward(self, q: Tensor, k: Tensor, angles: Angles) -> tuple[Tensor, Tensor]:
        """Turn k (B, H, S, D) by the angles of its positions, and q (B, H, T, D) by the last of them."""
        cos, sin = (each.to(k.dtype) for each in angles)
        T = q.shape[-2]
        return self._turn(q, cos[-T:], sin[-T:]), self._turn(k, cos, sin)

    def _turn(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        even, odd = x.chunk(2, -1)
        return torch.cat((even * cos - odd * sin, even * sin + odd * cos), -1)


def causal_mask(
    n_queries: int, n_keys: int, *, band: int | None, device: torch.device, queries: Tensor | None = None
) -> Tensor:
    """Return the mask (queries, keys), True where a query may look; the last of both are one position.

    `queries` names some of the queries, from 0; None is all.
    """
    query = torch.arange(n_keys - n_queries, n_keys, device=device).unsqueeze(1)
    query = query if queries is None else query[queries]
    key = torch.arange(n_keys, device=device)
    mask = key <= query
    return mask if band is None else mask & (key > query - band)


class Attention(nn.Module):
    """Multi-head attention: self or cross, causal or not, banded or full.

    Args:
        width: features E of queries and output; a multiple of `n_heads`.
        n_heads: heads H; each sees width / n_heads features D.
        scale: factor on q k^T before the softmax; None is D^-0.5.
        causal: no query sees a later key.
        band: with `causal`, a query sees its own and the `band - 1` positions before.
        bias: of the q, k, v projections.
        output_bias: of the output projection.
        dropout: on the attention weights.
        rotary: positions turned into q and k; None adds none here.
        qk_norm: normalise q and k per head (Henry et al. 2020).
    """

    def __init__(
        self,
        *,
        width: int,
        n_heads: int,
        scale: float | None = None,
        causal: bool = True,
        band: int | None = None,
        bias: bool = False,
        output_bias: bool = True,
        dropout: float = 0.0,
        rotary: Rotary | None = None,
        qk_norm: bool = False,
    ) -> None:
        super().__init__()
        self.width, self.n_heads, self.head_size = width, n_heads, width // n_heads
        self.scale = self.head_size**-0.5 if scale is None else scale
        self.causal, self.band, self.dropout, self.rotary, self.qk_norm = (
            causal,
            band,
            dropout,
            rotary,
            qk_norm,
        )
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.projection = nn.Linear(width, width, bias=output_bias)

    def forward(
        self,
        x: Tensor,
        source: Tensor | None = None,
        *,
        cache: LayerCache | None = None,
        angles: Angles | None = None,
        last_only: bool = False,
        capture: Capture | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend from x (B, T, E) to itself, or to `source` (B, S, E).

        Args:
            x: queries' input.
            source: keys' and values' input; None is x.
            cache: keys and values of earlier positions, extended by this call.
            angles: of the keys' rotary positions; None computes them.
            last_only: compute the last query alone.
            capture: also return what it asks for of the weights, (B, H, Q, S).
        """
        q, k, v = self._project(x, source, last_only)  # (B, H, T or 1, D), (B, H, S, D) twice
        if self.qk_norm:
            q, k = F.rms_norm(q, (self.head_size,)), F.rms_norm(k, (self.head_size,))
        if self.rotary is not None:
            S = k.shape[-2]
            places = slice(0, S) if cache is None else cache.places(S)
            q, k = self.rotary(q, k, angles or self.rotary.angles(places, k))
        weights = None
        if isinstance(cache, FixedCache):
            assert capture is None
            out = cache.attend(q, k, v, self.scale)
        else:
            oldest = 0
            if cache is not None:
                first_fill = cache.seen == 0
                held = cache.extend(k, v)
                k, v = (k, v) if first_fill else held
                oldest = cache.seen % cache.capacity if cache.seen > cache.capacity and not first_fill else 0
            if capture is not None:
                weights = self._weights(q, k.roll(-oldest, -2) if oldest else k, capture, x.shape[1])
            out = self._attend(q, k, v)
        out = out.transpose(1, 2).flatten(2)  # (B, T, E)
        return self.projection(out), weights

    def _project(self, x: Tensor, source: Tensor | None, last_only: bool) -> tuple[Tensor, Tensor, Tensor]:
        if source is None and (not last_only or x.shape[1] == 1):
            q, k, v = self._heads(self.qkv(x), 3)
            return q, k, v
        E, weight, bias = self.width, self.qkv.weight, self.qkv.bias
        q_bias, kv_bias = (None, None) if bias is None else (bias[:E], bias[E:])
        (q,) = self._heads(F.linear(x[:, -1:] if last_only else x, weight[:E], q_bias), 1)
        k, v = self._heads(F.linear(x if source is None else source, weight[E:], kv_bias), 2)
        return q, k, v

    def _heads(self, x: Tensor, n: int) -> tuple[Tensor, ...]:
        """Split (B, T, n E) into n of (B, H, T, D) without copying."""
        B, T, _ = x.shape
        return tuple(part.transpose(1, 2) for part in x.view(B, T, n, self.n_heads, self.head_size).unbind(2))

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        if not self._needs_mask(q, k):
            return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=self.scale)
        for kernel in (blocked_attention, fused_attention):
            if kernel.wins(q, k, dropout):
                return kernel.attention(q, k, v, scale=self.scale, band=self.band, dropout=dropout)
        if q.shape[-2] == k.shape[-2] and self.band is None:
            return F.scaled_dot_product_attention(
                q, k, v, dropout_p=dropout, scale=self.scale, is_causal=True
            )
        mask = causal_mask(q.shape[-2], k.shape[-2], band=self.band, device=q.device)
        return F.scaled_dot_product_attention(q, k, v, mask, dropout_p=dropout, scale=self.scale)

    def _weights(self, q: Tensor, k: Tensor, capture: Capture, T: int) -> Tensor:
        """Return the weights (B, H, Q, S) asked for, of the last queries of T; a sum of them is made block by block."""
        if capture.heads is not None:
            q, k = q[:, list(capture.heads)], k[:, list(capture.heads)]
        n, S = q.shape[-2], k.shape[-2]
        first = T - n  # with `last_only` the others are not there
        asked = range(first, T) if capture.queries is None else capture.queries
        assert all(first <= each < T for each in asked)
        rows = torch.tensor(asked, device=q.device) - first  # (Q,)
        if capture.shares is None:
            return self._softmax(q, k, rows)
        total = q.new_zeros(*q.shape[:2], 1, S)
        shares = capture.shares.to(q)
        for part, share in zip(rows.split(QUERY_BLOCK), shares.split(QUERY_BLOCK), strict=True):
            total += share.view(1, 1, 1, -1) @ self._softmax(q, k, part)  # (B, H, 1, S)
        return total

    def _softmax(self, q: Tensor, k: Tensor, rows: Tensor) -> Tensor:
        """Return the weights of some of the queries, (B, H, Q, S)."""
        scores = q[:, :, rows] @ k.transpose(-2, -1) * self.scale
        if self.causal:
            mask = causal_mask(q.shape[-2], k.shape[-2], band=self.band, device=q.device, queries=rows)
            scores.masked_fill_(~mask, -math.inf)
        return scores.softmax(-1)

    def _needs_mask(self, q: Tensor, k: Tensor) -> bool:
        """A lone last query may see everything that is held, unless the band is shorter than that."""
        return self.causal and (q.shape[-2] > 1 or (self.band is not None and k.shape[-2] > self.band))


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
    """Pre-norm transformer block: x + attention(norm(x)), then x + MLP(norm(x))."""

    def __init__(
        self,
        *,
        attention: Attention,
        mlp: MLP,
        norm: Norm = "layer",
        norm_bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.attention_norm = make_norm(norm, attention.width, bias=norm_bias)
        self.attention = attention
        self.mlp_norm = make_norm(norm, attention.width, bias=norm_bias)
        self.mlp = mlp
        self.dropout = dropout

    def forward(
        self,
        x: Tensor,
        *,
        cache: LayerCache | None = None,
        angles: Angles | None = None,
        last_only: bool = False,
        capture: Capture | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        attended, weights = self.attention(
            self.attention_norm(x), cache=cache, angles=angles, last_only=last_only, capture=capture
        )
        x = (x[:, -1:] if last_only else x) + self._drop(attended)
        return x + self._drop(self.mlp(self.mlp_norm(x))), weights

    def _drop(self, x: Tensor) -> Tensor:
        return drop(x, self.dropout) if self.training else x


class Transformer(nn.Module):
    """The trunk: blocks one after another, then a final norm."""

    def __init__(self, blocks: Iterable[Block], *, norm: Norm = "layer", norm_bias: bool = True) -> None:
        super().__init__()
        blocks = list(blocks)
        self.blocks = nn.ModuleList(blocks)
        self.norm = make_norm(norm, blocks[0].attention.width, bias=norm_bias)
        self.rotary = blocks[0].attention.rotary
        """What all blocks share, where positions are rotary."""

    def forward(
        self,
        x: Tensor,
        *,
        cache: list[LayerCache] | None = None,
        capture: Capture | None = None,
        last_only: bool = False,
    ) -> Tensor:
        """Map x (B, T, E) to (B, T, E), or with `last_only` to the last position's (B, 1, E) at less cost."""
        rows = max(1, CPU_TOKENS // x.shape[1])
        alone = cache is None and capture is None and not torch.is_grad_enabled()
        if alone and x.device.type == "cpu" and x.shape[0] > rows:
            return torch.cat([self.forward(part, last_only=last_only) for part in x.split(rows)])
        capture = capture or Capture()
        if capture.hidden:
            capture.hidden_states.append(x)
        places = cache[0].places(x.shape[1]) if cache else slice(0, x.shape[1])
        angles = self.rotary.angles(places, x) if self.rotary else None
        last = len(self.blocks) - 1
        for i, block in enumerate(self.blocks):
            x, weights = block(
                x,
                cache=cache[i] if cache else None,
                angles=angles,
                last_only=last_only and i == last,
                capture=capture if i in capture.attention_layers else None,
            )
            if weights is not None:
                capture.attention[i] = weights
            if capture.hidden:
                capture.hidden_states.append(x)
        return self.norm(x)

    def finish(self, x: Tensor, *, first: int, last_only: bool = False) -> Tensor:
        """Map what came out of the first `first` blocks (B, T, E) to what `forward` returns."""
        angles = self.rotary.angles(slice(0, x.shape[1]), x) if self.rotary else None
        for block in self.blocks[first:-1]:
            x, _ = block(x, angles=angles)
        if first < len(self.blocks):
            x, _ = self.blocks[-1](x, angles=angles, last_only=last_only)
        return self.norm(x[:, -1:] if last_only else x)
