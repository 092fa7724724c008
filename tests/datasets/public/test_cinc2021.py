"""The CinC challenges of 2020 and 2021: diagnoses in comments, sources by name."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from physiolect.datasets.public.cinc2021 import CINC2020, CINC2021, SCORED_2020, SCORED_2021


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


def test_each_year_has_its_own_scored_diagnoses() -> None:
    """Both counted against the organisers' tables: 27 and 30 codes, of which three and four pairs are one."""
    assert (len(SCORED_2020), len(set(SCORED_2020.values()))) == (27, 24)
    assert (len(SCORED_2021), len(set(SCORED_2021.values()))) == (30, 26)
    assert set(SCORED_2021) - set(SCORED_2020) == {"6374002", "365413008", "733534002"}  # BBB, PRWP, CLBBB
    assert {code for code in SCORED_2020 if SCORED_2020[code] != SCORED_2021[code]} == {"164909002"}


def test_the_years_score_one_recording_differently(published: ModuleType, tmp_path: Path) -> None:
    folder = published.cinc(tmp_path / "cinc")
    header = folder / "training/georgia/g1/E00001.hea"
    header.write_text(header.read_text() + "# Dx: 6374002,365413008,164909002,733534002\n")
    scored = [
        next(entry.labels for entry in dataset.entries(folder, labels="scored") if entry.path == header)
        for dataset in (CINC2020, CINC2021)
    ]
    assert scored == [("SB", "LBBB"), ("SB", "BBB", "PRWP", "CLBBB")]


def test_headers_of_others_and_in_hidden_folders_are_left_alone(
    published: ModuleType, tmp_path: Path
) -> None:
    folder = published.cinc(tmp_path / "cinc")
    before = list(CINC2021.entries(folder))
    published.write_ecg(folder / "cpsc2021" / "data_0_1")
    published.write_ecg(folder / "mitdb" / "100")
    published.write_ecg(folder / "mine" / "ZZ0001")
    published.write_ecg(folder / ".trash" / "E00002")
    assert list(CINC2021.entries(folder)) == before


def test_real_records(data: Path) -> None:
    found = list(CINC2021.recordings(data / "cinc" / "cinc2021", split="source"))
    assert len(found) == 50
    assert all(entry.labels and all(code.isdecimal() for code in entry.labels) for entry, _ in found)
    assert all(recording.signal.shape == (12, 5000) for _, recording in found)
    sources = [entry.split for entry, _ in found]
    assert [sources.count(name) for name in ("georgia", "ptb-xl", "chapman-ningbo")] == [20, 10, 20]
