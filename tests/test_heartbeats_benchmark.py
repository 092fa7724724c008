"""The benchmark of heartbeats runs, part by part, on a few made records of MIT-BIH's names."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import scipy.io

from physiolect.formats import write_recording
from physiolect.recording import Annotations
from physiolect.synthetic import ecg

RECORDS = ("101", "106", "108", "201", "100", "103", "202")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four records of DS1 and three of DS2 with beats of N, S, V and F, noise, and rows of Kaggle's layout."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "mitdb").mkdir()
    for k, name in enumerate(RECORDS):
        recording = ecg(
            seconds=100.0, fs=360.0, leads=("II", "V1"), rhythm="af" if k % 3 == 0 else "sinus",
            ectopic_rate=0.0 if k % 3 == 0 else 0.1, heart_rate=70, seed=k,
        )  # fmt: skip
        marks = recording.annotations
        symbols = [
            {7: "A", 11: "F", 13: "V", 17: "Q"}.get(n % 20, symbol) if symbol in ("N", "V") else symbol
            for n, symbol in enumerate(marks.symbol)
        ]
        marked = Annotations(marks.sample, tuple(symbols), marks.note)
        write_recording(
            type(recording)(
                recording.signal, recording.fs, recording.channels, "mV", "ecg", annotations=marked
            ),
            folder / "mitdb" / f"{name}.hea",
        )
    (folder / "nstdb_30s").mkdir()
    rng = np.random.default_rng(0)
    for kind in ("BW", "EM", "MA"):
        values = np.column_stack([np.arange(2000), rng.integers(-200, 200, (2000, 2))]).astype(np.int16)
        scipy.io.savemat(folder / "nstdb_30s" / f"{kind}.mat", {kind: values})
    (folder / "heartbeat_csv_sample").mkdir()
    for part in ("train", "test"):
        lines = [",".join([*(f"{v:.6f}" for v in rng.random(187)), f"{k % 5}.0"]) for k in range(30)]
        (folder / "heartbeat_csv_sample" / f"mitbih_{part}_sample.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
        import heartbeats  # type: ignore[import-not-found]
    return heartbeats


@pytest.mark.slow
@pytest.mark.parametrize("part", ["by-beat", "inter-patient", "kaggle", "noise", "choose"])
def test_a_part_prints_its_tables(
    part: str, made: Path, benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark.main(["--part", part, "--data", str(made), "--work", str(tmp_path), "--smoke"])
    shown = capsys.readouterr().out
    expected = {
        "by-beat": ["## By beat", "| ECGformer, width 8", "beats as tokens, causal", "CNN on cut beats"],
        "inter-patient": [
            "without 202",
            "without 232",
            "in other rhythms",
            "less boosting on RR and waveform",
        ],
        "kaggle": ["the 30 sample rows", "beats of our cut", "| CNN |"],
        "noise": ["muscle noise | -6", "trained in noise"],
        "choose": ["# Heartbeats: what was tried", "no waveform", "causal and the rhythm"],
    }[part]
    for each in expected:
        assert each in shown
    assert "Every training stopped after 3 updates" in shown
