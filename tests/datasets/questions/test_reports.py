"""Reports, and the published lines of thought: what is read, what is counted, and what is corrupted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from physiolect.datasets.questions.readers.corpora import Corpus, open_corpus
from physiolect.datasets.questions.readers.ecg_qa_cot import claims, read_ecg_qa_cot
from physiolect.datasets.questions.readers.reports import read_reports
from physiolect.errors import ConfigError, FormatError


@pytest.fixture
def corpus(made: SimpleNamespace, published: ModuleType, tmp_path: Path) -> Corpus:
    return open_corpus(made.ptbxl(published, tmp_path / "ptbxl"))


def write_thoughts(published: ModuleType, folder: Path, *rows: tuple[str, str, str]) -> Path:
    columns = {"question": "Is it?", "answer": "yes", "template_id": "1", "question_type": "single-verify"}
    table = [
        {"ecg_id": ecg, "clinical_context": context, "rationale": thought, **columns}
        for ecg, context, thought in rows
    ]
    published.write_table(folder / "ecg_qa_cot_train.csv", table)
    return folder


def test_reports_of_ptbxl(corpus: Corpus) -> None:
    found = list(read_reports(corpus, Counter()))
    assert [question.answer_text for question in found] == [f"report {k}" for k in range(1, 7)]
    assert found[5].split == "fold 10"
    assert len({question.question for question in found}) > 1


def test_reports_of_mimic_are_the_machines_lines(published: ModuleType, tmp_path: Path) -> None:
    skipped: Counter[str] = Counter()
    found = list(read_reports(open_corpus(published.mimic_iv_ecg(tmp_path)), skipped))
    assert found[0].answer_text == "Sinus rhythm\nPossible Left Atrial Enlargement\nAbnormal ECG"
    assert "machine" in found[0].source
    assert skipped == {"recordings without a report": 1}


def test_other_folders_have_no_reports(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither"):
        list(read_reports(open_corpus(tmp_path), Counter()))


def test_thoughts_are_read_with_a_warning_and_filtered_on_request(
    corpus: Corpus, published: ModuleType, tmp_path: Path
) -> None:
    home = write_thoughts(
        published, tmp_path / "cot",
        ("[1]", "Static noise in the recording.", "Some static noise. Answer: yes"),  # true of ECG 1
        ("2", "Baseline drift and a pacemaker are present.", "Pacing spikes. Answer: yes"),
        ("2", "12-lead ECG recording.", "There is no pacemaker, nor extra beats. Answer: yes"),
        ("5", "12-lead ECG.", "Extra beats are seen. Answer: yes"),
        ("99", "12-lead ECG.", "Fine. Answer: yes"),
    )  # fmt: skip
    skipped: Counter[str] = Counter()
    with pytest.warns(UserWarning, match="ECG-QA-CoT as published is corrupted"):
        every = list(read_ecg_qa_cot(home, corpus, skipped))
    assert len(every) == 4
    with pytest.warns(UserWarning, match="corrupted"):
        sound = list(read_ecg_qa_cot(home, corpus, skipped, only_sound=True, thoughts=False))
    assert [question.recordings[0].recording[-8:-3] for question in sound] == ["00001", "00002"]
    assert sound[0].answer == ("yes",)
    assert skipped["rows of ECG-QA-CoT that claim what PTB-XL does not hold"] == 2


def test_a_denial_is_no_claim() -> None:
    assert claims("Without baseline wander or static noise. Paced rhythm.") == {"pacemaker"}
    assert claims("No P waves. The electrode problem in V1 hides them.") == {"electrodes_problems"}


@pytest.mark.filterwarnings("ignore:ECG-QA-CoT")
def test_broken_thoughts(corpus: Corpus, published: ModuleType, tmp_path: Path) -> None:
    home = write_thoughts(published, tmp_path / "cot", ("../1", "", "x"))
    with pytest.raises(FormatError, match=r"row 1 of .*must be a number"):
        list(read_ecg_qa_cot(home, corpus, Counter()))
    with pytest.raises(ConfigError, match="does not hold PTB-XL"):
        list(read_ecg_qa_cot(home, open_corpus(tmp_path), Counter()))
