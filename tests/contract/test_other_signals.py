"""What is never taken for an ECG or a pulse: times, counters, other quantities, and what nothing tells apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import ArrayLike

from physiolect.contract import CONTRACTS, adapt, select_channels
from physiolect.contract.samples import is_dead, sampled_kind
from physiolect.errors import ContractError
from physiolect.recording import Modality, Recording, canonical_channel, modality_of, stated_kind

ECG, PPG = CONTRACTS["heartgpt-ecg"], CONTRACTS["heartgpt-ppg"]
TIME = np.arange(5000) / 500
BEATS = np.abs(np.sin(np.pi * 1.2 * TIME)) ** 40
RNG = np.random.default_rng(0)


def recording(modality: Modality | None = None, fs: float = 500, **channels: ArrayLike) -> Recording:
    """Channels by name; "mV" is the unit of those in a tuple's second place."""
    signal = np.array(list(channels.values()), np.float32)
    return Recording(signal, fs, tuple(channels), None, modality)


ECGS = """
EKG1;ECG;ECG II;Lead I;Lead I (Einthoven);MDC_ECG_LEAD_II;Derivación II;Ableitung V5;ecg_uv;ecgRaw;A1_ECG;sensor:ECG;
ECG LA-RA;aVR;leadV1;Elektrokardiogramm;心电图;ЭКГ;real-time ECG;ECG sample;ECG CH1
"""


@pytest.mark.parametrize("name", [name.strip() for name in ECGS.split(";")])
def test_an_ecg_is_found_inside_longer_names(name: str) -> None:
    assert modality_of(name) == "ecg"
    assert stated_kind(name) is None


@pytest.mark.parametrize(
    ("name", "lead"),
    [
        ("MDC_ECG_LEAD_II", "II"), ("MDC_ECG_LEAD_AVR", "aVR"), ("Lead I (Einthoven)", "I"), ("ECG_II_raw", "II"),
        ("Derivación II", "II"), ("Dérivation aVF", "aVF"), ("Ableitung V6", "V6"), ("ECG lead II - filtered", "II"),
        ("ECG I-II", "ECG I-II"), ("EKG1", "EKG1"), ("Resp II", "Resp II"), ("Type II", "Type II"),
    ],
)  # fmt: skip
def test_a_lead_is_found_inside_longer_names(name: str, lead: str) -> None:
    assert canonical_channel(name) == lead


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("time", "Time;timer;Tiempo;Zeit;Temps;Tempo;Tijd;Tid;Czas;Время;时间;EcgTimestamp;ECG timestamp;time_s;t"),
        ("a counter", "index;Sample Index;PacketCounter;Zähler;sample #;Unnamed: 0;nSeq;contador"),
        ("EEG", "EEG Fpz-Cz;C3-A2;Fp1;EEG1"),
        ("a pressure", "ABP;ART;ABPmean;Blutdruck;Presión arterial;NBPSys;BP1;CVP"),
        ("respiration", "RESP;Resp nasal;Atmung;Respiración;etCO2"),
        ("acceleration", "ACC_X;accX;Acc-X;Beschleunigung X;Accelerometer_z"),
        ("a temperature", "TEMP;Temp1;Température;Temperatura"),
        ("skin conductance", "EDA;GSR;SCL"),
        ("a marker", "marker;EventMarker;Trigger;label;ECG_R_Peaks"),
        ("a heart rate", "heart rate;Heart Rate (bpm);ECG Heart Rate;ECG_Rate;Herzfrequenz;PulseRate"),
        ("a quality", "ecg quality;Battery"),
        ("muscle activity", "EMG chin"),
    ],
)  # fmt: skip
def test_names_say_what_is_no_signal(kind: str, names: str) -> None:
    for name in names.split(";"):
        assert stated_kind(name) == kind, name
        assert modality_of(name) is None, name


@pytest.mark.parametrize("unit", ["s", "ms", "µs", "mmHg", "°C", "g", "µS", "uS", "m/s²", "bpm", "kΩ"])
def test_a_unit_goes_before_the_name(unit: str) -> None:
    assert stated_kind("ECG", unit) is not None
    with pytest.raises(ContractError, match=r"but the (model reads|recording holds)"):
        adapt(Recording(BEATS, 500, "ECG", unit), ECG)


@pytest.mark.parametrize("unit", ["mV", "uV", "µV", "V", "nV", "au", "NU", "adu", None, ""])
def test_volts_and_plain_numbers_say_nothing(unit: str | None) -> None:
    assert stated_kind("ch1", unit) is None


