"""The heartbeat CSV: one beat a line, its class at the end."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from physiolect.checkpoint import load_checkpoint
from physiolect.contract import InputContract, quality_remarks
from physiolect.datasets import open_store, prepare, split_rows
from physiolect.datasets.preparing.preparation import Preparation
from physiolect.datasets.preparing.prepare import prepare_store
from physiolect.datasets.preparing.public_files import public_files
from physiolect.datasets.public.dataset import Entry
from physiolect.datasets.public.heartbeats import HEARTBEAT_CONTRACT, HEARTBEATS, open_beats
from physiolect.errors import FormatError
from physiolect.learning import finetune
from physiolect.models.encoder import ENCODER_PRESETS


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
    ("line", "fault"),
    [
        ("1,2,3\n", "has 3 cells, but 187 samples and a class are 188"),
        (",".join(["0"] * 187) + ",5\n", "the class is 5, but must be 0 to 4"),
        (",".join(["0"] * 187) + ",0.5\n", "the class is 0.5, but must be 0 to 4"),
        (",".join(["0"] * 187) + ",nan\n", "the class is nan"),
        (",".join(["0"] * 186) + ",x,1\n", "cell 187 is no number"),
        (",".join(["0"] * 186) + ",nan,1\n", "sample 187 is nan, but must be from 0 to 1"),
        ("1.5," + ",".join(["0"] * 186) + ",1\n", "sample 1 is 1.5, but must be from 0 to 1"),
        ("0.5," + ",".join(["0"] * 187) + ",1\n", "has 189 cells, and the first is no row number"),
        (",".join(map(str, range(188))) + "\n", "sample 3 is 2, but must be from 0 to 1"),
        ("0" * 20_000 + "\n", "is longer than a beat of 187 samples"),
        ("a header\n", "has 1 cells"),
        ("\n", "is empty"),
    ],
)
def test_another_line_is_refused_and_named(folder: Path, line: str, fault: str) -> None:
    with (folder / "mitbih_test.csv").open("a") as file:
        file.write(line)
    with pytest.raises(FormatError, match=rf"line 8 of .*mitbih_test\.csv:? {fault}"):
        list(HEARTBEATS.entries(folder))


@pytest.mark.parametrize("names", [[str(k) for k in range(188)], [f"t{k}" for k in range(187)] + ["label"]])
@pytest.mark.parametrize("indexed", [False, True])
def test_a_header_and_an_index_column_are_no_beats(folder: Path, names: list[str], indexed: bool) -> None:
    before = [(entry.labels, recording.signal) for entry, recording in HEARTBEATS.recordings(folder)]
    path = folder / "mitbih_train.csv"
    lines = path.read_text().splitlines()
    if indexed:
        lines = [f"{k + 5},{line}" for k, line in enumerate(lines)]
        names = ["", *names]
    path.write_text("\n".join([",".join(names), *lines]) + "\n")
    after = [(entry.labels, recording.signal) for entry, recording in HEARTBEATS.recordings(folder)]
    assert [labels for labels, _ in before] == [labels for labels, _ in after]
    assert all((a == b).all() for (_, a), (_, b) in zip(before, after, strict=True))


def test_samples_of_the_files_under_other_names_are_read(folder: Path) -> None:
    (folder / "mitbih_train.csv").rename(folder / "mitbih_train_sample.csv")
    (folder / "mitbih_test.csv").rename(folder / "ten_rows.csv")
    with pytest.warns(UserWarning, match="both sides"):
        found = list(HEARTBEATS.entries(folder, split="published"))
    assert [each.split for each in found].count("train") == 40
    assert [each.split for each in found if each.name.startswith("ten")] == [None] * 7


def test_a_table_of_something_else_is_refused_not_passed_over(folder: Path) -> None:
    (folder / "patients.csv").write_text("recording,patient\n1,2\n")
    with pytest.raises(FormatError, match=r"line 1 of .*patients\.csv has 2 cells"):
        list(HEARTBEATS.entries(folder))
    for path in folder.glob("m*.csv"):
        path.write_text("")
    with pytest.raises(FormatError, match=r"mitbih_train\.csv has no beats"):
        list(HEARTBEATS.entries(folder))


def test_a_beat_that_is_no_longer_there_is_refused(folder: Path) -> None:
    path = folder / "mitbih_test.csv"
    with (
        open_beats(path) as read,
        pytest.raises(FormatError, match=r"the line at byte 1000000 of .* is empty"),
    ):
        read(Entry("x", path, place=1_000_000))
    path.write_text(path.read_text().replace("e-01", "xxxx"))
    with (
        open_beats(path) as read,
        pytest.raises(FormatError, match=r"the line at byte 0 of .*: cell 1 is no number"),
    ):
        read(Entry("x", path, place=0))


def test_a_spoiled_file_is_refused_or_what_is_left_is_whole(folder: Path) -> None:
    path = folder / "mitbih_train.csv"
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        spoiled = bytearray(whole)
        at = int(rng.integers(len(whole)))
        spoiled[at : at + int(rng.integers(1, 4000))] = rng.bytes(int(rng.integers(0, 40)))
        path.write_bytes(bytes(spoiled[: int(rng.integers(1, len(spoiled)))]))
        with contextlib.suppress(FormatError):  # where it is not refused, what is left is whole
            for _, recording in HEARTBEATS.recordings(folder):
                assert (abs(recording.signal - 0.5) <= 0.500001).all()


def test_ecgformer_learns_from_a_store_of_beats(folder: Path, tmp_path: Path) -> None:
    store = prepare(folder, tmp_path / "store", dataset="heartbeats", workers=1).store
    assert store.contract == HEARTBEAT_CONTRACT
    heard: list[str] = []
    finetune(
        store, task="classify", out=tmp_path / "run", preset="encoder", classes=("N", "S", "V", "F", "Q"), steps=2,
        batch_size=4, validation=0.0, device="cpu", threads=1,
        model=replace(ENCODER_PRESETS["ecgformer"], width=8, mlp_width=16, n_heads=2, n_layers=1),
        on_event=lambda event: heard.append(getattr(event, "text", "")),
    )  # fmt: skip
    assert "windows are 186 samples, of the 187 that the store allows" in heard
    assert load_checkpoint(tmp_path / "run").model.config.scaling == "none"


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
