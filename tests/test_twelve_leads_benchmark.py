"""The benchmark of twelve leads runs, row by row, on a few made records of PTB-XL's layout."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from physiolect.formats import write_recording
from physiolect.models.encoder_config import EncoderConfig
from physiolect.models.resnet_config import ResNetConfig
from physiolect.synthetic import ecg
from physiolect.training import Recipe

N = 27
"""Records: three of each fold."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of 27 patients; those of class HYP are twice as tall."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "ptbxl_labels").mkdir()
    (folder / "ptbxl").mkdir()
    labels, table, filtered = [], [], []
    for k in range(N):
        tall = k % 3 == 0
        classes = ("HYP", "MI") if tall else (("NORM", "CD", "STTC")[k // 3 % 3],)
        rhythm = ("AFIB", "SBRAD", "STACH", "SR")[k % 4]
        labels.append(
            {
                "ecg_id": k + 1, "patient_id": 100 + k, "strat_fold": 1 + k // 3, "super_class": " ".join(classes),
                "sub_class": "LVH" if tall else "NORM", "form": "", "rhythm": rhythm,
            }
        )  # fmt: skip
        recording = ecg(seconds=10.0, fs=500.0, heart_rate=60 + k, seed=k)
        recording = replace(recording, signal=recording.signal * (2.0 if tall else 1.0))
        name = f"records500/00000/{k + 1:05}_hr"
        (folder / "ptbxl_raw" / "records500" / "00000").mkdir(parents=True, exist_ok=True)
        write_recording(recording, folder / "ptbxl_raw" / f"{name}.hea")
        table.append(
            {
                "ecg_id": k + 1, "patient_id": f"{100 + k}.0", "scp_codes": "{'NORM': 100.0}", "strat_fold": 1 + k // 3,
                "report": "", "filename_lr": "", "filename_hr": name,
            }
        )  # fmt: skip
        x = recording.signal[:, ::5]
        filtered.append(x / x.std(1, keepdims=True))
    write_table(folder / "ptbxl_labels" / "ptbxl_labels_21799.csv", labels)
    write_table(folder / "ptbxl_raw" / "ptbxl_database.csv", table)
    statements = [{"": "NORM", "diagnostic_class": "NORM", "diagnostic_subclass": "NORM"}]
    write_table(folder / "ptbxl_raw" / "scp_statements.csv", statements)
    np.savez(
        folder / "ptbxl" / "signals_100hz_int16.npz",
        ecg_id=np.arange(1, N + 1),
        signals=(1000 * np.stack(filtered)).clip(-32000, 32000).astype(np.int16),
    )
    return folder


def write_table(path: Path, rows: list[dict]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
        import twelve_leads  # type: ignore[import-not-found]
    return twelve_leads


@pytest.fixture(scope="module")
def stores(made: Path, benchmark: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHYSIOLECT_DATA", str(made))
        benchmark.write_stores(out)
    return out


def run(benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch, out: Path, *words: str) -> None:
    monkeypatch.setattr(
        "sys.argv",
        ["twelve_leads.py", "run", str(out), "--device", "cpu", "--steps", "1", "--k", "2", *words],
    )
    benchmark.main()


def test_rows_of_the_cpu(
    benchmark: ModuleType, stores: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(benchmark.NETWORKS, "resnet18", (ResNetConfig(width=4), Recipe()))
    run(
        benchmark,
        monkeypatch,
        stores,
        "--rows",
        "probe-resnet18",
        "boosting",
        "sokolow",
        "cornell",
        "--labels",
        "superclass",
        "hypertrophy",
    )
    printed = capsys.readouterr().out
    assert "| AUROC | macro | NORM (0) | MI (1) | STTC (2) | CD (0) | HYP (1) |" in printed
    assert "27 records of 27 patients; positive records in parentheses." in printed
    assert "| Sokolow–Lyon voltage | 1.000" in printed
    assert "boosting on measurements − Cornell voltage" in printed
    assert "not shown" in printed
    assert (stores / "predictions" / "raw-superclass-boosting.npz").exists()
    with np.load(stores / "predictions" / "filtered-superclass-boosting.npz") as held:
        assert len(held["record"]) == 3


def test_rows_of_a_gpu(
    benchmark: ModuleType, stores: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = EncoderConfig(context_length=1000, patch=100, width=8, n_layers=1, n_heads=2, mlp_width=8)
    monkeypatch.setitem(benchmark.NETWORKS, "encoder", (small, Recipe()))
    monkeypatch.setitem(benchmark.NETWORKS, "resnet18", (ResNetConfig(width=4), Recipe()))
    run(benchmark, monkeypatch, stores, "--rows", "encoder", "--labels", "rhythm")
    run(benchmark, monkeypatch, stores, "--rows", "resnet18", "--labels", "hypertrophy")
    printed = capsys.readouterr().out
    assert "| encoder |" in printed
    assert "| ResNet-18 |" in printed
    assert (stores / "runs" / "hypertrophy-hypertrophy-resnet18" / "folds.json").exists()
    (stores / "predictions" / "hypertrophy-hypertrophy-resnet18.npz").unlink()
    run(benchmark, monkeypatch, stores, "--rows", "resnet18", "--labels", "hypertrophy")
    (again,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ResNet-18 |")]
    assert again in printed
