"""Networks that stand beside an encoder while it learns without labels, and the masks they draw.

Each gets the encoder as an argument, so that several can share one, and returns what its loss is made of; the losses
are in `physiolect.training.unlabelled`.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from math import ceil, floor
from typing import Any, Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physiolect.models.attention import Attention
from physiolect.models.encoder import Encoder
from physiolect.models.layers import MLP, Block, Transformer

MaskKind = Literal["random", "blocks"]
"""Which patches are masked: single ones, or those under four stretches."""

_ROUNDING = 1e-4
"""A share of patches that is this near to a whole number is that number: 0.6 of 50 in float32 may be 29.99999."""


@dataclass(frozen=True)
class DecoderConfig:
    """The sizes of the small transformer that fills in what is masked."""

    width: int = 256
    """Features of the residual stream."""
    n_layers: int = 4
    """Blocks."""
    n_heads: int = 4
    """Attention heads; divides `width`."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        sizes = ("width", "n_layers", "n_heads")
        found = [
            f"{name} is {getattr(self, name)}, but must be at least 1"
            for name in sizes
            if getattr(self, name) < 1
        ]
        if not found and self.width % self.n_heads:
            found.append(f"width {self.width} is no multiple of n_heads {self.n_heads}")
        return found


class LeadDecoder(nn.Module):
    """A transformer over each channel alone, the same for all: known tokens in, something about all patches out.

    Args:
        source_width: features of what the encoder made.
        n_patches: of a channel.
        n_outputs: numbers to give for each patch.
        sizes: of the transformer.
    """

    def __init__(self, *, source_width: int, n_patches: int, n_outputs: int, sizes: DecoderConfig) -> None:
        super().__init__()
        W = sizes.width
        self.source = nn.Linear(source_width, W)
        self.mask_token = nn.Parameter(torch.zeros(1, W))
        self.positions = nn.Parameter(torch.zeros(n_patches, W))
        self.trunk = Transformer(
            Block(
                attention=Attention(width=W, n_heads=sizes.n_heads, causal=False, bias=True),
                mlp=MLP(width=W, hidden=4 * W),
            )
            for _ in range(sizes.n_layers)
        )
        self.out = nn.Linear(W, n_outputs)
        for name, weight in self.named_parameters():
            if weight.ndim > 1:
                nn.init.normal_(weight, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)

    def forward(self, known: Tensor, keep: Tensor, masked: Tensor) -> Tensor:
        """Return outputs of all patches (B, C, n, K).

        Args:
            known: what the encoder made of some patches, (B, k, E).
            keep: their numbers, (B, k).
            masked: (B, C, n), True where the patch is not known, whatever `known` holds for it.
        """
        B, C, n = masked.shape
        x = self.source(known)
        filled = x.new_zeros(B, C * n, x.shape[-1]).scatter(1, keep.unsqueeze(-1).expand_as(x), x)
        x = torch.where(masked.unsqueeze(-1), self.mask_token.to(x.dtype), filled.unflatten(1, (C, n)))
        x = (x + self.positions).flatten(0, 1)  # (B C, n, W)
        return self.out(self.trunk(x)).unflatten(0, (B, C))


