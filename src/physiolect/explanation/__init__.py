"""Explanations of models: attention, similarity of tokens, heads and landmarks, and how faithful each map is.

Layers and heads are counted from 1; samples, and the axes of arrays, from 0.
"""

from physiolect.explanation.attention import (
    AttentionMap,
    HeadView,
    attend,
    mean_attention,
    n_layers,
    pooled_attention,
    view_heads,
)
from physiolect.explanation.attention_change import attention_change
from physiolect.explanation.beat_windows import BeatSource
from physiolect.explanation.cutting import cut_window, cut_windows
from physiolect.explanation.explaining import explain
from physiolect.explanation.faithfulness import Faithfulness, cascade, measure_faithfulness, stage_names
from physiolect.explanation.landmarks import (
    LANDMARKS,
    MarkedRhythm,
    beat_times,
    episodes_without_p,
    find_landmarks,
    leave_out_p,
)
from physiolect.explanation.maps import METHODS
from physiolect.explanation.probing import HeadScore, Probing, probe_heads
from physiolect.explanation.similarity import Similarity, compare_tokens
from physiolect.explanation.target import Target, choose_target
from physiolect.explanation.views import Explanation
from physiolect.explanation.window import BeatWindow, LevelWindow, SignalWindow, Window

__all__ = [
    "LANDMARKS",
    "METHODS",
    "AttentionMap",
    "BeatSource",
    "BeatWindow",
    "Explanation",
    "Faithfulness",
    "HeadScore",
    "HeadView",
    "LevelWindow",
    "MarkedRhythm",
    "Probing",
    "SignalWindow",
    "Similarity",
    "Target",
    "Window",
    "attend",
    "attention_change",
    "beat_times",
    "cascade",
    "choose_target",
    "compare_tokens",
    "cut_window",
    "cut_windows",
    "episodes_without_p",
    "explain",
    "find_landmarks",
    "leave_out_p",
    "mean_attention",
    "measure_faithfulness",
    "n_layers",
    "pooled_attention",
    "probe_heads",
    "stage_names",
    "view_heads",
]
