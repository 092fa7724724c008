"""How likely a rhythm, such as atrial fibrillation, is in each window of a recording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint.outputs import FIBRILLATION
from physiolect.detection.result import DetectionResult
from physiolect.detection.windows import Reason
from physiolect.recording import Annotations

if TYPE_CHECKING:
    from matplotlib.figure import Figure

THRESHOLD = 0.5
"""Probability from which a window counts as the rhythm that the model detects."""

_LISTED = 10
"""The summary lists so many episodes; the table has all."""


@dataclass(frozen=True)
class Episode:
    """A stretch of windows of one rhythm."""

    start: float
    """In seconds of the recording."""
    stop: float
    """In seconds of the recording."""
    rhythm: str | None
    """Its name, such as "AFIB" or "N"; None where nothing was judged."""
    reason: Reason = ""
    """Why nothing was judged."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class RhythmResult(DetectionResult):
    """How likely a rhythm is in each window of a recording."""

    task: str = "rhythm"
    positive: str = "AFIB"
    """Name of the rhythm that the model detects."""
    negative: str = "N"
    """Name of its opposite."""
    probability: NDArray[np.float32]
    """(windows,) from 0 to 1; NaN where a window was not judged."""
    start: NDArray[np.float64]
    """(windows,) where each begins, in seconds of the recording."""
    time: NDArray[np.float64]
    """(windows,) where each ends: the probability holds at the end of what the model saw."""
    reasons: tuple[Reason, ...]
    """One a window: why it was not judged, "" where it was."""
    window: float
    """Length of a window in seconds."""
    stride: float
    """Seconds from one window to the next."""

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Which windows were judged, (windows,)."""
        return ~np.isnan(self.probability)

    @property
    def anything_judged(self) -> bool:
        """Whether any window was judged."""
        return bool(self.judged.any())

    @property
    def is_positive(self) -> NDArray[np.bool_]:
        """Which windows count as the rhythm, (windows,); one that was not judged does not."""
        return self.probability >= THRESHOLD  # NaN is never

    @property
    def rhythms(self) -> tuple[str | None, ...]:
        """The rhythm of each window; None where it was not judged."""
        return tuple(
            None if reason else self.positive if yes else self.negative
            for yes, reason in zip(self.is_positive.tolist(), self.reasons, strict=True)
        )

    def at(self, times: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the probability at some moments: the mean of the windows over each, or the nearest window's.

        Args:
            times: (n,) in seconds of the recording.

        Returns:
            (n,), NaN where no window over the moment was judged.
        """
        if not len(self.start):
            return np.full(len(times), np.nan, np.float32)
        begin = np.minimum(np.searchsorted(self.time, times, side="right"), len(self.time) - 1)
        end = np.maximum(np.searchsorted(self.start, times, side="right"), begin + 1)
        judged = np.append(0, np.cumsum(self.judged))
        total = np.append(0, np.cumsum(np.nan_to_num(self.probability.astype(np.float64))))
        with np.errstate(invalid="ignore", divide="ignore"):
            return ((total[end] - total[begin]) / (judged[end] - judged[begin])).astype(np.float32)

    def episodes(self) -> list[Episode]:
        """Return the stretches of one rhythm, in order of time.

        The first window counts from its beginning. Each later one counts for its last `stride` seconds, or for all of
        it where windows do not overlap.
        """
        begin = np.maximum(self.start, self.time - self.stride)
        begin[:1] = self.start[:1]
        rhythms = self.rhythms
        found = []
        for _, run in groupby(range(len(rhythms)), lambda i: (rhythms[i], self.reasons[i])):
            first, *rest = run
            last = rest[-1] if rest else first
            found.append(
                Episode(float(begin[first]), float(self.time[last]), rhythms[first], self.reasons[first])
            )
        return found

    def annotations(self) -> Annotations:
        """Return marks at the recording's own rate: "+" with a name, such as "(AFIB" or "(N", where the rhythm changes.

        A stretch that was not judged begins with a note (symbol '"'), and what follows it with the rhythm anew.
        """
        episodes = self.episodes()
        return Annotations(
            np.array([round(each.start * self.recording_fs) for each in episodes], np.int64),
            tuple("+" if each.rhythm else '"' for each in episodes),
            tuple(f"({each.rhythm}" if each.rhythm else f"not judged: {each.reason}" for each in episodes),
        )

    def columns(self) -> dict[str, Any]:
        """Return the table of windows: start_s and time_s (its end), probability, rhythm and why it was not judged.

        A recording that states when it began has the column clock_time too: the time of day of each time_s.
        """
        return {
            "start_s": self.start + self.first,
            "time_s": self.time + self.first,
            "probability": self.probability,
            "rhythm": [each or "" for each in self.rhythms],
            "not_judged": list(self.reasons),
            **self._clock_times(self.time),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return counts, shares and stretches, ready for JSON."""
        judged, positive = int(self.judged.sum()), int(self.is_positive.sum())
        return super().to_dict() | {
            "windows": {
                "count": len(self.time), "judged": judged, "seconds": self.window, "stride": self.stride,
                "rhythm": self.positive, "positive": positive, "positive_share": positive / judged if judged else None,
                "median_probability": float(np.nanmedian(self.probability)) if judged else None,
            },
            "episodes": [
                {**asdict(each), "start": each.start + self.first, "stop": each.stop + self.first}
                for each in self.episodes()
            ],
        }  # fmt: skip

    def plot(self) -> Figure:
        """Draw the probability over time, and the signal of the first channel in the most telling windows."""
        from physiolect.plots import rhythm_figure

        return rhythm_figure(
            self.recording.signal[0], fs=self.recording_fs, begin=self.start, end=self.time,
            probability=self.probability, rhythm=self.positive, start=self.first, unit=self.recording.units[0],
            title=self._title, clock=self.recording.start_time,
        )  # fmt: skip

    def _lines(self) -> Iterator[tuple[str, str]]:
        count, judged, positive = len(self.time), int(self.judged.sum()), int(self.is_positive.sum())
        name = "AF" if self.positive in FIBRILLATION else self.positive
        reasons = ", ".join(sorted(set(self.reasons) - {""}))
        left = f"; {count - judged:,} not judged ({reasons})" if judged < count else ""
        yield "windows", f"{count:,} of {self.window:g} s, {self.stride:g} s apart{left}"
        if not judged:
            yield name, "not known: no window could be judged"
        elif count == 1:
            yield name, f"probability {self.probability[0]:.3f}"
        else:
            yield name, f"{positive:,} of {judged:,} windows ({positive / judged:.1%}) at 0.5 or above"
        found = [each for each in self.episodes() if each.rhythm == self.positive] if count > 1 else []
        found.sort(key=lambda each: each.start - each.stop)
        for number, each in enumerate(found[:_LISTED]):
            span = f"{each.start + self.first:.2f} to {each.stop + self.first:.2f} s"
            yield "" if number else "longest", f"{span}, {each.stop - each.start:g} s"
        if len(found) > _LISTED:
            yield "", f"and {len(found) - _LISTED} more"
