"""The settings of `pretrain`."""

from __future__ import annotations

from dataclasses import dataclass, field

from physiolect.datasets.examples.augmentation import Augmentation
from physiolect.learning.settings import TrainingSettings
from physiolect.models.gpt import GPT_PRESETS, GPTConfig
from physiolect.training import RECIPES, Recipe, n_launched

N_LEVELS = 101
"""Levels that a signal is cut into."""

_RECIPES = {"modern": "modern", "heartgpt-ecg": "published", "heartgpt-ppg": "published"}
"""Model preset -> the training recipe that goes with it."""
_PUBLISHED_SCALE = 1000
"""Samples that give a window its range in the published presets."""


@dataclass(frozen=True)
class PretrainSettings(TrainingSettings):
    """Pre-train a decoder on a store made by `prepare`."""

    store: str
    """Folder made by `prepare`."""
    out: str
    """Folder of the run: checkpoints `last` and `best`, metrics.jsonl, TensorBoard files, settings.yaml."""
    preset: str = "modern"
    """Model and recipe: modern, heartgpt-ecg or heartgpt-ppg."""
    checkpoint: str | None = None
    """Begin from the weights of this decoder (a folder, a published file, or "ecg") and take its shape."""
    steps: int = 2000
    """Updates; a finished run is lengthened by --resume with more."""
    batch_size: int = 32
    """Windows a batch, of all processes together."""
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
    """The model, for preset modern."""
    recipe: Recipe = field(default_factory=lambda: RECIPES["modern"])
    """The recipe, for preset modern."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """How training windows are varied (default: not at all)."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = []
        modern = (GPT_PRESETS["modern"], RECIPES["modern"])
        if self.preset not in _RECIPES:
            found.append(f"preset '{self.preset}' is not one of {', '.join(_RECIPES)}")
        elif self.preset != "modern" and (self.model, self.recipe) != modern:
            found.append(
                f"preset {self.preset} fixes model and recipe: --model and --recipe go with preset modern"
            )
        if self.checkpoint is not None and self.preset != "modern":
            found.append(f"--checkpoint brings its own model: leave out --preset {self.preset}")
        if self.checkpoint == "":
            found.append("--checkpoint is empty, but must name a checkpoint")
        scaled = self.scale_samples is not None or self.preset != "modern"
        if scaled and self.augmentation != Augmentation():
            found.append(
                "varied windows are scaled by themselves: --augmentation goes with preset modern and "
                "without --scale-samples"
            )
        counts = ("steps", "batch_size", "accumulate", "validation_windows", "scale_samples")
        found += self.shared_problems((*counts, "evaluate_every", "save_every"))
        n = n_launched()
        if self.batch_size % n:
            lower = self.batch_size // n * n
            found.append(
                f"--batch-size is {self.batch_size}, which {n} processes cannot share equally: "
                f"take {f'{lower} or ' if lower else ''}{lower + n}, or another number of processes"
            )
        if not 0 < self.validation < 1:
            found.append(f"--validation is {self.validation}, but must be between 0 and 1")
        if self.model.vocabulary_size < N_LEVELS:
            found.append(
                f"model.vocabulary_size is {self.model.vocabulary_size}, but there are {N_LEVELS} levels"
            )
        if self.model.n_outputs is not None:
            found.append("model.n_outputs is for detection heads: leave it out to predict the next level")
        return found

    @property
    def chosen(self) -> tuple[GPTConfig, Recipe]:
        """Model and recipe with the preset applied."""
        if self.preset == "modern":
            return self.model, self.recipe
        return GPT_PRESETS[self.preset], RECIPES[_RECIPES[self.preset]]

    @property
    def range_samples(self) -> int | None:
        """Samples around a window that give its range; None is the window itself."""
        return self.scale_samples or (None if self.preset == "modern" else _PUBLISHED_SCALE)
