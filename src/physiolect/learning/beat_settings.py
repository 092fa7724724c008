"""Preset beat-tokens: models that read heartbeats, for a rhythm and for classes of beats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from physiolect.datasets.examples.beat_batches import BeatAugmentation, BeatDraws
from physiolect.datasets.examples.beat_copies import BeatCopies
from physiolect.models.encoder_config import EncoderConfig
from physiolect.tasks import Scope
from physiolect.training import Recipe


@dataclass(frozen=True)
class BeatTuning:
    """How a model that reads heartbeats is trained."""

    model: EncoderConfig
    """Channels and outputs follow from tokenizer and task."""
    draws: BeatDraws
    augmentation: BeatAugmentation
    copies: BeatCopies
    seconds: float
    """Length of a window whose rhythm is classified. For classes of beats, the shortest recording is a tenth of it."""
    steps: int
    batch_size: int
    class_weights: Literal["fourth-root", "none"]
    smoothing: float


_MODEL = EncoderConfig(
    context_length=32, class_token=False, embedding="two-layer", padding_channel=True, width=96, n_layers=3, n_heads=4,
    mlp_width=192, positions="rotary", residual_dropout=0.4, initialisation="torch",
)  # fmt: skip

BEAT_RECIPE = Recipe(1e-3, warmup_steps=100, weight_decay=0.1, beta2=0.98)
BEAT_TUNINGS: dict[Scope, BeatTuning] = {
    "window": BeatTuning(
        model=EncoderConfig(
            context_length=128, class_token=False, embedding="two-layer", padding_channel=True, width=64, n_layers=3,
            n_heads=4, mlp_width=256, positions="rotary", residual_dropout=0.2, initialisation="torch",
        ),
        draws=BeatDraws(balance=0.0, fewest=7, most=60),
        augmentation=BeatAugmentation(noise=0.05, gain=0.15, lead=0.2, flip=0.3, tempo=1.25),
        copies=BeatCopies(),
        seconds=30.0,
        steps=1500,
        batch_size=96,
        class_weights="none",
        smoothing=0.04,
    ),
    "position": BeatTuning(
        model=_MODEL,
        draws=BeatDraws(balance=0.5, fewest=32, most=32),
        augmentation=BeatAugmentation(noise=0.6, gain=0.2, lead=0.15, flip=0.15),
        copies=BeatCopies(ectopic=2, fibrillating=2, share=0.6),
        seconds=30.0,
        steps=2500,
        batch_size=64,
        class_weights="none",
        smoothing=0.02,
    ),
}  # fmt: skip
"""By the scope of the task: whole windows (rhythm), or positions (classes of heartbeats)."""
