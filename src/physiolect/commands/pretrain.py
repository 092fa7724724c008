"""`physiolect pretrain STORE --out RUN`: teach a decoder to predict the next level."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch

from physiolect import config
from physiolect.checkpoint import Checkpoint, named_patients
from physiolect.commands.runs import (
    SETTINGS_FILE,
    how_to_go_on,
    is_saved,
    locked_run,
    run_problems,
    save_run,
    saved_run,
    tell_stop,
    with_held_settings,
)
from physiolect.commands.terminal import say
from physiolect.datasets import Store, choose_rows, open_store
from physiolect.datasets.examples.augmentation import Augmentation
from physiolect.datasets.examples.batches import LevelBatches, StreamedBatches, fits_on
from physiolect.datasets.examples.splits import row_groups
from physiolect.errors import ConfigError
from physiolect.models.gpt import GPT, GPT_PRESETS, GPTConfig
from physiolect.tokenizers import LevelTokenizer
from physiolect.training import (
    RECIPES,
    Callbacks,
    Form,
    Journal,
    LostProcessError,
    NextToken,
    Outcome,
    Precision,
    Processes,
    Recipe,
    Schedule,
    Step,
    TrainingError,
    choose_form,
    choose_precision,
    fit,
    join_processes,
    n_launched,
    next_token_loss,
    noticing_loss,
    stop_signals,
)

EXAMPLE = "physiolect pretrain store --out runs/ecg --steps 2000"

_LEVELS = 101

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
    """Windows a batch, of all processes together."""
    accumulate: int = 1
    """Batches an update."""
    validation: float = 0.1
    """Share of patients, or of recordings where no patients are known, kept for validation."""
    validate_on: tuple[str, ...] = ()
    """Parts of a published split to validate on in place of that share: "fold 9"."""
    leave_out: tuple[str, ...] = ()
    """Parts of a published split, or recordings, that neither train nor validate: "fold 10", "mitbih/202"."""
    validation_windows: int = 200
    """Windows that each evaluation scores."""
    scale_samples: int | None = None
    """Samples around a window that give its range; none is the window itself (published: 1000)."""
    seed: int = 0
    """Decides the first weights, the windows and the dropout."""
    resume: bool = False
    """Go on with the run in --out, with the settings it had."""
    device: str = "auto"
    """Where to train: auto, cpu, cuda …; of several processes each takes a GPU of its own."""
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
    model: GPTConfig = field(default_factory=lambda: GPT_PRESETS["modern"])
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
        elif self.preset != "modern" and (self.model, self.recipe) != (
            GPT_PRESETS["modern"],
            RECIPES["modern"],
        ):
            found.append(
                f"preset {self.preset} is what was published: --model and --recipe go with preset modern"
            )
        scaled = self.scale_samples is not None or self.preset != "modern"
        if scaled and self.augmentation != Augmentation():
            found.append(
                "varied windows are scaled by themselves: --augmentation goes with preset modern and "
                "without --scale-samples"
            )
        counts = ("steps", "batch_size", "accumulate", "validation_windows", "log_every", "evaluate_every")
        more = ("save_every", "threads", "scale_samples")
        found += run_problems(self, (*counts, *more), saved=is_saved(self.out))
        n = n_launched()
        if self.batch_size % n:
            lower = self.batch_size // n * n
            found.append(
                f"--batch-size is {self.batch_size}, which {n} processes cannot share equally: "
                f"take {f'{lower} or ' if lower else ''}{lower + n}, or another number of processes"
            )
        if not 0 < self.validation < 1:
            found.append(f"--validation is {self.validation}, but must be between 0 and 1")
        if self.model.vocabulary_size < _LEVELS:
            found.append(
                f"model.vocabulary_size is {self.model.vocabulary_size}, but there are {_LEVELS} levels"
            )
        if self.model.n_outputs is not None:
            found.append("model.n_outputs is for detection heads: leave it out to predict the next level")
        return found

    @classmethod
    def complete(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what was given, and on `resume` the settings the run had, which must not be contradicted."""
        return with_held_settings(given)

    @property
    def chosen(self) -> tuple[GPTConfig, Recipe]:
        """Model and recipe with the preset applied."""
        if self.preset == "modern":
            return self.model, self.recipe
        return GPT_PRESETS[self.preset], RECIPES[PRESETS[self.preset]]


