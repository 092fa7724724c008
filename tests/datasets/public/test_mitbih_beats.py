"""The beats of MIT-BIH, cut after Kachuee: against a loop, with patients, classes and splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from physiolect.datasets import prepare
from physiolect.datasets.public.catalogue import recognise
from physiolect.datasets.public.dataset import Entry
from physiolect.datasets.public.heartbeats import HEARTBEAT_CONTRACT
from physiolect.datasets.public.mitbih import aami_beats
from physiolect.datasets.public.mitbih_beats import MITBIH_BEATS, cut_after_kachuee, read_rows
from physiolect.errors import FormatError
from physiolect.formats import read_recording, write_recording
from physiolect.synthetic import ecg


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two records of MIT-BIH's names, of one patient, whose beats are marked."""
    (tmp_path / "mitdb").mkdir()
    for k, name in enumerate(("201", "202")):
        recording = ecg(
            seconds=35.0,
            fs=360.0,
            leads=("V5", "II"),
            rhythm="sinus",
            ectopic_rate=0.1,
            heart_rate=70,
            seed=k,
        )
        write_recording(recording, tmp_path / "mitdb" / f"{name}.hea")
    return tmp_path / "mitdb"


def one_by_one(signal: NDArray[np.float64], beats: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = []
    for beat in beats:
        mates = [other for other in beats if other // 1250 == beat // 1250]
        rr = np.median(np.diff(mates)) if len(mates) > 1 else np.median(np.diff(beats))
        first = round(beat)
        cut = signal[first : first + min(round(1.2 * rr), 187)]
        row = np.zeros(187)
        row[: len(cut)] = (cut - cut.min()) / (cut.max() - cut.min())
        rows.append(row)
    return np.stack(rows)


def test_the_cut_is_that_of_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    signal = rng.standard_normal(6000)
    beats = np.cumsum(rng.uniform(40, 180, 48))
    beats = np.append(beats[beats < 5000], 5990.3)  # alone in its window, near the end
    np.testing.assert_allclose(cut_after_kachuee(signal, beats), one_by_one(signal, beats), atol=1e-6)


def test_a_flat_stretch_or_a_single_beat_is_cut_too() -> None:
    assert not cut_after_kachuee(np.ones(500), np.array([10.0, 120.0])).any()
    assert cut_after_kachuee(np.arange(500.0), np.array([10.0])).max() == 1
    assert cut_after_kachuee(np.ones(500), np.empty(0)).shape == (0, 187)


def test_a_store_of_beats_keeps_patients_classes_and_splits(folder: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="one patient's"):
        prepared = prepare(folder, tmp_path / "a", dataset="mitbih-beats", split="de-chazal", workers=1)
    store = prepared.store
    marks = [aami_beats(read_recording(folder / f"{name}.hea").annotations) for name in ("201", "202")]
    assert len(store) == sum(len(each) for each in marks)
    assert store.contract == HEARTBEAT_CONTRACT
    assert set(store.patients) == {"mitbih-beats/201"}
    assert set(store.splits) == {"DS1", "DS2"}
    assert set(store.labels) >= {("N",), ("V",)}
    rows, lead = read_rows(folder / "201.hea")
    assert lead == "II"
    first = store.sources.index("mitbih-beats/201#0")
    np.testing.assert_allclose(store.recording(first).signal[0], rows[0], atol=1e-4)
    with pytest.warns(UserWarning, match="every patient is on both sides"):
        by_beat = prepare(folder, tmp_path / "b", dataset="mitbih-beats", split="by-beat", workers=1)
    splits = by_beat.store.splits
    assert 0.05 < splits.count("test") / len(splits) < 0.4


def test_a_folder_of_records_is_taken_for_the_records(folder: Path) -> None:
    assert recognise(folder) == "mitbih"


def test_records_without_annotations_or_beats_are_refused(folder: Path) -> None:
    with (
        MITBIH_BEATS.opened(folder / "201.hea") as read,
        pytest.raises(FormatError, match="has no beat 10000"),
    ):
        read(Entry("x", folder / "201.hea", place=10_000))
    (folder / "201.atr").write_bytes(b"\x00")
    with pytest.raises(FormatError, match=r"201\.atr is cut short"):
        list(MITBIH_BEATS.entries(folder))
    (folder / "201.atr").unlink()
    with pytest.raises(FormatError, match=r"201\.hea has no annotations beside it"):
        list(MITBIH_BEATS.entries(folder))


def test_the_classes_of_the_database_itself(data: Path) -> None:
    found = [entry.labels[0] for entry in MITBIH_BEATS.entries(data / "mitdb")]
    assert {name: found.count(name) for name in "NSVFQ"} == {
        "N": 90_631,
        "S": 2_781,
        "V": 7_236,
        "F": 803,
        "Q": 8_043,
    }
