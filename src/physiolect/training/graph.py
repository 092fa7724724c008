"""Work on a GPU as one CUDA graph: replayed, it costs one launch instead of hundreds."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")

capturing = threading.RLock()
"""Held during a capture, which borrows the GPU's own generator: a thread that draws from that takes it too."""


def capture_graph(
    work: Callable[[], Result], changed: Sequence[Tensor], device: torch.device, *, warm_ups: int = 1
) -> tuple[torch.cuda.CUDAGraph, Result]:
    """Return the graph of some work, and its result, which each replay writes anew in place.

    The work is run first and then undone: everything is left as it was, random numbers included. One thread captures
    at a time. Others may use the GPU meanwhile, with three exceptions: drawing from the GPU's own generator (take
    `capturing` for it), waiting for the whole device (`torch.cuda.synchronize`), and `torch.cuda.empty_cache`.

    Args:
        work: waits for nothing, and finds and leaves its tensors in the same places each time.
        changed: the tensors it changes.
        device: where it runs.
        warm_ups: runs before the capture, for what is set up when it is first used.
    """
    with capturing, torch.cuda.device(device):  # what is captured goes to the stream of the current device
        before, random = [each.detach().clone() for each in changed], torch.cuda.get_rng_state(device)
        # PyTorch hands out 32 streams of each priority in turn. Another thread may be using one of the usual priority,
        # and its work would then be captured too.
        aside = torch.cuda.Stream(priority=-1)
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(warm_ups):
                work()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # with "global", another thread that allocates memory, or waits for its own work, would end the capture
        with _without_collection(), torch.cuda.graph(graph, stream=aside, capture_error_mode="thread_local"):
            result = work()
        with torch.no_grad():
            for each, value in zip(changed, before, strict=True):
                each.copy_(value)
        torch.cuda.set_rng_state(random, device)
    return graph, result


@contextmanager
def _without_collection() -> Iterator[None]:
    """Switch garbage collection off: a graph that this thread frees during a capture ends the capture.

    Only the collector could free one here, for `work` itself holds and drops no graph. Collecting before the capture
    instead would take 0.1 to 0.3 s.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
