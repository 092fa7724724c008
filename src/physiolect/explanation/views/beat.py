"""The view of one heartbeat: what of its waveform and of the numbers that describe it decides its class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.errors import require
from physiolect.explanation.maps import STEPS
from physiolect.explanation.target import Target, choose_target
from physiolect.explanation.views.drawing import own_rate
from physiolect.explanation.views.explanation import Explanation
from physiolect.explanation.views.question import Question
from physiolect.explanation.views.words import (
    decided,
    score_facts,
    score_line,
    score_lines,
    titled,
    window_numbers,
)
from physiolect.explanation.window import BeatWindow, Replacement
from physiolect.tokenizers import BeatTokenizer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ON_THE_WAVEFORM = ("waveform", "p-wave", "difference")
"""Groups whose numbers lie on the time of the beat."""
_OTHERS = "other beats"


@dataclass(frozen=True, eq=False, kw_only=True)
class _NumbersOfBeat(BeatWindow):
    """A window of beats, of which the numbers of one beat are the tokens that maps are of."""

    token = "number"
    at: int
    """The beat."""

    @property
    def token_rows(self) -> NDArray[np.int64]:
        """A number is of no channel of its own here."""
        return np.full(len(self.inputs) - 1, -1, np.int64)

    def without(
        self,
        out: NDArray[np.int64],
        *,
        replacement: Replacement = "interpolation",
        n_context: int | None = None,
    ) -> NDArray[np.float32]:
        """Return the numbers with some of the one beat replaced by their average in training: 0."""
        inputs = self.inputs.astype(np.float32)
        inputs[out, self.at] = 0
        return inputs


def show_beat(asked: Question) -> Explanation:
    """Show what of one heartbeat counts, by integrated gradients on the numbers of all beats of the window."""
    model, window = asked.checkpoint, cast(BeatWindow, asked.window())
    tokenizer, source = model.beats, asked.recording.source
    target = choose_target(model, window, query=asked.query if model.outputs.scope == "position" else None)
    at = _beat_of(asked, window, target)
    counts = beat_contributions(model, window, target)  # (F, n)
    own = counts[:, at]
    numbers = _NumbersOfBeat(**{**vars(window), "at": at})
    followed = Target(
        target.words, target.n_shown, numbers.n_tokens, at, target.of_logits, target.last_only, target.unit
    )
    score = asked.faithfulness(numbers, own, target=followed)
    groups = {str(name): float(own[place].sum()) for name, place in tokenizer.places.items()}
    groups[_OTHERS] = float(counts.sum() - own.sum())
    waveform = on_waveform(tokenizer, own)[: len(window.channels)]  # (C, D)
    time = (np.arange(tokenizer.n_samples) - tokenizer.n_before) / tokenizer.fs
    moment = float(window.beats[at])
    names = decided(model, window)

    def draw() -> Figure:
        from physiolect.plots import Trace, beat_figure

        leads = []
        for row, name in enumerate(window.channels):
            seconds, values, unit = own_rate(window, row)
            near = (seconds >= moment + time[0]) & (seconds <= moment + time[-1])
            is_ecg = window.recording.modality in ("ecg", None)
            leads.append((name, Trace(seconds[near] - moment, values[near], is_ecg), waveform[row]))
        return beat_figure(
            leads, groups, time=time, unit=unit, what=target.words, unit_of_what=target.unit,
            title=titled(f"Heartbeat at {moment:.2f} s{f': {names[at]}' if names else ''}", source, window),
            evidence=score_line(score),
        )  # fmt: skip

    lines = [
        f"  explained   {target.words}",
        f"  heartbeat   {moment:.2f} s{f', {names[at]}' if names else ''}",
    ]
    lines += [f"  {name:12}{value:+.2f} {target.unit}" for name, value in groups.items()]
    return Explanation(
        view="beat",
        source=source,
        windows=(window,),
        numbers={
            **window_numbers(window), "contributions": counts, "waveform_contributions": waveform,
            "waveform_time_s": time, "beat_s": moment,
        },
        facts={
            "explained": target.words, "beat": moment, "class": names[at] if names else None, "groups": groups,
            "unit_of_contributions": target.unit, **score_facts(score),
        },
        lines=(*lines, *score_lines(score)),
        draw=draw,
        columns={
            "group": [*(name for name, place in tokenizer.places.items() for _ in range(place.stop - place.start))],
            "number": np.arange(len(own)), "value": window.inputs[:-1, at], "contribution": own,
        },
        listed=True,
    )  # fmt: skip


def beat_contributions(
    checkpoint: Checkpoint, window: BeatWindow, target: Target, *, steps: int = STEPS
) -> NDArray[np.float64]:
    """Return integrated gradients of each number of each beat, (F, n).

    The baseline is the average beat of training at every place, 0 in standardised numbers. With fine enough steps, the
    contributions add up to the difference between the model's outputs for the two.

    Args:
        checkpoint: reads heartbeats.
        window: from `cut_window`.
        target: from `choose_target`.
        steps: points between the baseline and the window.

    Raises:
        PhysiolectError: Captum is not installed.

    Source: Sundararajan et al. 2017, arXiv:1703.01365, by Captum.
    """
    attribution = require("captum.attr", extra="explain")
    model, x = checkpoint.model.eval(), window.tensor(checkpoint)
    baseline = torch.from_numpy(window.without(np.arange(window.n_tokens)))[None].to(x)
    method = attribution.IntegratedGradients(
        lambda each: target.of_logits(model(each, last_only=target.last_only).float())
    )
    with torch.enable_grad():
        counts = method.attribute(x, baseline, n_steps=steps, internal_batch_size=16)
    found: NDArray[np.float64] = counts.detach()[0, :-1].double().cpu().numpy()
    return found


def on_waveform(tokenizer: BeatTokenizer, own: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much each sample of the waveform of each lead counts, (leads, D), of the numbers (F,) of a beat."""
    found = np.zeros((tokenizer.n_leads, tokenizer.n_samples))
    for group in _ON_THE_WAVEFORM:
        if group in tokenizer.places:
            each = own[tokenizer.places[group]].reshape(tokenizer.n_leads, -1)
            found[:, : each.shape[1]] += each
    return found


def _beat_of(asked: Question, window: BeatWindow, target: Target) -> int:
    """Return which beat is shown: the one that is judged, or asked for; of a window as a whole, the middle one."""
    if asked.checkpoint.outputs.scope == "position":
        return target.query
    return len(window.beats) // 2 if asked.query is None else window.sample(asked.query)
