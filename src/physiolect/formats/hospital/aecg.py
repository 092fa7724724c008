"""HL7 annotated ECG (aECG) XML: the rhythm series, with the statements and measurements of its annotations.

Source: Brown, Badilini, HL7 aECG Implementation Guide, 2005 (ANSI/HL7 V3 ECG, R1-2004).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.hospital.lead_names import lead_name, numbered_names
from physiolect.formats.hospital.rhythm import MOST_CHANNELS, Rhythm, choose
from physiolect.formats.hospital.xml import Element, number_of
from physiolect.formats.request import Request
from physiolect.recording import Recording, StartTime, later, unit_name
from physiolect.recording.start_time import is_date_alone, parse_moment

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_MEASUREMENTS = {
    "MDC_ECG_HEART_RATE": "ventricular rate", "MDC_ECG_TIME_PD_PR": "PR interval",
    "MDC_ECG_TIME_PD_QRS": "QRS duration", "MDC_ECG_TIME_PD_QT": "QT interval",
    "MDC_ECG_TIME_PD_QTC": "QTc interval", "MDC_ECG_TIME_PD_QTcB": "QTc interval (Bazett)",
    "MDC_ECG_TIME_PD_QTcF": "QTc interval (Fridericia)", "MDC_ECG_TIME_PD_RR": "RR interval",
    "MDC_ECG_ANGLE_P_FRONT": "P axis", "MDC_ECG_ANGLE_QRS_FRONT": "QRS axis", "MDC_ECG_ANGLE_T_FRONT": "T axis",
}  # fmt: skip
"""HL7's code of a measurement -> its name."""

_BEAT = "REPRESENTATIVE_BEAT"
_TOO_LARGE = 10**9
"""Whole numbers from here on are read as fractions are."""
NOTE_CODES = (
    "MDC_ECG_INTERPRETATION_STATEMENT",
    "MDC_ECG_INTERPRETATION_SUMMARY",
    "MDC_ECG_INTERPRETATION_COMMENT",
)
"""Codes of annotations that are a text."""


def recordings(root: Element, path: Path, want: Request) -> Iterator[Recording]:
    """Yield the recordings of an AnnotatedECG document, one a sequence set of a rhythm series.

    Representative beats (derived series) are not read.

    Raises:
        FormatError: there is no waveform, or one contradicts itself.
    """
    patient = next(
        (each.get("extension", "") for each in root.iterfind(".//trialSubject/id") if each.get("extension")),
        "",
    )
    personal = [each.get("extension", "") for each in root.iterfind(".//subject//id")]
    personal += [
        name for each in root.iterfind(".//subject//name") for name in each.itertext() if name.strip()
    ]
    rhythms = []
    # A derived series has an element of its own, so that "series" is the rhythm alone.
    for series in root.iterfind("component/series"):
        if _code(series) == _BEAT:
            continue
        for sequences in series.iterfind("component/sequenceSet"):
            rhythm = _rhythm(sequences, path)
            rhythm.start_time = _start(series, sequences)
            stated = _stated_start(series)
            rhythm.stated_date = "" if is_date_alone(stated) else stated
            rhythm.notes = [*_statements(series), *_measurements(series)]
            rhythm.patient, rhythm.personal = patient, personal
            rhythms.append(rhythm)
    if not rhythms:
        raise FormatError(
            f"{path} is an HL7 aECG file without a rhythm series",
            hint="export it with waveforms; a representative beat alone is no recording",
        )
    for number, rhythm in choose(rhythms, path, want, "series"):
        source = f"{path}#{number}" if len(rhythms) > 1 else str(path)
        yield rhythm.recording(path, want, source)


