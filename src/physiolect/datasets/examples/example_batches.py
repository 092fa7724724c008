"""Batches of examples: a model's inputs and targets, on the device that trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from physiolect.datasets.examples.augmentation import Augmentation
from physiolect.datasets.examples.examples import Examples
from physiolect.tokenizers import LevelTokenizer

Draws = Literal["epochs", "balanced"]
"""Each window once an epoch, or by chance: classes alike, and within a class each patient by the square root of how
many windows are theirs, so that those of long recordings do not outvote all others."""

Encode: TypeAlias = Callable[[NDArray[np.float32]], tuple[Tensor, NDArray[np.bool_]]]
"""Windows (b, T) or (b, C, T) -> what a model takes, ids (b, T) or real numbers (b, C, T), and which are flat."""

_AT_ONCE = 1024  # windows that are encoded together
_CHANNEL = 0x9E3779B97F4A7C1  # sets the random bits of a window's channels apart


class ExampleBatches:
    """Examples in an order that is a function of (seed, step) alone.

    All inputs and targets live on the device; ids take a byte a sample where the vocabulary allows.

    Args:
        examples: windows and their labels.
        encode: turns windows into what the model takes, as `Checkpoint.encode`.
        size: windows a batch.
        levels: tokenizer of a model that reads levels; None for one that reads real numbers.
        parts: batches a step.
        seed: another seed gives another order.
        device: where inputs are kept.
        mean: subtracted from the target of a regression; one for each of several targets.
        sd: what it is divided by after that.
        draws: which windows a step takes.
        augmentation: how windows are varied, each channel in its own way; levels are then cut into levels again.
            Without tempo and mixing, which need more than the window.
    """

    def __init__(
        self,
        examples: Examples,
        encode: Encode,
        *,
        size: int,
        levels: LevelTokenizer | None = None,
        parts: int = 1,
        seed: int = 0,
        device: torch.device | str = "cpu",
        mean: float | NDArray[np.float32] = 0.0,
        sd: float | NDArray[np.float32] = 1.0,
        draws: Draws = "epochs",
        augmentation: Augmentation | None = None,
    ) -> None:
        self.size, self.parts, self.seed = size, parts, seed
        self.levels, self.augmentation = levels, augmentation or Augmentation()
        assert self.augmentation.tempo == 1
        assert not self.augmentation.mix
        self._recorded = self.augmentation.recorded_noise(examples.store.contract.fs, device)
        self._inputs = _encoded(examples, encode, levels, device)
        target = examples.target
        scaled = (target - mean) / sd if examples.kind == "number" else target
        self.target = torch.from_numpy(scaled).to(device)
        """Of all examples, scaled, (n, …)."""
        self._index, self._bits = (
            torch.zeros(size * parts, dtype=torch.int64, device=device) for _ in range(2)
        )
        self._up_to = balanced_shares(examples).cumsum() if draws == "balanced" else None  # (n,)
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self._inputs)

    def inputs(self, index: ArrayLike) -> Tensor:
        """Return the inputs of some examples: ids (b, T) or real numbers (b, C, T)."""
        return _whole(self._inputs[torch.as_tensor(np.asarray(index), device=self._inputs.device)])

    def hold(self, features: Tensor) -> None:
        """Give features (n, T, E) of all examples in their order from now on, in place of inputs."""
        assert self.augmentation == Augmentation()
        self._inputs = features

    def stage(self, step: int) -> None:
        """Choose the examples of this step."""
        n = len(self._index)
        rng = np.random.default_rng([self.seed, step, n])
        if self._up_to is None:
            epochs, at = np.divmod(np.arange(step * n, (step + 1) * n), len(self))
            chosen = np.concatenate(
                [self._shuffled(epoch)[at[epochs == epoch]] for epoch in np.unique(epochs).tolist()]
            )
        else:
            chosen = np.searchsorted(self._up_to, self._up_to[-1] * rng.random(n), side="right")
        self._index.copy_(torch.from_numpy(chosen))
        if self.augmentation != Augmentation():
            self._bits.copy_(torch.from_numpy(rng.integers(2**63, size=n)))

    def batch(self, step: int | Tensor, part: int) -> tuple[Tensor, Tensor]:
        """Return inputs, or the features held, (size, …), and targets of a part of the step last staged."""
        mine = slice(part * self.size, (part + 1) * self.size)
        index = self._index[mine]
        inputs = _whole(self._inputs[index])
        if self.augmentation != Augmentation():
            inputs = self._varied(inputs, self._bits[mine])
        return inputs, self.target[index]

    def _varied(self, inputs: Tensor, bits: Tensor) -> Tensor:
        """Return varied inputs, levels (b, T) or real numbers (b, C, T), by random bits (b,)."""
        if self.levels is not None:
            varied = self.augmentation.vary(inputs, None, bits, inputs.shape[1], self._recorded)
            return self.levels.cut(varied, varied)[0]
        rows = inputs.flatten(0, 1)  # (b C, T)
        own = bits.repeat_interleave(inputs.shape[1]) + torch.arange(len(rows), device=rows.device) * _CHANNEL
        return self.augmentation.vary(rows, None, own, rows.shape[1], self._recorded).view_as(inputs)

    def in_order(self, size: int) -> list[Tensor]:
        """Return the inputs of all examples, or the features held, in their order, at most `size` at once."""
        return [_whole(inputs) for inputs in self._inputs.split(size)]

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        if self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng([self.seed, epoch]).permutation(len(self)))
        return self._order[1]


def _encoded(
    examples: Examples, encode: Encode, levels: LevelTokenizer | None, device: torch.device | str
) -> Tensor:
    """Return the inputs of all examples, (n, T) or (n, C, T)."""
    found = None
    for first in range(0, len(examples), _AT_ONCE):
        index = np.arange(first, min(first + _AT_ONCE, len(examples)))
        inputs, _ = encode(examples.windows(index))
        if found is None:
            small = levels is not None and levels.vocabulary_size <= 256
            kind = inputs.dtype if inputs.is_floating_point() else torch.uint8 if small else torch.int32
            found = torch.empty((len(examples), *inputs.shape[1:]), dtype=kind, device=device)
        found[first : first + len(index)] = inputs.to(device)
    assert found is not None
    return found


def _whole(inputs: Tensor) -> Tensor:
    """Return ids as int64, and features as they are."""
    return inputs if inputs.is_floating_point() else inputs.long()


def balanced_shares(examples: Examples) -> NDArray[np.float64]:
    """Return how likely each window is in balanced draws, (n,), 1 in all; see Draws."""
    classes = examples.strata
    classes = np.zeros(len(examples), np.int64) if classes is None else classes
    _, owners = np.unique(np.array(examples.groups), return_inverse=True)
    _, cells, counts = np.unique(np.stack([classes, owners]), axis=1, return_inverse=True, return_counts=True)
    shares = counts[cells.ravel()] ** -0.5  # sqrt(n) of a patient's n windows
    shares /= np.bincount(classes, shares)[classes]
    return shares / shares.sum()
