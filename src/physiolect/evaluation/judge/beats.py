"""Yes or no at every position: beats, record by record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.datasets.examples.labels import beat_samples
from physiolect.datasets.examples.splits import row_groups
from physiolect.detection import check_detector, check_recording, detect_beats
from physiolect.errors import ConfigError
from physiolect.evaluation.baselines import choose_detector, find_pulses
from physiolect.evaluation.beats import TOLERANCE, BeatMatch, match_beats, measure_beats
from physiolect.evaluation.judge.trial import Trial
from physiolect.evaluation.measures import Measured
from physiolect.evaluation.models import MODEL, place
from physiolect.evaluation.result import EvaluationResult
from physiolect.plots import records_figure, timing_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = (
    "sensitivity", "ppv", "f1", "mean sensitivity", "mean ppv", "mean f1", "timing_mean_ms", "timing_sd_ms",
    "timing_median_abs_ms",
)  # fmt: skip

_Finder: TypeAlias = Callable[[int], NDArray[np.float64]]
"""Finds the beats of a row, in seconds."""


def judge_beats(trial: Trial) -> EvaluationResult:
    """Evaluate models that find beats, on whole rows.

    Raises:
        PhysiolectError: checkpoint, store and settings do not fit one another.
    """
    store, skip = trial.store, trial.settings.skip
    groups, patients = row_groups(store), store.patients
    rows = [row for row in trial.rows.tolist() if len(beat_samples(store.annotations(row)))]
    if not rows:
        raise ConfigError(
            f"no row of {store.path} has marks of beats", hint="prepare recordings with beat annotations"
        )
    finders, warnings, unrecorded = _finders(trial, groups, rows)
    found = _search(trial, rows, finders)
    draws = trial.bootstrap([groups[row] for row in rows])
    measures = {name: Measured(measure_beats(each, draws)) for name, each in found.items()}
    names = [f"{store.sources[row]}" for row in rows]
    n_beats = sum(each.right + each.missed for each in found[MODEL])
    return trial.result(
        measures=measures, columns=_COLUMNS, draws=draws, by_patient=all(patients[row] is not None for row in rows),
        count=len(rows), counted="records",
        data=f"{n_beats:,} reference beats of {len(rows)} records in {trial.store_name}; 150 ms tolerance, the first "
        f"{skip:g} s not evaluated",
        protocol="a library's detector, which is not trained", warnings=tuple(warnings),
        remarks=(
            "Counts are added over records; 'mean' is over records. Ends of records as EC57: docs/evaluation.md.",
            *unrecorded,
        ),
        each={
            name: [{"record": record, **match.to_dict()} for record, match in zip(names, each, strict=True)]
            for name, each in found.items()
        },
        draw=lambda: _figures(names, found, trial.titles),
    )  # fmt: skip


def _search(trial: Trial, rows: Sequence[int], finders: Mapping[str, _Finder]) -> dict[str, list[BeatMatch]]:
    """Return how well each finder finds the beats of each row."""
    store = trial.store
    found: dict[str, list[BeatMatch]] = {name: [] for name in finders}
    tell = trial.reporter.progress("records searched for beats", len(rows))
    for done, row in enumerate(rows):
        seconds = int(store.lengths[row]) / store.contract.fs
        truth = beat_samples(store.annotations(row)) / store.contract.fs
        for name, find in finders.items():
            found[name].append(match_beats(truth, find(row), duration=seconds, skip=trial.settings.skip))
        tell(done + 1)
    return found


def _finders(
    trial: Trial, groups: Sequence[str], rows: Sequence[int]
) -> tuple[dict[str, _Finder], list[str], list[str]]:
    """Return what finds the beats of a row, by name, with warnings and notes about the models' training."""
    settings = trial.settings
    finders: dict[str, _Finder] = {}
    warnings: list[str] = []
    notes: list[str] = []
    leads: list[Checkpoint] = []
    for model in trial.models:
        with model.named_in_errors():
            models = model.models_of_rows(groups, rows)
            _check_rows(trial, models)
            leaks, unrecorded = trial.check_leakage(model, [groups[row] for row in rows])
        warnings += leaks
        notes += unrecorded
        leads.append(models[rows[0]])
        finders[model.name] = _finder(trial, models)
    if settings.baselines != "none":
        detector = choose_detector(leads[0].contract.modality, settings.detector)
        finders[detector] = lambda row: _pulses(trial, row, detector)
    return finders, warnings, notes


def _finder(trial: Trial, models: Mapping[int, Checkpoint]) -> _Finder:
    def find(row: int) -> NDArray[np.float64]:
        found = detect_beats(
            place(models[row], trial.device),
            trial.store.recording(row),
            channel=trial.settings.channel,
            batch_size=trial.settings.batch_size,
        )
        if found.interrupted:  # half a row would count its other half as missed
            raise KeyboardInterrupt
        return found.times

    return find


def _check_rows(trial: Trial, models: Mapping[int, Checkpoint]) -> None:
    """Refuse a model that finds no beats, or rows that it does not take, before the first row is searched."""
    for row, model in models.items():
        check_detector(model, trial.settings.task)
        check_recording(trial.store.recording(row), model.contract, trial.settings.channel)


def _pulses(trial: Trial, row: int, detector: str) -> NDArray[np.float64]:
    from physiolect.contract import select_channels

    contract = trial.store.contract
    signal = select_channels(trial.store.recording(row), contract, trial.settings.channel).signal[0]
    return find_pulses(signal, contract.fs, detector) / contract.fs


def _figures(
    names: Sequence[str], found: Mapping[str, Sequence[BeatMatch]], titles: Mapping[str, str]
) -> dict[str, Figure]:
    """Return the model's rates record by record, and the timing of all."""
    model = found[MODEL]
    values = {
        "sensitivity": [each.sensitivity for each in model],
        "PPV": [each.ppv for each in model],
        "F1": [each.f1 for each in model],
    }
    errors = {
        titles.get(name, name): np.concatenate([each.errors for each in matches])
        for name, matches in found.items()
    }
    return {
        "records": records_figure(
            names, values, title=f"{titles[MODEL]}: beats, record by record, the worst on top"
        ),
        "timing": timing_figure(errors, tolerance=TOLERANCE, title="When beats are found"),
    }
