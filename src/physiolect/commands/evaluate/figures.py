"""Which figures an evaluation gets, out of what was said and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physiolect.commands.evaluate.models import MODEL, OTHER, titles_of
from physiolect.datasets import Examples
from physiolect.evaluation import BeatMatch, Bootstrap, Measured
from physiolect.evaluation.baselines import CONSTANT, Predictions
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
    draws: Bootstrap,
    said: Mapping[str, Predictions],
    rows: Mapping[str, Measured],
    *,
    unit: str | None = None,
) -> dict[str, Figure]:
    """Return the figures of a rhythm, of classes or of numbers (in `unit`), by the names of their files."""
    if config.task == "classify":
        return _class_figures(config, examples, target, draws, said[MODEL], rows[MODEL])
    if config.task == "rhythm" and not 0 < target.mean() < 1:
        return {}
    figures = _curve_figures(config, examples, target, draws, said, rows) if config.task == "rhythm" else {}
    of = "patient" if examples.by_patient else "patient or recording"
    for name, title in titles_of(config).items():
        ending = f"-{OTHER}" if name == OTHER else ""
        if config.task == "regress":
            figures[f"agreement{ending}"] = agreement_figure(
                said[name].score, target, examples.groups,
                name=f"{config.column} ({unit})" if unit else f"{config.column}", of=of,
                title=f"{title}: {len(target):,} windows",
            )  # fmt: skip
            continue
        bins = reliability(said[name].score, target, draws)
        figures[f"reliability{ending}"] = reliability_figure(
            *(bins.predicted, bins.observed, bins.windows, bins.low, bins.high),
            error=f"calibration error {in_cell(rows[name].overall['ece'])}",
            title=f"Reliability: {title}",
        )
        figures[f"patients{ending}"] = _strips(
            config, examples, target, said[name], f"{title}: every window of every {of}"
        )
    return figures


def _class_figures(
    config: Config,
    examples: Examples,
    target: NDArray[np.float64],
    draws: Bootstrap,
    said: Predictions,
    row: Measured,
) -> dict[str, Figure]:
    curves, areas = {}, {}
    n = len(examples.classes)
    for k in sorted(np.argsort(-target.mean(0), kind="stable")[:_MOST_CURVES].tolist()):
        name = examples.classes[k]
        if 0 < target[:, k].mean() < 1:
            curves[name] = roc_band(said.score[:, k], target[:, k], draws)
            areas[name] = in_cell(row.per_class[name]["auroc"])
    what = "each class against the others"
    if n > _MOST_CURVES:
        what = f"the {_MOST_CURVES} commonest of {n} classes, each against all others"
    title = f"{titles_of(config)[MODEL]}:\n{what}"
    return {"roc": roc_figure(curves, areas=areas, banded=None, title=title)} if curves else {}


def _curve_figures(
    config: Config,
    examples: Examples,
    target: NDArray[np.float64],
    draws: Bootstrap,
    said: Mapping[str, Predictions],
    rows: Mapping[str, Measured],
) -> dict[str, Figure]:
    shown = [name for name in said if name != CONSTANT][:_MOST_CURVES]
    called = {name: titles_of(config).get(name, name) for name in shown}
    title = f"{examples.classes[0]}: {len(target):,} windows"
    return {
        "roc": roc_figure(
            {called[name]: roc_band(said[name].score, target, draws) for name in shown},
            areas={called[name]: in_cell(rows[name].overall["auroc"]) for name in shown},
            banded=called[MODEL],
            title=title,
        ),
        "precision": precision_figure(
            {called[name]: precision_band(said[name].score, target, draws) for name in shown},
            share=float(target.mean()),
            areas={called[name]: in_cell(rows[name].overall["auprc"]) for name in shown},
            banded=called[MODEL],
            title=title,
        ),
    }


def _strips(
    config: Config, examples: Examples, target: NDArray[np.float64], said: Predictions, title: str
) -> Figure:
    groups = np.asarray(examples.groups)
    names = list(dict.fromkeys(examples.groups))
    return strips_figure(
        [name.removeprefix("patient ").removeprefix("source ") for name in names],
        [said.score[groups == name] for name in names],
        [target[groups == name] for name in names],
        threshold=config.threshold, positive=examples.classes[0], title=title,
    )  # fmt: skip


def beat_figures(
    names: Sequence[str], found: Mapping[str, Sequence[BeatMatch]], titles: Mapping[str, str]
) -> dict[str, Figure]:
    """Return the figures of beats, by the names of their files; `titles` is what models are called."""
    model = next(iter(found.values()))
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


def forecast_figures(rows: Mapping[str, Measured], titles: Mapping[str, str]) -> dict[str, Figure]:
    """Return the figure of forecasts, by the name of its file: nats per token of the models beside baselines."""
    nats = [each.overall["nats"] for each in rows.values()]
    known = all(np.isfinite(each.low) for each in nats)
    return {
        "forecast": forecast_figure(
            [titles.get(name, name) for name in rows],
            [each.value for each in nats],
            [(each.low, each.high) for each in nats] if known else None,
            highlight=list(titles.values()),
            title="The next level",
        )
    }
