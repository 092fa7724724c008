"""What holds for every public dataset, in its own layout."""

from __future__ import annotations

import csv
import pickle
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from physiolect.contract import CONTRACTS, InputContract
from physiolect.datasets import DATASETS, choose_rows, open_store, published_split
from physiolect.datasets.preparing.preparation import Preparation
from physiolect.datasets.preparing.prepare import prepare_store
from physiolect.datasets.preparing.public_files import public_files
from physiolect.datasets.public.catalogue import recognise
from physiolect.datasets.public.dataset import inside, read_table, whole
from physiolect.errors import ConfigError, FormatError

WRITERS = {"cinc2021": "cinc", "cinc2020": "cinc", "mimic-iv-ecg": "mimic_iv_ecg"}


OWN = [name for name in DATASETS if name != "mitbih-beats"]
"""Datasets with a folder of their own; the beats of MIT-BIH are cut from its folder, and have tests of their own."""


@pytest.fixture(params=OWN)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(name: str, published: ModuleType, tmp_path: Path) -> Path:
    return getattr(published, WRITERS.get(name, name))(tmp_path / "in")


def contract(name: str) -> InputContract:
    """A contract that takes whatever a dataset holds."""
    return InputContract(
        fs=100.0, min_samples=100, max_samples=1000, channels=("II",) if name == "code15" else ("*",)
    )


def test_its_facts_are_all_told(name: str) -> None:
    dataset = DATASETS[name]
    for fact in (
        dataset.title,
        dataset.licence,
        dataset.citation,
        dataset.origin,
        dataset.layout,
        dataset.patients,
    ):
        assert fact.strip()
    assert dataset.split is None or dataset.split in dataset.splits
    assert set(dataset.cautions) <= set(dataset.splits)


def test_every_recording_reads_as_its_entry_says(name: str, folder: Path) -> None:
    dataset = DATASETS[name]
    if name == "code15":  # one part of it was not fetched
        table = folder / "exams.csv"
        lines = table.read_text().splitlines(keepends=True)
        table.write_text("".join(line for line in lines if "exams_part17" not in line))
    found = list(dataset.recordings(folder))
    listed = list(dataset.entries(folder))
    assert len({entry.name for entry in listed}) == len(listed) >= 3
    assert [entry for entry, _ in found] == listed
    for entry, recording in found:
        assert recording.modality == "ecg"
        assert entry.path.is_file()
        assert all(entry.labels)


def test_it_is_recognised_and_another_folder_is_not(name: str, folder: Path, tmp_path: Path) -> None:
    assert recognise(folder) == ("cinc2021" if name == "cinc2020" else name)  # both are laid out alike
    (tmp_path / "other").mkdir()
    assert recognise(tmp_path / "other") is None
    with pytest.raises(FormatError, match="is not laid out as") as caught:
        DATASETS[name].entries(tmp_path / "other")
    assert "it should hold" in (caught.value.hint or "")


def test_labels_and_splits_are_checked_before_anything_is_read(name: str, folder: Path) -> None:
    with pytest.raises(ConfigError, match="label set of"):
        DATASETS[name].entries(folder, labels="superclas")
    with pytest.raises(ConfigError, match="split of"):
        DATASETS[name].entries(folder, split="random")


def test_patients_labels_and_splits_reach_the_store(name: str, folder: Path, tmp_path: Path) -> None:
    dataset = DATASETS[name]
    split = next(iter(dataset.splits), None)
    with warnings.catch_warnings(record=True) as cautions:
        warnings.simplefilter("always")
        entries = {f"{name}/{entry.name}": entry for entry in dataset.entries(folder, split=split)}
        files, missing = public_files(dataset, folder, split=split)
    assert len(cautions) == (2 if split in dataset.cautions else 0)
    prepare_store(files, tmp_path / "out", Preparation(contract(name)), workers=1)
    store = open_store(tmp_path / "out")
    assert missing == (1 if name == "code15" else 0)
    assert len(store) == len(entries) - missing
    for row, source in enumerate(store.sources):
        entry = entries[source]
        assert store.patients[row] == (entry.patient and f"{name}/{entry.patient}")
        assert store.labels[row] == entry.labels
        assert store.splits[row] == entry.split
        assert store.row(row).split == entry.split


def test_files_travel_to_other_processes(name: str, folder: Path) -> None:
    files, _ = public_files(DATASETS[name], folder)
    assert pickle.loads(pickle.dumps(files)) == files


@pytest.mark.slow
@pytest.mark.parametrize("name", ["heartbeats", "code15"])
def test_two_processes_make_the_same_store(name: str, folder: Path, tmp_path: Path) -> None:
    files, _ = public_files(DATASETS[name], folder)
    for jobs in (1, 2):
        prepare_store(files, tmp_path / str(jobs), Preparation(contract(name)), workers=jobs)
    assert open_store(tmp_path / "1").digest == open_store(tmp_path / "2").digest


def test_a_table_without_a_column_or_with_a_short_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n3\n")
    with pytest.raises(FormatError, match="no column 'c'"):
        list(read_table(path, ("a", "c")))
    with pytest.raises(FormatError, match=r"line 3 of .* is cut short"):
        list(read_table(path, ("a", "b")))
    path.write_bytes(b"a,b\n\xff\xfe,2\n")
    with pytest.raises(FormatError, match="cannot be read as a CSV"):
        list(read_table(path, ("a", "b")))


