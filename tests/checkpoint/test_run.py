"""run.yaml: which patients a checkpoint's training used."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from physiolect import config
from physiolect.checkpoint import Run
from physiolect.checkpoint.run import MOST_NAMED, named_patients, read_run
from physiolect.errors import CheckpointError

OLD = {
    "made_by": "physiolect 0.1.0 finetune", "step": 40, "validation_loss": 0.25, "store_sha256": "ab",
    "examples_sha256": "cd",
    "base": {"checkpoint": "ecg", "weights_sha256": "ef", "store_sha256": None, "trained_on": ["patient x"]},
    "trained_on": ["patient a", "patient b"], "validated_on": ["patient c"], "settings": {"steps": 40},
    "model_card": "README.md",
}  # fmt: skip


def test_a_run_keeps_every_key(tmp_path: Path) -> None:
    config.dump(OLD, tmp_path / "run.yaml")
    run = Run.of(read_run(tmp_path / "run.yaml"))
    assert (run.trained_on, run.validated_on) == (("patient a", "patient b"), ("patient c",))
    assert run.base_trained_on == ("patient x",)
    assert run.used == {"patient a", "patient b", "patient c", "patient x"}
    assert run.others == {"model_card": "README.md"}
    assert Run.of(run.to_dict()) == run
    assert {**run.to_dict(), "base": None} == {**OLD, "base": None}


def test_a_run_that_records_nothing_is_one() -> None:
    run = Run.of({})
    assert not run.records_patients
    assert run.to_dict() == {}
    assert Run.of({"converted_from": "x.pth", "keys": ["a"], "base": "ecg"}).to_dict() == {
        "converted_from": "x.pth", "keys": ["a"], "base": "ecg",
    }  # fmt: skip
    assert Run.of({"validation_loss": math.inf}).validation_loss == math.inf


def test_too_many_patients_are_not_named() -> None:
    assert named_patients(["b", "a", "a"], []) == {"trained_on": ["a", "b"], "validated_on": []}
    assert named_patients(map(str, range(MOST_NAMED + 1)), []) == {}


def test_patients_that_are_no_list_are_refused() -> None:
    with pytest.raises(CheckpointError, match=r"trained_on in run\.yaml is 'patient a'"):
        Run.of({"trained_on": "patient a"})


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 10)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 2020-01-01", "holds datetime.date"),
        ("a: &a [*a]", "refers to itself"),
        ("a: &a {b: *a}", "refers to itself"),
        (BOMB, "holds more than 1,000,000 values"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_file_that_is_no_record_is_refused_in_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(CheckpointError, match=said) as refused:
        read_run(tmp_path / "run.yaml")
    assert refused.value.hint
