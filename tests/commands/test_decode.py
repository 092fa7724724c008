"""`physiolect decode`, and the verbs that come before it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from physiolect.cli import main
from tests.spike_store import N_UNITS, Made, make, write_spikes


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("decoder"))


def test_a_recording(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = write_spikes(tmp_path / "day1.npz", seed=3, seconds=30.0, exchanged=True, silent=1)
    assert (
        main(["decode", str(other), "--checkpoint", str(made.run), "--adapt", "--out", str(tmp_path / "out")])
        == 0
    )
    said = capsys.readouterr()
    assert "statistics of the channels: running" in said.out
    assert "WARNING: the targets look exchanged" in said.out
    assert "unit 1 has no spikes" in said.out
    assert (tmp_path / "out" / "decoded.png").stat().st_size > 1000
    assert len((tmp_path / "out" / "decoded.csv").read_text().splitlines()) == 601


def test_several_recordings(made: Made, tmp_path: Path) -> None:
    files = [str(write_spikes(tmp_path / f"day{k}.npz", seed=k, seconds=20.0)) for k in (1, 2)]
    assert main(["decode", *files, "--checkpoint", str(made.run), "--out", str(tmp_path / "out")]) == 0
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["day1", "day2"]


def test_lines(made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [",".join(map(str, np.random.default_rng(k).poisson(2, N_UNITS))) for k in range(5)]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join([*rows[:3], "oops", *rows[3:]]) + "\n"))
    assert main(["decode", "--stream", "--checkpoint", str(made.run)]) == 0
    said = capsys.readouterr()
    answers = [json.loads(line) for line in said.out.splitlines()]
    assert [each["step"] for each in answers] == list(range(6))
    assert answers[3]["error"] == "'oops' is no number"
    assert "6 steps, 1 of them in or after a gap" in said.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "INPUTS is missing"),
        (["a.npz", "--stream"], "reads from stdin"),
        (["--stream", "--out", "x"], "are for recordings"),
        (["a.npz", "--fs", "0"], "--fs is 0"),
        (["missing.npz"], "there is no file"),
    ],
)
def test_mistakes(made: Made, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", *words, "--checkpoint", str(made.run)]) in (1, 2)
    assert message in capsys.readouterr().err


def test_the_way_from_a_file_to_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, store, run = (
        str(write_spikes(tmp_path / "a.npz", seconds=60.0)),
        str(tmp_path / "store"),
        str(tmp_path / "run"),
    )
    assert main(
        ["prepare", file, "--out", store, "--targets", "force x", "force y", "--blocks", "0.7", "0.15", "0.15",
         "--gap", "1", "--workers", "1"]
    ) == 0  # fmt: skip
    assert main(
        ["finetune", store, "--task", "decode", "--preset", "decoder", "--decoder.width", "16",
         "--decoder.context-length", "30", "--steps", "3", "--device", "cpu", "--out", run]
    ) == 0  # fmt: skip
    assert main(
        ["evaluate", store, "--checkpoint", run, "--task", "decode", "--adapt", "running", "--skip", "2", "--out",
         str(tmp_path / "ev"), "--resamples", "50", "--device", "cpu"]
    ) == 0  # fmt: skip
    said = capsys.readouterr().out
    assert "ridge, 20 bins" in said
    assert "without the first 2 s of each" in said
    assert (tmp_path / "ev" / "decoded.png").exists()
