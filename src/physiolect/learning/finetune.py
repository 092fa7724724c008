"""Fine-tune a checkpoint: learn the labels of a store."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from physiolect import config
from physiolect.checkpoint import Checkpoint, load_checkpoint
from physiolect.datasets import Examples, Store, open_store, skipped_recordings
from physiolect.detection import predict_windows
from physiolect.errors import ConfigError
from physiolect.events import Listener, Reporter
from physiolect.learning.finetune_settings import FinetuneSettings
from physiolect.learning.job import Base, Job, Runtime
from physiolect.learning.labelled_windows import divide, label_windows
from physiolect.learning.measures import measure, measure_sequences
from physiolect.learning.new_model import (
    new_beat_checkpoint,
    new_checkpoint,
    new_decoder_checkpoint,
    new_seq2seq_checkpoint,
)
from physiolect.learning.run_folder import SETTINGS_FILE, lengthened, locked_run
from physiolect.learning.settings import read_settings, takes_settings
from physiolect.learning.training_result import TrainingResult
from physiolect.models.encoder_config import EncoderConfig
from physiolect.models.resnet_config import ResNetConfig
from physiolect.models.seq2seq_config import Seq2SeqConfig
from physiolect.training import stop_signals, using_threads


@takes_settings(FinetuneSettings, "protocol", "k")
def finetune(
    store: Store | str | Path,
    checkpoint: Checkpoint | str | Path | None = None,
    *,
    task: str,
    out: str | Path,
    on_event: Listener | None = None,
    **settings: Any,
) -> TrainingResult:
    """Fine-tune a checkpoint, or train a new model, on the labels of a store; or resume a run.

    Ctrl-C and SIGTERM stop the run after the update under way; the run is saved, and the result is not finished.

    Args:
        store: made by `prepare` with the checkpoint's contract; opened or a folder.
        checkpoint: the base model; opened, or a folder, a published HeartGPT file, "ecg", or owner/name. None where the
            preset trains a new model.
        task: one of `physiolect.tasks.TASKS` that is learned from labels.
        out: folder of the run.
        on_event: called with messages and metrics; returning True stops the run after the update under way.
        **settings: fields of `FinetuneSettings`.

    Raises:
        ConfigError: settings are wrong, a class has no training window, or the run was started with other examples.
        CheckpointError: the store does not fit the checkpoint.
        WriteError: another run is writing to the folder, or the disk is full.
        TrainingError: the loss or its gradient is not finite; the weights before that update are saved.
        Cancelled: the listener asked to stop before the first update, while frozen blocks were computed.
    """
    given = {"store": store, "checkpoint": checkpoint, "task": task, "out": out, **settings}
    with starting("finetune", given, on_event) as (job, examples):
        if job.settings.protocol:
            raise ConfigError(
                "protocol is for cross-validation, and finetune trains one model",
                hint="call cross_validate instead",
            )
        train, validation = divide(examples, job.settings)
        if job.settings.split != "rows":
            job.reporter.say(
                "windows that overlap were divided at random: nearly every validation window shares steps with a "
                "training window, so the validation says nothing about new data"
            )
        save_settings(job.settings, job.reporter)
        outcome = job.run(job.settings.out_folder, train, validation)
        result = TrainingResult(
            job.settings.out_folder, outcome.step, job.tuning.steps, outcome.finished, outcome.best_loss,
            unit="", signal=job.stop.signal,
        )  # fmt: skip
        if not outcome.finished or validation is None or job.stop.signal or math.isinf(outcome.best_loss):
            return result
        if validation.kind == "sequence":
            measures = measure_sequences(validation, result.checkpoint)
            return replace(result, n_validated=len(validation), measures=measures)
        measures = measure(validation, predict_windows(result.checkpoint, validation), skip=job.tuning.skip)
        return replace(result, n_validated=len(validation), measures=measures)


@contextmanager
def starting(call: str, given: dict[str, Any], on_event: Listener | None) -> Iterator[tuple[Job, Examples]]:
    """Check settings, lock the folder, and open everything that a fine-tuning or a cross-validation needs.

    Args:
        call: name of the call, for messages.
        given: its keywords.
        on_event: its listener.

    Yields:
        the job, and all labelled windows of the store.
    """
    base, given["checkpoint"] = _opened(given["checkpoint"])
    settings = read_settings(FinetuneSettings, call, given)
    reporter = Reporter(on_event)
    with (
        locked_run(settings.out_folder, resume=settings.resume, saved=settings.holds_run),
        using_threads(settings.threads),
        stop_signals(
            settings.minutes, on_signal=lambda: reporter.say("stopping after this update …")
        ) as stop,
    ):
        runtime = Runtime.of(settings)
        store = open_store(settings.store, verify=True)
        base = base or _base(settings, store, reporter)
        examples = label_windows(store, settings, base, reporter)
        skipped = skipped_recordings(examples, settings.labels)
        if skipped:
            reporter.say(skipped)
        if not examples.by_patient and not store.is_cut_in_blocks:
            reporter.say("some patient IDs are missing: recordings without one are split by recording")
        yield (
            Job(settings, Base(settings.checkpoint, base), settings.tuning, runtime, stop, reporter),
            examples,
        )


def save_settings(settings: FinetuneSettings, reporter: Reporter) -> None:
    """Write the settings of a new run to its folder, or say that a resumed one makes more updates."""
    if not settings.resume:
        config.dump(settings, settings.out_folder / SETTINGS_FILE)
    elif settings.steps is not None and (longer := lengthened(settings.out_folder, settings.steps)):
        reporter.say(longer)


def _opened(checkpoint: Checkpoint | str | Path | None) -> tuple[Checkpoint | None, str | None]:
    """Return a checkpoint that is open already, and the name that settings keep."""
    if isinstance(checkpoint, Checkpoint):
        return checkpoint, "a checkpoint in memory"
    return None, None if checkpoint is None else str(checkpoint)


def _base(settings: FinetuneSettings, store: Store, reporter: Reporter) -> Checkpoint:
    """Return the checkpoint that settings name, or a new model."""
    if settings.checkpoint is not None:
        return load_checkpoint(settings.checkpoint)
    model = settings.tuning.model
    assert model is not None
    if settings.tuning.beat:
        return new_beat_checkpoint(settings, store)
    if isinstance(model, Seq2SeqConfig):
        return new_seq2seq_checkpoint(model, store, labelled=settings.labels is not None, seed=settings.seed)
    make = new_checkpoint if isinstance(model, EncoderConfig | ResNetConfig) else new_decoder_checkpoint
    return make(model, store, seed=settings.seed, reporter=reporter)  # type: ignore[arg-type]
