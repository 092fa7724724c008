"""A detection's numbers, and what is said of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from physiolect.detection import BeatResult, RhythmResult, Unjudged
from physiolect.report import detection_summary, detection_words

HEAD = {"input": "x", "channel": "II", "read": {"start": 100.0, "stop": 130.0}}


def rhythm(probability: list[float]) -> dict[str, Any]:
    start = np.arange(len(probability)) * 5.0
    reasons = tuple("flat" if np.isnan(each) else "" for each in probability)
    said = np.array(probability, np.float32)
    found = RhythmResult(said, start, start + 5, reasons, 5.0, 5.0, 100.0, 360.0, None)  # type: ignore[arg-type]
    return detection_summary(found, 100.0) | HEAD | {"task": "rhythm"}


def test_rhythm_in_words() -> None:
    told = rhythm([0.1, 0.9, 0.8, np.nan, 0.7, 0.2])
    assert detection_words(told).splitlines() == [
        "rhythm of x, II, 100 to 130 s",
        "  windows     6 of 5 s, 5 s apart; 1 not judged (flat)",
        "  AF          3 of 5 windows (60.0%) at 0.5 or above",
        "  longest     105.00 to 115.00 s, 10 s",
        "              120.00 to 125.00 s, 5 s",
    ]
    assert told["windows"]["median_probability"] == pytest.approx(0.7)
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_what_was_not_judged_is_not_called_healthy() -> None:
    told = rhythm([np.nan, np.nan])
    assert told["windows"]["af_share"] is None
    assert "not known: no window could be judged" in detection_words(told)


def test_only_the_longest_episodes_are_listed() -> None:
    words = detection_words(rhythm([0.9, 0.1] * 15))
    assert words.count(" s, 5 s\n") == 10
    assert words.endswith("and 5 more")


def test_beats_in_words() -> None:
    found = BeatResult(
        samples=np.array([100, 200, 310, 900]), confidence=np.array([0.9, 0.3, 0.5, 0.1], np.float32),
        trace=np.zeros(500, np.float32), fs=50.0, recording_fs=100.0,
        unjudged=(Unjudged(4.0, 6.5, "gap"),), report=None,  # type: ignore[arg-type]
    )  # fmt: skip
    told = detection_summary(found, 100.0) | HEAD | {"task": "beats"}
    assert detection_words(told).splitlines()[1:] == [
        "  beats       4: 2 high, 1 medium, 1 low",
        "  confidence  medium (median 0.40)",
        "  rate        57.1 beats a minute",
        "  intervals   2: mean 1.050 s, SD 0.071 s, RMSSD 0.100 s",
        "  not judged  2.50 s in 1 stretch (gap)",
    ]
    assert told["unjudged"] == [{"start": 104.0, "stop": 106.5, "reason": "gap"}]
    assert json.loads(json.dumps(told, allow_nan=False)) == told
