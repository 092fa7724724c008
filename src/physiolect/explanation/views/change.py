"""The view of what fine-tuning changed: attention of a model less that of its base."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from physiolect.explanation.attention_change import attention_change, check_base
from physiolect.explanation.views.drawing import drawn, needs_sheet, on_grid, sheet
from physiolect.explanation.views.explanation import Explanation
from physiolect.explanation.views.question import Question
from physiolect.explanation.views.words import (
    score_facts,
    score_line,
    score_lines,
    titled,
    token_columns,
    window_numbers,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def show_change(asked: Question) -> Explanation:
    """Show what fine-tuning added to the attention of a query, and what it took away."""
    assert asked.base is not None
    check_base(asked.checkpoint, asked.base)
    window, source, layer = asked.window(), asked.recording.source, asked.one_layer
    moment = asked.moment(window)
    change = attention_change(
        asked.checkpoint,
        asked.base,
        window,
        layer=layer,
        heads=asked.heads,
        query=moment,
        pooled=moment is None,
    )  # (tokens,)
    score = asked.faithfulness(window, change, moment)
    which = "all heads" if asked.heads is None else f"head {asked.heads[0]}"

    def draw() -> Figure:
        from physiolect.plots import change_figure

        title = titled(f"Change: layer {layer}, {which}, {asked.query_words(moment)}", source, window)
        if needs_sheet(window):
            return sheet(
                window, change, what="change of attention", title=title, evidence=score_line(score),
                queries=() if moment is None else (moment,),
            )  # fmt: skip
        return change_figure(
            change=on_grid(window, change),
            query=moment,
            title=title,
            evidence=score_line(score),
            **drawn(window),
        )

    gained, lost = float(change[change > 0].sum()), abs(float(change[change < 0].sum()))
    return Explanation(
        view="change",
        source=source,
        windows=(window,),
        numbers={
            **window_numbers(window),
            "change": change,
            "query_s": np.nan if moment is None else moment,
            "layer": layer,
        },
        facts={"layer": layer, "query": moment, "gained": gained, "lost": lost, **score_facts(score)},
        lines=(
            f"  gained      {gained:.3f} where there is more, and {lost:.3f} lost where less",
            *score_lines(score),
        ),
        draw=draw,
        columns={**token_columns(window), "change": change},
    )
