"""Explain in one call: a view of what a model looks at in a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as changed
from pathlib import Path
from typing import Literal

from physiolect.checkpoint import Checkpoint, as_checkpoint
from physiolect.datasets.store.marks import marks_within
from physiolect.detection.beat_windows import Beats
from physiolect.detection.rhythm_result import RhythmResult
from physiolect.events import Listener, Reporter
from physiolect.explanation.attention import Combine
from physiolect.explanation.beat_windows import BeatSource
from physiolect.explanation.views import VIEWS, Explanation, Question, View
from physiolect.explanation.window import Replacement
from physiolect.formats import as_recording
from physiolect.recording import Recording
from physiolect.training import using_threads


def explain(
    checkpoint: Checkpoint | str | Path,
    recording: Recording | str | Path,
    *,
    view: View,
    base: Checkpoint | str | Path | None = None,
    layer: int | Literal["all"] | None = None,
    head: int | Literal["all"] | None = None,
    query: float | None = None,
    combine: Combine | None = None,
    reference: float | None = None,
    tokens: Sequence[float] | None = None,
    windows: int | None = None,
    span: float | None = None,
    replace: Replacement | None = None,
    score: bool = True,
    beats: Beats | None = None,
    rhythm: RhythmResult | Checkpoint | str | Path | None = None,
    channel: str | int | None = None,
    start: float | None = None,
    stop: float | None = None,
    first: float = 0.0,
    seed: int = 0,
    threads: int | None = 1,
    on_event: Listener | None = None,
) -> Explanation:
    """Show what a model looks at in the last window of a recording, and how far to trust the picture.

    Layers and heads count from 1. All moments are in seconds of the recording.

    Args:
        checkpoint: a model, opened or as `load_checkpoint` takes it; it computes where its weights are.
        recording: the signal, or its file.
        view: "attention": where a query looks. "heads": what each head of a layer looks at. "similarity": tokens of one
            level at different parts of the beat. "change": attention of a fine-tuned model less that of `base`.
            "probing": which heads respond to which wave. "gradients": what each part of the signal adds to the output,
            by integrated gradients. "faithfulness": whether maps are true of the model. "beat": of a model that reads
            heartbeats, what of one beat counts. "cross": of a model that writes sequences, where it looks for each
            symbol.
        base: with "change", the model that the checkpoint was fine-tuned from.
        layer: a layer, or "all"; None means the last.
        head: a head, or "all"; None means all.
        query: the moment, or heartbeat, whose attention is shown; None means the last sample. Of an encoder it means
            what its output is about: the window as a whole, the likeliest beat, or the most unusual heartbeat.
        combine: how layers and heads are combined in one curve; None is "sum".
        reference: with "similarity", the moment of the token that others are compared with; None chooses one.
        tokens: with "similarity", moments of the others; None chooses tokens of one level.
        windows: with "probing" or "faithfulness", how many of the last windows are used; None is 20, or 1.
        span: with "gradients" or "faithfulness" of a model that continues signals, explain its forecast of the last so
            many seconds.
        replace: what replaces a deleted sample; None is "interpolation", a line between those kept.
        score: measure how faithful the picture is, which takes some seconds.
        beats: of a model that reads heartbeats, where they are, as `detect_heartbeats` takes it; None takes those that
            the recording marks, or finds them by their slope.
        rhythm: of a model that reads it, how likely a rhythm is around each beat, as `detect_heartbeats` takes it.
        channel: the channel, by name, alias or number from 0; None lets the contract choose.
        start: use nothing before this moment.
        stop: use nothing after this moment; the last window ends there.
        first: when `recording` begins, in seconds of a longer one that it was cut from.
        seed: of random orders, weights and shifts.
        threads: processor threads; default: one for a small model, PyTorch's setting for a large one.
        on_event: receives messages and progress; returning True stops the work.

    Raises:
        ConfigError: an option is wrong or not for this view, or names what the model or window does not have.
        ContractError: the recording cannot be adapted, its last window cannot be used, or no beats are found.
        CheckpointError: the view is not for this model, or shows attention where there is none; `base` does not fit.
        FormatError: `start` and `stop` do not lie in the recording.
        Cancelled: the listener stopped the work.
    """
    checkpoint = as_checkpoint(checkpoint)
    recording = as_recording(recording, channel, checkpoint.contract.modality)
    report = Reporter(on_event)
    asked = Question(
        checkpoint=checkpoint, recording=_cut(recording, start, stop, first), report=report, view=view,
        base=None if base is None else as_checkpoint(base), layer=layer, head=head, query=query, combine=combine,
        reference=reference, tokens=None if tokens is None else tuple(tokens), windows=windows, span=span,
        replace=replace, score=score, channel=channel, first=first if start is None else start, seed=seed,
        source=BeatSource(beats, rhythm, report),
    )  # fmt: skip
    with using_threads(threads, checkpoint.model):
        found = VIEWS[view](asked)
    asked.report.say(str(found.window.report))
    return found


def _cut(recording: Recording, start: float | None, stop: float | None, first: float) -> Recording:
    """Return a stretch; the rhythm that holds where it begins is marked there."""
    if start is None and stop is None:
        return recording
    begin = None if start is None else start - first
    stretch = recording.slice(begin, None if stop is None else stop - first)
    at = round((begin or 0.0) * recording.fs)
    (marks,) = marks_within(recording.annotations, [(at, at + stretch.n_samples)])
    return changed(stretch, annotations=marks)
