"""`physiolect view`: a file of the format that its name says, and refusals before anything is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physiolect import synthetic
from physiolect.cli import main
from physiolect.formats import write_recording
from physiolect.recording import Recording


@pytest.fixture
def rest(tmp_path: Path) -> Path:
    path = tmp_path / "rest.npz"
    write_recording(synthetic.ecg(seconds=10), path)
    return path


@pytest.mark.parametrize(
    ("name", "begins"),
    [("a.pdf", b"%PDF"), ("a.svg", b"<?xml"), ("a.png", b"\x89PNG"), ("b.PNG", b"\x89PNG")],
)
def test_the_format_is_that_of_the_name(
    rest: Path, tmp_path: Path, name: str, begins: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / name
    assert main(["view", str(rest), "--layout", "6x2", "--out", str(out)]) == 0
    assert out.read_bytes().startswith(begins)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[-1] == f"wrote {out}: 297 x 185 mm, 25 mm/s, 10 mm/mV"


def test_the_same_recording_gives_the_same_file(rest: Path, tmp_path: Path) -> None:
    for name in ("a.pdf", "b.pdf"):
        assert main(["view", str(rest), "--out", str(tmp_path / name)]) == 0
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


def test_every_mistake_is_listed_at_once(
    rest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "view",
        str(rest),
        "--out",
        str(tmp_path / "x.jpg"),
        "--speed",
        "1",
        "--gain",
        "1000",
        "--start",
        "5",
    ]
    assert main([*words, "--stop", "2"]) == 2
    said = capsys.readouterr().err
    for part in (
        "--speed is 1, but",
        "--gain is 1000, but",
        "does not end in .png, .svg, .pdf",
        "enclose nothing",
    ):
        assert part in said


def test_a_file_without_leads_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "plain.csv"
    np.savetxt(path, np.sin(np.arange(500) / 9))
    words = ["view", str(path), "--fs", "100", "--out", str(tmp_path / "a.png")]
    assert main([*words, "--layout", "12x1"]) == 1
    assert "take layout strip, or name the leads" in capsys.readouterr().err
    assert main(words) == 0


def test_what_a_sheet_leaves_out_is_said_with_a_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leads = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6", "V7")
    path = tmp_path / "long.npz"
    twelve = synthetic.ecg(seconds=60, fs=100.0, leads=leads[:12])
    signal = np.concatenate([twelve.signal, twelve.signal[:1]])
    write_recording(Recording(signal, 100.0, leads, "mV", "ecg"), path)
    assert main(["view", str(path), "--out", str(tmp_path / "a.pdf")]) == 0
    said = capsys.readouterr().err
    assert "! first 10 s of 60 s (--start draws another stretch)" in said
    assert "! not drawn: V7 (--layout strip draws all channels)" in said
