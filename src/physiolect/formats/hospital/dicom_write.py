"""Writing a recording as a DICOM waveform, of a patient who is not named.

Source: DICOM PS3.3, A.34 (waveform IODs) and C.10.9 (Waveform Module); PS3.16, CID 3001 (ECG leads).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from physiolect.errors import FormatError, require
from physiolect.files import replacing, writing
from physiolect.formats.hospital.dicom_time import write_start
from physiolect.formats.hospital.lead_names import LEAD_CODES
from physiolect.formats.hospital.patients import NOTE
from physiolect.formats.hospital.steps import MISSING, to_steps
from physiolect.recording import LEADS, Recording, canonical_channel

SYMBOLS = "99WFDB"
"""Coding scheme of marks: the symbols of WFDB."""
_OWN_LEADS = "99LEADS"

_TWELVE_LEADS = "1.2.840.10008.5.1.4.1.1.9.1.1"
_GENERAL = "1.2.840.10008.5.1.4.1.1.9.1.2"
_AMBULATORY = "1.2.840.10008.5.1.4.1.1.9.1.3"
_PULSE = "1.2.840.10008.5.1.4.1.1.9.5.1"
_MOST_SAMPLES_OF_TWELVE = 16_384
_UNITS = {"uV": "microvolt", "mV": "millivolt", "V": "volt"}


def write(recording: Recording, path: Path) -> None:
    """Write `path` as a DICOM file with one multiplex group of 16-bit samples; NaN becomes the padding value.

    Steps that the samples were recorded in are kept, so that they are read back equal; other samples differ by at most
    half of 1/65,530 of their channel's range. Marks and notes are kept as waveform annotations.

    Raises:
        FormatError: the recording is no ECG or PPG, or a channel has no unit that DICOM knows.
        PhysiolectError: pydicom is not installed.
    """
    pydicom = require("pydicom", extra="hospital")
    kind = _kind(recording, path)
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = kind
    for name in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(dataset, name, pydicom.uid.generate_uid())
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.Modality = "HD" if kind == _PULSE else "ECG"
    dataset.PatientName = dataset.PatientID = dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "a Physiolect recording keeps no personal data"
    write_start(dataset, recording.start_time)
    dataset.ReferringPhysicianName = dataset.StudyID = dataset.AccessionNumber = ""
    dataset.Manufacturer = "Physiolect"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, 1
    dataset.AcquisitionContextSequence = []
    dataset.WaveformSequence = [_group(recording, pydicom)]
    annotations = [_annotation(mark, recording, pydicom) for mark in recording.annotations]
    if annotations:
        dataset.WaveformAnnotationSequence = annotations
    with replacing(path) as temporary, writing(path):
        dataset.save_as(temporary, enforce_file_format=True)


def _kind(recording: Recording, path: Path) -> str:
    """Return the storage class that fits a recording."""
    if recording.modality == "ppg":
        return _PULSE
    if recording.modality != "ecg":
        raise FormatError(
            f"{path} would hold {recording.modality or 'a signal of unknown modality'}, which has no DICOM waveform",
            hint="select the ECG's channels, state modality ecg, or write EDF",
        )
    if not all(unit in _UNITS for unit in recording.units):
        known = ", ".join(_UNITS)
        raise FormatError(
            f"a channel of the recording is in {next(u for u in recording.units if u not in _UNITS) or 'no unit'}",
            hint=f"an ECG in DICOM is in one of {known}: state unit when reading, or write NPZ",
        )
    standard = all(canonical_channel(name) in LEADS for name in recording.channels)
    if standard and recording.n_samples <= _MOST_SAMPLES_OF_TWELVE and 200 <= recording.fs <= 1000:
        return _TWELVE_LEADS
    return _AMBULATORY if len(recording.channels) <= 12 else _GENERAL


def _group(recording: Recording, pydicom: Any) -> Any:
    channels = [to_steps(row) for row in recording.signal]
    group = pydicom.Dataset()
    group.MultiplexGroupTimeOffset = 0
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformChannels = len(channels)
    group.NumberOfWaveformSamples = recording.n_samples
    group.SamplingFrequency = _decimal(recording.fs)
    group.MultiplexGroupLabel = "RHYTHM"
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    padding = np.array([MISSING], "<i2").tobytes()
    group.add_new("WaveformPaddingValue", "OW", padding)
    group.add_new(
        "WaveformData", "OW", np.stack([each.whole for each in channels], 1).astype("<i2").tobytes()
    )
    group.ChannelDefinitionSequence = []
    for name, unit, steps in zip(recording.channels, recording.units, channels, strict=True):
        channel = pydicom.Dataset()
        channel.ChannelLabel = name[:16]
        channel.ChannelSourceSequence = [_source(name, pydicom)]
        channel.ChannelSensitivity = _decimal(steps.step)
        channel.ChannelSensitivityUnitsSequence = [
            _code(unit or "1", "UCUM", _UNITS.get(unit or "", "no units"), pydicom)
        ]
        channel.ChannelSensitivityCorrectionFactor = 1
        channel.ChannelBaseline = _decimal(steps.offset)
        channel.ChannelSampleSkew = 0
        channel.WaveformBitsStored = 16
        group.ChannelDefinitionSequence.append(channel)
    return group


def _source(name: str, pydicom: Any) -> Any:
    lead = canonical_channel(name)
    if lead in LEAD_CODES:
        return _code(f"2:{LEAD_CODES[lead]}", "MDC", f"Lead {lead}", pydicom)
    return _code(name[:16], _OWN_LEADS, name[:64], pydicom)


def _code(value: str, scheme: str, meaning: str, pydicom: Any) -> Any:
    code = pydicom.Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _annotation(mark: tuple[int, str, str], recording: Recording, pydicom: Any) -> Any:
    """Return a mark as an annotation: a note as text alone, any other as a point with its symbol."""
    sample, symbol, note = mark
    item = pydicom.Dataset()
    item.ReferencedWaveformChannels = [1, 0]
    item.AnnotationGroupNumber = 0
    if symbol == NOTE and sample == 0:
        item.UnformattedTextValue = note
        return item
    item.TemporalRangeType = "POINT"
    item.ReferencedSamplePositions = sample + 1
    item.ConceptNameCodeSequence = [_code(symbol[:16], SYMBOLS, symbol[:64], pydicom)]
    if note:
        item.UnformattedTextValue = note
    return item


def _decimal(value: float) -> str:
    """Return a number in at most 16 characters, as DICOM's decimals are."""
    return next(text for digits in range(16, 0, -1) if len(text := f"{value:.{digits}g}") <= 16)
