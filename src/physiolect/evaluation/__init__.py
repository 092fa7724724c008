"""How good a model is, beside baselines that are honest and intervals that respect patients."""

from physiolect.evaluation.beats import BeatMatch, match_beats, measure_beats
from physiolect.evaluation.bootstrap import Bootstrap, Estimate, bootstrap_interval, paired_difference
from physiolect.evaluation.classification import measure_binary, measure_classes, measure_numbers
from physiolect.evaluation.continuations import coverage_of_samples, crps_of_levels, crps_of_samples
from physiolect.evaluation.judge.evaluate import evaluate
from physiolect.evaluation.forecast import Autoregressive, RepeatLastBeat, Unigram, nll_of_model
from physiolect.evaluation.measures import Measured, measure_predictions
from physiolect.evaluation.protocol import Fold, make_folds
from physiolect.evaluation.result import EvaluationResult
from physiolect.evaluation.tokens import TokenUse, measure_tokens

__all__ = [
    "Autoregressive",
    "BeatMatch",
    "Bootstrap",
    "Estimate",
    "EvaluationResult",
    "Fold",
    "Measured",
    "RepeatLastBeat",
    "TokenUse",
    "Unigram",
    "bootstrap_interval",
    "coverage_of_samples",
    "crps_of_levels",
    "crps_of_samples",
    "evaluate",
    "make_folds",
    "match_beats",
    "measure_beats",
    "measure_binary",
    "measure_classes",
    "measure_numbers",
    "measure_predictions",
    "measure_tokens",
    "nll_of_model",
    "paired_difference",
]
