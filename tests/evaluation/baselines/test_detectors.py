from __future__ import annotations

import sys

import numpy as np
import pytest

from physiolect import synthetic
from physiolect.errors import ConfigError, PhysiolectError
from physiolect.evaluation.baselines import find_pulses
from physiolect.evaluation.beats import match_beats


@pytest.mark.parametrize("detector", ["xqrs", "neurokit", "elgendi"])
@pytest.mark.parametrize("fs", [100.0, 250.0])
def test_the_beats_of_a_clean_signal_are_found(detector: str, fs: float) -> None:
    if detector == "elgendi":
        made = synthetic.ppg(seconds=30, fs=fs, seed=1)
    else:
        made = synthetic.ecg(seconds=30, fs=fs, leads=("II",), seed=3)
    truth = made.annotations.sample[[s in "NV" for s in made.annotations.symbol]] / made.fs
    found = match_beats(truth, find_pulses(made.signal[0], made.fs, detector) / made.fs, duration=30.0)
    assert found.f1 > 0.97
    assert np.abs(found.errors).max() < 0.03


def test_gaps_are_bridged_and_a_flat_signal_has_no_beats() -> None:
    made = synthetic.ecg(seconds=20, fs=100.0, leads=("II",), seed=2)
    signal = made.signal[0].copy()
    signal[500:520] = np.nan
    assert len(find_pulses(signal, 100.0, "xqrs")) > 15
    for detector in ("xqrs", "neurokit", "elgendi"):
        assert len(find_pulses(np.zeros(500), 100.0, detector)) == 0
        assert find_pulses(np.r_[1.0, np.zeros(30)], 100.0, detector).dtype == np.int64


def test_what_cannot_be_searched_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="detector is 'best'"):
        find_pulses(np.zeros(100), 100.0, "best")
    with pytest.raises(ConfigError, match="no sample"):
        find_pulses(np.full(100, np.nan), 100.0, "xqrs")
    monkeypatch.setitem(sys.modules, "neurokit2", None)
    with pytest.raises(PhysiolectError, match="neurokit2") as caught:
        find_pulses(np.arange(100.0), 100.0, "elgendi")
    assert caught.value.hint == "pip install 'physiolect[evaluation]'"
