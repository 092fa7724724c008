"""The view of what each part of a window adds to a model's output: integrated gradients, for models of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from physiolect.explanation.maps import integrated_map
from physiolect.explanation.target import choose_target
from physiolect.explanation.views.drawing import drawn, needs_sheet, on_grid, sheet
from physiolect.explanation.views.explanation import Explanation
from physiolect.explanation.views.question import Question
from physiolect.explanation.views.words import (
    by_channel,
    most_at,
    score_facts,
    score_line,
    score_lines,
    titled,
    token_columns,
    window_numbers,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def show_gradients(asked: Question) -> Explanation:
    """Show integrated gradients of a model's output on the sheet of leads, or behind one signal."""
    window, source = asked.window(), asked.recording.source
    target = choose_target(asked.checkpoint, window, query=asked.query, span=asked.span)
    counts = integrated_map(asked.checkpoint, window, target)
    score = asked.faithfulness(window, counts, target=target)
    whole = np.zeros(window.n_tokens)
    whole[: len(counts)] = counts  # what a decoder predicts adds nothing
    spread = by_channel(window, whole)
    plus, minus = np.maximum(counts, 0).sum(), np.minimum(counts, 0).sum()
    lines = [
        f"  explained   {target.words}",
        f"  total       {counts.sum():+.2f} {target.unit} ({plus:+.2f} for it, {minus:+.2f} against it)",
        f"  most at     {most_at(window, whole)}",
    ]
    facts = {
        "explained": target.words, "total": float(counts.sum()), "for": float(plus), "against": float(minus),
        "unit": target.unit, **score_facts(score),
    }  # fmt: skip
    if spread:
        facts["by_channel"] = spread
        lines.append(f"  leads       {', '.join(f'{name} {share:.0%}' for name, share in spread.items())}")

    def draw() -> Figure:
        from physiolect.plots import change_figure

        title = titled(f"Integrated gradients: {target.words}", source, window)
        if needs_sheet(window):
            return sheet(
                window, whole, what=f"contribution ({target.unit})", title=title, evidence=score_line(score)
            )
        return change_figure(
            change=on_grid(window, whole), query=None, what=f"contribution\n({target.unit})",
            names=("for it", "against it"), title=title, evidence=score_line(score), **drawn(window),
        )  # fmt: skip

    return Explanation(
        view="gradients",
        source=source,
        windows=(window,),
        numbers={**window_numbers(window), "integrated_gradients": whole},
        facts=facts,
        lines=(*lines, *score_lines(score)),
        draw=draw,
        columns={**token_columns(window), "integrated gradients": whole},
    )
