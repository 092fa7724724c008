"""Where a model looks: attention of any query, layer and head on the time axis of the signal.

Layers and heads are counted from 1, as in the paper; layer 8 is the last of HeartGPT's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.errors import CheckpointError, ConfigError, check_option
from physiolect.explanation.window import Window
from physiolect.models.attention import Attention
from physiolect.models.capture import Capture
from physiolect.models.layers import Block

Combine = Literal["sum", "mean"]

RISE = 2.0
"""A peak of a head's attention is at least so many times what surrounds it."""
FAINTEST = 1.0
"""Attention below so many times an even gaze counts as this much."""
NEAREST = 0.1
"""Seconds between two peaks, at least."""
_MOST_QUERIES = 4096
"""Weights of more queries than these at once would fill the memory of a small computer."""


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """Attention weights, and the layers, heads and queries that they are of."""

    weights: NDArray[np.float32]
    """(layers, heads, queries, tokens): each query's weights over the window's tokens; a token of a model of levels is
    a sample. The weights of one query, layer and head add up to 1, with `on_extra` where there are other tokens."""
    layers: tuple[int, ...]
    """Numbers of the layers, from 1."""
    heads: tuple[int, ...]
    """Numbers of the heads, from 1."""
    queries: tuple[int, ...]
    """Positions of the window whose attention it is, from 0; (first, last) where it is the mean over all between."""
    is_mean: bool
    """Whether the queries' axis holds one row, their mean."""
    window: Window
    """What was looked at."""
    on_extra: NDArray[np.float32] | None = None
    """(layers, heads, queries) weight on class token and separators, which are of no part of the signal; None without
    any."""

    def over_heads(self, how: Combine = "sum") -> NDArray[np.float32]:
        """Return the sum or mean over heads, (layers, queries, T)."""
        return _combine(self.weights, 1, how)

    def over_layers(self, how: Combine = "sum") -> NDArray[np.float32]:
        """Return the sum or mean over layers, (heads, queries, T)."""
        return _combine(self.weights, 0, how)

    def band(self, query: int = -1, how: Combine = "sum") -> NDArray[np.float32]:
        """Return one line for one query, combined over layers and heads, (T,): the paper's aggregate view.

        Args:
            query: which of `queries`, as an index.
            how: to combine.
        """
        return _combine(self.over_layers(how)[:, query], 0, how)


@dataclass(frozen=True, eq=False)
class HeadView:
    """What each head of a layer looks at, whatever the query."""

    mean: NDArray[np.float32]
    """(heads, tokens) attention of each, mean over all queries; queries that cannot see it count as 0."""
    even: NDArray[np.float32]
    """(tokens,) what it would be if every query looked equally at all it can see: more queries see the early ones."""
    peaks: tuple[NDArray[np.int64], ...]
    """For each head, the tokens at which its attention stands out."""
    layer: int
    """Number of the layer, from 1."""
    heads: tuple[int, ...]
    """Numbers of the heads, from 1."""
    window: Window
    """What was looked at."""

    @property
    def relative(self) -> NDArray[np.float32]:
        """Attention of each token as a multiple of an even gaze, (heads, tokens)."""
        return self.mean / self.even


def attend(
    checkpoint: Checkpoint,
    window: Window,
    *,
    layers: Iterable[int] | None = None,
    heads: Iterable[int] | None = None,
    queries: Sequence[float | None] = (None,),
) -> AttentionMap:
    """Return the attention of chosen queries, layers and heads; no other attention is stored.

    Args:
        checkpoint: a model. It runs where its weights are.
        window: from `cut_window`.
        layers: numbers from 1; None means all.
        heads: numbers from 1; None means all.
        queries: moments in seconds of the recording; None among them is the window's last sample.

    Raises:
        ConfigError: a layer, head or query does not exist.
        CheckpointError: the model has no attention.
    """
    samples = tuple(window.sample(moment) for moment in queries)
    places = [[window.n_class + token for token in window.tokens_at(sample)] for sample in samples]
    if not 1 <= len(samples) <= _MOST_QUERIES:
        raise ConfigError(
            f"{len(samples)} queries were asked for, but there must be 1 to {_MOST_QUERIES}",
            hint="mean_attention() has no such limit",
        )
    chosen = choose_layers(checkpoint, layers), choose_heads(checkpoint, heads)
    rows = _captured(checkpoint, window, *chosen, queries=tuple(place for one in places for place in one))
    each = np.split(rows, np.cumsum([len(one) for one in places])[:-1], axis=2)
    weights = np.concatenate([one.mean(2, keepdims=True) for one in each], axis=2)
    return _mapped(weights, *chosen, samples, False, window)


