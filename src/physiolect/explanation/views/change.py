"""The view of what fine-tuning changed: attention of a model less that of its base."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physiolect.explanation.attention import attention_change
from physiolect.explanation.views.explanation import Explanation
from physiolect.explanation.views.question import Question
from physiolect.explanation.views.words import (
    sample_columns,
    score_facts,
    score_line,
    score_lines,
    titled,
    window_numbers,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def show_change(asked: Question) -> Explanation:
    """Show what fine-tuning added to the attention of a query, and what it took away."""
    assert asked.base is not None
    window, source, layer = asked.window(), asked.recording.source, asked.one_layer
    change = attention_change(
        asked.checkpoint, asked.base, window, layer=layer, heads=asked.heads, query=asked.query
    )  # (T,)
    moment = float(window.time[window.sample(asked.query)])
    score = asked.faithfulness(window, change, moment)
    which = "all heads" if asked.heads is None else f"head {asked.heads[0]}"

    def draw() -> Figure:
        from physiolect.plots import change_figure

        return change_figure(
            window.signal, change, time=window.time, query=moment, unit=window.unit,
            title=titled(f"Change: layer {layer}, {which}, query {moment:.2f} s", source, window),
            evidence=score_line(score),
        )  # fmt: skip

    gained, lost = float(change[change > 0].sum()), float(-change[change < 0].sum())
    return Explanation(
        view="change",
        source=source,
        windows=(window,),
        numbers={**window_numbers(window), "change": change, "query_s": moment, "layer": layer},
        facts={"layer": layer, "query": moment, "gained": gained, "lost": lost, **score_facts(score)},
        lines=(
            f"  gained      {gained:.3f} where there is more, and {lost:.3f} lost where less",
            *score_lines(score),
        ),
        draw=draw,
        columns={**sample_columns(window), "change": change},
    )
