"""Conversations in LLaVA's layout: spellings, several turns, placeholders, and recordings by number or path."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from physiolect.datasets.questions.question import Question
from physiolect.datasets.questions.readers.corpora import open_corpus
from physiolect.datasets.questions.readers.llava import read_llava
from physiolect.errors import FormatError

TURNS = [
    {"from": "human", "value": "<image>\nIs it regular?"},
    {"from": "gpt", "value": "Yes."},
    {"from": "human", "value": "And the axis?"},
    {"from": "gpt", "value": "Normal.\r\nNo more."},
]


@pytest.fixture
def folder(made: SimpleNamespace, published: ModuleType, tmp_path: Path) -> Path:
    return made.ptbxl(published, tmp_path / "ptbxl")


def read(path: Path, rows: list[Any], folder: Path) -> tuple[list[Question], Counter[str]]:
    path.write_text(json.dumps(rows))
    skipped: Counter[str] = Counter()
    return list(read_llava(path, open_corpus(folder), skipped)), skipped


def test_turns_become_questions_of_one_conversation(folder: Path, tmp_path: Path) -> None:
    row = {"id": "a", "image": "test_images/00003_hr-0.png", "conversations": TURNS}
    found, _ = read(tmp_path / "talk.json", [row, {**row, "conversations": TURNS[:2]}], folder)
    assert [(q.question, q.answer_text) for q in found[:2]] == [
        ("Is it regular?", "Yes."),
        ("And the axis?", "Normal.\nNo more."),
    ]
    assert found[0].conversation == found[1].conversation != ""
    assert found[2].conversation == ""
    assert {q.recordings[0].recording for q in found} == {"records500/00000/00003_hr"}
    assert found[0].patient == ("102",)


@pytest.mark.parametrize(
    "row",
    [
        {"ecg": "ptb-xl/records500/00000/00001_hr", "conversation": TURNS},
        {"image": ["00001_lr.png"], "conversations": json.dumps(TURNS)},
        {
            "ecg": "x/00001_hr",
            "conversation": [
                {"role": "system", "content": "You are kind."},
                {
                    "role": "user",
                    "content": [{"type": "image"}, {"type": "text", "text": "<ecg> Is it regular?"}],
                },
                {"role": "assistant", "content": "Yes."},
            ],
        },
    ],
)
def test_spellings(folder: Path, tmp_path: Path, row: dict[str, Any]) -> None:
    found, _ = read(tmp_path / "talk.json", [row], folder)
    assert (found[0].question, found[0].answer) == ("Is it regular?", ("Yes.",))
    assert found[0].recordings[0].recording == "records500/00000/00001_hr"


@pytest.mark.parametrize("mark", ["<ecg>", "<ECG_1>", "<|image|>", "<image>\n<image>\n", "<signal>"])
def test_placeholders_go_and_other_marks_stay(folder: Path, tmp_path: Path, mark: str) -> None:
    turns = [{"from": "human", "value": f"{mark}Is <b> it?"}, {"from": "gpt", "value": "<think>Yes"}]
    found, _ = read(tmp_path / "t.json", [{"ecg": "00001_hr", "conversations": turns}], folder)
    assert (found[0].question, found[0].answer_text) == ("Is <b> it?", "<think>Yes")


def test_any_other_folder_is_read_by_path(
    made: SimpleNamespace, published: ModuleType, tmp_path: Path
) -> None:
    published.write_ecg(tmp_path / "mine" / "sub" / "r1")
    rows = [{"ecg": name, "conversations": TURNS[:2]} for name in ("sub/r1", "sub/r1.hea", "sub/r2")]
    found, skipped = read(tmp_path / "t.json", rows, tmp_path / "mine")
    assert [q.recordings[0].recording for q in found] == ["sub/r1", "sub/r1.hea"]
    assert skipped == {"conversations without their recording": 1}


def test_what_cannot_be_used_is_counted(folder: Path, tmp_path: Path) -> None:
    rows = [
        {"conversations": TURNS},
        {"image": "09999_hr.png", "conversations": TURNS},
        {"image": "00001_hr.png", "conversations": TURNS[:3]},
        {"image": "00001_hr.png", "conversations": [{"from": "human", "value": "<image>"}, TURNS[1]]},
    ]
    found, skipped = read(tmp_path / "t.json", rows, folder)
    assert len(found) == 1
    assert sum(skipped.values()) == 4


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"conversations": []}, "no list of turns"),
        ({"conversations": "[[["}, "no valid JSON"),
        ({"conversations": [{"value": "x"}]}, "neither"),
        ({"conversations": [{"from": "human", "value": 3}]}, "neither"),
        ({"conversations": [{"from": "tool", "value": "x"}]}, "neither a person nor a model"),
        ({"conversations": [TURNS[0], TURNS[0]], "image": "00001_hr.png"}, "question, answer"),
        ({"conversations": TURNS, "image": 3}, "something else"),
        ({"conversations": [{"from": "human", "value": "x" * 20_001}]}, "20,001 characters"),
        ({"conversations": TURNS * 51}, "204 turns"),
    ],
)
def test_broken_rows(folder: Path, tmp_path: Path, row: dict[str, Any], problem: str) -> None:
    with pytest.raises(FormatError, match=f"row 1 of .*{problem}"):
        read(tmp_path / "t.json", [row], folder)


def test_a_path_out_of_the_folder_is_refused(made: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(FormatError, match="outside the folder"):
        read(tmp_path / "t.json", [{"ecg": "../ptbxl/x", "conversations": TURNS}], tmp_path / "mine")
