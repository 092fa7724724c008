"""Rhythms and beats of a signal while it comes in, sample by sample."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.detection.beat_result import Confidence, Unjudged, confidence_category
from physiolect.detection.beats import Peaks, beat_stride, find_beats, peaks_of
from physiolect.detection.feed import Feed
from physiolect.detection.rhythm_result import THRESHOLD
from physiolect.detection.windows import Reason, check_answers, encode_windows, probabilities, stride_samples
from physiolect.errors import CheckpointError, ConfigError
from physiolect.signals import find_gaps
from physiolect.training import using_threads
from physiolect.training.threads import choose_threads

SETTLE = 0.5
"""Seconds of trace that must follow a peak before it is reported: no later one can then take its place."""
_HISTORY = 30.0
"""Seconds of trace in which peaks are looked for: more than a peak's width and prominence depend on."""


@dataclass(frozen=True)
class RhythmDecision:
    """How likely a rhythm is in one window, decided as soon as its samples were there."""

    start: float
    """Where the window begins, in seconds from the first sample."""
    time: float
    """Where it ends."""
    probability: float
    """From 0 to 1; NaN where the window was not judged."""
    reason: Reason
    """Why it was not."""
    after: float
    """Seconds of signal that had come after `time` when this was decided."""
    compute: float
    """Seconds that the computer then took."""
    positive: str = "AFIB"
    """Name of the rhythm that the model detects."""
    negative: str = "N"
    """Name of its opposite."""

    @property
    def is_positive(self) -> bool:
        """Whether the window counts as the rhythm; one that was not judged does not."""
        return self.probability >= THRESHOLD

    def to_dict(self) -> dict[str, Any]:
        """Return it as a line of JSON has it."""
        return {
            "start_s": self.start, "time_s": self.time,
            "probability": None if isnan(self.probability) else round(self.probability, 6),
            "rhythm": None if self.reason else self.positive if self.is_positive else self.negative,
            "not_judged": self.reason or None,
            **_lateness(self),
        }  # fmt: skip


@dataclass(frozen=True)
class BeatDecision:
    """One beat."""

    sample: int
    """Its position at the signal's own rate, from 0."""
    time: float
    """The same in seconds."""
    confidence: float
    """Height of its peak in the trace, from 0 to 1."""
    category: Confidence
    """The same in a word."""
    after: float
    """Seconds of signal that had come after `time` when this was decided."""
    compute: float
    """Seconds that the computer then took."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as a line of JSON has it."""
        return {
            "time_s": round(self.time, 6), "sample": self.sample, "confidence": round(self.confidence, 6),
            "category": self.category, **_lateness(self),
        }  # fmt: skip


def _lateness(decision: RhythmDecision | BeatDecision) -> dict[str, float]:
    return {"after_s": round(decision.after, 4), "compute_ms": round(1000 * decision.compute, 3)}


