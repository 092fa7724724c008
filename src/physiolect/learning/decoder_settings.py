"""Presets that train a new model to decode continuous signals."""

from __future__ import annotations

from dataclasses import dataclass

from physiolect.models.continuous_config import CONTINUOUS_PRESETS, ContinuousConfig
from physiolect.models.recurrent import RECURRENT_PRESETS, RecurrentConfig
from physiolect.training import Recipe


@dataclass(frozen=True)
class DecoderTuning:
    """How a model of continuous signals is trained."""

    model: ContinuousConfig | RecurrentConfig
    """Channels and outputs follow from the store."""
    recipe: Recipe
    steps: int
    batch_size: int
    skip: int
    """Steps at the start of a window that do not count in the loss, since little came before them."""
    stride: float
    """From one training window to the next, as a share of a window."""


_RECIPE = Recipe(2e-3, warmup_steps=50, weight_decay=0.05, beta2=0.98)

DECODER_TUNINGS: dict[str, DecoderTuning] = {
    "decoder": DecoderTuning(CONTINUOUS_PRESETS["modern"], _RECIPE, 2000, 32, skip=10, stride=0.0625),
    "gru": DecoderTuning(RECURRENT_PRESETS["gru"], _RECIPE, 2000, 32, skip=10, stride=0.0625),
    "state-space": DecoderTuning(RECURRENT_PRESETS["state-space"], _RECIPE, 2000, 32, skip=10, stride=0.0625),
    "tutorial": DecoderTuning(
        CONTINUOUS_PRESETS["tutorial"],
        Recipe(1e-3, "constant", 0, 1e-2, decay_all=True, beta2=0.999, clip_norm=None),
        5000,
        32,
        skip=0,
        stride=0.1,
    ),
}
"""Presets by name. "tutorial" is trained as the tutorial trains it: AdamW at 1e-3, weight decay 1e-2, batches of 32,
windows that overlap by all but one step; but training and test are kept apart by time."""
