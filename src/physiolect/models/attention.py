"""Attention, written once: self or cross, causal or not, padded or not; and rotary positions."""

from __future__ import annotations

import math
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physiolect.errors import ConfigError
from physiolect.models.cache import FixedCache, LayerCache, Positions, SourceCache
from physiolect.models.capture import Capture
from physiolect.models.kernels import blocked_attention, fused_attention, short_attention
from physiolect.models.kernels.blocked_attention import QUERY_BLOCK

Angles: TypeAlias = tuple[Tensor, Tensor]
"""Cosines and sines of rotary positions."""


class Rotary(nn.Module):
    """Rotary positions (Su et al. 2021, eq. 34): pairs of features turn by an angle growing with position."""

    def __init__(self, *, head_size: int, base: float = 10_000.0) -> None:
        super().__init__()
        self.head_size, self.base = head_size, base

    def angles(self, places: Positions, like: Tensor) -> Angles:
        """Return what all layers of a pass over these positions share, (T, D / 2) each, typed like a tensor.

        Positions (B, T) of each row give (B, T, D / 2). Computed in float64, since hours of signal outgrow float32.
        """
        features = torch.arange(0, self.head_size, 2, dtype=torch.float64, device=like.device)
        if isinstance(places, slice):
            places = torch.arange(places.start, places.stop, device=like.device)
        angle = places.double().unsqueeze(-1) * self.base ** (-features / self.head_size)
        return angle.cos().to(like.dtype), angle.sin().to(like.dtype)

    def forward(
        self, q: Tensor, k: Tensor, angles: Angles, last: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Turn k (B, H, S, D) by the angles of its positions, and q (B, H, T, D) by the last of them.

        With `last` (B,), q is (B, H, 1, D) and each row turns by the angles of its own position.
        """
        cos, sin = ((each if each.ndim == 2 else each.unsqueeze(1)).to(k.dtype) for each in angles)
        T = q.shape[-2]
        own = [each[..., -T:, :] if last is None else each[last][:, None, None] for each in (cos, sin)]
        return self._turn(q, *own), self._turn(k, cos, sin)

    def _turn(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        even, odd = x.chunk(2, -1)
        return torch.cat((even * cos - odd * sin, even * sin + odd * cos), -1)


def causal_mask(
    n_queries: int, n_keys: int, *, band: int | None, device: torch.device, queries: Tensor | None = None
) -> Tensor:
    """Return the mask (queries, keys), True where a query may look; the last of both are one position.

    `queries` names some of the queries, from 0; None means all.
    """
    query = torch.arange(n_keys - n_queries, n_keys, device=device).unsqueeze(1)
    return _seen_from(query if queries is None else query[queries], n_keys, band)


def _seen_from(query: Tensor, n_keys: int, band: int | None) -> Tensor:
    """Return which keys the queries at these positions (..., 1) may look at, (..., S)."""
    key = torch.arange(n_keys, device=query.device)
    mask = key <= query
    return mask if band is None else mask & (key > query - band)


def last_of(x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
    """Return the last position of x (B, T, E), or with a mask (B, T) each row's last real one, (B, 1, E)."""
    if attention_mask is None:
        return x[:, -1:]
    return x.take_along_dim(_last_place(attention_mask).view(-1, 1, 1), 1)


def _last_place(attention_mask: Tensor) -> Tensor:
    """Return each row's last real position, (B,); 0 in a row of padding only."""
    places = torch.arange(attention_mask.shape[1], device=attention_mask.device)
    return (places * attention_mask.bool()).amax(1)


class Attention(nn.Module):
    """Multi-head attention: self or cross, causal or not, banded or full, padded or not.

    Self-attention has one projection `qkv`. Cross-attention, with a `source_width`, has `q` and `kv`.

    Args:
        width: features E of queries and output; a multiple of `n_heads`.
        n_heads: heads H; each sees width / n_heads features D.
        source_width: features of the source that keys and values are made from, which makes this cross-attention;
            None means self-attention.
        scale: factor on q k^T before the softmax; None means D^-0.5.
        post_scale: factor on the weights after the softmax, whose rows then add up to it.
        causal: no query sees a later key; None means True for self-attention and False for cross-attention. Where a
            causal cross-attention has T queries and S keys, the last of both are one position.
        band: with `causal`, a query sees its own and the `band - 1` positions before.
        bias: of the q, k, v projections.
        output_bias: of the output projection.
        dropout: on the attention weights.
        rotary: positions turned into q and k; None adds none here.
        qk_norm: normalise q and k per head (Henry et al. 2020).

    Raises:
        ConfigError: cross-attention with rotary positions.
    """

    def __init__(
        self,
        *,
        width: int,
        n_heads: int,
        source_width: int | None = None,
        scale: float | None = None,
        post_scale: float = 1.0,
        causal: bool | None = None,
        band: int | None = None,
        bias: bool = False,
        output_bias: bool = True,
        dropout: float = 0.0,
        rotary: Rotary | None = None,
        qk_norm: bool = False,
    ) -> None:
        super().__init__()
        if source_width is not None and rotary is not None:
            raise ConfigError(
                "rotary positions measure distances within one sequence, but cross-attention looks at another",
                hint="leave rotary out of the cross-attention; the source has its own positions",
            )
        self.width, self.n_heads, self.head_size = width, n_heads, width // n_heads
        self.source_width = source_width
        self.scale = self.head_size**-0.5 if scale is None else scale
        self.post_scale = post_scale
        self.causal = source_width is None if causal is None else causal
        self.band, self.dropout, self.rotary, self.qk_norm = band, dropout, rotary, qk_norm
        if source_width is None:
            self.qkv = nn.Linear(width, 3 * width, bias=bias)
        else:
            self.q = nn.Linear(width, width, bias=bias)
            self.kv = nn.Linear(source_width, 2 * width, bias=bias)
        self.projection = nn.Linear(width, width, bias=output_bias)

    def forward(
        self,
        x: Tensor,
        source: Tensor | SourceCache | None = None,
        *,
        cache: LayerCache | None = None,
        attention_mask: Tensor | None = None,
        angles: Angles | None = None,
        last_only: bool = False,
        capture: Capture | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend from x (B, T, E) to itself, or in cross-attention to a source.

        A padded row gets at its real positions what it gets alone, whatever finite numbers the padding holds. Padding
        may stand on either side; with learned positions it must stand on the right. A query that sees no real key
        gets zeros before the output projection.

        Args:
            x: queries' input.
            source: in cross-attention keys' and values' input (B, S, source_width), or what `read_source` made of it.
            cache: in self-attention keys and values of earlier positions, extended by this call.
            attention_mask: (B, S), True or 1 at real keys, False or 0 at padding; None means all real. The mask of a
                `SourceCache` is inside it. Where nothing is causal also (B, T, S): which keys each query may see.
            angles: of the keys' rotary positions; None computes them.
            last_only: compute the last query alone; in self-attention with a mask, each row's last real one.
            capture: also return what it asks for of the weights, (B, H, Q, S), before `post_scale`.

        Raises:
            ConfigError: a source is missing or not expected, the mask has the wrong shape, or it comes with a cache.
        """
        if self.source_width is not None:
            return self._cross(x, source, cache, attention_mask, last_only, capture)
        if source is not None:
            raise ConfigError(
                "self-attention was given a source",
                hint="build the Attention with source_width=source.shape[-1]",
            )
        last = None
        if attention_mask is not None:
            attention_mask = _checked(attention_mask, x, cache)
            last = _last_place(attention_mask) if last_only else None
        q, k, v = self._project(x, last_only, last)  # (B, H, T or 1, D), (B, H, S, D) twice
        if self.qk_norm:
            q, k = self._normed(q), self._normed(k)
        if self.rotary is not None:
            S = k.shape[-2]
            places = slice(0, S) if cache is None else cache.places(S)
            q, k = self.rotary(q, k, angles or self.rotary.angles(places, k), last)
        if isinstance(cache, FixedCache):
            assert capture is None
            return self._output(cache.attend(q, k, v, self.scale)), None
        oldest = 0
        if cache is not None:
            k, v, oldest = _extended(cache, k, v)
        weights = None
        if capture is not None:
            in_time = k.roll(-oldest, -2) if oldest else k
            weights = self._weights(q, in_time, capture, x.shape[1], attention_mask, last)
        return self._output(self._attend(q, k, v, attention_mask, last)), weights

    def read_source(self, source: Tensor, attention_mask: Tensor | None = None) -> SourceCache:
        """Return the keys and values of a source (B, S, source_width), which any number of passes can then read.

        Args:
            source: their input.
            attention_mask: (B, S), True or 1 where the source is real; None means everywhere.

        Raises:
            ConfigError: this is self-attention, or the mask has the wrong shape.
        """
        if self.source_width is None:
            raise ConfigError(
                "self-attention has no source to read", hint="build the Attention with source_width"
            )
        if attention_mask is not None:
            attention_mask = _checked(attention_mask, source)
        k, v = self._heads(self.kv(source), 2)
        return SourceCache(self._normed(k) if self.qk_norm else k, v, attention_mask)

    def _cross(
        self,
        x: Tensor,
        source: Tensor | SourceCache | None,
        cache: LayerCache | None,
        attention_mask: Tensor | None,
        last_only: bool,
        capture: Capture | None,
    ) -> tuple[Tensor, Tensor | None]:
        if source is None:
            raise ConfigError(
                "cross-attention was given no source",
                hint="pass source, (B, S, source_width), or what read_source() returns",
            )
        if cache is not None or (attention_mask is not None and isinstance(source, SourceCache)):
            raise ConfigError(
                "cross-attention keeps keys, values and their mask in a SourceCache, and takes no other cache or mask",
                hint="pass the mask to read_source(), and its result as source",
            )
        if not isinstance(source, SourceCache):
            source = self.read_source(source, attention_mask)
        (q,) = self._heads(self.q(x[:, -1:] if last_only else x), 1)
        if self.qk_norm:
            q = self._normed(q)
        k, v, mask = source.keys, source.values, source.attention_mask
        if mask is None and self.causal and q.shape[-2] > k.shape[-2]:  # the first queries see nothing
            mask = torch.ones(k.shape[0], k.shape[-2], dtype=torch.bool, device=k.device)
        weights = None if capture is None else self._weights(q, k, capture, x.shape[1], mask)
        return self._output(self._attend(q, k, v, mask)), weights

    def _project(self, x: Tensor, last_only: bool, last: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        if not last_only or x.shape[1] == 1:
            q, k, v = self._heads(self.qkv(x), 3)
            return q, k, v
        E, weight, bias = self.width, self.qkv.weight, self.qkv.bias
        q_bias, kv_bias = (None, None) if bias is None else (bias[:E], bias[E:])
        own = x[:, -1:] if last is None else x.take_along_dim(last.view(-1, 1, 1), 1)
        (q,) = self._heads(F.linear(own, weight[:E], q_bias), 1)
        k, v = self._heads(F.linear(x, weight[E:], kv_bias), 2)
        return q, k, v

    def _heads(self, x: Tensor, n: int) -> tuple[Tensor, ...]:
        """Split (B, T, n E) into n of (B, H, T, D) without copying."""
        B, T, _ = x.shape
        return tuple(part.transpose(1, 2) for part in x.view(B, T, n, self.n_heads, self.head_size).unbind(2))

    def _normed(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (self.head_size,))

    def _output(self, out: Tensor) -> Tensor:
        out = out.transpose(1, 2).flatten(2)  # (B, T, E)
        if self.post_scale == 1:
            return self.projection(out)
        # on the output's weight, (E, E), it costs less than on the weights, (B, H, T, S)
        return F.linear(out, self.projection.weight * self.post_scale, self.projection.bias)

    def _attend(
        self, q: Tensor, k: Tensor, v: Tensor, attention_mask: Tensor | None, last: Tensor | None = None
    ) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        if attention_mask is not None:
            visible = self._visible(q, k, attention_mask, last)  # (B, 1, T or 1, S)
            blind = ~visible.any(-1, keepdim=True)  # a softmax over nothing would be no number
            out = F.scaled_dot_product_attention(
                q, k, v, visible | blind, dropout_p=dropout, scale=self.scale
            )
            return out.masked_fill(blind, 0)
        if not self._needs_mask(q, k):
            if short_attention.wins(q, k):
                return short_attention.attention(q, k, v, scale=self.scale, dropout=dropout)
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

    def _visible(
        self, q: Tensor, k: Tensor, attention_mask: Tensor, last: Tensor | None, rows: Tensor | None = None
    ) -> Tensor:
        """Return the keys that each query, or some of them, may look at, (B, 1, Q or 1, S)."""
        S = k.shape[-2]
        if attention_mask.ndim == 3:
            assert not self.causal
            return (attention_mask if rows is None else attention_mask[:, rows]).unsqueeze(1)  # (B, 1, Q, S)
        real = attention_mask[:, None, None]  # (B, 1, 1, S)
        if not self.causal:
            return real
        if last is not None:
            return real & _seen_from(last.view(-1, 1, 1, 1), S, self.band)
        return real & causal_mask(q.shape[-2], S, band=self.band, device=q.device, queries=rows)

    def _weights(
        self,
        q: Tensor,
        k: Tensor,
        capture: Capture,
        T: int,
        attention_mask: Tensor | None,
        last: Tensor | None = None,
    ) -> Tensor:
        """Return the weights (B, H, Q, S) asked for, of the last queries of T; a sum of them is made block by block."""
        if capture.heads is not None:
            q, k = q[:, list(capture.heads)], k[:, list(capture.heads)]
        n, S = q.shape[-2], k.shape[-2]
        first = T - n  # with `last_only` the others are not there
        asked = range(first, T) if capture.queries is None else capture.queries
        assert all(first <= each < T for each in asked)
        rows = torch.tensor(asked, device=q.device) - first  # (Q,)
        if capture.shares is None:
            return self._softmax(q, k, rows, attention_mask, last)
        total = q.new_zeros(*q.shape[:2], 1, S)
        shares = capture.shares.to(q)
        for part, share in zip(rows.split(QUERY_BLOCK), shares.split(QUERY_BLOCK), strict=True):
            total += share.view(1, 1, 1, -1) @ self._softmax(q, k, part, attention_mask, last)  # (B, H, 1, S)
        return total

    def _softmax(
        self, q: Tensor, k: Tensor, rows: Tensor, attention_mask: Tensor | None, last: Tensor | None
    ) -> Tensor:
        """Return the weights of some of the queries, (B, H, Q, S); 0 where a query sees no key."""
        scores = q[:, :, rows] @ k.transpose(-2, -1) * self.scale
        if attention_mask is not None:
            hidden = ~self._visible(q, k, attention_mask, last, rows)
            return scores.masked_fill_(hidden, -math.inf).softmax(-1).masked_fill(hidden, 0)
        if self.causal:
            mask = causal_mask(q.shape[-2], k.shape[-2], band=self.band, device=q.device, queries=rows)
            scores.masked_fill_(~mask, -math.inf)
        return scores.softmax(-1)

    def _needs_mask(self, q: Tensor, k: Tensor) -> bool:
        """A lone last query may see everything that is held, unless the band is shorter than that."""
        return self.causal and (q.shape[-2] > 1 or (self.band is not None and k.shape[-2] > self.band))


def _extended(cache: LayerCache, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, int]:
    """Add keys and values to a cache; return those that the pass sees, and where the oldest of them stands."""
    first_fill = cache.seen == 0
    held = cache.extend(k, v)
    if first_fill:
        return k, v, 0
    return *held, cache.seen % cache.capacity if cache.seen > cache.capacity else 0


def _checked(attention_mask: Tensor, keys: Tensor, cache: LayerCache | None = None) -> Tensor:
    """Return a mask of the keys' input (B, S, E) as booleans.

    Raises:
        ConfigError: it has another shape, or comes with a cache.
    """
    if cache is not None:
        raise ConfigError(
            "attention_mask was given with a cache, which keeps no padding",
            hint="pass each row alone, or rows of one length",
        )
    B, S = keys.shape[:2]
    if attention_mask.shape not in ((B, S), (B, S, S)):
        raise ConfigError(
            f"attention_mask is {tuple(attention_mask.shape)}, but the keys are {tuple(keys.shape[:2])}",
            hint="one value a row and position: True where it is real, False where it is padding",
        )
    return attention_mask.bool()
