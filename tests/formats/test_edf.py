from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from physiolect.errors import FormatError
from physiolect.formats import read_recording

Writer = Callable[..., None]


@pytest.mark.parametrize("bdf", [False, True])
def test_signals_units_and_annotations(tmp_path: Path, write_edf: Writer, bdf: bool) -> None:
    path = tmp_path / ("x.bdf" if bdf else "x.edf")
    write_edf(path, bdf=bdf)
    recording = read_recording(path)
    assert (recording.fs, recording.channels, recording.unit) == (250, ("ECG II", "V5"), "uV")
    assert recording.modality == "ecg"
    np.testing.assert_allclose(recording.signal[0], 1000 * np.sin(np.arange(1000) / 10), atol=0.1)
    assert list(recording.annotations) == [(500, "AF", "")]


def test_a_stretch_equals_the_slice_of_the_whole(tmp_path: Path, write_edf: Writer) -> None:
    write_edf(tmp_path / "x.edf")
    part = read_recording(tmp_path / "x.edf", start=1.5, stop=3, channels="II")
    sliced = read_recording(tmp_path / "x.edf").slice(1.5, 3)
    np.testing.assert_array_equal(part.signal, sliced.signal[:1])
    assert list(part.annotations) == list(sliced.annotations) == [(125, "AF", "")]


def test_channels_of_different_rates_are_chosen(tmp_path: Path, write_edf: Writer) -> None:
    write_edf(tmp_path / "x.edf", rates=(250, 250, 100))
    with pytest.raises(FormatError, match="differ in sampling rate: ECG II 250 Hz, V5 250 Hz, PLETH 100 Hz"):
        read_recording(tmp_path / "x.edf")
    assert read_recording(tmp_path / "x.edf", channels="PLETH").fs == 100
    assert read_recording(tmp_path / "x.edf", channels=["V5", "II"]).fs == 250


def test_the_content_tells_where_the_name_does_not(tmp_path: Path, write_edf: Writer) -> None:
    write_edf(tmp_path / "x.edf")
    (tmp_path / "x.edf").rename(tmp_path / "night.rec")
    assert read_recording(tmp_path / "night.rec").fs == 250


def test_damaged_files_are_refused(tmp_path: Path, write_edf: Writer) -> None:
    path = tmp_path / "x.edf"
    write_edf(path)
    content = path.read_bytes()
    for damaged, message in (
        (content[:-100], "truncated or damaged: its header promises"),
        (content[:300], "not a readable EDF or BDF file"),
        (b"0       junk", "not a readable EDF or BDF file"),
        (content[:8] + b"\x01" * 80 + content[88:], "not a readable EDF or BDF file"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match=message) as caught:
            read_recording(path)
        assert caught.value.hint
    path.write_bytes(content)
    assert read_recording(path).n_samples == 1000  # a refusal leaves nothing open
