"""How good a model is, beside baselines and with intervals by patient."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from physiolect.evaluation.beats import BeatMatch, match_beats, measure_beats
    from physiolect.evaluation.bootstrap import Bootstrap, Estimate, bootstrap_interval, paired_difference
    from physiolect.evaluation.classification import measure_binary, measure_classes, measure_numbers
    from physiolect.evaluation.continuations import coverage_of_samples, crps_of_levels, crps_of_samples
    from physiolect.evaluation.forecast import Autoregressive, RepeatLastBeat, Unigram, nll_of_model
    from physiolect.evaluation.judge.evaluate import evaluate
    from physiolect.evaluation.measures import Measured, measure_predictions
    from physiolect.evaluation.protocol import Fold, make_folds
    from physiolect.evaluation.result import EvaluationResult
    from physiolect.evaluation.tokenizer import (
        MeasuredTokenizer,
        draw_tokens,
        measure_tokenizer,
        token_frame,
    )
    from physiolect.evaluation.tokens import TokenUse, measure_tokens

_HOME = {
    "Autoregressive": "forecast",
    "BeatMatch": "beats",
    "Bootstrap": "bootstrap",
    "Estimate": "bootstrap",
    "EvaluationResult": "result",
    "Fold": "protocol",
    "Measured": "measures",
    "MeasuredTokenizer": "tokenizer",
    "RepeatLastBeat": "forecast",
    "TokenUse": "tokens",
    "Unigram": "forecast",
    "bootstrap_interval": "bootstrap",
    "coverage_of_samples": "continuations",
    "crps_of_levels": "continuations",
    "crps_of_samples": "continuations",
    "draw_tokens": "tokenizer",
    "evaluate": "judge.evaluate",
    "make_folds": "protocol",
    "match_beats": "beats",
    "measure_beats": "beats",
    "measure_binary": "classification",
    "measure_classes": "classification",
    "measure_numbers": "classification",
    "measure_predictions": "measures",
    "measure_tokenizer": "tokenizer",
    "measure_tokens": "tokens",
    "nll_of_model": "forecast",
    "paired_difference": "bootstrap",
    "token_frame": "tokenizer",
}

__all__ = [
    "Autoregressive",
    "BeatMatch",
    "Bootstrap",
    "Estimate",
    "EvaluationResult",
    "Fold",
    "Measured",
    "MeasuredTokenizer",
    "RepeatLastBeat",
    "TokenUse",
    "Unigram",
    "bootstrap_interval",
    "coverage_of_samples",
    "crps_of_levels",
    "crps_of_samples",
    "draw_tokens",
    "evaluate",
    "make_folds",
    "match_beats",
    "measure_beats",
    "measure_binary",
    "measure_classes",
    "measure_numbers",
    "measure_predictions",
    "measure_tokenizer",
    "measure_tokens",
    "nll_of_model",
    "paired_difference",
    "token_frame",
]


def __getattr__(name: str) -> object:
    """Import a public name at its first use, so that settings and file names cost no PyTorch."""
    if name not in _HOME:
        raise AttributeError(f"module 'physiolect.evaluation' has no attribute '{name}'")
    value = getattr(import_module(f"physiolect.evaluation.{_HOME[name]}"), name)
    globals()[name] = value
    return value
