"""`physiolect evaluate` from the outside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from physiolect.cli import main
from physiolect.evaluation import models


def evaluated(tiny: Any, checkpoint: Path, task: str, out: Path, *words: str) -> dict[str, Any]:
    begin = ["evaluate", str(tiny.store), "--checkpoint", str(checkpoint), "--task", task]
    assert main([*begin, "--out", str(out), "--resamples", "60", *words]) == 0
    return json.loads((out / "results.json").read_text(encoding="utf-8"))


def test_all_files_are_written_and_stdout_shows_the_table(
    tiny: Any, tiny_module: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tiny.run(*tiny_module.AF)
    capsys.readouterr()
    results = evaluated(tiny, run, "rhythm", tmp_path / "out")
    shown = capsys.readouterr()
    assert results["models"] == {"model": str(run)}
    assert (tmp_path / "out" / "table.md").read_text(encoding="utf-8") == shown.out
    card = (tmp_path / "out" / "model-card.md").read_text(encoding="utf-8")
    assert "```\nphysiolect" in card
    assert "**leakage" in card
    assert f"| model (af) | `{run}` |" in card
    assert "but 'always the same' is the mean of the evaluated windows themselves" in card
    for name in ("roc", "precision", "reliability", "patients"):
        assert (tmp_path / "out" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert f"wrote {tmp_path / 'out' / name}.png" in shown.err
    assert "WARNING: leakage" in shown.err
    assert len(results["warnings"]) == 2


def test_json_goes_to_stdout(tiny: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = evaluated(tiny, tiny.base, "forecast", tmp_path, "--json", "--baselines", "none")
    assert json.loads(capsys.readouterr().out) == results


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "rhythm"], "the checkpoint is for forecast"),
        (["--task", "forecast", "--k", "0", "--threshold", "2"], "--k is 0"),
        (["--task", "forecast", "--max-per-episode", "0"], "--max-per-episode is 0"),
        (["--task", "forecast", "--skip", "3"], "--skip is for --task beats"),
        (["--task", "rhythm", "--labels", "x.csv"], "--labels and --column go together"),
        (["--task", "forecast", "--compare", "nowhere"], "compare: there is no checkpoint 'nowhere'"),
    ],
)
def test_what_does_not_fit_is_refused(
    tiny: Any, tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = ["evaluate", str(tiny.store), "--checkpoint", str(tiny.base), "--out", str(tmp_path / "out")]
    assert main([*begin, *words]) in (1, 2)
    shown = capsys.readouterr().err
    assert message in shown
    assert "hint:" in shown


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_loaded(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def loaded(*_: Any) -> Any:
        raise AssertionError("a checkpoint was loaded")

    monkeypatch.setattr(models, "load_checkpoint", loaded)
    (tmp_path / "file").write_text("")
    begin = ["evaluate", str(tiny.store), "--checkpoint", str(tiny.base), "--task", "forecast"]
    assert main([*begin, "--out", str(tmp_path / "file" / "out")]) == 1
    assert "cannot be written" in capsys.readouterr().err
