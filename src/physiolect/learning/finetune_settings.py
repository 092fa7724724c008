"""The settings of `finetune` and `cross_validate`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal, cast

from physiolect.datasets.examples.augmentation import Augmentation
from physiolect.datasets.examples.example_batches import Draws
from physiolect.evaluation.cross_validated import PREDICTIONS_FILE
from physiolect.evaluation.protocol import Protocol
from physiolect.learning.beat_settings import BEAT_TUNINGS
from physiolect.learning.decoder_settings import DECODER_TUNINGS
from physiolect.learning.run_folder import holds_run
from physiolect.learning.settings import TrainingSettings
from physiolect.learning.tunings import TUNINGS, ClassWeights, Tuning
from physiolect.models.continuous_config import CONTINUOUS_PRESETS, ContinuousConfig
from physiolect.models.encoder_config import ENCODER_PRESETS, EncoderConfig
from physiolect.models.heads import Pooling, Trained
from physiolect.models.resnet_config import RESNET_PRESETS, ResNetConfig
from physiolect.models.seq2seq_config import SEQ2SEQ_PRESETS, Seq2SeqConfig
from physiolect.tasks import TASKS, LabelledTaskName, LabelSource
from physiolect.tokenizers.beats import BeatNormalisation, FeatureGroup
from physiolect.training import RECIPES, Recipe, n_launched

_FREE = ("modern", "encoder", "resnet")
"""Presets whose recipe and augmentation are settings of their own."""

_ONLY_FOR: dict[str, LabelSource] = {
    "positive": "rhythms",
    "negative": "rhythms",
    "classes": "classes",
    "several": "classes",
    "unit": "numbers",
}
"""Setting -> the labels that it is for."""
_OWN = (
    "trained", "rank", "alpha", "pooling", "dropout", "steps", "batch_size", "accumulate", "validation", "unmask_last",
    "draws", "huber", "ctc",
)  # fmt: skip
"""Settings that replace the preset's where they are given."""


