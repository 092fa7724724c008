"""What was detected, as files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from physiolect import Recording
from physiolect.contract import AdaptationReport
from physiolect.detection import BeatResult, RhythmResult
from physiolect.formats.outputs import is_output
from physiolect.report import write_detection

REPORT = AdaptationReport((), (), 0.0, ("mV",), (1.0,), (0.0,))
WAVE = Recording(np.sin(np.arange(2000) / 9), 100.0, ("II",), "mV", source="x")


@pytest.fixture
def rhythm() -> RhythmResult:
    start = np.arange(4) * 5.0
    return RhythmResult(
        recording=WAVE, fs=100.0, report=REPORT, first=100.0, window=5.0, stride=5.0, start=start, time=start + 5,
        probability=np.array([0.25, 0.9, np.nan, 0.5], np.float32), reasons=("", "", "flat", ""),
    )  # fmt: skip


@pytest.fixture
def beats() -> BeatResult:
    return BeatResult(
        recording=WAVE, fs=50.0, report=REPORT, first=100.0, samples=np.array([100, 210]),
        confidence=np.array([0.9, 0.3], np.float32), trace=np.zeros(1000, np.float32), unjudged=(),
    )  # fmt: skip


def test_rhythm(rhythm: RhythmResult, tmp_path: Path) -> None:
    files = write_detection(rhythm, tmp_path / "out", about={"checkpoint": "af"})
    assert [file.name for file in files] == ["rhythm.csv", "rhythm.atr", "rhythm.png", "summary.json"]
    assert (tmp_path / "out" / "rhythm.csv").read_text() == (
        "start_s,time_s,probability,rhythm,not_judged\n"
        "100.000000,105.000000,0.250000,N,\n"
        "105.000000,110.000000,0.900000,AFIB,\n"
        "110.000000,115.000000,,,flat\n"
        "115.000000,120.000000,0.500000,AFIB,\n"
    )
    told = json.loads(files[-1].read_text())
    assert told["checkpoint"] == "af"
    assert told == {"checkpoint": "af", **rhythm.to_dict(), "files": [str(file) for file in files]}


def test_beats(beats: BeatResult, tmp_path: Path) -> None:
    files = write_detection(beats, tmp_path)
    assert [file.suffix for file in files] == [".csv", ".qrs", ".npz", ".png", ".json"]
    with (tmp_path / "beats.csv").open(newline="") as file:
        assert list(csv.reader(file))[1:] == [
            ["101.000000", "10100", "0.900000", "high"], ["102.100000", "10210", "0.300000", "medium"],
        ]  # fmt: skip
    with np.load(tmp_path / "beats.npz") as arrays:
        assert arrays["samples"].tolist() == [10100, 10210]
        assert arrays["trace_time_s"][:2].tolist() == [100.0, 100.02]


def test_every_file_is_marked_as_a_models_output(
    rhythm: RhythmResult, beats: BeatResult, tmp_path: Path
) -> None:
    for number, found in enumerate((rhythm, beats)):
        for file in write_detection(found, tmp_path / str(number)):
            moved = file.rename(tmp_path / file.name)  # away from the summary that lists it
            assert is_output(moved) == (file.suffix in (".csv", ".npz"))
