"""What a causal model of continuous signals remembers from step to step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from physiolect.errors import ConfigError
from physiolect.models.channel_input import Running
from physiolect.models.model import Model


@dataclass
class Stream:
    """The memory of some signals that are read one step at a time; one for each series of steps."""

    running: Running | None
    """Sums of adapting statistics; None where statistics are fixed."""
    cache: list[Any] = field(default_factory=list)
    """Of each layer: keys and values, or its state."""
    seen: int = 0
    """Steps so far."""


def check_channels(model: Model, x: Tensor) -> None:
    """Refuse windows (B, C, T) of other channels than a model takes.

    Raises:
        ConfigError: they have other channels.
    """
    if x.shape[1] != model.n_channels:
        raise ConfigError(
            f"the windows have {x.shape[1]} channels, but the model takes {model.n_channels}",
            hint="choose the channels that the checkpoint's contract names",
        )