@dataclass(frozen=True)
class FinetuneSettings(TrainingSettings):
    """Fine-tune a checkpoint, or train a new model, on the labels of a store made by `prepare`."""

    store: str
    """Folder made by `prepare` with the checkpoint's contract."""
    task: LabelledTaskName
    """What the model learns: a rhythm or not, beats at every sample, classes, a number, the store's targets at every
    step, or a sequence of symbols for a window (translate)."""
    out: str
    """Folder of the run: checkpoints `last` and `best`, metrics.jsonl, TensorBoard files, settings.yaml."""
    checkpoint: str | None = None
    """The base model: a folder, a published HeartGPT file, ecg, or owner/name; for presets modern and published."""
    preset: Literal[
        "modern",
        "published",
        "encoder",
        "resnet",
        "ecgformer",
        "beat-tokens",
        "decoder",
        "gru",
        "state-space",
        "tutorial",
        "seq2seq",
    ] = "modern"
    """Defaults of the options below; published is HeartGPT's way. The others train a new model: of ECG windows
    (encoder, resnet, ecgformer), of heartbeats (beat-tokens), of continuous signals (decoder, gru, state-space,
    tutorial), or of sequences (seq2seq)."""
    model: EncoderConfig = field(default_factory=lambda: ENCODER_PRESETS["modern"])
    """The new model, for preset encoder; the store decides its channels."""
    resnet: ResNetConfig = field(default_factory=lambda: RESNET_PRESETS["resnet18"])
    """The new model, for preset resnet; the store decides its channels."""
    decoder: ContinuousConfig = field(default_factory=lambda: CONTINUOUS_PRESETS["modern"])
    """The new model, for preset decoder; the store decides its channels."""
    seq2seq: Seq2SeqConfig = field(default_factory=lambda: SEQ2SEQ_PRESETS["modern"])
    """The new model, for preset seq2seq; the store decides its channels and symbols."""
    ctc: float | None = None
    """For seq2seq, the share of the CTC loss in the joint loss, from 0 to 1 (default: 0.3, or 0 without a CTC head)."""
    huber: float | None = None
    """For decode, the error in standard deviations beyond which it counts by its size (default: squared throughout)."""
    features: tuple[FeatureGroup, ...] = ()
    """For beat-tokens, groups of numbers that describe a heartbeat (default: by task)."""
    normalisation: BeatNormalisation = "recording"
    """For beat-tokens, what a beat is compared with: half an hour around it, or what came before it (causal)."""
    beats: str | None = None
    """For beat-tokens, a beats checkpoint that finds the beats of recordings without marks of them."""
    rhythm: str | None = None
    """For beat-tokens and heartbeats, a rhythm checkpoint whose probability describes each beat; or the folder of a
    cross-validated run, of which each fold's model describes the patients that it was not trained on."""
    labels: str | None = None
    """Table (.csv, .parquet) with a column recording (default: the store's marks or labels)."""
    column: str | None = None
    """Column of the table that holds the labels."""
    positive: tuple[str, ...] = ()
    """Names of the rhythm to detect (default: atrial fibrillation: AFIB, AF)."""
    negative: tuple[str, ...] = ()
    """Names of the opposite rhythm (default: sinus rhythm: N, sinus)."""
    classes: tuple[str, ...] = ()
    """For classify and heartbeats, the classes in order (default: all that occur)."""
    several: bool = False
    """A window may belong to several classes at once."""
    unit: str | None = None
    """Unit of the number, kept with the checkpoint."""
    channel: str | None = None
    """Channel to use, where rows have several: a name, or a number from 0."""
    stride: int | None = None
    """Samples from one window to the next (default: a window's length)."""
    max_per_episode: int | None = None
    """Most windows of an episode of the opposite rhythm; of a row, for other tasks."""
    trained: Trained | None = None
    """What trains: the head; the last block, final norm and head; all; or low-rank additions and the head."""
    rank: int | None = None
    """Rank of low-rank additions."""
    alpha: float | None = None
    """Low-rank additions are scaled by alpha / rank."""
    pooling: Pooling | None = None
    """Features that represent a window: the last position's, the mean, or a learned mean."""
    unmask_last: bool | None = None
    """Let the last block look ahead within its window (default: the preset's; modern does)."""
    dropout: float | None = None
    """In training, of attention weights and branches; published keeps the checkpoint's."""
    draws: Draws | None = None
    """Windows of a step: each once an epoch, or balanced: classes alike, patients by the root of their windows."""
    class_weights: str | None = None
    """balanced, fourth-root (of one over a class's share), none, or one number a class with commas between; for a
    rhythm and beats: no, yes."""
    steps: int | None = None
    """Updates; published uses 5000 for beats."""
    batch_size: int | None = None
    """Windows a batch."""
    accumulate: int | None = None
    """Batches an update."""
    validation: float | None = None
    """Share of patients, or of recordings without a patient ID, that choose the best checkpoint; 0 for none."""
    patience: int | None = None
    """Validations without improvement after which the run ends; 0 never ends it."""
    train_on: tuple[str, ...] = ()
    """Splits, recordings or patients to train on; all others are left out."""
    validate_on: tuple[str, ...] = ()
    """Parts of a published split to validate on in place of that share; with --train-on, recordings or patients too."""
    leave_out: tuple[str, ...] = ()
    """Splits or recordings to exclude from training and validation."""
    split: Literal["rows", "overlapping-random"] = "rows"
    """Windows of one row stay on one side; or, as in a tutorial, 70 % of all windows train and 15 % validate, drawn at
    random though they overlap: the validation is then worth nothing."""
    protocol: Protocol | None = None
    """Cross-validate: train one model a fold, by patient, into --out/fold-NAME; given uses the store's splits."""
    k: int = 5
    """Folds, for k-fold."""
    evaluate_every: int = 50
    """Updates between validations."""
    save_every: int = 100
    """Updates between saves of `last`."""
    recipe: Recipe = field(default_factory=lambda: RECIPES["fine-tuning"])
    """The recipe, for presets modern, encoder and resnet."""
    augmentation: Augmentation = field(default_factory=lambda: TUNINGS["modern"].augmentation)
    """How training windows are varied, for presets modern, encoder and resnet."""

    def holds_run(self) -> bool:
        """Say whether the folder holds a run, or a fold's, that can be resumed."""
        folds = self.out_folder.glob("fold-*")
        return holds_run(self.out_folder) or any(
            holds_run(fold) or (fold / PREDICTIONS_FILE).exists() for fold in folds
        )

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        counts = ("steps", "batch_size", "accumulate", "rank", "stride", "max_per_episode", "k")
        found = self.shared_problems((*counts, "evaluate_every", "save_every"))
        found += [*self._preset_problems(), *self._task_problems(), *self._training_problems()]
        if self.protocol and (self.train_on or self.validate_on):
            found.append(
                "--protocol chooses the patients of each fold: leave --train-on and --validate-on out"
            )
        if self.split != "rows" and (self.train_on or self.validate_on or self.leave_out or self.protocol):
            found.append(
                "--split overlapping-random draws from all windows: leave --train-on and the like out"
            )
        if n_launched() > 1:
            found.append("fine-tuning runs in one process: start it without a launcher")
        return found

    def _preset_problems(self) -> list[str]:
        found = []
        new = TUNINGS[self.preset].model is not None
        if not new and not self.checkpoint:
            found.append(
                f"preset {self.preset} starts from a checkpoint: give --checkpoint (ecg comes with Physiolect), or "
                "--preset encoder for a new model"
            )
        if new and self.checkpoint is not None:
            found.append(f"preset {self.preset} trains a new model: leave --checkpoint out")
        if new and self.trained not in (None, "all"):
            found.append(f"preset {self.preset} trains all of a new model: leave --trained out")
        if new and self.pooling is not None:
            own = "--resnet.pooling" if self.preset == "resnet" else "--model.pooling"
            found.append(f"preset {self.preset} trains a new model, which has {own}: leave --pooling out")
        if self.model != ENCODER_PRESETS["modern"] and self.preset != "encoder":
            found.append("--model describes a new model: it goes with preset encoder")
        if self.resnet != RESNET_PRESETS["resnet18"] and self.preset != "resnet":
            found.append("--resnet describes a new model: it goes with preset resnet")
        if self.decoder != CONTINUOUS_PRESETS["modern"] and self.preset != "decoder":
            found.append("--decoder describes a new model: it goes with preset decoder")
        if self.seq2seq != SEQ2SEQ_PRESETS["modern"] and self.preset != "seq2seq":
            found.append("--seq2seq describes a new model: it goes with preset seq2seq")
        found += self._beat_problems()
        if self.preset not in (*_FREE, "decoder") and self.recipe != RECIPES["fine-tuning"]:
            found.append(
                f"preset {self.preset} fixes the recipe: --recipe goes with presets {', '.join(_FREE)} and decoder"
            )
        if self.preset not in _FREE and self.augmentation != TUNINGS["modern"].augmentation:
            others = f"presets {', '.join(_FREE[:-1])} and {_FREE[-1]}"
            found.append(f"preset {self.preset} fixes the augmentation: it goes with {others}")
        return found

    def _beat_problems(self) -> list[str]:
        task = TASKS[self.task]
        if self.preset != "beat-tokens":
            own = {
                "features": self.features, "beats": self.beats, "rhythm": self.rhythm,
                "normalisation": self.normalisation != "recording",
            }  # fmt: skip
            found = [f"--{name} goes with preset beat-tokens" for name, given in own.items() if given]
            if task.labels == "heartbeats":
                found.append(f"{self.task} is learned from heartbeats as tokens: give --preset beat-tokens")
            return found
        found = []
        if task.labels not in ("rhythms", "heartbeats"):
            found.append(f"preset beat-tokens is for rhythm and heartbeats, but not for {self.task}")
        if self.rhythm and task.labels != "heartbeats":
            found.append(
                f"--rhythm describes heartbeats for the task heartbeats, and the task is {self.task}"
            )
        useless = {"draws": self.draws, "max-per-episode": self.max_per_episode}
        found += [
            f"preset beat-tokens draws windows around beats: leave --{name} out"
            for name, given in useless.items()
            if given is not None
        ]
        return found

    def _task_problems(self) -> list[str]:
        asked = TASKS[self.task]
        found = [
            f"--{name} is for tasks learned from {source}, but {self.task} is learned from {asked.labels}"
            for name, source in _ONLY_FOR.items()
            if getattr(self, name)
            and asked.labels != source
            and not (name == "classes" and asked.labels in ("heartbeats", "symbols"))
        ]
        if asked.labels == "targets" and self.preset in ("encoder", "ecgformer"):
            found.append(
                f"{self.task} is for models of continuous signals: give --preset decoder, gru or state-space"
            )
        if asked.labels == "targets" and self.protocol:
            found.append(
                f"--protocol divides patients, but {self.task} is tested on blocks of time: leave it out"
            )
        found += self._sequence_problems()
        if self.huber is not None and (asked.labels != "targets" or not self.huber > 0):
            found.append("--huber is an error above 0, for the task decode")
        if asked.scope == "position" and self.pooling not in (None, "last"):
            found.append(f"--pooling is for one label a window, but {self.task} has one a sample")
        if asked.scope == "position" and self.preset == "resnet":
            found.append(
                f"preset resnet gives 16 or 32 samples one output, but {self.task} has one a sample: give --preset "
                "encoder"
            )
        return found

    def _sequence_problems(self) -> list[str]:
        sequences = TASKS[self.task].kind == "sequence"
        found = []
        if sequences != (self.preset == "seq2seq"):
            names = [name for name, task in TASKS.items() if task.kind == "sequence"]
            found.append(f"preset seq2seq and the task {', '.join(names)} go together: give both, or neither")
        if sequences and self.protocol:
            found.append(f"--protocol does not know {self.task}: leave it out")
        if self.ctc is not None and not (self.preset == "seq2seq" and 0 <= self.ctc <= 1):
            found.append("--ctc is a share from 0 to 1, for preset seq2seq")
        if self.ctc and not self.seq2seq.ctc:
            found.append("--ctc needs a CTC head: leave --seq2seq.ctc at true")
        return found

    def _training_problems(self) -> list[str]:
        found = []
        if self.augmentation.tempo != 1 or self.augmentation.mix:
            found.append(
                "--augmentation.tempo and --augmentation.mix need more than a window: they are for pretrain"
            )
        if self.validation is not None and not 0 <= self.validation <= 0.5:
            found.append(f"--validation is {self.validation}, but must be from 0 to 0.5")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            found.append(f"--dropout is {self.dropout}, but must be from 0 to below 1")
        if (self.rank, self.alpha) != (None, None) and self.trained != "lora":
            found.append("--rank and --alpha are of low-rank additions: they go with --trained lora")
        if self.alpha is not None and not 0 < self.alpha < math.inf:
            found.append(f"--alpha is {self.alpha}, but must be above 0")
        if self.patience is not None and self.patience < 0:
            found.append(f"--patience is {self.patience}, but cannot be negative")
        if _weights_in(self.class_weights) is None:
            found.append(
                f"--class-weights is '{self.class_weights}', but must be balanced, fourth-root, none, or numbers above "
                "0: 1,5"
            )
        return found

    @property
    def tuning(self) -> Tuning:
        """The preset, with the settings that are given in place of its own."""
        preset = TUNINGS[self.preset]
        scope = TASKS[self.task].scope
        if preset.beat is not None:
            beat = BEAT_TUNINGS[scope]
            preset = replace(
                preset, beat=beat, model=beat.model, steps=beat.steps, batch_size=beat.batch_size,
                class_weights=beat.class_weights, smoothing=beat.smoothing,
            )  # fmt: skip
        elif scope == "position" and self.preset not in DECODER_TUNINGS:
            # the height of a peak is read, which weights would shift; and every position speaks for itself
            preset = replace(preset, class_weights="none", pooling=None, steps=5 * preset.steps)
        if self.preset in _FREE:
            new: dict[str, EncoderConfig | ResNetConfig] = {"encoder": self.model, "resnet": self.resnet}
            model = new.get(self.preset)
            preset = replace(preset, recipe=self.recipe, model=model, augmentation=self.augmentation)
        if self.preset == "decoder":
            changed = self.recipe != RECIPES["fine-tuning"]
            preset = replace(preset, model=self.decoder, recipe=self.recipe if changed else preset.recipe)
        if self.preset == "seq2seq":
            preset = replace(preset, model=self.seq2seq, ctc=preset.ctc if self.seq2seq.ctc else 0.0)
        given = {name: getattr(self, name) for name in _OWN if getattr(self, name) is not None}
        if self.class_weights is not None:
            given["class_weights"] = _weights_in(self.class_weights)
        if self.patience is not None:
            given["patience"] = self.patience or None
        return replace(preset, **given)


def _weights_in(text: str | None) -> ClassWeights | None:
    """Return the class weights that a text states; None where it states none."""
    if text in ("balanced", "fourth-root", "none") or text is None:
        return cast(ClassWeights, text or "none")
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        return None
    return numbers if all(0 < number < math.inf for number in numbers) else None
