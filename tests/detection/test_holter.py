"""Beats, rhythm and classes in one pass, what a day of them shows, and the pulses of a PPG."""

from __future__ import annotations

from dataclasses import replace
from datetime import time

import numpy as np
import pytest
import torch

import physiolect
from physiolect import Recording, synthetic
from physiolect.detection import HolterResult, PulseResult, detect_all, windows
from physiolect.detection.holter import Detectors
from physiolect.errors import CheckpointError, ConfigError
from physiolect.events import Message
from physiolect.models.encoder import Encoder

from ..detectors import beat_finder, three


class Silent(Encoder):
    """Finds no beat."""

    def forward(self, x: torch.Tensor, **_: object) -> torch.Tensor:
        return torch.full((len(x), x.shape[-1], 1), -9.0)


@pytest.fixture(scope="module")
def recording() -> Recording:
    made = synthetic.ecg(seconds=300, fs=250.0, leads=("II", "V1"), ectopic_rate=0.1, seed=4)
    signal = made.signal.copy()
    signal[:, 30_000:35_000] = np.nan
    return replace(made, signal=signal, start_time=time(23, 58))


@pytest.fixture(scope="module")
def found(recording: Recording) -> HolterResult:
    result = detect_all(recording, detectors=three())
    assert isinstance(result, HolterResult)
    return result


def test_the_three_agree_on_the_beats(found: HolterResult, recording: Recording) -> None:
    truth = recording.annotations.sample / recording.fs
    truth = truth[(truth < 119) | (truth > 141)]
    assert (np.abs(found.times[:, None] - truth).min(0) < 0.02).mean() > 0.95
    np.testing.assert_allclose(found.times, found.beats.peak_times)
    assert len(found.heartbeats.probability) == len(found.times)
    assert found.heartbeats.rhythm is not None
    assert sum(found.heartbeats.counts.values()) == int(found.heartbeats.judged.sum())


