"""Leaks: one ECG or patient on two sides, within a corpus, across corpora and through a checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import physiolect
from physiolect.checkpoint.run import Run, read_run
from physiolect.datasets.questions.identity import ecg_identity
from physiolect.datasets.questions.parts import published_parts, split_questions
from physiolect.datasets.questions.preparing import prepare_questions
from physiolect.datasets.questions.question import Question, Stretch
from physiolect.datasets.questions.question_files import write_questions
from physiolect.datasets.questions.sharing import (
    Held,
    Side,
    apart,
    completed,
    refuse_shared,
    side_of_folder,
    side_of_names,
    side_of_questions,
)
from physiolect.errors import ConfigError


def shared(one: Side, other: Side) -> tuple[list[str], list[str]]:
    return Held([one]).shared(other)


def ask(name: str, *patient: str, dataset: str = "", split: str = "", second: str = "") -> Question:
    recordings = (Stretch(name), Stretch(second)) if second else (Stretch(name),)
    return Question(recordings, "Is it?", ("yes",), patient=patient, dataset=dataset, split=split)


@pytest.mark.parametrize(
    ("name", "dataset", "identity"),
    [
        ("records500/07000/07190_hr", "", "ptbxl/7190"),
        ("ptbxl/records100/07000/07190_lr.hea", "ptbxl", "ptbxl/7190"),
        ("test_images/ptb_test_v4/07190_hr-0.png", "", "ptbxl/7190"),
        ("WFDB_PTBXL/g8/HR07190", "", "ptbxl/7190"),
        ("7190", "ptbxl", "ptbxl/7190"),
        ("files/p1000/p10000032/s40689238/40689238", "", "mimic-iv-ecg/40689238"),
        ("data/12", "ludb", "ludb/12"),
        ("ludb/12", "", "ludb/12"),
        ("7190", "", "7190"),
        ("mitdb/100", "mitbih", "mitbih/mitdb/100"),
    ],
)
def test_one_ecg_has_one_name(name: str, dataset: str, identity: str) -> None:
    assert ecg_identity(name, dataset) == identity


def test_an_ecg_is_found_across_corpora() -> None:
    train = side_of_questions(
        [ask("records500/07000/07190_hr", "15", dataset="ptbxl")], "ECG-QA's training part"
    )
    test = side_of_questions([ask("g8/HR07190")], "the challenge's test part")
    assert shared(train, test) == (["ptbxl/7190"], [])
    with pytest.raises(
        ConfigError, match=r"ECG-QA's training part shares 1 of 1 ECGs \(ptbxl/7190\) with the chall"
    ):
        refuse_shared([train], test)


def test_a_patient_is_found_with_other_ecgs() -> None:
    train = side_of_questions([ask("records500/00000/00001_hr", "15", dataset="ptbxl")], "training")
    test = side_of_questions([ask("records500/00000/00002_hr", "15", dataset="ptbxl")], "testing")
    with pytest.raises(ConfigError, match=r"1 of 1 patients \(ptbxl/15\)"):
        refuse_shared([train], test)


def test_patients_of_two_datasets_differ_and_of_an_unknown_one_may_not() -> None:
    ludb = side_of_questions([ask("data/15", "15", dataset="ludb")], "LUDB")
    ptbxl = side_of_questions([ask("records500/00000/00001_hr", "15", dataset="ptbxl")], "PTB-XL")
    refuse_shared([ludb], ptbxl)
    unknown = side_of_names(["15"], "checkpoint")
    assert shared(unknown, ptbxl)[1] == ["ptbxl/15"]
    assert shared(ptbxl, unknown)[1] == ["ptbxl/15"]
    assert shared(side_of_names(["15"], "checkpoint", dataset="ludb"), ptbxl) == ([], [])


@pytest.mark.parametrize(
    "name",
    [
        "patient ptbxl/15", "patient 15", "source ptbxl/records100/00000/00002_lr", "15",
        "source g1/HR00002", "ptbxl/records100/00000/00002_lr, train from 60 s",
    ],
)  # fmt: skip
def test_what_a_checkpoint_was_trained_on_counts(name: str) -> None:
    test = side_of_questions([ask("records500/00000/00002_hr", "15", dataset="ptbxl")], "testing")
    with pytest.raises(ConfigError, match=r"the encoder's run shares 1 of 1"):
        refuse_shared([side_of_names(["patient mitbih/100", name], "the encoder's run")], test)


def test_what_a_checkpoint_was_not_trained_on_does_not_count() -> None:
    test = side_of_questions([ask("records500/00000/00002_hr", "15", dataset="ptbxl")], "testing")
    others = [
        "patient ptbxl/16",
        "patient ludb/15",
        "source ptbxl/records100/00000/00003_lr",
        "source ludb/2",
    ]
    refuse_shared([side_of_names(others, "the encoder's run")], test)


def test_the_shipped_detector_saw_these_patients() -> None:
    names = Run.of(read_run(Path(physiolect.__file__).parent / "checkpoint/embedded/ecg-beats/run.yaml")).used
    side = side_of_names(names, "ecg-beats")
    ludb = side_of_questions(
        [ask("data/12", "12", dataset="ludb"), ask("data/150", "150", dataset="ludb")], "LUDB"
    )
    assert shared(side, ludb) == ([], ["ludb/12"])


def test_questions_about_a_store_name_patients_as_it_does() -> None:
    store = side_of_questions([ask("ptbxl/records100/00000/00002_lr", "ptbxl/15")], "a store")
    folder = side_of_questions([ask("records500/00000/00009_hr", "15", dataset="ptbxl")], "a folder")
    assert shared(store, folder) == ([], ["ptbxl/15"])
    assert ask("a", "ptbxl/15", dataset="ptbxl").groups == ask("a", "15", dataset="ptbxl").groups


def test_patients_of_copies_come_from_the_users_folder(
    made: SimpleNamespace, published: ModuleType, tmp_path: Path
) -> None:
    """An encoder trained on PTB-XL's patient 101 by name; the challenge's copy of his other ECG tells no patient."""
    folder = made.ptbxl(published, tmp_path / "ptbxl")
    encoder = side_of_names(["patient ptbxl/101"], "the encoder's run")
    test = side_of_questions([ask("g1/HR00002")], "the challenge")
    refuse_shared([encoder], test)
    with pytest.raises(ConfigError, match="ptbxl/101"):
        refuse_shared([encoder], completed(test, folder))


def test_the_users_own_folder_is_compared_by_fold(
    made: SimpleNamespace, published: ModuleType, tmp_path: Path
) -> None:
    """ECG-QA's training part holds ECGs of PTB-XL's fold 10, as in the published one."""
    folder = made.ptbxl(published, tmp_path / "ptbxl")
    train = side_of_questions([ask("records500/00000/00006_hr", "105", dataset="ptbxl")], "ECG-QA")
    refuse_shared([train], side_of_folder(folder, ["fold 1"]))
    with pytest.raises(
        ConfigError, match=r"leakage: ECG-QA shares 1 of 1 ECGs .* and 1 of 1 patients .* fold 10"
    ):
        refuse_shared([train], side_of_folder(folder, ["fold 10"]))
    with pytest.raises(ConfigError, match="no part 'fold 12'"):
        side_of_folder(folder, ["fold 12"])
    with pytest.raises(ConfigError, match="no dataset"):
        side_of_folder(tmp_path)


def test_questions_of_the_other_side_are_left_out() -> None:
    questions = [ask("a", "1"), ask("b", "2"), ask("c", "1"), ask("d", "3", second="b")]
    assert not list(apart(questions, [side_of_names(["1"], "x"), side_of_questions([ask("b")], "y")]))
    assert list(apart(questions, [side_of_names(["1"], "x")])) == [questions[1], questions[3]]


def test_parts_that_share_a_patient_are_refused(tmp_path: Path) -> None:
    questions = [ask("a", "1", split="train"), ask("b", "2", split="test"), ask("c", "2", split="test")]
    leaking = [*questions, ask("d", "1", split="test")]
    write_questions(leaking, tmp_path / "leaking.jsonl")
    with pytest.raises(
        ConfigError, match=r"the part 'test' shares 1 of 2 patients \(1\) with the part 'train'|'train'"
    ):
        prepare_questions(tmp_path / "leaking.jsonl", tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()
    with pytest.raises(ConfigError, match="leakage"):
        published_parts(leaking, ["train"], ["test"])
    train, test = published_parts(questions, ["train"], ["test"])
    assert (len(train), len(test)) == (1, 2)
    with pytest.raises(ConfigError, match="no question is of the part 'fold 1'"):
        published_parts(questions, ["fold 1"], ["test"])


def test_a_drawn_split_is_by_patient_and_parts_comparisons() -> None:
    questions = [ask(f"r{k}", f"p{k // 2}") for k in range(40)]
    pairs = [
        replace(ask("r0", "p0", f"p{k}"), recordings=(Stretch("r0"), Stretch(f"r{2 * k}")))
        for k in range(1, 20)
    ]
    for seed in range(5):
        train, validation = split_questions([*questions, *pairs], 0.3, seed)
        assert set(questions) <= {*train, *validation}
        assert len(train) + len(validation) < len(questions) + len(pairs)
        refuse_shared([side_of_questions(train, "train")], side_of_questions(validation, "validation"))
        assert split_questions(questions[:20] + questions[30:], 0.3, seed)[0] == [
            q for q in train if q in questions[:20] + questions[30:]
        ]
    with pytest.raises(ConfigError, match="no question is left to"):
        split_questions(questions[:2], 0.3, 0)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        split_questions(questions, 1.0, 0)