def pooled_attention(
    checkpoint: Checkpoint,
    window: Window,
    *,
    layers: Iterable[int] | None = None,
    heads: Iterable[int] | None = None,
) -> AttentionMap:
    """Return the attention of what speaks for the window as a whole: the class token, or the mean over all queries.

    Args:
        checkpoint: a model. It runs where its weights are.
        window: from `cut_window`.
        layers: numbers from 1; None means all.
        heads: numbers from 1; None means all.

    Raises:
        ConfigError: a layer or head does not exist.
        CheckpointError: the model has no attention.
    """
    if checkpoint.model.config.pooling != "class":
        return mean_attention(checkpoint, window, layers=layers, heads=heads)
    chosen = choose_layers(checkpoint, layers), choose_heads(checkpoint, heads)
    return _mapped(
        _captured(checkpoint, window, *chosen, queries=(0,)),
        *chosen,
        (0, window.n_positions - 1),
        True,
        window,
    )


def mean_attention(
    checkpoint: Checkpoint,
    window: Window,
    *,
    layers: Iterable[int] | None = None,
    heads: Iterable[int] | None = None,
) -> AttentionMap:
    """Return the mean over all queries of the window; they are summed up and never held at once.

    Args:
        checkpoint: a model. It runs where its weights are.
        window: from `cut_window`.
        layers: numbers from 1; None means all.
        heads: numbers from 1; None means all.

    Raises:
        ConfigError: a layer or head does not exist.
        CheckpointError: the model has no attention.
    """
    N = window.n_class + window.n_patches_read
    chosen = choose_layers(checkpoint, layers), choose_heads(checkpoint, heads)
    weights = _captured(checkpoint, window, *chosen, queries=tuple(range(N)), mean=True)
    return _mapped(weights, *chosen, (0, window.n_positions - 1), True, window)


def view_heads(
    checkpoint: Checkpoint,
    window: Window,
    *,
    layer: int | None = None,
    heads: Iterable[int] | None = None,
) -> HeadView:
    """Return the mean attention of each head of a layer, and where it stands out.

    Args:
        checkpoint: a model. It runs where its weights are.
        window: from `cut_window`.
        layer: number from 1; None means the last.
        heads: numbers from 1; None means all.

    Raises:
        ConfigError: the layer or a head does not exist.
        CheckpointError: the model has no attention.

    Source: Davies et al. 2024, arXiv:2407.20775: attention of the last block, averaged over queries.
    """
    last = n_layers(checkpoint)
    found = mean_attention(checkpoint, window, layers=[last if layer is None else layer], heads=heads)
    mean = found.weights[0, :, 0]  # (H, T)
    even = even_of_tokens(checkpoint, found.layers[0], window)
    peaks = tuple(_peaks_of_rows(row, even, window) for row in mean)
    return HeadView(mean, even, peaks, found.layers[0], found.heads, window)


def even_of_tokens(checkpoint: Checkpoint, layer: int, window: Window) -> NDArray[np.float32]:
    """Return `even_attention` of the tokens of a window, (N,); class token and separators get their share too."""
    first, n = window.n_class, window.n_patches_read
    found: NDArray[np.float32] = window.of_model(
        even_attention(checkpoint, layer, first + n + window.n_separators)[first : first + n]
    ).astype(np.float32)
    return found


def even_attention(checkpoint: Checkpoint, layer: int, T: int) -> NDArray[np.float32]:
    """Return the mean attention of each of T samples if every query looked equally at all it can see, (T,)."""
    attention = trunk_attentions(checkpoint)[layer - 1]
    if not attention.causal:
        return np.full(T, 1 / T, np.float32)
    band = T if attention.band is None else attention.band
    each = 1 / np.minimum(np.arange(1, T + 1), band)  # (T,) weight that query q gives all it sees
    total = np.append(0.0, np.cumsum(each))
    seen_until = np.minimum(np.arange(T) + band, T)  # the query after the last that sees the sample
    return ((total[seen_until] - total[:-1]) / T).astype(np.float32)


def n_layers(checkpoint: Checkpoint) -> int:
    """Return how many blocks the model's trunk has."""
    return len(trunk_attentions(checkpoint))


