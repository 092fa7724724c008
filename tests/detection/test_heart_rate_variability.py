"""Heart-rate variability: known rhythms give known measures, and artefacts are corrected."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from physiolect import synthetic
from physiolect.detection import heart_rate_variability
from physiolect.detection.heart_rate_variability import UNITS
from physiolect.errors import ConfigError, PhysiolectError
from physiolect.signals.delineation import delineate

pytest.importorskip("neurokit2")


def breathing(seconds: float, frequency: float, swing: float = 0.05) -> np.ndarray:
    """Return beats whose interval, 0.8 s, swings like a sine."""
    beats = [0.0]
    while beats[-1] < seconds:
        beats.append(beats[-1] + 0.8 + swing * np.sin(2 * np.pi * frequency * beats[-1]))
    return np.array(beats)


def test_a_slow_swing_is_low_frequency_power_and_a_fast_one_high() -> None:
    slow, fast = (heart_rate_variability(breathing(320, hertz)).measures for hertz in (0.1, 0.25))
    assert slow["LF"] == pytest.approx(50**2 / 2, rel=0.03)  # the variance of a sine
    assert fast["HF"] == pytest.approx(50**2 / 2, rel=0.1)
    assert slow["LFHF"] > 100
    assert fast["LFHF"] < 0.1
    assert slow["SDNN"] == pytest.approx(50 / np.sqrt(2), rel=0.02)
    assert slow["MeanNN"] == pytest.approx(800, rel=0.01)


def test_time_measures_are_those_of_the_definition() -> None:
    beats = np.cumsum(0.8 + 0.04 * np.random.default_rng(0).normal(size=300))
    found = heart_rate_variability(beats, correct=False).measures
    intervals = np.diff(beats) * 1000
    changes = np.diff(intervals)
    assert found["SDNN"] == pytest.approx(intervals.std(ddof=1))
    assert found["RMSSD"] == pytest.approx(np.sqrt(np.mean(changes**2)))
    assert found["SD1"] == pytest.approx(changes.std(ddof=1) / np.sqrt(2))


def test_artefacts_are_corrected_and_counted() -> None:
    beats = breathing(320, 0.1)
    clean = heart_rate_variability(beats)
    assert sum(clean.corrected.values()) == 0
    np.testing.assert_array_equal(clean.times, beats)
    spoiled = np.delete(beats, [60, 150])
    spoiled = np.sort(np.append(spoiled, spoiled[200] + 0.3))
    spoiled[100] += 0.3
    raw, mended = (heart_rate_variability(spoiled, correct=correct) for correct in (False, True))
    assert mended.corrected["missed"] == 2
    assert mended.corrected["extra"] >= 1
    assert raw.measures["RMSSD"] > 4 * clean.measures["RMSSD"]
    assert mended.measures["RMSSD"] == pytest.approx(clean.measures["RMSSD"], rel=0.3)
    assert len(mended.times) == len(beats)


def test_many_corrections_are_warned_about() -> None:
    rng = np.random.default_rng(0)
    beats = np.delete(breathing(320, 0.1), rng.choice(np.arange(20, 380), 40, replace=False))
    found = heart_rate_variability(beats)
    assert found.corrected_share > 0.05
    assert "may not be reliable" in found.summary


def test_no_interval_counts_across_a_break() -> None:
    beats = breathing(400, 0.1)
    apart = np.concatenate([beats[:250], beats[250:] + 60])
    found = heart_rate_variability(apart, breaks=[beats[249] + 1])
    assert found.measures["SDNN"] == pytest.approx(50 / np.sqrt(2), rel=0.05)
    assert sum(found.corrected.values()) == 0


def test_a_long_recording_is_measured_in_windows() -> None:
    found = heart_rate_variability(breathing(1000, 0.1))
    assert found.n_windows == 3
    assert "medians of 3 windows of 300 s" in found.summary
    assert found.measures["LF"] == pytest.approx(50**2 / 2, rel=0.05)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 20, 80])
def test_what_is_too_short_is_not_measured(n: int) -> None:
    found = heart_rate_variability(breathing(300, 0.1)[:n])
    assert found.summary
    assert list(found.measures) == list(UNITS)
    assert np.isnan(found.measures["VLF"])
    assert np.isnan(found.measures["DFA_alpha1"])
    assert np.isfinite(found.measures["RMSSD"]) == (n >= 5)
    assert found.to_dict()["measures"]["VLF"] is None


def test_sub_sample_peaks_of_a_slow_recording_give_the_variability_of_a_fast_one() -> None:
    truth = breathing(200, 0.1, swing=0.004)[1:]
    measured = {}
    for fs in (125, 1000):
        time = np.arange(int(202 * fs)) / fs
        lead = np.zeros(len(time))
        for beat in truth:
            near = slice(max(0, int((beat - 0.2) * fs)), int((beat + 0.2) * fs))
            lead[near] += np.exp(-0.5 * ((time[near] - beat) / 0.02) ** 2)
        peaks = delineate(lead[np.newaxis], fs).r_peaks / fs
        measured[fs] = heart_rate_variability(peaks, correct=False).measures["RMSSD"]
        coarse = heart_rate_variability(np.rint(truth * fs) / fs, correct=False).measures["RMSSD"]
    expected = np.sqrt(np.mean(np.diff(np.diff(truth * 1000)) ** 2))
    assert measured[125] == pytest.approx(expected, rel=0.1)
    assert measured[1000] == pytest.approx(expected, rel=0.05)
    assert coarse == pytest.approx(expected, rel=0.3)


def test_a_table_and_json_hold_every_measure() -> None:
    made = synthetic.ecg(seconds=120, fs=250, leads=("II",), seed=2)
    found = heart_rate_variability(made.annotations.sample[1:] / 250)
    assert list(found.to_frame()["measure"]) == list(UNITS)
    assert found.to_dict()["n_beats"] == found.n_beats


@pytest.mark.parametrize(
    ("times", "settings", "what"),
    [
        ([1, 0.5], {}, "in order"),
        ([[1, 2]], {}, "in order"),
        ([1, np.nan], {}, "in order"),
        ([1, 2], {"window": 5}, "5 s"),
    ],
)
def test_mistakes_are_refused(times: list, settings: dict, what: str) -> None:
    with pytest.raises(ConfigError, match=what) as refused:
        heart_rate_variability(times, **settings)
    assert refused.value.hint


def test_without_neurokit_the_hint_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "neurokit2", None)
    with pytest.raises(PhysiolectError) as refused:
        heart_rate_variability([1.0, 2.0])
    assert "physiolect[evaluation]" in str(refused.value.hint)


def test_known_ectopic_beats_become_even_steps() -> None:
    even = np.arange(120) * 0.9
    early, between = even.copy(), np.sort(np.append(even, even[60] + 0.45))
    early[10::5] -= 0.4
    ectopic = np.zeros(120, bool)
    ectopic[10::5] = True
    found = heart_rate_variability(early, ectopic=ectopic)
    assert found.measures["SDNN"] < 1
    assert found.corrected["ectopic"] == ectopic.sum()
    assert heart_rate_variability(early).measures["SDNN"] > 100
    np.testing.assert_allclose(found.times, even, atol=1e-3)
    np.testing.assert_allclose(  # it stands between two beats that follow one another
        heart_rate_variability(between, ectopic=np.arange(121) == 61).times, even, atol=1e-3
    )


def test_a_run_of_ectopic_beats_parts_what_lies_around_it() -> None:
    times = np.concatenate([np.arange(20) * 0.9, 18 + np.arange(6) * 0.4, 21 + np.arange(20) * 0.9])
    ectopic = np.zeros(46, bool)
    ectopic[20:26] = True
    found = heart_rate_variability(times, ectopic=ectopic)
    assert found.measures["SDNN"] < 1
    assert not ((found.times > 17.2) & (found.times < 20.9)).any()
    nothing = heart_rate_variability(times[:6], ectopic=np.ones(6, bool))
    assert np.isnan(nothing.measures["SDNN"])
    assert not len(nothing.times)
    with pytest.raises(ConfigError, match="of 3 beats, but there are 46"):
        heart_rate_variability(times, ectopic=[True] * 3)
