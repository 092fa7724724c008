"""`physiolect pretrain STORE --out RUN`: teach a decoder to predict the next level."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch

from physiolect import __version__, config
from physiolect.checkpoint import Checkpoint, load_checkpoint, load_state
from physiolect.datasets import open_store, split_rows
from physiolect.datasets.augmentation import Augmentation
from physiolect.datasets.batches import LevelBatches, StreamedBatches, fits_on
from physiolect.errors import ConfigError
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.models.gpt import PRESETS as MODELS
from physiolect.tokenizers import LevelTokenizer
from physiolect.training import (
    RECIPES,
    Callbacks,
    Form,
    Journal,
    NextToken,
    Outcome,
    Precision,
    Recipe,
    Schedule,
    Step,
    Stop,
    choose_device,
    choose_form,
    choose_precision,
    fit,
    next_token_loss,
    stop_signals,
)

EXAMPLE = "physiolect pretrain store --out runs/ecg --steps 2000"

_SETTINGS_FILE = "settings.yaml"
_FREE = ("store", "out", "resume", "minutes", "threads", "device", "form")
"""Settings that a resumed run may change: none of them decides a number."""
_LEVELS, _MOST = 101, 10**9

PRESETS = {"modern": "modern", "heartgpt-ecg": "published", "heartgpt-ppg": "published"}
"""Model preset -> the training recipe that goes with it."""


@dataclass(frozen=True)
class Config:
    """Pre-train a decoder on a store made by `prepare`."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("store",)

    store: str
    """Folder made by `prepare`."""
    out: str
    """Folder of the run: checkpoints `last` and `best`, metrics.jsonl, TensorBoard files, settings.yaml."""
    preset: str = "modern"
    """Model and recipe: modern, heartgpt-ecg or heartgpt-ppg."""
    steps: int = 2000
    """Updates."""
    batch_size: int = 32
    """Windows a batch."""
    accumulate: int = 1
    """Batches an update."""
    validation: float = 0.1
    """Share of patients, or of recordings where no patients are known, kept for validation."""
    validation_windows: int = 200
    """Windows that each evaluation scores."""
    scale_samples: int | None = None
    """Samples around a window that give its range; none is the window itself (published: 1000)."""
    seed: int = 0
    """Decides the first weights, the windows and the dropout."""
    resume: bool = False
    """Go on with the run in --out, with the settings it had."""
    device: str = "auto"
    """Where to train: auto, cpu, cuda …"""
    precision: Precision = "auto"
    """Of products and attention in training: float32, or bf16, which auto takes on a GPU made for it."""
    form: Form = "auto"
    """Of the training step: eager, compiled, or captured as one CUDA graph, which auto takes on one GPU."""
    threads: int | None = None
    """Processor threads; none leaves PyTorch's choice."""
    log_every: int = 10
    """Updates between lines of metrics.jsonl."""
    evaluate_every: int = 100
    """Updates between evaluations."""
    save_every: int = 500
    """Updates between saves of `last`."""
    minutes: float | None = None
    """Stop after this long, as if interrupted."""
    model: GPTConfig = field(default_factory=lambda: MODELS["modern"])
    """The model, for preset modern."""
    recipe: Recipe = field(default_factory=lambda: RECIPES["modern"])
    """The recipe, for preset modern."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """How training windows are varied; not at all unless told."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = []
        if self.preset not in PRESETS:
            found.append(f"preset '{self.preset}' is not one of {', '.join(PRESETS)}")
        elif self.preset != "modern" and (self.model, self.recipe) != (MODELS["modern"], RECIPES["modern"]):
            found.append(
                f"preset {self.preset} is what was published: --model and --recipe go with preset modern"
            )
        counts = ("steps", "batch_size", "accumulate", "validation_windows", "log_every", "evaluate_every")
        for name in (*counts, "save_every", "threads", "scale_samples"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= _MOST:
                found.append(f"{name} is {value}, but must be from 1 to {_MOST:,}")
        if not 0 < self.validation < 1:
            found.append(f"validation is {self.validation}, but must be between 0 and 1")
        if not 0 <= self.seed < 2**63:
            found.append(f"seed is {self.seed}, but must be from 0 to 2^63 - 1")
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            found.append(f"minutes is {self.minutes}, but must be above 0")
        if self.model.vocabulary_size < _LEVELS:
            found.append(
                f"model.vocabulary_size is {self.model.vocabulary_size}, but there are {_LEVELS} levels"
            )
        if self.model.n_outputs is not None:
            found.append("model.n_outputs is for detection heads: leave it out to predict the next level")
        saved = any((Path(self.out) / name).exists() for name in ("last", "last.old"))
        if saved and not self.resume:
            found.append(f"{self.out} holds a run already: give --resume to go on with it, or another --out")
        if self.resume and not saved:
            found.append(f"{self.out} holds nothing to resume: leave --resume out to start a run")
        return found

    @classmethod
    def complete(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what was given, and on `resume` the settings the run had, which must not be contradicted.

        Raises:
            ConfigError: a setting was given that the run did not have.
        """
        file = Path(str(given.get("out"))) / _SETTINGS_FILE
        if given.get("resume") is not True or not file.is_file():
            return given
        before = config.read_yaml(file)
        free = {name: value for name, value in given.items() if name in _FREE}
        kept = {name: value for name, value in given.items() if name not in _FREE}
        changed = [name for name, value in kept.items() if config.merge(before, {name: value}) != before]
        if changed:
            raise ConfigError(
                f"a resumed run keeps its settings, but {', '.join(changed)} differs from {file}",
                hint="leave these out, or start a new run",
            )
        return {**before, **free}

    @property
    def chosen(self) -> tuple[GPTConfig, Recipe]:
        """Model and recipe with the preset applied."""
        if self.preset == "modern":
            return self.model, self.recipe
        return MODELS[self.preset], RECIPES[PRESETS[self.preset]]


def run(settings: Config) -> int:
    """Train, or go on training; returns 130 or 143 if a signal ended it."""
    out = Path(settings.out)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    store = open_store(settings.store, verify=True)
    if len(store.contract.channels) > 1:
        raise ConfigError(
            f"{settings.store} holds {len(store.contract.channels)} channels a row, but this decoder reads one",
            hint="prepare a store of one channel: --contract heartgpt-ecg",
        )
    model_config, recipe = settings.chosen
    tokenizer = LevelTokenizer(_LEVELS, model_config.vocabulary_size)
    train_rows, validation_rows = split_rows(store, settings.validation, settings.seed)
    device = choose_device(settings.device)
    precision = choose_precision(settings.precision, device)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32 for what float32 products are left in training
    form = choose_form(settings.form, device)
    shared: dict[str, Any] = {
        "length": model_config.context_length + 1,
        "seed": settings.seed,
        "device": device,
    }
    resident = device.type == "cuda" and fits_on(store, train_rows, device)
    train = LevelBatches(
        store,
        train_rows,
        tokenizer,
        scale_samples=settings.scale_samples or (None if settings.preset == "modern" else 1000),
        augmentation=settings.augmentation,
        resident=resident,
        **shared,
    )
    held_out = LevelBatches(store, validation_rows, tokenizer, **shared).fixed(settings.validation_windows)
    if settings.resume:
        checkpoint, state = load_checkpoint(out / "last"), load_state(out / "last")
        if checkpoint.run.get("store_sha256") != store.digest:
            raise ConfigError(
                f"{settings.store} is another store than the run was trained on",
                hint="resume with the same store",
            )
    else:
        longest = model_config.context_length
        shortest = min(store.contract.min_samples, longest)
        contract = replace(store.contract, min_samples=shortest, max_samples=longest)
        checkpoint, state = Checkpoint(GPT(model_config), tokenizer, contract), None
        config.dump(settings, out / _SETTINGS_FILE)
    checkpoint.model.to(device)
    size = settings.batch_size
    streamed = (
        StreamedBatches(train, size, settings.accumulate) if device.type == "cuda" and not resident else None
    )
    objective = NextToken(precision)
    step = Step(
        checkpoint.model,
        objective,
        streamed.batch if streamed else lambda step, part: train.batch(step, size, first=part * size),
        recipe,
        settings.steps,
        accumulate=settings.accumulate,
        stage=streamed.stage if streamed else None,
        form=form,
        regions=[*checkpoint.model.trunk.blocks, objective.score],
    )
    tokens_per_step = size * settings.accumulate * model_config.context_length
    with Journal(
        out, settings.steps, tokens_per_step, resumed_at=int(state["step"]) if state else 0
    ) as journal:
        print(
            f"{checkpoint.model.n_parameters():,} parameters on {device} in {str(precision).removeprefix('torch.')}, "
            f"{form} steps; {len(train_rows)} rows to train on{', kept on the device' if resident else ''}, "
            f"{len(validation_rows)} to validate ({len(held_out)} windows)",
            file=sys.stderr,
        )
        with stop_signals(settings.minutes) as stop:
            outcome = fit(
                step,
                Schedule(settings.log_every, settings.evaluate_every, settings.save_every),
                Callbacks(
                    save=_saver(checkpoint, out, settings, store.digest),
                    report=journal.report,
                    evaluate=lambda: _mean_loss(checkpoint.model, held_out, size),
                    should_stop=stop.asked,
                ),
                resume=state,
            )
    return _farewell(outcome, settings, stop)


@torch.inference_mode()
def _mean_loss(model: torch.nn.Module, ids: torch.Tensor, size: int) -> float:
    pieces = ids.split(size)
    return sum(next_token_loss(model, piece).item() * len(piece) for piece in pieces) / len(ids)


def _saver(
    checkpoint: Checkpoint, out: Path, settings: Config, store_digest: str
) -> Callable[[Literal["last", "best"], Callable[[], dict[str, torch.Tensor]]], None]:
    def save(kind: Literal["last", "best"], state: Callable[[], dict[str, torch.Tensor]]) -> None:
        tensors = state()
        checkpoint.run = {
            "made_by": f"physiolect {__version__} pretrain",
            "step": int(tensors["step"]),
            "validation_loss": float(tensors["best"]),
            "store_sha256": store_digest,
            "settings": config.to_dict(settings),
        }
        checkpoint.save(out / kind, state=tensors if kind == "last" else None)

    return save


def _farewell(outcome: Outcome, settings: Config, stop: Stop) -> int:
    if outcome.finished:
        print(
            f"best validation loss {outcome.best_loss:.4f} nats per token: {settings.out}/best",
            file=sys.stderr,
        )
        return 0
    again = f"physiolect pretrain {settings.store} --out {settings.out} --resume"
    print(f"stopped after {outcome.step} of {settings.steps} updates; to go on:\n  {again}", file=sys.stderr)
    return 128 + stop.signal if stop.signal else 0
