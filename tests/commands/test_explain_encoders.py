"""`physiolect explain` of encoders from the outside: rows of a table, and heartbeats."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from physiolect import synthetic
from physiolect.cli import main
from physiolect.datasets.public.heartbeats import read_beat
from physiolect.formats import write_recording
from tests.explanation.encoders import beat_model, ecgformer, one_lead


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Three beats in the layout of Kaggle's, below a header."""
    rows = np.random.default_rng(0).uniform(size=(3, 188))
    rows[:, -1] = (0, 2, 1)
    path = tmp_path / "mitbih_test.csv"
    np.savetxt(path, rows, delimiter=",", header=",".join(map(str, range(188))), comments="")
    return path


def explain(*words: object) -> int:
    return main(["explain", *map(str, words)])


def test_a_row_of_a_table_is_explained(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = ecgformer().save(tmp_path / "model"), tmp_path / "why"
    given = ("--checkpoint", model, "--out", out, "--no-score")
    assert explain(table, "--row", 1, "--view", "attention", *given) == 0
    said = capsys.readouterr()
    assert "heartbeat 1 of" in said.err
    assert "labelled V; the first 186 of its 187 samples" in said.err
    with np.load(out / "attention.npz") as arrays:
        np.testing.assert_allclose(
            arrays["inputs"][0], np.loadtxt(table, delimiter=",", skiprows=1)[1, :186], rtol=1e-6
        )
    assert json.loads((out / "attention.json").read_text())["window"]["tokens"] == 186
    assert explain(table, "--row", 3, "--view", "attention", *given) == 1
    assert "there is no heartbeat 3" in capsys.readouterr().err
    assert explain(table, "--row", 0, "--start", 1, "--fs", 10, "--view", "attention", *given) == 2
    assert "--start and --fs cannot be used with --row" in capsys.readouterr().err
    assert read_beat(table, 2)[1] == "S"


def test_heartbeats_of_a_recording_are_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = synthetic.ecg(seconds=20, fs=250.0, leads=("II", "V1"), seed=2)
    write_recording(recording, tmp_path / "heart")
    model, finder = (
        beat_model().save(tmp_path / "model"),
        one_lead(each_sample=True).save(tmp_path / "finder"),
    )
    given = ("--checkpoint", model, "--out", tmp_path / "why", "--no-score")
    assert explain(tmp_path / "heart", "--view", "attention", *given) == 0
    said = capsys.readouterr()
    assert "heartbeats are those that the recording marks" in said.err
    assert "beat        " in said.out
    files = {path.name for path in (tmp_path / "why").iterdir()}
    assert files == {"attention.png", "attention.npz", "attention.json"}
    assert explain(tmp_path / "heart", "--view", "beat", *given) in (0, 1)  # 1 without Captum
    assert explain(tmp_path / "heart", "--view", "attention", "--beats", tmp_path / "model", *given) == 1
    assert "finds beats" in capsys.readouterr().err
    assert explain(tmp_path / "heart", "--view", "attention", "--beats", finder, *given) in (0, 1)
    assert explain(tmp_path / "heart", "--view", "similarity", *given) == 1
    assert "hint: use view beat, or attention" in capsys.readouterr().err
