"""A continuation as files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from physiolect import Continuation, Recording, read_recording
from physiolect.contract import AdaptationReport
from physiolect.formats.outputs import is_output
from physiolect.report import InputRow, input_numbers, write_continuation, write_inputs

CONTEXT = Recording(np.sin(np.arange(200) / 9), 100.0, ("II",), None, "ecg", source="x")


def continuation(unit: str | None = "mV", n_samples: int = 2) -> Continuation:
    report = AdaptationReport((), (), 3.0, (unit,), (1.0,), (0.0,))
    signal = np.arange(20 * n_samples, dtype=np.float32).reshape(n_samples, 20) / 7
    return Continuation(signal.astype(np.int64), signal, 100.0, CONTEXT, report, "exact", length=5.0)


@pytest.mark.parametrize(
    ("unit", "n_samples", "header"),
    [
        ("mV", 1, "time (s),generated_1 (mV)"),
        (None, 1, "time (s),generated_1"),
        (
            "uV", 2,
            "time (s),generated_1 (uV),generated_2 (uV),median (uV),q05 (uV),q25 (uV),q75 (uV),q95 (uV)",
        ),
    ],
)  # fmt: skip
def test_the_table_states_its_unit(tmp_path: Path, unit: str | None, n_samples: int, header: str) -> None:
    found = continuation(unit, n_samples)
    write_continuation(found, tmp_path)
    lines = (tmp_path / "continuation.csv").read_text().splitlines()
    assert lines[0] == header
    assert lines[1].startswith("5.000000,0")
    again = read_recording(tmp_path / "continuation.csv")
    assert (again.fs, again.unit, again.n_samples) == (100.0, unit, 20)
    np.testing.assert_allclose(again.signal[0], found.signal[0], rtol=1e-5)


def test_the_files_are_marked_and_the_summary_lists_them(tmp_path: Path) -> None:
    files = write_continuation(continuation(), tmp_path / "out", about={"checkpoint": "ecg", "settings": {}})
    told = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert told["files"] == [str(file) for file in files]
    assert told["checkpoint"] == "ecg"
    assert told["context"] == {"start": 3.0, "stop": 5.0, "tokens": 200}
    for file in files:
        moved = file.rename(tmp_path / file.name)
        assert is_output(moved) == (file.suffix in (".csv", ".npz"))
    np.testing.assert_array_equal(read_recording(tmp_path / "continuation.npz").signal, continuation().signal)


def test_one_table_of_several_recordings(tmp_path: Path) -> None:
    rows = [
        InputRow("a.csv", tmp_path / "a", numbers=input_numbers(continuation())),
        InputRow('odd, "name".csv', error="it is empty"),
    ]
    path = write_inputs(rows, tmp_path / "summary.csv")
    header, first, second = path.read_text().splitlines()
    assert header.startswith(
        "input,results,error,channel,start_s,stop_s,interrupted,unit,continued_at_s,seconds"
    )
    assert first.startswith(f"a.csv,{tmp_path / 'a'},,II,0,5,False,mV,5,0.2,2")
    assert second.startswith('"odd, ""name"".csv",,it is empty,,')
    assert is_output(path)
