"""What was detected, in words, as a table, as JSON and as a figure."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, time

import numpy as np
import pytest

from physiolect import Recording
from physiolect.contract import AdaptationReport
from physiolect.detection import BeatResult, RhythmResult, Unjudged

REPORT = AdaptationReport((), (), 0.0, ("mV",), (1.0,), (0.0,))


def recording(seconds: float, fs: float) -> Recording:
    wave = np.sin(np.arange(round(seconds * fs)) / 9)
    return Recording(wave, fs, ("II",), "mV", source="folder/x")


def rhythm(probability: list[float]) -> RhythmResult:
    start = np.arange(len(probability)) * 5.0
    return RhythmResult(
        recording=recording(5.0 * len(probability), 360.0), fs=100.0, report=REPORT, first=100.0,
        probability=np.array(probability, np.float32), start=start, time=start + 5,
        reasons=tuple("flat" if np.isnan(each) else "" for each in probability), window=5.0, stride=5.0,
    )  # fmt: skip


@pytest.fixture
def beats() -> BeatResult:
    return BeatResult(
        recording=recording(10, 100.0), fs=50.0, report=REPORT, first=100.0,
        samples=np.array([100, 200, 310, 900]), confidence=np.array([0.9, 0.3, 0.5, 0.1], np.float32),
        trace=np.zeros(500, np.float32), unjudged=(Unjudged(4.0, 6.5, "gap"),),
    )  # fmt: skip


def test_rhythm_in_words() -> None:
    found = rhythm([0.1, 0.9, 0.8, np.nan, 0.7, 0.2])
    assert found.summary.splitlines() == [
        "rhythm of folder/x, II, 100 to 130 s",
        "  windows     6 of 5 s, 5 s apart; 1 not judged (flat)",
        "  AF          3 of 5 windows (60.0%) at 0.5 or above",
        "  longest     105.00 to 115.00 s, 10 s",
        "              120.00 to 125.00 s, 5 s",
    ]
    assert repr(found) == "RhythmResult(rhythm of folder/x, II, 100 to 130 s)"
    assert "<pre>rhythm of folder/x" in found._repr_html_()
    told = found.to_dict()
    assert told["windows"]["median_probability"] == pytest.approx(0.7)
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_what_was_not_judged_is_not_called_healthy() -> None:
    found = rhythm([np.nan, np.nan])
    assert found.to_dict()["windows"]["positive_share"] is None
    assert "not known: no window could be judged" in found.summary
    assert not found.anything_judged


def test_only_the_longest_episodes_are_listed() -> None:
    words = rhythm([0.9, 0.1] * 15).summary
    assert words.count(" s, 5 s\n") == 10
    assert words.endswith("and 5 more")


def test_a_table_of_windows() -> None:
    frame = rhythm([0.1, 0.9, np.nan]).to_frame()
    assert list(frame.columns) == ["start_s", "time_s", "probability", "rhythm", "not_judged"]
    assert frame["time_s"].tolist() == [105.0, 110.0, 115.0]
    assert frame["rhythm"].tolist() == ["N", "AFIB", ""]
    assert frame["not_judged"].tolist() == ["", "", "flat"]


def test_beats_in_words(beats: BeatResult) -> None:
    assert beats.summary.splitlines() == [
        "beats of folder/x, II, 100 to 110 s",
        "  beats       4: 2 high, 1 medium, 1 low",
        "  confidence  medium (median 0.40)",
        "  rate        57.1 beats a minute",
        "  intervals   2: mean 1.050 s, SD 0.071 s, RMSSD 0.100 s",
        "  not judged  2.50 s in 1 stretch (gap)",
    ]
    told = beats.to_dict()
    assert told["unjudged"] == [{"start": 104.0, "stop": 106.5, "reason": "gap"}]
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_a_table_of_beats(beats: BeatResult) -> None:
    frame = beats.to_frame()
    assert list(frame.columns) == ["time_s", "sample", "confidence", "category"]
    assert frame["time_s"].tolist() == [101.0, 102.0, 103.1, 109.0]
    assert frame["sample"].tolist() == [10100, 10200, 10310, 10900]
    assert frame["category"].tolist() == ["high", "medium", "high", "low"]


def test_moments_are_times_of_day_where_the_recording_states_its_start(beats: BeatResult) -> None:
    late = datetime(2020, 2, 3, 23, 59, 58)
    dated = replace(beats, recording=replace(beats.recording, start_time=late))
    assert dated.columns()["clock_time"] == ["23:59:59.000", "00:00:00.000", "00:00:01.100", "00:00:07.000"]
    windows = rhythm([0.1, 0.9])
    windows = replace(windows, recording=replace(windows.recording, start_time=time(8, 0)))
    assert windows.columns()["clock_time"] == ["08:00:05.000", "08:00:10.000"]
    for found, first in ((dated, "23:59:58"), (windows, "08:00:00")):
        figure = found.plot()
        figure.canvas.draw()
        labels = [label.get_text() for axes in figure.axes for label in axes.get_xticklabels()]
        assert first in labels
        assert figure.axes[-1].get_xlabel() == "time of day"
        assert "2020" not in "".join(labels)


def test_figures(beats: BeatResult) -> None:
    for found in (beats, rhythm([0.1, 0.9, np.nan])):
        figure = found.plot()
        assert figure._suptitle is not None  # type: ignore[attr-defined]
        assert figure._suptitle.get_text() == "x · II"  # type: ignore[attr-defined]
        assert figure.axes[-1].get_xlim()[0] >= 100
