"""Files of questions: nothing is lost, and hostile rows are refused in one sentence that names the row."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from physiolect.datasets.questions.question import Question, Stretch
from physiolect.datasets.questions.question_files import (
    conversations,
    iterate_questions,
    read_questions,
    write_questions,
)
from physiolect.errors import ConfigError, FormatError

QUESTIONS = [
    Question(
        (Stretch("a/1"),), "Is it regular?", ("yes",), "single-verify", "finding", "rhythm", ("no", "yes"), ("p1",)
    ),
    Question(
        (Stretch("a/1", 2.0, 4.5), Stretch("b/2")), "Was ist neu?\nÄ 心", ("qt interval", "rr interval"),
        "comparison_irrelevant-query", patient=("p1", "p2"), source="made", dataset="ptbxl", split="fold 1",
    ),
    Question((Stretch("c"),), "And then?", ("none",), conversation="7"),
]  # fmt: skip
ROW = {"recordings": "a/1", "question": "Is it?", "answer": "yes"}


@pytest.mark.parametrize("name", ["qa.jsonl", "qa.parquet"])
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    assert write_questions(iter(QUESTIONS), tmp_path / name) == 3
    assert read_questions(tmp_path / name) == QUESTIONS


def test_one_json_list_is_read_as_lines_are(tmp_path: Path) -> None:
    path = tmp_path / "qa.json"
    path.write_text("\ufeff" + json.dumps([question.to_dict() for question in QUESTIONS], indent=2), "utf-8")
    assert read_questions(path) == QUESTIONS


def test_a_row_may_be_as_short_as_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "qa.jsonl"
    path.write_text(json.dumps(ROW) + "\n\n" + json.dumps(ROW))
    one, other = read_questions(path)
    assert one == other == Question((Stretch("a/1"),), "Is it?", ("yes",))
    assert one.answer_text == "yes"
    assert one.groups == ("a/1",)


def test_turns_of_a_conversation_stay_together() -> None:
    turns = [Question((Stretch("a"),), str(k), ("x",), conversation=name) for k, name in enumerate("aab")]
    alone = Question((Stretch("a"),), "alone", ("x",))
    assert [len(each) for each in conversations([*turns, alone, alone])] == [2, 1, 1, 1]


def _with(**changed: object) -> str:
    return json.dumps({**ROW, **changed})


HOSTILE = {
    "broken": ('{"recordings": "a", ', "no valid JSON"),
    "not a mapping": ("[1]", "must be a mapping"),
    "number": ("7", "must be a mapping"),
    "nan": ('{"recordings": "a", "question": "q", "answer": NaN}', "holds NaN"),
    "infinity": ('{"recordings": {"recording": "a", "start": -Infinity}, "question": "q", "answer": "a"}', "Infinity"),
    "twice": ('{"recordings": "a", "question": "q", "question": "r", "answer": "a"}', "names a key twice"),
    "nested": ("[" * 200_000, "nested too deeply"),
    "nested mappings": ('{"a":' * 100_000, "nested too deeply"),
    "long integer": ('{"recordings": "a", "question": ' + "9" * 6000 + "}", "no valid JSON|must be a text"),
    "no answer": (_with(answer=None), "has no answer"),
    "empty answer": (_with(answer=["", " "]), "empty answer"),
    "answer of numbers": (_with(answer=[1]), "a number as answer"),
    "question of a list": (_with(question=["q"]), "a list as question"),
    "unknown field": (_with(anwser="yes"), "unknown field 'anwser'"),
    "climbs": (_with(recordings="../../etc/passwd"), "does not lie in the folder"),
    "absolute": (_with(recordings=["/etc/passwd"]), "does not lie in the folder"),
    "drive": (_with(recordings="C:\\x"), "does not lie in the folder"),
    "control": (_with(question="a\u001b[31mb"), "control character"),
    "direction": (_with(question="a\u202eb"), "control character"),
    "half a character": (_with(question="a\ud800"), "control character"),
    "many recordings": (_with(recordings=["a"] * 17), "17 recordings"),
    "many answers": (_with(answer=["a"] * 201), "201 items"),
    "long question": (_with(question="a" * 20_001), "20,001 characters"),
    "backwards": (_with(recordings={"recording": "a", "start": 3, "stop": 2}), "encloses nothing"),
    "no time": (_with(recordings={"recording": "a", "start": "3"}), "a text as start"),
    "true time": (_with(recordings={"recording": "a", "start": True}), "true or false as start"),
    "far time": (_with(recordings={"recording": "a", "stop": 1e300}), "number of seconds"),
    "unknown stretch": (_with(recordings={"recording": "a", "row": 3}), "as a recording"),
    "nameless": (_with(recordings=[{"start": 3}]), "as a recording"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("form", ["lines", "list"])
def test_hostile_rows_are_refused_by_their_number(tmp_path: Path, case: str, form: str) -> None:
    row, problem = HOSTILE[case]
    good = json.dumps(ROW)
    path = tmp_path / "qa.jsonl"
    path.write_text(f"{good}\n{row}\n{good}\n" if form == "lines" else f"[{good},\n{row},\n{good}]", "utf-8")
    where = "line 2 of" if form == "lines" else "row 2 of"
    with pytest.raises(FormatError, match=problem) as caught:
        read_questions(path)
    assert str(caught.value).startswith(where)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_a_huge_line_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "qa.jsonl"
    with path.open("w") as file:
        file.write(json.dumps(ROW) + "\n" + '{"question": "')
        for _ in range(64):
            file.write("a" * 2**20)
    tracemalloc.start()
    with pytest.raises(FormatError, match=r"line 2 of .* is longer than"):
        read_questions(path)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "holds no questions"),
        (b"[]", "holds no questions"),
        (b"[{}", "no recordings|does not end"),
        (b'[{"a": 1} {"a": 1}]', "unknown field"),
        (json.dumps([ROW]).encode() + b"x", "after the end of its list"),
        (json.dumps([ROW]).encode()[:-1], "does not end"),
        (b"\xff\xfe\x00\x01" * 10, "no UTF-8"),
    ],
)
def test_broken_files(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "qa.json"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=problem):
        read_questions(path)


def test_parquet_of_others_is_checked_like_json(tmp_path: Path) -> None:
    path = tmp_path / "qa.parquet"
    parquet.write_table(
        pa.table({"recordings": ["a", "../b"], "question": ["q", "q"], "answer": ["x", "y"]}), path
    )
    rows = iterate_questions(path)
    assert next(rows).answer == ("x",)
    with pytest.raises(FormatError, match=r"row 2 of .* does not lie in the folder"):
        next(rows)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(FormatError, match="as Parquet"):
        read_questions(path)


def test_names_that_say_no_format(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not say how"):
        write_questions(QUESTIONS, tmp_path / "qa.txt")
    (tmp_path / "qa.txt").write_text("x")
    with pytest.raises(FormatError, match="no file of questions"):
        read_questions(tmp_path / "qa.txt")
    with pytest.raises(FormatError, match="there is no file"):
        read_questions(tmp_path / "none.jsonl")
