from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from physiolect.cli import main
from physiolect.errors import ConfigError, FormatError, WriteError
from physiolect.events import Event, Message
from physiolect.formats import export, read_recording, write_annotations, write_recording
from physiolect.formats.exporting import SUFFIXES, Exported, without_persons
from physiolect.formats.write import WRITERS
from physiolect.recording import Annotations, Recording

TARGETS = [name for name, suffix in SUFFIXES.items() if suffix in WRITERS]


@pytest.fixture
def muse(tmp_path: Path, make: ModuleType) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "rest 1.xml").write_bytes(make.muse(make.make_leads()))
    return tmp_path / "in" / "rest 1.xml"


@pytest.mark.parametrize("to", TARGETS)
def test_every_format_gives_the_same_recording_back(
    tmp_path: Path, muse: Path, make: ModuleType, to: str
) -> None:
    before = read_recording(muse)
    exported = export(muse, tmp_path / "out", to=to)  # type: ignore[arg-type]
    (path,) = exported.files
    assert path == tmp_path / f"out{SUFFIXES[to]}"
    after = read_recording(path)
    assert (after.channels, after.fs, after.unit, after.modality) == (before.channels, before.fs, "uV", "ecg")
    np.testing.assert_allclose(after.signal, before.signal, atol=0.05)
    content = b"".join(file.read_bytes() for file in tmp_path.glob("out*"))
    assert make.NAME.encode() not in content
    assert make.IDENTITY.encode() not in content
    assert bool(exported.lost) == (to in ("csv", "aecg"))
    assert str(path) in exported.summary
    with pytest.raises(WriteError, match="exists already"):
        export(muse, tmp_path / "out", to=to)  # type: ignore[arg-type]


def test_texts_that_speak_of_persons_stay_behind() -> None:
    marks = Annotations(
        [0, 0, 5, 9, 12],
        ('"', '"', "N", "Dr. Roe came in", "+"),
        ("seen 12-JAN-2001", "Confirmed by Roe", "", "", "(AFIB"),
    )
    assert list(without_persons(marks)) == [
        (0, '"', "seen (date)"), (5, "N", ""), (9, "removed", ""), (12, "+", "(AFIB")
    ]  # fmt: skip


def test_deidentification_can_be_left_out(tmp_path: Path) -> None:
    recording = Recording(
        np.ones((1, 9)), 10, ("II",), "mV", "ecg", Annotations([3], ('"',), ("Confirmed by Roe",))
    )
    write_recording(recording, tmp_path / "a.npz")
    export(tmp_path / "a.npz", tmp_path / "b", to="npz")
    export(tmp_path / "a.npz", tmp_path / "c", to="npz", deidentify=False)
    assert len(read_recording(tmp_path / "b.npz").annotations) == 0
    assert list(read_recording(tmp_path / "c.npz").annotations) == [(3, '"', "Confirmed by Roe")]


def test_a_folder_and_what_it_skips(tmp_path: Path, muse: Path, make: ModuleType) -> None:
    (muse.parent / "sub").mkdir()
    (muse.parent / "sub" / "b.scp").write_bytes(make.scp(make.make_leads()))
    (muse.parent / "c.xml").write_text("<?xml version='1.0'?><HealthData/>")
    heard: list[Event] = []
    exported = export(muse.parent, tmp_path / "out", to="wfdb", on_event=heard.append)
    assert [file.relative_to(tmp_path / "out").as_posix() for file in exported.files] == [
        "rest_1.hea",
        "sub/b.hea",
    ]
    assert [path.name for path, _ in exported.skipped] == ["c.xml"]
    assert any(isinstance(event, Message) and "HealthData" in event.text for event in heard)
    assert exported.summary.startswith("2 files written, 1 input skipped")
    assert read_recording(tmp_path / "out" / "sub" / "b").channels == make.EIGHT
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "c.xml").write_text("<?xml version='1.0'?><HealthData/>")
    with pytest.raises(FormatError, match="none of the 1 recordings"):
        export(tmp_path / "empty", tmp_path / "out2", to="wfdb")


def test_what_reading_left_out_is_told(tmp_path: Path) -> None:
    rows = "\n".join(f"{i / 100},{i % 7},{'walk' if i % 2 else 'run'}" for i in range(400))
    (tmp_path / "x.csv").write_text(f"time (s),ECG (mV),what\n{rows}\n")
    assert (
        "left out column 'what', which holds text"
        in export(tmp_path / "x.csv", tmp_path / "y", to="edf").summary
    )
    exported = Exported((tmp_path,), lost=tuple(map(str, range(25))))
    assert exported.summary.endswith("\n19\n… and 5 more notices")


def test_annotators_are_chosen(tmp_path: Path) -> None:
    recording = Recording(np.ones((1, 50)), 50, ("II",), "mV", annotations=Annotations([3], ("N",)))
    write_recording(recording, tmp_path / "x.hea")
    write_annotations(Annotations([7], ("V",)), 50, tmp_path / "x.qrs")
    words = [
        "export",
        str(tmp_path / "x"),
        "--to",
        "npz",
        "--out",
        str(tmp_path / "y.npz"),
        "--annotator",
        "qrs",
    ]
    assert main(words) == 0
    assert list(read_recording(tmp_path / "y.npz").annotations) == [(7, "V", "")]


def test_files_of_one_name_and_two_extensions_are_both_written(tmp_path: Path) -> None:
    recording = Recording(np.ones((1, 50)), 50, ("II",), "mV")
    (tmp_path / "in").mkdir()
    for name in ("a.csv", "a.npz", "b.csv"):
        write_recording(recording, tmp_path / "in" / name)
    for to, second in (("edf", "a.npz.edf"), ("wfdb", "a_npz.hea")):
        exported = export(tmp_path / "in", tmp_path / to, to=to)  # type: ignore[arg-type]
        assert sorted(file.name for file in exported.files) == sorted(
            [f"a{SUFFIXES[to]}", second, f"b{SUFFIXES[to]}"]
        )
    heard: list[Event] = []
    (tmp_path / "edf" / "a.edf").unlink()
    export(tmp_path / "in", tmp_path / "edf", to="edf", on_event=heard.append)
    texts = [event.text for event in heard if isinstance(event, Message)]
    assert texts[0].startswith(f"skipped {tmp_path / 'in' / 'a.npz'}: ")
    assert "exists already" in texts[0]


def test_wrong_names_are_refused_before_reading(tmp_path: Path, muse: Path) -> None:
    for out, to, message in (
        (tmp_path / "x.npz", "csv", "has the extension of another format than csv"),
        (tmp_path, "csv", "is a folder, but one recording is exported"),
        (tmp_path / "x", "mp3", "is no format that can be written"),
    ):
        with pytest.raises(ConfigError, match=message):
            export(muse, out, to=to)  # type: ignore[arg-type]


def test_the_verb_does_the_same(tmp_path: Path, muse: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.dcm"
    words = [
        "export",
        str(muse),
        "--to",
        "dicom",
        "--out",
        str(out),
        "--patient-key",
        "k",
        "--channels",
        "II",
        "V1",
    ]
    assert main(words) == 0
    assert f"{out} written" in capsys.readouterr().err
    recording = read_recording(out)
    assert recording.channels == ("II", "V1")
    assert recording.annotations.note[0].startswith("patient ")
    assert main(["export", str(muse), "--to", "csv", "--out", str(tmp_path / "x.edf")]) == 2
