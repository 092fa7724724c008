"""A model's outputs are recognised, and recordings are not taken for them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from physiolect.formats import read_recording, write_recording
from physiolect.formats.outputs import OUTPUT_MARK, is_output
from physiolect.recording import Recording

NUMBERS = "\n".join(f"{i / 50},{i % 7},{i % 5}" for i in range(40))


@pytest.mark.parametrize(
    "header",
    [
        "time (s),generated_1 (mV)",
        "time (s),generated_1 (mV),generated_2 (mV),median (mV),q05 (mV),q25 (mV),q75 (mV),q95 (mV)",
        "time_s,sample_1",  # as earlier versions wrote it
        "time_s,sample_1,sample_2,median,q05,q25,q75,q95",
        "start_s,time_s,probability,rhythm,not_judged",
        "time_s,sample,confidence,category",
        "# physiolect_output: explain",
    ],
)
def test_a_table_of_a_model_is_known_by_its_first_line(tmp_path: Path, header: str) -> None:
    (tmp_path / "a.csv").write_text(f"{header}\n{NUMBERS}\n")
    assert is_output(tmp_path / "a.csv")


@pytest.mark.parametrize(
    "header",
    [
        "time (s),II (mV),V5 (mV)",
        "time_s,sample,value",
        "time_s,median",
        "1,2,3",
        "",
        "# sample_1",
        "sample_1",
    ],
)
def test_a_recording_is_no_output(tmp_path: Path, header: str) -> None:
    (tmp_path / "a.csv").write_text(f"{header}\n{NUMBERS}\n")
    assert not is_output(tmp_path / "a.csv")


def test_arrays_are_known_by_their_mark_or_by_their_keys(tmp_path: Path) -> None:
    signal = np.zeros((2, 40), np.float32)
    np.savez(tmp_path / "marked.npz", signal=signal, **{OUTPUT_MARK: np.array("generate")})
    old = dict.fromkeys(("signal", "ids", "time_s", "context", "fs", "unit"), signal)
    np.savez(tmp_path / "old.npz", **old)
    np.savez(tmp_path / "truth.npz", **old, truth=signal)
    beats = ("samples", "times_s", "confidence", "trace", "trace_time_s", "fs", "trace_fs")
    np.savez(tmp_path / "beats.npz", **dict.fromkeys(beats, signal))
    for name in ("marked", "old", "truth", "beats"):
        assert is_output(tmp_path / f"{name}.npz"), name
    np.savez(tmp_path / "plain.npz", signal=signal, fs=50.0)
    write_recording(Recording(np.arange(40.0) % 7, 50.0, ("II",), "mV"), tmp_path / "ours.npz")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 and no more")
    for name in ("plain", "ours", "broken", "missing"):
        assert not is_output(tmp_path / f"{name}.npz"), name


def test_a_file_of_matlab_is_known_by_its_first_variable(tmp_path: Path) -> None:
    signal = np.zeros((2, 40), np.float32)
    savemat(tmp_path / "marked.mat", {OUTPUT_MARK: "explain", "signal": signal})
    savemat(tmp_path / "plain.mat", {"signal": signal, "fs": 50.0})
    assert is_output(tmp_path / "marked.mat")
    assert not is_output(tmp_path / "plain.mat")


def test_a_marked_file_that_is_named_on_purpose_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"time (s),generated_1 (mV),generated_2 (mV)\n{NUMBERS}\n")
    table = read_recording(tmp_path / "a.csv")
    assert (table.channels, table.unit, table.fs) == (("generated_1", "generated_2"), "mV", 50.0)
    (tmp_path / "b.csv").write_text(f"# physiolect_output: generate\ntime (s),II (mV),V5 (mV)\n{NUMBERS}\n")
    assert read_recording(tmp_path / "b.csv").channels == ("II", "V5")
    np.savez(tmp_path / "a.npz", signal=table.signal, fs=50.0, **{OUTPUT_MARK: np.array("generate")})
    np.testing.assert_array_equal(read_recording(tmp_path / "a.npz").signal, table.signal)


def test_a_summary_beside_a_file_lists_it(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(f"time (s),II (mV),V5 (mV)\n{NUMBERS}\n")
    summary = {"checkpoint": "ecg", "settings": {}, "files": ["elsewhere/a.csv", "elsewhere/summary.json"]}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    assert is_output(tmp_path / "a.csv")
    assert not is_output(tmp_path / "b.csv")
    (tmp_path / "b.json").write_text(json.dumps({**summary, "files": ["b.csv"]}))  # as explain writes it
    assert is_output(tmp_path / "b.csv")
    for text in ("[]", "{", "[" * 99_999, json.dumps({"files": ["a.csv"]})):  # another program's summary
        (tmp_path / "summary.json").write_text(text)
        assert not is_output(tmp_path / "a.csv")


def test_a_summary_is_read_once_for_all_files_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = {"checkpoint": "ecg", "settings": {}, "files": ["3.csv"]}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    for number in range(5):
        (tmp_path / f"{number}.csv").write_text(f"time (s),II (mV),V5 (mV)\n{NUMBERS}\n")
    opened: list[Path] = []
    read = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda self, *args, **kept: opened.append(self) or read(self, *args, **kept)
    )
    assert [is_output(tmp_path / f"{number}.csv") for number in range(5)] == [False] * 3 + [True, False]
    assert opened == [tmp_path / "summary.json"]


def test_other_kinds_of_file_are_not_opened(tmp_path: Path) -> None:
    assert not is_output(tmp_path / "missing.hea")
    assert not is_output(tmp_path)
