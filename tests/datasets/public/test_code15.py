"""CODE-15: exams by number out of HDF5 parts, without the zeros around them."""

from __future__ import annotations

import csv
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest

from physiolect.datasets.public import code15
from physiolect.datasets.public.code15 import CODE15, open_exams, without_padding
from physiolect.datasets.public.dataset import Entry
from physiolect.errors import FormatError
from physiolect.formats import hdf5
from physiolect.recording import LEADS


@pytest.fixture
def folder(published: ModuleType, tmp_path: Path) -> Path:
    return published.code15(tmp_path / "code15")


def entry_of(folder: Path, exam: int) -> Entry:
    return next(entry for entry in CODE15.entries(folder) if entry.place == exam)


def test_patients_and_labels(folder: Path) -> None:
    found = {entry.place: entry for entry in CODE15.entries(folder)}
    assert found[1169160].patient == found[2873686].patient == "523632"
    assert found[1169160].labels == ("normal_ecg",)
    assert found[168405].labels == ("AF",)
    assert found[271011].labels == ()
    assert found[271011].name == "exams_part1.hdf5#271011"


def test_zeros_around_an_exam_are_removed_and_it_is_the_right_one(folder: Path) -> None:
    for exam, length in ((1169160, 4096), (2873686, 2934)):
        entry = entry_of(folder, exam)
        with open_exams(entry.path) as read:
            recording = read(entry)
        expected = np.random.default_rng(exam).standard_normal((length, 12)) * 0.3
        np.testing.assert_array_equal(recording.signal, expected.T.astype(np.float32))
        assert (recording.fs, recording.channels, recording.unit) == (400, LEADS, "mV")


def test_zeros_inside_stay() -> None:
    signal = np.array([[0, 0, 1, 0, 0, 2, 0], [0, 0, 0, 0, 0, 3, 0]], np.float32)
    assert without_padding(signal).tolist() == [[1, 0, 0, 2], [0, 0, 0, 3]]
    assert without_padding(signal[:, :2]).shape == (2, 0)


def test_an_exam_of_zeros_and_one_that_is_not_there_are_refused(folder: Path) -> None:
    path = folder / "exams_part0.hdf5"
    with open_exams(path) as read:
        with pytest.raises(FormatError, match="nothing but zeros"):
            read(Entry("x", path, place=0))
        with pytest.raises(FormatError, match="no exam 5"):
            read(Entry("x", path, place=5))


@pytest.mark.parametrize("shape", [(3, 4096, 8), (3, 12), (1, 4096, 12)])
def test_another_shape_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with h5py.File(tmp_path / "part.hdf5", "w") as file:
        file["exam_id"] = np.arange(3)
        file["tracings"] = np.ones(shape, np.float32)
    with pytest.raises(FormatError, match="holds tracings of shape"), open_exams(tmp_path / "part.hdf5"):
        pass


def test_damaged_and_hostile_parts_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "part.hdf5"
    path.write_bytes(b"no HDF5 at all")
    with pytest.raises(FormatError, match="not a readable HDF5"), open_exams(path):
        pass
    (tmp_path / "outside.bin").write_bytes(bytes(96))
    with h5py.File(path, "w") as file:
        file["exam_id"] = np.arange(3)
        file["tracings"] = h5py.ExternalLink("elsewhere.hdf5", "/tracings")
    with pytest.raises(FormatError, match="no numeric dataset 'tracings'"), open_exams(path):
        pass
    with h5py.File(path, "w") as file:
        file["exam_id"] = np.arange(3)
        external = [(str(tmp_path / "outside.bin"), 0, 96)]
        file.create_dataset("tracings", (1, 2, 12), np.float32, external=external)
    with pytest.raises(FormatError, match="lies in another file"), open_exams(path):
        pass


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_part_whose_exams_have_no_numbers_is_refused(folder: Path, number: float) -> None:
    path = folder / "exams_part0.hdf5"
    with h5py.File(path, "r+") as file:
        del file["exam_id"]
        file["exam_id"] = np.array([1169160.0, number, 168405.0])
    with pytest.raises(FormatError, match="does not number its exams"), open_exams(path):
        pass


def test_a_part_of_more_exams_or_larger_chunks_than_there_can_be_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk is unpacked whole for one row: a small file must not ask for a gigabyte."""
    path = folder / "exams_part0.hdf5"
    monkeypatch.setattr(code15, "_MOST_EXAMS", 3)
    with pytest.raises(FormatError, match="has more than 3"), open_exams(path):
        pass
    with h5py.File(path, "r+") as file:
        del file["tracings"]
        zeros = np.zeros((4, 4096, 12), np.float32)
        file.create_dataset("tracings", data=zeros, chunks=zeros.shape, compression="gzip")
    monkeypatch.setattr(hdf5, "_LARGEST_CHUNK", zeros.nbytes - 1)
    with pytest.raises(FormatError, match="holds 'tracings' in chunks of 0 MB"), open_exams(path):
        pass


def test_a_number_that_is_none_is_refused(folder: Path) -> None:
    path = folder / "exams.csv"
    path.write_text(path.read_text().replace("1169160", "one"))
    with pytest.raises(FormatError, match="has 'one' where an exam's number belongs"):
        list(CODE15.entries(folder))


def test_real_exams_come_back_out_of_a_part(data: Path, tmp_path: Path) -> None:
    """Ten exams, padded into a part as the dataset does it."""
    import scipy.io

    folder = tmp_path / "real"
    folder.mkdir()
    with (data / "code15_sample" / "meta.csv").open(newline="") as file:
        text = file.read()
    (folder / "exams.csv").write_text(text)
    rows = list(csv.DictReader(text.splitlines()))
    originals = {}
    for part in {row["trace_file"] for row in rows}:
        mine = [row for row in rows if row["trace_file"] == part]
        tracings = np.zeros((len(mine) + 1, 4096, 12), np.float32)
        for k, row in enumerate(mine):
            feats = scipy.io.loadmat(data / "code15_sample" / "org" / row["save_file"])["feats"]
            first = (4096 - feats.shape[1]) // 2
            tracings[k, first : first + feats.shape[1]] = feats.T
            originals[int(row["exam_id"])] = feats
        with h5py.File(folder / part, "w") as file:
            file["exam_id"] = np.array([int(row["exam_id"]) for row in mine] + [0])
            file["tracings"] = tracings
    found = list(CODE15.recordings(folder))
    assert len(found) == 10
    for entry, recording in found:
        np.testing.assert_array_equal(recording.signal, originals[entry.place])
        # I + III = II and aVR = -(I + II) / 2, up to what another device's rounding leaves
        lead = dict(zip(recording.channels, recording.signal, strict=True))
        assert np.median(np.abs(lead["I"] + lead["III"] - lead["II"])) < 0.1
        assert np.median(np.abs(lead["aVR"] + (lead["I"] + lead["II"]) / 2)) < 0.1
    assert {entry.labels for entry, _ in found} >= {("1dAVb",), ("RBBB",), ("ST",), ("SB",)}
