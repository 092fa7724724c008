from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from physiolect.errors import FormatError
from physiolect.formats import read_recording


def test_acqknowledge_files_equal_bioread(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import bioread

    for path in sorted((data / "format_samples" / "biopac_acq").iterdir()):
        shutil.copy(path, tmp_path / "recording")  # without extension: known by its content
        recording, theirs = read_recording(tmp_path / "recording"), bioread.read_file(str(path))
        for row, name, unit, channel in zip(
            recording.signal, recording.channels, recording.units, theirs.channels, strict=True
        ):
            np.testing.assert_array_equal(row, channel.data.astype(np.float32))
            assert (name, recording.fs) == (channel.name, channel.samples_per_second)
            assert unit == channel.units
        marks = theirs.event_markers
        assert recording.annotations.sample.tolist() == sorted(marker.sample_index for marker in marks)
    assert capfd.readouterr() == ("", "")


def test_acqknowledge_files_that_are_cut(data: Path, tmp_path: Path) -> None:
    content = (data / "format_samples" / "biopac_acq" / "r35_test.acq").read_bytes()
    for length in (100, 600, 50_000):
        (tmp_path / "x.acq").write_bytes(content[:length])
        with pytest.raises(FormatError) as caught:
            read_recording(tmp_path / "x.acq")
        assert caught.value.hint
