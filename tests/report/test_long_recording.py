"""A long text table is described in stretches, with the same result and in memory that does not grow."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from physiolect.errors import FormatError
from physiolect.formats import read_stretches, write_recording
from physiolect.recording import Annotations, Recording
from physiolect.report import inspection, long_recording
from physiolect.report.inspection import inspect
from physiolect.report.long_recording import Facts, needs_stretches


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
    assert_same_facts(inspect(tmp_path / "x.csv").facts, short)


def test_what_a_contract_takes_is_named_by_times_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recording(Recording(np.sin(np.arange(25_000) / 7), 250.0, ("II",), "mV"), tmp_path / "x.edf")
    monkeypatch.setattr(long_recording, "_LONG", 1000)
    monkeypatch.setattr(inspection, "STRETCH", 10_000)
    fits = inspect(tmp_path / "x.edf").facts["fits"][0]
    assert fits["notes"][-1] == "took the last 5 s (500 samples) of 40 s, which begin at 40 s"


def assert_same_facts(long: Facts, short: Facts) -> None:
    """What was found in stretches is what was found in the whole."""
    assert long.keys() == short.keys()
    for key in ("name", "fs", "seconds", "samples", "modality", "annotations", "notices"):
        assert long.get(key) == short.get(key)
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


def test_the_start_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = datetime(2020, 2, 3, 4, 5, 6)
    times = [start + timedelta(milliseconds=10 * k) for k in range(5000)]
    rows = [f"{time.isoformat(timespec='milliseconds')},{k % 97}" for k, time in enumerate(times)]
    (tmp_path / "x.csv").write_text("time,II (mV)\n" + "\n".join(rows) + "\n")
    assert inspect(tmp_path / "x.csv").facts["start_time"] == "2020-02-03 04:05:06"
    monkeypatch.setattr(long_recording, "_LONG", 1000)
    monkeypatch.setattr(long_recording, "STRETCH", 1000)
    assert inspect(tmp_path / "x.csv").facts["start_time"] == "2020-02-03 04:05:06"


def make_recording(n: int) -> Recording:
    """Return two leads that go on and on, the second flat for a while, and a third that holds nothing; with marks."""
    time = np.arange(n) / 250
    signal = np.stack([np.sin(time * 7), np.cos(time * 3), np.full(n, np.nan)]).astype(np.float32)
    signal[0, 100:120] = np.nan
    signal[1, 1000:2000] = 0.25
    at = np.arange(0, n, 200)
    symbols = tuple("+" if k % 9 == 0 else "N" for k in range(len(at)))
    notes = tuple("(AFIB" if symbol == "+" else "" for symbol in symbols)
    return Recording(signal, 250.0, ("II", "V5", "V1"), "mV", "ecg", Annotations(at, symbols, notes))


@pytest.mark.parametrize("name", ["x.edf", "x.hea", "x.npz"])
def test_the_same_facts_in_every_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    write_recording(make_recording(60_000), tmp_path / name)
    short = inspect(tmp_path / name).facts
    assert short["notices"][-1]["notice"] == "no valid sample in channel V1"
    monkeypatch.setattr(long_recording, "_LONG", 1000)
    monkeypatch.setattr(inspection, "STRETCH", 25_000)
    assert needs_stretches(tmp_path / name)
    long = inspect(tmp_path / name).facts
    assert_same_facts(long, short)
    assert long["quality"] == short["quality"]


def test_channels_of_two_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = np.arange(50_000, dtype="<i2").reshape(10_000, 5) % 97  # four of II and one of ABP a frame
    (tmp_path / "f.dat").write_bytes(frames.tobytes())
    (tmp_path / "f.hea").write_text(
        "f 2 125 10000\nf.dat 16x4 200/mV 16 0 0 0 0 II\nf.dat 16 10/mmHg 16 0 0 0 0 ABP\n"
    )
    short = inspect(tmp_path / "f").facts
    monkeypatch.setattr(long_recording, "_LONG", 1000)
    monkeypatch.setattr(inspection, "STRETCH", 3000)
    long = inspect(tmp_path / "f").facts
    assert [row["fs"] for row in long["channels"]] == [500, 125]
    assert_same_facts(long, short)


def test_a_long_recording_without_a_valid_sample_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = np.full((2, 5000), np.nan, np.float32)
    write_recording(Recording(signal, 250.0, ("II", "V5"), "mV"), tmp_path / "x.npz")
    messages = []
    for limit in (1 << 25, 100):
        monkeypatch.setattr(long_recording, "_LONG", limit)
        monkeypatch.setattr(inspection, "STRETCH", 1000)
        with pytest.raises(FormatError, match=r"channel 'II' of .*x\.npz has no valid sample") as caught:
            inspect(tmp_path / "x.npz")
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_which_files_are_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_recording(make_recording(5000), tmp_path / "x.hea")  # 30,000 bytes of samples
    monkeypatch.setattr(long_recording, "_LONG", 20_000)
    assert needs_stretches(tmp_path / "x")
    assert needs_stretches(tmp_path / "x.hea")
    assert not needs_stretches(tmp_path / "missing.edf")
    header = (tmp_path / "x.hea").read_text()
    first, *rest = header.splitlines()
    (tmp_path / "x.hea").write_text(
        "\n".join([first.replace(" 5000", ""), *rest])
    )  # the length is not stated
    assert needs_stretches(tmp_path / "x")
    monkeypatch.setattr(long_recording, "_LONG", 30_000)
    assert not needs_stretches(tmp_path / "x")


def test_memory_is_that_of_stretches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_recording, "_LONG", 1000)
    monkeypatch.setattr(inspection, "STRETCH", 20_000)
    peaks = []
    for n in (800_000, 800_000, 1_600_000):  # the first call imports
        recording = replace(make_recording(n).select(["II", "V5"]), annotations=Annotations())
        write_recording(recording, tmp_path / "x.edf")
        tracemalloc.start()
        inspect(tmp_path / "x.edf")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] - peaks[1] < 500_000  # the further samples would take 6.4 MB as float32
