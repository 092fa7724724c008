"""Writing a recording as HL7 aECG XML, of a subject who is not named.

Source: Brown, Badilini, HL7 aECG Implementation Guide, 2005 (ANSI/HL7 V3 ECG, R1-2004).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from physiolect.errors import FormatError
from physiolect.files import replacing, writing
from physiolect.formats.hospital.aecg import NOTE_CODES
from physiolect.formats.hospital.lead_names import LEAD_CODES
from physiolect.formats.hospital.patients import NOTE
from physiolect.formats.hospital.steps import to_steps
from physiolect.recording import Recording, canonical_channel, later

_MDC = "2.16.840.1.113883.6.24"
_ACT = "2.16.840.1.113883.5.4"
_BLOCK = 10_000
_UNITS = ("uV", "mV", "V", "nV")


def write(recording: Recording, path: Path) -> None:
    """Write `path` as an AnnotatedECG document with one rhythm series of relative times.

    Steps that the samples were recorded in are kept, so that they are read back equal; other samples differ by at most
    half of 1/65,530 of their channel's range. Notes are kept; other marks are left out.

    Raises:
        FormatError: the recording is no ECG, or it holds missing samples or a unit that is no voltage.
    """
    if recording.modality != "ecg" or not all(unit in _UNITS for unit in recording.units):
        units = ", ".join(sorted({unit or "no unit" for unit in recording.units}))
        raise FormatError(
            f"{path} would hold {recording.modality or 'a signal of unknown modality'} in {units}, but aECG holds "
            "an ECG in volts",
            hint="select the ECG's channels, state modality and unit when reading, or write NPZ",
        )
    if recording.n_missing():
        raise FormatError(
            f"{path} would hold {recording.n_missing()} missing samples, which aECG cannot store",
            hint="write DICOM, WFDB or NPZ, or a stretch without gaps",
        )
    with replacing(path) as temporary, writing(path), temporary.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in _lines(recording))


def _lines(recording: Recording) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield (
        '<AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" type="Observation">'
    )
    yield f'<id root="{uuid.uuid4()}"/>'
    yield '<code code="93000" codeSystem="2.16.840.1.113883.6.12" codeSystemName="CPT-4"/>'
    low, high = (_moment(recording, seconds) for seconds in (0.0, recording.duration))
    yield f"<effectiveTime><low {low}/><high {high}/></effectiveTime>"
    yield "<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>"
    yield '<id nullFlavor="MSK"/></trialSubject></subject><componentOf><clinicalTrial><id nullFlavor="NA"/>'
    yield "</clinicalTrial></componentOf></subjectAssignment></componentOf></timepointEvent></componentOf>"
    yield f'<component><series><id root="{uuid.uuid4()}"/><code code="RHYTHM" codeSystem="{_ACT}"/>'
    yield f"<effectiveTime><low {low}/></effectiveTime>"
    yield "<component><sequenceSet>"
    yield f'<component><sequence><code code="TIME_RELATIVE" codeSystem="{_ACT}"/><value xsi:type="GLIST_PQ">'
    yield f'<head value="0" unit="s"/><increment value="{1 / recording.fs!r}" unit="s"/></value></sequence></component>'
    for name, unit, row in zip(recording.channels, recording.units, recording.signal, strict=True):
        steps = to_steps(row)
        yield f'<component><sequence><code code={quoteattr(_code(name))} codeSystem="{_MDC}"/>'
        yield f'<value xsi:type="SLIST_PQ"><origin value="{steps.offset!r}" unit="{unit}"/>'
        yield f'<scale value="{steps.step!r}" unit="{unit}"/><digits>'
        for first in range(0, len(row), _BLOCK):
            yield " ".join(map(str, steps.whole[first : first + _BLOCK].astype(np.int64).tolist()))
        yield "</digits></value></sequence></component>"
    yield "</sequenceSet></component>"
    yield from _notes(recording)
    yield "</series></component></AnnotatedECG>"


def _moment(recording: Recording, seconds: float) -> str:
    """Return the attribute of a moment of the recording; one without a date cannot be written."""
    moment = later(recording.start_time, seconds)
    if not isinstance(moment, datetime):
        return 'nullFlavor="MSK"'
    return f'value="{moment:%Y%m%d%H%M%S.%f%z}"'


def _code(name: str) -> str:
    lead = canonical_channel(name)
    return f"MDC_ECG_LEAD_{lead.upper()}" if lead in LEAD_CODES else name


def _notes(recording: Recording) -> Iterator[str]:
    notes = [note for _, symbol, note in recording.annotations if symbol == NOTE]
    if not notes:
        return
    yield "<subjectOf><annotationSet>"
    for note in notes:
        text = "".join(c if c.isprintable() else " " for c in note)
        yield f'<component><annotation><code code="{NOTE_CODES[0]}" codeSystem="{_MDC}"/>'
        yield f'<value xsi:type="ST">{escape(text)}</value></annotation></component>'
    yield "</annotationSet></subjectOf>"
