"""Figures of recordings, tokens, continuations, detections, explanations, training and forecasts; nothing else draws.

Every function returns a `matplotlib.figure.Figure` that belongs to its caller alone: no pyplot, no global state.
`figure.savefig(path)` writes it.
"""

from physiolect.plots.attention import attention_figure, change_figure, heads_figure
from physiolect.plots.continuation import continuation_figure
from physiolect.plots.detection import beats_figure, rhythm_figure
from physiolect.plots.evidence import faithfulness_figure, probing_figure
from physiolect.plots.forecast import forecast_figure
from physiolect.plots.recording import recording_figure
from physiolect.plots.similarity import Token, similarity_figure
from physiolect.plots.tokens import Shape, token_shapes_figure, token_track_figure, token_use_figure
from physiolect.plots.training import loss_figure

__all__ = [
    "Shape",
    "Token",
    "attention_figure",
    "beats_figure",
    "change_figure",
    "continuation_figure",
    "faithfulness_figure",
    "forecast_figure",
    "heads_figure",
    "loss_figure",
    "probing_figure",
    "recording_figure",
    "rhythm_figure",
    "similarity_figure",
    "token_shapes_figure",
    "token_track_figure",
    "token_use_figure",
]
