from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pydicom
import pytest

from physiolect.errors import FormatError
from physiolect.formats import read_recording, read_recordings, write_recording
from physiolect.recording import Annotations, Recording


def test_the_rhythm_and_not_the_median_beat(tmp_path: Path, make: ModuleType) -> None:
    leads = make.make_leads()
    make.dicom(tmp_path / "x.dcm", leads)
    recording = read_recording(tmp_path / "x.dcm")
    assert (recording.fs, recording.channels, recording.unit, recording.modality) == (
        500,
        make.EIGHT,
        "uV",
        "ecg",
    )
    np.testing.assert_array_equal(recording.signal, leads * 2.5 + 10)
    assert [note for _, _, note in recording.annotations] == ["Sinus rhythm", "Heart rate 61 /min"]
    for word in (make.NAME, make.IDENTITY, "Ann", "1950"):
        assert word not in repr(list(recording.annotations)) + repr(recording)
    told = read_recording(tmp_path / "x.dcm", patient_key="k").annotations.note[0]
    assert told.startswith("patient ")
    assert make.IDENTITY not in told


def test_a_file_without_extension_is_known_by_its_content(tmp_path: Path, make: ModuleType) -> None:
    make.dicom(tmp_path / "IM000001", make.make_leads())
    assert read_recording(tmp_path / "IM000001", channels="V5", start=0.5).signal.shape == (1, 250)


def test_padding_is_missing(tmp_path: Path, make: ModuleType) -> None:
    leads = make.make_leads()
    leads[1, 30:40] = -32768
    make.dicom(tmp_path / "x.dcm", leads, WaveformPaddingValue=b"\x00\x80")
    recording = read_recording(tmp_path / "x.dcm")
    assert recording.n_missing() == 10
    assert np.isnan(recording.signal[1, 30:40]).all()


def test_groups_of_other_lengths_are_chosen(tmp_path: Path, make: ModuleType) -> None:
    make.dicom(tmp_path / "x.dcm", make.make_leads())
    dataset = pydicom.dcmread(tmp_path / "x.dcm")
    dataset.WaveformSequence[0].WaveformOriginality = "ORIGINAL"
    dataset.WaveformSequence[0].MultiplexGroupLabel = "STRIP"
    dataset.save_as(tmp_path / "x.dcm")
    with pytest.raises(FormatError, match="holds 2 waveform groups: 0: I, II"):
        read_recording(tmp_path / "x.dcm")
    assert [found.n_samples for found in read_recordings(tmp_path / "x.dcm")] == [100, 500]
    assert read_recording(tmp_path / "x.dcm", variable="1").n_samples == 500


def test_simultaneous_groups_are_one_recording(tmp_path: Path, make: ModuleType) -> None:
    leads = make.make_leads()
    make.dicom(tmp_path / "a.dcm", leads[:2], names=("I", "II"))
    make.dicom(tmp_path / "b.dcm", leads[2:4], names=("V1", "V2"))
    dataset, other = pydicom.dcmread(tmp_path / "a.dcm"), pydicom.dcmread(tmp_path / "b.dcm")
    dataset.WaveformSequence = [dataset.WaveformSequence[1], other.WaveformSequence[1]]
    points = []
    for group, positions in ((1, [11, 31]), (2, [11, 41])):  # counted from 1
        concept = pydicom.Dataset()
        concept.CodeValue, concept.CodingSchemeDesignator, concept.CodeMeaning = "x", "MDC", "QRS Onset"
        point = pydicom.Dataset()
        point.ConceptNameCodeSequence = [concept]
        point.ReferencedWaveformChannels, point.ReferencedSamplePositions = [group, 0], positions
        points.append(point)
    dataset.WaveformAnnotationSequence = points
    dataset.save_as(tmp_path / "x.dcm")
    recording = read_recording(tmp_path / "x.dcm")
    assert recording.channels == ("I", "II", "V1", "V2")
    marked = [sample for sample, symbol, _ in recording.annotations if symbol == "("]
    assert marked == [10, 30, 40]  # those of both groups, once each
    np.testing.assert_array_equal(recording.signal, leads[:4] * 2.5 + 10)
    dataset.WaveformSequence[1].MultiplexGroupTimeOffset = 2500  # one after the other: never side by side
    dataset.save_as(tmp_path / "x.dcm")
    assert [found.channels for found in read_recordings(tmp_path / "x.dcm")] == [("I", "II"), ("V1", "V2")]


def test_what_is_no_waveform_or_damaged_is_refused(tmp_path: Path, make: ModuleType) -> None:
    path = tmp_path / "x.dcm"
    for changed, message in (
        ({"NumberOfWaveformSamples": 10**9}, "states 8 channels of 1000000000 samples"),
        ({"NumberOfWaveformChannels": 0}, "states 0 channels"),
        ({"WaveformSampleInterpretation": "MB", "WaveformBitsAllocated": 8}, "8 bits as MB"),
        ({"SamplingFrequency": 0}, "must be above 0"),
    ):
        make.dicom(path, make.make_leads(), **changed)
        with pytest.raises(FormatError, match=message):
            read_recording(path)
    dataset = pydicom.dcmread(path)
    del dataset.WaveformSequence[1]
    dataset.save_as(path)
    with pytest.raises(FormatError, match="derived waveforms alone"):
        read_recording(path)
    dataset.WaveformSequence = []
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    dataset.save_as(path)
    with pytest.raises(FormatError, match=r"without a waveform \(CT Image Storage\)"):
        read_recording(path)


