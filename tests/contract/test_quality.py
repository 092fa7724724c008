"""Remarks on recordings: of made ones what was put in, of real ones hardly ever a false alarm."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from physiolect.contract import arrange_leads, quality_remarks
from physiolect.formats import list_recordings, read_recording
from physiolect.recording import LEADS, Recording
from physiolect.signals.quality import REMARK_KINDS, limb_swap


def ecg(unit: str = "mV", gain: float = 1) -> Recording:
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((2, 2000)).cumsum(axis=1) * 0.02 * gain
    return Recording(signal, 250.0, ("II", "V5"), unit, "ecg", source="r1")


def kinds(recording: Recording) -> list[str]:
    return [remark.kind for remark in quality_remarks(recording)]


def test_each_kind_names_its_channels() -> None:
    recording = ecg()
    signal = recording.signal
    assert kinds(recording) == []
    signal[0, :20] = np.nan
    signal[0, 500:1000] = 0.3
    signal[1, 600:700] = 20
    remarks = quality_remarks(recording)
    assert [remark.kind for remark in remarks] == ["missing", "flat", "clipped", "amplitude"]
    assert str(remarks[0]) == "r1: II misses 1 % of its samples"
    assert remarks[1].note == "II is flat for 25 % of its length"
    assert remarks[2].note == "V5 is cut off at 5 % of its samples"
    assert "V5 by 2" in remarks[3].note
    assert remarks[3].note.endswith("mV")


@pytest.mark.parametrize(
    ("unit", "gain", "found"), [("uV", 1000, True), ("V", 1e-3, True), ("sd", 1, False), (None, 1, False)]
)
def test_amplitude_is_judged_in_volts_alone(unit: str | None, gain: float, found: bool) -> None:
    recording = ecg(unit or "mV", gain)
    recording = Recording(recording.signal, 250.0, ("II", "V5"), unit, "ecg")
    assert kinds(recording) == []
    recording.signal[0, 5] = 20 * gain
    assert kinds(recording) == ["amplitude"] * found


def test_real_recordings_are_remarked_upon_for_what_they_are(data: Path) -> None:
    found: dict[str, list[str]] = {
        kind: [] for kind in REMARK_KINDS if kind not in ("derived", "zeros", "reading")
    }
    for path in list_recordings(data / "cinc" / "cinc2021"):
        for remark in quality_remarks(read_recording(path)):
            found[remark.kind].append(path.stem)
    assert found == {
        "missing": [],
        "flat": ["JS20004", "JS20008"],  # V2, V4 and V6 are zero throughout
        "clipped": [],
        "amplitude": ["JS20011"],  # V2 jumps by 11 mV
        "swap": [],
    }


def test_swaps_are_seen_and_real_recordings_are_not_taken_for_swapped(data: Path) -> None:
    with np.load(data / "ptbxl" / "signals_100hz_int16.npz") as file:
        records = file["signals"][::5] * np.float32(1e-3)  # (325, 12, time)
    told = {"none": Counter[str | None](), "RA/LA": Counter[str | None](), "RA/LL": Counter[str | None]()}
    for signal in records:
        one, two, three, v6 = signal[0], signal[1], signal[2], signal[LEADS.index("V6")]
        told["none"][limb_swap(one, two, v6, 100)] += 1
        told["RA/LA"][limb_swap(-one, three, v6, 100)] += 1
        told["RA/LL"][limb_swap(-three, -two, v6, 100)] += 1
    assert told["none"][None] >= 0.99 * len(records)
    assert told["RA/LA"]["RA/LA"] > 0.9 * len(records)
    assert told["RA/LL"]["RA/LL"] > 0.8 * len(records)


def test_a_swap_is_remarked_upon_by_name(data: Path) -> None:
    right = read_recording(data / "cinc" / "cinc2021" / "E07500.hea")
    signal = right.signal.copy()
    signal[[0, 1, 2]] = -right.signal[0], right.signal[2], right.signal[1]
    wrong = Recording(signal, right.fs, tuple(f"ECG {name}" for name in right.channels), "mV")
    assert kinds(right) == []
    (remark,) = quality_remarks(wrong)
    assert remark.note == "lead I opposes V6: the electrodes of right and left arm may be swapped"
    assert kinds(arrange_leads(wrong, ("I", "II", "V1"))) == []


def test_a_step_wave_is_not_called_flat() -> None:
    signal = np.repeat(np.arange(12) % 2, 500)[np.newaxis].astype(np.float32)
    (remark,) = quality_remarks(Recording(signal, 250.0, ("0.2Hz Blk",), "uV"))
    assert (remark.kind, remark.note) == (
        "flat", "0.2Hz Blk holds each of its values for a second or more during 100 % of its length"
    )  # fmt: skip
    (remark,) = quality_remarks(Recording(np.ones((1, 900)), 250.0, ("II",), "mV"))
    assert remark.note == "II is flat for 100 % of its length"


@pytest.mark.parametrize(
    ("name", "unit", "told"),
    [("II", "mV", True), ("Resp", None, True), ("Fp1", "uV", True), ("Status", "Boolean", False),
     ("Temperature", "degC", False), ("HRV", "ms", False), ("SpO2", "%", False)],
)  # fmt: skip
def test_only_waveforms_are_cut_off(name: str, unit: str | None, told: bool) -> None:
    recording = ecg()
    recording.signal[0, 600:700] = 20
    one = Recording(recording.signal[:1], 250.0, (name,), unit)
    assert ("clipped" in kinds(one)) == told
    digital = np.repeat(np.arange(60) % 2, 33)[np.newaxis]
    assert "clipped" not in kinds(Recording(digital, 250.0, (name,), unit))
