"""The beats of a recording, and how sure the model is of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physiolect.detection.intervals import Intervals, summarise_intervals
from physiolect.detection.result import DetectionResult
from physiolect.detection.windows import Reason
from physiolect.recording import Annotations

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Confidence = Literal["low", "medium", "high"]

MEDIUM, HIGH = 0.2051, 0.4598
"""Below the first a peak is of low confidence, up to the second of medium, above it of high; as published."""


class Unjudged(NamedTuple):
    """A stretch that was not judged."""

    start: float
    """In seconds of the recording."""
    stop: float
    """In seconds of the recording."""
    reason: Reason
    """Why."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as a line of JSON of a stream has it."""
        return {"start_s": self.start, "stop_s": self.stop, "not_judged": self.reason}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class BeatResult(DetectionResult):
    """The beats of a recording; `found` says whether there are any."""

    task: str = "beats"
    """Name of the model's task."""
    samples: NDArray[np.int64]
    """(beats,) positions in samples at the recording's own rate; the model's grid is that of `fs`, so a beat is
    placed within half of 1 / fs."""
    confidence: NDArray[np.float32]
    """(beats,) height of each beat's peak in the trace, from 0 to 1."""
    trace: NDArray[np.float32]
    """(n,) at `fs`: how much each sample looks like a beat, from 0 to 1, mean of all windows that cover it; NaN where
    nothing was judged."""
    unjudged: tuple[Unjudged, ...]
    """The stretches that were not judged, in order of time."""
    peak_times: NDArray[np.float64] | None = None
    """(beats,) when each beat peaks, in seconds of the recording, finer than a sample; `intervals` uses these times.

    It is the top of a parabola fitted to the pulse near the mark, or, for a model of another modality, to the trace.
    """

    @property
    def found(self) -> bool:
        """Whether there is any beat."""
        return len(self.samples) > 0

    @property
    def anything_judged(self) -> bool:
        """Whether any part of the recording was judged."""
        return not bool(np.isnan(self.trace).all())

    @property
    def times(self) -> NDArray[np.float64]:
        """When each beat is, in seconds of the recording, (beats,)."""
        return self.samples / self.recording_fs

    @property
    def trace_times(self) -> NDArray[np.float64]:
        """When each sample of the trace is, in seconds of the recording, (n,)."""
        return np.arange(len(self.trace)) / self.fs

    @property
    def categories(self) -> tuple[Confidence, ...]:
        """How sure the model is of each beat, in a word."""
        return tuple(confidence_category(height) for height in self.confidence.tolist())

    @property
    def category(self) -> Confidence | None:
        """How sure it is of all, by the median; None without a beat."""
        return confidence_category(float(np.median(self.confidence))) if self.found else None

    @property
    def intervals(self) -> Intervals:
        """Rate and variability, from `peak_times`; no interval counts across a stretch that was not judged."""
        times = self.times if self.peak_times is None else self.peak_times
        return summarise_intervals(times, [each.start for each in self.unjudged])

    def annotations(self) -> Annotations:
        """Return marks at the recording's own rate: "N" for each beat, with its confidence in a word as the note."""
        return Annotations(self.samples, ("N",) * len(self.samples), self.categories)

    def columns(self) -> dict[str, Any]:
        """Return the table of beats: time_s, sample at the recording's own rate, confidence and its category.

        A recording that states when it began has the column clock_time too: the time of day of each beat.
        """
        return {
            "time_s": self.times + self.first,
            "sample": self.samples + round(self.first * self.recording_fs),
            "confidence": self.confidence,
            "category": list(self.categories),
            **self._clock_times(self.times),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return counts, rate, variability and stretches, ready for JSON."""
        categories = self.categories
        return super().to_dict() | {
            "found": self.found,
            "beats": len(self.samples),
            "confidence": {
                "category": self.category,
                "median": float(np.median(self.confidence)) if self.found else None,
                **{name: categories.count(name) for name in ("high", "medium", "low")},
            },
            "intervals": self.intervals.to_dict(),
            "unjudged": [
                {"start": each.start + self.first, "stop": each.stop + self.first, "reason": each.reason}
                for each in self.unjudged
            ],
        }

    def plot(self) -> Figure:
        """Draw the first channel with its beats, the trace, and the rate from beat to beat."""
        from physiolect.plots import beats_figure

        return beats_figure(
            self.recording.signal[0], fs=self.recording_fs, samples=self.samples, categories=self.categories,
            trace=self.trace, trace_fs=self.fs, unjudged=[each[:2] for each in self.unjudged], start=self.first,
            unit=self.recording.units[0], title=self._title, clock=self.recording.start_time,
        )  # fmt: skip

    def _lines(self) -> Iterator[tuple[str, str]]:
        categories, intervals = self.categories, self.intervals
        if self.found:
            counts = ", ".join(f"{categories.count(name):,} {name}" for name in ("high", "medium", "low"))
            yield "beats", f"{len(self.samples):,}: {counts}"
            yield "confidence", f"{self.category} (median {np.median(self.confidence):.2f})"
        else:
            yield "beats", "none found"
        if intervals.count:
            spread = (("SD", intervals.sd), ("RMSSD", intervals.rmssd))
            yield "rate", f"{intervals.rate:.1f} beats a minute"
            yield (
                "intervals",
                f"{intervals.count:,}: mean {intervals.mean:.3f} s"
                + "".join(f", {name} {value:.3f} s" for name, value in spread if not np.isnan(value)),
            )
        if self.unjudged:
            total, n = sum(each.stop - each.start for each in self.unjudged), len(self.unjudged)
            reasons = ", ".join(sorted({each.reason for each in self.unjudged}))
            yield "not judged", f"{total:.2f} s in {n:,} stretch{'es' * (n > 1)} ({reasons})"


def confidence_category(height: float) -> Confidence:
    """Return how sure the model is of a peak of this height, by the published thresholds."""
    return "low" if height < MEDIUM else "medium" if height <= HIGH else "high"
