"""Settings of sequence-to-sequence models, and their presets."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from physiolect.errors import ConfigError
from physiolect.models.channel_input import COUNTS, STATISTICS, Counts, Statistics
from physiolect.models.layers import Activation, Norm

PADDING, START, END = 0, 1, 2
"""Ids that are no symbols. Padding is also the blank of CTC."""
N_SPECIAL = 3
"""Ids before the first symbol."""


@dataclass(frozen=True)
class Seq2SeqConfig:
    """Everything that decides the shape and the maths of a sequence-to-sequence model."""

    n_channels: int = 96
    """Channels of a window; 1 where inputs are tokens."""
    input_vocabulary: int | None = None
    """Ids of input tokens, 0 being padding: the one channel then holds ids. None reads signals."""
    context_length: int = 512
    """Most steps of a window."""
    n_outputs: int = 43
    """Ids of the output: padding, start, end, then the symbols."""
    longest: int = 64
    """Most symbols of an answer."""
    counts: Counts = "as-they-are"
    """Channels as they are, or their square roots, for spike counts."""
    statistics: Statistics = "fixed"
    """How channels are standardised: none, fixed from the training data, or adapting to the signal without labels."""
    prior: int = 200
    """Steps that the training data count for in adapting statistics."""
    channel_dropout: float = 0.0
    """Share of the channels that are silenced in training."""
    noise: float = 0.0
    """Standard deviation of the noise that is added to standardised channels in training."""
    time_mask: float = 0.0
    """Share of the steps that are silenced in training, in spans."""
    mask_span: int = 10
    """Steps of a silenced span."""
    patch: int = 1
    """Steps that one encoder token is made from."""
    width: int = 128
    """Features of the residual stream."""
    n_layers: int = 3
    """Encoder blocks."""
    n_decoder_layers: int = 2
    """Decoder blocks."""
    n_heads: int = 4
    """Attention heads; divides `width`."""
    mlp_width: int = 344
    """Hidden features of each block's MLP."""
    ctc: bool = True
    """Put a CTC head on the encoder: a symbol or blank for each of its tokens."""
    input_positions: bool = True
    """Add sinusoidal positions to what encoder and decoder read, beside the rotary ones between tokens."""
    rotary_base: float = 10_000.0
    """Slowest rotary wavelength is about 2 pi times this many positions."""
    qk_norm: bool = False
    """Normalise queries and keys per head."""
    activation: Activation = "swiglu"
    """Of the MLP."""
    norm: Norm = "rms"
    """LayerNorm or RMSNorm."""
    bias: bool = False
    """Biases in norms, projections and MLP."""
    attention_dropout: float = 0.0
    """On attention weights."""
    residual_dropout: float = 0.1
    """After attention and after the MLP."""

    def __post_init__(self) -> None:
        problems = self.problems()
        if problems:
            raise ConfigError("; ".join(problems), hint="mend the model's settings, or start from a preset")

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        sizes = (
            "n_channels", "context_length", "longest", "patch", "mask_span", "width", "n_layers", "n_decoder_layers",
            "n_heads", "mlp_width", "prior",
        )  # fmt: skip
        found = [
            f"{name} is {getattr(self, name)}, but must be at least 1"
            for name in sizes
            if getattr(self, name) < 1
        ]
        known: dict[str, tuple[str, ...]] = {"counts": COUNTS, "statistics": STATISTICS}
        found += [
            f"{name} is '{getattr(self, name)}', which is not one of {', '.join(words)}"
            for name, words in known.items()
            if getattr(self, name) not in words
        ]
        for name in ("attention_dropout", "residual_dropout", "channel_dropout", "time_mask"):
            if not 0 <= getattr(self, name) < 1:
                found.append(f"{name} is {getattr(self, name)}, but must be in [0, 1)")
        if not 0 <= self.noise < inf:
            found.append(f"noise is {self.noise}, but cannot be negative")
        if not 0 < self.rotary_base < inf:
            found.append(f"rotary_base is {self.rotary_base}, but must be above 0")
        return found or self._misfits()

    def _misfits(self) -> list[str]:
        found = []
        if self.n_outputs <= N_SPECIAL:
            found.append(f"n_outputs is {self.n_outputs}, but must be at least {N_SPECIAL + 1}")
        if self.width % self.n_heads:
            found.append(f"width {self.width} is no multiple of n_heads {self.n_heads}")
        elif self.width // self.n_heads % 2:
            found.append(f"rotary positions need an even head size, got {self.width // self.n_heads}")
        if self.context_length % self.patch:
            found.append(f"context_length {self.context_length} is no multiple of patch {self.patch}")
        if self.input_vocabulary is not None:
            if self.input_vocabulary < 2:
                found.append(f"input_vocabulary is {self.input_vocabulary}, but must be at least 2")
            if self.n_channels != 1 or self.patch != 1:
                found.append("input tokens come in one channel, and each is a token: n_channels 1, patch 1")
        return found


SEQ2SEQ_PRESETS: dict[str, Seq2SeqConfig] = {
    "questions": Seq2SeqConfig(
        n_channels=1, input_vocabulary=23, context_length=16, longest=4, n_outputs=25, statistics="none", width=64,
        n_layers=2, n_heads=4, mlp_width=128, ctc=False, residual_dropout=0.0,
        input_positions=False,
    ),
    "modern": Seq2SeqConfig(
        counts="as-they-are", channel_dropout=0.1, noise=0.1, time_mask=0.5, mask_span=8, patch=4, qk_norm=True,
    ),
}  # fmt: skip
"""Models by name: "questions" answers token to token; "modern" reads signals, with a CTC head on its encoder."""
