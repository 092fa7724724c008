"""Pre-training of a decoder: the next level at every position."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from physiolect.checkpoint import Checkpoint, load_checkpoint, named_patients
from physiolect.datasets import Store, choose_rows
from physiolect.datasets.examples.batches import LevelBatches, StreamedBatches, fits_on
from physiolect.datasets.examples.splits import row_groups
from physiolect.errors import ConfigError
from physiolect.events import Reporter
from physiolect.learning.job import Base
from physiolect.learning.pretrain_settings import N_LEVELS, PretrainSettings
from physiolect.learning.work import Work, own_piece
from physiolect.models.gpt import GPT, GPT_PRESETS
from physiolect.tokenizers import LevelTokenizer
from physiolect.training import NextToken, Processes, choose_precision, next_token_loss


def prepare_next_level(
    settings: PretrainSettings,
    store: Store,
    processes: Processes,
    reporter: Reporter,
    *,
    base: Base | None = None,
    saved: Checkpoint | None = None,
) -> Work:
    """Choose windows, and make the decoder or take a saved one.

    Args:
        settings: with a number of updates and of windows.
        store: of one channel a row.
        processes: who trains.
        reporter: gets messages.
        base: the decoder whose weights a new run begins with.
        saved: the decoder of a run that is resumed.

    Raises:
        ConfigError: the store has several channels, or no row is long enough.
    """
    if len(store.contract.channels) > 1:
        raise ConfigError(
            f"{settings.store} holds {len(store.contract.channels)} channels a row, but this decoder reads one",
            hint="prepare a store of one channel, as with the contract heartgpt-ecg; or learn with an encoder: "
            "--objective masked",
        )
    windows = _windows(store, settings, processes.device)
    checkpoint = saved or _fresh(settings, store, base, reporter)
    model: GPT = checkpoint.model
    model.to(processes.device)
    objective = NextToken(choose_precision(settings.precision, processes.device))
    batch, stage = _own_share(windows.train, settings, processes)
    with torch.random.fork_rng([]):
        whole = GPT(model.config) if processes.sharded else model

    def save(weights: Mapping[str, torch.Tensor]) -> tuple[Checkpoint, dict[str, torch.Tensor]]:
        if processes.sharded:
            whole.load_state_dict(weights)
        return replace(checkpoint, model=whole), {}

    assert settings.batch_size is not None
    return Work(
        checkpoint=checkpoint, network=model, objective=objective, recipe=settings.chosen[1], batch=batch, stage=stage,
        regions=[*model.blocks, objective.score],
        validation_loss=lambda: _validation_loss(model, windows.validation, settings, processes),
        save=save, text=windows.text,
        tokens_per_update=settings.batch_size * settings.accumulate * model.context_length,
        width=model.config.width, patients=windows.patients,
    )  # fmt: skip


@torch.no_grad()  # a sharded model cannot be gathered in inference mode
def _validation_loss(
    model: GPT, ids: torch.Tensor, settings: PretrainSettings, processes: Processes
) -> float:
    """Return the mean loss of the validation windows, of which the processes score pieces in turn."""
    assert settings.batch_size is not None
    pieces = list(ids.split(max(1, settings.batch_size // processes.count)))
    total = 0.0
    for first in range(0, len(pieces), processes.count):
        piece, counts = own_piece(pieces, first, processes.rank)
        loss = next_token_loss(model, piece).item() * len(piece)
        total += loss if counts else 0.0
    return processes.sum(total) / len(ids)


@dataclass(frozen=True)
class _Windows:
    """What a run trains on and is validated on."""

    train: LevelBatches
    validation: torch.Tensor
    """Ids (N, T)."""
    text: str
    """Both in words."""
    patients: dict[str, list[str]]
    """Keys of run.yaml that name the patients."""


def _windows(store: Store, settings: PretrainSettings, device: torch.device) -> _Windows:
    model_config, _ = settings.chosen
    tokenizer = LevelTokenizer(N_LEVELS, model_config.vocabulary_size)
    rows, validation_rows = choose_rows(
        store, settings.validation, settings.seed, validate_on=settings.validate_on, leave_out=settings.leave_out
    )  # fmt: skip
    shared: dict[str, Any] = {
        "length": model_config.context_length + 1, "seed": settings.seed, "device": device
    }  # fmt: skip
    resident = device.type == "cuda" and fits_on(store, rows, device)
    train = LevelBatches(
        store, rows, tokenizer, scale_samples=settings.range_samples, augmentation=settings.augmentation,
        resident=resident, **shared,
    )  # fmt: skip
    validation = LevelBatches(store, validation_rows, tokenizer, **shared).fixed(settings.validation_windows)
    text = (
        f"{len(rows)} rows to train on{', kept on the device' if resident else ''}, "
        f"{len(validation_rows)} to validate ({len(validation)} windows)"
    )
    groups = row_groups(store)
    patients = named_patients(*([groups[row] for row in side.tolist()] for side in (rows, validation_rows)))
    return _Windows(train, validation, text, patients)


def decoder_base(settings: PretrainSettings) -> Base:
    """Return the decoder whose weights a new run begins with.

    Raises:
        ConfigError: it is no decoder of levels, or a model was described too.
    """
    assert settings.checkpoint is not None
    found = load_checkpoint(settings.checkpoint)
    if (
        not isinstance(found.model, GPT)
        or found.model.config.n_outputs is not None
        or found.tokenizer is None
    ):
        raise ConfigError(
            f"{settings.checkpoint} does not predict the next level: pre-training cannot go on from it",
            hint="name a checkpoint of pretrain, or a published decoder",
        )
    if settings.model not in (GPT_PRESETS["modern"], found.model.config):
        raise ConfigError(
            f"the model of {settings.checkpoint} is fixed, but --model was given",
            hint="leave --model out, or --checkpoint",
        )
    return Base(settings.checkpoint, found)


def _begun_from(base: Base, store: Store, reporter: Reporter) -> Checkpoint:
    """Return a copy of the base's model for what the store holds, and tell where the two differ."""
    reporter.say(f"beginning with the weights of {base.name}")
    learnt, held = base.checkpoint.contract, store.contract
    for what, before, now in (
        ("", learnt.modality, held.modality),
        (" Hz", f"{learnt.fs:g}", f"{held.fs:g}"),
    ):
        if before != now:
            reporter.say(f"{base.name} has learnt from {before}{what}, and the store holds {now}{what}")
    longest = base.checkpoint.model.context_length
    contract = replace(held, min_samples=min(held.min_samples, longest), max_samples=longest)
    tokenizer = LevelTokenizer(N_LEVELS, base.checkpoint.model.config.vocabulary_size)
    if base.checkpoint.tokenizer != tokenizer:
        raise ConfigError(
            f"{base.name} cuts a signal into other levels than the {N_LEVELS} of pre-training",
            hint="name a checkpoint of pretrain, or a published decoder",
        )
    return Checkpoint(base.checkpoint.model, tokenizer, contract, run={"base": base.record})


def _fresh(settings: PretrainSettings, store: Store, base: Base | None, reporter: Reporter) -> Checkpoint:
    if base is not None:
        return _begun_from(base, store, reporter)
    model_config, _ = settings.chosen
    longest = model_config.context_length
    contract = replace(
        store.contract, min_samples=min(store.contract.min_samples, longest), max_samples=longest
    )
    return Checkpoint(GPT(model_config), LevelTokenizer(N_LEVELS, model_config.vocabulary_size), contract)


def _own_share(
    train: LevelBatches, settings: PretrainSettings, processes: Processes
) -> tuple[Callable[[int | torch.Tensor, int], torch.Tensor], Callable[[int], None] | None]:
    """Return what gives this process its equal share of an update's windows, and what stages them."""
    assert settings.batch_size is not None
    size, parts = settings.batch_size // processes.count, settings.accumulate
    first = processes.rank * size * parts
    if train.device.type == "cuda" and not train.resident:
        streamed = StreamedBatches(train, size, parts, first=first)
        return streamed.batch, streamed.stage
    return lambda step, part: train.batch(step, size, first=first + part * size), None