def test_the_recording_is_adapted_once_for_each_lead(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    adapt = windows.adapt
    monkeypatch.setattr(
        windows, "adapt", lambda *args, **named: calls.append(args[2]) or adapt(*args, **named)
    )
    detect_all(recording, detectors=three())
    assert len(calls) == 2


def test_nothing_counts_across_what_was_not_judged(found: HolterResult) -> None:
    rr = found.columns()["rr_s"]
    over = np.flatnonzero((found.times[1:] > 130) & (found.times[:-1] < 130))
    assert np.isnan(rr[over + 1]).all()
    assert not any(each.start < 130 < each.stop for each in (*found.pauses, *found.without_beats))
    names = {each.rhythm for each in found.episodes() if each.start >= 125 and each.stop <= 135}
    assert names <= {None}


def test_one_gap_is_told_in_the_singular(found: HolterResult) -> None:
    assert any("1 gap longer than 0.1 s was bridged" in notice for notice in found.report.notices)


def test_marks_are_symbols_of_wfdb_in_order(found: HolterResult) -> None:
    marks = found.annotations()
    assert set(marks.symbol) <= {"N", "S", "V", "F", "Q", "+", '"', "?"}
    assert (np.diff(marks.sample) >= 0).all()
    rhythms = [note for _, symbol, note in marks if symbol == "+"]
    assert set(rhythms) <= {"(AFIB", "(N"}
    assert rhythms
    assert sum(symbol not in '+"' for symbol in marks.symbol) == len(found.times)


def test_hours_have_clock_times_and_add_up(found: HolterResult) -> None:
    (hour,) = found.hours
    assert sum(hour.beats.values()) == int(found.heartbeats.judged.sum())
    assert hour.judged == pytest.approx(1 - 20 / 300, abs=0.01)
    assert hour.lowest <= hour.rate <= hour.highest
    assert (found.moment(0), found.moment(121)) == ("23:58:00", "00:00:01")
    assert found.columns()["clock_time"][0].startswith("23:58:0")
    whole = replace(found, recording=replace(found.recording, start_time=None), first=3600.0)
    assert whole.moment(61) == "1:01:01"


def test_results_become_text_json_and_tables(found: HolterResult) -> None:
    for word in ("beats", "rate", "AF", "pauses", "V beats", "S beats", "not judged"):
        assert word in found.summary
    held = found.to_dict()
    assert held["beats"] == len(found.times)
    assert held["hours"][0]["beats"] == found.heartbeats.counts
    assert len(found.to_frame()) == len(found.times)


def test_a_recording_without_beats_is_a_result() -> None:
    noise = np.random.default_rng(0).normal(size=(1, 5000)).astype(np.float32)
    detectors = replace(three(), beats=beat_finder(Silent))
    result = detect_all(Recording(noise, 250.0, ("II",), unit="mV"), detectors=detectors)
    assert isinstance(result, HolterResult)
    assert "beats" in result.summary
    assert result.to_dict()["pauses"] == []
    result.plot()


def test_without_a_checkpoint_the_packages_detectors_are_used(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("physiolect.detection.holter.load_detectors", three)
    assert isinstance(physiolect.detect(recording), HolterResult)
    with pytest.raises(ConfigError, match="stride cannot be used without a checkpoint"):
        physiolect.detect(recording, stride=1.0)
    with pytest.raises(ConfigError, match="a recording alone, or first a checkpoint"):
        physiolect.detect(recording, recording)


def test_detectors_of_other_tasks_are_refused() -> None:
    given = three()
    with pytest.raises(CheckpointError, match="detects a rhythm"):
        Detectors(given.rhythm, given.rhythm, given.heartbeats)


def test_a_ppg_is_searched_by_neurokit_and_says_so() -> None:
    pytest.importorskip("neurokit2")
    made = synthetic.ppg(seconds=60, fs=125.0, seed=2)
    messages: list[str] = []
    result = physiolect.detect(
        made, on_event=lambda event: messages.append(event.text) if isinstance(event, Message) else None
    )
    assert isinstance(result, PulseResult)
    assert "NeuroKit2" in messages[0]
    truth = made.annotations.sample / made.fs
    assert result.intervals.rate == pytest.approx(60 / np.diff(truth).mean(), rel=0.03)
    assert set(result.annotations().symbol) == {"N"}
    assert "NeuroKit2" in result.summary
    result.plot()


def test_no_interval_of_pulses_counts_across_a_gap() -> None:
    pytest.importorskip("neurokit2")
    made = synthetic.ppg(seconds=60, fs=125.0, seed=2)
    signal = made.signal.copy()
    signal[:, 2500:3750] = np.nan
    result = detect_all(replace(made, signal=signal))
    assert isinstance(result, PulseResult)
    assert not ((result.times > 20.1) & (result.times < 29.9)).any()
    assert result.intervals.mean < 1.5


@pytest.mark.parametrize(
    ("names", "usual", "described_by"),
    [
        (("CH4 Input", "ECG"), "ECG", ("ECG",)),
        (("ECG", "UC"), "ECG", ("ECG",)),
        (("A2", "ECG A3", "ECG A4"), "ECG A3", ("ECG A3", "ECG A4")),
        (("V5", "V1", "II"), "II", ("II", "V1")),
        (("V5", "aVF", "V1"), "V5", ("V5", "V1")),
        (("I", "I", "V1"), "I", ("I", "V1")),
    ],
)
def test_beats_are_described_by_what_is_an_ecg(
    names: tuple[str, ...], usual: str, described_by: tuple[str, ...]
) -> None:
    made = synthetic.ecg(seconds=20, fs=250.0, leads=("II",), seed=4)
    signal = np.repeat(made.signal, len(names), 0) * np.arange(1, len(names) + 1)[:, None]
    noise = np.random.default_rng(0).integers(0, 4, signal.shape[1])
    for row, name in enumerate(names):
        if name in ("A2", "UC", "CH4 Input"):
            signal[row] = noise
    recording = Recording(signal.astype(np.float32), 250.0, names, unit="mV")
    result = detect_all(recording, detectors=three())
    assert isinstance(result, HolterResult)
    assert result.recording.channels == described_by
    assert result.beats.recording.channels == (usual,)
    assert any(usual in step for step in result.report.steps)


def test_a_dead_lead_describes_no_beat() -> None:
    made = synthetic.ecg(seconds=20, fs=250.0, leads=("II", "V1", "V5"), seed=4)
    signal = made.signal.copy()
    signal[1] = 0.3
    result = detect_all(replace(made, signal=signal), detectors=three())
    assert result.recording.channels == ("II", "V5")


def test_a_gap_of_the_second_lead_leaves_beats_to_the_first() -> None:
    made = synthetic.ecg(seconds=60, fs=250.0, leads=("II", "V1"), seed=4)
    signal = made.signal.copy()
    signal[1, 5000:] = np.nan
    result = detect_all(replace(made, signal=signal), detectors=three())
    assert isinstance(result, HolterResult)
    assert result.heartbeats.judged.all()
    assert "not sorted" not in result.summary
    assert any("V1 is missing for 40.0 s" in notice for notice in result.report.notices)
    alone = detect_all(replace(made, signal=signal).slice(20.0, 60.0).select(["II"]), detectors=three())
    late = result.times > 25
    np.testing.assert_allclose(
        result.heartbeats.probability[late][-10:], alone.heartbeats.probability[-10:], atol=0.1
    )
    nothing = np.full_like(result.heartbeats.probability, np.nan)
    unsorted = replace(result, heartbeats=replace(result.heartbeats, probability=nothing))
    assert f"{len(result.times)} not sorted" in unsorted.summary
