"""How good a model is, beside baselines that are honest and intervals that respect patients."""

from physiolect.evaluation.bootstrap import bootstrap_interval, paired_difference
from physiolect.evaluation.forecast import Autoregressive, RepeatLastBeat, Unigram, nll_of_model
from physiolect.evaluation.protocol import Fold, make_folds
from physiolect.evaluation.tokens import TokenUse, measure_tokens

__all__ = [
    "Autoregressive",
    "Fold",
    "RepeatLastBeat",
    "TokenUse",
    "Unigram",
    "bootstrap_interval",
    "make_folds",
    "measure_tokens",
    "nll_of_model",
    "paired_difference",
]
