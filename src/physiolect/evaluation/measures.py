"""Measures of predictions for windows, by the kind of answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import check_option
from physiolect.evaluation.baselines import Predictions
from physiolect.evaluation.bootstrap import Bootstrap, Estimate
from physiolect.evaluation.classification import measure_binary, measure_classes, measure_numbers
from physiolect.tasks import Kind


@dataclass(frozen=True, eq=False)
class Measured:
    """Measures of one model or baseline."""

    overall: Mapping[str, Estimate]
    """Measures of all windows."""
    per_class: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    """Measures of each class against the others, where there are several classes."""
    note: str = ""
    """A remark on how it was made."""
    positives: Mapping[str, int] = field(default_factory=dict)
    """Windows of each class, where whole windows are of classes."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        classes = {
            name: {key: each.to_dict() for key, each in found.items()}
            for name, found in self.per_class.items()
        }
        return {
            "overall": {name: each.to_dict() for name, each in self.overall.items()},
            **({"per_class": classes} if classes else {}),
            **({"positives": dict(self.positives)} if self.positives else {}),
            "note": self.note,
        }

    def minus(self, other: Measured) -> dict[str, Estimate]:
        """Return paired differences of the measures that both have."""
        return {
            name: each.minus(other.overall[name])
            for name, each in self.overall.items()
            if name in other.overall
        }


def measure_predictions(
    kind: Kind,
    predictions: Predictions,
    target: NDArray[np.floating],
    draws: Bootstrap,
    *,
    classes: Sequence[str] = (),
) -> Measured:
    """Measure predictions for windows.

    Args:
        kind: of the answer: "binary", "one-of", "several" or "number".
        predictions: one a window.
        target: (n,), or (n, classes).
        draws: of the windows' groups.
        classes: names, for "one-of" and "several".

    Raises:
        ConfigError: answers of this kind have no measures here.
        PhysiolectError: shapes do not match, or numbers are not finite.
    """
    check_option("kind", kind, _MEASURES)
    return _MEASURES[kind](predictions, target, draws, classes)


def _binary(given: Predictions, target: NDArray[np.floating], draws: Bootstrap, _: Sequence[str]) -> Measured:
    overall = measure_binary(given.score, target, draws, decided=given.decided, probability=given.probability)
    return Measured(overall, note=given.note)


def _classes(
    given: Predictions,
    target: NDArray[np.floating],
    draws: Bootstrap,
    classes: Sequence[str],
    *,
    several: bool,
) -> Measured:
    found = measure_classes(given.score, target, classes, draws, several=several)
    positives = dict(zip(classes, target.sum(0).astype(np.int64).tolist(), strict=True))
    return Measured(found.overall, found.per_class, given.note, positives)


def _numbers(
    given: Predictions, target: NDArray[np.floating], draws: Bootstrap, _: Sequence[str]
) -> Measured:
    return Measured(measure_numbers(given.score, target, draws), note=given.note)


_MEASURES: dict[Kind, Callable[[Predictions, NDArray[np.floating], Bootstrap, Sequence[str]], Measured]] = {
    "binary": _binary,
    "one-of": partial(_classes, several=False),
    "several": partial(_classes, several=True),
    "number": _numbers,
}
