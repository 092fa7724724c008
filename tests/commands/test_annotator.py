"""--annotator, alike in every verb that reads a recording."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from physiolect import synthetic
from physiolect.cli import main
from physiolect.errors import FormatError
from physiolect.formats import read_recording, read_stretches, write_annotations, write_recording
from physiolect.recording import Annotations


@pytest.fixture
def record(tmp_path: Path) -> str:
    """A record of twenty seconds, with annotations of two annotators."""
    recording = synthetic.ecg(seconds=20, fs=100.0, leads=("II",), seed=1)
    write_recording(replace(recording, annotations=Annotations([5], ("N",))), tmp_path / "x.hea")
    write_annotations(Annotations([50, 150], ("V", "V")), 100.0, tmp_path / "x.st")
    return str(tmp_path / "x")


@pytest.mark.parametrize("verb", ["generate", "detect", "explain"])
def test_every_verb_reads_the_annotators_that_are_named(
    verb: str,
    record: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = []

    def read(path: str, **settings: object) -> object:
        asked.append(settings["annotator"])
        return read_recording(path, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr("physiolect.formats.read_recording", read)
    own = {
        "generate": ["--tokens", "2", "--samples", "1"],
        "detect": ["--checkpoint", "ecg"],
        "explain": [
            "--checkpoint",
            "ecg",
            "--view",
            "attention",
            "--no-score",
            "--out",
            str(tmp_path / "out"),
        ],
    }
    code = main([verb, record, "--annotator", "st", *own[verb]])
    err = capsys.readouterr().err
    if verb == "detect":
        assert code == 1  # the model that comes along detects nothing; the option is taken
        assert "--annotator" not in err
    else:
        assert code == 0, err
        assert asked[-1] == ("st",)


def test_annotators_of_other_files_and_of_streams_are_refused(
    record: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", record, "--annotator", "st", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["annotations"] == {"V": 2}
    write_recording(read_recording(record), tmp_path / "y.npz")
    assert main(["generate", str(tmp_path / "y.npz"), "--tokens", "2", "--annotator", "st"]) == 1
    assert "is no WFDB record" in capsys.readouterr().err
    with pytest.raises(FormatError, match="is no WFDB record"):
        next(read_stretches(tmp_path / "y.npz", 100, annotator="st"))
    words = ["detect", "--stream", "--fs", "100", "--checkpoint", "ecg", "--annotator", "st"]
    assert main(words) == 2
    assert "--annotator cannot be used with --stream" in capsys.readouterr().err
