"""HeartGPT's tokens: a window's range in equal levels, one token a sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from physiolect.errors import ConfigError, FormatError, check_option

if TYPE_CHECKING:
    from torch import Tensor

    Array = TypeVar("Array", np.ndarray[Any, Any], Tensor)
else:
    Array = TypeVar("Array")


@dataclass(frozen=True)
class LevelScale:
    """The range that was cut into levels; what `decode` needs to give original units back."""

    low: Any
    """Value of level 0, (..., 1) in the signal's unit."""
    high: Any
    """Value of the top level, (..., 1)."""


@dataclass(frozen=True)
class LevelTokenizer:
    """Min-max scaling of each window to 0 … n_levels - 1, rounded half to even (Davies et al. 2024)."""

    n_levels: int = 101
    """Levels a window's range is cut into."""
    vocabulary_size: int = 101
    """Token ids of the model; the published PPG models have one (101) that is never used."""

    def __post_init__(self) -> None:
        if not 2 <= self.n_levels <= self.vocabulary_size:
            raise ConfigError(
                f"{self.n_levels} levels do not fit a vocabulary of {self.vocabulary_size}",
                hint="use at least 2 levels and a vocabulary no smaller than their number",
            )

    def encode(
        self,
        signal: Array,
        *,
        scale: Literal["window", "context"] = "window",
        context_length: int | None = None,
        flat: Literal["refuse", "level"] = "refuse",
    ) -> tuple[Array, LevelScale]:
        """Turn windows into level ids; numpy in, numpy out, and torch likewise on its own device.

        Args:
            signal: windows (..., T), in any unit.
            scale: take the range from the whole window, or from its first `context_length` samples alone: what
                follows is clipped to it, so that a forecast's targets cannot leak into its scale.
            context_length: samples of context, with scale="context".
            flat: refuse a window without range, or map it to level 0.

        Returns:
            ids int64 (..., T), and the scale that `decode` takes.

        Raises:
            FormatError: a sample is missing or infinite, or a window is flat and flat="refuse".
            ConfigError: an option is unknown, or `context_length` is missing or too long.

        Source: Davies et al. 2024, arXiv:2407.20775, section "Tokenisation"; order of operations and float64
            as in the authors' code, since rounding depends on both.
        """
        check_option("scale", scale, ("window", "context"))
        check_option("flat", flat, ("refuse", "level"))
        xp = _namespace(signal)
        x = xp.asarray(signal, dtype=xp.float64)
        reference = x if scale == "window" else x[..., : self._context(context_length, x.shape[-1])]
        if not bool(xp.isfinite(xp.sum(x))):
            raise FormatError(
                "a window has missing or infinite samples", hint="bridge the gaps first (adapt does)"
            )
        ids, cut = self.cut(x, reference)
        if flat == "refuse" and bool((cut.high <= cut.low).any()):
            raise FormatError(
                "a window is flat: it has no range to cut into levels",
                hint='choose another stretch, or flat="level"',
            )
        return ids, cut

    def cut(self, signal: Array, reference: Array) -> tuple[Array, LevelScale]:
        """Return what `encode` does, unchecked, so that a GPU need not wait: flat windows become level 0.

        Args:
            signal: windows (..., T), all finite.
            reference: what each window's range is taken from (..., S); what lies beyond it is clipped.
        """
        xp = _namespace(signal)
        x, reference = xp.asarray(signal, dtype=xp.float64), xp.asarray(reference, dtype=xp.float64)
        low, high = xp.amin(reference, -1, keepdims=True), xp.amax(reference, -1, keepdims=True)  # (..., 1)
        span = xp.where(high > low, high - low, xp.ones_like(high))
        top = self.n_levels - 1
        levels = xp.clip(xp.round((x - low) / span * top), 0, top)
        return xp.asarray(levels, dtype=xp.int64), LevelScale(low, high)

    def decode(self, ids: Array, scale: LevelScale) -> Array:
        """Turn ids (..., T) back into the signal's unit, within half a level of what was encoded."""
        xp = _namespace(ids)
        step = (scale.high - scale.low) / (self.n_levels - 1)
        return scale.low + xp.asarray(ids, dtype=xp.float64) * step

    @staticmethod
    def _context(context_length: int | None, T: int) -> int:
        if context_length is None or not 1 <= context_length <= T:
            raise ConfigError(
                f"scale='context' needs context_length between 1 and the window's {T} samples, got {context_length}",
                hint="pass the number of samples that come before the forecast",
            )
        return context_length


def _namespace(array: object) -> Any:
    """Return numpy or torch: the functions used here go by the same names in both."""
    if type(array).__module__.startswith("torch"):
        import torch

        return torch
    return np
