"""MIMIC-IV-ECG: subjects, and what the machine wrote."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from physiolect.datasets.public.mimic_iv_ecg import MIMIC_IV_ECG


@pytest.fixture
def folder(published: ModuleType, tmp_path: Path) -> Path:
    return published.mimic_iv_ecg(tmp_path / "mimic")


def test_entries_join_both_tables(folder: Path) -> None:
    first, second, third = MIMIC_IV_ECG.entries(folder)
    assert first.name == "files/p1000/p10000032/s40689238/40689238"
    assert [entry.patient for entry in (first, second, third)] == ["10000032", "10000032", "10000117"]
    assert first.labels == ("Sinus rhythm", "Possible Left Atrial Enlargement", "Abnormal ECG")
    assert first.report.splitlines() == list(first.labels)
    assert second.labels == ()
    assert second.report == ""


def test_leads_keep_the_names_they_have(folder: Path) -> None:
    _, recording = next(MIMIC_IV_ECG.recordings(folder))
    assert recording.channels[3:6] == ("aVR", "aVF", "aVL")
    assert (recording.fs, recording.duration) == (500, 10)


def test_without_measurements_there_are_no_labels(folder: Path) -> None:
    (folder / "machine_measurements.csv").unlink()
    assert [entry.labels for entry in MIMIC_IV_ECG.entries(folder)] == [()] * 3
