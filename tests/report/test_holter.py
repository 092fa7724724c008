"""The Holter's report as a page and files, of beats that are written down."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from datetime import time
from pathlib import Path

import numpy as np
import pytest
import wfdb

from physiolect import Recording, synthetic
from physiolect.contract import AdaptationReport
from physiolect.detection import BeatResult, HeartbeatResult, HolterResult, RhythmResult
from physiolect.formats.outputs import is_output
from physiolect.report import write_detection
from physiolect.report.holter import holter_report, telling_moments

REPORT = AdaptationReport((), (), 0.0, ("mV",), (1.0,), (0.0,))
CLASSES = ("N", "S", "V", "F")


def holter(
    letters: str, times: np.ndarray, seconds: float, fibrillation: tuple[float, float]
) -> HolterResult:
    made = synthetic.ecg(seconds=seconds, fs=100.0, leads=("II",), seed=1)
    recording = Recording(made.signal, 100.0, ("II",), "mV", source="<b>night.edf", start_time=time(22, 0))
    shared = {"recording": recording, "fs": 100.0, "report": REPORT}
    start = np.arange(0, seconds - 29, 10.0)
    middle = start + 15
    likely = np.where((middle >= fibrillation[0]) & (middle < fibrillation[1]), 0.9, 0.1).astype(np.float32)
    probability = np.eye(4, dtype=np.float32)[[CLASSES.index(letter) for letter in letters]]
    return HolterResult(
        **shared,
        beats=BeatResult(
            **shared, samples=np.rint(times * 100).astype(int), confidence=np.ones(len(times), np.float32),
            trace=np.zeros(round(seconds * 100), np.float32), unjudged=(), peak_times=times,
        ),
        rhythm=RhythmResult(
            **shared, probability=likely, start=start, time=start + 30, reasons=("",) * len(start), window=30.0,
            stride=10.0,
        ),
        heartbeats=HeartbeatResult(**shared, classes=CLASSES, times=times, probability=probability),
    )  # fmt: skip


@pytest.fixture(scope="module")
def night() -> HolterResult:
    """Five minutes: a beat a second, five V in a row from 60 s on, a pause at 100 s, none from 200 s on for 21 s."""
    times = np.arange(0.5, 300)
    times = times[~((times > 100) & (times < 103)) & ~((times > 200) & (times < 220))]
    letters = "".join("V" if 60 < t < 65 else "S" if 250 < t < 251 else "N" for t in times)
    return holter(letters, times, 300.0, (110.0, 190.0))


def test_files_list_all_and_are_known_as_outputs(night: HolterResult, tmp_path: Path) -> None:
    files = write_detection(night, tmp_path, about={"checkpoint": None, "settings": {}})
    assert [file.name for file in files] == [
        "holter.csv", "holter.atr", "holter.png", "holter-hours.csv", "holter-episodes.csv", "holter.html",
        "summary.json",
    ]  # fmt: skip
    assert all(is_output(file) for file in files if file.suffix == ".csv")
    with (tmp_path / "holter-episodes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    what = {row["what"]: row for row in rows}
    assert {"pause", "no beat", "V run", "AFIB", "N"} <= set(what)
    assert what["V run"]["beats"] == "5"
    assert float(what["pause"]["stop_s"]) - float(what["pause"]["start_s"]) == pytest.approx(4.0)
    assert [float(row["start_s"]) for row in rows] == sorted(float(row["start_s"]) for row in rows)
    assert json.loads(files[-1].read_text())["ectopy"]["V"]["longest_run"]["beats"] == 5


def test_marks_are_read_back_by_wfdb(night: HolterResult, tmp_path: Path) -> None:
    write_detection(night, tmp_path)
    marks = wfdb.rdann(str(tmp_path / "holter"), "atr")
    symbols = np.array(marks.symbol)
    assert (symbols == "V").sum() == 5
    assert (symbols == "S").sum() == 1
    assert [note.rstrip("\0") for note in np.array(marks.aux_note)[symbols == "+"]] == ["(N", "(AFIB", "(N"]


def test_episodes_lie_where_the_rhythm_is(night: HolterResult) -> None:
    (episode,) = night.rhythm_episodes()
    assert episode.start == pytest.approx(110, abs=10)
    assert episode.stop == pytest.approx(190, abs=10)
    assert night.rhythm_share == pytest.approx(80 / 300, abs=0.05)


def test_the_page_shows_and_warns(night: HolterResult) -> None:
    page = holter_report(night).html()
    for words in (
        "no medical device", "Hour by hour", "Rhythm: AF", "Pauses of more than 2 s", "no beat was found",
        "Ectopic beats", "Heart-rate variability", "Strips", "Limits", "22:01:39",
    ):  # fmt: skip
        assert words in page
    assert "<b>night" not in page
    assert len(re.findall("<figure>", page)) == 1 + len(telling_moments(night))
    assert "<script" not in page


def test_strips_are_of_what_tells_most(night: HolterResult) -> None:
    found = {moment.title: moment.start for moment in telling_moments(night)}
    titles = " ".join(found)
    for words in (
        "Longest pause, 4.00 s",
        "No beat found for 21 s",
        "run of V beats, 5",
        "First S beat",
        "Longest AF",
    ):
        assert words in titles
    assert 95 < found["Longest pause, 4.00 s"] < 100
    assert all(0 <= start <= 290 for start in found.values())


def test_supraventricular_beats_count_outside_fibrillation() -> None:
    times = np.arange(0.5, 300)
    letters = "".join("S" if t < 3 or 140 < t < 160 else "V" if 170 < t < 172 else "N" for t in times)
    found = holter(letters, times, 300.0, (110.0, 190.0))
    assert (found.ectopy["S"].beats, len(found.ectopy["S"].runs)) == (3, 1)
    assert found.ectopy["V"].beats == 2
    assert found.heartbeats.counts["S"] == 23
    assert "3 outside AF: 0 single, 0 couplets, 1 run," in found.summary
    assert "20 S beats in AF are left out." in holter_report(found).html()
    (run,) = (moment for moment in telling_moments(found) if "run of S" in moment.title)
    assert run.start < 3


def test_a_long_list_states_how_many_are_shown() -> None:
    times = np.cumsum(np.tile([1.0, 2.5], 12))
    assert "The 10 longest of 12." in holter_report(holter("N" * 24, times, 60.0, (0, 0))).html()


def test_a_short_recording_has_a_mean_rate() -> None:
    found = holter("N" * 5, np.arange(0.5, 5), 40.0, (0, 0))
    lines = dict(found._lines())
    assert lines["rate"] == "60 a minute on average"
    assert lines["V beats"] == "0"


def test_a_quiet_recording_has_a_page_too() -> None:
    times = np.arange(0.5, 20)
    quiet = holter("N" * len(times), times, 40.0, (0, 0))
    page = holter_report(quiet).html()
    assert "No AF was found." in page
    assert "None was found." in page
    nothing = holter("", np.empty(0), 40.0, (0, 0))
    assert "Too few beats in a row." in holter_report(nothing).html()
    later = replace(quiet, recording=replace(quiet.recording, start_time=None), first=7200.0)
    assert "2:00" in holter_report(later).html()


def test_where_no_beat_was_found_enters_no_rate_and_no_variability(night: HolterResult) -> None:
    low, high = night.rates[1].min(), night.rates[1].max()
    assert low <= night.intervals.rate <= high
    assert night.to_dict()["rate_bpm"] == pytest.approx(night.intervals.rate, abs=1e-5)
    assert low <= night.hours[0].rate <= high
    assert f"rate        {night.intervals.rate:.0f} a minute" in night.summary
    pytest.importorskip("neurokit2")
    assert night.variability is not None
    assert night.variability.measures["SDNN"] < 1000  # the 21 s would make it 1.2 s


def test_a_heart_that_stops_for_good_is_told() -> None:
    times = np.arange(0.5, 60)
    stopped = holter("N" * len(times), times, 120.0, (0, 0))
    (silent,) = stopped.without_beats
    assert (silent.start, silent.stop) == (59.5, 120.0)
    assert "in 1 min 0 s" in stopped.summary
    assert "no beat was found" in holter_report(stopped).html()
    assert "No beat found for 1 min 0 s" in " ".join(each.title for each in telling_moments(stopped))
    assert holter("", np.empty(0), 40.0, (0, 0)).without_beats[0].stop == 40.0


def test_moments_of_a_cut_recording_count_from_its_whole(night: HolterResult) -> None:
    here, cut = night.to_dict(), replace(night, first=600.0).to_dict()
    run, moved = here["ectopy"]["V"]["longest_run"], cut["ectopy"]["V"]["longest_run"]
    assert (moved["start"], moved["stop"]) == (run["start"] + 600, run["stop"] + 600)
    assert cut["pauses"][0]["start"] == here["pauses"][0]["start"] + 600


def test_the_summary_counts_in_words_and_doubts_corrected_beats(night: HolterResult) -> None:
    assert "5: 0 single, 0 couplets, 1 run, 0 stretches of bigeminy" in night.summary
    pytest.importorskip("neurokit2")
    times = np.cumsum(np.tile([0.5, 1.3, 0.9, 0.9, 0.9], 40))
    letters = "VNNNN" * 40
    uneven = holter(letters, times, float(times[-1]) + 1, (0, 0))
    assert uneven.variability is not None
    assert uneven.variability.measures["SDNN"] < 1  # every fifth beat is V: NeuroKit2 alone corrects nothing
    assert uneven.variability.doubtful
    assert "doubtful" in uneven.summary
    assert "may not be reliable" in holter_report(uneven).html()
