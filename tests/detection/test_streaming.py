"""What is told while a signal comes in is what is told of it whole, and in time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physiolect import Recording, detect_beats, detect_rhythm, load_checkpoint, read_recording, synthetic
from physiolect.detection import BeatDecision, BeatStream, RhythmStream, Unjudged
from physiolect.errors import CheckpointError, ConfigError, ContractError

from .conftest import Make, Tops


def pulse(seconds: float, fs: float = 125.0, seed: int = 1) -> Recording:
    return synthetic.ppg(seconds=seconds, fs=fs, seed=seed)


def holed(seconds: float) -> Recording:
    """A pulse with a short gap, two long ones 0.8 s apart, a flat stretch, and a gap at its end."""
    recording = pulse(seconds)
    signal = recording.signal.copy()
    signal[0, 100:105] = np.nan
    signal[0, 625:650] = np.nan
    signal[0, 750:1000] = np.nan
    signal[0, 2000:2700] = 0.5
    signal[0, -40:] = np.nan
    return replace(recording, signal=signal)


def run(stream: Any, signal: np.ndarray, piece: int) -> Iterator[Any]:
    for i in range(0, len(signal), piece):
        yield from stream.push(signal[i : i + piece])
    yield from stream.finish()


@pytest.mark.parametrize("piece", [1, 7, 400, 10_000])
@pytest.mark.parametrize("whole", [pulse(30), holed(30)], ids=["clean", "holed"])
def test_beats_of_a_stream_are_those_of_the_recording(make: Make, whole: Recording, piece: int) -> None:
    checkpoint = make("beats", kind=Tops)
    expected = detect_beats(checkpoint, whole)
    told = list(run(BeatStream(checkpoint, fs=whole.fs), whole.signal[0], piece))
    beats = [each for each in told if isinstance(each, BeatDecision)]
    assert len(expected.samples) > 15
    assert [each.sample for each in beats] == expected.samples.tolist()
    np.testing.assert_allclose([each.confidence for each in beats], expected.confidence, atol=1e-5)
    assert [each.category for each in beats] == list(expected.categories)
    stretches = [each for each in told if isinstance(each, Unjudged)]
    assert [each.reason for each in stretches] == [each.reason for each in expected.unjudged]
    np.testing.assert_allclose(
        [each[:2] for each in stretches], [each[:2] for each in expected.unjudged] or np.empty(0), atol=1e-9
    )


@pytest.mark.parametrize("piece", [1, 333])
def test_windows_of_a_stream_are_those_of_a_recording_that_ends_with_one(make: Make, piece: int) -> None:
    checkpoint, whole = make("rhythm"), holed(30)
    expected = detect_rhythm(checkpoint, whole, stride=1.0)
    told = list(run(RhythmStream(checkpoint, fs=125.0, stride=1.0), whole.signal[0], piece))
    np.testing.assert_allclose([each.time for each in told], expected.time)
    np.testing.assert_allclose([each.probability for each in told], expected.probability, atol=1e-5)
    assert [each.reason for each in told] == list(expected.reasons)


def test_nothing_is_told_later_than_stated(make: Make) -> None:
    signal = pulse(30).signal[0]
    rhythm = RhythmStream(make("rhythm"), fs=125.0, stride=0.5)
    told = [each for sample in signal for each in rhythm.push(sample)]
    assert len(told) == 56
    assert rhythm.delay == pytest.approx(16 / 50)
    assert all(0 <= each.after <= rhythm.delay for each in told)
    assert all(0 < each.compute < 10 for each in told)
    for latency in (None, 1.0):
        beats = BeatStream(make("beats", kind=Tops), fs=125.0, latency=latency)
        assert beats.delay == pytest.approx((latency or 2.0) + 0.5 + 0.32)
        found = [each for sample in signal for each in beats.push(sample)]
        assert found
        late = [each for each in found if each.after > beats.delay + 1 / 50]
        assert all(each.after >= 0 for each in found)
        assert all(
            each.time + each.after <= 2.0 + 0.32 + 1 / 50 for each in late
        )  # the first window must fill


def test_a_shorter_latency_finds_the_published_beats_sooner(weights: Path, examples: Path) -> None:
    checkpoint = load_checkpoint(weights / "PPGPT_beat_5k_iters.zip")
    path = examples / "example_context_PPG_beat_detect_long_input.csv"
    recording = read_recording(path, fs=50.0, modality="ppg", stop=60)
    exact, soon = (
        list(run(BeatStream(checkpoint, fs=50.0, latency=latency), recording.signal[0], 50))
        for latency in (None, 2.0)
    )
    assert [each.sample for each in exact] == detect_beats(checkpoint, recording).samples.tolist()
    near = np.abs(np.subtract.outer([b.sample for b in soon], [b.sample for b in exact]))
    assert len(soon) == len(exact)
    assert near.min(0).max() <= 2


def test_memory_is_that_of_the_latest_signal(make: Make) -> None:
    beats, rhythm = BeatStream(make("beats"), fs=125.0), RhythmStream(make("rhythm"), fs=125.0)
    for stream in (beats, rhythm):
        for seed in range(4):
            stream.push(pulse(20, seed=seed).signal[0])
        assert len(stream._signal) < 500
    assert len(beats._history._trace) <= 1500
    assert len(beats._total) < 500


def test_an_hour_of_gap_is_waited_out_sample_by_sample(make: Make) -> None:
    stream = RhythmStream(make("rhythm"), fs=50.0)
    for sample in pulse(5, fs=50.0).signal[0]:
        stream.push(sample)
    begun = time.process_time()
    for _ in range(50 * 3600):
        assert stream.push(np.nan) == []
    assert time.process_time() - begun < 10  # as against minutes, were each to look at all before it
    assert len(stream._feed._waiting) <= 4097
    told = [each for sample in pulse(5, fs=50.0).signal[0] for each in stream.push(sample)]
    assert [each.reason for each in told[:1800]] == ["gap"] * 1800
    assert told[-1].reason == ""


def test_what_no_float_can_hold_is_missing(make: Make) -> None:
    signal = pulse(6, fs=50.0).signal[0].astype(float)
    signal[120] = 1e300
    assert [each.reason for each in run(RhythmStream(make("rhythm"), fs=50.0), signal, 1)] == ["", "", ""]


def test_refusals(make: Make) -> None:
    with pytest.raises(ContractError, match=r"ended after 1.6 s \(200 samples at 125 Hz\), .* at least 2 s"):
        list(run(RhythmStream(make("rhythm"), fs=125.0), np.zeros(200), 10))
    with pytest.raises(ContractError, match="ended after 0 s"):
        BeatStream(make("beats"), fs=125.0).finish()
    with pytest.raises(ContractError, match="still coming in"):
        BeatStream(make("beats", passband=(0.5, 8.0)), fs=125.0)
    with pytest.raises(ContractError, match="above 0"):
        RhythmStream(make("rhythm"), fs=0.0)
    with pytest.raises(CheckpointError, match="one that finds beats is needed"):
        BeatStream(make("rhythm"), fs=125.0)
    with pytest.raises(ConfigError, match=r"latency is 0.1 s, but must be from 0.4 s, the stride, to 2 s"):
        BeatStream(make("beats"), fs=125.0, latency=0.1)


@pytest.mark.parametrize(("task", "kind"), [("rhythm", RhythmStream), ("beats", BeatStream)])
def test_a_signal_of_gaps_alone_is_refused(make: Make, task: str, kind: Any) -> None:
    with pytest.raises(ContractError, match="every sample of the signal was missing"):
        list(run(kind(make(task), fs=50.0), np.full(500, np.nan), 50))
