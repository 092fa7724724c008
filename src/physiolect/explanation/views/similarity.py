"""The view of homonyms: tokens of one level at different parts of the beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from physiolect.errors import PhysiolectError
from physiolect.explanation.landmarks import MarkedRhythm, Times, beat_times, find_landmarks
from physiolect.explanation.similarity import Similarity, compare_tokens
from physiolect.explanation.views.drawing import drawn
from physiolect.explanation.views.explanation import Explanation
from physiolect.explanation.views.question import Question
from physiolect.explanation.views.words import (
    no_p_line,
    titled,
    token_columns,
    window_numbers,
    without_p_waves,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class _Shown(NamedTuple):
    """A token that is compared."""

    sample: int
    word: str
    """Part of the beat; "" where unknown."""


def show_similarity(asked: Question) -> Explanation:
    """Show how a model comes to tell tokens of one level apart."""
    window, source = asked.window(), asked.recording.source
    without_p = without_p_waves(asked, [window])
    found = compare_tokens(
        asked.checkpoint, window, beats=_beats(asked), without_p=without_p, reference=asked.reference,
        tokens=asked.tokens,
    )  # fmt: skip
    tokens = [_Shown(each, found.phase_of(each)) for each in found.tokens]
    reference = _Shown(found.reference, found.phase_of(found.reference))

    def draw() -> Figure:
        from physiolect.plots import Token, similarity_figure

        return similarity_figure(
            cosine=found.cosine, silhouette=found.silhouette, stages=found.stages,
            reference=Token(*reference), tokens=[Token(*each) for each in tokens], **drawn(window),
            title=titled(f"Tokens and the reference, of level {found.level}", source, window),
            evidence=f"silhouette of parts of the beat among {found.n_compared} tokens of shared levels"
            + no_p_line(without_p),
        )  # fmt: skip

    return Explanation(
        view="similarity",
        source=source,
        windows=(window,),
        numbers={
            **window_numbers(window), "cosine": found.cosine, "silhouette": found.silhouette, "phase": found.phase,
            "reference": found.reference, "tokens": np.array(found.tokens),
        },
        facts=_facts(found, reference, tokens, without_p),
        lines=_lines(found, reference, tokens),
        draw=draw,
        columns={
            **token_columns(window),
            "part": [found.phase_of(k) for k in range(len(found.phase))],
            **{f"cosine {stage}": each for stage, each in zip(found.stages, found.cosine, strict=True)},
        },
    )  # fmt: skip


def _beats(asked: Question) -> Times | None:
    """Return when the beats are; None where they are unknown, and tokens are given by their time."""
    try:
        landmarks = find_landmarks(
            asked.recording, asked.checkpoint.contract, channel=asked.channel, first=asked.first
        )
    except PhysiolectError as error:
        if asked.tokens is None:
            raise
        asked.report.say(f"parts of the beat are not known: {error}")
        return None
    return beat_times(landmarks)


def _facts(
    found: Similarity, reference: _Shown, tokens: list[_Shown], without_p: list[MarkedRhythm]
) -> dict[str, Any]:
    def of(token: _Shown) -> dict[str, Any]:
        return {
            "time": float(found.window.time[token.sample]),
            "level": int(found.window.ids[token.sample]),
            "part": token.word or None,
            "cosine": [round(float(each), 4) for each in found.cosine[:, token.sample]],
        }

    return {
        "stages": found.stages,
        "reference": of(reference),
        "tokens": [of(each) for each in tokens],
        "silhouette": [None if np.isnan(each) else round(float(each), 4) for each in found.silhouette],
        "tokens_compared": found.n_compared,
        "without_p": [each._asdict() for each in without_p],
    }


def _lines(found: Similarity, reference: _Shown, tokens: list[_Shown]) -> tuple[str, ...]:
    time = found.window.time
    first, last = found.silhouette[[0, -1]]
    apart = (
        f"{first:.2f} at the input, {last:.2f} after {found.stages[-1]}" if found.n_compared else "not known"
    )
    where = ", ".join(f"{time[each.sample]:.2f} s {each.word}".strip() for each in tokens)
    return (
        f"  reference   {time[found.reference]:.2f} s {reference.word}, level {found.level}",
        f"  tokens      {where}",
        f"  silhouette  {apart}",
    )
