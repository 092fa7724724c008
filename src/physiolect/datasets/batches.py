"""Batches of token ids, made of a store's windows on the device that trains."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from physiolect.datasets.loader import Places, WindowLoader
from physiolect.datasets.store import Store
from physiolect.errors import ConfigError
from physiolect.tokenizers import LevelTokenizer


class LevelBatches:
    """Random windows as level ids, each a function of (seed, step, row) alone.

    Args:
        store: where the signals are.
        rows: rows to draw from.
        tokenizer: cuts windows into levels.
        length: ids in a window: the context and one more.
        seed: another seed makes other windows.
        scale_samples: samples around the window that give its range; None is the window itself, as when a
            model is used, and 1000 is HeartGPT's training on ten-second records.
        device: where the ids are made.
    """

    def __init__(
        self,
        store: Store,
        rows: ArrayLike,
        tokenizer: LevelTokenizer,
        *,
        length: int,
        seed: int,
        scale_samples: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        rows = np.asarray(rows, np.int64)
        self.stretch = max(length, scale_samples or 0)
        long_enough = rows[store.lengths[rows] >= self.stretch]
        if not len(long_enough):
            raise ConfigError(
                f"no row of {store.path} is {self.stretch} samples long, which a window and its scale need",
                hint="choose a shorter context, or prepare longer recordings",
            )
        self.loader = WindowLoader(store, long_enough, length=length, seed=seed)
        self.tokenizer, self.device = tokenizer, torch.device(device)

    def batch(self, step: int, size: int, *, first: int = 0) -> Tensor:
        """Return the ids of one step (size, length); `first` leaves out that many of the step's windows."""
        return self._ids(self.loader.draw(step, size, first=first))

    def fixed(self, n: int) -> Tensor:
        """Return up to n windows for evaluation, spread evenly over the rows and the same at every call."""
        return self._ids(self.loader.spread(n))

    def _ids(self, places: Places) -> Tensor:
        store, length = self.loader.store, self.loader.length
        begins = self._stretch_begins(store, places)
        signal = store.windows(places.rows, places.channels, begins, self.stretch)  # (B, stretch) int16
        ids, _ = self.tokenizer.encode(torch.from_numpy(signal).to(self.device), flat="level")
        if self.stretch == length:
            return ids
        cut = torch.from_numpy(places.starts - begins).to(self.device).unsqueeze(1)  # (B, 1)
        return ids.gather(1, cut + torch.arange(length, device=self.device))

    def _stretch_begins(self, store: Store, places: Places) -> NDArray[np.int64]:
        """Centre the stretch on the window as far as the row's ends allow."""
        begins = places.starts - (self.stretch - self.loader.length) // 2
        return np.clip(begins, 0, store.lengths[places.rows] - self.stretch)
