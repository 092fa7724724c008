"""How many processor threads a library call uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

_SMALL = 4e9
"""Parameters times positions, below which several threads wait for each other more than they compute."""


def choose_threads(threads: int | None, model: nn.Module | None, *, positions: int | None = None) -> int:
    """Return how many threads a call uses; see `using_threads`."""
    if threads is not None:
        return threads
    if model is None:
        return torch.get_num_threads()
    n_positions = int(getattr(model, "context_length", 1)) if positions is None else positions
    work = n_positions * sum(parameter.numel() for parameter in model.parameters())
    return 1 if work < _SMALL else torch.get_num_threads()


@contextmanager
def using_threads(
    threads: int | None, model: nn.Module | None = None, *, positions: int | None = None
) -> Iterator[int]:
    """Use this many processor threads inside, and restore PyTorch's setting afterwards.

    Args:
        threads: how many; None is one for a small model, and PyTorch's setting for a large one or without a model.
        model: what computes.
        positions: windows times samples that pass the model at once; None is one whole window.

    Yields:
        how many are used.
    """
    before = torch.get_num_threads()
    chosen = choose_threads(threads, model, positions=positions)
    torch.set_num_threads(chosen)
    try:
        yield chosen
    finally:
        torch.set_num_threads(before)
