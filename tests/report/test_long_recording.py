"""A long text table is described in stretches, with the same result and in memory that does not grow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from physiolect.formats import read_stretches
from physiolect.report import inspection, long_recording
from physiolect.report.inspection import inspect


def write(path: Path, n: int, *, lost: int | None = None) -> None:
    time = np.arange(n) / 250
    keep = np.arange(n) != (n if lost is None else lost)
    table = np.c_[time, np.sin(time * 7), np.cos(time * 3)][keep]
    header = "time (s),II (mV),V5 (mV)"
    np.savetxt(path, table, fmt=("%.3f", "%.4f", "%.4f"), delimiter=",", header=header, comments="")


def test_stretches_follow_each_other(tmp_path: Path) -> None:
    write(tmp_path / "x.csv", 260_000, lost=200_000)
    parts = list(read_stretches(tmp_path / "x.csv", 50_000, channels="V5"))
    assert len(parts) > 2
    assert [notice for part in parts for notice in part.notices] == list(parts[-1].notices) != []
    whole = np.concatenate([part.signal[0] for part in parts])
    time = np.arange(260_000) / 250
    np.testing.assert_allclose(
        whole, np.where(np.arange(260_000) == 200_000, np.nan, np.cos(time * 3)), atol=1e-4
    )


def test_the_same_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "x.csv", 260_000, lost=200_000)
    short = inspect(tmp_path / "x.csv").facts
    monkeypatch.setattr(long_recording, "_LONG_TEXT", 1000)
    monkeypatch.setattr(inspection, "STRETCH", 50_000)
    long = inspect(tmp_path / "x.csv").facts
    assert long.keys() == short.keys()
    for key in ("fs", "seconds", "samples", "modality", "annotations"):
        assert long[key] == short[key]
    for one, other in zip(long["channels"], short["channels"], strict=True):
        assert one.keys() == other.keys()
        for key, value in other.items():
            wanted = pytest.approx(value, rel=1e-6, abs=1e-6) if isinstance(value, float) else value
            assert one[key] == wanted
    assert [fit["fits"] for fit in long["fits"]] == [fit["fits"] for fit in short["fits"]]
    assert [remark["remark"] for remark in long["quality"]] == [
        remark["remark"] for remark in short["quality"]
    ]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """A file three times as long takes no more: `benchmarks` and the changelog have the numbers of 2 GB."""
    script = (
        "import sys; from physiolect.report import inspection, long_recording; long_recording._LONG_TEXT = 1000;"
        "inspection.STRETCH = 1 << 17; inspection.inspect(sys.argv[1]);"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    peaks = []
    for n in (300_000, 1_200_000):
        write(tmp_path / "x.csv", n)
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "x.csv")],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 64 << 10  # KiB; as a whole, the further samples would take twice that
    assert peaks[1] < 1 << 20
