"""Which figures an evaluation gets, out of what was said and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physiolect.datasets import Examples
from physiolect.evaluation import BeatMatch, Draws, Measured
from physiolect.evaluation.baselines import Said
from physiolect.evaluation.beats import TOLERANCE
from physiolect.evaluation.classification import precision_band, reliability, roc_band
from physiolect.plots import (
    agreement_figure,
    forecast_figure,
    precision_figure,
    records_figure,
    reliability_figure,
    roc_figure,
    strips_figure,
    timing_figure,
)
from physiolect.report.evaluation import in_cell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from physiolect.commands.evaluate import Config

_MOST_CURVES = 5


def window_figures(
    config: Config,
    examples: Examples,
    target: NDArray[np.float64],
    draws: Draws,
    said: Mapping[str, Said],
    rows: Mapping[str, Measured],
    unit: str | None = None,
) -> dict[str, Figure]:
    """Return the figures of a rhythm, of classes or of numbers (in `unit`), by the names of their files."""
    model = next(iter(said))
    of = "patient" if examples.by_patient else "patient or recording"
    if config.task == "regress":
        name = f"{config.column} ({unit})" if unit else f"{config.column}"
        title = f"{config.column}: {len(target):,} windows"
        return {
            "agreement": agreement_figure(
                said[model].score, target, examples.groups, name=name, of=of, title=title
            )
        }
    if config.task == "classify":
        curves, areas = {}, {}
        n = len(examples.classes)
        for k in sorted(np.argsort(-target.mean(0), kind="stable")[:_MOST_CURVES].tolist()):
            name = examples.classes[k]
            if 0 < target[:, k].mean() < 1:
                curves[name] = roc_band(said[model].score[:, k], target[:, k], draws)
                areas[name] = in_cell(rows[model].per_class[name]["auroc"])
        title = "Each class against the others"
        if n > _MOST_CURVES:
            title = f"The {_MOST_CURVES} commonest of {n} classes, each against all others"
        return {"roc": roc_figure(curves, areas=areas, title=title)} if curves else {}
    if not 0 < target.mean() < 1:
        return {}
    shown = [name for name in said if name != "always the same"][:_MOST_CURVES]
    roc = {name: roc_band(said[name].score, target, draws) for name in shown}
    precision = {name: precision_band(said[name].score, target, draws) for name in shown}
    areas = {name: in_cell(rows[name].overall["auroc"]) for name in shown}
    under = {name: in_cell(rows[name].overall["auprc"]) for name in shown}
    what = examples.classes[0]
    bins = reliability(said[model].score, target, draws)
    groups = np.asarray(examples.groups)
    names = list(dict.fromkeys(examples.groups))
    return {
        "roc": roc_figure(roc, areas=areas, title=f"{what}: {len(target):,} windows"),
        "precision": precision_figure(
            precision, share=float(target.mean()), areas=under, title=f"{what}: {len(target):,} windows"
        ),
        "reliability": reliability_figure(
            *(bins.predicted, bins.observed, bins.windows, bins.low, bins.high),
            error=f"calibration error {in_cell(rows[model].overall['ece'])}",
            title="Reliability",
        ),
        "patients": strips_figure(
            [name.removeprefix("patient ").removeprefix("source ") for name in names],
            [said[model].score[groups == name] for name in names],
            [target[groups == name] for name in names],
            threshold=config.threshold, positive=what,
            title=f"Every window of every {of}",
        ),
    }  # fmt: skip


def beat_figures(names: Sequence[str], found: Mapping[str, Sequence[BeatMatch]]) -> dict[str, Figure]:
    """Return the figures of beats, by the names of their files."""
    model = next(iter(found.values()))
    values = {
        "sensitivity": [each.sensitivity for each in model],
        "PPV": [each.ppv for each in model],
        "F1": [each.f1 for each in model],
    }
    errors = {name: np.concatenate([each.errors for each in matches]) for name, matches in found.items()}
    return {
        "records": records_figure(names, values, title="Beats, record by record, the worst on top"),
        "timing": timing_figure(errors, tolerance=TOLERANCE, title="When beats are found"),
    }


def forecast_figures(rows: Mapping[str, Measured], models: Sequence[str]) -> dict[str, Figure]:
    """Return the figure of forecasts, by the name of its file: nats per token of the models beside baselines."""
    nats = [each.overall["nats"] for each in rows.values()]
    known = all(np.isfinite(each.low) for each in nats)
    return {
        "forecast": forecast_figure(
            list(rows),
            [each.value for each in nats],
            [(each.low, each.high) for each in nats] if known else None,
            highlight=models,
            title="The next level",
        )
    }
