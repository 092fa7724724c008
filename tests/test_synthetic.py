from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physiolect import synthetic
from physiolect.errors import ConfigError
from physiolect.formats import read_recording
from physiolect.recording import LEADS, Recording
from physiolect.synthetic import heart

bounded = settings(max_examples=20, deadline=None)


def beats_of(recording: Recording, symbols: str = "NV") -> np.ndarray:
    return np.array([sample for sample, symbol, _ in recording.annotations if symbol in symbols])


def rr_of(recording: Recording) -> np.ndarray:
    return np.diff(beats_of(recording)) / recording.fs


@bounded
@given(st.integers(0, 2**32 - 1), st.sampled_from(["sinus", "af"]))
def test_limb_leads_obey_einthoven_and_goldberger(seed: int, rhythm: str) -> None:
    recording = synthetic.ecg(seconds=10, rhythm=rhythm, ectopic_rate=0.1, seed=seed)
    lead = dict(zip(recording.channels, recording.signal, strict=True))
    assert recording.channels == LEADS
    assert np.array_equal(lead["III"], lead["II"] - lead["I"])
    assert np.array_equal(lead["aVR"], -(lead["I"] + lead["II"]) / 2)
    np.testing.assert_allclose(lead["aVL"], (lead["I"] - lead["III"]) / 2, atol=1e-6)
    np.testing.assert_allclose(lead["aVF"], (lead["II"] + lead["III"]) / 2, atol=1e-6)


@bounded
@given(st.integers(0, 2**32 - 1), st.floats(45, 130))
def test_annotated_beats_are_the_peaks_of_lead_two(seed: int, heart_rate: float) -> None:
    recording = synthetic.ecg(
        seconds=20, heart_rate=heart_rate, ectopic_rate=0.1, leads=["II"], noise=0, seed=seed
    )
    x = recording.signal[0]
    for sample in beats_of(recording):
        start, stop = max(0, sample - 25), sample + 26
        assert start + np.argmax(x[start:stop]) == sample
        assert x[sample] > 0.4


@pytest.mark.parametrize("variability", [0.02, 0.05, 0.1])
def test_sinus_rhythm_has_the_rate_and_variability_asked_for(variability: float) -> None:
    rr = rr_of(synthetic.ecg(seconds=1800, heart_rate=80, variability=variability, leads=["II"], fs=250))
    assert 60 / rr.mean() == pytest.approx(80, rel=0.01)
    assert rr.std() / rr.mean() == pytest.approx(variability, rel=0.15)


def test_breathing_and_slow_changes_share_the_variability() -> None:
    beats = synthetic.ecg(seconds=1800, heart_rate=60, leads=["II"], noise=0, seed=3)
    at = beats_of(beats)[1:] / beats.fs
    even = np.interp(np.arange(5, 1790, 0.25), at, rr_of(beats))
    power = np.abs(np.fft.rfft(even - even.mean())) ** 2
    frequency = np.fft.rfftfreq(len(even), 0.25)
    breath = power[(frequency > 0.17) & (frequency < 0.33)].sum() / power.sum()
    assert 0.4 < breath < 0.75
    assert power[frequency < 0.05].sum() > 2 * power[(frequency > 0.05) & (frequency < 0.1)].sum()


def test_fibrillation_is_irregular_and_waves_where_p_would_be() -> None:
    af = synthetic.ecg(seconds=1800, heart_rate=90, rhythm="af", leads=["V1"], noise=0, seed=4)
    sinus = synthetic.ecg(seconds=1800, heart_rate=90, leads=["V1"], noise=0, seed=4)
    rr = rr_of(af)
    assert rr.std() / rr.mean() == pytest.approx(0.24, rel=0.1)
    assert 60 / rr.mean() == pytest.approx(90, rel=0.03)
    assert rr.min() > 0.25
    assert abs(np.corrcoef(rr[1:], rr[:-1])[0, 1]) < 0.1
    assert np.corrcoef(rr_of(sinus)[1:], rr_of(sinus)[:-1])[0, 1] > 0.3
    assert next(iter(af.annotations)) == (0, "+", "(AFIB")
    assert next(iter(sinus.annotations)) == (0, "+", "(N")


def test_fibrillatory_waves_lie_between_4_and_9_hz() -> None:
    course = heart._fibrillation(np.random.default_rng(0), 500 * 120, 500.0)
    power = np.abs(np.fft.rfft(course)) ** 2
    frequency = np.fft.rfftfreq(len(course), 1 / 500)
    assert power[(frequency >= 4) & (frequency <= 9)].sum() > 0.9 * power.sum()


def test_p_waves_belong_to_sinus_rhythm_alone() -> None:
    def before_beats(rhythm: str) -> float:
        recording = synthetic.ecg(
            seconds=300, heart_rate=60, rhythm=rhythm, leads=["II"], noise=0, variability=0.01
        )
        cut = [recording.signal[0, b - 150 : b - 30] for b in beats_of(recording)[2:-2]]
        return float(np.ptp(np.mean(cut, axis=0)))

    assert before_beats("sinus") > 0.08
    assert before_beats("af") < 0.4 * before_beats("sinus")