def _rhythm(sequences: Element, path: Path) -> Rhythm:
    fs: float | None = None
    names: list[str] = []
    rows: list[NDArray[np.generic]] = []
    gains: list[float] = []
    offsets: list[float] = []
    units: list[str | None] = []
    for sequence in sequences.iterfind("component/sequence"):
        code = _code(sequence)
        value = sequence.find("value")
        if value is None:
            continue
        increment = value.find("increment")
        if code.startswith("TIME") or increment is not None:
            fs = fs or _rate(increment)
            continue
        if len(names) == MOST_CHANNELS:
            break
        scale, origin = value.find("scale"), value.find("origin")
        step, unit = _quantity(scale)
        shift, shift_unit = _quantity(origin)
        if not step or (shift and shift_unit != unit):
            raise FormatError(
                f"{path} does not state the step of lead {code[:40]}",
                hint="export the file with a scale a lead",
            )
        names.append(lead_name(code))
        rows.append(_digits(value, code, path))
        gains.append(step)
        offsets.append(shift or 0.0)
        units.append(unit_name(unit))
    return Rhythm(fs, numbered_names(names), rows, gains, units, offsets, modality="ecg")


def _start(series: Element, sequences: Element) -> StartTime | None:
    """Return when a sequence set begins: its own absolute time, else that of the series and the set's offset to it."""
    for sequence in sequences.iterfind("component/sequence"):
        head = sequence.find("value/head")
        if head is None:
            continue
        if moment := parse_moment(head.get("value", "")):
            return moment
        offset, unit = _quantity(head)
        seconds = (offset or 0.0) * _SECONDS.get(unit, 1.0)
        return later(parse_moment(_stated_start(series)), seconds)
    return parse_moment(_stated_start(series))


def _stated_start(series: Element) -> str:
    time = series.find("effectiveTime")
    if time is None:
        return ""
    low = time.find("low")
    return (time if low is None else low).get("value", "")


def _code(element: Element) -> str:
    code = element.find("code")
    return "" if code is None else code.get("code", "")


def _quantity(element: Element | None) -> tuple[float | None, str]:
    if element is None:
        return None, ""
    return number_of(element.get("value")), element.get("unit", "")


def _rate(increment: Element | None) -> float | None:
    """Return the rate in Hz of a list of times."""
    step, unit = _quantity(increment)
    if not step or step < 0 or unit not in _SECONDS:
        return None
    rate = 1 / (step * _SECONDS[unit])
    # 1/360 s is written with some digits only.
    return round(rate) if abs(rate - round(rate)) < 1e-4 * rate else rate


def _digits(value: Element, code: str, path: Path) -> NDArray[np.generic]:
    text = value.findtext("digits") or ""
    digits = _numbers(text)
    if digits is None:
        raise FormatError(
            f"{path} holds no numbers for lead {code[:40]}", hint="the file is damaged: export it again"
        )
    return digits


def _numbers(text: str) -> NDArray[np.generic] | None:
    """Return the numbers between blanks, int64 where all are whole; None where there is none or anything else.

    Of integers, numpy takes a minus without digits for 0 and stops at the ends of int64. Such text goes on to the
    slower reading of fractions.
    """
    if not text.strip():  # numpy makes a number out of blanks
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # numpy warns of what is no number, and stops there
        try:
            whole = np.fromstring(text, np.int64, sep=" ")
            if not _has_lone_minus(text) and np.abs(whole).max() < _TOO_LARGE:
                return whole
        except (ValueError, DeprecationWarning):
            pass
        try:
            return np.fromstring(text, np.float64, sep=" ")
        except (ValueError, DeprecationWarning):
            return None


def _has_lone_minus(text: str) -> bool:
    raw = np.frombuffer(f"{text} ".encode("ascii", "replace"), np.uint8)
    return bool(((raw[:-1] == ord("-")) & (raw[1:] - np.uint8(ord("0")) > 9)).any())


def _annotations(series: Element) -> Iterator[Element]:
    for place in ("subjectOf/annotationSet", "derivation/derivedSeries/subjectOf/annotationSet"):
        for each in series.iterfind(place):
            yield from each.iter("annotation")


def _statements(series: Element) -> Iterator[str]:
    for annotation in _annotations(series):
        if _code(annotation) in NOTE_CODES:
            value = annotation.find("value")
            if value is not None:
                yield " ".join(value.itertext())


def _measurements(series: Element) -> Iterator[str]:
    seen = set()
    for annotation in _annotations(series):
        code = _code(annotation)
        value, unit = _quantity(annotation.find("value"))
        if code in _MEASUREMENTS and value is not None and code not in seen:
            seen.add(code)
            yield f"{_MEASUREMENTS[code]} {value:g} {unit or ''}".strip()
