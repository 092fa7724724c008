"""Channels that nobody needs refuse no file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physiolect import synthetic
from physiolect.cli import main
from physiolect.errors import FormatError
from physiolect.formats import read_recording

NOTICE = "channel temp holds 2 values taken as missing: infinite, or too large for float32"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """An ECG beside a channel with infinite values."""
    ecg = synthetic.ecg(seconds=12, fs=100.0, leads=("II",), seed=1).signal[0]
    other = np.random.default_rng(0).normal(size=ecg.size)
    lines = [f"{k / 100:.2f},{a:.5f},{b:.5f}" for k, (a, b) in enumerate(zip(ecg, other, strict=True))]
    lines[500] = f"5.00,{ecg[500]:.5f},1e300"
    lines[700] = f"7.00,{ecg[700]:.5f},inf"
    path = tmp_path / "x.csv"
    path.write_text("\n".join(["time,II,temp", *lines]) + "\n")
    return path


def test_infinite_values_in_an_extra_channel_are_listed(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read = read_recording(table)
    assert read.channels == ("II", "temp")
    assert NOTICE in read.notices
    assert np.isfinite(read.signal[0]).all()
    assert np.flatnonzero(np.isnan(read.signal[1])).tolist() == [500, 700]
    assert main(["generate", str(table), "--tokens", "2", "--samples", "1"]) == 0
    assert NOTICE in capsys.readouterr().err


def test_infinite_values_in_a_needed_channel_refuse_the_file(table: Path) -> None:
    for asked in ({"channels": "temp"}, {"channel": "temp"}, {"channel": "1"}, {"channels": ["II", "temp"]}):
        with pytest.raises(FormatError, match=r"channel 'temp' of .* holds infinite values"):
            read_recording(table, **asked)  # type: ignore[arg-type]
    np.save(table.with_suffix(".npy"), np.array([0.0, np.inf, 1.0]))
    with pytest.raises(FormatError, match="holds infinite values"):
        read_recording(table.with_suffix(".npy"), fs=100)
