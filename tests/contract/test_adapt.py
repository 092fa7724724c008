from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physiolect.contract import CONTRACTS, AdaptationReport, adapt, split_at_gaps
from physiolect.errors import ConfigError, ContractError
from physiolect.recording import Annotations, Recording

ECG = CONTRACTS["heartgpt-ecg"]
NAN = np.nan


def wavy(fs: float, duration: float, channels: tuple[str, ...] = ("II",), seed: int = 0) -> Recording:
    """Waves below 20 Hz, a drift, and an offset of its own for every channel."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(fs * duration)) / fs
    waves = [
        sum(rng.normal() * np.sin(2 * np.pi * f * time + rng.uniform(0, 6)) for f in (0.2, 1.3, 7.0, 19.0))
        for _ in channels
    ]
    marks = Annotations(np.arange(0, len(time), 97), ("N",) * len(range(0, len(time), 97)))
    return Recording(np.stack(waves) + rng.normal(size=(len(channels), 1)), fs, channels, "mV", "ecg", marks)


def with_samples(recording: Recording, value: float, start: float, stop: float, row: int = 0) -> Recording:
    signal = recording.signal.copy()
    signal[row, round(start * recording.fs) : round(stop * recording.fs)] = value
    return replace(recording, signal=signal)


def test_a_long_recording_becomes_one_window() -> None:
    adapted, report = adapt(wavy(360, 60), ECG)
    assert adapted.signal.shape == (1, 500)
    assert adapted.signal.dtype == np.float32
    assert (adapted.fs, adapted.unit, adapted.modality) == (100, "mV", "ecg")
    assert report.start == 55
    assert report.steps == (
        "resampled 360 -> 100 Hz (up 5, down 18)",
        "took the last 5 s (500 samples) of 60 s",
    )


@settings(max_examples=40, deadline=None)
@given(
    fs=st.sampled_from([50.0, 99.5, 100.0, 250.0, 257.3, 360.0, 1000.0]),
    extra=st.integers(0, 999),
    normalisation=st.sampled_from(["tokenizer", "zscore"]),
    window=st.sampled_from(["last", "all"]),
    seed=st.integers(0, 99),
)
def test_adapting_twice_is_adapting_once(
    fs: float, extra: int, normalisation: str, window: str, seed: int
) -> None:
    contract = replace(ECG, channels=("V1", "II"), normalisation=normalisation)
    recording = wavy(fs, 3 + extra / 100, ("MLII", "V5", "V1"), seed)
    once, _ = adapt(recording, contract, window=window)  # type: ignore[arg-type]
    twice, report = adapt(once, contract, window=window)  # type: ignore[arg-type]
    assert report == AdaptationReport((), (), 0.0, once.units, (1.0, 1.0), (0.0, 0.0))
    np.testing.assert_array_equal(once.signal, twice.signal)
    assert (once.fs, once.channels, once.unit) == (twice.fs, twice.channels, twice.unit)
    np.testing.assert_array_equal(once.annotations.sample, twice.annotations.sample)


@settings(max_examples=40, deadline=None)
@given(
    fs=st.sampled_from([50.0, 100.0, 257.3, 360.0, 1000.0]),
    extra=st.integers(0, 2000),
    band=st.sampled_from([None, (2.0, 20.0), (None, 20.0), (2.0, None)]),
    gap=st.floats(0, 6),
)
def test_the_last_window_is_that_of_the_whole_recording(
    fs: float, extra: int, band: tuple[float | None, float | None] | None, gap: float
) -> None:
    contract = replace(ECG, passband=band, unit="uV")
    recording = wavy(fs, 30 + extra / fs)
    start = recording.duration - gap - 0.05
    recording = with_samples(recording, NAN, start, start + 0.04)
    last, report = adapt(recording, contract)
    whole, _ = adapt(recording, contract, window="all")
    assert np.abs(last.signal - whole.signal[:, -500:]).max() <= 1e-6 * np.ptp(whole.signal)
    marks = whole.annotations.window(whole.n_samples - 500, whole.n_samples)
    np.testing.assert_array_equal(last.annotations.sample, marks.sample)
    assert report.start == pytest.approx(recording.duration - 5, abs=2 / fs + 0.01)


def test_only_what_the_window_needs_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("physiolect.contract.adapt")
    touched: list[int] = []
    for name in ("find_gaps", "resample"):
        work = getattr(module, name)
        monkeypatch.setattr(module, name, lambda x, *a, w=work: touched.append(x.shape[1]) or w(x, *a))
    recording = wavy(360, 1800, ("MLII", "V5"))
    adapt(recording, replace(ECG, channels=("V5", "II")))
    assert len(touched) == 2
    assert max(touched) < 1.1 * 5 * 360


def test_what_fits_is_not_copied() -> None:
    recording = wavy(100, 8)
    adapted, _ = adapt(recording, ECG)
    assert np.shares_memory(adapted.signal, recording.signal)


def test_annotations_follow() -> None:
    marks = Annotations(np.array([0, 1790, 1800, 1818, 3590]), tuple("abcde"), ("", "", "(N", "", ""))
    adapted, _ = adapt(replace(wavy(360, 10), annotations=marks), ECG)
    assert list(adapted.annotations) == [(0, "c", "(N"), (5, "d", ""), (497, "e", "")]


def test_a_mark_on_the_last_sample_stays_inside() -> None:
    marks = Annotations(np.array([1438, 1439, 1440]), tuple("abc"))  # 1439 / 3.6 = 399.7 rounds to 400
    adapted, _ = adapt(replace(wavy(360, 4), annotations=marks), ECG)
    assert adapted.n_samples == 400
    assert list(adapted.annotations) == [(399, "a", ""), (399, "b", "")]  # 1440 was never in the recording


def test_short_gaps_are_bridged() -> None:
    recording = wavy(100, 5)
    adapted, report = adapt(with_samples(recording, NAN, 2, 2.1), ECG)
    assert not adapted.n_missing()
    left, right = recording.signal[0, [199, 210]]
    np.testing.assert_allclose(adapted.signal[0, 199:211], np.linspace(left, right, 12), rtol=1e-5)
    assert report.steps == ("bridged 1 gap of 10 missing samples in all (0.1 s)",)


def test_long_gaps_are_refused_with_their_time() -> None:
    recording = with_samples(wavy(100, 60), NAN, 57.2, 57.31)
    with pytest.raises(ContractError, match=r"II misses 0\.11 s of samples from 57\.2 s on") as caught:
        adapt(recording, ECG)
    assert "without the gap" in str(caught.value.hint)
    adapt(recording, replace(ECG, max_gap=0.2))
    with pytest.raises(ContractError, match="first of 2"):
        adapt(with_samples(recording, NAN, 58, 59), ECG)


def test_gaps_outside_the_window_do_not_count() -> None:
    recording = with_samples(wavy(360, 60), NAN, 10, 20)
    adapted, report = adapt(recording, ECG)
    assert not adapted.n_missing()
    assert len(report.steps) == 2
    with pytest.raises(ContractError, match="misses 10 s of samples from 10 s on"):
        adapt(recording, ECG, window="all")


def test_a_long_gap_right_before_the_window_is_noticed() -> None:
    adapted, report = adapt(with_samples(wavy(360, 60), NAN, 50, 55), ECG)
    assert not adapted.n_missing()
    assert "just before the window" in report.notices[0]


def test_missing_samples_at_the_end_are_noticed() -> None:
    recording = with_samples(wavy(100, 5), NAN, 4.95, 5)
    adapted, report = adapt(recording, ECG)
    assert set(adapted.signal[0, 495:]) == {recording.signal[0, 494]}
    assert "ends with missing samples" in report.notices[0]


@pytest.mark.parametrize(
    ("value", "complaint"),
    [(1.5, r"II is flat \(always 1\.5\)"), (np.inf, "infinite at 25 s"), (NAN, "no samples")],
)
def test_useless_samples_are_refused(value: float, complaint: str) -> None:
    recording = with_samples(wavy(360, 30), value, 25, 30)
    with pytest.raises(ContractError, match=complaint) as caught:
        adapt(recording, ECG)
    assert caught.value.hint
    with pytest.raises(ContractError, match=complaint):
        adapt(recording, replace(ECG, max_gap=100))


def test_a_missing_recording_is_refused_even_where_any_gap_may_be_bridged() -> None:
    with pytest.raises(ContractError, match="no samples"):
        adapt(with_samples(wavy(100, 5), NAN, 0, 5), replace(ECG, max_gap=float("inf")))


def test_too_short_is_told_in_seconds_and_samples() -> None:
    with pytest.raises(ContractError) as caught:
        adapt(wavy(360, 0.5), ECG)
    assert "lasts 0.5 s (50 samples at 100 Hz), but the model needs at least 1 s (100 samples)" in str(
        caught.value
    )


def test_an_absurd_rate_is_refused() -> None:
    with pytest.raises(ContractError, match="cannot resample"):
        adapt(replace(wavy(100, 5), fs=0.01), ECG)


def test_all_reasons_are_told_together() -> None:
    recording = replace(wavy(100, 0.5, ("V5",)), unit=None, modality="ppg", channels=("ch1",))
    with pytest.raises(ContractError) as caught:
        adapt(recording, replace(ECG, unit="mV"), 0)
    for reason in ("ch1 is ppg", "unit of channel ch1 is unknown", "lasts 0.5 s"):
        assert reason in str(caught.value)
    assert str(caught.value.hint).count(";") == 2


@pytest.mark.parametrize(("unit", "factor"), [("V", 1e3), ("uV", 1e-3), ("mV", 1)])
def test_units_are_converted(unit: str, factor: float) -> None:
    recording = replace(wavy(100, 5), unit=unit)
    adapted, report = adapt(recording, replace(ECG, unit="mV"))
    assert adapted.unit == "mV"
    np.testing.assert_allclose(adapted.signal, recording.signal * factor, rtol=1e-6)
    assert (f"II from {unit} to mV" in str(report)) == (factor != 1)
    back, _ = adapt(adapted, replace(ECG, unit=unit))
    np.testing.assert_allclose(back.signal, recording.signal, rtol=1e-6)


def test_channels_of_different_units_end_in_one() -> None:
    recording = replace(wavy(100, 5, ("I", "II")), unit=("mV", "uV"))
    adapted, _ = adapt(recording, replace(ECG, unit="mV", channels=("II", "I")))
    np.testing.assert_allclose(adapted.signal, recording.signal[::-1] * [[1e-3], [1]], rtol=1e-6)
    untouched, _ = adapt(recording, replace(ECG, channels=("II", "I")))
    assert untouched.unit == ("uV", "mV")


@pytest.mark.parametrize(("unit", "complaint"), [("au", "in au, which cannot become mV"), (None, "unknown")])
def test_impossible_units_are_refused_unless_nobody_cares(unit: str | None, complaint: str) -> None:
    recording = replace(wavy(100, 5), unit=unit)
    with pytest.raises(ContractError, match=complaint) as caught:
        adapt(recording, replace(ECG, unit="mV"))
    assert caught.value.hint
    assert adapt(recording, ECG)[0].unit == unit


def test_zscores() -> None:
    adapted, report = adapt(
        wavy(360, 30, ("I", "II")), replace(ECG, channels=("I", "II"), normalisation="zscore")
    )
    np.testing.assert_allclose(adapted.signal.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(adapted.signal.std(axis=1), 1, atol=1e-6)
    assert adapted.unit == "sd"
    assert "z-scored I (mean" in report.steps[-1]


def test_passband_takes_the_offset_and_spares_the_waves() -> None:
    time = np.arange(36_000) / 360
    recording = Recording(5 + np.sin(2 * np.pi * 8 * time), 360, ("II",), "mV", "ecg")
    adapted, report = adapt(recording, replace(ECG, passband=(0.5, 40.0)))
    assert np.ptp(adapted.signal) == pytest.approx(2, abs=0.06)
    assert abs(adapted.signal.mean()) < 0.01
    assert "kept frequencies above 0.5 Hz and below 40 Hz" in str(report)


def test_slow_recordings() -> None:
    adapted, report = adapt(wavy(60, 10), replace(ECG, passband=(0.5, 40.0)))
    assert adapted.n_samples == 500
    assert "nothing above 30 Hz" in report.notices[0]
    assert "needs no upper edge at 40 Hz" in report.notices[1]
    with pytest.raises(ContractError, match="above 35 Hz"):
        adapt(wavy(60, 10), replace(ECG, passband=(35.0, None)))


def test_a_rate_met_nearly_is_noticed() -> None:
    _, report = adapt(wavy(100.003, 10), ECG)
    assert "parts in a million" in report.notices[0]


def test_window_is_an_option() -> None:
    with pytest.raises(ConfigError, match="window is 'first'"):
        adapt(wavy(100, 5), ECG, window="first")  # type: ignore[arg-type]


def test_the_report_reads_and_serialises() -> None:
    _, report = adapt(replace(wavy(360, 9), modality=None, channels=("x",)), ECG)
    lines = str(report).splitlines()
    assert len(lines) == 3
    assert lines[-1].startswith("! nothing says what x measures")
    assert json.loads(json.dumps(report.to_dict())) == {
        "steps": list(report.steps),
        "notices": list(report.notices),
        "start": 4.0,
        "units": list(report.units),
        "scale": [1.0],
        "offset": [0.0],
    }
    assert str(AdaptationReport((), (), 0.0, (None,), (1.0,), (0.0,))) == "- nothing had to change"


@pytest.mark.parametrize(("unit", "normalisation"), [("V", "tokenizer"), (None, "zscore"), (None, "none")])
def test_the_report_leads_back_to_the_amplitudes_recorded(unit: str | None, normalisation: str) -> None:
    recording = replace(wavy(100, 5, ("II", "V1")), unit=("mV", "uV"))
    contract = replace(ECG, channels=("V1", "II"), unit=unit, normalisation=normalisation)  # type: ignore[arg-type]
    adapted, report = adapt(recording, contract)
    assert report.units == ("uV", "mV")
    np.testing.assert_allclose(report.restore(adapted.signal), recording.signal[::-1], atol=1e-5)


def test_stretches_between_long_gaps() -> None:
    recording = with_samples(wavy(100, 10, ("I", "II")), NAN, 2, 3, row=1)
    recording = with_samples(recording, NAN, 2.5, 4, row=0)
    recording = with_samples(recording, NAN, 6, 6.1)
    stretches = split_at_gaps(recording, 0.1)
    assert [(start, stretch.n_samples) for start, stretch in stretches] == [(0.0, 200), (4.0, 600)]
    assert np.shares_memory(stretches[0][1].signal, recording.signal)
    np.testing.assert_array_equal(stretches[1][1].signal, recording.signal[:, 400:])
    assert len(split_at_gaps(recording, 0.09)) == 3
    assert split_at_gaps(with_samples(recording, NAN, 0, 10), 1) == []
    assert split_at_gaps(wavy(100, 2), 0)[0][1].n_samples == 200


@pytest.mark.filterwarnings("ignore::DeprecationWarning:wfdb")
def test_mitdb_100_meets_the_published_contract(data: Path) -> None:
    import wfdb

    path = str(data / "mitdb" / "100")
    record, marks = wfdb.rdrecord(path), wfdb.rdann(path, "atr")
    recording = Recording(
        record.p_signal.T,
        record.fs,
        tuple(record.sig_name),
        tuple(record.units),
        annotations=Annotations(marks.sample, tuple(marks.symbol)),
    )
    adapted, report = adapt(recording, ECG)
    assert (adapted.channels, adapted.n_samples, adapted.unit) == (("MLII",), 500, "mV")
    assert str(report).splitlines() == [
        "- kept channel MLII of MLII, V5",
        "- resampled 360 -> 100 Hz (up 5, down 18)",
        "- took the last 5 s (500 samples) of 1805.6 s",
    ]
    beats = [sample for sample, symbol, _ in adapted.annotations if symbol == "N" and 10 < sample < 490]
    assert len(beats) >= 5
    for sample in beats:  # the R peak is where its mark is
        near = adapted.signal[0, sample - 10 : sample + 10]
        assert abs(int(near.argmax()) - 10) <= 1
    whole, _ = adapt(recording, ECG, window="all")
    assert np.abs(whole.signal[:, -500:] - adapted.signal).max() <= 1e-6 * np.ptp(whole.signal)


@pytest.mark.parametrize("value", [0.0, NAN, 7.5])
@pytest.mark.parametrize("flat_from", [35.0, 50.0])
def test_a_flat_end_is_named_and_the_latest_good_window_is_offered(value: float, flat_from: float) -> None:
    recording = with_samples(wavy(360, 60), value, flat_from, 60)
    with pytest.raises(ContractError) as caught:
        adapt(recording, ECG)
    assert ("55 to 60 s" in str(caught.value)) or ("misses 5 s of samples from 55 s" in str(caught.value))
    offered = re.search(r"--stop ([\d.]+)", str(caught.value.hint))
    assert offered is not None
    stop = float(offered[1])
    assert flat_from - 0.1 <= stop <= flat_from + 0.02
    adapt(recording.slice(None, stop), ECG)


def test_where_no_window_is_good_no_one_is_offered() -> None:
    with pytest.raises(ContractError) as caught:
        adapt(with_samples(wavy(360, 60), 0, 2, 60), ECG)
    assert "--stop" not in str(caught.value.hint)
