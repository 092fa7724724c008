from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from physiolect.errors import FormatError
from physiolect.formats import read_recording


@pytest.mark.parametrize("stamped", ["all", "first", "mixed"])
def test_streams_equal_pyxdf(tmp_path: Path, make: ModuleType, stamped: str) -> None:
    pyxdf = pytest.importorskip("pyxdf")
    leads = make.make_leads(2, 480)
    (tmp_path / "x.xdf").write_bytes(make.xdf(leads, stamped=stamped))
    recording = read_recording(tmp_path / "x.xdf")
    assert (recording.fs, recording.channels, recording.unit, recording.modality) == (
        100,
        ("II", "V1"),
        "uV",
        "ecg",
    )
    streams, _ = pyxdf.load_xdf(str(tmp_path / "x.xdf"))
    theirs = next(stream for stream in streams if stream["info"]["type"][0] == "ECG")
    np.testing.assert_array_equal(recording.signal, theirs["time_series"].T)
    assert list(recording.annotations) == [(100, "beat", "")]


def test_a_stream_that_was_interrupted_has_a_gap(tmp_path: Path, make: ModuleType) -> None:
    leads = make.make_leads(2, 400)
    (tmp_path / "x.xdf").write_bytes(make.xdf(leads, gap=3.0))
    recording = read_recording(tmp_path / "x.xdf")
    assert recording.n_samples == 700
    assert np.isnan(recording.signal[:, 200:500]).all()
    np.testing.assert_array_equal(recording.signal[:, 500:], leads[:, 200:])


def test_a_rate_that_the_stamps_deny_is_refused(tmp_path: Path, make: ModuleType) -> None:
    content = make.xdf(make.make_leads(2, 1000)).replace(b"<nominal_srate>100.0<", b"<nominal_srate>250.0<")
    (tmp_path / "x.xdf").write_bytes(content)
    with pytest.raises(FormatError, match="states 250 Hz, but its time stamps tell of 100 Hz"):
        read_recording(tmp_path / "x.xdf")


def test_a_file_that_was_cut_gives_its_whole_chunks(tmp_path: Path, make: ModuleType) -> None:
    whole = make.xdf(make.make_leads(2, 480))
    (tmp_path / "x.xdf").write_bytes(whole[: len(whole) // 2])
    assert 100 < read_recording(tmp_path / "x.xdf").n_samples < 480
    (tmp_path / "x.xdf").write_bytes(whole[:400])
    with pytest.raises(FormatError):
        read_recording(tmp_path / "x.xdf")


@pytest.mark.parametrize("gap", [0.0, 3.0])
def test_a_mark_lies_at_the_sample_of_its_time_though_the_clock_is_not_exact(
    tmp_path: Path, make: ModuleType, gap: float
) -> None:
    content = make.xdf(make.make_leads(2, 1000), gap=gap, clock=0.99, mark=100 + 900 / 99 + gap)
    (tmp_path / "x.xdf").write_bytes(content)
    assert list(read_recording(tmp_path / "x.xdf").annotations) == [(900 + round(gap * 100), "beat", "")]
