"""The files of an evaluation."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest

from physiolect.errors import WriteError
from physiolect.evaluation import Bootstrap, EvaluationResult, Measured, measure_binary
from physiolect.plots import roc_figure
from physiolect.report.evaluation import card_section, write_evaluation

DRAWS = Bootstrap(["a", "a", "b", "b", "c", "c"], n_resamples=200)
TARGET = [0, 0, 1, 1, 0, 1]
GOOD = Measured(measure_binary([0.1, 0.2, 0.8, 0.9, 0.1, 0.7], TARGET, DRAWS), note="a note")
BAD = Measured(measure_binary([0.9, 0.8, 0.2, 0.1, 0.9, 0.3], TARGET, DRAWS))


@pytest.fixture
def result() -> EvaluationResult:
    return EvaluationResult(
        task="rhythm", models={"model": "runs/m", "compared": "n"},
        titles={"model": "model (m)", "compared": "compared (n)"}, store="s", store_sha256="0123456789abcdef",
        measures={"model": GOOD, "compared": BAD}, columns=("auroc", "f1"), draws=DRAWS, by_patient=True, count=6,
        counted="windows", data="6 windows", protocol="none", warnings=("leakage",), remarks=("Words.",),
        draw=lambda: {"roc": roc_figure({"m": ([0, 1], [0, 1], [0, 1], [0, 1])})},
    )  # fmt: skip


def test_a_section_of_a_model_card(result: EvaluationResult) -> None:
    section = card_section(result, "physiolect evaluate s")
    assert section.startswith("## Evaluation: rhythm\n")
    assert "| model (m) | `runs/m` |\n| compared (n) | `n` |" in section
    assert "6 windows of 3 patients; digest 0123456789ab |" in section
    assert "```\nphysiolect evaluate s\n```" in section
    assert "**leakage** In brackets" in section
    assert section.endswith("model (m): a note. Words.\n")
    assert "```" not in card_section(replace(result))


def test_all_files_are_written(result: EvaluationResult, tmp_path: Path) -> None:
    files = write_evaluation(result, tmp_path / "out", command="c")
    assert [file.name for file in files] == ["roc.png", "table.md", "model-card.md", "results.json"]
    assert files[0].read_bytes().startswith(b"\x89PNG")
    assert files[1].read_text(encoding="utf-8") == result.summary + "\n"
    assert files[2].read_text(encoding="utf-8") == card_section(result, "c")
    assert json.loads(files[3].read_text(encoding="utf-8")) == result.to_dict()


def test_a_full_disk_is_one_sentence(
    result: EvaluationResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(result.figures["roc"], "savefig", full)
    with pytest.raises(WriteError, match=r"the disk is full: .*roc.png could not be written"):
        write_evaluation(result, tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot be written"):
        write_evaluation(result, tmp_path / "file" / "out")
