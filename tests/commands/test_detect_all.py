"""`physiolect detect RECORDING` without a checkpoint, from the outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from physiolect import synthetic
from physiolect.checkpoint import EMBEDDED
from physiolect.cli import main
from physiolect.detection.holter import NAMES
from physiolect.formats import write_recording

from ..detectors import three

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `physiolect detect ...` beside an ECG and a PPG, with small detectors saved in the place of the package's."""
    monkeypatch.chdir(tmp_path)
    given = three()
    from physiolect.models.encoder import Encoder

    from ..detectors import beat_finder

    for name, checkpoint in zip(NAMES, (beat_finder(Encoder), given.rhythm, given.heartbeats), strict=True):
        monkeypatch.setitem(EMBEDDED, name, checkpoint.save(tmp_path / "embedded" / name))
    write_recording(synthetic.ecg(seconds=60, fs=250.0, leads=("II", "V1"), seed=2), "ecg.edf")
    write_recording(synthetic.ppg(seconds=60, fs=125.0, seed=2), "ppg.edf")

    def run(*words: str) -> tuple[int, str, str]:
        return main(["detect", *words]), *capsys.readouterr()

    return run


def test_an_ecg_gets_all_three_and_a_report(run: Run, tmp_path: Path) -> None:
    code, out, err = run("ecg.edf", "--out", "found")
    assert code == 0, err
    assert "holter of ecg.edf" in out
    assert (tmp_path / "found" / "holter.html").is_file()
    summary = json.loads((tmp_path / "found" / "summary.json").read_text())
    assert summary["task"] == "holter"
    assert summary["checkpoint"] is None
    assert set(summary["detectors"]) == {"beats", "rhythm", "heartbeats"}
    assert all(len(digest) == 64 for digest in summary["detectors"].values())
    assert set(summary["classes"]) == {"N", "S", "V", "F"}


def test_a_ppg_gets_neurokits_pulses_and_is_told(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("neurokit2")
    code, out, err = run("ppg.edf", "--out", "found")
    assert code == 0, err
    assert "NeuroKit2 finds its pulses" in err
    assert "pulses" in out
    assert {"pulses.csv", "pulses.qrs", "pulses.png"} <= {
        file.name for file in (tmp_path / "found").iterdir()
    }


def test_several_recordings_share_a_table(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("neurokit2")
    code, out, _ = run("ecg.edf", "ppg.edf", "--out", "found", "--json")
    assert code == 0
    assert [each["task"] for each in json.loads(out)] == ["holter", "pulses"]
    header = (tmp_path / "found" / "summary.csv").read_text().splitlines()[0]
    assert "pauses" in header
    assert "pulses" in header


def test_a_stretch_counts_from_the_whole_recordings_beginning(run: Run) -> None:
    code, out, _ = run("ecg.edf", "--start", "20", "--stop", "50", "--json")
    assert code == 0
    summary = json.loads(out)
    assert summary["read"] == {"start": 20.0, "stop": 50.0}
    assert summary["hours"][0]["start"] == 20.0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("ecg.edf", "--stride", "1"), "--stride cannot be used without --checkpoint"),
        (("ecg.edf", "--task", "beats"), "--task cannot be used without --checkpoint"),
        (("--stream", "--fs", "100"), "--checkpoint is missing"),
    ],
)
def test_what_belongs_to_one_checkpoint(run: Run, words: tuple[str, ...], told: str) -> None:
    code, _, err = run(*words)
    assert code == 2
    assert told in err
