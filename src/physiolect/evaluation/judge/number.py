"""A number for a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physiolect.evaluation.judge.windows import JudgedWindows, WindowJudge
from physiolect.evaluation.models import OTHER
from physiolect.plots import agreement_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _figures(judged: JudgedWindows) -> dict[str, Figure]:
    """Return the agreement of each model's numbers with the true ones."""
    unit, column = judged.trial.lead.outputs.unit, judged.trial.settings.column
    figures = {}
    for name, title in judged.trial.titles.items():
        ending = f"-{OTHER}" if name == OTHER else ""
        figures[f"agreement{ending}"] = agreement_figure(
            judged.predictions[name].score, judged.target, judged.examples.groups,
            name=f"{column} ({unit})" if unit else f"{column}", of=judged.of,
            title=f"{title}: {len(judged.target):,} windows",
        )  # fmt: skip
    return figures


judge_numbers = WindowJudge(columns=("mae", "rmse", "bias", "r2", "r"), draw=_figures)
