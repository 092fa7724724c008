"""Choosing and naming one channel, alike in every verb."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from physiolect import load_checkpoint
from physiolect.cli import main

TIME = np.arange(2500) / 250
BEATS = np.abs(np.sin(np.pi * 1.2 * TIME)) ** 40


def table(path: Path, **columns: np.ndarray) -> str:
    values = np.column_stack(list(columns.values()))
    np.savetxt(path, values, delimiter=",", header=",".join(columns), comments="", fmt="%.5f")
    return str(path)


@pytest.fixture(scope="module")
def asks_for_mlii(tmp_path_factory: pytest.TempPathFactory) -> str:
    checkpoint = load_checkpoint("ecg")
    checkpoint.contract = replace(checkpoint.contract, channels=("MLII",))
    return str(checkpoint.save(tmp_path_factory.mktemp("model") / "mlii"))


def run(name: str, *words: str, checkpoint: str | None = None) -> int:
    model = [] if checkpoint is None else ["--checkpoint", checkpoint]
    return main(["generate", name, "--fs", "250", "--tokens", "2", "--samples", "1", *model, *words])


def test_a_channel_without_a_known_name_is_given_one(
    asks_for_mlii: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = table(tmp_path / "watch.csv", value=BEATS)
    assert run(name, checkpoint=asks_for_mlii) == 1
    assert "--lead MLII" in capsys.readouterr().err
    for words in (["--lead", "MLII"], ["--lead", "II"], ["--lead", "MLII", "--channel", "value"]):
        assert run(name, *words, checkpoint=asks_for_mlii) == 0
    assert run(name, "--lead", "V5", checkpoint=asks_for_mlii) == 1


def test_lead_needs_one_channel(
    asks_for_mlii: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = table(tmp_path / "two.csv", a=BEATS, b=np.sin(TIME))
    assert run(name, "--lead", "II", checkpoint=asks_for_mlii) == 1
    assert "--lead II names one channel, but" in capsys.readouterr().err
    assert run(name, "--lead", "II", "--channel", "a", checkpoint=asks_for_mlii) == 0
    assert "II" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--channel", "--channels"])
def test_channel_and_channels_are_one_option(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = table(tmp_path / "two.csv", a=BEATS, b=np.sin(TIME))
    assert run(name) == 1
    assert "a, b might be the ecg" in capsys.readouterr().err
    assert run(name, option, "b") == 0
    assert main(["inspect", name, "--fs", "250", option, "b"]) == 0
    assert main(["prepare", name, "--fs", "250", option, "a", "--out", str(tmp_path / "store")]) == 0


def test_time_is_never_continued(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = table(tmp_path / "x.csv", counter=np.arange(2500.0), signal=BEATS)
    for words in ([], ["--modality", "ecg"]):
        assert run(name, *words) == 0
        assert "context: signal" in capsys.readouterr().err
        assert run(name, "--channel", "counter", *words) == 1
        assert "no channel named 'counter'" in capsys.readouterr().err  # reading leaves counters out
