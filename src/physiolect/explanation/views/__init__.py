"""Views: what `explain` shows of a model, one function each."""

from __future__ import annotations

from collections.abc import Callable

from physiolect.explanation.views.attention import show_attention, show_heads
from physiolect.explanation.views.beat import show_beat
from physiolect.explanation.views.change import show_change
from physiolect.explanation.views.cross import show_cross
from physiolect.explanation.views.explanation import Explanation
from physiolect.explanation.views.faithfulness import show_faithfulness
from physiolect.explanation.views.gradients import show_gradients
from physiolect.explanation.views.probing import show_probing
from physiolect.explanation.views.question import Question, View
from physiolect.explanation.views.similarity import show_similarity

VIEWS: dict[View, Callable[[Question], Explanation]] = {
    "attention": show_attention,
    "heads": show_heads,
    "similarity": show_similarity,
    "change": show_change,
    "probing": show_probing,
    "gradients": show_gradients,
    "faithfulness": show_faithfulness,
    "beat": show_beat,
    "cross": show_cross,
}
