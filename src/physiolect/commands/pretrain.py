"""`physiolect pretrain STORE --out RUN`: teach a decoder to predict the next level."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch

from physiolect import __version__, config
from physiolect.checkpoint import Checkpoint, load_checkpoint, load_state
from physiolect.datasets import open_store, split_rows
from physiolect.datasets.batches import LevelBatches
from physiolect.errors import ConfigError
from physiolect.models.gpt import GPT, GPTConfig
from physiolect.models.gpt import PRESETS as MODELS
from physiolect.tokenizers import LevelTokenizer
from physiolect.training import (
    RECIPES,
    Callbacks,
    Journal,
    Outcome,
    Recipe,
    Schedule,
    Stop,
    choose_device,
    fit,
    next_token_loss,
    stop_signals,
)

EXAMPLE = "physiolect pretrain store --out runs/ecg --steps 2000"

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

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = []
        if self.preset not in PRESETS:
            found.append(f"preset '{self.preset}' is not one of {', '.join(PRESETS)}")
        elif self.preset != "modern" and (self.model, self.recipe) != (MODELS["modern"], RECIPES["modern"]):
            found.append(
                f"preset {self.preset} is what was published: --model and --recipe go with preset modern"
            )
        for name in (
            "steps",
            "batch_size",
            "accumulate",
            "validation_windows",
            "log_every",
            "evaluate_every",
            "save_every",
        ):
            if getattr(self, name) < 1:
                found.append(f"{name} is {getattr(self, name)}, but must be at least 1")
        if not 0 < self.validation < 1:
            found.append(f"validation is {self.validation}, but must be between 0 and 1")
        if not self.resume and (Path(self.out) / "last").exists():
            found.append(f"{self.out} holds a run already: give --resume to go on with it, or another --out")
        return found

    @property
    def chosen(self) -> tuple[GPTConfig, Recipe]:
        """Model and recipe with the preset applied."""
        if self.preset == "modern":
            return self.model, self.recipe
        return MODELS[self.preset], RECIPES[PRESETS[self.preset]]


def run(settings: Config) -> int:
    """Train, or go on training; returns 130 or 143 if a signal ended it."""
    out = Path(settings.out)
    if settings.resume:
        settings = _as_before(settings)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    store = open_store(settings.store)
    model_config, recipe = settings.chosen
    tokenizer = LevelTokenizer(101, model_config.vocabulary_size)
    train_rows, validation_rows = split_rows(store, settings.validation, settings.seed)
    device = choose_device(settings.device)
    shared: dict[str, Any] = {
        "length": model_config.context_length + 1,
        "seed": settings.seed,
        "device": device,
    }
    scale_samples = settings.scale_samples or (None if settings.preset == "modern" else 1000)
    train = LevelBatches(store, train_rows, tokenizer, scale_samples=scale_samples, **shared)
    held_out = LevelBatches(store, validation_rows, tokenizer, **shared).fixed(settings.validation_windows)
    if settings.resume:
        checkpoint, state = load_checkpoint(out / "last"), load_state(out / "last")
    else:
        contract = replace(store.contract, max_samples=model_config.context_length)
        checkpoint, state = Checkpoint(GPT(model_config), tokenizer, contract), None
        config.dump(settings, out / "settings.yaml")
    checkpoint.model.to(device)
    size = settings.batch_size
    tokens_per_step = size * settings.accumulate * model_config.context_length
    with Journal(
        out, settings.steps, tokens_per_step, resumed_at=int(state["step"]) if state else 0
    ) as journal:
        print(
            f"{checkpoint.model.n_parameters():,} parameters on {device}; {len(train_rows)} rows to train on, "
            f"{len(validation_rows)} to validate ({len(held_out)} windows)",
            file=sys.stderr,
        )
        with stop_signals(settings.minutes) as stop:
            outcome = fit(
                checkpoint.model,
                next_token_loss,
                lambda step, part: train.batch(step, size, first=part * size),
                recipe,
                Schedule(
                    settings.steps,
                    settings.accumulate,
                    settings.log_every,
                    settings.evaluate_every,
                    settings.save_every,
                ),
                Callbacks(
                    save=_saver(checkpoint, out, settings),
                    report=journal.report,
                    evaluate=lambda: _mean_loss(checkpoint.model, held_out, size),
                    should_stop=stop.asked,
                ),
                resume=state,
            )
    return _farewell(outcome, settings, stop)


def _as_before(settings: Config) -> Config:
    """Return the settings the run in `out` had; those given now must not contradict them."""
    file = Path(settings.out) / "settings.yaml"
    if not file.is_file():
        raise ConfigError(f"{settings.out} holds no run to resume", hint="leave --resume out to start one")
    before = config.load(Config, file)
    free = ("out", "store", "resume", "minutes", "threads", "device")
    default = Config(store="", out="")
    changed = [
        f"{name} was {getattr(before, name)}, not {getattr(settings, name)}"
        for name in Config.__dataclass_fields__
        if name not in free and getattr(settings, name) not in (getattr(before, name), getattr(default, name))
    ]
    if changed:
        raise ConfigError(
            f"a resumed run keeps its settings: {'; '.join(changed)}",
            hint="leave these out, or start a new run",
        )
    return replace(before, **{name: getattr(settings, name) for name in free})


@torch.inference_mode()
def _mean_loss(model: torch.nn.Module, ids: torch.Tensor, size: int) -> float:
    pieces = ids.split(size)
    return sum(next_token_loss(model, piece).item() * len(piece) for piece in pieces) / len(ids)


def _saver(
    checkpoint: Checkpoint, out: Path, settings: Config
) -> Callable[[Literal["last", "best"], Callable[[], dict[str, torch.Tensor]]], None]:
    def save(kind: Literal["last", "best"], state: Callable[[], dict[str, torch.Tensor]]) -> None:
        tensors = state()
        checkpoint.run = {
            "made_by": f"physiolect {__version__} pretrain",
            "step": int(tensors["step"]),
            "validation_loss": float(tensors["best"]),
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
