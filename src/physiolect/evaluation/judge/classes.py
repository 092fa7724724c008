"""One class of several, or any of several classes, for a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from physiolect.evaluation.classification import roc_band
from physiolect.evaluation.judge.binary import MOST_CURVES
from physiolect.evaluation.judge.windows import JudgedWindows, WindowJudge
from physiolect.evaluation.models import MODEL
from physiolect.evaluation.tables import in_cell
from physiolect.plots import roc_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _figures(judged: JudgedWindows) -> dict[str, Figure]:
    """Return the model's operating curves of the commonest classes, each against all others."""
    classes, target = judged.examples.classes, judged.target
    score, found = judged.predictions[MODEL].score, judged.measures[MODEL].per_class
    curves, areas = {}, {}
    for k in sorted(np.argsort(-target.mean(0), kind="stable")[:MOST_CURVES].tolist()):
        if 0 < target[:, k].mean() < 1:
            curves[classes[k]] = roc_band(score[:, k], target[:, k], judged.draws)
            areas[classes[k]] = in_cell(found[classes[k]]["auroc"])
    what = "each class against the others"
    if len(classes) > MOST_CURVES:
        what = f"the {MOST_CURVES} commonest of {len(classes)} classes, each against all others"
    title = f"{judged.trial.titles[MODEL]}:\n{what}"
    return {"roc": roc_figure(curves, areas=areas, banded=None, title=title)} if curves else {}


judge_classes = WindowJudge(
    columns=(
        "macro auroc", "macro auprc", "macro sensitivity", "macro f1", "macro ece", "auroc", "auprc", "sensitivity",
        "specificity", "ppv", "f1", "accuracy", "ece", "brier",
    ),
    draw=_figures,
    by_measurements=True,
)  # fmt: skip
