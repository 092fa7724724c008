"""Token after token: which positions are computed anew, and which are remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor

from physiolect.errors import ConfigError
from physiolect.generation.sampling import Sampling
from physiolect.models.cache import FixedCache, LayerCache
from physiolect.models.gpt import GPT
from physiolect.training import capture_graph

Mode = Literal["exact", "hop"]


def decode(
    model: GPT,
    context: Tensor,
    *,
    n_samples: int = 1,
    sampling: Sampling | None = None,
    generator: torch.Generator | None = None,
    mode: Mode = "exact",
    hop: int | None = None,
) -> Iterator[Tensor]:
    """Yield the next ids (n_samples, 1) without end, the samples going their own ways after one shared prefill.

    With learned positions a key-value cache is exact up to the context length; past it every position shifts,
    so "exact" runs the whole context anew for each token, and "hop" drops the oldest `hop` ids, fills the
    cache again and goes on: fewer passes, another function (the model then sees a shorter context).
    With rotary positions the cache is a ring of the model's band and never ends; without a band, old ids
    slide out of the context as with learned positions.

    Args:
        model: a decoder in eval mode.
        context: ids (T,), at least one.
        n_samples: continuations.
        sampling: how a token is drawn.
        generator: source of randomness; None is torch's own.
        mode: "exact", or "hop" past the context.
        hop: ids dropped at once in mode "hop"; a fifth of the context if None.
    """
    sampling = sampling or Sampling()
    limit = model.config.context_length
    hop = max(1, limit // 5) if hop is None else hop
    if mode == "hop" and not 1 <= hop < limit:
        raise ConfigError(
            f"hop is {hop}, but must be between 1 and {limit - 1}", hint="a fifth of the context is usual"
        )
    endless = _is_endless(model)
    ids = (context if endless else context[-limit:]).unsqueeze(0)  # (1, T)
    cache = model.new_cache()
    logits = model(ids, cache=cache, last_only=True)[:, -1].expand(n_samples, -1)  # (S, V)
    for layer in cache:
        layer.repeat(n_samples)
    ids = ids.expand(n_samples, -1)
    step, whole = _Steps(model, cache), _whole(model)
    while True:
        new = sampling.draw(logits, generator)  # (S, 1)
        yield new
        if endless:
            logits = step(new)
            continue
        ids = torch.cat((ids, new), 1)
        if ids.shape[1] <= limit:
            logits = step(new)
        elif mode == "exact":
            ids = ids[:, -limit:]
            logits = whole(ids)
        else:
            ids = ids[:, ids.shape[1] - limit - 1 + hop :]
            cache = model.new_cache()
            logits = model(ids, cache=cache, last_only=True)[:, -1]
            step.restart(cache)


class _Steps:
    """Maps the newest ids (S, 1) to the logits (S, V) of the next, remembering them; on a GPU as a captured graph."""

    def __init__(self, model: GPT, cache: list[LayerCache]) -> None:
        self._model, self._cache = model, cache
        self._captured = _is_captured(model)
        if self._captured:
            self._place = torch.tensor([cache[0].seen], device=model.tokens.weight.device)
            self._fixed = [FixedCache(layer, self._place) for layer in cache]
            held = [each for layer in self._fixed for each in (layer.keys, layer.values)]
            self._replayed = _Replayed(self._next, [self._place, *held])

    def __call__(self, new: Tensor) -> Tensor:
        if self._captured:
            return self._replayed(new)
        return self._model(new, cache=self._cache, last_only=True)[:, -1]

    def restart(self, cache: list[LayerCache]) -> None:
        """Go on from another cache of the same shape."""
        self._cache = cache
        if self._captured:
            self._place.fill_(cache[0].seen)
            for fixed, layer in zip(self._fixed, cache, strict=True):
                fixed.refill(layer)

    def _next(self, new: Tensor) -> Tensor:
        logits = self._model(new, cache=self._fixed, last_only=True)[:, -1]
        self._place.add_(1)
        return logits


def _whole(model: GPT) -> Callable[[Tensor], Tensor]:
    """Return what maps a whole context (S, T) to the logits (S, V) of the next ids."""

    def logits(ids: Tensor) -> Tensor:
        return model(ids, last_only=True)[:, -1]

    return _Replayed(logits, []) if _is_captured(model) else logits


def _is_captured(model: GPT) -> bool:
    return model.tokens.weight.device.type == "cuda"


class _Replayed:
    """A function of one tensor on a GPU, captured as a graph when it is first called."""

    def __init__(self, function: Callable[[Tensor], Tensor], changed: list[Tensor]) -> None:
        self._function, self._changed = function, changed
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, x: Tensor) -> Tensor:
        if self._graph is None:
            self._x = x.clone()
            self._graph, self._result = capture_graph(
                lambda: self._function(self._x), self._changed, x.device
            )
        self._x.copy_(x)
        self._graph.replay()
        return self._result


def outgrows_cache(model: GPT, n_context: int, n_tokens: int) -> bool:
    """Tell whether generation goes on past what a cache remembers exactly, which is where the modes differ."""
    return not _is_endless(model) and n_context + n_tokens - 1 > model.config.context_length


def _is_endless(model: GPT) -> bool:
    return model.config.positions == "rotary" and model.config.band is not None
