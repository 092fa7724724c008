"""Words that views share: titles, scores, moments, and where no P wave is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.explanation.faithfulness import Faithfulness
from physiolect.explanation.landmarks import MarkedRhythm, episodes_without_p
from physiolect.explanation.views.question import Question
from physiolect.explanation.window import BeatWindow, LevelWindow, Window

_NAMED = 5
"""Moments that the summary names as those of most attention."""
_APART = 0.05
"""Seconds: a sample no further than this from a higher one is no peak of its own."""
_LONG = 30
"""Letters: a title shows only the last part of a longer path."""


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


def without_p_waves(asked: Question, windows: Sequence[Window]) -> list[MarkedRhythm]:
    """Return the episodes without P waves that reach into the windows, and report them."""
    if asked.checkpoint.contract.modality == "ppg":
        return []
    begin, end = float(windows[0].time[0]), float(windows[-1].time[-1])
    found = [
        MarkedRhythm(max(each.start, begin), min(each.stop, end), each.rhythm)
        for each in episodes_without_p(asked.recording, first=asked.first)
        if each.start <= end and each.stop > begin
    ]
    if found:
        where = ", ".join(f"{each.rhythm} from {each.start:.2f} to {each.stop:.2f} s" for each in found)
        asked.report.say(
            f"P waves are left out where the recording's marks of rhythm say that there are none: {where}"
        )
    return found


def no_p_line(episodes: list[MarkedRhythm]) -> str:
    """Return what a figure says of them, "" where there are none."""
    names = " or ".join(dict.fromkeys(each.rhythm for each in episodes))
    return f"\nno P waves in {names}, as the recording's rhythm is marked" if episodes else ""


def count_of(what: str, numbers: Sequence[int]) -> str:
    """Return "layer 3" of one, "8 layers" of several."""
    return f"{what} {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} {what}s"


def titled(title: str, source: str, window: Window) -> str:
    """Return a figure's title, and below it the recording and channel."""
    name = source if len(source) <= _LONG else Path(source).name
    return f"{title}\n{f'{name}, ' if name else ''}{window.channels_in_words}"


def score_line(score: Faithfulness | None) -> str:
    """Return the line below a figure."""
    return "" if score is None else str(score)


def score_facts(score: Faithfulness | None) -> dict[str, Any]:
    """Return the score, ready for JSON."""
    if score is None:
        return {"faithfulness": None}
    return {"faithfulness": {"score": score.score, "random_95": score.interval, "unit": score.unit}}


def score_lines(score: Faithfulness | None) -> tuple[str, ...]:
    """Return the score's line of a summary."""
    return () if score is None else (f"  evidence    {score}",)


def window_numbers(window: Window) -> dict[str, Any]:
    """Return the numbers that every view has."""
    numbers = {"time_s": window.time, "signal": window.signal, "fs": window.fs}
    if isinstance(window, LevelWindow):
        return {**numbers, "ids": window.ids}
    spans = window.token_spans
    numbers |= {
        "channels": np.array(window.channels),
        "signal_start_s": window.start,
        "inputs": window.inputs,
    }
    return {
        **numbers,
        "token_begin_s": spans[:, 0],
        "token_end_s": spans[:, 1],
        "token_channel": window.token_rows,
    }


def token_columns(window: Window) -> dict[str, Any]:
    """Return the first columns of a table of one row a token: a sample, a patch, or a heartbeat."""
    if isinstance(window, LevelWindow):
        return {"time_s": window.time, "signal": window.signal, "level": window.ids}
    if isinstance(window, BeatWindow):
        return {"time_s": window.beats}
    spans = window.token_spans
    return {
        "begin_s": spans[:, 0],
        "end_s": spans[:, 1],
        "channel": ["all" if row < 0 else window.channels[row] for row in window.token_rows.tolist()],
    }


def most_at(window: Window, band: NDArray[np.floating]) -> str:
    """Return in words where a map is highest."""
    if isinstance(window, LevelWindow):
        return ", ".join(f"{each:.2f}" for each in window.time[highest(band, window.fs)]) + " s"
    best = np.argsort(-band, kind="stable")[:_NAMED]
    moments, rows = window.token_spans.mean(1), window.token_rows
    moments = window.beats if isinstance(window, BeatWindow) else moments
    several = len(np.unique(rows)) > 1
    return (
        ", ".join(
            f"{window.channels[rows[k]]} {moments[k]:.2f}" if several else f"{moments[k]:.2f}"
            for k in sorted(best.tolist(), key=lambda k: (moments[k], rows[k]))
        )
        + " s"
    )


def by_channel(window: Window, band: NDArray[np.floating]) -> dict[str, float]:
    """Return what share of a map each channel gets; empty where tokens are not of one channel each."""
    rows = window.token_rows
    total = float(np.abs(band).sum()) or 1.0
    if len(np.unique(rows)) < 2:
        return {}
    return {name: float(np.abs(band[rows == k]).sum()) / total for k, name in enumerate(window.channels)}


def decided(checkpoint: Checkpoint, window: Window) -> tuple[str, ...]:
    """Return the class of each heartbeat as the model decides it; none for a model of other tasks."""
    if not isinstance(window, BeatWindow) or checkpoint.outputs.scope == "window":
        return ()
    likely = checkpoint.predict(window.tensor(checkpoint))[0]  # (n, K)
    return tuple(checkpoint.outputs.classes[k] for k in likely.argmax(-1).tolist())
