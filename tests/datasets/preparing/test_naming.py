"""Preparing channels under the names that the user gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physiolect import synthetic
from physiolect.datasets import prepare
from physiolect.errors import PhysiolectError
from physiolect.formats import read_recording, write_recording
from physiolect.recording import Recording


@pytest.fixture
def wearable(tmp_path: Path) -> Path:
    """A table of one channel whose name says nothing."""
    signal = synthetic.ecg(seconds=20, fs=100.0, leads=("II",), seed=1).signal
    write_recording(Recording(signal, 100.0, ("value",), "mV"), tmp_path / "w.csv")
    return tmp_path / "w.csv"


def test_one_channel_can_be_given_a_name(wearable: Path, tmp_path: Path) -> None:
    prepared = prepare(wearable, tmp_path / "store", lead="MLII", workers=1)
    assert prepared.store.channels(0) == prepared.store.contract.channels == ("II",)
    assert any("value to MLII" in remark.note for remark in prepared.store.remarks)
    write_recording(synthetic.ecg(seconds=20, leads=("I", "V1"), seed=1), tmp_path / "two.hea")
    with pytest.raises(PhysiolectError, match="none of 1"):
        prepare(tmp_path / "two.hea", tmp_path / "other", lead="II", workers=1)
    chosen = prepare(tmp_path / "two.hea", tmp_path / "other", lead="II", channel="V1", workers=1)
    assert chosen.store.channels(0) == ("II",)


def test_a_lead_goes_with_one_channel_alone(wearable: Path, tmp_path: Path) -> None:
    for settings, message in (
        ({"every_channel": True}, "every_channel takes all"),
        ({"names": ["II"]}, "names all of them"),
        ({"contract": "ecg-byte"}, "lead is 'II', but the contract takes 12 channels"),
    ):
        with pytest.raises(PhysiolectError, match=message):
            prepare(wearable, tmp_path / "store", lead="II", **settings)  # type: ignore[arg-type]


def test_names_replace_those_of_files_and_a_notice_says_which(wearable: Path, tmp_path: Path) -> None:
    read = read_recording(wearable, names=["II"])
    assert (read.channels, read.modality) == (("II",), "ecg")
    assert "renamed channels, as asked for: value to II" in read.notices
    recording = synthetic.ecg(seconds=5, leads=("I", "V1"), seed=1)
    for name in ("a.hea", "a.edf", "a.npz", "a.csv", "a.xml", "a.dcm"):
        write_recording(recording, tmp_path / name)
        found = read_recording(tmp_path / name, names=["I", "V2"])
        assert found.channels == ("I", "V2"), name
        assert "renamed channels, as asked for: V1 to V2" in found.notices, name
        np.testing.assert_array_equal(found.signal, read_recording(tmp_path / name).signal)
        assert read_recording(tmp_path / name, names=["I", "V2"], channels=["V2"]).channels == ("V2",)
        with pytest.raises(PhysiolectError, match=r"3 names were given, but .* holds 2 channels"):
            read_recording(tmp_path / name, names=["I", "II", "III"])


def test_a_ppg_contract_takes_the_ppg_of_a_file_of_two_rates(tmp_path: Path) -> None:
    from tests.formats.conftest import _write_edf

    _write_edf(tmp_path / "x.edf", rates=(250, 250, 100))
    prepared = prepare(tmp_path / "x.edf", tmp_path / "ppg", contract="heartgpt-ppg", workers=1)
    assert prepared.store.channels(0) == ("PLETH",)
    prepared = prepare(tmp_path / "x.edf", tmp_path / "ecg", contract="heartgpt-ecg", workers=1)
    assert prepared.store.channels(0) == ("ECG II",)
