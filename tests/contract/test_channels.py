from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physiolect.contract import CONTRACTS, InputContract, adapt, select_channels
from physiolect.errors import ContractError
from physiolect.recording import LEADS, Modality, Recording

ANY = CONTRACTS["heartgpt-ecg"]


def rows(*channels: str, modality: Modality | None = None) -> Recording:
    """Channel number n holds a wave around n."""
    signal = np.arange(len(channels))[:, np.newaxis] + 0.1 * np.sin(np.arange(200))
    return Recording(signal, 100, channels, "mV", modality)


def taken(recording: Recording, contract: InputContract, channel: str | int | None = None) -> list[int]:
    return adapt(recording, contract, channel)[0].signal[:, 0].round().astype(int).tolist()


@settings(max_examples=50, deadline=None)
@given(have=st.permutations(LEADS), want=st.permutations(LEADS), count=st.integers(1, 12))
def test_named_channels_come_in_the_contracts_order(have: list[str], want: list[str], count: int) -> None:
    wanted = tuple(want[:count])
    adapted, _ = adapt(rows(*have), replace(ANY, channels=wanted))
    assert adapted.channels == wanted
    assert adapted.signal[:, 0].round().tolist() == [have.index(name) for name in wanted]


@pytest.mark.parametrize("alias", ["MLII", "II", "ii", "ECG II", "ECG lead II", "DII"])
def test_aliases_are_the_lead_and_take_its_name(alias: str) -> None:
    adapted, report = adapt(rows("V5", alias), replace(ANY, channels=("II",)))
    assert adapted.channels == ("II",)
    assert adapted.signal[0, 0] == 1
    assert f"kept channel {alias}" in report.steps[0]
    assert (f"{alias} as II" in report.steps[0]) == (alias != "II")


def test_a_mere_change_of_name_is_told() -> None:
    _, report = adapt(rows("MLII"), replace(ANY, channels=("II",)))
    assert report.steps == ("took MLII as II",)


def test_v5_is_not_ii() -> None:
    with pytest.raises(ContractError, match="has no II") as caught:
        adapt(rows("V5", "V1"), replace(ANY, channels=("II", "V1")))
    assert "V5, V1" in str(caught.value.hint)


def test_the_very_name_comes_before_an_alias_and_twins_are_refused() -> None:
    assert taken(rows("MLII", "II"), replace(ANY, channels=("II",))) == [1]
    with pytest.raises(ContractError, match="any of MLII, DII"):
        adapt(rows("MLII", "DII"), replace(ANY, channels=("II",)))


def test_any_channel_takes_the_first_that_fits() -> None:
    recording = rows("PLETH", "resp", "V5", "V6")
    adapted, report = adapt(recording, ANY)
    assert adapted.channels == ("V5",)
    assert adapted.modality == "ecg"
    assert report.steps == ("kept channel V5 of PLETH, resp, V5, V6",)
    assert not report.notices
    assert taken(recording, CONTRACTS["heartgpt-ecg"], "V6") == [3]


def test_an_unknown_modality_passes_with_a_notice() -> None:
    adapted, report = adapt(rows("PLETH", "sensor"), ANY)
    assert adapted.channels == ("sensor",)
    assert adapted.modality is None
    assert "sensor" in report.notices[0]


@pytest.mark.parametrize(
    ("recording", "channel"),
    [
        (rows("ch1", modality="ppg"), None),
        (rows("PLETH", "PPG"), None),
        (rows("II", "PLETH"), "PLETH"),
        (rows("II", "PLETH"), 1),
    ],
)
def test_another_modality_is_refused(recording: Recording, channel: str | int | None) -> None:
    with pytest.raises(ContractError, match="ppg") as caught:
        adapt(recording, ANY, channel)
    assert caught.value.hint


def test_a_named_channel_of_another_modality_is_refused() -> None:
    with pytest.raises(ContractError, match="II is ecg, but the model reads ppg"):
        adapt(rows("II"), replace(ANY, modality="ppg", channels=("II",)))


def test_an_override_says_so_and_keeps_its_name() -> None:
    contract = replace(ANY, channels=("II",))
    adapted, report = adapt(rows("II", "V5"), contract, "V5")
    assert adapted.channels == ("V5",)
    assert "takes the place of II" in report.notices[0]
    assert not adapt(rows("MLII", "V5"), contract, "MLII")[1].notices