def test_a_group_without_samples_is_refused(tmp_path: Path, make: ModuleType) -> None:
    make.dicom(tmp_path / "x.dcm", make.make_leads())
    file = pydicom.dcmread(tmp_path / "x.dcm")
    for group in file.WaveformSequence:
        group.WaveformData = None
    file.save_as(tmp_path / "x.dcm")
    with pytest.raises(FormatError, match="holds 0 bytes"):
        read_recording(tmp_path / "x.dcm")


def test_written_files_are_read_back_equal_by_pydicom(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    signal = (rng.integers(-900, 900, (12, 600)) * 4.88).astype(np.float32)
    signal[2, 5] = np.nan
    names = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    marks = Annotations([0, 17, 40], ('"', "N", "+"), ("Sinus rhythm", "", "(AFIB"))
    recording = Recording(signal, 500, names, "uV", "ecg", marks)
    write_recording(recording, tmp_path / "x.dcm")
    dataset = pydicom.dcmread(tmp_path / "x.dcm")
    theirs = dataset.waveform_array(0).T
    theirs[2, 5] = np.nan
    np.testing.assert_allclose(theirs, signal, rtol=1e-6)
    assert dataset.SOPClassUID.name == "12-lead ECG Waveform Storage"
    assert (dataset.PatientName, dataset.PatientID, dataset.PatientIdentityRemoved) == ("", "", "YES")
    back = read_recording(tmp_path / "x.dcm")
    np.testing.assert_array_equal(back.signal, signal)
    assert (back.channels, back.fs, back.unit, back.modality) == (names, 500, "uV", "ecg")
    assert list(back.annotations) == list(marks)


def test_other_signals_come_back_within_half_a_step(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    signal = np.stack([rng.normal(size=900), 1e4 + rng.normal(size=900), np.full(900, 3.3)]).astype(
        np.float32
    )
    recording = Recording(signal, 128.5, ("II", "chest", "V5"), "mV", "ecg")
    write_recording(recording, tmp_path / "x.dcm")
    back = read_recording(tmp_path / "x.dcm")
    steps = np.maximum(np.ptp(signal.astype(np.float64), axis=1) / 65_530, np.abs(signal).max(1) * 2**-23)
    assert (np.abs(back.signal - signal).max(1) <= 0.51 * steps + np.abs(signal).max(1) * 2**-24).all()
    assert (back.channels, back.fs) == (recording.channels, 128.5)


@pytest.mark.parametrize(
    ("modality", "unit", "message"), [(None, "mV", "unknown modality"), ("ecg", None, "no unit")]
)
def test_what_dicom_cannot_hold_is_refused(tmp_path: Path, modality: str, unit: str, message: str) -> None:
    recording = Recording(np.ones((1, 10)), 100, ("a",), unit, modality)  # type: ignore[arg-type]
    with pytest.raises(FormatError, match=message):
        write_recording(recording, tmp_path / "x.dcm")
    assert not list(tmp_path.iterdir())


def test_real_files_equal_pydicom(data: Path) -> None:
    for path in sorted((data / "format_samples" / "dicom").iterdir()):
        recording = read_recording(path)
        np.testing.assert_array_equal(
            recording.signal, pydicom.dcmread(path).waveform_array(0).T.astype(np.float32)
        )
        assert (recording.fs, recording.channels[:4], recording.unit) == (
            1000,
            ("I", "II", "III", "aVR"),
            "uV",
        )
        assert "QRS Duration 75 ms" in recording.annotations.note


@pytest.mark.parametrize(("implicit", "little"), [(True, True), (False, False)])
def test_other_transfer_syntaxes(tmp_path: Path, make: ModuleType, implicit: bool, little: bool) -> None:
    leads = make.make_leads()
    make.dicom(tmp_path / "x.dcm", leads)
    dataset = pydicom.dcmread(tmp_path / "x.dcm")
    for group in dataset.WaveformSequence:
        if not little:
            group.WaveformData = np.frombuffer(group.WaveformData, "<i2").astype(">i2").tobytes()
    syntax = pydicom.uid.ImplicitVRLittleEndian if implicit else pydicom.uid.ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(
        tmp_path / "y.dcm", dataset, implicit_vr=implicit, little_endian=little, force_encoding=True
    )
    recording = read_recording(tmp_path / "y.dcm")
    assert (recording.channels, recording.unit) == (make.EIGHT, "uV")
    np.testing.assert_array_equal(recording.signal, leads * 2.5 + 10)


def test_deflated_files_are_refused(tmp_path: Path, make: ModuleType) -> None:
    make.dicom(tmp_path / "x.dcm", make.make_leads())
    dataset = pydicom.dcmread(tmp_path / "x.dcm")
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.save_as(tmp_path / "x.dcm")
    with pytest.raises(FormatError, match="deflated DICOM file"):
        read_recording(tmp_path / "x.dcm")


def test_a_note_that_holds_the_patients_name_is_dropped(tmp_path: Path, make: ModuleType) -> None:
    make.dicom(tmp_path / "x.dcm", make.make_leads())
    dataset = pydicom.dcmread(tmp_path / "x.dcm")
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.PatientName = "M\u00fcller^Ann"
    dataset.WaveformAnnotationSequence[0].UnformattedTextValue = "M\u00fcller came with palpitations"
    dataset.save_as(tmp_path / "x.dcm")
    assert read_recording(tmp_path / "x.dcm").annotations.note == ("Heart rate 61 /min",)
