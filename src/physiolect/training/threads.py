"""How many processor threads a library call uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from physiolect.errors import ConfigError

_SMALL = 4e9
"""Parameters times positions of a window, below which several threads wait for each other more than they compute.

In use, how many windows pass the model at once does not count: on a busy machine every layer waits for the slowest
thread. In training it does: an update takes long, and a night on one thread would be two.
"""


def choose_threads(threads: int | None, model: nn.Module | None, *, batch: int = 1) -> int:
    """Return how many threads a call uses; see `using_threads`.

    Raises:
        ConfigError: `threads` is below 1.
    """
    if threads is not None:
        if threads < 1:
            raise ConfigError(
                f"threads is {threads}, but must be at least 1", hint="leave it out for the usual number"
            )
        return threads
    if model is None:
        return torch.get_num_threads()
    work = batch * int(getattr(model, "context_length", 1)) * sum(each.numel() for each in model.parameters())
    return 1 if work < _SMALL else torch.get_num_threads()


@contextmanager
def using_threads(threads: int | None, model: nn.Module | None = None, *, batch: int = 1) -> Iterator[int]:
    """Use this many processor threads inside, and restore PyTorch's setting afterwards.

    Args:
        threads: how many; default: one for a small model, PyTorch's setting for a large one or without a model.
        model: what computes.
        batch: in training, windows a batch.

    Yields:
        how many are used.

    Raises:
        ConfigError: `threads` is below 1.
    """
    before = torch.get_num_threads()
    chosen = choose_threads(threads, model, batch=batch)
    torch.set_num_threads(chosen)
    try:
        yield chosen
    finally:
        torch.set_num_threads(before)
