"""ECG-QA: both forms, one and two ECGs, lists, valid answers, and the join with the user's recordings."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from physiolect.contract import InputContract
from physiolect.datasets import Row, StoreWriter, open_store
from physiolect.datasets.questions.locating import RowFinder
from physiolect.datasets.questions.preparing import prepare_questions
from physiolect.datasets.questions.question import Stretch
from physiolect.datasets.questions.readers.corpora import open_corpus
from physiolect.datasets.questions.readers.ecg_qa import read_ecg_qa
from physiolect.errors import ConfigError, FormatError
from physiolect.recording import Recording


@pytest.fixture
def folder(made: SimpleNamespace, published: ModuleType, tmp_path: Path) -> Path:
    return made.ptbxl(published, tmp_path / "ptbxl")


def comparison(made: SimpleNamespace, **changed: Any) -> dict[str, Any]:
    return made.sample(
        template_id=68, question_type="comparison_irrelevant-query", attribute=None, ecg_id=[1, 3],
        question="What became normal?", answer=["rr interval", "qt interval"], **changed,
    )  # fmt: skip


def test_questions_are_joined_with_recordings(made: SimpleNamespace, folder: Path, tmp_path: Path) -> None:
    home = made.ecg_qa(
        tmp_path / "qa", {"train": [made.sample(), comparison(made)], "test": [made.sample(ecg_id=[6])]}
    )
    made.ecg_qa(home, {"valid": [made.sample(question="Noise?")]}, "paraphrased")
    found = list(read_ecg_qa(home, open_corpus(folder)))
    assert [question.split for question in found] == ["train", "train", "test", "valid"]
    one, two, *_ = found
    assert one.recordings[0].recording == "records500/00000/00001_hr"
    assert one.patient == ("101",)
    assert one.choices == ("no", "yes")
    assert one.template == "ecg-qa 26"
    assert two.patient == ("101", "102")
    assert two.answer == ("rr interval", "qt interval")
    assert "none" in two.choices
    assert [q.source for q in found] == ["ecg-qa template"] * 3 + ["ecg-qa paraphrased"]
    assert len(list(read_ecg_qa(home, open_corpus(folder), form="paraphrased"))) == 1


@pytest.mark.parametrize("attribute", [["sinus rhythm", "atrial fibrillation"], ["SR", "AFIB"], None])
def test_the_choices_of_a_choice_are_its_two_options(
    made: SimpleNamespace, folder: Path, tmp_path: Path, attribute: list[str] | None
) -> None:
    row = made.sample(
        template_id=7, question_type="single-choose", attribute=attribute, answer=["none"],
        question="Which rhythm does this ECG show, atrial fibrillation or sinus rhythm, excluding uncertain symptoms?",
    )  # fmt: skip
    (question,) = read_ecg_qa(made.ecg_qa(tmp_path / "qa", {"train": [row]}), open_corpus(folder))
    assert sorted(question.choices) == ["atrial fibrillation", "none", "sinus rhythm"]


def test_missing_recordings_are_counted_and_named(
    made: SimpleNamespace, folder: Path, tmp_path: Path
) -> None:
    (folder / "records500/00000/00002_hr.hea").unlink()
    rows = [made.sample(), made.sample(ecg_id=[2]), made.sample(ecg_id=[1, 999])]
    corpus = open_corpus(folder)
    assert len(list(read_ecg_qa(made.ecg_qa(tmp_path / "qa", {"train": rows}), corpus))) == 1
    assert corpus.unlisted == {"999"}
    assert corpus.absent == {"2"}
    assert "does not list 1 of the ECGs asked about (999)" in corpus.notes[0]


def test_folds_replace_parts_and_part_comparisons(
    made: SimpleNamespace, folder: Path, tmp_path: Path
) -> None:
    rows = [made.sample(), made.sample(ecg_id=[6]), comparison(made), comparison(made) | {"ecg_id": [1, 6]}]
    home = made.ecg_qa(tmp_path / "qa", {"train": rows})
    assert [q.split for q in read_ecg_qa(home, open_corpus(folder), folds=True)] == [
        "fold 1",
        "fold 10",
        "fold 1",
    ]


def test_mimic_studies_are_found_by_number(
    made: SimpleNamespace, published: ModuleType, tmp_path: Path
) -> None:
    corpus = open_corpus(published.mimic_iv_ecg(tmp_path / "mimic"))
    with pytest.raises(ConfigError, match="has no folds"):
        list(read_ecg_qa(tmp_path, corpus, folds=True))
    rows = [made.sample(ecg_id=[44458630]), comparison(made) | {"ecg_id": [40689238, 45090959]}]
    one, two = read_ecg_qa(made.ecg_qa(tmp_path / "qa", {"train": rows}), corpus)
    assert one.recordings[0].recording == "files/p1000/p10000032/s44458630/44458630"
    assert one.dataset == "mimic-iv-ecg"
    assert two.patient == ("10000032", "10000117")


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"ecg_id": []}, "one or two numbers"),
        ({"ecg_id": [1, 2, 3]}, "one or two numbers"),
        ({"ecg_id": ["1"]}, "one or two numbers"),
        ({"ecg_id": [True]}, "one or two numbers"),
        ({"answer": "yes"}, "no list of texts"),
        ({"answer": []}, "no list of texts"),
        ({"question": 3}, "no text"),
        ({"question": " "}, "empty question"),
        ({"question_type": "single-guess"}, "which ECG-QA does not have"),
    ],
)
def test_broken_samples(
    made: SimpleNamespace, folder: Path, tmp_path: Path, changed: dict[str, Any], problem: str
) -> None:
    home = made.ecg_qa(tmp_path / "qa", {"train": [made.sample(), made.sample(**changed)]})
    with pytest.raises(FormatError, match=f"row 2 of .*{problem}"):
        list(read_ecg_qa(home, open_corpus(folder)))


def test_folders_that_are_none(made: SimpleNamespace, folder: Path, tmp_path: Path) -> None:
    home = made.ecg_qa(tmp_path / "qa", {"train": [made.sample()]})
    with pytest.raises(ConfigError, match="neither PTB-XL nor MIMIC"):
        list(read_ecg_qa(home, open_corpus(tmp_path)))
    with pytest.raises(ConfigError, match="no questions of the form paraphrased"):
        list(read_ecg_qa(home, open_corpus(folder), form="paraphrased"))
    (home / "answers_for_each_template.csv").write_text("template_id,classes\n26,__import__('os')\n")
    with pytest.raises(FormatError, match="where a list of classes belongs"):
        list(read_ecg_qa(home, open_corpus(folder)))


def test_the_release_itself(data: Path, tmp_path: Path) -> None:
    prepared = prepare_questions(
        data / "ecgqa_ptbxl/matched", tmp_path / "qa.jsonl", recordings=data / "ptbxl_raw", form="template"
    )
    assert prepared.kind == "ecg-qa"
    assert prepared.count == 11
    row = json.loads((tmp_path / "qa.jsonl").read_text().splitlines()[0])
    assert row["choices"] == ["no", "yes"]


def test_recordings_may_lie_in_a_store(made: SimpleNamespace, tmp_path: Path) -> None:
    contract = InputContract(fs=100.0, min_samples=10, max_samples=500, modality="ecg")
    with StoreWriter(tmp_path / "store", contract) as writer:
        for name in ("1", "00003"):
            signal = np.random.default_rng(0).standard_normal((1, 300)).astype(np.float32)
            recording = Recording(signal, 100.0, ("II",), "mV", "ecg")
            writer.add(name, [Row.from_recording(recording, source=name, patient=f"p{name}", split="fold 3")])
    home = made.ecg_qa(tmp_path / "qa", {"train": [made.sample(), made.sample(ecg_id=[2]), comparison(made)]})
    with pytest.raises(ConfigError, match="of no dataset whose ECGs have numbers"):
        open_corpus(tmp_path / "store")
    one, two = read_ecg_qa(home, open_corpus(tmp_path / "store", dataset="ptbxl"))
    assert one.recordings == (Stretch("1"),)
    assert two.patient == ("p1", "p00003")
    assert RowFinder(open_store(tmp_path / "store"), "ptbxl").find(two) == [0, 1]
