"""One way to measure whatever was said of windows, by their task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.evaluation.baselines import Predictions
from physiolect.evaluation.bootstrap import Bootstrap, Estimate
from physiolect.evaluation.classification import measure_binary, measure_classes, measure_numbers


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of one model or baseline."""

    overall: Mapping[str, Estimate]
    """Measures of all windows."""
    per_class: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    """Measures of each class, where there are several."""
    note: str = ""
    """What has to be known of it."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        classes = {
            name: {key: each.to_dict() for key, each in found.items()}
            for name, found in self.per_class.items()
        }
        return {
            "overall": {name: each.to_dict() for name, each in self.overall.items()},
            **({"per_class": classes} if classes else {}),
            "note": self.note,
        }

    def minus(self, other: Measured) -> dict[str, Estimate]:
        """Return paired differences of all measures that both have."""
        return {
            name: each.minus(other.overall[name])
            for name, each in self.overall.items()
            if name in other.overall
        }


def measure_predictions(
    task: str,
    said: Predictions,
    target: NDArray[np.floating],
    draws: Bootstrap,
    *,
    classes: Sequence[str] = (),
    several: bool = False,
) -> Measured:
    """Measure what was said of windows of a task "rhythm", "classify" or "regress"."""
    if task == "regress":
        return Measured(measure_numbers(said.score, target, draws), note=said.note)
    if task == "classify":
        found = measure_classes(said.score, target, classes, draws, several=several)
        return Measured(found.overall, found.per_class, said.note)
    overall = measure_binary(said.score, target, draws, decided=said.decided, probability=said.probability)
    return Measured(overall, note=said.note)
