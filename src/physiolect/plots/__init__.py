"""Figures of recordings, tokens, continuations, detections, training, forecasts and evaluations.

Nothing else in the house draws.
Every function returns a `matplotlib.figure.Figure` that belongs to its caller alone: no pyplot, no global state.
`figure.savefig(path)` writes it.
"""

from physiolect.plots.continuation import continuation_figure
from physiolect.plots.detection import beats_figure, rhythm_figure
from physiolect.plots.evaluation import (
    agreement_figure,
    precision_figure,
    records_figure,
    reliability_figure,
    roc_figure,
    strips_figure,
    timing_figure,
)
from physiolect.plots.forecast import forecast_figure
from physiolect.plots.recording import recording_figure
from physiolect.plots.tokens import Shape, token_shapes_figure, token_track_figure, token_use_figure
from physiolect.plots.training import loss_figure

__all__ = [
    "Shape",
    "agreement_figure",
    "beats_figure",
    "continuation_figure",
    "forecast_figure",
    "loss_figure",
    "precision_figure",
    "recording_figure",
    "records_figure",
    "reliability_figure",
    "rhythm_figure",
    "roc_figure",
    "strips_figure",
    "timing_figure",
    "token_shapes_figure",
    "token_track_figure",
    "token_use_figure",
]
