"""What a model decodes from a signal of any length, with its own statistics of channels or adapting ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.errors import CheckpointError
from physiolect.models.model import Model
from physiolect.tasks import TASKS

Adapting = Literal["none", "running", "recording"]
"""Statistics of channels: those of training; running ones, causal and without labels; or those of the whole recording,
which looks ahead."""


def check_decoder(checkpoint: Checkpoint) -> None:
    """Refuse a checkpoint that does not decode.

    Raises:
        CheckpointError: it is for another task, or its model takes single windows.
    """
    if not (checkpoint.outputs.targets and hasattr(checkpoint.model, "run")):
        names = [name for name, task in TASKS.items() if task.labels == "targets"]
        raise CheckpointError(
            f"the checkpoint is for {checkpoint.task}, and decodes no targets",
            hint=f"train one: physiolect finetune STORE --task {names[0]} --preset decoder",
        )


@contextmanager
def adapted_statistics(model: Model, how: Adapting, signal: NDArray[np.float32]) -> Iterator[None]:
    """Let a model's statistics adapt to a signal (C, T), and give it back as it was."""
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    was = getattr(getattr(model, "input", None), "adapting", False)
    try:
        if how == "running":
            model.adapt_statistics()
        elif how == "recording":
            model.adapt_statistics()  # refuses a model without statistics
            model.adapt_statistics(False)
            model.fit_statistics(torch.from_numpy(signal).to(model.device).unsqueeze(0))
        yield
    finally:
        for name, value in model.named_buffers():
            value.copy_(buffers[name])
        if how != "none":
            model.adapt_statistics(was)


def decode_signal(
    checkpoint: Checkpoint, signal: NDArray[np.float32], *, adapting: Adapting = "none"
) -> NDArray[np.float32]:
    """Return what a model decodes at every step of a signal, (T, K) in the targets' units.

    Args:
        checkpoint: of a model that decodes; it runs where its weights are.
        signal: (C, T) at the contract's rate, its channels in the contract's order; missing samples are NaN. Where all
            channels are missing, the answer is NaN.
        adapting: statistics of the channels.

    Raises:
        CheckpointError: the checkpoint does not decode.
    """
    check_decoder(checkpoint)
    model = checkpoint.model.eval()
    x = np.ascontiguousarray(signal, np.float32)
    with torch.inference_mode(), adapted_statistics(model, adapting, x):
        outputs = model.run(torch.from_numpy(x).to(model.device).unsqueeze(0))
        found: NDArray[np.float32] = checkpoint.outputs.read(outputs)[0].cpu().numpy()
    found[np.isnan(x).all(0)] = np.nan
    return found
