"""Sinusoidal positions, in time and on a grid of electrodes."""

from __future__ import annotations

import torch
from torch import Tensor


def sinusoidal(places: Tensor, width: int, *, base: float = 10_000.0) -> Tensor:
    """Return sines and cosines of places (n,), (n, width) float32: sine and cosine of one wavelength side by side.

    Source: Vaswani et al. 2017, section 3.5.
    """
    pairs = (width + 1) // 2
    rates = base ** (-torch.arange(pairs, dtype=torch.float64, device=places.device) / pairs)
    angle = places.double().outer(rates)  # (n, pairs)
    return torch.stack((angle.sin(), angle.cos()), -1).flatten(1)[:, :width].float()


def grid_positions(grid: tuple[int, int], width: int, *, base: float = 100.0) -> Tensor:
    """Return positions of the electrodes of a grid, row by row, (rows * columns, width).

    The first half of the features tells the row, the other half the column.
    """
    rows, columns = grid
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    half = width // 2
    return torch.cat(
        (sinusoidal(row.flatten(), half, base=base), sinusoidal(column.flatten(), width - half, base=base)), 1
    )
