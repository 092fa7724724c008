"""Captures graphs while other threads use the same GPU: what test_graph.py runs in a process of its own.

Prints "done" at the end. A failure of any thread is printed, and the exit status is 1.
"""

from __future__ import annotations

import gc
import random
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

from physiolect.training import capture_graph

DEVICE = torch.device("cuda:0")
N_GRAPHS = 80
"""More than the 32 streams that PyTorch hands out in turn."""
N_OPERATIONS = 400
"""Of a graph, so that its capture takes some milliseconds."""

graphs: deque[tuple[torch.cuda.CUDAGraph, Tensor, Tensor]] = deque()
"""With the tensors that they read and write."""
failures: list[str] = []
rounds: dict[str, int] = {}
stop = threading.Event()


def allocate(stream: torch.cuda.Stream) -> None:
    """Ask for sizes that the cache does not have, and wait for the result."""
    n = random.randrange(1, 2**22)
    assert (torch.full((n,), 2, device=DEVICE, dtype=torch.int64) * 3).sum().item() == 6 * n


def copy(stream: torch.cuda.Stream) -> None:
    """Copy from pinned memory and back."""
    n = random.randrange(1, 2**18)
    there = torch.ones(n).pin_memory()
    here = there.to(DEVICE, non_blocking=True)
    stream.synchronize()
    assert here.add(1).cpu().sum() == 2 * n


def multiply(stream: torch.cuda.Stream) -> None:
    """Do what a detector does: products, and events."""
    x = torch.full((random.randrange(1, 200), 64), 0.5, device=DEVICE)
    event = torch.cuda.Event()
    y = torch.nn.functional.scaled_dot_product_attention(x[None], x[None], x[None]) @ x.T
    event.record(stream)
    event.synchronize()
    torch.testing.assert_close(y.cpu(), torch.full((1, len(x), len(x)), 16.0), rtol=1e-3, atol=1e-3)


def collect(stream: torch.cuda.Stream) -> None:
    """Leave cycles that hold memory and graphs, and collect them."""
    for _ in range(3):
        loop: list[object] = [torch.empty(random.randrange(1, 2**20), device=DEVICE)]
        loop.append(loop)
    if graphs:
        loop.append(graphs.popleft())
    del loop
    gc.collect()
    time.sleep(0.25)  # a collection stops every thread: one after another would leave the others no time


def replay(stream: torch.cuda.Stream) -> None:
    """Replay a graph that another thread captured, and drop it."""
    if graphs:
        graph, x, y = graphs.popleft()
        graph.replay()
        stream.synchronize()
        del graph, x, y


def keep_on(name: str, work: Callable[[torch.cuda.Stream], None], own_stream: bool) -> None:
    stream = torch.cuda.Stream(DEVICE) if own_stream else torch.cuda.default_stream(DEVICE)
    try:
        with torch.cuda.stream(stream):
            while not stop.is_set():
                work(stream)
                rounds[name] = rounds.get(name, 0) + 1
                time.sleep(
                    0.0005
                )  # threads that spin would leave the capturing one no time of the interpreter
    except BaseException as error:
        failures.append(f"{name}: {error!r}")


def capture_one(k: int) -> None:
    x = torch.zeros(1000 + k, device=DEVICE)
    y = torch.full((64 + k, 64), 0.5, device=DEVICE)

    def work() -> Tensor:
        for _ in range(N_OPERATIONS):
            x.add_(1)
        return y @ y.T + x[0]

    graph, result = capture_graph(work, [x], DEVICE)
    assert x.sum().item() == 0
    for times in (1, 2):
        graph.replay()
        torch.testing.assert_close(x.cpu(), torch.full((1000 + k,), float(times * N_OPERATIONS)))
        wanted = torch.full((64 + k, 64 + k), 16.0 + times * N_OPERATIONS)
        torch.testing.assert_close(result.cpu(), wanted, rtol=1e-3, atol=1e-3)
    graphs.append((graph, x, y))


def main() -> int:
    torch.cuda.init()
    threads = [
        threading.Thread(
            target=keep_on,
            args=(f"{work.__name__} {place}", work, bool(place)),
            daemon=True,
            name=work.__name__,
        )
        for work in (allocate, copy, multiply, collect, replay)
        for place in (0, 1)
    ]
    for thread in threads:
        thread.start()
    begun = time.monotonic()
    try:
        for k in range(N_GRAPHS):
            capture_one(k)
    except BaseException as error:
        failures.append(f"capture: {error!r}")
    seconds = time.monotonic() - begun
    stop.set()
    for thread in threads:
        thread.join(20)
        if thread.is_alive():
            failures.append(f"{thread.name} hangs")
    sys.stdout.write(f"{N_GRAPHS} captures in {seconds:.1f} s, meanwhile {rounds}\n")
    sys.stdout.write("\n".join(failures or ["done"]) + "\n")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
