"""Yes or no about a window: a rhythm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physiolect.datasets import Examples
from physiolect.evaluation.baselines import CONSTANT, Predictions
from physiolect.evaluation.classification import precision_band, reliability, roc_band
from physiolect.evaluation.judge.windows import JudgedWindows, WindowJudge
from physiolect.evaluation.models import MODEL, OTHER
from physiolect.evaluation.tables import in_cell
from physiolect.plots import precision_figure, reliability_figure, roc_figure, strips_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CURVES = 5
"""Curves in one figure."""


def _figures(judged: JudgedWindows) -> dict[str, Figure]:
    """Return operating curves, and for each model reliability and a strip a patient; nothing for a single class."""
    if not 0 < judged.target.mean() < 1:
        return {}
    figures = _curves(judged)
    for name, title in judged.trial.titles.items():
        ending = f"-{OTHER}" if name == OTHER else ""
        bins = reliability(judged.predictions[name].score, judged.target, judged.draws)
        figures[f"reliability{ending}"] = reliability_figure(
            *(bins.predicted, bins.observed, bins.windows, bins.low, bins.high),
            error=f"calibration error {in_cell(judged.measures[name].overall['ece'])}",
            title=f"Reliability: {title}",
        )
        figures[f"patients{ending}"] = _strips(
            judged, judged.predictions[name], f"{title}: every window of every {judged.of}"
        )
    return figures


def _curves(judged: JudgedWindows) -> dict[str, Figure]:
    shown = [name for name in judged.predictions if name != CONSTANT][:MOST_CURVES]
    titles = {name: judged.trial.titles.get(name, name) for name in shown}
    target, draws = judged.target, judged.draws
    title = f"{judged.examples.classes[0]}: {len(target):,} windows"
    scores = {titles[name]: judged.predictions[name].score for name in shown}
    measures = {titles[name]: judged.measures[name].overall for name in shown}
    return {
        "roc": roc_figure(
            {name: roc_band(score, target, draws) for name, score in scores.items()},
            areas={name: in_cell(found["auroc"]) for name, found in measures.items()},
            banded=titles[MODEL],
            title=title,
        ),
        "precision": precision_figure(
            {name: precision_band(score, target, draws) for name, score in scores.items()},
            share=float(target.mean()),
            areas={name: in_cell(found["auprc"]) for name, found in measures.items()},
            banded=titles[MODEL],
            title=title,
        ),
    }


def _strips(judged: JudgedWindows, predictions: Predictions, title: str) -> Figure:
    groups = np.asarray(judged.examples.groups)
    names = list(dict.fromkeys(judged.examples.groups))
    return strips_figure(
        [name.removeprefix("patient ").removeprefix("source ") for name in names],
        [predictions.score[groups == name] for name in names],
        [judged.target[groups == name] for name in names],
        threshold=judged.trial.settings.threshold, positive=judged.examples.classes[0], title=title,
    )  # fmt: skip


def _count_positive(examples: Examples, target: NDArray[np.float64]) -> str:
    return f" ({int(target.sum())} {examples.classes[0]})"


judge_binary_windows = WindowJudge(
    columns=("auroc", "auprc", "sensitivity", "specificity", "ppv", "f1", "accuracy", "ece", "brier"),
    draw=_figures,
    count=_count_positive,
    by_intervals=True,
    by_threshold=True,
)
