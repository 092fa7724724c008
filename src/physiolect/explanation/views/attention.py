"""The views of where a model looks: one query's attention, and each head's over all queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from physiolect.explanation.attention import AttentionMap, Combine, attend, pooled_attention, view_heads
from physiolect.explanation.views.drawing import drawn, grid, needs_sheet, on_grid, over_leads, sheet
from physiolect.explanation.views.explanation import Explanation
from physiolect.explanation.views.question import Question
from physiolect.explanation.views.words import (
    by_channel,
    count_of,
    decided,
    most_at,
    score_facts,
    score_line,
    score_lines,
    titled,
    token_columns,
    window_numbers,
)
from physiolect.explanation.window import BeatWindow, LevelWindow

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def show_attention(asked: Question) -> Explanation:
    """Show the attention of one query, or of what speaks for the window as a whole."""
    window, source = asked.window(), asked.recording.source
    moment, model = asked.moment(window), asked.checkpoint
    if moment is None:
        found = pooled_attention(model, window, layers=asked.layers, heads=asked.heads)
    else:
        found = attend(model, window, layers=asked.layers, heads=asked.heads, queries=[moment])
    how = asked.combine or "sum"
    band = found.band(0, how)
    score = asked.faithfulness(window, band, moment)
    names = decided(model, window)
    spread = by_channel(window, band)
    facts = {
        "layers": found.layers, "heads": found.heads, "query": moment, "combine": how, **score_facts(score)
    }  # fmt: skip
    numbers = {
        **window_numbers(window), "attention": found.weights[:, :, 0], "band": band,
        "layers": np.array(found.layers), "heads": np.array(found.heads),
        "query_s": np.nan if moment is None else moment,
    }  # fmt: skip
    lines = [f"  query       {asked.query_words(moment).removeprefix('query').lstrip(': ')}"]
    if names:
        facts["class"] = names[found.queries[0]]
        lines.append(f"  beat        {names[found.queries[0]]}, as the model decides")
    lines.append(f"  most at     {most_at(window, band)}")
    if spread:
        facts["by_channel"] = spread
        lines.append(f"  leads       {', '.join(f'{name} {share:.0%}' for name, share in spread.items())}")
    if found.on_extra is not None:
        key = window.extra_tokens.replace(" ", "_")
        numbers[f"attention_on_{key}"] = found.on_extra[:, :, 0]
        facts[f"on_{key}"] = float(found.on_extra.mean())
        lines.append(
            f"  {window.extra_tokens:11} {found.on_extra.mean():.1%} of the attention, which no figure shows"
        )
    return Explanation(
        view="attention",
        source=source,
        windows=(window,),
        numbers=numbers,
        facts=facts,
        lines=(*lines, *score_lines(score)),
        draw=lambda: _draw(asked, found, how, moment, score_line(score), names),
        columns={**token_columns(window), **({"class": names} if names else {}), "attention": band},
    )


def _draw(
    asked: Question,
    found: AttentionMap,
    how: Combine,
    moment: float | None,
    evidence: str,
    names: tuple[str, ...],
) -> Figure:
    from physiolect.plots import attention_figure

    window, band = found.window, found.band(0, how)
    of = f"{count_of('layer', found.layers)}, {count_of('head', found.heads)}, {asked.query_words(moment)}"
    title = titled(f"Attention: {of}", asked.recording.source, window)
    several = found.weights.shape[0] * found.weights.shape[1] > 1
    what = f"attention, {how}" if several else "attention"
    queries = () if moment is None else (moment,)
    if needs_sheet(window):
        if names:
            evidence = "\n".join(filter(None, ["letters: the model's classes", evidence]))
        return sheet(window, band, what=what, title=title, evidence=evidence, queries=queries, letters=names)
    if len(found.layers) > 1:  # a row for each layer
        rows, labels = found.over_heads(how)[:, 0], [f"layer {each}" for each in found.layers]
    else:
        rows, labels = found.weights[0, :, 0], [f"head {each}" for each in found.heads]
    return attention_figure(
        band=on_grid(window, band), rows=on_grid(window, rows), names=labels, queries=queries,
        what=what.replace(", ", ",\n"), title=title, evidence=evidence, **drawn(window),
    )  # fmt: skip


def show_heads(asked: Question) -> Explanation:
    """Show what each head of a layer looks at, as the mean over all queries."""
    window, source = asked.window(), asked.recording.source
    found = view_heads(asked.checkpoint, window, layer=asked.one_layer, heads=asked.heads)
    names = [f"head {k}" for k in found.heads]
    score = asked.faithfulness(window, found.relative.sum(0))
    centres = window.time if isinstance(window, LevelWindow | BeatWindow) else window.token_spans.mean(1)

    def draw() -> Figure:
        from physiolect.plots import heads_figure

        moments = [np.unique(centres[at]) for at in found.peaks]
        nearest = [
            np.searchsorted(grid(window), each).clip(0, window.signal.shape[-1] - 1) for each in moments
        ]
        return heads_figure(
            attention=on_grid(window, found.relative), peaks=nearest, names=names, **drawn(window),
            title=titled(f"Heads of layer {found.layer}, mean over queries", source, window) + over_leads(window),
            evidence=score_line(score),
        )  # fmt: skip

    peaks = np.concatenate(
        [np.column_stack([np.full(len(at), k), at]) for k, at in zip(found.heads, found.peaks, strict=True)]
    )
    listed = [
        {"head": k, "peaks": np.round(centres[at], 4).tolist()}
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
        columns={**token_columns(window), **dict(zip(names, found.relative, strict=True))},
    )  # fmt: skip