@pytest.mark.parametrize(
    "values",
    [
        TIME, 1000 * TIME, 1.7e6 + TIME, np.arange(5000), np.arange(5000) % 256, -TIME,
        np.cumsum(RNG.integers(1, 4, 5000)), np.repeat(np.arange(500), 10), np.repeat(np.arange(500) % 128, 10),
        np.where(RNG.random(5000) < 0.01, np.nan, TIME), np.arange(20), np.cumsum(np.full(5000, 8.547009)),
        1.7e9 + 60 * TIME, 1.7e12 + 60_000 * TIME,
    ],
)  # fmt: skip
def test_ramps_and_counters_are_seen_in_the_samples(values: np.ndarray) -> None:
    assert sampled_kind(np.asarray(values, np.float32), 500) is not None
    with pytest.raises(ContractError, match=r"ramp|counter|time"):
        adapt(recording("ecg", ch1=np.resize(values, 5000)), ECG)


@pytest.mark.parametrize(
    "values",
    [
        BEATS, np.sin(TIME), RNG.standard_normal(5000), np.round(10 * np.sin(3 * TIME)), np.zeros(5000),
        np.r_[np.zeros(4500), BEATS[:500]], TIME[:10], np.full(5000, np.nan), BEATS + TIME / 100,
        np.round(100 * (1 - (TIME * 1.2 % 1)) * (1 - np.exp(-(TIME * 1.2 % 1) * 12))),
    ],
)  # fmt: skip
def test_signals_are_no_ramps(values: np.ndarray) -> None:
    assert sampled_kind(np.asarray(values, np.float32), 500) is None


@pytest.mark.parametrize("modality", [None, "ppg"])
def test_a_timer_beside_a_pulse_is_passed_over(modality: Modality | None) -> None:
    for name in ("timer", "x", "col1"):
        chosen = select_channels(recording(modality, **{name: 8.547 * np.arange(5000), "hr": BEATS}), PPG)
        assert chosen.channels == ("hr",)


def test_a_time_is_refused_where_it_is_asked_for() -> None:
    both = recording("ecg", Tiempo=4 * np.arange(5000), ECG=BEATS)
    for channel in ("Tiempo", 0):
        with pytest.raises(ContractError, match="Tiempo is time"):
            select_channels(both, ECG, channel)


def test_pressure_and_breath_are_no_ecg() -> None:
    icu = Recording(np.array([BEATS, np.sin(TIME)]), 125, ("ABP", "RESP"), ("mmHg", None))
    with pytest.raises(ContractError, match=r"ABP \(a pressure\), RESP \(respiration\)"):
        adapt(icu, ECG)


@pytest.mark.parametrize("modality", [None, "ecg"])
def test_of_several_that_say_nothing_none_is_guessed(modality: Modality | None) -> None:
    three = recording(modality, a=BEATS, b=2 * BEATS + np.sin(TIME), timer=TIME)
    with pytest.raises(ContractError, match="channels a, b might be the ecg") as caught:
        adapt(three, ECG)
    assert "--channel 0" in str(caught.value.hint)
    assert adapt(three, ECG, "b")[0].channels == ("b",)
    with pytest.raises(ContractError, match="a, b might be the one"):
        select_channels(replace(three, modality=None), replace(ECG, modality=None))


def test_dead_channels_and_switches_are_passed_over() -> None:
    signal = recording(ECG1=np.zeros(5000), ECG2=np.full(5000, np.nan), ECG3=BEATS)
    adapted, report = adapt(signal, ECG)
    assert adapted.channels == ("ECG3",)
    assert "passed over ECG1, ECG2: empty or flat throughout" in report.notices
    switch = recording(in1=TIME > 5, ch=BEATS)
    assert select_channels(switch, ECG).channels == ("ch",)
    assert is_dead(np.zeros(9000, np.float32))
    assert not is_dead(np.r_[np.zeros(8999), 1].astype(np.float32))


def test_a_series_of_heart_rates_is_no_ecg() -> None:
    for fs in (1, 4):
        for name in ("ch1", "hr", "ECG"):
            with pytest.raises(ContractError, match="no ecg"):
                adapt(recording("ecg", fs, **{name: 70 + RNG.standard_normal(600)}), ECG)


def test_of_two_channels_of_one_name_the_number_is_told() -> None:
    twins = Recording(np.array([BEATS, -BEATS]), 500, ("ECG", "ECG"), "mV")
    _, report = adapt(twins, ECG)
    assert "2 channels are named ECG: number 0 is taken" in report.notices
    np.testing.assert_array_equal(select_channels(twins, ECG, 1).signal, twins.signal[1:])
    with pytest.raises(ContractError, match="channel ECG could be any of ECG, ECG") as caught:
        adapt(twins, replace(ECG, channels=("ECG",)))
    assert "--channel 0 or 1" in str(caught.value.hint)