def run(settings: Config) -> int:
    """Train, or go on training; returns 130 or 143 if a signal ended it.

    Of several processes the first writes, tells and decides the exit code.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    try:
        with (
            join_processes(settings.device) as processes,
            locked_run(settings, lambda: is_saved(settings.out)) if processes.main else nullcontext(),
        ):
            return _train(settings, processes)
    except LostProcessError as error:
        raise LostProcessError(
            str(error), hint=f"{error.hint}; {how_to_go_on('pretrain', settings)}"
        ) from error


def _train(settings: Config, processes: Processes) -> int:
    out, device = Path(settings.out), processes.device
    store = open_store(settings.store, verify=True)
    if len(store.contract.channels) > 1:
        raise ConfigError(
            f"{settings.store} holds {len(store.contract.channels)} channels a row, but this decoder reads one",
            hint="prepare a store of one channel: --contract heartgpt-ecg",
        )
    model_config, recipe = settings.chosen
    precision = choose_precision(settings.precision, device)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32 for what float32 products are left in training
    form = choose_form(settings.form, device, n_processes=processes.count)
    train, held_out, data, named = _windows(store, settings, device)
    checkpoint, state = saved_run(out, store) if settings.resume else (_fresh(settings, store), None)
    if processes.main and not settings.resume:
        config.dump(settings, out / SETTINGS_FILE)
    checkpoint.model.to(device)
    processes.draw_apart()
    batches, stage = _own_share(train, settings, processes)
    objective = NextToken(precision)
    step = Step(
        checkpoint.model,
        objective,
        batches,
        recipe,
        settings.steps,
        accumulate=settings.accumulate,
        stage=stage,
        form=form,
        regions=[*checkpoint.model.blocks, objective.score],
        processes=processes,
    )
    tokens_per_step = settings.batch_size * settings.accumulate * model_config.context_length
    resumed_at = int(state["step"]) if state else 0
    journal = Journal(out, settings.steps, tokens_per_step, resumed_at=resumed_at) if processes.main else None
    with (
        stop_signals(settings.minutes, aloud=processes.main) as stop,
        journal or nullcontext(),
        noticing_loss(),
    ):
        if processes.main:
            print(
                f"{checkpoint.model.n_parameters():,} parameters on {_company(processes)} "
                f"in {str(precision).removeprefix('torch.')}, {form} steps; {data}",
                file=sys.stderr,
            )
        callbacks = Callbacks(
            save=_saver(checkpoint, settings, store, processes, named),
            report=journal.report if journal else lambda _: None,
            evaluate=lambda: _mean_loss(checkpoint.model, held_out, settings.batch_size, processes),
            should_stop=stop.asked,
        )
        schedule = Schedule(settings.log_every, settings.evaluate_every, settings.save_every)
        try:
            outcome = fit(step, schedule, callbacks, resume=state)
        except TrainingError:
            if processes.main:
                raise
            return 0
    heard = processes.largest(stop.signal or 0)
    return _farewell(outcome, settings, heard) if processes.main else 0


def _windows(
    store: Store, settings: Config, device: torch.device
) -> tuple[LevelBatches, torch.Tensor, str, dict[str, list[str]]]:
    """Return what to train on, the ids to validate on, both in words, and whose they are."""
    model_config, _ = settings.chosen
    tokenizer = LevelTokenizer(_LEVELS, model_config.vocabulary_size)
    rows, validation_rows = choose_rows(
        store,
        settings.validation,
        settings.seed,
        validate_on=settings.validate_on,
        leave_out=settings.leave_out,
    )
    shared: dict[str, Any] = {
        "length": model_config.context_length + 1,
        "seed": settings.seed,
        "device": device,
    }
    resident = device.type == "cuda" and fits_on(store, rows, device)
    train = LevelBatches(
        store,
        rows,
        tokenizer,
        scale_samples=settings.scale_samples or (None if settings.preset == "modern" else 1000),
        augmentation=settings.augmentation,
        resident=resident,
        **shared,
    )
    held_out = LevelBatches(store, validation_rows, tokenizer, **shared).fixed(settings.validation_windows)
    words = (
        f"{len(rows)} rows to train on{', kept on the device' if resident else ''}, "
        f"{len(validation_rows)} to validate ({len(held_out)} windows)"
    )
    groups = row_groups(store)
    named = named_patients(*([groups[row] for row in side.tolist()] for side in (rows, validation_rows)))
    return train, held_out, words, named


def _fresh(settings: Config, store: Store) -> Checkpoint:
    model_config, _ = settings.chosen
    longest = model_config.context_length
    contract = replace(
        store.contract, min_samples=min(store.contract.min_samples, longest), max_samples=longest
    )
    return Checkpoint(GPT(model_config), LevelTokenizer(_LEVELS, model_config.vocabulary_size), contract)


def _own_share(
    train: LevelBatches, settings: Config, processes: Processes
) -> tuple[Callable[[int | torch.Tensor, int], torch.Tensor], Callable[[int], None] | None]:
    """Return what gives this process its equal share of an update's windows, and what stages them."""
    size, parts = settings.batch_size // processes.count, settings.accumulate
    first = processes.rank * size * parts
    if train.device.type == "cuda" and not train.resident:
        streamed = StreamedBatches(train, size, parts, first=first)
        return streamed.batch, streamed.stage
    return lambda step, part: train.batch(step, size, first=first + part * size), None


