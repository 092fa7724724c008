"""The CinC challenges of 2020 and 2021: diagnoses in comments, sources by name."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from physiolect.datasets.cinc2021 import CINC2020, CINC2021, SCORED


def test_diagnoses_of_both_years_spellings(published: ModuleType, tmp_path: Path) -> None:
    folder = published.cinc(tmp_path / "cinc")
    found = {entry.name: entry.labels for entry in CINC2021.entries(folder)}
    assert found == {
        "training/chapman_shaoxing/g1/JS00001": (),
        "training/cpsc_2018/g1/A0001": ("59118001",),
        "training/georgia/g1/E00001": ("67741000119109", "426177001"),
        "training/ptb-xl/g1/HR00001": ("713427006", "59118001", "426783006"),
    }
    scored = [entry.labels for entry in CINC2020.entries(folder, labels="scored")]
    assert scored == [(), ("CRBBB",), ("SB",), ("CRBBB", "NSR")]  # two codes count as one


def test_the_source_is_a_split_by_name(published: ModuleType, tmp_path: Path) -> None:
    folder = published.cinc(tmp_path / "cinc")
    assert {entry.split for entry in CINC2021.entries(folder)} == {None}
    sources = [entry.split for entry in CINC2021.entries(folder, split="source")]
    assert sources == ["chapman-ningbo", "cpsc2018", "georgia", "ptb-xl"]


def test_thirty_codes_make_twenty_six_diagnoses() -> None:
    assert len(SCORED) == 30
    assert len(set(SCORED.values())) == 26


def test_real_records(data: Path) -> None:
    found = list(CINC2021.recordings(data / "cinc" / "cinc2021", split="source"))
    assert len(found) == 50
    assert all(entry.labels and all(code.isdecimal() for code in entry.labels) for entry, _ in found)
    assert all(recording.signal.shape == (12, 5000) for _, recording in found)
    sources = [entry.split for entry, _ in found]
    assert [sources.count(name) for name in ("georgia", "ptb-xl", "chapman-ningbo")] == [20, 10, 20]
