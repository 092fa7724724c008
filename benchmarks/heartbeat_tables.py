"""Tables of `heartbeats.py`: sensitivity/PPV of classes with intervals by record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from physiolect.evaluation.bootstrap import Bootstrap, Estimate
from physiolect.evaluation.heartbeats import measure_heartbeats
from physiolect.evaluation.measures import Measured

Beats = NDArray[np.int64]


def header(columns: Sequence[str]) -> str:
    return "| model | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 1) + "|"


def row(
    name: str, truth: Beats, decided: Beats, draws: Bootstrap, classes: Sequence[str], *, seconds: float,
    five: bool = False,
) -> str:  # fmt: skip
    """Return a model's sensitivity and PPV of each class, accuracy and macro F1; `five` counts Q among the classes."""
    found = measure_heartbeats(truth, decided, classes, draws)
    shown = classes if five else classes[:4]
    macro = mean_f1(found, classes, draws) if five else found.overall["macro f1"]
    cells = [pair(found, each) for each in shown]
    cells += [percent(found.overall["accuracy"]), fraction(macro), f"{seconds:.0f}"]
    return f"| {name} | " + " | ".join(cells) + " |"


def apart(
    name: str, part: str, truth: Beats, decided: Beats, draws: Bootstrap, classes: Sequence[str],
    counted: NDArray[np.bool_],
) -> str:  # fmt: skip
    found = measure_heartbeats(truth, decided, classes, draws, counted=counted)
    cells = [part, f"{int((truth[counted] == 1).sum()):,}", *(pair(found, each) for each in "SVF")]
    return f"| {name} | " + " | ".join([*cells, fraction(found.overall["macro f1"])]) + " |"


def per_class_row(
    name: str, source: str, truth: Beats, decided: Beats, draws: Bootstrap, classes: Sequence[str]
) -> str:  # fmt: skip
    found = measure_heartbeats(truth, decided, classes, draws)
    cells = [percent(found.per_class[each]["sensitivity"]) for each in classes]
    return f"| {name} | {source} | " + " | ".join(cells) + " |"


def significance(
    name: str, truth: Beats, decided: Mapping[str, Beats], draws: Bootstrap, classes: Sequence[str]
) -> str:
    """Return a table of one model's macro F1 less every other's: an interval around 0 shows no difference."""
    measured = {
        each: measure_heartbeats(truth, found, classes, draws).overall["macro f1"]
        for each, found in decided.items()
    }
    lines = [header(("difference", "shown"))]
    for other, estimate in measured.items():
        if other != name:
            less = measured[name].minus(estimate)
            lines.append(
                f"| less {other} | {fraction(less)} | {'yes' if less.excludes_zero else 'not shown'} |"
            )
    return "\n".join(lines)


def mean_f1(found: Measured, classes: Sequence[str], draws: Bootstrap) -> Estimate:
    each = [found.per_class[name]["f1"] for name in classes]
    values = np.stack([np.concatenate([[one.value], one.resampled]) for one in each])
    return draws.estimate(values.mean(0))


def pair(found: Measured, name: str) -> str:
    rates = found.per_class[name]
    return f"{percent(rates['sensitivity'])} / {percent(rates['ppv'])}"


def percent(estimate: Estimate) -> str:
    if not np.isfinite(estimate.value):
        return "–"
    between = f" ({100 * estimate.low:.0f}–{100 * estimate.high:.0f})" if np.isfinite(estimate.low) else ""
    return f"{100 * estimate.value:.1f}{between}"


def fraction(estimate: Estimate) -> str:
    if not np.isfinite(estimate.value):
        return "–"
    between = f" ({estimate.low:.3f} to {estimate.high:.3f})" if np.isfinite(estimate.low) else ""
    return f"{estimate.value:.3f}{between}"
