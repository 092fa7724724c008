"""Work on a GPU as one graph."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from physiolect.training import capture_graph, capturing, graph

SCRIPT = Path(__file__).with_name("busy_threads.py")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


class Loop:
    """Garbage that only the collector finds."""

    def __init__(self, graph: torch.cuda.CUDAGraph) -> None:
        self.graph, self.itself = graph, self


@pytest.mark.gpu
@needs_gpu
def test_a_graph_that_was_let_go_does_not_end_the_capture_of_another() -> None:
    device = torch.device("cuda:0")
    x = torch.zeros(3, device=device)

    def work() -> list[list[int]]:
        x.add_(1)
        return [[i] for i in range(10_000)]  # containers enough to call the collector

    before = gc.get_threshold()
    gc.disable()
    Loop(capture_graph(work, [x], device)[0])
    gc.set_threshold(10, 1, 1)
    gc.enable()
    try:
        graph, _ = capture_graph(work, [x], device)
    finally:
        gc.set_threshold(*before)
    assert gc.isenabled()
    graph.replay()
    assert x.tolist() == [1, 1, 1]


@pytest.mark.gpu
@needs_gpu
def test_other_threads_use_the_gpu_during_captures() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(SCRIPT)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=180,  # a hang is a failure, not the end of all tests
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.endswith("done\n")


class FakeCuda:
    """Stands in for torch.cuda without a GPU, and notes how captures are made."""

    def __init__(self) -> None:
        self.underway = 0
        self.modes: list[str] = []
        self.priorities: list[int] = []
        self.collecting: list[bool] = []
        self.random = torch.tensor([1])

    def Stream(self, priority: int = 0) -> Any:  # noqa: N802
        self.priorities.append(priority)
        return SimpleNamespace(wait_stream=lambda other: None)

    def current_stream(self) -> Any:
        return SimpleNamespace(wait_stream=lambda other: None)

    def device(self, _: object) -> Any:
        return nullcontext()

    stream = device

    def CUDAGraph(self) -> Any:  # noqa: N802
        return SimpleNamespace()

    @contextmanager
    def graph(self, _: object, *, stream: object, capture_error_mode: str) -> Iterator[None]:
        assert not self.underway
        self.underway += 1
        self.modes.append(capture_error_mode)
        self.collecting.append(gc.isenabled())
        yield
        self.underway -= 1

    def get_rng_state(self, _: object) -> torch.Tensor:
        return self.random.clone()

    def set_rng_state(self, state: torch.Tensor, _: object) -> None:
        self.random = state


def test_one_thread_captures_at_a_time_and_no_other_is_in_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeCuda()
    monkeypatch.setattr(graph, "torch", SimpleNamespace(cuda=fake, no_grad=torch.no_grad))
    device, failures = torch.device("cuda:0"), []

    def capture() -> None:
        x = torch.zeros(3)

        def work() -> torch.Tensor:
            fake.random += 1
            return x.add_(1).clone()

        try:
            for _ in range(20):
                _, result = capture_graph(work, [x], device, warm_ups=2)
                assert result.tolist() == [3, 3, 3]
                assert x.tolist() == [0, 0, 0]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=capture) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert fake.modes == ["thread_local"] * 80
    assert set(fake.priorities) == {-1}  # apart from the streams that others take
    assert not any(fake.collecting)
    assert gc.isenabled()
    assert fake.random.tolist() == [1]
    assert capturing.acquire(blocking=False)
    capturing.release()
