"""Pulses of a PPG without a checkpoint: flat, short, noisy and broken signals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from physiolect import Recording
from physiolect.detection import PulseResult, detect_all
from physiolect.detection.pulses import flat_spans
from physiolect.errors import ContractError
from physiolect.report import write_detection

pytest.importorskip("neurokit2")
FS = 100.0


def pulse(seconds: float, fs: float = FS) -> np.ndarray:
    """Return pulses at 72 a minute."""
    phase = np.arange(round(seconds * fs)) / fs * 1.2 % 1
    return np.exp(-((phase - 0.3) ** 2) / 0.01) + 0.3 * np.exp(-((phase - 0.6) ** 2) / 0.02)


def found_in(values: np.ndarray, fs: float = FS) -> PulseResult:
    recording = Recording(np.asarray(values, np.float32)[None], fs, ("PLETH",), None, "ppg", source="finger")
    found = detect_all(recording)
    assert isinstance(found, PulseResult)
    assert isinstance(found.plot(), Figure)
    assert len(found.to_frame()) == len(found.times)
    return found


def test_a_stretch_of_one_value_is_not_judged() -> None:
    values = pulse(60)
    values[2000:2700] = 0.0  # the finger is out
    found = found_in(values)
    assert not ((found.times > 20) & (found.times < 27)).any()
    assert found.unjudged == ((20.0, 27.0),)
    assert found.to_dict()["unjudged"] == [{"start": 20.0, "stop": 27.0}]
    assert found.intervals.mean == pytest.approx(1 / 1.2, abs=0.01)
    assert any("keeps one value for 7.0 s" in each for each in found.report.notices)
    assert flat_spans(np.array([1.0, 1.0, 2.0]), 100.0).shape == (0, 2)
    assert flat_spans(np.r_[np.zeros(100), np.arange(3)], 100.0).tolist() == [[0.0, 1.01]]


def test_no_interval_counts_across_a_gap_or_a_silent_stretch() -> None:
    values = pulse(60)
    values[2000:2600] = np.nan
    found = found_in(values)
    assert found.unjudged == ((pytest.approx(20.0, abs=0.02), pytest.approx(26.0, abs=0.02)),)
    assert found.intervals.mean == pytest.approx(1 / 1.2, abs=0.01)
    faint = pulse(60)
    faint[2000:2800] = 0.02 + 1e-3 * np.sin(np.arange(800) / 300)
    silent = found_in(faint)
    assert silent.intervals.mean == pytest.approx(1 / 1.2, abs=0.01)
    assert any("more than 3 s without a pulse" in each for each in silent.report.notices)


def test_noise_is_remarked_and_an_even_pulse_is_not() -> None:
    noise = found_in(np.random.default_rng(0).standard_normal(6000))
    assert any("of the intervals differ by more than 30%" in each for each in noise.report.notices)
    assert not any("differ" in each for each in found_in(pulse(60)).report.notices)


def test_nothing_is_said_of_a_model_where_there_is_none() -> None:
    found = found_in(pulse(60, 25.0), 25.0)
    assert found.intervals.rate == pytest.approx(72, abs=0.5)
    assert not any("model" in each for each in found.report.notices)


@pytest.mark.parametrize(
    ("values", "problem"),
    [(np.ones(6000), "is flat"), (np.full(6000, np.nan), "no samples"), (pulse(1.5), "lasts 1.5 s")],
)
def test_what_holds_no_pulses_is_refused(values: np.ndarray, problem: str) -> None:
    with pytest.raises(ContractError, match=problem):
        found_in(values)


def test_files_of_two_seconds_and_of_many_minutes(tmp_path: Path) -> None:
    short = found_in(pulse(2))
    assert len(short.times) <= 2
    long = found_in(pulse(300))
    assert len(long.plot().axes) == 4  # the rate, and three stretches
    names = {path.name for path in write_detection(long, tmp_path)}
    assert names == {"pulses.csv", "pulses.qrs", "pulses.png", "summary.json"}
