"""Objectives that need no labels: masked patches, joint embeddings, and pairs of signal and text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physiolect.training.processes import Processes

_EPSILON = 1e-6
"""Added to the variance of a patch."""


def masked_loss(predicted: Tensor, patches: Tensor, masked: Tensor) -> Tensor:
    """Return the mean squared error of masked patches, each patch at mean 0 and variance 1.

    Args:
        predicted: (B, C, n, P).
        patches: what they should be, (B, C, n, P).
        masked: (B, C, n), the patches that count.

    Source: He et al. 2022 (arXiv:2111.06377), section 3, "reconstruction target".
    """
    patches = patches.float()
    deviation, mean = torch.var_mean(patches, -1, keepdim=True)
    target = (patches - mean) / (deviation + _EPSILON).sqrt()
    return _mean_over((predicted.float() - target).square().mean(-1), masked)


def masked_image_loss(predicted: Tensor, patches: Tensor, masked: Tensor) -> Tensor:
    """Return the mean distance of masked patches (B, R, n, P) from what they should be, where (B, R, n) is masked.

    Source: Xie et al. 2022, SimMIM (arXiv:2111.09886).
    """
    return _mean_over((predicted.float() - patches.float()).abs().mean(-1), masked)


def joint_embedding_loss(predicted: Tensor, target: Tensor, masked: Tensor) -> Tensor:
    """Return the smooth L1 distance of predicted features (B, C, n, E) from a teacher's, where (B, C, n) is masked."""
    return _mean_over(F.smooth_l1_loss(predicted.float(), target.float(), reduction="none").mean(-1), masked)


def contrastive_loss(one: Tensor, other: Tensor, scale: Tensor, processes: Processes | None = None) -> Tensor:
    """Return the symmetric cross-entropy of finding in a batch what belongs to each row: InfoNCE both ways.

    Args:
        one: signals (B, D), of any length each.
        other: what belongs to them, (B, D).
        scale: of cosines, one over the temperature.
        processes: rows of all of them are one batch: each process scores its own rows against those of all.

    Source: Radford et al. 2021 (arXiv:2103.00020), figure 3; van den Oord et al. 2018 (arXiv:1807.03748).
    """
    processes = processes or Processes()
    pairs = torch.stack(
        (F.normalize(one.float(), dim=-1), F.normalize(other.float(), dim=-1)), 1
    )  # (B, 2, D)
    every = processes.gather_rows(pairs)
    own = torch.arange(len(pairs), device=pairs.device) + processes.rank * len(pairs)
    there = F.cross_entropy(scale * pairs[:, 0] @ every[:, 1].T, own)
    back = F.cross_entropy(scale * pairs[:, 1] @ every[:, 0].T, own)
    return (there + back) / 2


def views_loss(
    signal: Tensor,
    text: Tensor,
    scale: Tensor,
    one: Tensor,
    other: Tensor,
    processes: Processes | None = None,
) -> Tensor:
    """Return MERL's loss: signals with their texts, and two views (B, D) of each signal with each other.

    Source: Liu et al. 2024 (arXiv:2403.06659), equations 1 to 5.
    """
    return contrastive_loss(signal, text, scale, processes) + contrastive_loss(one, other, scale, processes)


_LOSSES: dict[str, Callable[..., Tensor]] = {
    "masked": masked_loss,
    "masked-image": masked_image_loss,
    "jepa": joint_embedding_loss,
    "contrastive": contrastive_loss,
    "merl": views_loss,
}
UNLABELLED = tuple(_LOSSES)
"""Names of the objectives."""
_OF_BATCHES = ("contrastive", "merl")
"""Objectives whose loss compares the rows of a batch."""


class Unlabelled(nn.Module):
    """A weighted sum of objectives; a batch is what the network takes, and it returns a tuple for each by name.

    Args:
        weights: objective -> its weight.
        precision: of products and attention; losses are computed in float32.
        processes: whose rows are one batch while training.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        *,
        precision: torch.dtype = torch.float32,
        processes: Processes | None = None,
    ) -> None:
        super().__init__()
        self.weights, self.precision, self.processes = dict(weights), precision, processes or Processes()

    def forward(self, network: nn.Module, batch: tuple[Any, ...]) -> Tensor:
        """Return the loss of a batch."""
        device = next(network.parameters()).device.type
        with torch.autocast(device, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            found = network(*batch)
        shared = {"processes": self.processes} if network.training else {}  # validation is each one's own
        losses = [
            weight * _LOSSES[name](*found[name], **(shared if name in _OF_BATCHES else {}))
            for name, weight in self.weights.items()
        ]
        return torch.stack(losses).sum()


def _mean_over(errors: Tensor, masked: Tensor) -> Tensor:
    """Return the mean over windows of each one's mean error at masked patches; errors and mask are (B, C, n)."""
    errors, counted = errors.flatten(1), masked.flatten(1).to(errors.dtype)
    return ((errors * counted).sum(1) / counted.sum(1).clamp_min(1)).mean()
