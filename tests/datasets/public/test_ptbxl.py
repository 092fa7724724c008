"""PTB-XL: folds, patients, statements and their classes, at two rates."""

from __future__ import annotations

import csv
from pathlib import Path
from types import ModuleType

import pytest

from physiolect.datasets.public.ptbxl import PTBXL
from physiolect.errors import FormatError
from physiolect.formats import read_recording
from physiolect.recording import LEADS, canonical_channel


@pytest.fixture
def folder(published: ModuleType, tmp_path: Path) -> Path:
    return published.ptbxl(tmp_path / "ptbxl")


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        ("superclass", [("NORM",), ("CD", "MI"), (), ("MI",)]),
        ("subclass", [("NORM",), ("IMI", "LAFB/LPFB"), (), ("AMI",)]),
        ("form", [(), (), (), ("ASMI",)]),
        ("rhythm", [("SR",), (), ("SR",), ()]),
        ("scp", [("NORM", "SR"), ("IMI", "LAFB"), ("SR",), ("ASMI", "AMI")]),
    ],
)
def test_labels(folder: Path, kind: str, labels: list[tuple[str, ...]]) -> None:
    assert [entry.labels for entry in PTBXL.entries(folder, labels=kind)] == labels


def test_patients_folds_and_reports(folder: Path) -> None:
    entries = list(PTBXL.entries(folder))
    assert [entry.patient for entry in entries] == ["15709", "15710", "15711", "15711"]
    assert [entry.split for entry in entries] == ["fold 3", "fold 3", "fold 10", "fold 10"]
    assert entries[0].report == "sinusrhythmus, normales ekg"
    assert [entry.split for entry in PTBXL.entries(folder, split="none")] == [None] * 4


def test_a_record_without_patient_or_fold_has_none(folder: Path, published: ModuleType) -> None:
    path = folder / "ptbxl_database.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, empty in zip(rows[:2], ("", "nan"), strict=True):
        row.update(patient_id=empty, strat_fold=empty)
    published.write_table(path, rows)
    entries = list(PTBXL.entries(folder))
    assert [entry.patient for entry in entries] == [None, None, "15711", "15711"]
    assert [entry.split for entry in entries] == [None, None, "fold 10", "fold 10"]


def test_the_table_of_statements_has_as_many_subclasses_as_we_say(data: Path) -> None:
    with (data / "ptbxl" / "scp_statements.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["diagnostic_subclass"] for row in rows} - {""}) == 23
    assert len(rows) == 71
    assert "23 classes" in PTBXL.labels["subclass"]
    for kind, n in (("form", 19), ("rhythm", 12)):
        assert sum(bool(row[kind]) for row in rows) == n
        assert PTBXL.labels[kind].startswith(f"{n} statements")
    # a class says that a statement is diagnostic
    assert all(bool(row["diagnostic"]) == bool(row["diagnostic_class"]) for row in rows)


@pytest.mark.parametrize(
    ("there", "wanted", "read"), [((100, 500), None, 500), ((100, 500), 100, 100), ((100, 500), 250, 500),
                                  ((100,), 250, 100), ((500,), 100, 500)]
)  # fmt: skip
def test_the_lowest_rate_that_will_do(
    published: ModuleType, tmp_path: Path, there: tuple[int, ...], wanted: float | None, read: int
) -> None:
    folder = published.ptbxl(tmp_path / "some", rates=there)
    assert {recording.fs for _, recording in PTBXL.recordings(folder, fs=wanted)} == {read}


def test_records_that_were_not_fetched_are_told(published: ModuleType, tmp_path: Path) -> None:
    folder = published.ptbxl(tmp_path / "none", rates=())
    with pytest.raises(FormatError, match="neither records100 nor records500") as caught:
        list(PTBXL.entries(folder))
    assert "--only records100" in (caught.value.hint or "")


@pytest.mark.parametrize("cell", ["__import__('os')", "[1]", "{1: 2}", "{'NORM'", "{" * 10_000])
def test_a_damaged_cell_of_statements_is_refused(folder: Path, cell: str) -> None:
    path = folder / "ptbxl_database.csv"
    path.write_text(path.read_text().replace("\"{'SR': 0.0}\"", f'"{cell}"').replace("{'SR': 0.0}", cell))
    with pytest.raises(FormatError, match="where statements belong"):
        list(PTBXL.entries(folder))


def test_a_record_outside_the_folder_is_refused(folder: Path) -> None:
    path = folder / "ptbxl_database.csv"
    path.write_text(path.read_text().replace("records500/00000/00002_hr", "../../../secret"))
    with pytest.raises(FormatError, match="does not lie in the dataset's folder"):
        list(PTBXL.entries(folder))


def test_a_raw_record_of_the_original_has_the_leads_we_write(data: Path) -> None:
    recording = read_recording(data / "ptbxl" / "raw_lr" / "00001_lr")
    assert tuple(map(canonical_channel, recording.channels)) == LEADS
    assert (recording.fs, recording.duration, recording.unit) == (100, 10, "mV")


def test_classes_are_those_that_others_derived(data: Path, tmp_path: Path, published: ModuleType) -> None:
    """The labels of index.csv were made by somebody else, out of the same statements."""
    folder = published.ptbxl(tmp_path / "real", rates=(100,))
    (folder / "scp_statements.csv").write_bytes((data / "ptbxl" / "scp_statements.csv").read_bytes())
    with (data / "ptbxl" / "index.csv").open(newline="") as file:
        known = [row for row in csv.DictReader(file) if row["scp_codes"]]
    rows = [
        {**dict.fromkeys(("age", "filename_hr"), ""), "filename_lr": f"records100/{row['ecg_id']}_lr"}
        | {key: row[key] for key in ("patient_id", "scp_codes", "strat_fold", "report")}
        for row in known
    ]
    published.write_table(folder / "ptbxl_database.csv", rows)
    entries = list(PTBXL.entries(folder))
    classes = ("NORM", "MI", "STTC", "CD", "HYP")
    agree = [
        set(e.labels) == {c for c in classes if row[c] == "1"} for e, row in zip(entries, known, strict=True)
    ]
    assert len(agree) > 400
    assert sum(agree) >= len(agree) - 2
    validating = {entry.patient for entry in entries if entry.split == "fold 9"}
    assert validating
    assert not validating & {entry.patient for entry in entries if entry.split != "fold 9"}