class MaskedPatches(nn.Module):
    """Some patches of each channel are hidden from the encoder, and a decoder gives their samples.

    Args:
        encoder: whose patches are masked.
        sizes: of the decoder.
        share: of each channel's patches that is masked.

    Source: Na et al. 2024, ST-MEM (arXiv:2402.09450); He et al. 2022 (arXiv:2111.06377).
    """

    def __init__(self, encoder: Encoder, *, sizes: DecoderConfig, share: float = 0.75) -> None:
        super().__init__()
        c = encoder.config
        self.n_masked = count_masked(c.n_patches, share)
        self.decoder = LeadDecoder(
            source_width=c.width, n_patches=c.n_patches, n_outputs=c.patch_size, sizes=sizes
        )

    def forward(
        self, encoder: Encoder, x: Tensor, text: Any = None, *, masked: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return predicted patches (B, C, n, P), the patches themselves, and which were masked, (B, C, n).

        Args:
            encoder: learns.
            x: windows (B, C, T), as long as its context.
            text: not used.
            masked: as many patches of every row; None draws them.
        """
        patches = encoder.patches(x)
        if not encoder.config.per_lead:  # (B, 1, n, C P)
            patches = patches.transpose(1, 2).flatten(2).unsqueeze(1)
        if masked is None:
            masked = draw_masked(patches.shape[:3], self.n_masked, x.device)
        n_kept = masked[0].numel() - (self.n_masked * masked.shape[1])
        keep, _ = kept_patches(masked, n_kept)
        known = _read(encoder, x, keep, None)
        return self.decoder(known, keep, masked), patches, masked


class MaskedImage(nn.Module):
    """A learned token stands for some patches of an image, and a linear layer gives their pixels.

    Args:
        encoder: of images.
        share: of the patches that is masked.

    Source: Xie et al. 2022, SimMIM (arXiv:2111.09886), as transformers trains a ViT.
    """

    def __init__(self, encoder: Encoder, *, share: float = 0.75) -> None:
        super().__init__()
        c = encoder.config
        self.n_masked = count_masked(c.n_patches * c.n_rows, share)
        self.mask_token = nn.Parameter(torch.zeros(1, c.width))
        self.out = nn.Linear(c.width, c.patch_size)

    def forward(
        self, encoder: Encoder, x: Tensor, text: Any = None, *, masked: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return predicted patches (B, R, n, P), the patches themselves, and which were masked, (B, R, n).

        Args:
            encoder: learns.
            x: windows (B, C, T).
            text: not used.
            masked: as many patches of every row; None draws them.
        """
        patches = encoder.patches(x)
        B, R, n, _ = patches.shape
        if masked is None:
            masked = draw_masked((B, R * n), self.n_masked, x.device).unflatten(1, (R, n))
        shown = encoder.embedding(patches.to(encoder.dtype)).flatten(1, 2)
        shown = torch.where(masked.flatten(1).unsqueeze(-1), self.mask_token.to(shown.dtype), shown)
        found = _patch_features(encoder, encoder.read_patches(shown))
        return self.out(found).unflatten(1, (R, n)), patches, masked


class JointEmbedding(nn.Module):
    """The features of masked times are predicted: those that a slowly following copy of the encoder makes of all.

    Args:
        encoder: whose patches are masked.
        sizes: of the predictor.
        mask: "random" times, or those under four "blocks"; the same in all channels of a window.
        shares: least and largest share of the times that is masked, or that each of the blocks covers.
        momentum: of the copy in the first update; it rises to 1 in the last.

    Source: Kim 2024, ECG-JEPA (arXiv:2410.08559); Assran et al. 2023 (arXiv:2301.08243).
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        sizes: DecoderConfig,
        mask: MaskKind = "random",
        shares: tuple[float, float] = (0.6, 0.7),
        momentum: float = 0.996,
    ) -> None:
        super().__init__()
        c = encoder.config
        self.mask, self.shares, self.momentum = mask, shares, momentum
        self.predictor = LeadDecoder(
            source_width=c.width, n_patches=c.n_patches, n_outputs=c.width, sizes=sizes
        )
        self.teacher = deepcopy(encoder).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Switch dropout of the predictor; the teacher has none."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(
        self, encoder: Encoder, x: Tensor, text: Any = None, *, masked: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return predicted features (B, C, n, E), the teacher's, and which patches were masked, (B, C, n).

        Args:
            encoder: learns.
            x: windows (B, C, T), as long as its context.
            text: not used.
            masked: times that are masked, (B, n); None draws them.
        """
        c = encoder.config
        C, n = c.n_rows, c.n_patches
        if masked is None:
            masked = draw_masked_times(len(x), n, self.mask, self.shares, x.device)
        n_kept = C * (n - floor(self.shares[0] * n + _ROUNDING))  # no window keeps more
        masked = masked.unsqueeze(1).expand(-1, C, -1)
        keep, real = kept_patches(masked, n_kept)
        predicted = self.predictor(_read(encoder, x, keep, real), keep, masked)
        with torch.no_grad():
            target = _patch_features(self.teacher, self.teacher.read_patches(self.teacher.embed(x)))
            target = F.layer_norm(target.float(), target.shape[-1:])
        return predicted, target.unflatten(1, (C, n)), masked

    @torch.no_grad()
    def follow(self, encoder: Encoder, step: Tensor, steps: int, made: Tensor) -> None:
        """Move the teacher towards the encoder after an update.

        Args:
            encoder: as it is now.
            step: number of the update, from 0, ().
            steps: of the whole run.
            made: whether the update was made, ().
        """
        share = (1 - self.momentum) * (1 - step / steps) * made
        for own, other in zip(self.teacher.parameters(), encoder.parameters(), strict=True):
            own.add_((other - own) * share.to(own.dtype))


def count_masked(n: int, share: float) -> int:
    """Return how many of n patches are masked: the kept ones are rounded down, and one is kept at least.

    Source: He et al. 2022 (arXiv:2111.06377), and Xie et al. 2022 (arXiv:2111.09886), as published.
    """
    return min(max(1, ceil(share * n - _ROUNDING)), n - 1)


def draw_masked(shape: tuple[int, ...], n_masked: int, device: torch.device) -> Tensor:
    """Return n_masked random patches of each channel, True in (B, C, n)."""
    return torch.rand(shape, device=device).argsort(-1).argsort(-1) < n_masked


def draw_masked_times(
    n_rows: int, n: int, kind: MaskKind, shares: tuple[float, float], device: torch.device
) -> Tensor:
    """Return masked times, True in (B, n).

    Args:
        n_rows: B.
        n: patches of a channel.
        kind: "random": each window masks a share of its times between the two. "blocks": four stretches, each of such a
            share; they may overlap.
        shares: least and largest share.
        device: where they are drawn.
    """
    low, high = shares
    if kind == "random":
        count = (n * (low + (high - low) * torch.rand(n_rows, 1, device=device)) + _ROUNDING).floor()
        return torch.rand(n_rows, n, device=device).argsort(-1).argsort(-1) < count
    count = (n * (low + (high - low) * torch.rand(n_rows, 4, device=device)) + _ROUNDING).floor()
    start = (torch.rand(n_rows, 4, device=device) * (n - count + 1)).floor()
    time = torch.arange(n, device=device)
    inside = (time >= start.unsqueeze(-1)) & (time < (start + count).unsqueeze(-1))  # (B, 4, n)
    return inside.any(1)


def kept_patches(masked: Tensor, n_kept: int) -> tuple[Tensor, Tensor]:
    """Return the numbers of n_kept patches, those that are not masked first, and which of them are not, (B, n_kept).

    Args:
        masked: (B, C, n).
        n_kept: the most that any row keeps.
    """
    flat = masked.flatten(1)
    keep = flat.byte().argsort(dim=1, stable=True)[:, :n_kept]
    return keep, ~flat.gather(1, keep)


def _read(encoder: Encoder, x: Tensor, keep: Tensor, real: Tensor | None) -> Tensor:
    """Return the features of the kept patches alone, (B, k, E), when the encoder sees no others."""
    first = int(encoder.config.class_token)
    found = encoder.read_patches(encoder.embed(x), keep=keep, real=real)
    return found[:, first : first + keep.shape[1]]


def _patch_features(encoder: Encoder, found: Tensor) -> Tensor:
    """Return the features of patches alone, (B, C n, E)."""
    c = encoder.config
    first = int(c.class_token)
    return found[:, first : first + c.n_patches * c.n_rows]
