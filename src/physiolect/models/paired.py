"""Networks that bring signals and texts into one space, where those that belong together are near."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from physiolect.models.model import Model

ProjectionKind = Literal["linear", "two-layer"]
_LARGEST_SCALE = 100.0
"""Of similarities, where the temperature is learned; CLIP's."""


class PairedText(nn.Module):
    """The text's side of a contrastive objective, and the temperature; the signal's side is the encoder with its head.

    Args:
        text_width: features of a text, as the tower gives them.
        width: features of the common space: outputs of the encoder's head.
        projection: what maps texts there: "linear" as in CLIP, or "two-layer" (linear, GELU, linear) as in MERL.
        temperature: that similarities are divided by; the first one where it is learned.
        learned: whether the temperature is learned.
        tower: maps (ids, mask) to features (B, text_width); None where batches hold the features of a frozen tower.

    Source: Radford et al. 2021 (arXiv:2103.00020).
    """

    def __init__(
        self,
        *,
        text_width: int,
        width: int,
        projection: ProjectionKind = "linear",
        temperature: float = 0.07,
        learned: bool = True,
        tower: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.tower = tower
        self.projection = make_projection(projection, text_width, width)
        scale = torch.tensor([-math.log(temperature)])
        self.log_scale = nn.Parameter(scale, requires_grad=learned)  # (1,), since FSDP shards no scalars

    def scale(self) -> Tensor:
        """Return what similarities are multiplied by, (1,)."""
        return self.log_scale.clamp(max=math.log(_LARGEST_SCALE)).exp()

    def texts(self, text: tuple[Tensor, ...]) -> Tensor:
        """Return texts in the common space, (B, D): of features (B, W), or of (ids, mask)."""
        (features,) = text if self.tower is None else (self.tower(*text),)
        return self.projection(features)

    def forward(self, encoder: Model, x: Tensor, text: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return signals and texts in the common space, (B, D) each, and the scale of similarities."""
        return encoder(x, last_only=True)[:, 0], self.texts(text), self.scale()


class PairedViews(PairedText):
    """Beside signals and texts, two views of each signal that differ by dropout.

    The views are made of the signal in the common space, each by a linear layer of its own; see `PairedText` for
    the other arguments.

    Args:
        dropout: of the views.
        **shared: of `PairedText`.

    Source: Liu et al. 2024, MERL (arXiv:2403.06659).
    """

    def __init__(self, *, width: int, dropout: float = 0.1, **shared: object) -> None:
        super().__init__(width=width, **shared)  # type: ignore[arg-type]
        self.views = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, encoder: Model, x: Tensor, text: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return what `PairedText` does, and two views (B, D)."""
        signal, words, scale = super().forward(encoder, x, text)
        return signal, words, scale, *(self.dropout(view(signal)) for view in self.views)


def make_projection(kind: ProjectionKind, text_width: int, width: int) -> nn.Module:
    """Return what maps features of a text (B, text_width) to (B, width)."""
    if kind == "linear":
        return nn.Linear(text_width, width, bias=False)
    return nn.Sequential(nn.Linear(text_width, width), nn.GELU(), nn.Linear(width, width))
