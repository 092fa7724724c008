"""The page that `physiolect demo` ends with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

from physiolect.plots import continuation_figure, forecast_figure, loss_figure, recording_figure
from physiolect.report.html import Report

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from physiolect.generation import Continuation
    from physiolect.recording import Recording


class Continued(NamedTuple):
    """A held-out recording, gone on with."""

    name: str
    rhythm: str
    continuation: Continuation
    truth: NDArray[np.float32]
    """What was recorded, (n,)."""


class Score(NamedTuple):
    """How well a forecaster does on the held-out patients."""

    name: str
    nats: float
    """Per token, the mean."""
    interval: tuple[float, float]
    """95 %, over patients."""


Curve = tuple[Sequence[int], Sequence[float]]
"""Updates, and nats per token at each."""


@dataclass(frozen=True, kw_only=True)
class DemoResults:
    """What a demo found."""

    n_parameters: int
    n_steps: int
    """Updates made."""
    n_planned: int
    """Updates that were to be made."""
    n_tokens: int
    """Tokens learned from, repetitions counted."""
    seconds: float
    """Of training."""
    n_learned_from: int
    """Patients trained on or validated with."""
    n_judged_by: int
    """Patients held out."""
    lead: str
    n_levels: int
    n_seen: int
    """Samples of a window that give the levels their range."""
    n_scored: int
    """Samples that follow."""
    continued: Sequence[Continued]
    also_continued: Sequence[Continued]
    """The same recordings, by the decoder that comes with Physiolect."""
    n_embedded_parameters: int
    """That decoder's."""
    scores: Sequence[Score]
    """The model's first, then the baselines'."""
    difference: tuple[float, float, float]
    """Best baseline minus model: mean, low, high."""
    train: Curve
    validation: Curve
    example: Recording
    """A stretch of what was learned from."""
    next_commands: str

    @property
    def rival(self) -> Score:
        """The best baseline."""
        return min(self.scores[1:], key=lambda score: score.nats)


def demo_report(found: DemoResults) -> Report:
    """Lay out what a demo found: continuations, scores, losses, data, and what to try next."""
    report = Report("A small transformer learns ECG").text(_opening(found))
    _add_continuations(report, found.continued)
    names, values, intervals = zip(*found.scores, strict=True)
    report.text("## How good are its forecasts?").figure(
        forecast_figure(
            names, values, intervals, highlight=names[:1], title="One sample ahead, on patients never seen"
        ),
        f"Mean over {found.n_judged_by} held-out patients, with 95 % intervals from drawing the patients again.",
    ).text(_method(found))
    _add_embedded(report, found)
    report.text("## How it learned").figure(
        loss_figure(found.train, found.validation),
        "Over all positions of whole windows, each cut into levels by its own range: not the quantity compared "
        "above. Validation is on patients set aside from training, and says which checkpoint is the best.",
    )
    report.text("## What it learned from").figure(
        recording_figure(found.example, title=PurePath(found.example.source).name),
        f"One of {found.n_learned_from} made recordings, some of its twelve leads, with the marks of its beats. The "
        f"model learned from lead {found.lead} alone and was shown no marks.",
    )
    return report.text(f"## To try next\n\n```\n{found.next_commands}\n```")


def _opening(found: DemoResults) -> str:
    ours, rival = found.scores[0], found.rival
    difference, low, high = found.difference
    verdict = "better than" if low > 0 else "worse than" if high < 0 else "not clearly better or worse than"
    early = (
        f" Its time was up after {found.n_steps} of {found.n_planned} planned updates, so there was more to learn."
        if found.n_steps < found.n_planned
        else ""
    )
    return f"""\
A decoder of {found.n_parameters:,} parameters was trained on this computer's processor for \
{found.seconds / 60:.1f} minutes: {found.n_steps:,} updates, {found.n_tokens / 1e6:.1f} million tokens, one for each \
sample of lead {found.lead}.{early} Then it was shown {found.n_judged_by} patients it had never seen.

On them it needs **{ours.nats:.2f} nats per token**, and the best baseline, {rival.name}, {rival.nats:.2f}. The model \
is {verdict} that baseline: the difference is {difference:.2f} (95 % interval over patients {low:.2f} to {high:.2f}).

**What this does not show.** These patients are made by a formula and are far more alike than people are. That a model \
learns them in minutes says that everything from file to forecast works on this computer, and nothing about its \
worth on real recordings."""


def _add_continuations(report: Report, continued: Sequence[Continued]) -> None:
    n_samples = len(continued[0].continuation.signal)
    seconds = continued[0].continuation.context.duration
    report.text(
        f"## What comes next?\n\nThe model saw {seconds:g} seconds of a recording and drew {n_samples} "
        "continuations. They part with time: the heart rate wanders, premature beats come unannounced, and a model "
        "trained this briefly keeps a rhythm loosely. Each recording is the first of its rhythm among the held-out "
        "ones, not the best."
    )
    for each in continued:
        _add_bands(report, each)


def _add_embedded(report: Report, found: DemoResults) -> None:
    report.text(
        f"## The decoder that comes with Physiolect\n\n`physiolect generate` without `--checkpoint` uses a decoder of "
        f"{found.n_embedded_parameters:,} parameters that was trained on real ECGs, of MIT-BIH, PTB-XL and CinC 2021, "
        f"any lead. Here it goes on with the same {len(found.also_continued)} recordings. They are made ones, such as "
        "it never saw, and the small model above learned from nothing else: **what is seen here says nothing of its "
        "worth on patients**, which `docs/results.md` measures."
    )
    for each in found.also_continued:
        _add_bands(report, each)


def _add_bands(report: Report, each: Continued) -> None:
    continuation = each.continuation
    figure = continuation_figure(
        continuation.seen,
        continuation.signal,
        fs=continuation.fs,
        unit=continuation.unit,
        title=f"{each.name} · {each.rhythm}",
        truth=each.truth,
        trace=continuation.trace(),
    )
    n_samples = len(continuation.signal)
    report.figure(
        figure,
        f"The first of {n_samples} continuations alone; below it median and bands of all, some of them as lines, and "
        "what was recorded.",
    )


def _method(found: DemoResults) -> str:
    return f"""\
Every window holds {found.n_seen + found.n_scored} samples, cut into {found.n_levels} levels by the range of its first \
{found.n_seen} alone, so that the scale tells nothing of what is to be forecast. The last {found.n_scored} are scored, \
one sample ahead, at the same positions for all. The baselines were fitted on the recordings that trained the model:

- **unigram** knows how often each level occurs;
- **repeat last beat** expects what came one heartbeat ago, the period being found in the past of the window;
- **AR(p)** is a linear prediction from the last p samples, with p chosen on a part of the training windows.

The two that predict a value carry a discretised Laplace noise, so that all are scored in one currency."""