def test_ventricular_beats_come_early_wide_and_with_a_compensatory_pause() -> None:
    recording = synthetic.ecg(seconds=1200, ectopic_rate=0.1, variability=0.0, leads=["II"], noise=0, seed=5)
    x, fs = recording.signal[0], recording.fs
    samples, symbols = recording.annotations.sample[1:], np.array(recording.annotations.symbol[1:])
    is_v = symbols == "V"
    assert is_v.mean() == pytest.approx(0.1, abs=0.02)
    at = np.flatnonzero(is_v[1:-1]) + 1
    before, after = samples[at] - samples[at - 1], samples[at + 1] - samples[at]
    assert np.all(before < 0.75 * 60 / 70 * fs)
    alone = ~is_v[at + 1]
    np.testing.assert_allclose((before + after)[alone] / fs, 2 * 60 / 70, atol=0.35 * 60 / 70)
    assert np.median((before + after)[alone] / fs) == pytest.approx(2 * 60 / 70, abs=0.005)

    def width(sample: int) -> int:
        return int(np.count_nonzero(x[sample - 50 : sample + 50] > x[sample] / 2))

    v = np.median([width(s) for s in samples[is_v][1:-1]])
    n = np.median([width(s) for s in samples[~is_v][1:-1]])
    assert v > 2 * n


@bounded
@given(st.integers(0, 2**32 - 1), st.floats(45, 130), st.sampled_from(["sinus", "af"]))
def test_ppg_beats_are_systolic_peaks(seed: int, heart_rate: float, rhythm: str) -> None:
    recording = synthetic.ppg(seconds=30, heart_rate=heart_rate, rhythm=rhythm, noise=0, seed=seed)
    x = recording.signal[0]
    inner = [b for b in beats_of(recording) if 1 <= b < len(x) - 1]
    assert (recording.channels, recording.unit, recording.modality) == (("PPG",), "au", "ppg")
    assert len(inner) > 10
    rising = [b for b in inner if x[b] >= x[b - 1] and x[b] >= x[b + 1]]
    # In fibrillation a pulse can drown in the one before; in sinus rhythm each is a peak.
    assert len(rising) >= (len(inner) if rhythm == "sinus" else 0.8 * len(inner))


def test_ppg_has_a_dicrotic_notch() -> None:
    recording = synthetic.ppg(seconds=60, heart_rate=60, noise=0, variability=0, seed=1)
    x, beats = recording.signal[0], beats_of(recording)
    pulse = np.mean([x[b : b + 45] for b in beats[1:-1]], axis=0)
    notch = np.argmin(pulse[:25])
    assert 10 < notch < 24
    assert pulse[notch:].max() > pulse[notch] + 0.01


@pytest.mark.parametrize("make", [synthetic.ecg, synthetic.ppg])
def test_the_seed_decides_everything(make) -> None:
    first, again, other = (make(seconds=5, ectopic_rate=0.1, seed=seed) for seed in (7, 7, 8))
    assert np.array_equal(first.signal, again.signal)
    assert list(first.annotations) == list(again.annotations)
    assert not np.array_equal(first.signal, other.signal)


def test_leads_come_as_asked_for() -> None:
    every = synthetic.ecg(seconds=5, seed=2)
    some = synthetic.ecg(seconds=5, seed=2, leads=("V5", "II"))
    assert some.channels == ("V5", "II")
    assert np.array_equal(some.signal, every.signal[[LEADS.index("V5"), LEADS.index("II")]])


def test_noise_is_added_and_nothing_else_changes() -> None:
    clean, noisy = (synthetic.ecg(seconds=60, noise=noise, seed=3) for noise in (0.0, 1.0))
    assert list(clean.annotations) == list(noisy.annotations)
    assert 0.02 < np.std(noisy.signal - clean.signal) < 0.2


def test_an_hour_of_twelve_leads_takes_seconds() -> None:
    start = time.perf_counter()
    recording = synthetic.ecg(seconds=3600, ectopic_rate=0.05)
    assert recording.n_samples == 1_800_000
    assert time.perf_counter() - start < 15


@pytest.mark.parametrize("modality", ["ecg", "ppg"])
def test_a_cohort_is_read_back_as_made(tmp_path: Path, modality: str) -> None:
    paths = synthetic.write_cohort(tmp_path / "new", n_recordings=3, seconds=20, seed=1, modality=modality)
    assert [path.name for path in paths] == [f"{modality}_000{i}.hea" for i in range(3)]
    recordings = [read_recording(path) for path in paths]
    for recording in recordings:
        assert recording.modality == modality
        assert recording.duration == 20
        assert recording.unit == ("mV" if modality == "ecg" else "au")
        assert recording.annotations.symbol[0] == "+"
        assert len(beats_of(recording)) > 10
    assert not np.array_equal(rr_of(recordings[0]), rr_of(recordings[1]))


def test_a_longer_cohort_begins_with_the_shorter_one(tmp_path: Path) -> None:
    for name, n_recordings in (("short", 1), ("long", 2)):
        synthetic.write_cohort(tmp_path / name, n_recordings=n_recordings, seconds=5, seed=9)
    short, long = (tmp_path / name / "ecg_0000.dat" for name in ("short", "long"))
    assert short.read_bytes() == long.read_bytes()


def test_a_large_cohort_has_rhythms_and_ectopic_beats(tmp_path: Path) -> None:
    paths = synthetic.write_cohort(tmp_path, n_recordings=40, seconds=10, seed=0, modality="ppg")
    marks = [read_recording(path).annotations for path in paths]
    assert 2 <= sum(mark.note[0] == "(AFIB" for mark in marks) <= 14
    assert 4 <= sum("V" in mark.symbol for mark in marks) <= 22


def test_an_empty_cohort_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="n_recordings"):
        synthetic.write_cohort(tmp_path, n_recordings=0, seconds=5, seed=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rhythm", "flutter"),
        ("leads", ["V9"]),
        ("seconds", 0.0),
        ("fs", 0.0),
        ("heart_rate", 400.0),
        ("variability", -0.1),
        ("ectopic_rate", 0.5),
        ("noise", float("nan")),
    ],
)
def test_what_is_out_of_range_is_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name.removesuffix("s")) as caught:
        synthetic.ecg(**{"seconds": 5.0, name: value})
    assert caught.value.hint