def test_an_override_that_cannot_be() -> None:
    with pytest.raises(ContractError, match="takes 2 channels"):
        adapt(rows("II", "V5"), replace(ANY, channels=("II", "V5")), "II")
    with pytest.raises(ContractError, match="no channel named 'V9'") as caught:
        adapt(rows("II", "V5"), ANY, "V9")
    assert caught.value.hint


def test_selecting_alone_keeps_the_recording_as_it_is() -> None:
    recording = rows("V5", "MLII", "V1")
    chosen = select_channels(recording, replace(ANY, channels=("V1", "II")))
    assert chosen.channels == ("V1", "MLII")
    np.testing.assert_array_equal(chosen.signal, recording.signal[[2, 1]])
    assert select_channels(recording, ANY, "II").channels == ("MLII",)
    with pytest.raises(ContractError, match="no V6"):
        select_channels(recording, replace(ANY, channels=("II", "V6")))
    with pytest.raises(ContractError, match="is ppg, but the model reads ecg"):
        select_channels(rows("PLETH", "II"), ANY, "PLETH")


def test_of_several_leads_any_channel_is_lead_ii_where_it_is_good_and_else_the_first() -> None:
    from physiolect.recording import LEADS

    contract = InputContract(fs=100.0, min_samples=1, max_samples=50, modality="ecg")
    twelve = Recording(
        np.random.default_rng(0).standard_normal((12, 100)), 100.0, LEADS, "mV", modality="ecg"
    )
    assert select_channels(twelve, contract).channels == ("II",)
    assert select_channels(twelve.select([6, 1, 0]), contract).channels == ("II",)
    assert select_channels(twelve.select([6, 0]), contract).channels == (LEADS[6],)
    for lost in (np.nan, 0.0):
        signal = twelve.signal.copy()
        signal[6:] = lost
        assert select_channels(replace(twelve, signal=signal), contract).channels == ("II",)
        signal[1] = lost
        assert select_channels(replace(twelve, signal=signal), contract).channels == ("I",)


TEN_TEN = (
    "AF7 AF3 AFz FC5 FCz FT8 T9 TP9 TP10 CP1 CPz P5 P10 PO4 POz Iz Nz F5 F10 TP9-M2 REOG LEOG HEOG VEOG IEOG"
)


@pytest.mark.parametrize("name", TEN_TEN.split())
def test_electrodes_of_the_whole_10_10_system_and_of_the_eyes_are_no_ecg(name: str) -> None:
    with pytest.raises(ContractError, match=r"the recording holds .* \((EEG|eye movement)\)"):
        adapt(rows(name), ANY)


def test_doubtful_names_are_electrodes_beside_electrodes_alone() -> None:
    assert taken(rows("Fp1", "FCz", "M1", "M2", "A1", "A2", "C2", "sensor"), ANY) == [7]
    assert taken(rows("A1", "resp"), ANY) == [0]


def test_long_lists_are_shortened_and_twelve_leads_are_not() -> None:
    with pytest.raises(ContractError, match=r"channels x0, .*, x11 … and 48 more might be") as caught:
        adapt(rows(*(f"x{k}" for k in range(60))), ANY)
    assert "x12" not in str(caught.value)
    with pytest.raises(ContractError, match=r"holds I, II, III, aVR, .*, V6 \(ecg\)"):
        adapt(rows(*LEADS), replace(ANY, modality="ppg"))
    report = adapt(replace(rows(*LEADS), unit="uV"), replace(ANY, channels=LEADS, unit="mV"))[1]
    assert f"converted {', '.join(LEADS)} from uV to mV (x 0.001)" in report.steps


def test_another_channel_is_offered_and_nothing_that_cannot_help() -> None:
    notice = "read HRV at 5 Hz; channels of other rates are left out: ECG (500 Hz), Marker (1 Hz)"
    signal = np.repeat(np.arange(100.0), 4)
    signal[-30:] = signal[-31]
    hrv = Recording(signal, 5.0, ("HRV",), "ms", notices=(notice,))
    with pytest.raises(ContractError) as caught:
        adapt(hrv, CONTRACTS["heartgpt-ecg"], "HRV")
    assert str(caught.value) == "channel HRV in ms is intervals of beats, but the model reads ecg"
    assert caught.value.hint == f"choose ECG; {notice}"
