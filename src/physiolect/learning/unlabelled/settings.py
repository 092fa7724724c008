"""Settings of learning without labels, and the published ones by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from physiolect.language import TextPooling
from physiolect.models.encoder_config import ENCODER_PRESETS, EncoderConfig
from physiolect.models.paired import ProjectionKind
from physiolect.models.resnet_config import RESNET_PRESETS, ResNetConfig
from physiolect.models.unlabelled import DecoderConfig, MaskKind
from physiolect.training import RECIPES, Recipe

WITH_TEXT = ("contrastive", "merl")
"""Objectives that need a text beside each signal."""
MASKED = ("masked", "masked-image", "jepa")
"""Objectives that mask patches, which an encoder has."""


@dataclass(frozen=True)
class Masking:
    """What the objectives masked and jepa hide, and what fills it in."""

    share: float = 0.75
    """For masked: share of each channel's patches that is hidden; for masked-image, of the image's patches."""
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    """For masked: the transformer that gives the samples of hidden patches."""
    times: MaskKind = "random"
    """For jepa: which times are hidden, in all channels: random ones, or those under four blocks."""
    least: float = 0.6
    """For jepa: least share of the times that is hidden, or that each block covers."""
    most: float = 0.7
    """For jepa: largest share."""
    momentum: float = 0.996
    """For jepa: how much of the teacher stays in the first update; it rises to 1."""
    predictor: DecoderConfig = field(default_factory=lambda: DecoderConfig(384, 6, 12))
    """For jepa: the transformer that predicts features of hidden times."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = []
        if not 0 < self.share < 1:
            found.append(f"masking.share is {self.share:g}, but must be between 0 and 1")
        if not 0 < self.least <= self.most < 1:
            found.append(
                f"masking.least and masking.most are {self.least:g} and {self.most:g}, but must be shares in this order"
            )
        if not 0 <= self.momentum < 1:
            found.append(f"masking.momentum is {self.momentum:g}, but must be in [0, 1)")
        for name in ("decoder", "predictor"):
            found += [f"masking.{name}.{each}" for each in getattr(self, name).problems()]
        return found


@dataclass(frozen=True)
class Pairing:
    """How the objectives contrastive and merl compare signals with texts."""

    width: int | None = None
    """Features of the common space (default: 256; 512 for presets clip and clip-vit)."""
    projection: ProjectionKind | None = None
    """What maps a text's features there: one linear layer, or two with GELU between (default: linear for contrastive,
    as in CLIP, and two-layer for merl)."""
    temperature: float = 0.07
    """That cosines are divided by; the first one where it is learned."""
    learned: bool | None = None
    """Learn the temperature (default: for contrastive, as in CLIP, and not for merl)."""
    dropout: float = 0.1
    """For merl: of the two views of a signal."""
    pooling: TextPooling | None = None
    """Tokens that represent a text: the mean of all, the first, or the last (default: the mean; the last for presets
    clip and clip-vit)."""
    trained_layers: int = 0
    """Last layers of the text tower that train; 0 keeps it frozen, and its features are computed once."""
    most_tokens: int = 256
    """Tokens of a text that are read."""

    def of(self, objectives: Iterable[str], published: Pairing | None = None) -> Pairing:
        """Return these settings with what was left to the preset and to the objective."""
        preset = published or Pairing()
        merl = "merl" in objectives
        projection: ProjectionKind = "two-layer" if merl else "linear"
        return replace(
            self,
            width=self.width or preset.width or 256,
            pooling=self.pooling or preset.pooling or "mean",
            projection=self.projection or projection,
            learned=not merl if self.learned is None else self.learned,
        )

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = [
            f"pairing.{name} is {getattr(self, name)}, but must be at least {least}"
            for name, least in (("width", 1), ("trained_layers", 0), ("most_tokens", 2))
            if getattr(self, name) is not None and getattr(self, name) < least
        ]
        if not 0.01 <= self.temperature <= 100:
            found.append(f"pairing.temperature is {self.temperature:g}, but must be from 0.01 to 100")
        if not 0 <= self.dropout < 1:
            found.append(f"pairing.dropout is {self.dropout:g}, but must be in [0, 1)")
        return found


@dataclass(frozen=True)
class FirstStage:
    """Everything that a preset of learning without labels fixes."""

    weights: Mapping[str, float]
    """Objective -> its weight in the sum."""
    network: EncoderConfig | ResNetConfig
    recipe: Recipe
    masking: Masking = field(default_factory=Masking)
    pairing: Pairing = field(default_factory=Pairing)
    batch_size: int = 64
    epochs: float = 20


_RESNET = replace(RESNET_PRESETS["merl"], n_channels=12, scaling="joint-range")
_MERL_RECIPE = Recipe(2e-4, weight_decay=1e-5, beta2=0.999)
_IMAGE_RECIPE = Recipe(1e-4, weight_decay=0.01, beta2=0.99)
_CLIP = Pairing(width=512, pooling="last")
FIRST_STAGES: dict[str, FirstStage] = {
    "st-mem": FirstStage(
        {"masked": 1.0},
        ENCODER_PRESETS["st-mem"],
        Recipe(1.5e-4, warmup_steps=1000, weight_decay=0.05, clip_norm=None),
        batch_size=256,
        epochs=800,
    ),
    "ecg-jepa": FirstStage(
        {"jepa": 1.0},
        ENCODER_PRESETS["ecg-jepa"],
        Recipe(2.5e-5, warmup_steps=1000, weight_decay=0.05, beta2=0.999, clip_norm=None),
        batch_size=128,
        epochs=100,
    ),
    "resnet": FirstStage({"contrastive": 1.0}, _RESNET, _MERL_RECIPE),
    "merl": FirstStage({"merl": 1.0}, _RESNET, _MERL_RECIPE),
    "vit": FirstStage({"masked-image": 1.0}, ENCODER_PRESETS["vit"], _IMAGE_RECIPE),
    "clip": FirstStage({"contrastive": 1.0}, ENCODER_PRESETS["clip"], _IMAGE_RECIPE, pairing=_CLIP),
    "clip-vit": FirstStage(
        {"contrastive": 1.0, "masked-image": 1.0}, ENCODER_PRESETS["clip"], _IMAGE_RECIPE, pairing=_CLIP
    ),
}
"""Published first stages by name. st-mem (arXiv:2402.09450) has the optimiser of masked autoencoders
(arXiv:2111.06377); ecg-jepa (arXiv:2410.08559); resnet and merl are the network of MERL (arXiv:2403.06659) with one
objective and with both; vit, clip and clip-vit read images. Batch size and epochs of these five are those of ECG-Byte's
two-stage baselines (arXiv:2412.14373)."""

DEFAULT_RECIPE = replace(RECIPES["modern"], learning_rate=1e-3, weight_decay=0.05)
"""For encoders and networks of one's own."""
