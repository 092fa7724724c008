"""LUDB: beats that half of the leads show, the stretch that experts marked, and the names of rhythms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physiolect.datasets.public.ludb import LUDB, find_beats
from physiolect.errors import FormatError
from physiolect.formats import write_recording
from physiolect.recording import Annotations, Recording

LEADS = ("I", "II", "III")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two records of three leads, 10 s at 500 Hz; each lead's marks lie a little apart."""
    (tmp_path / "data").mkdir()
    (tmp_path / "ludb.csv").write_text(
        'ID,Sex,Rhythms\n1,"F\n",Sinus bradycardia\n2,"M\n","Atrial fibrillation\nAberrant conduction"\n'
        "3,M,Sinus rhythm\n"
    )
    signal = np.random.default_rng(0).normal(size=(3, 5000)).astype(np.float32)
    for record in ("1", "2"):
        write_recording(Recording(signal, 500, LEADS, "mV", "ecg"), tmp_path / "data" / f"{record}.hea")
        for k, lead in enumerate(("i", "ii", "iii")):
            beats = np.arange(600, 4500, 400) + 3 * k
            at = np.sort(np.concatenate([beats - 20, beats, beats + 20]))
            write_marks(tmp_path / "data", record, lead, at, ("(", "N", ")") * len(beats))
    return tmp_path


def write_marks(folder: Path, record: str, lead: str, at: np.ndarray, symbols: tuple[str, ...]) -> None:
    import wfdb

    wfdb.wrann(record, lead, at, list(symbols), fs=500, write_dir=str(folder))


def test_recordings_are_the_stretch_around_the_marked_beats(folder: Path) -> None:
    found = {entry.name: (entry, recording) for entry, recording in LUDB.recordings(folder)}
    assert list(found) == ["1", "2"]  # the third is not there
    assert [entry.labels for entry, _ in found.values()] == [("SBR",), ("AFIB",)]
    recording = found["1"][1]
    assert recording.channels == LEADS
    assert set(recording.annotations.symbol) == {"N"}
    assert recording.annotations.sample.tolist() == [
        125 + 400 * k for k in range(10)
    ]  # 603 - 0.25 s is where it begins
    assert recording.n_samples == 9 * 400 + 250
    assert found["1"][0].patient == "1"


def test_a_beat_is_where_half_of_the_leads_have_one() -> None:
    peaks = np.sort(np.array([100, 104, 500, 900, 902, 910]))
    assert find_beats(peaks, 500.0, 4).tolist() == [102, 902]
    assert find_beats(np.empty(0, np.int64), 500.0, 4).tolist() == []


def test_a_table_that_names_no_record_is_refused(folder: Path) -> None:
    (folder / "ludb.csv").write_text("ID,Rhythms\n../x,Sinus rhythm\n")
    with pytest.raises(FormatError, match="has a record"):
        list(LUDB.entries(folder))


def test_the_database_itself(data: Path) -> None:
    found = [recording for _, recording in LUDB.recordings(data / "ludb")]
    assert len(found) == 160
    assert min(recording.duration for recording in found) > 4
    assert Annotations() not in [recording.annotations for recording in found]