class RhythmStream:
    """Judges rhythm while a signal comes in: windows from its first sample on, each as soon as it is complete.

    Args:
        checkpoint: a rhythm model.
        fs: rate of the signal in Hz.
        stride: seconds from one window to the next; None lays them one after another.
        threads: processor threads; default: one for a small model, PyTorch's setting for a large one.

    Raises:
        CheckpointError: the checkpoint is for another task, or takes several channels.
        ContractError: the model's recordings are filtered in a way that needs all of them, or the rate is impossible.
        ConfigError: the stride is less than a sample.
    """

    def __init__(
        self, checkpoint: Checkpoint, *, fs: float, stride: float | None = None, threads: int | None = None
    ) -> None:
        check_answers(checkpoint, "window")
        _check_one_channel(checkpoint)
        self._checkpoint, self._contract = checkpoint, checkpoint.contract
        self._threads = choose_threads(threads, checkpoint.model)
        self._feed = Feed(self._contract, fs)
        self._length = self._contract.max_samples
        self._step = stride_samples(stride, self._contract.fs, self._length)
        self.delay = self._feed.delay
        """Seconds of signal after a window's end that a decision waits for at most: those the resampling looks ahead,
        and whatever gap the window ends in."""
        self._signal, self._first = np.empty(0, np.float32), 0
        self._gaps: list[tuple[int, int]] = []
        self._next = 0
        self._feed.wait_for(self._length)
        # what loads at first use is loaded, so that the first decision is no later than any other
        self._run_model(np.zeros(self._length, np.float32))

    def push(self, samples: ArrayLike) -> list[RhythmDecision]:
        """Take the next samples (n,), missing ones as NaN, and return what can now be decided."""
        return self._advance(end=False) if self._feed.push(samples) else []

    def finish(self) -> list[RhythmDecision]:
        """Return what is left to tell at the end of the signal; an incomplete window is not judged.

        Raises:
            ContractError: the signal was shorter than a window.
        """
        self._feed.check_length(self._contract)
        return self._advance(end=True)

    def _advance(self, *, end: bool) -> list[RhythmDecision]:
        begun = time.perf_counter()
        grid, gaps = self._feed.take(end=end)
        self._signal, self._gaps = np.concatenate([self._signal, grid]), [*self._gaps, *gaps]
        decided, fs = [], self._contract.fs
        negative, positive = self._checkpoint.outputs.answers
        while self._next + self._length <= self._first + len(self._signal):
            start, stop = self._next, self._next + self._length
            probability, reason = self._judge(start, stop)
            after = self._feed.received / self._feed.fs - stop / fs
            compute = time.perf_counter() - begun
            decided.append(
                RhythmDecision(start / fs, stop / fs, probability, reason, after, compute, positive, negative)
            )
            self._next += self._step
        skip = min(self._next - self._first, len(self._signal))
        self._signal, self._first = self._signal[skip:], self._first + skip
        self._gaps = [gap for gap in self._gaps if gap[1] > self._next]
        self._feed.wait_for(self._next + self._length)
        return decided

    def _judge(self, start: int, stop: int) -> tuple[float, Reason]:
        if any(a < stop and b > start for a, b in self._gaps):
            return np.nan, "gap"
        window = self._signal[start - self._first : stop - self._first]
        probability, flat = self._run_model(window)
        if flat:
            return np.nan, "flat"
        return probability, "no number" if np.isnan(probability) else ""

    def _run_model(self, window: NDArray[np.float32]) -> tuple[float, bool]:
        likely, flat = _run_window(self._checkpoint, window, self._length, self._threads, last_only=True)
        return float(likely[-1]), flat


