"""Batches of examples: token ids and targets, on the device that trains."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from physiolect.datasets.examples import Examples
from physiolect.tokenizers import LevelTokenizer

_AT_ONCE = 1024  # windows that are cut into levels together


class ExampleBatches:
    """Examples in an order of their own every epoch, a function of (seed, step) alone; flat windows are level 0.

    All ids and targets live on the device, a byte for each sample where the vocabulary allows.

    Args:
        examples: to learn from.
        tokenizer: cuts windows into levels.
        size: windows a batch.
        parts: batches a step.
        seed: another seed makes another order.
        device: where ids are kept.
        mean: taken from a number that is to be told.
        sd: what it is divided by after that.
    """

    def __init__(
        self,
        examples: Examples,
        tokenizer: LevelTokenizer,
        *,
        size: int,
        parts: int = 1,
        seed: int = 0,
        device: torch.device | str = "cpu",
        mean: float = 0.0,
        sd: float = 1.0,
    ) -> None:
        self.size, self.parts, self.seed = size, parts, seed
        kind = np.uint8 if tokenizer.vocabulary_size <= 256 else np.int32
        ids = np.empty((len(examples), examples.length), kind)
        for first in range(0, len(ids), _AT_ONCE):
            index = np.arange(first, min(first + _AT_ONCE, len(ids)))
            ids[index] = tokenizer.encode(examples.windows(index), flat="level")[0]
        target = examples.target
        self._inputs = torch.from_numpy(ids).to(device)
        self.target = torch.from_numpy((target - mean) / sd if examples.task == "regress" else target).to(
            device
        )
        """Of all examples, scaled, (n, …)."""
        self._index = torch.zeros(size * parts, dtype=torch.int64, device=device)
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self._inputs)

    def ids(self, index: ArrayLike) -> Tensor:
        """Return the ids (b, T) of some examples."""
        return self._inputs[torch.as_tensor(np.asarray(index), device=self._inputs.device)].long()

    def hold(self, features: Tensor) -> None:
        """Give features (n, T, E) of all examples in their order from now on, in the place of ids."""
        self._inputs = features

    def stage(self, step: int) -> None:
        """Choose the examples of this step."""
        places = np.arange(step * len(self._index), (step + 1) * len(self._index))
        epochs, at = np.divmod(places, len(self))
        chosen = np.concatenate(
            [self._shuffled(epoch)[at[epochs == epoch]] for epoch in np.unique(epochs).tolist()]
        )
        self._index.copy_(torch.from_numpy(chosen))

    def batch(self, step: int | Tensor, part: int) -> tuple[Tensor, Tensor]:
        """Return ids (size, T), or the features held, and targets of a part of the step last staged."""
        index = self._index[part * self.size : (part + 1) * self.size]
        return _whole(self._inputs[index]), self.target[index]

    def in_order(self, size: int) -> list[Tensor]:
        """Return the ids of all examples, or the features held, in their order, as many as `size` at once."""
        return [_whole(inputs) for inputs in self._inputs.split(size)]

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        if self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng([self.seed, epoch]).permutation(len(self)))
        return self._order[1]


def _whole(inputs: Tensor) -> Tensor:
    """Return ids as int64, and features as they are."""
    return inputs if inputs.is_floating_point() else inputs.long()
