"""A small convolutional network that reads one heartbeat's waveform: a baseline of heartbeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

_WIDTHS = (32, 64, 64)
_BATCH = 256


def fit_beat_cnn(
    beats: NDArray[np.float32],
    value: NDArray[np.integer],
    n_classes: int,
    *,
    epochs: int = 5,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> torch.nn.Module:
    """Train a network of three convolutions from random weights: AdamW, one cycle of the rate, no class weights.

    Args:
        beats: (n, C, T) waveforms; NaN, of a missing lead, counts as 0.
        value: (n,) number of the class of each.
        n_classes: how many there are.
        epochs: passes over the beats.
        seed: of weights and order.
        device: where to compute.
    """
    import torch
    from torch.nn import functional

    x = torch.from_numpy(np.nan_to_num(beats)).to(device)
    y = torch.from_numpy(np.asarray(value, np.int64)).to(device)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = _network(beats.shape[1], n_classes).to(device).train()
    steps = max(1, epochs * -(-len(x) // _BATCH))
    optimiser = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.01)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = torch.from_numpy(rng.permutation(len(x))).to(device)
        for index in order.split(_BATCH):
            optimiser.zero_grad()
            functional.cross_entropy(model(x[index]), y[index]).backward()
            optimiser.step()
            cycle.step()
    return model.eval()


def decide_by_cnn(model: torch.nn.Module, beats: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the number of the class of each beat (n, C, T), (n,)."""
    import torch

    device = next(model.parameters()).device
    found = [np.empty(0, np.int64)]
    with torch.inference_mode():
        for first in range(0, len(beats), 4 * _BATCH):
            x = torch.from_numpy(np.nan_to_num(beats[first : first + 4 * _BATCH])).to(device)
            found.append(model(x).argmax(-1).cpu().numpy())
    return np.concatenate(found)


def _network(n_channels: int, n_classes: int) -> torch.nn.Module:
    from torch import nn

    layers: list[nn.Module] = []
    for width in _WIDTHS:
        layers += [
            nn.Conv1d(n_channels, width, 7, padding=3),
            nn.GroupNorm(8, width),
            nn.ReLU(),
            nn.MaxPool1d(2),
        ]
        n_channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(4), nn.Flatten(), nn.Linear(4 * n_channels, n_classes))
