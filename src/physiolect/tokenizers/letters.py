"""ECG-Byte's letters: amplitudes in equal bins of a fixed range, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import check_option

Preset = Literal["modern", "published"]

_MARGIN = 0.5
"""How far the letters' range reaches beyond either percentile."""
_TINY = 1e-6
"""What the authors add to the range to avoid a division by zero."""


@dataclass(frozen=True)
class Letters:
    """Equal bins of amplitude.

    Source: Han et al. 2024, arXiv:2412.14373; order of operations as in the authors' code.
    """

    percentiles: tuple[float, float]
    """1st and 99th percentile of the training signals."""
    count: int
    """Number of letters."""

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest amplitude that letters tell apart from what lies beyond."""
        return self.percentiles[0] - _MARGIN, self.percentiles[1] + _MARGIN

    @property
    def step(self) -> float:
        """Width of a bin."""
        low, high = self.range
        return (high - low + _TINY) / self.count

    def of(self, signal: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the number of each sample's letter, from 0, in the signal's shape; beyond the range the outermost."""
        low, high = self.range
        scaled = np.subtract(signal, low, dtype=np.float64)
        scaled /= high - low + _TINY  # in place: half of the time would go into fetching memory
        scaled *= self.count
        np.maximum(scaled, 0, out=scaled)
        np.minimum(scaled, self.count - 1, out=scaled)
        return scaled.astype(np.uint8)

    def amplitudes(self, symbols: NDArray[np.integer], preset: Preset) -> NDArray[np.float32]:
        """Return the amplitude of each letter.

        Args:
            symbols: numbers of letters, any shape.
            preset: "modern" is the middle of the bin, "published" the authors' inverse.

        Raises:
            ConfigError: the preset is unknown.
        """
        check_option("preset", preset, ("modern", "published"))
        low, high = self.range
        bins = np.arange(self.count, dtype=np.float64)
        if preset == "published":
            values = low + bins / (self.count - 1) * (high - low)
        else:
            values = low + (bins + 0.5) * self.step
        return values.astype(np.float32)[symbols]