class BeatStream:
    """Finds beats while a signal comes in.

    A sample's trace is the mean of the windows that cover it and end within `latency` seconds of it. With the longest
    latency, a whole window, that is all of them, and the beats are those of `detect_beats`, unless peaks follow one
    another so closely for longer than `SETTLE` that a later one decides about the first; a shorter latency tells
    sooner out of fewer windows.

    Args:
        checkpoint: a beat model.
        fs: rate of the signal in Hz.
        stride: seconds from the beginning of a window to that of the next; None is a fifth of a window.
        latency: from `stride` to a window's length, in seconds; None is a window's length.
        threads: processor threads; default: one for a small model, PyTorch's setting for a large one.

    Raises:
        CheckpointError: the checkpoint is for another task, or takes several channels.
        ContractError: the model's recordings are filtered in a way that needs all of them, or the rate is impossible.
        ConfigError: stride or latency is out of range.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        fs: float,
        stride: float | None = None,
        latency: float | None = None,
        threads: int | None = None,
    ) -> None:
        check_answers(checkpoint, "position")
        _check_one_channel(checkpoint)
        self._checkpoint, self._contract = checkpoint, checkpoint.contract
        self._threads = choose_threads(threads, checkpoint.model)
        self._feed = Feed(self._contract, fs)
        rate, self._length = self._contract.fs, self._contract.max_samples
        self._step = beat_stride(stride, rate, self._length)
        if latency is not None and not self._step <= latency * rate <= self._length:
            raise ConfigError(
                f"latency is {latency:g} s, but must be from {self._step / rate:g} s, the stride, "
                f"to {self._length / rate:g} s, a window",
                hint="leave it out for all windows that cover a beat, or make the stride shorter too",
            )
        self._latency = self._length if latency is None else round(latency * rate)
        self._settle = round(SETTLE * rate)
        self.delay = (self._latency + self._settle) / rate + self._feed.delay
        """Seconds of signal after a beat that a decision waits for at most: `latency`, what must follow a peak, and
        what the resampling looks ahead. A gap may make it longer, and the first beats wait for a whole window."""
        self._signal, self._first = np.empty(0, np.float32), 0
        self._gaps: list[tuple[int, int]] = []
        self._begin = self._next = 0  # of the stretch between gaps, and of the next window
        self._total, self._n_windows = np.empty(0), np.empty(0, np.int64)  # from `_history.stop` on
        self._no_number_up_to = 0
        self._history = _History(rate, peaks_of(checkpoint))
        self._feed.wait_for(self._length)
        # what loads at first use is loaded, so that the first decision is no later than any other
        _run_window(
            checkpoint, np.zeros(self._length, np.float32), self._length, self._threads, last_only=False
        )
        find_beats(np.zeros(self._length), rate)

    def push(self, samples: ArrayLike) -> list[BeatDecision | Unjudged]:
        """Take the next samples (n,), missing ones as NaN, and return what can now be decided."""
        return self._advance(end=False) if self._feed.push(samples) else []

    def finish(self) -> list[BeatDecision | Unjudged]:
        """Return what is left to tell at the end of the signal.

        Raises:
            ContractError: the signal was shorter than the contract's least.
        """
        self._feed.check_length(self._contract)
        return self._advance(end=True)

    def _advance(self, *, end: bool) -> list[BeatDecision | Unjudged]:
        begun = time.perf_counter()
        grid, gaps = self._feed.take(end=end)
        self._signal, self._gaps = np.concatenate([self._signal, grid]), [*self._gaps, *gaps]
        stop = self._first + len(self._signal)
        while self._gaps and self._gaps[0][0] <= stop:
            gap_start, gap_stop = self._gaps.pop(0)
            self._run(gap_start)
            self._close(gap_start)
            gap_stop = min(gap_stop, stop) if end else gap_stop
            self._history.append(np.full(gap_stop - gap_start, np.nan, np.float32), "gap")
            self._begin = self._next = gap_stop
        self._run(stop)
        if end:
            self._close(stop)
        skip = max(0, min(self._next - self._first, len(self._signal)))
        self._signal, self._first = self._signal[skip:], self._first + skip
        self._feed.wait_for(self._next + self._length)
        peaks, unjudged = self._history.tell(0 if end else self._settle, end=end)
        return sorted([*self._decisions(peaks, begun), *unjudged], key=_moment)

    def _run(self, stop: int) -> None:
        """Run all windows that are complete before `stop`, and fix what no later one may change."""
        while self._next + self._length <= stop:
            self._add(self._next, self._next + self._length)
            self._next += self._step
            self._fix(self._next + self._length - self._latency)

    def _close(self, stop: int) -> None:
        """End a stretch: what is left of it goes into windows filled up at their end."""
        if stop - self._begin < self._contract.min_samples:
            self._history.append(np.full(stop - self._begin, np.nan, np.float32), "short")
            return
        while self._next < stop:
            self._add(self._next, stop)
            self._next += self._step
        self._fix(stop)

    def _add(self, start: int, stop: int) -> None:
        window = self._signal[start - self._first : stop - self._first]
        likely, flat = _run_window(self._checkpoint, window, self._length, self._threads, last_only=False)
        fixed = self._history.stop
        more = max(0, stop - fixed - len(self._total))
        self._total = np.pad(self._total, (0, more))
        self._n_windows = np.pad(self._n_windows, (0, more))
        if not flat:
            if not np.isfinite(likely[: stop - start]).all():
                self._no_number_up_to = stop
                return
            late = max(0, fixed - start)  # what is fixed already stays as it is
            self._total[start + late - fixed : stop - fixed] += likely[late : stop - start]
            self._n_windows[start + late - fixed : stop - fixed] += 1

    def _fix(self, stop: int) -> None:
        n = max(0, stop - self._history.stop)
        with np.errstate(invalid="ignore"):
            piece = (self._total[:n] / self._n_windows[:n]).astype(np.float32)
        self._total, self._n_windows = self._total[n:], self._n_windows[n:]
        self._history.append(piece, "no number" if self._history.stop < self._no_number_up_to else "flat")

    def _decisions(self, peaks: list[tuple[int, float]], begun: float) -> Iterator[BeatDecision]:
        compute = time.perf_counter() - begun
        for place, height in peaks:
            sample = min(round(place / self._feed.ratio), self._feed.received - 1)
            at = sample / self._feed.fs
            after = (self._feed.received - 1) / self._feed.fs - at
            yield BeatDecision(sample, at, height, confidence_category(height), after, compute)


class _History:
    """The latest trace, and what has been reported of it."""

    def __init__(self, fs: float, kind: Peaks) -> None:
        self._fs, self._kind = fs, kind
        self._trace, self._first = np.empty(0, np.float32), 0
        self._reported = 0
        self._missing: list[tuple[int, int, Reason]] = []

    @property
    def stop(self) -> int:
        """Samples of trace that are fixed."""
        return self._first + len(self._trace)

    def append(self, piece: NDArray[np.float32], reason: Reason) -> None:
        """Add fixed samples; where they are NaN, `reason` says why."""
        for start, stop in (find_gaps(piece[np.newaxis])[:, 1:] + self.stop).tolist():
            goes_on = self._missing and self._missing[-1][1:] == (start, reason)
            first = self._missing.pop()[0] if goes_on else start
            self._missing.append((first, stop, reason))
        self._trace = np.concatenate([self._trace, piece])

    def tell(self, settle: int, *, end: bool) -> tuple[list[tuple[int, float]], list[Unjudged]]:
        """Return peaks (place, height) and unjudged stretches that are certain and new; forget what is long past."""
        certain = max(self._reported, self.stop - settle)
        places = find_beats(self._trace, self._fs, self._kind)
        new = places[(places + self._first >= self._reported) & (places + self._first < certain)]
        peaks = [(int(place) + self._first, float(self._trace[place])) for place in new]
        ended = len(self._missing) if end or not self._missing or self._missing[-1][1] < self.stop else -1
        unjudged = [Unjudged(a / self._fs, b / self._fs, why) for a, b, why in self._missing[:ended]]
        self._missing = [] if ended == len(self._missing) else self._missing[-1:]
        self._reported = certain
        skip = max(0, len(self._trace) - round(_HISTORY * self._fs))
        self._trace, self._first = self._trace[skip:], self._first + skip
        return peaks, unjudged


def _check_one_channel(checkpoint: Checkpoint) -> None:
    n = len(checkpoint.contract.channels)
    if n > 1:
        raise CheckpointError(
            f"the checkpoint takes {n} channels, but a stream is of one",
            hint="record first, and give the recording; or use a model of one channel",
        )


def _run_window(
    checkpoint: Checkpoint, window: NDArray[np.float32], length: int, threads: int, *, last_only: bool
) -> tuple[NDArray[np.float32], bool]:
    """Return the probabilities (T or 1,) for one window of up to `length` samples, and whether it is flat."""
    inputs, flat = encode_windows(
        checkpoint, window[np.newaxis], np.array([0]), np.array([len(window)]), length
    )
    with using_threads(threads, checkpoint.model):
        return probabilities(checkpoint, inputs, last_only=last_only)[0], bool(flat[0])


def _moment(decision: BeatDecision | Unjudged) -> float:
    return decision.start if isinstance(decision, Unjudged) else decision.time
