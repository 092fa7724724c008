"""Work on a GPU as one graph."""

from __future__ import annotations

import gc

import pytest
import torch

from physiolect.training import capture_graph

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


class Loop:
    """Garbage that only the collector finds."""

    def __init__(self, graph: torch.cuda.CUDAGraph) -> None:
        self.graph, self.itself = graph, self


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
