"""Choosing the next token from logits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from physiolect.errors import ConfigError

_COLDEST = 1e-30
"""Colder than this is greedy already, and nothing in float32."""


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn."""

    greedy: bool = False
    """Take the likeliest token; nothing is random then."""
    temperature: float = 1.0
    """Logits are divided by it; below 1 is more cautious."""
    top_k: int | None = None
    """Draw among the k likeliest tokens only."""
    top_p: float | None = None
    """Draw among the likeliest tokens that together reach this probability (Holtzman et al. 2020)."""

    def __post_init__(self) -> None:
        problems = self.problems()
        if problems:
            raise ConfigError("; ".join(problems), hint="leave these out for plain sampling")

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = []
        if not self.temperature > 0:
            found.append(
                f"temperature is {self.temperature}, but must be above 0 (for the likeliest token: greedy)"
            )
        if self.top_k is not None and self.top_k < 1:
            found.append(f"top_k is {self.top_k}, but must be at least 1")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            found.append(f"top_p is {self.top_p}, but must be in (0, 1]")
        return found

    def draw(self, logits: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return one id a row, (B, 1), for logits (B, V)."""
        logits = logits.float()  # in half precision the sums that top_p compares would be rounded to 1 of 256
        if self.greedy:
            return logits.argmax(-1, keepdim=True)
        if self.temperature != 1.0:
            # with the likeliest at 0 no temperature, however small, makes two infinities
            logits = (logits - logits.amax(-1, keepdim=True)) / max(self.temperature, _COLDEST)
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            kept, order = logits.topk(self.top_k, -1)  # of equals at the edge only as many as fit
            logits = torch.full_like(logits, -torch.inf).scatter(-1, order, kept)
        if self.top_p is not None and self.top_p < 1:
            ranked, order = logits.sort(-1, descending=True)
            before = ranked.softmax(-1).cumsum(-1) - ranked.softmax(-1)  # mass of the likelier ones
            cut = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, before >= self.top_p)
            logits = logits.masked_fill(cut, -torch.inf)
        return torch.multinomial(logits.softmax(-1), 1, generator=generator)
