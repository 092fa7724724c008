"""What every family of models offers to the rooms above."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from physiolect.errors import ConfigError
from physiolect.models.capture import Capture

Takes = Literal["levels", "signal"]
"""What a model reads: ids of levels (B, T), or real numbers (B, C, T)."""


def wandering(n_channels: int, length: int, device: torch.device) -> Tensor:
    """Return whole numbers from 0 to 100 that wander, (1, C, T): the same on every machine."""
    step = torch.arange(length, device=device)
    channel = torch.arange(n_channels, device=device).unsqueeze(1)
    return ((step * step * 7 + step * (3 + channel) + 11 * channel) % 101).unsqueeze(0)


class Model(nn.Module):
    """A family's class derives from it; `MODELS` lists the families.

    Its `forward(x, *, attention_mask=None, last_only=False, capture=None)` returns outputs (B, T, K), or with
    `last_only` (B, 1, K) for the window as a whole. Rows of several lengths share a batch with padding on the right and
    an `attention_mask` (B, T), True at real positions: each row then gets the numbers it gets alone.
    """

    Config: ClassVar[type]
    """Frozen settings that decide the shape and the maths; has `problems()`, `context_length` and `n_outputs`."""
    takes: ClassVar[Takes]
    """What `forward` reads."""
    config: Any

    def forward(
        self,
        x: Tensor,
        *,
        attention_mask: Tensor | None = None,
        last_only: bool = False,
        capture: Capture | None = None,
    ) -> Tensor:
        """Return outputs (B, T, K), or with `last_only` (B, 1, K); those at padding mean nothing."""
        raise NotImplementedError

    @property
    def context_length(self) -> int:
        """Most positions seen at once."""
        return int(self.config.context_length)

    @property
    def n_outputs(self) -> int | None:
        """Outputs a position; None means one a token id."""
        n: int | None = self.config.n_outputs
        return n

    @property
    def n_channels(self) -> int:
        """Channels of a window."""
        return int(getattr(self.config, "n_channels", 1))

    @property
    def causal(self) -> bool:
        """Whether no output depends on later positions."""
        return True

    @property
    def streams(self) -> bool:
        """Whether `start` and `step` read a signal one step at a time, however long it is."""
        return False

    @property
    def receptive_field(self) -> int | None:
        """Steps that an output depends on, itself included; None where there is no end."""
        return self.context_length

    def adapt_statistics(self, adapting: bool = True) -> None:
        """Let the statistics of channels follow the signal, or keep those of training.

        Raises:
            ConfigError: the model has none.
        """
        if adapting:
            raise ConfigError(
                f"a {type(self).__name__} has no statistics of channels that could adapt",
                hint="take a model of continuous signals: finetune --preset decoder",
            )

    def fit_statistics(self, x: Tensor) -> None:
        """Take the statistics of training windows (n, C, T), where the model standardises its channels."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        return next(self.parameters()).dtype

    @property
    def blocks(self) -> list[nn.Module]:
        """The blocks in their order, each compiled and sharded by itself."""
        return []

    @property
    def input_parts(self) -> list[nn.Module]:
        """What comes before the blocks: embeddings and positions."""
        return []

    @property
    def head_parts(self) -> list[nn.Module]:
        """The head, and the pooling before it."""
        return []

    @property
    def output_parts(self) -> list[nn.Module]:
        """What comes after the blocks: head, pooling and final norm."""
        return self.head_parts

    def n_parameters(self) -> int:
        """Count the trained numbers, a shared table once."""
        return sum(p.numel() for p in self.parameters())

    def embed(self, x: Tensor, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return the first features of an input, (B, N, E), on which attributions are taken.

        With a mask (B, T), no padding enters the features of real positions.
        """
        raise NotImplementedError

    def from_embedded(
        self, x: Tensor, *, attention_mask: Tensor | None = None, last_only: bool = False
    ) -> Tensor:
        """Return what `forward` does, given what `embed` returned."""
        raise NotImplementedError

    def features(self, x: Tensor, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return the features that the head reads, (B, N, E), without a gradient."""
        raise NotImplementedError

    def begin(self, x: Tensor, n_blocks: int, *, attention_mask: Tensor | None = None) -> Tensor:
        """Return the output of the first blocks (B, N, E), from which `finish` continues; without a gradient."""
        raise NotImplementedError

    def finish(
        self, x: Tensor, n_blocks: int, *, attention_mask: Tensor | None = None, last_only: bool = False
    ) -> Tensor:
        """Return what `forward` does, given the output of the first blocks (B, N, E)."""
        raise NotImplementedError

    def with_config(self, config: Any) -> Self:
        """Return a model of other settings with these weights, copied, but for a fresh head and pooling."""
        fresh = type(self)(config).to(self.device, self.dtype)
        heads = ("head.", "pool.")
        kept = {name: value for name, value in self.state_dict().items() if not name.startswith(heads)}
        fresh.load_state_dict({**fresh.state_dict(), **kept})
        return fresh

    def probe(self) -> Tensor:
        """Return a fixed input of one window, whose outputs identify the weights."""
        raise NotImplementedError

    def with_head(self, *, n_outputs: int, **settings: Any) -> Self:
        """Return a model with this trunk, copied, and a new head, initialised by PyTorch's random numbers."""
        raise NotImplementedError(f"{type(self).__name__} has no other heads")
