"""GE MUSE RestingECG XML: the rhythm waveform, its statements and measurements.

No description is public; the layout is known from exported files (BRAVEHEART's examples among them).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import time
from pathlib import Path

import numpy as np

from physiolect.errors import FormatError
from physiolect.formats.hospital.lead_names import lead_name, numbered_names
from physiolect.formats.hospital.rhythm import MOST_CHANNELS, Rhythm, choose, with_limb_leads
from physiolect.formats.hospital.xml import Element, from_base64, number_of, text_of, texts_of
from physiolect.formats.request import Request
from physiolect.recording import Annotations, Recording, StartTime, unit_name
from physiolect.recording.start_time import moment_of, parse_start

_MEASUREMENTS = {
    "VentricularRate": ("ventricular rate", "/min"), "AtrialRate": ("atrial rate", "/min"),
    "PRInterval": ("PR interval", "ms"), "QRSDuration": ("QRS duration", "ms"),
    "QTInterval": ("QT interval", "ms"), "QTCorrected": ("QTc interval", "ms"),
    "PAxis": ("P axis", "deg"), "RAxis": ("R axis", "deg"), "TAxis": ("T axis", "deg"),
}  # fmt: skip
"""MUSE's name of a measurement -> ours, and its unit."""

_UNITS = {"MICROVOLTS": "uV", "MILLIVOLTS": "mV"}
UNCLASSIFIED = "Q"
"""WFDB's symbol of a beat whose kind is not known: MUSE numbers its templates and does not name them."""


def recordings(root: Element, path: Path, want: Request) -> Iterator[Recording]:
    """Yield the rhythm recordings of a RestingECG document; median beats are not read.

    Raises:
        FormatError: there is no rhythm waveform, or one contradicts itself.
    """
    waveforms = [wave for wave in root.iter("Waveform") if text_of(wave, "WaveformType").lower() != "median"]
    if not waveforms:
        raise FormatError(
            f"{path} is a MUSE file without a rhythm waveform",
            hint="export it from MUSE with waveforms; a median beat alone is no recording",
        )
    rhythms = [_rhythm(wave, root, path) for wave in waveforms]
    for _, rhythm in choose(rhythms, path, want, "waveforms"):
        yield rhythm.recording(path, want)


def _rhythm(waveform: Element, root: Element, path: Path) -> Rhythm:
    leads = waveform.findall("LeadData")[: MOST_CHANNELS + 1]
    base = number_of(text_of(waveform, "SampleBase"))
    exponent = number_of(text_of(waveform, "SampleExponent", "0"))
    if exponent is not None and abs(exponent) > 9:
        exponent = None
    rhythm = Rhythm(
        None if base is None or exponent is None else base * 10.0**exponent,
        numbered_names([lead_name(text_of(lead, "LeadID")) for lead in leads]),
        [_samples(lead, path) for lead in leads],
        [_gain(lead, path) for lead in leads],
        [_unit(lead) for lead in leads],
        notes=[*_statements(root), *_measurements(root)],
        patient=text_of(root, "PatientDemographics/PatientID"),
        personal=list(texts_of(root, "PatientID", "PatientFirstName", "PatientLastName", "SecondaryID")),
        modality="ecg",
        start_time=_start(root),
        stated_date=text_of(root, "TestDemographics/AcquisitionDate")
        if text_of(root, "TestDemographics/AcquisitionTime")
        else "",
    )
    if rhythm.fs:
        rhythm.marks = _beats(root, rhythm.fs, len(rhythm.rows[0]) if rhythm.rows else 0)
    return with_limb_leads(rhythm)


def _start(root: Element) -> StartTime | None:
    """Return when the ECG was acquired: MUSE writes month, day and year, or the month's name."""
    day, clock = (text_of(root, f"TestDemographics/Acquisition{part}") for part in ("Date", "Time"))
    hours = parse_start(clock)
    if not isinstance(hours, time):
        return None
    found = re.fullmatch(r"(\d{1,2})[-/](\d{1,2})[-/](\d{4})", day)
    if found:
        first, second, year = map(int, found.groups())
        month, number = (second, first) if first > 12 else (first, second)
    elif found := re.fullmatch(r"(\d{1,2})-([A-Z]{3})-(\d{4})", day.upper()):
        number, month, year = (
            int(found[1]),
            "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC".find(found[2]) // 3 + 1,
            int(found[3]),
        )
    else:
        return hours
    return moment_of(year, month, number, hours.hour, hours.minute, hours.second) or hours


def _samples(lead: Element, path: Path) -> np.ndarray:
    size = text_of(lead, "LeadSampleSize", "2")
    if size not in ("2", "4"):
        raise FormatError(
            f"{path} has samples of {size[:20]} bytes, but MUSE writes 2 or 4", hint="export the file again"
        )
    content = from_base64(text_of(lead, "WaveFormData"), path)
    stated = number_of(text_of(lead, "LeadSampleCountTotal"))
    width = int(size)
    if len(content) % width or (stated is not None and stated != len(content) // width):
        raise FormatError(
            f"{path} states {stated or 0:g} samples of lead {text_of(lead, 'LeadID')[:20]} and holds "
            f"{len(content) / width:g}",
            hint="the file is cut short or damaged: export it again",
        )
    return np.frombuffer(content, f"<i{width}")


def _gain(lead: Element, path: Path) -> float:
    gain = number_of(text_of(lead, "LeadAmplitudeUnitsPerBit"))
    if not gain:
        raise FormatError(
            f"{path} does not state the step of lead {text_of(lead, 'LeadID')[:20]}",
            hint="export the file again",
        )
    return gain


def _unit(lead: Element) -> str | None:
    text = text_of(lead, "LeadAmplitudeUnits")
    return _UNITS.get(text.upper()) or unit_name(text)


def _beats(root: Element, fs: float, n_samples: int) -> Annotations:
    """Return the QRS complexes that MUSE found, whose times are milliseconds."""
    times = [number_of(text_of(beat, "Time")) for beat in root.iterfind("QRSTimesTypes/QRS")]
    samples = sorted(round(time * fs / 1000) for time in times if time is not None and abs(time) < 1e12)
    inside = [sample for sample in samples if 0 <= sample < n_samples]
    return Annotations(np.array(inside, np.int64), (UNCLASSIFIED,) * len(inside))


def _statements(root: Element) -> Iterator[str]:
    """Yield the lines of the diagnosis, or of the machine's own where nobody edited it."""
    diagnosis = root.find("Diagnosis")
    if diagnosis is None:
        diagnosis = root.find("OriginalDiagnosis")
    line = ""
    for statement in diagnosis.iterfind("DiagnosisStatement") if diagnosis is not None else ():
        line += " " + text_of(statement, "StmtText")
        flags = [flag.text or "" for flag in statement.iterfind("StmtFlag")]
        if any(flag.strip() == "ENDSLINE" for flag in flags):
            yield line
            line = ""
    if line.strip():
        yield line


def _measurements(root: Element) -> Iterator[str]:
    for name, (ours, unit) in _MEASUREMENTS.items():
        value = number_of(text_of(root, f"RestingECGMeasurements/{name}"))
        if value is not None:
            yield f"{ours} {value:g} {unit}"
