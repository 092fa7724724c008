"""Measurements of a recording: leads by name, voltages in mV, and what is refused."""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from physiolect import synthetic
from physiolect.detection import measure_ecg
from physiolect.errors import ContractError
from physiolect.formats import read_recording, write_recording
from physiolect.recording import Recording


def test_a_made_ecg_has_the_rate_that_it_was_made_with() -> None:
    made = synthetic.ecg(seconds=30, heart_rate=80, variability=0.02, seed=3)
    found = measure_ecg(made)
    truth = 60 / np.diff(made.annotations.sample[1:] / made.fs).mean()
    assert found.rate == pytest.approx(truth, abs=0.5)
    assert found.unit == "mV"
    assert found.leads == made.channels
    assert found.p_share > 0.9
    assert 80 < found.pr < 260
    assert 60 < found.qrs < 140


def test_other_units_and_names_give_the_same_result() -> None:
    made = synthetic.ecg(seconds=12, leads=("I", "II", "aVF"), seed=1)
    micro = replace(made, signal=made.signal * 1000, unit="uV", channels=("ECG lead I", "MLII", "avf"))
    one, other = measure_ecg(made), measure_ecg(micro)
    np.testing.assert_allclose(other.voltages, one.voltages, rtol=1e-3, atol=1e-4)
    assert other.axis == pytest.approx(one.axis, abs=0.1)
    assert other.leads == one.leads


def test_channels_that_are_no_ecg_are_left_out() -> None:
    made = synthetic.ecg(seconds=12, leads=("II",))
    both = Recording(np.concatenate([made.signal, made.signal]), made.fs, ("II", "PLETH"), ("mV", "NU"))
    assert measure_ecg(both).leads == ("II",)
    with pytest.raises(ContractError, match="no channel of the recording is an ECG: PLETH") as refused:
        measure_ecg(both.select(["PLETH"]))
    assert refused.value.hint


def test_the_same_lead_twice_is_refused() -> None:
    made = synthetic.ecg(seconds=12, leads=("II",))
    with pytest.raises(ContractError, match="several channels are lead II"):
        measure_ecg(replace(made, signal=np.tile(made.signal, (2, 1)), channels=("II", "MLII"), unit="mV"))


def test_unknown_units_give_no_voltages() -> None:
    made = synthetic.ecg(seconds=12, leads=("I", "II"))
    for unit in (None, ("mV", None)):
        found = measure_ecg(replace(made, unit=unit))
        assert found.unit is None
        assert np.isnan(found.voltages).all()
        assert np.isfinite(found.qrs)


def test_a_file_is_read(tmp_path: Path) -> None:
    made = synthetic.ecg(seconds=12)
    write_recording(made, tmp_path / "rest.npz")
    assert measure_ecg(tmp_path / "rest.npz").axis == pytest.approx(measure_ecg(made).axis, abs=0.01)


@pytest.mark.skipif(
    "PHYSIOLECT_DATA" not in os.environ, reason="PHYSIOLECT_DATA names no folder of real data"
)
def test_axis_and_voltages_agree_with_the_reports_of_ptbxl() -> None:
    """Left and right axis deviation, and left ventricular hypertrophy, of PTB-XL's reports."""
    folder = Path(os.environ["PHYSIOLECT_DATA"]) / "ptbxl_raw"
    with open(folder / "ptbxl_database.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    axis: dict[str, list[float]] = {}
    for row in rows:
        if row["heart_axis"] in ("ALAD", "MID", "RAD"):
            found = measure_ecg(read_recording(folder / row["filename_hr"]))
            axis.setdefault(row["heart_axis"], []).append(found.axis)
    assert np.median(axis["ALAD"]) < -30
    assert 0 < np.median(axis["MID"]) < 90
    assert np.median(axis["RAD"]) > 80
    sokolow: dict[bool, list[float]] = {True: [], False: []}
    for row in [each for each in rows if "VCLVH" in each["scp_codes"]] + rows[:20]:
        found = measure_ecg(read_recording(folder / row["filename_hr"]))
        lead = dict(zip(found.leads, found.voltages, strict=True))
        sokolow["VCLVH" in row["scp_codes"]].append(-lead["V1"][3] + max(lead["V5"][2], lead["V6"][2]))
    assert np.median(sokolow[True]) > 3.2
    assert np.median(sokolow[False]) < 2.8
