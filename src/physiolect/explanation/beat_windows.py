"""The last windows of heartbeats of a recording, as a model that reads heartbeats sees them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.contract import AdaptationReport, select_channels
from physiolect.datasets.examples.beat_examples import lay_beats
from physiolect.datasets.examples.labels import beat_samples
from physiolect.detection import lay_out
from physiolect.detection.beat_windows import FEWEST, Beats, beat_seconds
from physiolect.detection.heartbeats import beat_leads, beat_stretches, rhythm_around
from physiolect.detection.rhythm_result import RhythmResult
from physiolect.errors import ConfigError, ContractError
from physiolect.events import Reporter
from physiolect.explanation.window import BeatWindow
from physiolect.recording import Recording
from physiolect.signals.r_peaks import detect_r_peaks

_BATCH = 64


@dataclass(frozen=True, eq=False)
class BeatSource:
    """What is known of a recording's heartbeats."""

    beats: Beats | None = None
    """Where they are; None takes the marks of the recording, or finds them by their slope."""
    rhythm: RhythmResult | Checkpoint | str | Path | None = None
    """How likely a rhythm is around each, for models that read it."""
    report: Reporter = field(default_factory=lambda: Reporter(None))
    """Gets messages."""


def cut_beats(
    checkpoint: Checkpoint,
    recording: Recording,
    *,
    channel: str | int | None,
    first: float,
    limit: int | None,
    query: float | None,
    source: BeatSource,
) -> list[BeatWindow]:
    """Return the last windows of heartbeats of a recording, in order of time; see `cut_windows`.

    Raises:
        ContractError: the recording cannot be adapted, or holds no heartbeats.
        ConfigError: no beat is judged near the query.
    """
    of_window = checkpoint.outputs.scope == "window"
    leads = (
        [_usual(checkpoint, recording, channel)] if of_window else beat_leads(checkpoint, recording, channel)
    )
    times = _beats(recording, leads, source)
    if not len(times):
        raise ContractError(
            "no heartbeats were found in the recording", hint="choose another channel, or give the beats"
        )
    n_leads, names = checkpoint.beats.n_leads, ", ".join(recording.channels[lead] for lead in leads)
    if len(leads) < n_leads:
        source.report.say(
            f"heartbeats are described by {names}; the model takes {n_leads} leads: others count as not known"
        )
    cut = _Cutter(checkpoint, recording, tuple(leads), times, first)
    found = cut.rhythm_windows(limit) if of_window else cut.class_windows(limit, query, source)
    if query is not None and not of_window and not found:
        raise ConfigError(
            f"no heartbeat is judged near {query:g} s",
            hint=f"choose a moment of a beat between {first + times[0]:.2f} and {first + times[-1]:.2f} s",
        )
    return found


