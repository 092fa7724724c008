"""What the terminal, figures and summaries say of views: scores, moments, and where no P wave is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physiolect.commands.terminal import say
from physiolect.explanation import Faithfulness, MarkedRhythm, Window, episodes_without_p

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from physiolect.checkpoint import Checkpoint
    from physiolect.commands.explain import Config
    from physiolect.recording import Recording

_NAMED = 5
"""Moments that the terminal names as those that are looked at most."""
_APART = 0.05
"""Seconds: what lies no further from a higher sample is no peak of its own."""
_LONG = 30
"""Letters: of a path that is longer, a title says the last part."""


def highest(band: NDArray[np.floating], fs: float) -> NDArray[np.int64]:
    """Return the samples of the highest peaks, each the highest within `_APART` of it, in order of time.

    An even band has none; then it is its first sample.
    """
    reach = int(_APART * fs + 1e-9)
    chosen: list[int] = []
    for k in np.argsort(-band, kind="stable").tolist():
        around = band[max(0, k - reach) : k + reach + 1]
        if around.min() < band[k] >= around.max() and all(abs(k - other) > reach for other in chosen):
            chosen.append(k)
    return np.sort(np.array(chosen[:_NAMED] or [int(band.argmax())], np.int64))


def told_without_p(
    checkpoint: Checkpoint, recording: Recording, windows: Sequence[Window], *, first: float
) -> list[MarkedRhythm]:
    """Return the episodes without P waves that reach into what is looked at, and say so on the terminal."""
    if checkpoint.contract.modality == "ppg":
        return []
    begin, end = float(windows[0].time[0]), float(windows[-1].time[-1])
    found = [
        MarkedRhythm(max(each.start, begin), min(each.stop, end), each.rhythm)
        for each in episodes_without_p(recording, first=first)
        if each.start <= end and each.stop > begin
    ]
    if found:
        where = ", ".join(f"{each.rhythm} from {each.start:.2f} to {each.stop:.2f} s" for each in found)
        say(f"P waves are left out where the recording's marks of rhythm say that there are none: {where}")
    return found


def no_p_line(episodes: list[MarkedRhythm]) -> str:
    """Return what a figure says of them, "" where there are none."""
    names = " or ".join(dict.fromkeys(each.rhythm for each in episodes))
    return f"\nno P waves in {names}, as the recording's rhythm is marked" if episodes else ""


def count_of(what: str, numbers: tuple[int, ...]) -> str:
    """Return "layer 3" of one, "8 layers" of several."""
    return f"{what} {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} {what}s"


def titled(title: str, config: Config, window: Window) -> str:
    """Return a figure's title, and below it what it is of."""
    name = config.input if len(config.input) <= _LONG else Path(config.input).name
    return f"{title}\n{name}, {window.channel}"


def score_line(score: Faithfulness | None) -> str:
    """Return what a figure says below itself."""
    return "" if score is None else str(score)


def scored(score: Faithfulness | None) -> dict[str, Any]:
    """Return what the summary says."""
    if score is None:
        return {"faithfulness": None}
    return {"faithfulness": {"score": score.score, "random_95": score.interval, "unit": score.unit}}


def score_lines(score: Faithfulness | None) -> list[str]:
    """Return what the terminal says."""
    return [] if score is None else [f"  evidence    {score}"]
