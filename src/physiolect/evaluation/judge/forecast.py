"""The next level at every position, and continuations of windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from physiolect.checkpoint import Checkpoint
from physiolect.datasets import Examples
from physiolect.datasets.examples.examples import channel_places
from physiolect.datasets.examples.splits import row_groups
from physiolect.detection import check_examples
from physiolect.errors import CheckpointError, ConfigError
from physiolect.evaluation.continuations import expected_coverage
from physiolect.evaluation.judge.trial import Trial
from physiolect.evaluation.measures import Measured
from physiolect.evaluation.models import EvaluatedModel, place
from physiolect.evaluation.next_level import (
    BAND,
    estimates,
    nats_of_baselines,
    score_continuations,
    score_next_level,
)
from physiolect.evaluation.result import EvaluationResult
from physiolect.plots import forecast_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SAMPLES = 20
"""Continuations of a window."""


def judge_forecasts(trial: Trial) -> EvaluationResult:
    """Evaluate forecasts of the next level, and continuations where the settings ask for them.

    Raises:
        PhysiolectError: checkpoint, store and settings do not fit one another.
    """
    settings, lead = trial.settings, trial.lead
    windows = _plain_windows(trial, lead)
    draws = trial.bootstrap(windows.groups)
    warnings: list[str] = []
    remarks = [
        f"A window is scaled by its own range, which includes the targets. The band is the smallest central one of at "
        f"least {BAND:.0%}; it covers more, since levels are discrete."
    ]
    for model in trial.models:
        with model.named_in_errors():
            _check_forecaster(model, lead, windows)
            leaks, unrecorded = trial.check_leakage(model, windows.groups)
        warnings += leaks
        remarks += unrecorded
    folds, protocol = trial.make_folds(windows)
    ids, _ = lead.levels.encode(windows.windows(np.arange(len(windows))), flat="level")
    measures: dict[str, Measured] = {}
    for model in trial.models:
        scores = score_next_level(
            place(model.checkpoint, trial.device), ids, batch_size=settings.batch_size,
            on_window=trial.reporter.progress(f"windows of {model.name}"),
        )  # fmt: skip
        measures[model.name] = Measured(estimates(scores, draws))
    if folds:
        nats = nats_of_baselines(
            ids, folds, n_levels=lead.model.config.vocabulary_size, fs=trial.store.contract.fs
        )
        measures |= {name: Measured(estimates({"nats": each}, draws)) for name, each in nats.items()}
    each: dict[str, Any] = {}
    if settings.continuations:
        each["continuations"], remark = _continue_windows(trial, lead, windows)
        remarks.append(remark)
    by = "patients" if windows.by_patient else "patients or recordings"
    return trial.result(
        measures=measures, columns=("nats", "crps", "coverage", "width"), draws=draws, by_patient=windows.by_patient,
        count=len(windows), counted="windows",
        data=f"{len(windows):,} windows of {windows.length} levels of {draws.n_groups} {by} in {trial.store_name}, "
        f"positions 2 to {windows.length}",
        protocol=protocol, warnings=tuple(warnings), remarks=tuple(remarks), each=each,
        draw=lambda: _figures(measures, trial.titles),
    )  # fmt: skip


def _continue_windows(trial: Trial, lead: Checkpoint, windows: Examples) -> tuple[dict[str, Any], str]:
    """Return how good continuations of some windows are, as numbers and in a sentence."""
    n = min(trial.settings.continuations, len(windows))
    chosen = windows.take(np.linspace(0, len(windows) - 1, n).astype(np.int64))
    n_tokens = windows.length // 5
    scores = score_continuations(
        lead, chosen, n_tokens=n_tokens, n_samples=_SAMPLES, seed=trial.settings.seed,
        on_window=trial.reporter.progress("windows continued"),
    )  # fmt: skip
    means = {name: float(value.mean()) for name, value in scores.items()}
    perfect = expected_coverage(_SAMPLES, BAND)
    remark = (
        f"The last {n_tokens} levels of {n} windows continued {_SAMPLES} times: CRPS {means['crps']:.3f} and band "
        f"{means['width']:.3f} of the context's range; the band of {BAND:.0%} of the samples covers "
        f"{means['coverage']:.1%} (a perfect forecaster's {perfect:.1%})."
    )
    return {"windows": n, "tokens": n_tokens, "samples": _SAMPLES, **means}, remark


def _check_forecaster(model: EvaluatedModel, lead: Checkpoint, windows: Examples) -> None:
    """Refuse a model that cannot forecast the windows in the levels that the first one reads."""
    checkpoint = model.checkpoint
    if checkpoint.outputs.kind != "token":
        raise CheckpointError(
            f"the checkpoint is for {checkpoint.task}, and forecasts nothing",
            hint="use one that continues signals, such as ECGPT, or another task",
        )
    check_examples(checkpoint, windows)
    if checkpoint.levels.n_levels != lead.levels.n_levels:
        raise CheckpointError(
            f"{model.path} cuts signals into {checkpoint.levels.n_levels} levels, but the checkpoint into "
            f"{lead.levels.n_levels}: their nats are of different things",
            hint="compare decoders of the same levels",
        )


def _plain_windows(trial: Trial, lead: Checkpoint) -> Examples:
    """Return windows of all rows, which need no labels."""
    settings, store = trial.settings, trial.store
    length = min(lead.contract.max_samples, lead.model.context_length)
    groups, step = row_groups(store), settings.stride or length
    laid = []
    for row in range(len(store)):
        starts = np.arange(0, int(store.lengths[row]) - length + 1, step)
        if settings.max_per_episode and len(starts) > settings.max_per_episode:
            starts = starts[np.linspace(0, len(starts) - 1, settings.max_per_episode).astype(int)]
        laid += [(row, int(start)) for start in starts]
    if not laid:
        raise ConfigError(
            f"no row of {store.path} is as long as a window of {length} samples",
            hint="prepare longer recordings",
        )
    rows = np.array([row for row, _ in laid], np.int64)
    return Examples(
        store=store, task=lead.task, rows=rows, channels=channel_places(store, rows, trial.channel),
        starts=np.array([start for _, start in laid], np.int64), length=length, classes=(), several=False,
        groups=tuple(groups[row] for row in rows.tolist()), sources=tuple(store.sources[row] for row in rows.tolist()),
        by_patient=all(store.patients[row] is not None for row in set(rows.tolist())), values=None,
    )  # fmt: skip


def _figures(measures: Mapping[str, Measured], titles: Mapping[str, str]) -> dict[str, Figure]:
    """Return nats per token of the models beside baselines."""
    nats = [each.overall["nats"] for each in measures.values()]
    known = all(np.isfinite(each.low) for each in nats)
    return {
        "forecast": forecast_figure(
            [titles.get(name, name) for name in measures],
            [each.value for each in nats],
            [(each.low, each.high) for each in nats] if known else None,
            highlight=list(titles.values()),
            title="The next level",
        )
    }
