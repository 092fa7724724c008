"""MIT-BIH: one patient in two records, a split that shares it, and AAMI's classes."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from physiolect.contract import CONTRACTS
from physiolect.datasets.preparing.preparation import File, Preparation, prepare_file
from physiolect.datasets.public.mitbih import AAMI, DS1, DS2, MITBIH, PACED, RECORDS, aami_beats
from physiolect.formats import read_recording
from physiolect.recording import Annotations


def test_the_split_of_de_chazal_is_of_44_records() -> None:
    assert len(DS1) == len(DS2) == 22
    assert len(set(RECORDS)) == 48
    assert not set(DS1) & set(DS2)
    assert not {*DS1, *DS2} & set(PACED)


def test_201_and_202_are_one_patient(published: ModuleType, tmp_path: Path) -> None:
    folder = published.mitbih(tmp_path / "mitdb")
    found = {entry.name: entry.patient for entry in MITBIH.entries(folder)}
    assert found == {"100": "100", "101": "101", "102": "102", "201": "201", "202": "201"}


def test_the_split_comes_by_name_only_and_with_a_warning(published: ModuleType, tmp_path: Path) -> None:
    folder = published.mitbih(tmp_path / "mitdb")
    assert {entry.split for entry in MITBIH.entries(folder)} == {None}
    with pytest.warns(UserWarning, match="one patient's"):
        found = {entry.name: entry.split for entry in MITBIH.entries(folder, split="de-chazal")}
    assert found == {"100": "DS2", "101": "DS1", "102": None, "201": "DS1", "202": "DS2"}


def test_beats_are_classed_and_other_marks_left_out() -> None:
    marks = Annotations(np.arange(8), ("+", "N", "L", "A", "V", "F", "/", "~"), ("(N", *[""] * 7))
    beats = aami_beats(marks)
    assert beats.symbol == ("N", "N", "S", "V", "F", "Q")
    assert beats.sample.tolist() == [1, 2, 3, 4, 5, 6]
    assert len(aami_beats(Annotations())) == 0
    assert set(AAMI.values()) == set("NSVFQ")


def test_the_database_itself(data: Path) -> None:
    folder = data / "mitdb"
    entries = list(MITBIH.entries(folder))
    assert [entry.name for entry in entries] == list(RECORDS)
    assert len({entry.patient for entry in entries}) == 47
    first = {name: read_recording(folder / name, stop=1).channels[0] for name in RECORDS}
    assert {name for name, lead in first.items() if lead != "MLII"} == {"102", "104", "114"}


def test_beats_of_both_sides_are_as_many_as_published(data: Path) -> None:
    """Source: de Chazal et al. 2004, table II: beats of N, S, V, F and Q in DS1 and DS2."""
    counts = {}
    for name, records in (("DS1", DS1), ("DS2", DS2)):
        symbols = [
            symbol
            for record in records
            for symbol in aami_beats(read_recording(data / "mitdb" / record).annotations).symbol
        ]
        counts[name] = {cls: symbols.count(cls) for cls in "NSVFQ"}
    assert sum(counts["DS1"].values()) + sum(counts["DS2"].values()) == 100_733
    assert counts["DS2"] == {"N": 44_259, "S": 1_837, "V": 3_221, "F": 388, "Q": 7}


def test_beats_and_rhythms_come_into_a_store(data: Path) -> None:
    recipe = Preparation(CONTRACTS["heartgpt-ecg"], segment=1000)
    rows = prepare_file(File("202", data / "mitdb" / "202.hea"), recipe).rows
    assert {row.annotations.note[0] for row in rows} == {"(N", "(AFIB", "(AFL"}  # each knows its rhythm
    beats = sum(len(aami_beats(row.annotations)) for row in rows)
    whole = read_recording(data / "mitdb" / "202").annotations
    assert beats == len(aami_beats(whole.window(0, 3600 * len(rows))))
