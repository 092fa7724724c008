"""How good a model is, beside baselines that are honest and intervals that respect patients."""

from physiolect.evaluation.bootstrap import bootstrap_interval, paired_difference
from physiolect.evaluation.forecast import Autoregressive, RepeatLastBeat, Unigram, nll_of_model

__all__ = [
    "Autoregressive",
    "RepeatLastBeat",
    "Unigram",
    "bootstrap_interval",
    "nll_of_model",
    "paired_difference",
]
