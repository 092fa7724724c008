"""What `evaluate` puts together for forecasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physiolect.checkpoint import Checkpoint, load_checkpoint
from physiolect.commands.evaluate.figures import forecast_figures
from physiolect.commands.evaluate.judging import Evaluated, channel_of, folds_of
from physiolect.commands.evaluate.models import blaming, lead_of, named_of, placed, titles_of
from physiolect.commands.evaluate.runs import leaks, untold
from physiolect.commands.terminal import progress
from physiolect.datasets import Examples, Store
from physiolect.datasets.examples.examples import channel_places
from physiolect.datasets.examples.splits import row_groups
from physiolect.errors import CheckpointError, ConfigError
from physiolect.evaluation import Bootstrap, Measured
from physiolect.evaluation.continuations import expected_coverage
from physiolect.evaluation.next_level import (
    BAND,
    estimates,
    nats_of_baselines,
    score_continuations,
    score_next_level,
)

if TYPE_CHECKING:
    from physiolect.commands.evaluate import Config

_SAMPLES = 20
"""Continuations of a window."""


def judge_forecasts(config: Config, store: Store) -> Evaluated:
    """Evaluate forecasts of the next level, and continuations where they are asked for."""
    lead = lead_of(config)
    windows = _plain_windows(config, store, lead)
    draws = Bootstrap(windows.groups, n_resamples=config.resamples, seed=config.seed)
    rows: dict[str, Measured] = {}
    warnings: list[str] = []
    words = [
        f"A window is scaled by its own range, which has seen the targets. The band is the smallest central one of at "
        f"least {BAND:.0%}; levels being discrete, it covers more."
    ]
    models: dict[str, Checkpoint] = {}
    for name, path in named_of(config).items():
        with blaming(config, name):
            models[name] = _forecaster(path, lead, windows)
            warnings += leaks(path, windows.groups, store.digest)
            words += untold(path)
    folds, protocol = folds_of(config, windows)
    ids, _ = lead.levels.encode(windows.windows(np.arange(len(windows))), flat="level")
    for name, model in models.items():
        with progress(f"windows of {name}") as tell:
            scores = score_next_level(
                placed(model, config), ids, batch_size=config.batch_size, on_window=tell
            )
        rows[name] = Measured(estimates(scores, draws))
    if folds:
        nats = nats_of_baselines(ids, folds, n_levels=lead.model.config.vocabulary_size, fs=store.contract.fs)
        rows |= {name: Measured(estimates({"nats": each}, draws)) for name, each in nats.items()}
    each: dict[str, Any] = {}
    if config.continuations:
        each["continuations"], said = _continued(config, lead, windows)
        words.append(said)
    by = "patients" if windows.by_patient else "patients or recordings"
    return Evaluated(
        rows, ("nats", "crps", "coverage", "width"), draws, windows.by_patient, len(windows), "windows",
        f"{len(windows):,} windows of {windows.length} levels of {draws.n_groups} {by} in {config.store}, "
        f"positions 2 to {windows.length}", protocol, warnings, words, each,
        forecast_figures(rows, titles_of(config)),
    )  # fmt: skip


def _continued(config: Config, lead: Checkpoint, windows: Examples) -> tuple[dict[str, Any], str]:
    """Return how good continuations of some windows are, as numbers and in a sentence."""
    n = min(config.continuations, len(windows))
    chosen = windows.take(np.linspace(0, len(windows) - 1, n).astype(np.int64))
    n_tokens = windows.length // 5
    with progress("windows continued") as tell:
        scores = score_continuations(
            lead, chosen, n_tokens=n_tokens, n_samples=_SAMPLES, seed=config.seed, on_window=tell
        )
    told = {name: float(value.mean()) for name, value in scores.items()}
    perfect = expected_coverage(_SAMPLES, BAND)
    words = (
        f"The last {n_tokens} levels of {n} windows continued {_SAMPLES} times: CRPS {told['crps']:.3f} and band "
        f"{told['width']:.3f} of the context's range; the band of {BAND:.0%} of the samples covers "
        f"{told['coverage']:.1%} (a perfect forecaster's {perfect:.1%})."
    )
    return {"windows": n, "tokens": n_tokens, "samples": _SAMPLES, **told}, words


def _forecaster(path: str, lead: Checkpoint, windows: Examples) -> Checkpoint:
    """Return a decoder that can be asked of the windows, in the levels that the first one reads."""
    from physiolect.detection import check_examples

    checkpoint = load_checkpoint(path)
    if checkpoint.outputs.kind != "token":
        raise CheckpointError(
            f"the checkpoint is for {checkpoint.task}, and forecasts nothing",
            hint="use one that continues signals, such as ECGPT, or another task",
        )
    check_examples(checkpoint, windows)
    if checkpoint.levels.n_levels != lead.levels.n_levels:
        raise CheckpointError(
            f"{path} cuts signals into {checkpoint.levels.n_levels} levels, but the checkpoint into "
            f"{lead.levels.n_levels}: their nats are of different things",
            hint="compare decoders of the same levels",
        )
    return checkpoint


def _plain_windows(config: Config, store: Store, lead: Checkpoint) -> Examples:
    """Return windows of everything there is, which need no labels."""
    length = min(lead.contract.max_samples, lead.model.config.context_length)
    groups, step = row_groups(store), config.stride or length
    laid = []
    for row in range(len(store)):
        starts = np.arange(0, int(store.lengths[row]) - length + 1, step)
        if config.max_per_episode and len(starts) > config.max_per_episode:
            starts = starts[np.linspace(0, len(starts) - 1, config.max_per_episode).astype(int)]
        laid += [(row, int(start)) for start in starts]
    if not laid:
        raise ConfigError(
            f"no row of {store.path} is as long as a window of {length} samples",
            hint="prepare longer recordings",
        )
    rows = np.array([row for row, _ in laid], np.int64)
    return Examples(
        store=store, task=lead.task, rows=rows, channels=channel_places(store, rows, channel_of(config)),
        starts=np.array([start for _, start in laid], np.int64), length=length, classes=(), several=False,
        groups=tuple(groups[row] for row in rows.tolist()), sources=tuple(store.sources[row] for row in rows.tolist()),
        by_patient=all(store.patients[row] is not None for row in set(rows.tolist())), values=None,
    )  # fmt: skip
