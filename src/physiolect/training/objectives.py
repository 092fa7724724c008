"""What training makes smaller."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physiolect.errors import ConfigError
from physiolect.tasks import Kind, Scope


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


class Labelled(nn.Module):
    """Loss of windows whose labels are known; a batch is (ids (B, T), target).

    Args:
        kind: "binary" for targets (B,) or (B, T) of 0 and 1; "one-of" and "several" for (B, K), or (B, T, K), of
            which a position of zeros has no class and does not count; "number" for (B,), of which the squared error is
            taken; or (B, T, K), of K targets at each position.
        scope: whether a target is of a window as a whole, or of each position.
        weights: of the classes in the loss: (2,) for no and yes, (K,) for one of K, (K,) of each one's presence for
            several; None weighs all alike.
        n_frozen: blocks that the batch has passed already: it then holds features (B, T, E), from which the model's
            `finish` continues.
        precision: of products and attention; the loss is computed in float32.
        smoothing: share of a target that is spread evenly over the classes, for "binary" and "one-of".
        skip: positions at the start of a window that do not count, since little came before them.
        huber: for "number", the error, in standard deviations, beyond which it counts by its size and no more by its
            square; None squares every error.
    """

    def __init__(
        self,
        kind: Kind,
        *,
        scope: Scope = "window",
        weights: Sequence[float] | None = None,
        n_frozen: int = 0,
        precision: torch.dtype = torch.float32,
        smoothing: float = 0.0,
        skip: int = 0,
        huber: float | None = None,
    ) -> None:
        super().__init__()
        self.scope, self.n_frozen, self.precision, self.skip = scope, n_frozen, precision, skip
        self.score = _Score(kind, weights, smoothing, huber)
        """A module of its own, which `Step` may compile."""

    def forward(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the mean loss of a batch."""
        x, target = batch
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            outputs = self._outputs(model, x)
        return self.score(*self._counted(outputs, target))

    @torch.no_grad()
    def of_all(self, model: nn.Module, pieces: Sequence[Tensor], target: Tensor) -> float:
        """Return the loss of many windows at once, in float32: piece by piece, and the targets of all."""
        outputs = torch.cat([self._outputs(model, piece) for piece in pieces])
        return float(self.score(*self._counted(outputs, target)))

    def _counted(self, outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return outputs and targets of the positions that count."""
        return (outputs[:, self.skip :], target[:, self.skip :]) if self.skip else (outputs, target)

    def _outputs(self, model: nn.Module, x: Tensor) -> Tensor:
        """Return what a model says of windows, (B, T or 1, K)."""
        last_only = self.scope == "window"
        if self.n_frozen:
            finish: Callable[..., Tensor] = model.finish  # type: ignore[assignment]
            return finish(x, self.n_frozen, last_only=last_only)
        return model(x, last_only=last_only)


class _Score(nn.Module):
    weights: Tensor | None

    def __init__(
        self, kind: Kind, weights: Sequence[float] | None, smoothing: float = 0.0, huber: float | None = None
    ) -> None:
        super().__init__()
        self.loss, self.kind, self.smoothing, self.huber = _LOSSES[kind], kind, smoothing, huber
        self.register_buffer(
            "weights", None if weights is None else torch.tensor(weights, dtype=torch.float32)
        )

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        target = target.float()
        if self.smoothing and self.kind == "binary":
            target = target + self.smoothing * (0.5 - target)
        elif self.smoothing and self.kind == "one-of":
            even = target.sum(-1, keepdim=True) / target.shape[-1]  # 0 where there is no class
            target = target + self.smoothing * (even - target)
        if self.huber is not None:
            return F.huber_loss(*_aligned(outputs.float(), target), delta=self.huber)
        return self.loss(outputs.float(), target, self.weights)


def _binary_loss(outputs: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    outputs = outputs[..., 0]  # (B, T or 1)
    target = target.view_as(outputs)
    weight = None if weights is None else weights[0] + (weights[1] - weights[0]) * target
    return F.binary_cross_entropy_with_logits(outputs, target, weight)


def _class_loss(outputs: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    logs = outputs.reshape(-1, outputs.shape[-1]).log_softmax(-1)
    target = target.reshape(logs.shape)
    weight = target.sum(-1)  # 0 where there is no class
    if weights is not None:
        weight = weight * weights[target.argmax(-1)]
    return -((target * logs).sum(-1) * weight).sum() / weight.sum().clamp_min(1e-9)


def _number_loss(outputs: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    return F.mse_loss(*_aligned(outputs, target))


def _aligned(outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return numbers and their targets in one shape; nothing is broadcast.

    Raises:
        ConfigError: the shapes do not fit.
    """
    if target.ndim < 3 and outputs.shape[-1] == 1:
        outputs = outputs[..., 0]  # (B, T or 1)
        target = target.view(*target.shape, *(1,) * (outputs.ndim - target.ndim))
    if outputs.shape != target.shape:
        raise ConfigError(
            f"the targets are {tuple(target.shape)}, but the model's outputs {tuple(outputs.shape)}",
            hint="give one target for each output and position",
        )
    return outputs, target


_LOSSES: dict[Kind, Callable[[Tensor, Tensor, Tensor | None], Tensor]] = {
    "binary": _binary_loss,
    "one-of": _class_loss,
    "several": lambda outputs, target, weights: F.binary_cross_entropy_with_logits(
        outputs.view_as(target), target, pos_weight=weights
    ),
    "number": _number_loss,
}


def balanced_weights(kind: Kind, target: Tensor) -> list[float]:
    """Return class weights with which every class counts as much in the loss, however rare it is.

    Args:
        kind: "binary", "one-of" or "several".
        target: of all that trains, as `Labelled` takes it; a class that never occurs weighs nothing.
    """
    flat = target.double().flatten() if kind == "binary" else target.double()
    n = len(flat)
    if kind == "binary":
        positive = float(flat.sum())
        return [n / (2 * count) if count else 0.0 for count in (n - positive, positive)]
    counts = flat.sum(0)  # (K,)
    if kind == "several":
        return [max(n - count, 1) / count if count else 0.0 for count in counts.tolist()]
    return [n / (len(counts) * count) if count else 0.0 for count in counts.tolist()]
