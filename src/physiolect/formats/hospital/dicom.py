"""DICOM waveforms: 12-lead, general and ambulatory ECGs, and whatever else fills a waveform sequence.

pydicom reads the data set; it is the field's library, and the extra `hospital` installs it.
Source: DICOM PS3.3, C.10.9 (Waveform Module) and C.10.10 (Waveform Annotation Module).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from physiolect.errors import FormatError, require
from physiolect.formats.boundary import MAX_BYTES, parsing
from physiolect.formats.hospital.dicom_items import items_of
from physiolect.formats.hospital.dicom_time import START_TAGS, read_start, stated_date
from physiolect.formats.hospital.dicom_write import SYMBOLS
from physiolect.formats.hospital.lead_names import LEAD_CODES, SCP_LEADS, lead_name, numbered_names
from physiolect.formats.hospital.rhythm import MOST_CHANNELS, Rhythm, choose
from physiolect.formats.request import Request
from physiolect.recording import Annotations, Recording, later, shared_modality, unit_name

_DEFLATED = (b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.8.1")
"""Transfer syntaxes that pydicom would unpack to any size."""
_STORAGE_CLASS = b"\x02\0\x02\0UI"
"""How the element begins that states what a file stores."""
_WAVEFORMS = b"1.2.840.10008.5.1.4.1.1.9."
"""How the storage classes of waveforms begin."""
_HEAD = 4096
_TAGS = [
    "SOPClassUID",
    "PatientID",
    "PatientName",
    "OtherPatientIDs",
    "WaveformSequence",
    "WaveformAnnotationSequence",
    *START_TAGS,
]
_TYPES = {
    (8, "SB"): "i1",
    (8, "UB"): "u1",
    (16, "SS"): "i2",
    (16, "US"): "u2",
    (32, "SL"): "i4",
    (32, "UL"): "u4",
}
"""Bits and interpretation of a sample -> its type; 8-bit companded samples (MB, AB) are not read."""

_DEFINITIONS = 0x003A0200
_CODE, _SCHEME, _MEANING = 0x00080100, 0x00080102, 0x00080104
_SOURCE, _LABEL = 0x003A0208, 0x003A0203
_SENSITIVITY, _SENSITIVITY_UNITS, _CORRECTION, _BASELINE = 0x003A0210, 0x003A0211, 0x003A0212, 0x003A0213
"""Tags of a channel's definition."""

_PATIENT_ID = 0x00100020
_SMALL = 1 << 20
_MOST_ITEMS = 200_000

_DERIVED = ("median", "average", "template", "representative")
_UNITS = {"deg": "deg", "ms": "ms", "{H.B.}/min": "/min", "bpm": "/min", "/min": "/min"}
_SYMBOLS = {"p onset": "(", "p offset": ")", "qrs onset": "(", "qrs offset": ")", "t offset": ")", "t onset": "(",
            "fiducial point": "Q", "p peak": "p", "t peak": "t"}  # fmt: skip
"""Meaning of a point -> WFDB's symbol; a beat's kind is not stated."""


def is_dicom(head: bytes) -> bool:
    """Tell whether a file that begins with these 132 bytes or more is DICOM."""
    return head[128:132] == b"DICM"


def may_be_waveform(head: bytes) -> bool:
    """Tell whether a DICOM file may hold a waveform, by the storage class that its first 512 bytes state."""
    at = head.find(_STORAGE_CLASS)
    first = at + len(_STORAGE_CLASS) + 2
    size = int.from_bytes(head[first - 2 : first], "little")
    stated = head[first : first + size]
    return at < 0 or not stated.startswith(b"1.2.840.10008.") or stated.startswith(_WAVEFORMS)


