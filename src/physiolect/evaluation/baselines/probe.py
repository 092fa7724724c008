"""Linear probes: what a regression reads from a model's features, and from those of one that never trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.datasets import Examples
from physiolect.evaluation.baselines.out_of_fold import Predictions, fit_out_of_fold
from physiolect.evaluation.protocol import Fold

if TYPE_CHECKING:
    from torch import Tensor

    from physiolect.models.model import Model


def random_weights(checkpoint: Checkpoint, *, seed: int = 0) -> Checkpoint:
    """Return a checkpoint of the same shape whose model never trained."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = type(checkpoint.model)(checkpoint.model.config).eval()
    placed = model.to(checkpoint.model.device, checkpoint.model.dtype)
    return replace(checkpoint, model=placed, run={}, fingerprint=None)


def window_features(
    checkpoint: Checkpoint,
    examples: Examples,
    *,
    batch_size: int = 64,
    on_window: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Return what the trunk makes of each window: the mean over positions and the last one, (n, 2 width).

    Args:
        checkpoint: of any task; its head is not used.
        examples: windows of a store.
        batch_size: windows at a time.
        on_window: called with the windows done so far and the number of all.
    """
    from physiolect.detection import check_examples

    check_examples(checkpoint, examples)
    found = []
    for first in range(0, len(examples), batch_size):
        index = np.arange(first, min(first + batch_size, len(examples)))
        inputs, _ = checkpoint.encode(examples.windows(index))
        found.append(_features(checkpoint.model.eval(), inputs))
        if on_window is not None:
            on_window(int(index[-1]) + 1, len(examples))
    return np.concatenate(found)


def channel_means(examples: Examples) -> NDArray[np.float32]:
    """Return the mean of each channel over each window, (n, C): for spikes, their rates."""
    parts = [
        examples.windows(np.arange(first, min(first + 1024, len(examples))))
        for first in range(0, len(examples), 1024)
    ]
    windows = np.concatenate(parts)
    return windows.mean(-1).reshape(len(windows), -1)


def linear_probe(
    features: NDArray[np.float32], target: ArrayLike, folds: Sequence[Fold], *, kind: str = "binary"
) -> Predictions:
    """Fit a linear model on features, out of fold; see `fit_out_of_fold`."""
    return fit_out_of_fold(
        features, target, folds, note="linear model on features, trained out of fold", kind=kind
    )


def _features(model: Model, inputs: Tensor) -> NDArray[np.float32]:
    import torch

    with torch.inference_mode():
        x = model.features(inputs.to(model.device)).float()  # (B, T, E)
        return torch.cat([x.mean(1), x[:, -1]], 1).cpu().numpy()
