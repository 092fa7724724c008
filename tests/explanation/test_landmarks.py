"""Landmarks are where made hearts have them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from physiolect import Annotations, Recording, synthetic
from physiolect.contract import CONTRACTS
from physiolect.errors import ContractError, PhysiolectError
from physiolect.explanation import (
    LANDMARKS,
    MarkedRhythm,
    beat_times,
    episodes_without_p,
    find_landmarks,
    leave_out_p,
)
from physiolect.explanation.landmarks import PHASES, phases

ECG, PPG = CONTRACTS["heartgpt-ecg"], CONTRACTS["heartgpt-ppg"]


def unmarked(recording: Recording) -> Recording:
    return replace(recording, annotations=Annotations())


def beats_of(recording: Recording) -> np.ndarray:
    """Return the beats of which all waves are inside the recording."""
    beats = recording.annotations.sample[np.array(recording.annotations.symbol) == "N"] / recording.fs
    return beats[(beats > 0.5) & (beats < recording.duration - 0.5)]


def share_near(found: np.ndarray, truth: np.ndarray, tolerance: float) -> float:
    return float(np.mean(np.abs(found[:, None] - truth).min(0) <= tolerance))


@pytest.fixture(scope="module")
def ecg() -> Recording:
    return synthetic.ecg(seconds=30, fs=250.0, leads=("II",), noise=0.3, seed=5)


@pytest.fixture(scope="module")
def ppg() -> Recording:
    return synthetic.ppg(seconds=30, fs=100.0, noise=0.3, seed=5)


def highest(recording: Recording, beats: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the highest moment from `low` to `high` seconds after each beat that is wholly inside."""
    x, fs = recording.signal[0], recording.fs
    inside = [b for b in beats if b + low > 0.2 and b + high < recording.duration - 0.2]
    return np.array(
        [b + low + x[round((b + low) * fs) : round((b + high) * fs)].argmax() / fs for b in inside]
    )


def test_beats_and_waves_of_an_ecg_without_marks(ecg: Recording) -> None:
    found = find_landmarks(unmarked(ecg), ECG)
    assert tuple(found) == LANDMARKS["ecg"]
    clean = synthetic.ecg(seconds=30, fs=250.0, leads=("II",), noise=0, seed=5)
    beats = beats_of(ecg)
    assert share_near(found["R"], beats, 0.02) > 0.95
    assert share_near(found["P"], highest(clean, beats, -0.24, -0.08), 0.03) > 0.9
    assert share_near(found["T"], highest(clean, beats, 0.15, 0.42), 0.04) > 0.9


def test_waves_of_a_pulse_without_marks(ppg: Recording) -> None:
    found = find_landmarks(unmarked(ppg), PPG)
    assert tuple(found) == LANDMARKS["ppg"]
    clean = synthetic.ppg(seconds=30, fs=100.0, noise=0, seed=5)
    beats = beats_of(ppg)
    upside_down = replace(clean, signal=-clean.signal)
    assert share_near(found["systolic peak"], beats, 0.04) > 0.95
    assert share_near(found["notch"], highest(upside_down, beats[:-1], 0.1, 0.27), 0.04) > 0.9
    assert share_near(found["foot"], highest(upside_down, beats[:-1], 0.4, 0.9), 0.06) > 0.9


def test_marks_come_first_and_need_no_library(ecg: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    beats = ecg.annotations.sample[1:]
    sample = np.sort(np.concatenate([beats, beats[1:] - 40, beats[1:] + 70]))
    symbol = tuple("N" if at in beats else "p" if at + 40 in beats else "t" for at in sample.tolist())
    marked = replace(ecg, annotations=Annotations(sample, symbol))
    monkeypatch.setitem(__import__("sys").modules, "neurokit2", None)
    found = find_landmarks(marked, ECG, first=100.0)
    np.testing.assert_allclose(found["R"], 100 + beats / 250)
    np.testing.assert_allclose(found["P"], 100 + (beats[1:] - 40) / 250)
    np.testing.assert_array_equal(beat_times(found), found["R"])
    with pytest.raises(PhysiolectError, match="needs the package neurokit2") as caught:
        find_landmarks(unmarked(ecg), ECG)
    assert caught.value.hint == "pip install 'physiolect[explain]'"


def test_p_waves_are_left_out_where_marks_say_fibrillation_or_flutter(ecg: Recording) -> None:
    notes = ("(N", "(AFIB\0", "(N", "(AFL", "(VT")
    marks = Annotations(np.array([0, 500, 1000, 2000, 3000]), ("+",) * 5, notes)
    found = episodes_without_p(replace(ecg, annotations=marks), first=100.0)
    assert found == [MarkedRhythm(102.0, 104.0, "AFIB"), MarkedRhythm(108.0, 112.0, "AFL")]
    every = {name: np.arange(100.0, 116.0) for name in LANDMARKS["ecg"]}
    kept = leave_out_p(every, found)
    assert kept["P"].tolist() == [100, 101, 104, 105, 106, 107, 112, 113, 114, 115]
    assert kept["R"].tolist() == kept["T"].tolist() == every["R"].tolist()
    assert not episodes_without_p(unmarked(ecg))


def test_without_p_tp_lasts_to_the_next_qrs() -> None:
    beats, time = np.array([1.0, 2.0, 3.0]), np.array([1.5, 1.8, 1.97, 2.5, 2.8])
    found = phases(time, beats, "ecg", [MarkedRhythm(0.0, 2.0, "AFIB")])
    assert [PHASES["ecg"][k] for k in found] == ["TP", "TP", "QRS", "TP", "P"]


def test_signals_without_beats_are_refused(ecg: Recording) -> None:
    short = unmarked(ecg).slice(0, 2)
    for recording in (short, replace(unmarked(ecg), signal=np.zeros_like(ecg.signal))):
        with pytest.raises(ContractError, match="no beats were found in the signal") as caught:
            find_landmarks(recording, ECG)
        assert "at least 5 s" in str(caught.value.hint)
    with pytest.raises(
        ContractError, match=r"the signal is ecog, but landmarks are defined only for ECG and PPG"
    ):
        find_landmarks(
            replace(unmarked(ecg), modality="ecog", channels=("e1",)), replace(ECG, modality="ecog")
        )


def test_phases_of_a_beat() -> None:
    beats = np.array([1.0, 2.0])
    time = np.array([0.5, 1.0, 1.05, 1.2, 1.5, 1.8, 1.97, 2.0, 2.5])
    names = [PHASES["ecg"][k] if k >= 0 else "" for k in phases(time, beats, "ecg")]
    assert names == ["", "QRS", "QRS", "ST–T", "TP", "P", "QRS", "", ""]
    names = [PHASES["ppg"][k] if k >= 0 else "" for k in phases(time, beats, "ppg")]
    assert names == ["", "crest", "crest", "fall", "run-off", "rise", "rise", "", ""]


def test_of_several_channels_one_must_be_named() -> None:
    two = synthetic.ecg(seconds=20, fs=250.0, leads=("V1", "II"), seed=5)
    contract = replace(ECG, channels=("V1", "II"))
    with pytest.raises(ContractError, match="takes 2 channels, but landmarks are found in one") as caught:
        find_landmarks(two, contract)
    assert caught.value.hint == "name it with channel: V1, II"
    found, expected = find_landmarks(two, contract, channel="II"), find_landmarks(two.select(["II"]), ECG)
    for name in LANDMARKS["ecg"]:
        np.testing.assert_array_equal(found[name], expected[name])
