"""Baselines: intervals between beats, measurements of an ECG, untrained weights, library detectors, and a constant."""

from physiolect.evaluation.baselines.detectors import (
    DETECTORS,
    Detector,
    check_detector,
    choose_detector,
    find_pulses,
)
from physiolect.evaluation.baselines.measured import boosting, measured_features
from physiolect.evaluation.baselines.out_of_fold import (
    CONSTANT,
    Predictions,
    majority,
    rr_regression,
    rr_rule,
)
from physiolect.evaluation.baselines.probe import channel_means, linear_probe, random_weights, window_features
from physiolect.evaluation.baselines.rr import FEATURES, cosen, rr_features, window_beats

__all__ = [
    "CONSTANT",
    "DETECTORS",
    "FEATURES",
    "Detector",
    "Predictions",
    "boosting",
    "channel_means",
    "check_detector",
    "choose_detector",
    "cosen",
    "find_pulses",
    "linear_probe",
    "majority",
    "measured_features",
    "random_weights",
    "rr_features",
    "rr_regression",
    "rr_rule",
    "window_beats",
    "window_features",
]
