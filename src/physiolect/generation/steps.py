"""From ids to the logits of the next: passes as they are, or replayed as graphs that later calls find again."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol

import torch
from torch import Tensor

from physiolect.generation.shelf import Shelf
from physiolect.models.cache import FixedCache, LayerCache
from physiolect.models.gpt import GPT
from physiolect.training import capture_graph


class Steps(Protocol):
    """What a continuation asks of a model, one token after another."""

    def start(self, cache: list[LayerCache]) -> None:
        """Go on from a filled cache."""

    def step(self, new: Tensor) -> Tensor:
        """Map the newest ids (S, 1) to the logits (S, V) of the next, and remember them."""

    def whole(self, ids: Tensor) -> Tensor:
        """Map a whole context (S, T) to the logits (S, V) of the next ids."""

    def close(self) -> None:
        """End the continuation."""


class EagerSteps:
    """Passes of the model as they are."""

    def __init__(self, model: GPT) -> None:
        self._model = model

    def start(self, cache: list[LayerCache]) -> None:
        self._cache = cache

    def step(self, new: Tensor) -> Tensor:
        return self._model(new, cache=self._cache, last_only=True)[:, -1]

    def whole(self, ids: Tensor) -> Tensor:
        return self._model(ids, last_only=True)[:, -1]

    def close(self) -> None:
        pass


class CapturedSteps:
    """The same on a GPU as replayed graphs. They are taken off the shelf or captured when first needed.

    The logits are overwritten by the next call. `close` puts the graphs back for the next continuation.
    """

    def __init__(self, model: GPT) -> None:
        self._model, self._state = model, _state(model)
        self._settings = _settings(model)
        self._used: dict[Hashable, _Graph] = {}
        self._last: dict[
            str, _Graph
        ] = {}  # of each kind: found without a look at the settings for every token
        self._begun: list[LayerCache] | None = None

    def start(self, cache: list[LayerCache]) -> None:
        self._begun = cache

    def step(self, new: Tensor) -> Tensor:
        cache = self._begun
        if cache is None and "step" in self._last:
            return self._last["step"](new)
        graph = self._graph("step", new, lambda: _StepGraph(self._model, cache or [], new))
        if cache is not None:
            graph.restart(cache)
            self._begun = None
        return graph(new)

    def whole(self, ids: Tensor) -> Tensor:
        graph = self._last.get("whole") or self._graph("whole", ids, lambda: _WholeGraph(self._model, ids))
        return graph(ids)

    def close(self) -> None:
        used, self._used, self._last = self._used, {}, {}
        for key, graph in used.items():
            graph.leave()
            SHELF.put(self._model, self._state, key, graph, graph.size)

    def _graph(self, kind: str, x: Tensor, make: Callable[[], _Graph]) -> _Graph:
        key = (kind, tuple(x.shape), self._settings)
        graph = self._used.get(key)
        if graph is None:
            graph = SHELF.take(self._model, self._state, key)
            if graph is None:
                graph = make()
            else:
                graph.enter()
            self._used[key] = graph
        self._last[kind] = graph
        return graph


class _Graph:
    """A function of one tensor, captured; it holds its own tensors, and neither the function nor the model.

    So it lies in no reference cycle, and is freed as soon as it is dropped.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], x: Tensor, changed: list[Tensor]) -> None:
        self._x = x.clone()
        self._left: torch.cuda.Event | None = None
        self._graph, self._result = capture_graph(lambda: function(self._x), changed, x.device)
        held = sum(each.nbytes for each in (self._x, *changed))
        self.size = held + _pool_size(self._graph)
        """Bytes of the device that it holds."""

    def __call__(self, x: Tensor) -> Tensor:
        self._x.copy_(x)
        self._graph.replay()
        return self._result

    def restart(self, cache: list[LayerCache]) -> None:
        """Go on from another cache of the same shape."""

    def leave(self) -> None:
        """Note that its user's work is queued; the next user's stream may be another."""
        if self._x.is_cuda:
            self._left = torch.cuda.current_stream(self._x.device).record_event()

    def enter(self) -> None:
        """Let the current stream wait for the last user's work."""
        if self._left is not None:
            torch.cuda.current_stream(self._x.device).wait_event(self._left)


class _WholeGraph(_Graph):
    def __init__(self, model: GPT, ids: Tensor) -> None:
        super().__init__(lambda x: model(x, last_only=True)[:, -1], ids, [])


class _StepGraph(_Graph):
    def __init__(self, model: GPT, cache: list[LayerCache], new: Tensor) -> None:
        place = torch.tensor([cache[0].seen], device=new.device)
        fixed: list[LayerCache] = [FixedCache(layer, place) for layer in cache]

        def next_logits(x: Tensor) -> Tensor:
            logits: Tensor = model(x, cache=fixed, last_only=True)[:, -1]
            place.add_(1)
            return logits

        self._place, self._fixed = place, [each for each in fixed if isinstance(each, FixedCache)]
        held = [each for layer in self._fixed for each in (layer.keys, layer.values)]
        super().__init__(next_logits, new, [place, *held])

    def restart(self, cache: list[LayerCache]) -> None:
        self._place.fill_(cache[0].seen)
        for fixed, layer in zip(self._fixed, cache, strict=True):
            fixed.refill(layer)


SHELF: Shelf[_Graph] = Shelf(most=16, most_bytes=2**29)
"""Graphs that no continuation uses now, of all models."""


def release_graphs() -> None:
    """Free the graphs and buffers that `decode` keeps on GPUs for the next call."""
    SHELF.clear()


def make_steps(model: GPT) -> Steps:
    """Return the passes of a model: captured on a GPU, as they are elsewhere."""
    return CapturedSteps(model) if is_captured(model) else EagerSteps(model)


def is_captured(model: GPT) -> bool:
    """Say whether the model's passes are captured: on a GPU."""
    return next(model.parameters()).is_cuda


def _state(model: GPT) -> Hashable:
    """Return where the weights lie and what they are: a graph reads these places, whatever numbers are there."""
    tensors = (*model.parameters(), *model.buffers())
    return tuple((x.data_ptr(), x.dtype, x.device, x.shape) for x in tensors)


def _settings(model: GPT) -> Hashable:
    """Return what else decides which kernels are captured."""
    return (
        tuple(module.training for module in model.modules()),
        torch.is_inference_mode_enabled(),
        torch.is_grad_enabled(),
        torch.get_float32_matmul_precision(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_autocast_enabled("cuda") and torch.get_autocast_dtype("cuda"),
    )


def _pool_size(graph: torch.cuda.CUDAGraph) -> int:
    """Return the bytes of the memory pool of a graph."""
    pool = graph.pool()
    segments = torch.cuda.memory_snapshot()
    return sum(each["total_size"] for each in segments if tuple(each["segment_pool_id"]) == tuple(pool))
