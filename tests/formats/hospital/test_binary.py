from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from physiolect.errors import FormatError
from physiolect.formats import read_recording, read_recordings, write_recording
from physiolect.recording import Recording


@pytest.mark.parametrize("huffman", [False, True])
@pytest.mark.parametrize("difference", [0, 1, 2])
@pytest.mark.parametrize("first", [0, 1])
def test_scp_leads(tmp_path: Path, make: ModuleType, huffman: bool, difference: int, first: int) -> None:
    leads = make.make_leads(12)
    (tmp_path / "x.scp").write_bytes(make.scp(leads, huffman=huffman, difference=difference, first=first))
    recording = read_recording(tmp_path / "x.scp")
    order = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6", "III", "aVR", "aVL", "aVF")
    assert (recording.fs, recording.channels, recording.unit, recording.modality) == (500, order, "uV", "ecg")
    np.testing.assert_array_equal(recording.signal, leads * 2.5)
    assert not len(recording.annotations)
    assert read_recording(tmp_path / "x.scp", patient_key="k").annotations.note[0].startswith("patient ")


def test_scp_adds_the_reference_beat_where_it_was_subtracted(tmp_path: Path, make: ModuleType) -> None:
    leads = make.make_leads(1)
    beat = np.arange(1, 101, dtype=np.int16)  # 200 ms around sample 50
    residual = leads.copy()
    residual[0, 149:249] -= beat
    two, four = struct.pack("<H", 0), struct.pack("<HHHHIII", 200, 50, 1, 0, 150, 199, 249)
    five = struct.pack("<HHBBH", 2500, 2000, 0, 0, 200) + beat.tobytes()
    six = struct.pack("<HHBBH", 2500, 2000, 0, 0, 1000) + residual[0].astype("<i2").tobytes()
    three = bytes([1, 1 | 1 << 3]) + struct.pack("<IIB", 1, 500, 1)
    del two
    (tmp_path / "x.scp").write_bytes(make.scp_file({3: three, 4: four, 5: five, 6: six}))
    np.testing.assert_array_equal(read_recording(tmp_path / "x.scp").signal, leads * 2.5)


def test_scp_that_is_not_read_or_damaged(tmp_path: Path, make: ModuleType) -> None:
    path = tmp_path / "x.scp"
    whole = make.scp(make.make_leads(), huffman=True)
    for content, message in (
        (make.scp(make.make_leads(), bimodal=1), "bimodal compression"),
        (make.scp_file({1: b"\xff\0\0"}), "without a rhythm"),
        (whole[:-40], "without a rhythm"),
        (make.scp_file({3: b"\xff\0", 6: b"\0" * 20}), "not a readable SCP-ECG file"),
    ):
        path.write_bytes(content)
        with pytest.raises(FormatError, match=message):
            read_recording(path)


def test_ishne_leads_and_beats(tmp_path: Path, make: ModuleType) -> None:
    leads = make.make_leads(2)
    (tmp_path / "x.ecg").write_bytes(make.ishne(leads))
    recording = read_recording(tmp_path / "x.ecg")
    assert (recording.fs, recording.channels, recording.unit) == (250, ("II", "V1"), "uV")
    np.testing.assert_array_equal(recording.signal, leads * 2.5)
    marks = make.ishne(leads[:, :0], magic=b"ANN  1.0") + struct.pack("<i", 10)
    marks += b"".join(
        struct.pack("<ccH", kind, b"#", after) for kind, after in ((b"N", 90), (b"V", 100), (b"X", 200))
    )
    (tmp_path / "x.ann").write_bytes(marks)
    assert list(read_recording(tmp_path / "x.ecg").annotations) == [
        (100, "N", ""),
        (200, "V", ""),
        (400, "|", ""),
    ]
    assert list(read_recording(tmp_path / "x.ecg", start=0.6).annotations) == [(50, "V", ""), (250, "|", "")]
    with pytest.raises(FormatError, match="beats of an ISHNE recording"):
        read_recording(tmp_path / "x.ann")


