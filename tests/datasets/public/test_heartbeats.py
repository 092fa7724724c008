"""The heartbeat CSV: one beat a line, its class at the end."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from physiolect.contract import InputContract, quality_remarks
from physiolect.datasets import open_store, split_rows
from physiolect.datasets.preparing.preparation import Preparation
from physiolect.datasets.preparing.prepare import prepare_store
from physiolect.datasets.preparing.public_files import public_files
from physiolect.datasets.public.dataset import Entry
from physiolect.datasets.public.heartbeats import HEARTBEATS, open_beats
from physiolect.errors import FormatError


@pytest.fixture
def folder(published: ModuleType, tmp_path: Path) -> Path:
    return published.heartbeats(tmp_path / "beats")


def test_every_line_is_a_beat_with_its_class(folder: Path) -> None:
    found = list(HEARTBEATS.recordings(folder))
    assert len(found) == 40 + 7 + 3 + 3
    table = np.loadtxt(folder / "mitbih_train.csv", delimiter=",")
    for k, (entry, recording) in enumerate(found[:40]):
        assert entry.name == f"mitbih_train.csv#{k}"
        np.testing.assert_array_equal(recording.signal[0], table[k, :-1].astype(np.float32))
        assert entry.labels == ("NSVFQ"[int(table[k, -1])],)
        assert entry.patient is None
    assert (recording.fs, recording.channels, recording.unit) == (125, ("II",), "au")
    assert [entry.labels[0] for entry, _ in found[-6:]] == ["normal"] * 3 + ["abnormal"] * 3


def test_its_split_comes_by_name_and_with_a_warning(folder: Path) -> None:
    assert {entry.split for entry in HEARTBEATS.entries(folder)} == {None}
    with pytest.warns(UserWarning, match="nearly every patient is on both sides"):
        splits = [entry.split for entry in HEARTBEATS.entries(folder, split="published")]
    assert [splits.count(name) for name in ("train", "test", None)] == [40, 7, 6]


@pytest.mark.parametrize(
    "line", ["1,2,3\n", ",".join(["0"] * 187) + ",5\n", ",".join(["0"] * 187) + ",0.5\n", "a header\n", "\n"]
)
def test_another_line_is_refused_and_named(folder: Path, line: str) -> None:
    with (folder / "mitbih_test.csv").open("a") as file:
        file.write(line)
    with pytest.raises(FormatError, match=r"line 8 of .*mitbih_test\.csv is not 187 samples and a class"):
        list(HEARTBEATS.entries(folder))


def test_a_beat_that_is_no_longer_there_is_refused(folder: Path) -> None:
    path = folder / "mitbih_test.csv"
    with open_beats(path) as read, pytest.raises(FormatError, match="no beat of 187 numbers at byte 1000000"):
        read(Entry("x", path, place=1_000_000))
    path.write_text(path.read_text().replace("e-01", "xxxx"))
    with open_beats(path) as read, pytest.raises(FormatError, match="no beat of 187 numbers"):
        read(Entry("x", path, place=0))


def test_the_zeros_that_fill_a_beat_up_are_no_fault_of_it(folder: Path) -> None:
    assert [quality_remarks(recording) for _, recording in HEARTBEATS.recordings(folder)] == [[]] * 53


def test_a_split_by_chance_is_warned_of_as_nobody_tells_the_patients(folder: Path, tmp_path: Path) -> None:
    files, _ = public_files(HEARTBEATS, folder)
    recipe = Preparation(InputContract(fs=125.0, min_samples=100, max_samples=187), refuse=("clipped",))
    prepare_store(files, tmp_path / "store", recipe, workers=1, about={"dataset": "heartbeats"})
    store = open_store(tmp_path / "store")
    assert len(store) == 53
    with pytest.warns(UserWarning, match="heartbeats does not tell whose its recordings are"):
        split_rows(store, 0.2, seed=0)


def test_windows_line_ends_do_not_matter(folder: Path) -> None:
    path = folder / "mitbih_train.csv"
    before = [recording.signal for _, recording in HEARTBEATS.recordings(folder)]
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    after = [recording.signal for _, recording in HEARTBEATS.recordings(folder)]
    assert all((a == b).all() for a, b in zip(before, after, strict=True))
