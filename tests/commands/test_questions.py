"""`physiolect questions`: one file out of each source, and mistakes in one sentence."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from physiolect.cli import main
from physiolect.contract import InputContract
from physiolect.datasets import Row, StoreWriter
from physiolect.datasets.questions.question_files import read_questions
from physiolect.recording import Recording

_FILE = Path(__file__).parents[1] / "datasets" / "questions" / "conftest.py"


@pytest.fixture(scope="module")
def made() -> ModuleType:
    spec = importlib.util.spec_from_file_location("question_sets", _FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_sources_are_recognised(
    made: ModuleType, published: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ptbxl = made.ptbxl(published, tmp_path / "ptbxl")
    qa = made.ecg_qa(tmp_path / "qa", {"train": [made.sample()]})
    cases = {
        "ecg-qa": [qa, "--recordings", ptbxl],
        "labels": [ptbxl],
        "reports": [ptbxl, "--kind", "reports"],
        "synthetic": ["synthetic", "--count", "4", "--recordings", tmp_path / "made"],
        "questions": [tmp_path / "synthetic.jsonl"],
    }
    for kind, words in cases.items():
        out = tmp_path / f"{kind}.jsonl"
        assert main(["questions", *map(str, words), "--out", str(out)]) == 0
        assert f"(read as {kind})" in capsys.readouterr().err
        assert read_questions(out)


def test_the_other_side_is_left_out(
    made: ModuleType, published: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ptbxl = made.ptbxl(published, tmp_path / "ptbxl")
    qa = made.ecg_qa(tmp_path / "qa", {"train": [made.sample(), made.sample(ecg_id=[4])]})
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "run.yaml").write_text("trained_on: ['patient ptbxl/101']\n")
    words = ["questions", str(qa), "--recordings", str(ptbxl), "--out", str(tmp_path / "qa.jsonl")]
    assert main([*words, "--apart-from", str(tmp_path / "checkpoint")]) == 0
    assert "left out: questions about patients or ECGs of the other side: 1" in capsys.readouterr().err
    assert [question.patient for question in read_questions(tmp_path / "qa.jsonl")] == [("103",)]
    assert main([*words, "--apart-from", str(ptbxl)]) == 2
    assert "of the other side: 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "problem", "code"),
    [
        (["nowhere", "--out", "x.jsonl"], "there is no nowhere", 2),
        ([".", "--out", "x.jsonl"], "no source of questions", 2),
        (["synthetic", "--out", "x.jsonl"], "made ECGs need a folder", 2),
        ([".", "--kind", "labels", "--out", "x.jsonl"], "holds no labels", 2),
        ([".", "--kind", "conversations", "--out", "x.jsonl"], "cannot be read", 1),
        ([".", "--kind", "questions", "--out", "x.jsonl"], "there is no file", 1),
        (
            ["synthetic", "--form", "template", "--out", "x.jsonl"],
            "form is for ecg-qa, but synthetic is read as",
            2,
        ),
        (["synthetic", "--test-share", "2", "--out", "x.jsonl"], "test_share is 2", 2),
        (["synthetic", "--out", "x.txt", "--count", "0"], "must end in .jsonl", 2),
    ],
)
def test_mistakes(
    words: list[str], problem: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["questions", *words]) == code
    assert problem in capsys.readouterr().err


def test_a_store_is_another_side(
    made: ModuleType, published: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ptbxl = made.ptbxl(published, tmp_path / "ptbxl")
    contract = InputContract(fs=100.0, min_samples=10, max_samples=500, modality="ecg")
    signal = np.random.default_rng(0).standard_normal((1, 300)).astype(np.float32)
    with StoreWriter(tmp_path / "store", contract) as writer:
        row = Row.from_recording(
            Recording(signal, 100.0, ("II",), "mV", "ecg"), source="x", patient="ptbxl/103"
        )
        writer.add("x", [row])
    words = [
        "questions",
        str(ptbxl),
        "--out",
        str(tmp_path / "qa.jsonl"),
        "--apart-from",
        str(tmp_path / "store"),
    ]
    assert main(words) == 0
    assert "left out: recordings of patients or ECGs of the other side: 1" in capsys.readouterr().err
    assert not any("103" in question.patient for question in read_questions(tmp_path / "qa.jsonl"))
