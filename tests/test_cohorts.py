"""Nobody who tests our decoders has trained them."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def benchmarks(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))


def test_no_patient_is_on_both_sides() -> None:
    from cohorts import DS1, DS2, ppg, ptbxl

    assert not set(DS1) & set(DS2)
    assert "201" not in DS1  # the patient of 202
    for people in (
        lambda side: {patient for _, patient, _ in ptbxl(side)},
        lambda side: {subject for subject, _ in ppg(side)},
    ):
        assert people("train")
        assert people("test")
        assert not people("train") & people("test")


def test_no_record_of_ptb_xl_comes_in_through_cinc_2021() -> None:
    from pretraining_data import cinc2021

    names = [name for name, _, _ in cinc2021()]
    assert len(names) == 40
    assert not [name for name in names if "HR" in name]


def test_every_lead_is_a_row_of_its_patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pretraining_data as made
    from cohorts import ptbxl

    def one() -> object:
        _, patient, recording = next(ptbxl("train"))
        yield "ptbxl/24", patient, [recording.select(["I", "II"])]

    monkeypatch.setattr(made, "SOURCES", {"ecg": (one,)})
    store = made.build("ecg", tmp_path / "ecg")
    assert [store.channels(row) for row in range(len(store))] == [("I",), ("II",)]
    assert store.sources == ["ptbxl/24"] * 2
    assert store.patients == ["patient 9012"] * 2
    assert made.build("ecg", tmp_path / "ecg").digest == store.digest  # what is finished is kept