def test_a_stretch_of_a_day_takes_its_own_memory(tmp_path: Path, make: ModuleType) -> None:
    head = make.ishne(make.make_leads(2, 0))
    n_samples = 6 * 3600 * 250
    path = tmp_path / "day.ecg"
    path.write_bytes(head[:14] + struct.pack("<iii", 0, n_samples, 522)[4:8].join([head[14:18], head[22:]]))
    with path.open("r+b") as file:
        file.truncate(len(head) + n_samples * 4)
    tracemalloc.start()
    recording = read_recording(path, start=3600, stop=7200)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert recording.n_samples == 3600 * 250
    assert peak < 1.5 * recording.signal.nbytes


def test_ishne_that_is_damaged(tmp_path: Path, make: ModuleType) -> None:
    path = tmp_path / "x.ecg"
    whole = make.ishne(make.make_leads(2))
    for content, message in (
        (whole[:-3], "truncated or damaged"),
        (whole[:300], "cut short within its header"),
        (whole[:156] + b"\x40\0" + whole[158:], "header of .* is damaged: 64 leads"),
        (whole[:272] + b"\0\0" + whole[274:], "at 0 Hz"),
        (b"unknown maker" * 10, "of a maker that is not known"),
    ):
        path.write_bytes(content)
        with pytest.raises(FormatError, match=message) as caught:
            read_recording(path)
        assert caught.value.hint


def test_contec_twelve_leads(tmp_path: Path, make: ModuleType) -> None:
    leads = make.make_leads(8)
    (tmp_path / "0000001.ECG").write_bytes(make.contec(leads))
    recording = read_recording(tmp_path / "0000001.ECG")
    assert (recording.fs, recording.channels, recording.unit) == (800, make.TWELVE, "uV")
    two, three = leads[0] * 5.0, leads[1] * 5.0
    np.testing.assert_allclose(recording.signal[:3], [two - three, two, three])
    np.testing.assert_allclose(recording.signal[3], -(recording.signal[0] + two) / 2, atol=1e-3)
    np.testing.assert_array_equal(recording.signal[6:], leads[2:] * 5.0)
    assert make.NAME not in repr(recording)
    (tmp_path / "0000001.ECG").write_bytes(make.contec(leads)[:-5])
    with pytest.raises(FormatError, match="no recording of eight leads"):
        read_recording(tmp_path / "0000001.ECG")


@pytest.mark.parametrize("big", [True, False])
def test_mfer(tmp_path: Path, make: ModuleType, big: bool) -> None:
    leads = make.make_leads(2)
    (tmp_path / "x.mwf").write_bytes(make.mfer(leads, big=big))
    recording = read_recording(tmp_path / "x.mwf")
    assert (recording.fs, recording.channels, recording.unit, recording.modality) == (
        500,
        ("II", "V1"),
        "uV",
        "ecg",
    )
    np.testing.assert_allclose(recording.signal, leads * 5, rtol=1e-6)
    (tmp_path / "x.mwf").write_bytes(make.mfer(leads, big=big, extra=b"\x0d\2\0\1"))
    with pytest.raises(FormatError, match="states an offset"):
        read_recording(tmp_path / "x.mwf")
    (tmp_path / "x.mwf").write_bytes(make.mfer(leads, big=big, extra=b"\x04\4\xff\xff\xff\x7f"))
    with pytest.raises(FormatError, match="not a readable MFER file"):
        read_recording(tmp_path / "x.mwf")