def choose_layers(checkpoint: Checkpoint, layers: Iterable[int] | None) -> tuple[int, ...]:
    """Return the numbers of layers, from 1; None means all.

    Raises:
        ConfigError: one does not exist, or there is none.
    """
    return _choose("layer", layers, n_layers(checkpoint))


def choose_heads(checkpoint: Checkpoint, heads: Iterable[int] | None) -> tuple[int, ...]:
    """Return the numbers of heads, from 1; None means all.

    Raises:
        ConfigError: one does not exist, or there is none.
    """
    return _choose("head", heads, trunk_attentions(checkpoint)[0].n_heads)


def _choose(what: str, wanted: Iterable[int] | None, count: int) -> tuple[int, ...]:
    numbers = tuple(range(1, count + 1)) if wanted is None else tuple(wanted)
    wrong = [number for number in numbers if not 1 <= number <= count]
    if wrong or not numbers:
        problem = f"there is no {what} {wrong[0]}" if wrong else f"no {what} was requested"
        raise ConfigError(
            f"{problem}: the model has {count}, counted from 1",
            hint=f"choose {what}s from 1 to {count}, or all",
        )
    return numbers


def trunk_attentions(checkpoint: Checkpoint) -> list[Attention]:
    """Return the attention of each block of the model's trunk.

    Raises:
        CheckpointError: the model has no trunk of attention.
    """
    found = [block.attention for block in checkpoint.model.blocks if isinstance(block, Block)]
    if not found:
        raise CheckpointError(
            "the model has no attention to show",
            hint="use view gradients or faithfulness, or a model with transformer blocks",
        )
    return found


def has_attention(checkpoint: Checkpoint) -> bool:
    """Return whether the model is a transformer."""
    return any(isinstance(block, Block) for block in checkpoint.model.blocks)


@torch.inference_mode()
def _captured(
    checkpoint: Checkpoint,
    window: Window,
    layers: tuple[int, ...],
    heads: tuple[int, ...],
    *,
    queries: tuple[int, ...],
    mean: bool = False,
) -> NDArray[np.float32]:
    """Return (layers, heads, queries or 1, T)."""
    capture = Capture.of(
        [layer - 1 for layer in layers],
        heads=[head - 1 for head in heads],
        queries=queries,
        shares=torch.full((len(queries),), 1 / len(queries)) if mean else None,
    )
    checkpoint.model.eval()(window.tensor(checkpoint), capture=capture)
    return np.stack([capture.attention[layer - 1][0].float().cpu().numpy() for layer in layers])


def _mapped(
    weights: NDArray[np.float32],
    layers: tuple[int, ...],
    heads: tuple[int, ...],
    queries: tuple[int, ...],
    is_mean: bool,
    window: Window,
) -> AttentionMap:
    """Return a map of weights (layers, heads, queries, all tokens of the model)."""
    first, last = window.n_class, window.n_class + window.n_patches_read
    extra = np.concatenate([weights[..., :first], weights[..., last:]], -1)
    on_extra = extra.sum(-1) if extra.shape[-1] else None
    mapped = window.of_model(weights[..., first:last]).astype(np.float32)
    return AttentionMap(mapped, layers, heads, queries, is_mean, window, on_extra)


def _combine(weights: NDArray[np.float32], axis: int, how: Combine) -> NDArray[np.float32]:
    check_option("how", how, ("sum", "mean"))
    combined: NDArray[np.float32] = weights.sum(axis) if how == "sum" else weights.mean(axis)
    return combined


def _peaks_of_rows(mean: NDArray[np.float32], even: NDArray[np.float32], window: Window) -> NDArray[np.int64]:
    """Return the tokens at which attention stands out, found in each channel by itself."""
    found = [np.empty(0, np.int64)]
    for row in np.unique(window.token_rows):
        here = np.flatnonzero(window.token_rows == row)
        found.append(here[_peaks(mean[here], even[here], 1 / window.distance)])
    return np.concatenate(found)


def _peaks(mean: NDArray[np.float32], even: NDArray[np.float32], fs: float) -> NDArray[np.int64]:
    """Return where attention stands out by a factor, so that its slow fall over a causal window has no effect."""
    from scipy.signal import find_peaks

    peaks, _ = find_peaks(
        np.log(np.maximum(mean / even, FAINTEST)),
        prominence=np.log(RISE),
        distance=max(1, round(NEAREST * fs)),
    )
    return np.asarray(peaks, np.int64)