@dataclass(frozen=True, eq=False)
class _Cutter:
    """Cuts windows out of one recording whose beats are known."""

    checkpoint: Checkpoint
    recording: Recording
    leads: tuple[int, ...]
    times: NDArray[np.float64]
    """(n,) beats, in seconds from the recording's first sample."""
    first: float

    def class_windows(self, limit: int | None, query: float | None, source: BeatSource) -> list[BeatWindow]:
        """Return the windows in which `detect` judges heartbeats."""
        model, fs = self.checkpoint, self.checkpoint.contract.fs
        tracks = [lay_out(self.recording, model.contract, lead) for lead in self.leads]
        around, notices = rhythm_around(
            model, self.recording, source.rhythm, self.times, channel=self.leads[0], batch_size=_BATCH,
            threads=None, on_event=source.report.send,
        )  # fmt: skip
        for notice in notices:
            source.report.say(notice)
        wanted = None if query is None else _nearest(self.first + self.times, query)
        found: list[BeatWindow] = []
        for begin, end, signal, offset in reversed(beat_stretches(tracks, self.times * fs)):
            rhythm = None if around is None else around[begin:end]
            tokens = model.encode_beats(signal, self.times[begin:end] * fs - offset, rhythm)
            starts, counts, cores = lay_beats(end - begin, model.model.context_length)
            for at, n, core in zip(
                starts[::-1].tolist(), counts[::-1].tolist(), cores[::-1].tolist(), strict=True
            ):
                if limit is not None and len(found) == limit:
                    return found[::-1]
                beats = self.times[begin + at : begin + at + n]
                if query is None or (wanted is not None and core[0] <= wanted - begin - at < core[1]):
                    found.append(
                        self._window(tokens[at : at + n], beats, (core[0], core[1]), tracks[0].report)
                    )
        return found[::-1]

    def rhythm_windows(self, limit: int | None) -> list[BeatWindow]:
        """Return windows of the contract's length, counted back from the end, that hold enough beats."""
        model, contract = self.checkpoint, self.checkpoint.contract
        track = lay_out(self.recording, contract, self.leads[0])
        samples = self.times * contract.fs
        tokens = model.encode_beats(track.signal, samples)
        length = min(contract.max_samples, track.n_samples)
        starts = np.arange(track.n_samples - length, -1, -length)[:limit][::-1]
        found = []
        for start, gap in zip(starts.tolist(), track.touches_gap(starts, length).tolist(), strict=True):
            a, b = np.searchsorted(samples, (start, start + length)).tolist()
            if not gap and b - a >= FEWEST:
                b = min(b, a + model.model.context_length)
                found.append(self._window(tokens[a:b], self.times[a:b], (0, b - a), track.report))
        return found

    def _window(
        self,
        tokens: NDArray[np.float32],
        beats: NDArray[np.float64],
        core: tuple[int, int],
        report: AdaptationReport,
    ) -> BeatWindow:
        chosen = self.recording.select(list(self.leads))
        usual = float(np.median(np.diff(beats))) / 2 if len(beats) > 1 else 0.4
        begin = max(0.0, float(beats[0]) - usual)
        end = min(float(beats[-1]) + max(usual, 1.5 / chosen.fs), chosen.duration)
        stretch = chosen.slice(begin, end)
        units = set(chosen.units)
        signal = stretch.signal[0] if len(self.leads) == 1 else stretch.signal
        return BeatWindow(
            inputs=np.concatenate([tokens.T, np.ones((1, len(tokens)), np.float32)]), signal=signal,
            start=self.first + round(begin * chosen.fs) / chosen.fs, fs=chosen.fs, channels=chosen.channels,
            unit=units.pop() if len(units) == 1 else None, report=report, recording=stretch,
            beats=self.first + beats, core=core,
        )  # fmt: skip


def _usual(checkpoint: Checkpoint, recording: Recording, channel: str | int | None) -> int:
    """Return the row of the one channel that describes beats."""
    if isinstance(channel, int):
        return channel
    return recording.channels.index(select_channels(recording, checkpoint.contract, channel).channels[0])


def _nearest(beats: NDArray[np.float64], moment: float) -> int | None:
    """Return the number of the beat nearest to a moment; None where it is more than a second away."""
    away = np.abs(beats - moment)
    return int(away.argmin()) if away.min() <= 1 else None


def _beats(recording: Recording, leads: list[int], source: BeatSource) -> NDArray[np.float64]:
    """Return when the beats are: as given, as marked, or as found in these leads."""
    beats = source.beats
    if beats is None:
        marked = np.sort(beat_samples(recording.annotations))
        if len(marked):
            source.report.say(f"heartbeats are those that the recording marks: {len(marked):,}")
            beats = marked
        else:
            beats = detect_r_peaks(recording.signal[leads], recording.fs)
            source.report.say(
                f"the recording marks no heartbeats: {len(beats):,} were found by their slope (give others by beats)"
            )
    return beat_seconds(
        beats, recording, channel=leads[0], batch_size=_BATCH, threads=None, on_event=source.report.send
    )
