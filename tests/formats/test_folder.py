"""Folders: recordings by their content, what belongs to them, and what is skipped."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from physiolect.datasets import prepare
from physiolect.errors import FormatError
from physiolect.formats import export, list_recordings, read_recordings, write_recording
from physiolect.formats.folder import list_folder
from physiolect.recording import Annotations, Recording
from physiolect.report.inspection import inspect

NOTICE = "skipped 5 files in {}: 3 .md, 1 .json, 1 without a known format (first bytes: 'what is ')"


@pytest.fixture
def recording() -> Recording:
    rng = np.random.default_rng(0)
    signal = np.cumsum(rng.normal(0, 0.05, (1, 2500)), axis=1)
    return Recording(
        signal - signal.mean(), 250.0, ("II",), "mV", annotations=Annotations([3], ("N",), ("",))
    )


@pytest.fixture
def mixed(tmp_path: Path, recording: Recording) -> Path:
    """A folder of two recordings, and of other things."""
    folder = tmp_path / "mixed"
    (folder / "below").mkdir(parents=True)
    write_recording(recording, folder / "a.hea")
    write_recording(recording, folder / "b.csv")
    for name in ("1.md", "2.md", "below/3.MD", "about.json"):
        (folder / name).write_text("{}")
    (folder / "letter").write_text("what is this?")
    (folder / ".hidden").write_text("x")
    (folder / "RECORDS").write_text("a\n")
    return folder


def test_skipped_files_are_counted_by_kind(mixed: Path) -> None:
    held = list_folder(mixed)
    assert [path.name for path in held.recordings] == ["a.hea", "b.csv"]
    assert held.notice == NOTICE.format(mixed)


def test_every_call_that_takes_a_folder_names_what_it_skips(mixed: Path, tmp_path: Path) -> None:
    notice = NOTICE.format(mixed)
    first, second = read_recordings(mixed)
    assert notice in first.notices
    assert notice not in second.notices
    assert notice in prepare(mixed, tmp_path / "store", workers=1).summary
    assert notice in export(mixed, tmp_path / "out", to="npz").summary
    assert sum(inspect(mixed).facts["skipped files"].values()) == 5


def test_files_that_belong_to_a_recording_are_not_skipped(tmp_path: Path, recording: Recording) -> None:
    write_recording(recording, tmp_path / "a.hea")
    for name in ("a.qrs", "c.vhdr", "c.vmrk", "c.eeg", "BVP.csv", "IBI.csv", "tags.csv", "info.txt"):
        (tmp_path / name).write_text("1\n")
    assert list_folder(tmp_path).skipped == {}
    (tmp_path / "c.dat").write_bytes(bytes(9))
    with pytest.raises(FormatError, match=r"c.dat is part of a BrainVision recording"):
        list_folder(tmp_path / "c.dat")
    (tmp_path / "lost.dat").write_bytes(bytes(9))
    assert list_folder(tmp_path).skipped == {".dat": 1}


def test_dicom_files_without_extension_are_found(tmp_path: Path, recording: Recording) -> None:
    pytest.importorskip("pydicom")
    write_recording(recording, tmp_path / "x.dcm")
    content = (tmp_path / "x.dcm").read_bytes()
    (tmp_path / "x.dcm").unlink()
    for name in ("IM0001", "1.2.840.113619.12"):
        (tmp_path / name).write_bytes(content)
    at = content.index(b"1.2.840.10008.5.1.4.1.1.9.")
    picture = b"1.2.840.10008.5.1.4.1.1.7.1.1"
    (tmp_path / "IM0002").write_bytes(content[:at] + picture + content[at + len(picture) :])
    (tmp_path / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "report").write_bytes(b"%PDF-1.4")
    (tmp_path / "nothing").touch()
    held = list_folder(tmp_path)
    assert [path.name for path in held.recordings] == ["1.2.840.113619.12", "IM0001"]
    assert held.skipped == {
        "DICOM without a waveform": 1, "without extension (a PDF document)": 1, "empty": 1
    }  # fmt: skip
    assert len(list(read_recordings(tmp_path))) == 2
    (tmp_path / "1.2.840.113619.13").write_bytes(content)
    written = export(tmp_path, tmp_path.parent / "exported", to="npz").files
    assert [path.name for path in written] == [
        "1.2.840.113619.12.npz", "1.2.840.113619.13.npz", "IM0001.npz"
    ]  # fmt: skip


def test_a_pipe_without_extension_is_not_opened(tmp_path: Path, recording: Recording) -> None:
    write_recording(recording, tmp_path / "a.csv")
    os.mkfifo(tmp_path / "pipe")
    assert list_folder(tmp_path).skipped == {"that cannot be opened": 1}


def test_a_folder_without_recordings_names_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    with pytest.raises(FormatError, match=r"holds no recording; skipped 1 file in .*: 1 \.pdf"):
        list_recordings(tmp_path)
