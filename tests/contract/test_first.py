"""Refusals name times of the file, not of the stretch that was read of it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from physiolect import synthetic
from physiolect.cli import main
from physiolect.contract import CONTRACTS, adapt
from physiolect.errors import ContractError
from physiolect.formats import write_recording
from physiolect.recording import Recording


@pytest.fixture
def flat_at_the_end() -> Recording:
    """Sixty seconds, of which the last eight are flat."""
    recording = synthetic.ecg(seconds=60, fs=100.0, leads=("II",), seed=1)
    signal = recording.signal.copy()
    signal[:, 5200:] = 0.1
    return replace(recording, signal=signal)


def test_flat_windows_are_named_by_the_files_times(
    flat_at_the_end: Recording, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_recording(flat_at_the_end, tmp_path / "x.hea")
    for words in ([], ["--start", "20"], ["--start", "54"]):
        assert main(["generate", str(tmp_path / "x"), "--tokens", "2", *words]) == 1
        err = capsys.readouterr().err
        assert "in the window, 55 to 60 s" in err, words
        if words != ["--start", "54"]:
            (stop,) = re.findall(r"--stop ([\d.]+)", err)
            assert 50 < float(stop) <= 55
            assert main(["generate", str(tmp_path / "x"), "--tokens", "2", *words, "--stop", stop]) == 0


def test_gaps_and_infinite_samples_too(flat_at_the_end: Recording) -> None:
    signal = flat_at_the_end.signal[:, :5000].copy()
    signal[0, 4700:4800] = np.nan
    with pytest.raises(ContractError, match=r"from 67 s on"):
        adapt(replace(flat_at_the_end, signal=signal), CONTRACTS["heartgpt-ecg"], first=20.0)
    signal[0, 4700:4800] = np.inf
    with pytest.raises(ContractError, match=r"infinite at 67 s"):
        adapt(replace(flat_at_the_end, signal=signal), CONTRACTS["heartgpt-ecg"], first=20.0)
