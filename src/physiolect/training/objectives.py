"""What training makes smaller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def next_token_loss(model: nn.Module, ids: Tensor) -> Tensor:
    """Return the mean cross-entropy, in nats per token, of every id of (B, T) but the first given those before."""
    return _CrossEntropy()(model(ids[:, :-1]), ids[:, 1:])


class NextToken(nn.Module):
    """`next_token_loss` with products and attention in another precision; logits are scored in float32.

    Args:
        precision: torch.float32, or torch.bfloat16 by autocast.
    """

    def __init__(self, precision: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.precision = precision
        self.score = _CrossEntropy()
        """A module of its own, which `Step` may compile: it takes the place of six passes over the logits."""

    def forward(self, model: nn.Module, ids: Tensor) -> Tensor:
        """Return the loss of ids (B, T)."""
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            logits = model(ids[:, :-1])  # (B, T - 1, V)
        return self.score(logits, ids[:, 1:])


class _CrossEntropy(nn.Module):
    def forward(self, logits: Tensor, ids: Tensor) -> Tensor:
        return F.cross_entropy(logits.flatten(0, 1).float(), ids.flatten())


Told = Literal["yes-or-no", "one-of", "several", "number"]
"""What is told of a window, or of each of its samples: a probability, one class of several, any of several classes,
or a number."""


class Labelled(nn.Module):
    """Loss of windows whose labels are known; a batch is (ids (B, T), target).

    Args:
        told: "yes-or-no" for targets (B,) or (B, T) of 0 and 1; "one-of" and "several" for (B, K); "number" for (B,),
            of which the squared error is taken.
        every_position: whether the target is one of each position, or of the window as a whole.
        weights: of the classes in the loss: (2,) for no and yes, (K,) for one of K, (K,) of each one's presence for
            several; None weighs all alike.
        n_begun: of the model's blocks, those that were applied to what a batch holds, so that it is no ids but features
            (B, T, E), from which the model's `finish` goes on.
        precision: of products and attention; the loss is computed in float32.
    """

    def __init__(
        self,
        told: Told,
        *,
        every_position: bool = False,
        weights: Sequence[float] | None = None,
        n_begun: int = 0,
        precision: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.every_position, self.n_begun, self.precision = every_position, n_begun, precision
        self.score = _Score(told, weights)
        """A module of its own, which `Step` may compile."""

    def forward(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the mean loss of a batch."""
        x, target = batch
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            outputs = self._outputs(model, x)
        return self.score(outputs, target)

    @torch.no_grad()
    def of_all(self, model: nn.Module, pieces: Sequence[Tensor], target: Tensor) -> float:
        """Return the loss of many windows at once, in float32: piece by piece, and the targets of all."""
        return float(self.score(torch.cat([self._outputs(model, piece) for piece in pieces]), target))

    def _outputs(self, model: nn.Module, x: Tensor) -> Tensor:
        """Return what a model says of windows, (B, T or 1, K)."""
        last_only = not self.every_position
        if self.n_begun:
            finish: Callable[..., Tensor] = model.finish  # type: ignore[assignment]
            return finish(x, self.n_begun, last_only=last_only)
        return model(x, last_only=last_only)


class _Score(nn.Module):
    weights: Tensor | None

    def __init__(self, told: Told, weights: Sequence[float] | None) -> None:
        super().__init__()
        self.told = told
        self.register_buffer(
            "weights", None if weights is None else torch.tensor(weights, dtype=torch.float32)
        )

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        outputs, target = outputs.float(), target.float()
        if self.told in ("one-of", "several"):
            outputs = outputs[:, 0]  # (B, K)
            if self.told == "one-of":
                return F.cross_entropy(outputs, target.argmax(-1), self.weights)
            return F.binary_cross_entropy_with_logits(outputs, target, pos_weight=self.weights)
        outputs = outputs[..., 0]  # (B, T or 1)
        target = target.view_as(outputs)
        if self.told == "number":
            return F.mse_loss(outputs, target)
        weight = (
            None if self.weights is None else self.weights[0] + (self.weights[1] - self.weights[0]) * target
        )
        return F.binary_cross_entropy_with_logits(outputs, target, weight)


def balanced_weights(told: Told, target: Tensor) -> list[float]:
    """Return class weights with which every class counts as much in the loss, however rare it is.

    Args:
        told: any but "number".
        target: of all that trains, as `Labelled` takes it; a class that never occurs weighs nothing.
    """
    flat = target.double().flatten() if told == "yes-or-no" else target.double()
    n = len(flat)
    if told == "yes-or-no":
        positive = float(flat.sum())
        return [n / (2 * count) if count else 0.0 for count in (n - positive, positive)]
    counts = flat.sum(0)  # (K,)
    if told == "several":
        return [max(n - count, 1) / count if count else 0.0 for count in counts.tolist()]
    return [n / (len(counts) * count) if count else 0.0 for count in counts.tolist()]
