"""The views of where a model looks: one query's attention, and each head's over all queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from physiolect.explanation.attention import attend, view_heads
from physiolect.explanation.views.explanation import Explanation
from physiolect.explanation.views.question import Question
from physiolect.explanation.views.words import (
    count_of,
    highest,
    sample_columns,
    score_facts,
    score_line,
    score_lines,
    titled,
    window_numbers,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def show_attention(asked: Question) -> Explanation:
    """Show the attention of one query."""
    window, source = asked.window(), asked.recording.source
    found = attend(asked.checkpoint, window, layers=asked.layers, heads=asked.heads, queries=[asked.query])
    how = asked.combine or "sum"
    band = found.band(0, how)
    if len(found.layers) > 1:  # a row for each layer
        rows, names = found.over_heads(how)[:, 0], [f"layer {each}" for each in found.layers]
    else:
        rows, names = found.weights[0, :, 0], [f"head {each}" for each in found.heads]
    moment = float(window.time[found.queries[0]])
    several = found.weights.shape[0] * found.weights.shape[1] > 1
    score = asked.faithfulness(window, band, moment)
    of = f"{count_of('layer', found.layers)}, {count_of('head', found.heads)}, query {moment:.2f} s"

    def draw() -> Figure:
        from physiolect.plots import attention_figure

        return attention_figure(
            window.signal, band, rows, time=window.time, names=names, queries=[moment], unit=window.unit,
            what=f"attention,\n{how}" if several else "attention",
            title=titled(f"Attention: {of}", source, window), evidence=score_line(score),
        )  # fmt: skip

    where = ", ".join(f"{each:.2f}" for each in window.time[highest(band, window.fs)])
    return Explanation(
        view="attention",
        source=source,
        windows=(window,),
        numbers={
            **window_numbers(window), "attention": found.weights[:, :, 0], "band": band,
            "layers": np.array(found.layers), "heads": np.array(found.heads), "query_s": moment,
        },
        facts={
            "layers": found.layers, "heads": found.heads, "query": moment, "combine": how, **score_facts(score)
        },
        lines=(f"  query       {moment:.2f} s", f"  most at     {where} s", *score_lines(score)),
        draw=draw,
        columns={**sample_columns(window), "attention": band},
    )  # fmt: skip


def show_heads(asked: Question) -> Explanation:
    """Show what each head of a layer looks at, as the mean over all queries."""
    window, source = asked.window(), asked.recording.source
    found = view_heads(asked.checkpoint, window, layer=asked.one_layer, heads=asked.heads)
    names = [f"head {k}" for k in found.heads]
    score = asked.faithfulness(window, found.relative.sum(0))

    def draw() -> Figure:
        from physiolect.plots import heads_figure

        return heads_figure(
            window.signal, found.relative, found.peaks, time=window.time, names=names, unit=window.unit,
            title=titled(f"Heads of layer {found.layer}, mean over queries", source, window),
            evidence=score_line(score),
        )  # fmt: skip

    peaks = np.concatenate(
        [np.column_stack([np.full(len(at), k), at]) for k, at in zip(found.heads, found.peaks, strict=True)]
    )
    listed = [
        {"head": k, "peaks": np.round(window.time[at], 4).tolist()}
        for k, at in zip(found.heads, found.peaks, strict=True)
    ]
    return Explanation(
        view="heads",
        source=source,
        windows=(window,),
        numbers={
            **window_numbers(window), "mean": found.mean, "even": found.even, "relative": found.relative,
            "peaks_head_sample": peaks.astype(np.int64), "layer": found.layer, "heads": np.array(found.heads),
        },
        facts={"layer": found.layer, "heads": listed, **score_facts(score)},
        lines=(
            *(f"  head {each['head']:<7}{len(each['peaks'])} peaks" for each in listed), *score_lines(score)
        ),
        draw=draw,
        columns={**sample_columns(window), **dict(zip(names, found.relative, strict=True))},
    )  # fmt: skip
