"""How a task is judged, by the kind and the scope of its answers."""

from __future__ import annotations

from collections.abc import Callable

from physiolect.evaluation.judge.beats import judge_beats
from physiolect.evaluation.judge.binary import judge_binary_windows
from physiolect.evaluation.judge.classes import judge_classes
from physiolect.evaluation.judge.decoded import judge_decoders
from physiolect.evaluation.judge.forecast import judge_forecasts
from physiolect.evaluation.judge.heartbeats import judge_heartbeats
from physiolect.evaluation.judge.number import judge_numbers
from physiolect.evaluation.judge.trial import Trial
from physiolect.evaluation.result import EvaluationResult
from physiolect.tasks import Kind, Scope

__all__ = ["JUDGES", "Trial"]

JUDGES: dict[tuple[Kind, Scope], Callable[[Trial], EvaluationResult]] = {
    ("token", "position"): judge_forecasts,
    ("binary", "window"): judge_binary_windows,
    ("binary", "position"): judge_beats,
    ("one-of", "window"): judge_classes,
    ("one-of", "position"): judge_heartbeats,
    ("number", "window"): judge_numbers,
    ("number", "position"): judge_decoders,
}
"""Kind and scope of a task -> what evaluates models on it. Tasks of one class of several include those of several."""
