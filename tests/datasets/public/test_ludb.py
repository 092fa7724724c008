"""LUDB: beats that half of the leads show, the stretch that experts marked, and the names of rhythms."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from physiolect.datasets.public.ludb import LUDB, find_beats
from physiolect.errors import FormatError
from physiolect.recording import Annotations


@pytest.fixture
def folder(published: ModuleType, tmp_path: Path) -> Path:
    return published.ludb(tmp_path)


def test_recordings_are_the_stretch_around_the_marked_beats(folder: Path) -> None:
    found = {entry.name: (entry, recording) for entry, recording in LUDB.recordings(folder)}
    assert list(found) == ["1", "2", "4"]  # the third is not there
    assert [entry.labels for entry, _ in found.values()] == [("SBR",), ("AFIB",), ("N",)]
    recording = found["1"][1]
    assert recording.channels == ("I", "II", "III")
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