def test_aecg_is_written_and_read_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    signal = (rng.integers(-2000, 2000, (2, 700)) * 0.0025).astype(np.float32)
    recording = Recording(signal, 360, ("aVF", "chest"), "mV", "ecg")
    write_recording(recording, tmp_path / "x.xml")
    back = read_recording(tmp_path / "x.xml")
    np.testing.assert_array_equal(back.signal, signal)
    assert (back.channels, back.fs, back.unit, back.modality) == (("aVF", "chest"), 360, "mV", "ecg")
    for changed, message in (({"unit": None}, "no unit"), ({"modality": "ppg"}, "hold ppg")):
        with pytest.raises(FormatError, match=message):
            write_recording(Recording(**{**vars(recording), **changed}), tmp_path / "y.xml")
    gap = Recording(np.where(signal > 4, np.nan, signal), 360, ("aVF", "chest"), "mV", "ecg")
    with pytest.raises(FormatError, match="missing samples, which aECG cannot store"):
        write_recording(gap, tmp_path / "y.xml")


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"%PDF-1.7 ...", "is a PDF document"),
        (b"\x89PNG\r\n", "is a PNG picture"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "pointer of Git LFS"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"CFWB\1\0\0\0", "LabChart binary"),
        (b"GDF 2.20", "is a GDF file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Office or LabChart"),
    ],
)
@pytest.mark.parametrize("name", ["x", "x.bin", "x.csv", "x.dcm"])
def test_unknown_formats_are_named(tmp_path: Path, name: str, head: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(head + bytes(600))
    with pytest.raises(FormatError, match=message) as caught:
        read_recording(tmp_path / name)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["x.eeg", "x.vmrk"])
def test_the_files_beside_a_brainvision_header_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.vhdr").write_text("Brain Vision Data Exchange Header File Version 1.0\n")
    (tmp_path / name).write_bytes(bytes(range(256)) * 4)
    with pytest.raises(FormatError, match="is part of a BrainVision recording, which is not read") as caught:
        read_recording(tmp_path / name)
    assert "x.vhdr" in (caught.value.hint or "")


def test_a_folder_of_several_makers(tmp_path: Path, make: ModuleType) -> None:
    leads = make.make_leads()
    (tmp_path / "a.xml").write_bytes(make.muse(leads))
    (tmp_path / "b.ecg").write_bytes(make.ishne(leads))
    (tmp_path / "c.scp").write_bytes(make.scp(leads))
    make.dicom(tmp_path / "d.dcm", leads)
    assert [found.fs for found in read_recordings(tmp_path)] == [500, 250, 500, 500]


def test_real_files(data: Path) -> None:
    samples = data / "format_samples"
    for name, fs, n_samples in (("Example.scp", 500, 5000), ("demo.scp", 1000, 10_000)):
        recording = read_recording(samples / "scp" / name)
        assert (recording.fs, recording.n_samples, recording.channels[:3]) == (
            fs,
            n_samples,
            ("I", "II", "V1"),
        )
    rows = _rows(read_recording(samples / "scp" / "Example.scp"))
    np.testing.assert_allclose(rows["III"], rows["II"] - rows["I"])  # the standard's law holds bit for bit
    holter = read_recording(samples / "ishne" / "ECG_P28.01.ecg")
    rows = _rows(holter)
    np.testing.assert_allclose(rows["III"], rows["II"] - rows["I"])
    assert (holter.fs, holter.n_samples, len(holter.annotations)) == (1000, 95_573, 97)
    contec = _rows(read_recording(samples / "contec_ecg" / "0000037.ECG"))
    np.testing.assert_allclose(contec["III"], contec["II"] - contec["I"])


def _rows(recording: Recording) -> dict[str, np.ndarray]:
    return dict(zip(recording.channels, recording.signal, strict=True))


def test_channels_without_a_name_take_the_callers(tmp_path: Path, make: ModuleType) -> None:
    (tmp_path / "x.ecg").write_bytes(make.ishne(make.make_leads(2), codes=(0, 0)))
    assert read_recording(tmp_path / "x.ecg").channels == ("ch1", "ch2")
    assert read_recording(tmp_path / "x.ecg", names=["II", "V1"], channels="V1").channels == ("V1",)
    with pytest.raises(FormatError, match="1 names were given"):
        read_recording(tmp_path / "x.ecg", names=["II"])
