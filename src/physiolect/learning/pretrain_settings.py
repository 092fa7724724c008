"""The settings of `pretrain`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil, inf
from typing import Literal

from physiolect.datasets.examples.augmentation import Augmentation
from physiolect.learning.settings import TrainingSettings
from physiolect.learning.unlabelled.settings import (
    DEFAULT_RECIPE,
    FIRST_STAGES,
    MASKED,
    WITH_TEXT,
    FirstStage,
    Masking,
    Pairing,
)
from physiolect.models.encoder_config import ENCODER_PRESETS, EncoderConfig
from physiolect.models.gpt import GPT_PRESETS, GPTConfig
from physiolect.models.resnet_config import RESNET_PRESETS, ResNetConfig
from physiolect.training import RECIPES, UNLABELLED, Recipe, n_launched

N_LEVELS = 101
"""Levels that a signal is cut into."""

_RECIPES = {"modern": "modern", "heartgpt-ecg": "published", "heartgpt-ppg": "published"}
"""Model preset -> the training recipe that goes with it."""
_PUBLISHED_SCALE = 1000
"""Samples that give a window its range in the published presets."""
NEXT_LEVEL = "next-level"
_STEPS, _BATCH_SIZE = 2000, 32
_OWN_NETWORKS = (ENCODER_PRESETS["twelve-lead"], RESNET_PRESETS["resnet18"])


@dataclass(frozen=True)
class PretrainSettings(TrainingSettings):
    """Pre-train a model on a store made by `prepare`, without labels."""

    store: str
    """Folder made by `prepare`."""
    out: str
    """Folder of the run: checkpoints `last` and `best`, metrics.jsonl, TensorBoard files, settings.yaml."""
    objective: str | None = None
    """What is learned: next-level (a decoder), or masked, masked-image, jepa, contrastive, merl (an encoder); several
    with + between (default: next-level, or the preset's)."""
    weights: tuple[float, ...] = ()
    """Weights of several objectives in their sum (default: 1 each)."""
    preset: str = "modern"
    """Model and recipe: modern; for next-level heartgpt-ecg or heartgpt-ppg; first stages as published: st-mem,
    ecg-jepa, resnet, merl, vit, clip, clip-vit."""
    checkpoint: str | None = None
    """Begin from the weights of this model (a folder, a published file, or "ecg") and take its shape."""
    steps: int | None = None
    """Updates (default: 2000, or the preset's epochs); a finished run is lengthened by --resume with more."""
    epochs: float | None = None
    """Passes over the training rows, in place of --steps; not for next-level."""
    batch_size: int | None = None
    """Windows a batch, of all processes together (default: 32, or the preset's)."""
    captions: str | None = None
    """Texts for contrastive and merl: a .csv or .jsonl file with recording and text, or a public dataset's folder."""
    image_encoder: str | None = None
    """For presets vit, clip and clip-vit, a ViT or CLIP to begin with: a folder of Hugging Face, or owner/name on the
    Hub (default: random weights)."""
    text_tower: str | None = None
    """Text encoder for contrastive and merl: a folder of Hugging Face, or owner/name on the Hub."""
    accumulate: int = 1
    """Batches an update."""
    validation: float = 0.1
    """Share of patients, or of recordings without a patient ID, kept for validation."""
    validate_on: tuple[str, ...] = ()
    """Parts of a published split to validate on in place of that share: "fold 9"."""
    leave_out: tuple[str, ...] = ()
    """Splits or recordings to exclude from training and validation: "fold 10", "mitbih/202"."""
    validation_windows: int = 200
    """Windows that each validation scores."""
    scale_samples: int | None = None
    """Samples around a window that give its range (default: the window itself; published: 1000)."""
    evaluate_every: int = 100
    """Updates between validations."""
    save_every: int = 500
    """Updates between saves of `last`."""
    model: GPTConfig = field(default_factory=lambda: GPT_PRESETS["modern"])
    """The decoder, for next-level with preset modern."""
    network: Literal["encoder", "resnet"] = "encoder"
    """What learns by another objective, for preset modern."""
    encoder: EncoderConfig = field(default_factory=lambda: ENCODER_PRESETS["twelve-lead"])
    """The encoder, for preset modern; the store decides its channels."""
    resnet: ResNetConfig = field(default_factory=lambda: RESNET_PRESETS["resnet18"])
    """The residual network, for preset modern with network resnet; the store decides its channels."""
    masking: Masking = field(default_factory=Masking)
    """What masked and jepa hide."""
    pairing: Pairing = field(default_factory=Pairing)
    """How contrastive and merl compare signals and texts."""
    recipe: Recipe = field(default_factory=lambda: RECIPES["modern"])
    """The recipe, for preset modern."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """How training windows are varied (default: not at all)."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        counts = ("steps", "batch_size", "accumulate", "validation_windows", "scale_samples")
        found = self._objective_problems()
        if not found:
            found += self._decoder_problems() if self.is_next_level else self._unlabelled_problems()
        if self.checkpoint is not None and self.preset != "modern":
            found.append(f"--checkpoint brings its own model: leave out --preset {self.preset}")
        if self.checkpoint == "":
            found.append("--checkpoint is empty, but must name a checkpoint")
        found += self.shared_problems((*counts, "evaluate_every", "save_every"))
        n = n_launched()
        if self.batch_size is not None and self.batch_size % n:
            lower = self.batch_size // n * n
            found.append(
                f"--batch-size is {self.batch_size}, which {n} processes cannot share equally: "
                f"take {f'{lower} or ' if lower else ''}{lower + n}, or another number of processes"
            )
        if self.epochs is not None and not 0 < self.epochs < inf:
            found.append(f"--epochs is {self.epochs:g}, but must be above 0")
        if self.epochs is not None and (self.steps is not None or self.is_next_level):
            found.append("--epochs is for objectives other than next-level, and without --steps")
        if not 0 < self.validation < 1:
            found.append(f"--validation is {self.validation}, but must be between 0 and 1")
        return found

    def _objective_problems(self) -> list[str]:
        found = []
        presets = (*_RECIPES, *FIRST_STAGES)
        if self.preset not in presets:
            return [f"preset '{self.preset}' is not one of {', '.join(presets)}"]
        names, known = self.objectives, (NEXT_LEVEL, *UNLABELLED)
        found += [
            f"objective '{name}' is not one of {', '.join(known)}" for name in names if name not in known
        ]
        if len(set(names)) < len(names) or (NEXT_LEVEL in names and len(names) > 1):
            found.append(
                f"--objective is {self.objective}, but names each objective once, and next-level alone"
            )
        if {*WITH_TEXT} <= set(names):
            found.append("merl contains contrastive: name one of them")
        if self.weights and (
            len(self.weights) != len(names) or not all(0 < each < inf for each in self.weights)
        ):
            found.append(f"--weights needs a number above 0 for each of {', '.join(names)}")
        if not found and self.preset in _RECIPES and (self.preset != "modern") and not self.is_next_level:
            found.append(
                f"preset {self.preset} predicts the next level: leave --objective out, or the preset"
            )
        if not found and self.preset in FIRST_STAGES:
            own = tuple(FIRST_STAGES[self.preset].weights)
            if names != own or self.weights:
                found.append(
                    f"preset {self.preset} fixes the objective ({'+'.join(own)}): leave --objective out"
                )
        return found

    def _decoder_problems(self) -> list[str]:
        found = []
        modern = (GPT_PRESETS["modern"], RECIPES["modern"])
        if self.preset != "modern" and (self.model, self.recipe) != modern:
            found.append(
                f"preset {self.preset} fixes model and recipe: --model and --recipe go with preset modern"
            )
        scaled = self.scale_samples is not None or self.preset != "modern"
        if scaled and self.augmentation != Augmentation():
            found.append(
                "varied windows are scaled by themselves: --augmentation goes with preset modern and "
                "without --scale-samples"
            )
        if self.model.vocabulary_size < N_LEVELS:
            found.append(
                f"model.vocabulary_size is {self.model.vocabulary_size}, but there are {N_LEVELS} levels"
            )
        if self.model.n_outputs is not None:
            found.append("model.n_outputs is for detection heads: leave it out to predict the next level")
        if self.captions is not None or self.text_tower is not None:
            found.append(
                "--captions and --text-tower are for contrastive and merl, but next-level reads no text"
            )
        if (self.encoder, self.resnet, self.masking, self.pairing) != (*_OWN_NETWORKS, Masking(), Pairing()):
            found.append(
                "--encoder, --resnet, --masking and --pairing are for objectives other than next-level"
            )
        return found

    def _unlabelled_problems(self) -> list[str]:
        found = []
        stage, names = self.stage, self.objectives
        if self.preset in FIRST_STAGES:
            fixed = (self.encoder, self.resnet) != _OWN_NETWORKS or self.recipe != RECIPES["modern"]
            if fixed or self.network != "encoder":
                found.append(
                    f"preset {self.preset} fixes model and recipe: --network, --encoder, --resnet and --recipe go with "
                    "preset modern"
                )
        found += [*stage.masking.problems(), *stage.pairing.problems()]
        if set(names) & set(MASKED) and not isinstance(stage.network, EncoderConfig):
            found.append(
                f"{'+'.join(names)} hides patches, and a residual network has none: take --network encoder"
            )
        if self.checkpoint is not None and (self.encoder, self.resnet, self.network) != (
            *_OWN_NETWORKS,
            "encoder",
        ):
            found.append("--checkpoint brings its own model: leave out --network, --encoder and --resnet")
        image = isinstance(stage.network, EncoderConfig) and stage.network.image_patch
        if "masked-image" in names and not image and self.checkpoint is None:
            found.append("masked-image hides patches of an image: --preset vit, or --encoder.image-patch")
        if self.image_encoder is not None and self.preset not in ("vit", "clip", "clip-vit"):
            found.append("--image-encoder goes with presets vit, clip and clip-vit")
        needs_text = bool(set(names) & set(WITH_TEXT))
        for option, value in (("--captions", self.captions), ("--text-tower", self.text_tower)):
            if needs_text and not value:
                found.append(f"{'+'.join(names)} compares signals with texts: give {option}")
            elif value is not None and not needs_text:
                found.append(f"{option} is for contrastive and merl, and {'+'.join(names)} reads no text")
        if self.augmentation != Augmentation() or self.scale_samples is not None:
            found.append("--augmentation and --scale-samples are for next-level")
        if self.model != GPT_PRESETS["modern"]:
            found.append("--model describes a decoder, for next-level: use --encoder or --resnet")
        return found

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of the objectives in their order."""
        if self.objective is not None:
            return tuple(name.strip() for name in self.objective.split("+"))
        return tuple(FIRST_STAGES[self.preset].weights) if self.preset in FIRST_STAGES else (NEXT_LEVEL,)

    @property
    def is_next_level(self) -> bool:
        """Whether a decoder learns to predict the next level."""
        return self.objectives == (NEXT_LEVEL,)

    @property
    def stage(self) -> FirstStage:
        """Objectives other than next-level, with everything that preset and settings decide."""
        found = FIRST_STAGES.get(self.preset)
        if found is None:
            recipe = DEFAULT_RECIPE if self.recipe == RECIPES["modern"] else self.recipe
            network: EncoderConfig | ResNetConfig = self.encoder if self.network == "encoder" else self.resnet
            found = FirstStage(self._summands, network, recipe, batch_size=_BATCH_SIZE)
        return replace(found, masking=self.masking, pairing=self.pairing.of(found.weights, found.pairing))

    @property
    def _summands(self) -> Mapping[str, float]:
        weights = self.weights or (1.0,) * len(self.objectives)
        return dict(zip(self.objectives, weights, strict=True))

    def sized(self, n_rows: int) -> PretrainSettings:
        """Return the settings with a number of updates, and windows a batch.

        Args:
            n_rows: that train, of which epochs are counted.
        """
        published = FIRST_STAGES.get(self.preset)
        batch_size = self.batch_size or (published.batch_size if published else _BATCH_SIZE)
        epochs = self.epochs or (published.epochs if published and self.steps is None else None)
        steps = self.steps or (ceil(epochs * n_rows / (batch_size * self.accumulate)) if epochs else _STEPS)
        return replace(self, batch_size=batch_size, steps=steps, epochs=None)

    @property
    def chosen(self) -> tuple[GPTConfig, Recipe]:
        """Decoder and recipe with the preset applied."""
        if self.preset == "modern":
            return self.model, self.recipe
        return GPT_PRESETS[self.preset], RECIPES[_RECIPES[self.preset]]

    @property
    def range_samples(self) -> int | None:
        """Samples around a window that give its range; None is the window itself."""
        return self.scale_samples or (None if self.preset == "modern" else _PUBLISHED_SCALE)