def read(path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recordings of a DICOM file, one a multiplex group; median beats are not read.

    Raises:
        FormatError: the file holds no waveform, is damaged, or holds several and the caller takes one.
    """
    dataset = _dataset(path)
    with parsing(path, "DICOM"):
        groups = list(dataset.get("WaveformSequence") or ())
        notes, marks = _annotations(dataset)
        patient = _text(dataset, _PATIENT_ID)
        stated = {name: _text(dataset, tag) for name, tag in START_TAGS.items()}
        start, date = read_start(stated), stated_date(stated)
        # Unpacked as the notes are, in the file's character set, so that a name in a note is found.
        names = str(dataset.get("PatientName", "")).replace("^", " ").split() if notes else []
    if not groups:
        with parsing(path, "DICOM"):
            kind = str(dataset.get("SOPClassUID", "")) and dataset.SOPClassUID.name
        raise FormatError(
            f"{path} is a DICOM file without a waveform ({str(kind)[:60] or 'kind not stated'})",
            hint="choose a file of an ECG storage class; an image or a PDF of an ECG is no recording",
        )
    numbers = [number for number, group in enumerate(groups) if not _is_derived(group, path)]
    if not numbers:
        raise FormatError(
            f"{path} holds derived waveforms alone (median beats)",
            hint="choose a file with a rhythm waveform",
        )
    rhythms = []
    for number in numbers:
        rhythm = _rhythm(groups[number], path)
        rhythm.notes, rhythm.patient, rhythm.personal, rhythm.stated_date = notes, patient, names, date
        with parsing(path, "DICOM"):
            rhythm.start_time = later(start, float(groups[number].get("MultiplexGroupTimeOffset") or 0) / 1e3)
        if len(numbers) == len(groups):  # Some makers count the points of a median beat to the rhythm.
            rhythm.marks = marks.get(number + 1, Annotations())
        rhythms.append(rhythm)
    offsets = {str(groups[number].get("MultiplexGroupTimeOffset") or 0) for number in numbers}
    if len(offsets) == 1:
        rhythms = _joined(rhythms)
    for number, rhythm in choose(rhythms, path, want, "waveform groups"):
        yield rhythm.recording(path, want, f"{path}#{number}" if len(rhythms) > 1 else str(path))


def _dataset(path: Path) -> Any:
    pydicom = require("pydicom", extra="hospital")
    with parsing(path, "DICOM"):
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise FormatError(f"{path} is larger than 4 GiB", hint="split the file")
        if size > _SMALL and _count_items(path) > _MOST_ITEMS:
            raise FormatError(
                f"{path} has more than {_MOST_ITEMS} items, which is no ECG",
                hint="choose a file with a waveform",
            )
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if any(syntax in head for syntax in _DEFLATED):
            raise FormatError(
                f"{path} is a deflated DICOM file, which is not read",
                hint="convert it to Explicit VR Little Endian (dcmconv +te)",
            )
        return pydicom.dcmread(path, specific_tags=_TAGS, stop_before_pixels=True)


def _count_items(path: Path) -> int:
    """Return about how many items of sequences a file has: pydicom makes some kilobytes out of eight bytes of each."""
    count = 0
    with path.open("rb") as file:
        while block := file.read(_SMALL):
            count += block.count(b"\xfe\xff\x00\xe0") + block.count(b"\xff\xfe\xe0\x00")
    return count


def _is_derived(group: Any, path: Path) -> bool:
    """Tell whether a group is computed (a median beat), by what it says of itself and by its label."""
    with parsing(path, "DICOM"):
        label = str(group.get("MultiplexGroupLabel", "")).lower()
        return str(group.get("WaveformOriginality", "")).upper() == "DERIVED" or any(
            w in label for w in _DERIVED
        )


def _rhythm(group: Any, path: Path) -> Rhythm:
    with parsing(path, "DICOM"):
        n_channels, n_samples = int(group.NumberOfWaveformChannels), int(group.NumberOfWaveformSamples)
        bits, sense = int(group.WaveformBitsAllocated), str(group.WaveformSampleInterpretation)
        content = group.WaveformData or b""  # None where it is empty
        definitions = _items(group, _DEFINITIONS)
        fs = float(group.SamplingFrequency)
        padding = group.get("WaveformPaddingValue")
        little = group.original_encoding[1] is not False
    kind = _TYPES.get((bits, sense))
    if kind is None:
        raise FormatError(
            f"{path} stores samples of {bits} bits as {sense[:8]}, which is not read",
            hint="export it with 16-bit signed samples (SS)",
        )
    wanted = n_channels * n_samples * bits // 8
    if not (0 < n_channels <= MOST_CHANNELS and n_samples > 0 and wanted <= len(content)):
        raise FormatError(
            f"{path} states {n_channels} channels of {n_samples} samples and holds {len(content)} bytes",
            hint="the file is cut short or damaged: fetch it again",
        )
    if len(definitions) != n_channels:
        raise FormatError(
            f"{path} states {n_channels} channels and defines {len(definitions)}", hint="fetch the file again"
        )
    order = "<" if little else ">"
    stored = np.frombuffer(content, order + kind, n_channels * n_samples).reshape(n_samples, n_channels)
    with parsing(path, "DICOM"):
        names = numbered_names([_name(each) for each in definitions])
        scales = [_scale(each) for each in definitions]
        missing = _padding(padding, order + kind)
    return Rhythm(
        fs,
        names,
        list(stored.T),
        [gain for gain, _, _ in scales],
        [unit for _, _, unit in scales],
        [offset for _, offset, _ in scales],
        missing=missing,
        modality=shared_modality(names),
    )


def _name(channel: Any) -> str:
    """Return a channel's name: the lead that its code's meaning or its label names, else that of the code.

    Texts go first because writers number leads from 1 in the place of SCP-ECG's codes.
    """
    source = _code(channel, _SOURCE)
    names = [lead_name(text) for text in (source[_MEANING], _text(channel, _LABEL)) if text]
    known = next((name for name in names if name in LEAD_CODES), None)
    if known is None:
        prefix, _, number = source[_CODE].replace("-", ":").rpartition(":")
        scheme = source[_SCHEME]
        if (scheme, prefix) in (("SCPECG", "5.6.3:9"), ("MDC", "2")) and number.isdecimal():
            known = SCP_LEADS.get(int(number[:6]))
    return known or next(iter(names), "")


def _scale(channel: Any) -> tuple[float, float, str | None]:
    """Return units a step, what is added, and the unit of a channel; 1, 0 and no unit where the file states nothing."""
    gain, correction, baseline = (_text(channel, tag) for tag in (_SENSITIVITY, _CORRECTION, _BASELINE))
    if not gain:
        return 1.0, 0.0, None
    unit = unit_name(_code(channel, _SENSITIVITY_UNITS)[_CODE])
    return float(gain) * float(correction or 1), float(baseline or 0), unit


def _code(dataset: Any, tag: int) -> dict[int, str]:
    """Return value, scheme and meaning of the code that a sequence of one item holds, "" where there is none."""
    item = next(iter(_items(dataset, tag)), None)
    return {part: _text(item, part) for part in (_CODE, _SCHEME, _MEANING)}


def _items(dataset: Any, tag: int) -> Sequence[Any]:
    """Return the items of a sequence: dictionaries where `dicom_items` reads its encoding, else pydicom's data sets."""
    if isinstance(dataset, dict):
        found = dataset.get(tag, [])
        if isinstance(found, bytes):
            raise ValueError(f"element {tag:08x} is no sequence")
        return found
    element = dataset.get_item(tag)
    if element is None:
        return ()
    if isinstance(element.value, bytes) and not element.is_implicit_VR and element.is_little_endian:
        quickly = items_of(element.value)
        if quickly is not None:
            return quickly
    return list(dataset[tag].value or ())


def _text(dataset: Any, tag: int) -> str:
    """Return an element as text, "" where there is none; without pydicom's checks, which take long."""
    if isinstance(dataset, dict):
        value = dataset.get(tag)
    else:
        element = None if dataset is None else dataset.get_item(tag)
        value = None if element is None else element.value
    if value is None:
        return ""
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip(" \0")


def _padding(value: Any, kind: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bytes):
        value = np.frombuffer(value[: np.dtype(kind).itemsize], kind)[0]
    return float(value)


def _joined(rhythms: list[Rhythm]) -> list[Rhythm]:
    """Return simultaneous groups of one rate and length as one: makers divide twelve leads in several groups."""
    first = rhythms[0]
    names = [name for rhythm in rhythms for name in rhythm.names]
    same = all(
        (r.fs, len(r.rows[0]), r.missing) == (first.fs, len(first.rows[0]), first.missing) for r in rhythms
    )
    if len(rhythms) == 1 or not same or len(set(names)) < len(names):
        return rhythms
    first.rows = [row for rhythm in rhythms for row in rhythm.rows]
    first.gains = [gain for rhythm in rhythms for gain in rhythm.gains]
    first.units = [unit for rhythm in rhythms for unit in rhythm.units]
    first.offsets = [offset for rhythm in rhythms for offset in rhythm.offsets]
    first.names, first.modality = names, shared_modality(names)
    marks = sorted({mark for rhythm in rhythms for mark in rhythm.marks}, key=lambda mark: mark[0])
    if marks:  # each group may have those of its own leads, or all the same
        samples, symbols, texts = zip(*marks, strict=True)
        first.marks = Annotations(np.array(samples, np.int64), symbols, texts)
    return [first]


def _annotations(dataset: Any) -> tuple[list[str], dict[int, Annotations]]:
    """Return texts and measurements, and for each group (from 1) the points that are marked on it."""
    notes: list[str] = []
    points: dict[int, list[tuple[int, str, str]]] = {}
    for item in list(dataset.get("WaveformAnnotationSequence") or ())[:100_000]:
        text = item.get("UnformattedTextValue")
        concept = next(iter(item.get("ConceptNameCodeSequence") or ()), None)
        meaning = str(concept.get("CodeMeaning", "")) if concept is not None else ""
        value, positions = item.get("NumericValue"), item.get("ReferencedSamplePositions")
        scheme = str(concept.get("CodingSchemeDesignator", "")) if concept is not None else ""
        if positions is not None and (scheme == SYMBOLS or meaning.lower() in _SYMBOLS):
            group = int((item.get("ReferencedWaveformChannels") or [1])[0])
            listed = [positions] if isinstance(positions, int) else list(positions)
            symbol = (
                str(concept.get("CodeValue", ""))
                if concept is not None and scheme == SYMBOLS
                else _SYMBOLS[meaning.lower()]
            )
            note = str(text or "") if scheme == SYMBOLS else "" if symbol == "Q" else meaning
            points.setdefault(group, []).extend((int(at) - 1, symbol, note) for at in listed if int(at) > 0)
        elif text:
            notes.append(str(text))
        elif meaning and value is not None and positions is None:
            units = next(iter(item.get("MeasurementUnitsCodeSequence") or ()), None)
            unit = str(units.get("CodeValue", "")) if units is not None else ""
            number = float(value[0] if isinstance(value, list | tuple) else value)
            if math.isfinite(number):
                notes.append(f"{meaning} {number:g} {_UNITS.get(unit, unit)}".strip())
    marks = {}
    for group, found in points.items():
        found.sort(key=lambda mark: mark[0])
        samples, symbols, texts = zip(*found, strict=True)
        marks[group] = Annotations(np.array(samples, np.int64), symbols, texts)
    return notes, marks