@pytest.mark.parametrize(
    "path", ["../x", "/etc/passwd", "a/../../b", "C:/x", "a\\b", "", "a\nb", "a\0b", "~x/../.."]
)
def test_a_path_that_leads_out_of_the_folder_is_refused(path: str) -> None:
    with pytest.raises(FormatError, match="does not lie in the dataset's folder"):
        inside(path)


def test_a_path_within_stays_as_it_is() -> None:
    assert inside("records100/00000/00001_lr") == "records100/00000/00001_lr"
    assert inside("./a//./100.dat") == "a/100.dat"


def test_numbers_of_patients_lose_what_pandas_adds() -> None:
    assert [whole(text) for text in ("15709.0", " 15709 ", "p1.05")] == ["15709", "15709", "p1.05"]
    assert [whole(text) for text in ("", " ", "nan", "NaN")] == [None] * 4  # strangers are not one patient


def test_a_dataset_of_which_nothing_was_fetched_is_told(published: ModuleType, tmp_path: Path) -> None:
    folder = published.mimic_iv_ecg(tmp_path / "in")
    for path in folder.glob("files/**/*.hea"):
        path.unlink()
    with pytest.raises(FormatError, match="none of the 3 recordings"):
        public_files(DATASETS["mimic-iv-ecg"], folder)


def test_a_published_split_is_refused_where_a_patient_stands_on_both_sides(
    published: ModuleType, tmp_path: Path
) -> None:
    folder = published.mitbih(tmp_path / "in")
    with pytest.warns(UserWarning, match="201 .* and 202 .* are one patient's"):
        files, _ = public_files(DATASETS["mitbih"], folder, split="de-chazal")
    prepare_store(
        files, tmp_path / "out", Preparation(contract("mitbih")), workers=1, about={"dataset": "mitbih"}
    )
    store = open_store(tmp_path / "out")
    with pytest.raises(ConfigError, match="both sides of the split would stand patient mitbih/201") as caught:
        published_split(store, ["DS1"], ["DS2"])
    assert "leave_out" in (caught.value.hint or "")
    train, validate = published_split(store, ["DS1"], ["DS2"], leave_out=["mitbih/202"])
    assert [store.sources[row] for row in train] == ["mitbih/101", "mitbih/201"]
    assert [store.sources[row] for row in validate] == ["mitbih/100"]
    with pytest.raises(ConfigError, match=r"no row of .* is of 'DS3'") as caught:
        published_split(store, ["DS1"], ["DS3"])
    assert "DS1, DS2" in (caught.value.hint or "")
    assert store.manifests[0].header.provenance["dataset"] == "mitbih"
    with pytest.warns(UserWarning, match="on neither side"):  # a paced record
        train, validate = choose_rows(store, 0.1, 0, validate_on=["DS2"], leave_out=["mitbih/202"])
    assert [store.sources[row] for row in train] == ["mitbih/101", "mitbih/201"]
    assert [store.sources[row] for row in validate] == ["mitbih/100"]


def test_a_dataset_spread_over_two_folders_misses_nothing(published: ModuleType, tmp_path: Path) -> None:
    one, two = published.mitbih(tmp_path / "one"), published.mitbih(tmp_path / "two")
    whole, missing = public_files(DATASETS["mitbih"], one)
    headers = sorted(path.name for path in one.glob("*.hea"))
    (one / headers[0]).unlink()
    for name in headers[1:]:
        (two / name).unlink()
    files, still = public_files(DATASETS["mitbih"], one, two)
    assert ({file.name for file in files}, still) == ({file.name for file in whole}, missing)


def test_a_bad_recording_among_many_costs_itself_alone(published: ModuleType, tmp_path: Path) -> None:
    folder = published.code15(tmp_path / "in")
    with (folder / "exams.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[1]["exam_id"] = "12345"
    published.write_table(folder / "exams.csv", rows)
    (folder / "exams_part17.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n damaged")
    files, missing = public_files(DATASETS["code15"], folder)
    manifest = prepare_store(files, tmp_path / "out", Preparation(CONTRACTS["ecg-byte"]), workers=1)
    assert missing == 0
    reasons = {rejection.source: rejection.reason for rejection in manifest.rejected}
    assert "has no exam 12345" in reasons[f"code15/{rows[1]['trace_file']}#12345"]
    assert any("exams_part17.hdf5" in source for source in reasons)
    assert not any(str(tmp_path) in reason for reason in reasons.values())
    assert len(open_store(tmp_path / "out")) == 4
    assert np.isfinite(open_store(tmp_path / "out").recording(0).signal).all()


def test_a_file_of_many_is_prepared_a_few_recordings_at_a_time(
    published: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = published.heartbeats(tmp_path / "in", count=20)
    whole, _ = public_files(DATASETS["heartbeats"], folder)
    monkeypatch.setattr("physiolect.datasets.preparing.public_files.MEMBERS", 6)
    parts, _ = public_files(DATASETS["heartbeats"], folder)
    assert [len(file.members) for file in parts if "train" in file.name] == [6, 6, 6, 2]
    for name, files in (("whole", whole), ("parts", parts)):
        prepare_store(files, tmp_path / name, Preparation(contract("heartbeats")), workers=1)
    one, other = open_store(tmp_path / "whole"), open_store(tmp_path / "parts")
    assert one.sources == other.sources
    assert one.labels == other.labels
    assert all((one.samples(row) == other.samples(row)).all() for row in range(len(one)))