def _company(processes: Processes) -> str:
    if processes.count == 1:
        return str(processes.device)
    return (
        f"{processes.count} processes of {processes.device.type}{', sharded' if processes.sharded else ''},"
    )


@torch.no_grad()  # a sharded model cannot be gathered in inference mode
def _mean_loss(model: torch.nn.Module, ids: torch.Tensor, size: int, processes: Processes) -> float:
    """Return the mean loss of ids (N, T), of which the processes score pieces in turn."""
    pieces = ids.split(max(1, size // processes.count))
    total = 0.0
    for first in range(0, len(pieces), processes.count):
        mine = first + processes.rank
        piece = pieces[min(mine, len(pieces) - 1)]  # a sharded model needs all processes for every pass
        loss = next_token_loss(model, piece).item() * len(piece)
        total += loss if mine < len(pieces) else 0.0
    return processes.sum(total) / len(ids)


def _saver(
    checkpoint: Checkpoint,
    settings: Config,
    store: Store,
    processes: Processes,
    named: dict[str, list[str]],
) -> Callable[[Literal["last", "best"], Callable[[], dict[str, torch.Tensor]]], None]:
    with torch.random.fork_rng([]):
        whole = GPT(checkpoint.model.config) if processes.sharded else checkpoint.model

    def save(kind: Literal["last", "best"], state: Callable[[], dict[str, torch.Tensor]]) -> None:
        tensors = state()
        sharded = checkpoint.model.state_dict() if processes.sharded else {}
        weights = {name: processes.whole(value).cpu() for name, value in sharded.items()}
        if processes.main:
            if weights:
                whole.load_state_dict(weights)
            kept = replace(checkpoint, model=whole)
            out = Path(settings.out)
            save_run(kept, out, kind, tensors, verb="pretrain", settings=settings, store=store, **named)
        processes.wait()

    return save


def _farewell(outcome: Outcome, settings: Config, heard: int) -> int:
    """Say how the run ended and return its exit code, given the signal that any process heard, or 0."""
    if outcome.finished:
        if math.isinf(outcome.best_loss):  # stopped at the last update, before it was ever evaluated
            say(f"{outcome.step} updates: {settings.out}/last")
        else:
            say(f"best validation loss {outcome.best_loss:.4f} nats per token: {settings.out}/best")
        return 128 + heard if heard else 0
    return tell_stop(f"{outcome.step} of {settings.steps} updates", "pretrain", settings, heard)
