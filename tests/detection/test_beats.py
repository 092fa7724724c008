"""Beats: the published trace and peaks, positions at the recording's rate, and what is not judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from physiolect import Recording, detect_beats, load_checkpoint, read_recording, synthetic
from physiolect.detection import confidence_category
from physiolect.detection.beats import find_beats
from physiolect.detection.windows import encode_windows, judged_windows
from physiolect.errors import CheckpointError, ConfigError, ContractError
from physiolect.events import Event, Progress

from .conftest import Make, Tops


def pulse(seconds: float, fs: float = 125.0, seed: int = 1) -> Recording:
    return synthetic.ppg(seconds=seconds, fs=fs, seed=seed)


def test_trace_and_beats_are_the_published_ones(golden: Path, weights: Path, examples: Path) -> None:
    checkpoint = load_checkpoint(weights / "PPGPT_beat_5k_iters.zip")
    recording = read_recording(
        examples / "example_context_PPG_beat_detect_long_input.csv", fs=50.0, modality="ppg"
    )
    found = detect_beats(checkpoint, recording)
    start = np.arange(0, recording.n_samples, 100)
    stop = np.minimum(start + 500, recording.n_samples)
    with np.load(golden / "beat_ppg__example_context_PPG_beat_detect_long_input.npz") as expected:
        ids, _ = encode_windows(checkpoint, recording.signal, start, stop, 500)
        np.testing.assert_array_equal(ids, expected["windows"])
        said = judged_windows(
            checkpoint,
            recording.signal,
            start,
            stop,
            500,
            batch_size=64,
            last_only=False,
            tell=lambda *_: None,
        )
        windows = np.concatenate([each for _, each, _ in said])
        np.testing.assert_allclose(windows, expected["window_probs"], atol=1e-4)
        np.testing.assert_allclose(found.trace, expected["stitched_prob"], atol=1e-4)
        np.testing.assert_array_equal(found.samples, expected["peaks"])
        np.testing.assert_allclose(found.confidence, expected["peak_heights"], atol=1e-4)
        assert found.category == str(expected["category"]).lower()
    assert found.unjudged == ()


def test_beats_stand_at_the_recordings_own_rate(weights: Path) -> None:
    """A beat is marked near the systolic peak, within 0.1 s, whatever the rate of the recording."""
    checkpoint = load_checkpoint(weights / "PPGPT_beat_5k_iters.zip")
    for fs in (125.0, 40.0):
        recording = pulse(20, fs)
        found = detect_beats(checkpoint, recording)
        truth = recording.annotations.sample / fs
        assert len(found.samples) == pytest.approx(len(truth), abs=1)
        distance = np.abs(found.times[:, None] - truth).min(1)
        assert np.median(distance) < 0.1
        assert found.samples.max() < recording.n_samples
        assert found.intervals.rate == pytest.approx(60 / np.diff(truth).mean(), rel=0.05)


def test_no_beats_is_a_state(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("physiolect.detection.beats.find_beats", lambda *_: np.empty(0, np.int64))
    found = detect_beats(make("beats"), pulse(10))
    assert not found.found
    assert (found.category, found.categories, len(found.annotations())) == (None, (), 0)
    assert found.intervals.to_dict() == {
        "count": 0, "rate_bpm": None, "mean_s": None, "sd_s": None, "rmssd_s": None,
    }  # fmt: skip


def test_batches_and_strides_cover_every_sample(make: Make) -> None:
    recording = pulse(9.7)
    one, many = (detect_beats(make("beats"), recording, batch_size=n) for n in (1, 64))
    np.testing.assert_allclose(one.trace, many.trace, atol=1e-6)
    assert len(one.trace) == 485
    assert not np.isnan(one.trace).any()
    wide = detect_beats(make("beats"), recording, stride=2.0)
    assert not np.isnan(wide.trace).any()
    assert not np.allclose(wide.trace, one.trace, atol=1e-3)


def test_between_gaps_lies_a_recording_of_its_own(make: Make) -> None:
    recording = pulse(20)
    signal = recording.signal.copy()
    signal[0, 625:650] = np.nan  # 5 to 5.2 s
    signal[0, 750:1000] = np.nan  # 6 to 8 s: 0.8 s are left between
    broken = detect_beats(make("beats"), replace(recording, signal=signal))
    assert [each.reason for each in broken.unjudged] == ["gap", "short", "gap"]
    np.testing.assert_allclose([each.start for each in broken.unjudged], [5, 5.2, 6], atol=0.021)
    assert broken.unjudged[-1].stop == pytest.approx(8, abs=0.021)
    alone = detect_beats(make("beats"), recording.slice(8, 20))
    np.testing.assert_allclose(broken.trace[-550:], alone.trace[-550:], atol=0.2)
    assert not np.isnan(broken.trace[400:]).any()
    assert not ((broken.times > 5) & (broken.times < 8)).any()


def test_no_interval_counts_across_a_gap(make: Make) -> None:
    recording = pulse(20)
    signal = recording.signal.copy()
    signal[0, 1250:1300] = np.nan
    found = detect_beats(make("beats", kind=Tops), replace(recording, signal=signal))
    assert len(found.samples) > 15
    assert found.intervals.count == len(found.samples) - 2


def test_what_only_flat_windows_cover_is_not_judged(make: Make) -> None:
    recording = pulse(20)
    signal = recording.signal.copy()
    signal[0, 1000:1750] = 0.5  # 8 to 14 s
    found = detect_beats(make("beats"), replace(recording, signal=signal))
    (stretch,) = found.unjudged
    assert stretch.reason == "flat"
    assert 8 <= stretch.start < 10.1
    assert 11.9 < stretch.stop <= 14


def test_ctrl_c_keeps_what_was_judged(make: Make) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, Progress) and event.done == 4:
            raise KeyboardInterrupt

    found = detect_beats(make("beats"), pulse(20), batch_size=2, on_event=stop)
    assert found.interrupted
    (rest,) = found.unjudged
    assert rest.reason == "interrupted"
    assert rest.stop == 20
    assert np.isfinite(found.trace[:100]).all()


def test_peaks_are_those_of_the_published_thresholds_at_any_rate() -> None:
    at = np.arange(2000)
    trace = np.zeros(2000)
    for place, height in ((300, 0.9), (310, 0.5), (600, 0.014), (900, 0.3), (1500, 0.1)):
        trace = np.maximum(trace, height * np.exp(-((at - place) ** 2) / 8))
    trace[1200:1240] = 0.8  # too wide
    assert find_beats(trace, 50.0).tolist() == [300, 900, 1500]
    assert find_beats(np.repeat(trace, 2), 100.0).tolist() == [600, 1800, 3000]
    trace[895:905] = np.nan
    assert find_beats(trace, 50.0).tolist() == [300, 1500]


@pytest.mark.parametrize(
    ("height", "word"), [(0.205, "low"), (0.2051, "medium"), (0.4598, "medium"), (0.46, "high")]
)
def test_confidence_in_a_word(height: float, word: str) -> None:
    assert confidence_category(height) == word


def test_refusals(make: Make) -> None:
    checkpoint, recording = make("beats"), pulse(5)
    with pytest.raises(ContractError, match="needs at least 2 s"):
        detect_beats(checkpoint, recording.slice(0, 1.6))
    with pytest.raises(ConfigError, match="beats between two would be missed"):
        detect_beats(checkpoint, recording, stride=2.1)
    with pytest.raises(CheckpointError, match="detects a rhythm, but one that finds beats is needed") as told:
        detect_beats(make("rhythm"), recording)
    assert "PPGPT_beat" in told.value.hint
