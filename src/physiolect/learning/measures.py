"""A few measures of a fine-tuned model, and how they are written in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.datasets import Examples
from physiolect.datasets.examples.beat_examples import BeatExamples
from physiolect.datasets.examples.beat_table import NOTHING
from physiolect.datasets.examples.sequences import SequenceExamples
from physiolect.decoding import translate_windows
from physiolect.evaluation import Bootstrap, measure_predictions
from physiolect.evaluation.baselines import Predictions
from physiolect.evaluation.edits import Edits, count_edits, rate_interval
from physiolect.evaluation.heartbeats import measure_heartbeats
from physiolect.evaluation.targets import BLOCK_S, measure_targets

Measures: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Name -> value, and low and high of its interval, None where there is none."""

_SHOWN = ("auroc", "macro auroc", "accuracy", "mae", "r")
_NAMES = {
    "r2": "R²",
    "auroc": "AUROC", "macro auroc": "macro AUROC", "mae": "mean absolute error", "macro f1": "macro F1",
    "error rate": "symbol error rate", "exact": "exactly right",
}  # fmt: skip


def measure(examples: Examples, predictions: NDArray[np.float32], *, skip: int = 0) -> Measures:
    """Return a few measures of predictions, with intervals by patient where there are several.

    Args:
        examples: windows and their labels.
        predictions: as `detection.predict_windows` returns them.
        skip: steps at the start of a window that do not count, for decoders.
    """
    if examples.task.labels == "targets":
        return _of_targets(examples, predictions, skip)
    if isinstance(examples, BeatExamples) and examples.values is None:
        return _of_heartbeats(examples, predictions)
    if examples.task.scope == "position":
        from sklearn.metrics import roc_auc_score

        truth = examples.target.ravel()
        area = float(roc_auc_score(truth, predictions.ravel())) if 0 < truth.mean() < 1 else None
        return {"auroc": {"value": area, "low": None, "high": None}}
    score = predictions.astype(np.float64)
    if examples.kind != "number":
        score = score.clip(0, 1)  # rounding may end a hair above 1
    found = measure_predictions(
        examples.kind,
        Predictions(score),
        examples.target.astype(np.float64),
        Bootstrap(examples.groups),
        classes=examples.classes,
    )
    shown = {name: each.to_dict() for name, each in found.overall.items() if name in _SHOWN}
    for name, each in found.per_class.items():
        about = {"class": name, "positives": found.positives[name], "windows": len(examples)}
        shown[f"{name} auroc"] = {**each["auroc"].to_dict(), **about}
    return shown


def measure_sequences(examples: Examples, checkpoint: Checkpoint, *, beams: int = 4) -> Measures:
    """Return the error rate of a model's sequences, its kinds of errors, and the share that is exactly right."""
    assert isinstance(examples, SequenceExamples)
    found = translate_windows(checkpoint, examples, beams=beams)
    edits = [count_edits(truth, mine) for truth, mine in zip(examples.sequences, found, strict=True)]
    total, n = Edits.of_all(edits), max(1, sum(each.length for each in edits))
    low, high = rate_interval(edits, examples.groups) if len(set(examples.groups)) > 1 else (None, None)
    rates = {kind: getattr(total, kind) / n for kind in ("insertions", "deletions", "substitutions")}
    rates["exact"] = sum(not each.errors for each in edits) / len(edits)
    every = {name: {"value": value, "low": None, "high": None} for name, value in rates.items()}
    return {"error rate": {"value": total.rate, "low": low, "high": high}, **every}


def _of_targets(examples: Examples, predictions: NDArray[np.float32], skip: int) -> Measures:
    """Return R² and correlation over all targets, with intervals by blocks of time."""
    size = max(1, round(BLOCK_S * examples.store.contract.fs))
    steps = examples.starts[:, None] + np.arange(skip, examples.length)  # (n, T)
    blocks = np.stack([np.broadcast_to(examples.rows[:, None], steps.shape), steps // size], -1).reshape(
        -1, 2
    )
    names = examples.store.targets
    truth = examples.target.astype(np.float64)[:, skip:].reshape(-1, len(names))
    decoded = predictions[:, skip:].reshape(-1, len(names))
    found = measure_targets(decoded, truth, Bootstrap(list(map(tuple, blocks.tolist()))), names)
    return {name: each.to_dict() for name, each in found.overall.items()}


def _of_heartbeats(examples: BeatExamples, predictions: NDArray[np.float32]) -> Measures:
    """Return macro figures, and sensitivity and predictive value of each class."""
    value = examples.beat_values(np.arange(len(examples)))
    asked = value != NOTHING
    groups = np.repeat(np.array(examples.groups), asked.sum(1))
    decided = predictions[:, : asked.shape[1]][asked].argmax(-1)
    found = measure_heartbeats(value[asked], decided, examples.classes, Bootstrap(groups))
    shown = {name: each.to_dict() for name, each in found.overall.items() if name in ("macro f1", "accuracy")}
    for name, each in found.per_class.items():
        shown |= {f"{name} {rate}": each[rate].to_dict() for rate in ("sensitivity", "ppv")}
    return shown


def in_words(measures: Measures) -> str:
    """Return measures of all classes together as a list in a sentence."""
    return ", ".join(
        f"{_NAMES.get(name, name)} {_one(each)}" for name, each in measures.items() if "class" not in each
    )


def class_lines(measures: Measures) -> list[str]:
    """Return a line for each class of windows: how many are of it, and its AUROC; nothing without classes."""
    return [
        f"  {each['class']}: AUROC {_one(each)}, {each['positives']} of {each['windows']} windows positive"
        for each in measures.values()
        if "class" in each
    ]


def _one(each: Mapping[str, Any]) -> str:
    value, low, high = (each[name] for name in ("value", "low", "high"))
    interval = f" ({low:.3f} to {high:.3f})" if low is not None and high is not None else ""
    return "–" if value is None else f"{value:.3f}{interval}"
