"""Figures of recordings, tokens, continuations, detections, explanations, training and evaluations, and ECG paper.

Nothing else in the house draws.
Every function returns a `matplotlib.figure.Figure` that belongs to its caller alone: no pyplot, no global state.
`figure.savefig(path)` writes it.
"""

from physiolect.plots.attention import attention_figure, change_figure, heads_figure
from physiolect.plots.beat import beat_figure
from physiolect.plots.column import Trace
from physiolect.plots.continuation import continuation_figure
from physiolect.plots.cross import cross_figure
from physiolect.plots.decoding import decoding_figure
from physiolect.plots.detection import beats_figure, rhythm_figure
from physiolect.plots.ecg_paper import Paper, ecg_paper_figure, sheet_notes
from physiolect.plots.evaluation import (
    agreement_figure,
    precision_figure,
    records_figure,
    reliability_figure,
    roc_figure,
    strips_figure,
    timing_figure,
)
from physiolect.plots.evidence import faithfulness_figure, probing_figure
from physiolect.plots.forecast import forecast_figure
from physiolect.plots.heartbeats import confusion_figure, heartbeats_figure
from physiolect.plots.holter import holter_figure
from physiolect.plots.paper_shades import Shades
from physiolect.plots.pulses import pulses_figure
from physiolect.plots.recording import recording_figure
from physiolect.plots.shaded_sheet import shaded_sheet_figure
from physiolect.plots.similarity import Token, similarity_figure
from physiolect.plots.tokens import Shape, token_shapes_figure, token_track_figure, token_use_figure
from physiolect.plots.training import loss_figure

__all__ = [
    "Paper",
    "Shades",
    "Shape",
    "Token",
    "Trace",
    "agreement_figure",
    "attention_figure",
    "beat_figure",
    "beats_figure",
    "change_figure",
    "confusion_figure",
    "continuation_figure",
    "cross_figure",
    "decoding_figure",
    "ecg_paper_figure",
    "faithfulness_figure",
    "forecast_figure",
    "heads_figure",
    "heartbeats_figure",
    "holter_figure",
    "loss_figure",
    "precision_figure",
    "probing_figure",
    "pulses_figure",
    "recording_figure",
    "records_figure",
    "reliability_figure",
    "rhythm_figure",
    "roc_figure",
    "shaded_sheet_figure",
    "sheet_notes",
    "similarity_figure",
    "strips_figure",
    "timing_figure",
    "token_shapes_figure",
    "token_track_figure",
    "token_use_figure",
]
