"""The presets that a fine-tuning starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from physiolect.datasets.examples.augmentation import Augmentation
from physiolect.datasets.examples.example_batches import Draws
from physiolect.learning.beat_settings import BEAT_RECIPE, BEAT_TUNINGS, BeatTuning
from physiolect.learning.decoder_settings import DECODER_TUNINGS
from physiolect.models.continuous_config import ContinuousConfig
from physiolect.models.encoder_config import ENCODER_PRESETS, EncoderConfig
from physiolect.models.heads import Pooling, Trained
from physiolect.models.recurrent import RecurrentConfig
from physiolect.models.resnet_config import RESNET_PRESETS, ResNetConfig
from physiolect.models.seq2seq_config import SEQ2SEQ_PRESETS, Seq2SeqConfig
from physiolect.training import RECIPES, Recipe

ClassWeights: TypeAlias = Literal["balanced", "fourth-root", "none"] | tuple[float, ...]


@dataclass(frozen=True)
class Tuning:
    """All that decides how a checkpoint is fine-tuned, or a new model is trained."""

    trained: Trained
    pooling: Pooling | None
    """Pooling; None keeps the model's own."""
    unmask_last: bool
    dropout: float | None
    class_weights: ClassWeights
    rank: int
    alpha: float
    steps: int
    batch_size: int
    accumulate: int
    validation: float
    patience: int | None
    draws: Draws
    augmentation: Augmentation
    recipe: Recipe
    model: EncoderConfig | ResNetConfig | ContinuousConfig | RecurrentConfig | Seq2SeqConfig | None = None
    """The model that is trained from random weights; None starts from a checkpoint."""
    smoothing: float = 0.0
    """Share of a label that is spread evenly over the classes."""
    beat: BeatTuning | None = None
    """How windows of heartbeats are drawn and varied; None where the model reads windows of signal."""
    skip: int = 0
    """Steps at the start of a window that do not count in the loss of a decoder."""
    stride: float = 1.0
    """From one training window to the next, as a share of a window."""
    huber: float | None = None
    """Error of a decoder, in standard deviations, beyond which it counts by its size; None squares every error."""
    ctc: float = 0.0
    """Share of the CTC loss in the joint loss of a model that writes sequences."""


TUNINGS: dict[str, Tuning] = {
    "modern": Tuning(
        trained="all",
        pooling="mean",
        unmask_last=True,
        dropout=0.0,
        class_weights="none",
        rank=8,
        alpha=16.0,
        steps=500,
        batch_size=128,
        accumulate=1,
        validation=0.15,
        patience=5,
        draws="balanced",
        augmentation=Augmentation(noise=0.05, wander=0.3),
        recipe=RECIPES["fine-tuning"],
    ),
    "published": Tuning(
        trained="last-block",
        pooling="last",
        unmask_last=False,
        dropout=None,
        class_weights="none",
        rank=8,
        alpha=16.0,
        steps=1000,
        batch_size=128,
        accumulate=1,
        validation=0.0,
        patience=None,
        draws="epochs",
        augmentation=Augmentation(),
        recipe=RECIPES["published"],
    ),
}
_NEW = replace(
    TUNINGS["modern"],
    pooling=None,
    dropout=None,
    steps=5000,
    model=ENCODER_PRESETS["modern"],
)
TUNINGS["encoder"] = _NEW
TUNINGS["resnet"] = replace(_NEW, model=RESNET_PRESETS["resnet18"])
TUNINGS["ecgformer"] = replace(
    _NEW,
    batch_size=64,
    validation=0.0,
    patience=None,
    draws="epochs",
    recipe=RECIPES["ecgformer"],
    augmentation=Augmentation(),
    model=ENCODER_PRESETS["ecgformer"],
)
TUNINGS["beat-tokens"] = replace(
    _NEW,
    validation=0.0,
    patience=None,
    recipe=BEAT_RECIPE,
    augmentation=Augmentation(),
    model=BEAT_TUNINGS["window"].model,
    beat=BEAT_TUNINGS["window"],
)
TUNINGS["seq2seq"] = replace(
    _NEW, model=SEQ2SEQ_PRESETS["modern"], recipe=Recipe(2e-3, warmup_steps=200, weight_decay=0.1, beta2=0.98),
    batch_size=32, smoothing=0.1, ctc=0.3, draws="epochs", patience=None, augmentation=Augmentation(),
)  # fmt: skip
TUNINGS |= {
    name: replace(
        _NEW, model=each.model, recipe=each.recipe, steps=each.steps, batch_size=each.batch_size, skip=each.skip,
        stride=each.stride, draws="epochs", patience=None, augmentation=Augmentation(),
    )
    for name, each in DECODER_TUNINGS.items()
}  # fmt: skip
"""Presets by name. Sources of "published": Davies et al. 2024, arXiv:2407.20775; of "ecgformer": arXiv:2401.05434,
whose text names no number of updates. Presets with a model train it from random weights."""
