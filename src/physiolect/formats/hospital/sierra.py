"""Philips Sierra XML (PageWriter, TraceMaster; versions 1.03 to 1.04.02): leads stored plain or compressed (XLI).

A compressed lead is LZW with codes of 10 bits; what it unpacks to are second differences, high bytes first. Limb leads
III, aVR, aVL and aVF are stored as what they differ by from Einthoven's law.
Source: the description in sierra-ecg-tools (https://github.com/sixlettervariables/sierra-ecg-tools).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import FormatError
from physiolect.formats.hospital.lead_names import lead_name, numbered_names
from physiolect.formats.hospital.rhythm import MOST_CHANNELS, Rhythm
from physiolect.formats.hospital.xml import Element, from_base64, number_of, text_of, texts_of
from physiolect.formats.request import Request
from physiolect.recording import LEADS, Recording, StartTime
from physiolect.recording.start_time import parse_start

_MEASUREMENTS = {
    "heartrate": ("ventricular rate", "/min"), "meanventrate": ("ventricular rate", "/min"),
    "meanprint": ("PR interval", "ms"), "print": ("PR interval", "ms"),
    "meanqrsdur": ("QRS duration", "ms"), "qrsdur": ("QRS duration", "ms"),
    "meanqtint": ("QT interval", "ms"), "qtint": ("QT interval", "ms"),
    "meanqtc": ("QTc interval", "ms"), "qtcb": ("QTc interval (Bazett)", "ms"),
    "pfrontaxis": ("P axis", "deg"), "qrsfrontaxis": ("QRS axis", "deg"), "tfrontaxis": ("T axis", "deg"),
}  # fmt: skip
"""Philips's name of a measurement -> ours, and its unit."""

_STANDARD_SETS = ("STD-12", "10-WIRE")
_CODE_BITS = 10
_LAST_CODE = (1 << _CODE_BITS) - 2
_BLOCK = 4096
_MOST_SAMPLES = 1 << 22
"""Of all leads together: a resting ECG has 66,000, and a few bytes can claim to unpack to any number."""


def recordings(root: Element, path: Path, want: Request) -> Iterator[Recording]:
    """Yield the rhythm recording of a restingecgdata document; representative beats are not read.

    Raises:
        FormatError: it holds no waveform, one of another encoding, or contradicts itself.
    """
    waveform = root.find(".//parsedwaveforms")
    if waveform is None:
        raise FormatError(
            f"{path} is a Philips file without a waveform", hint="export it with waveforms (parsedwaveforms)"
        )
    about = root.find(".//signalcharacteristics")
    details = about if about is not None else Element("signalcharacteristics")
    fs = number_of(waveform.get("samplespersecond")) or number_of(text_of(details, "samplingrate"))
    step = number_of(
        waveform.get("resolution") or text_of(details, "resolution") or text_of(details, "signalresolution")
    )
    offset = number_of(waveform.get("signaloffset") or text_of(details, "signaloffset", "0")) or 0.0
    if not step:
        raise FormatError(f"{path} does not state its resolution", hint="export the file again")
    names = _names(waveform, details)
    rows = _rows(waveform, names, fs, path)
    names = numbered_names([lead_name(name) for name in names[: len(rows)]])
    yield Rhythm(
        fs,
        names,
        rows,
        [step] * len(rows),
        ["uV"] * len(rows),
        [-offset * step] * len(rows),
        notes=[*_statements(root), *_measurements(root)],
        patient=text_of(root, ".//generalpatientdata/patientid"),
        personal=list(
            texts_of(root, "patientid", "lastname", "firstname", "middlename", "MRN", "uniquepatientid")
        ),
        modality="ecg",
        start_time=_start(root),
        stated_date=next(
            (each.get("date", "") for each in root.iter("dataacquisition") if each.get("time")), ""
        ),
    ).recording(path, want)


def _start(root: Element) -> StartTime | None:
    about = root.find(".//dataacquisition")
    return None if about is None else parse_start(f"{about.get('date', '')} {about.get('time', '')}".strip())


def _names(waveform: Element, details: Element) -> list[str]:
    stated = (waveform.get("leadlabels") or "").split()
    if stated:
        count = number_of(waveform.get("numberofleads"))
        return stated[: int(count) if count and 0 < count <= MOST_CHANNELS else MOST_CHANNELS]
    count = number_of(text_of(details, "numberchannelsallocated")) or 12
    n_channels = int(min(max(count, 1), MOST_CHANNELS))
    known = LEADS if text_of(details, "acquisitiontype") in _STANDARD_SETS else ()
    return [known[number] if number < len(known) else f"ch{number + 1}" for number in range(n_channels)]


def _rows(waveform: Element, names: list[str], fs: float | None, path: Path) -> list[NDArray[np.int32]]:
    """Return the stored numbers of every lead."""
    encoding = waveform.get("dataencoding", "")
    compression = waveform.get("compressmethod") or waveform.get("compression") or "Uncompressed"
    if waveform.get("compressflag", "").lower() == "false":
        compression = "Uncompressed"
    if encoding != "Base64" or compression not in ("XLI", "Uncompressed", "None"):
        raise FormatError(
            f"{path} stores its leads as {encoding[:20] or 'text'}, {compression[:20]}, which is not known",
            hint="export it with base64 waveforms, plain or XLI",
        )
    content = from_base64("".join(waveform.itertext()), path)
    duration = number_of(waveform.get("durationperchannel"))
    n_samples = round(duration * fs / 1000) if duration and fs else None
    if compression == "XLI":
        rows = _unpack(content, n_samples, path)
        if len(rows) < len(names):
            raise FormatError(
                f"{path} states {len(names)} leads and holds {len(rows)}",
                hint="the file is cut short or damaged: export it again",
            )
        return _einthoven(rows[: len(names)], names)
    width = 2 * len(names)
    if len(content) % width or (n_samples is not None and n_samples * width != len(content)):
        raise FormatError(
            f"{path} states {len(names)} leads of {n_samples} samples and holds {len(content)} bytes",
            hint="the file is cut short or damaged: export it again",
        )
    return list(np.frombuffer(content, "<i2").reshape(len(names), -1).astype(np.int32))


def _unpack(content: bytes, n_samples: int | None, path: Path) -> list[NDArray[np.int32]]:
    """Return the leads of an XLI stream: each a header of 8 bytes, then its compressed chunk."""
    rows: list[NDArray[np.int32]] = []
    at = n_unpacked = 0
    while at + 8 <= len(content) and len(rows) < MOST_CHANNELS:
        size = int.from_bytes(content[at : at + 4], "little")
        first = int.from_bytes(content[at + 6 : at + 8], "little", signed=True)
        chunk = content[at + 8 : at + 8 + size]
        if not 0 < size == len(chunk):
            break
        at += 8 + size
        rows.append(_undo_differences(_lzw(chunk, 2 * (_MOST_SAMPLES - n_unpacked)), first))
        n_unpacked += len(rows[-1])
        if n_unpacked >= _MOST_SAMPLES:
            raise FormatError(
                f"the leads of {path} unpack to more than {_MOST_SAMPLES} samples",
                hint="export the file again",
            )
    if n_samples is not None and any(len(row) != n_samples for row in rows):
        lengths = ", ".join(str(len(row)) for row in rows[:12])
        raise FormatError(
            f"{path} states {n_samples} samples a lead and holds {lengths}",
            hint="the file is cut short or damaged: export it again",
        )
    return rows


def _lzw(chunk: bytes, limit: int) -> bytes:
    """Return what LZW codes of 10 bits stand for, at most `limit` bytes."""
    strings: list[bytes] = [bytes([value]) for value in range(256)]
    result = bytearray()
    previous = b""
    n_codes = len(chunk) * 8 // _CODE_BITS
    bits = np.unpackbits(np.frombuffer(chunk, np.uint8))[: n_codes * _CODE_BITS].reshape(n_codes, _CODE_BITS)
    codes = (bits @ (1 << np.arange(_CODE_BITS)[::-1])).tolist()
    done = 0
    for code in codes:
        if len(strings) > _LAST_CODE or len(result) > limit:
            break
        if code > len(strings) or (code == len(strings) and not previous):
            return bytes(result[:limit])
        string = strings[code] if code < len(strings) else previous + previous[:1]
        if previous:
            strings.append(previous + string[:1])
        result += string
        previous = string
        done += 1
    for first in range(done, n_codes, _BLOCK):  # the table is full: a code is a string
        if len(result) > limit:
            break
        block = codes[first : first + _BLOCK]
        ends = next((at for at, code in enumerate(block) if code > _LAST_CODE), len(block))
        result += b"".join([strings[code] for code in block[:ends]])
        if ends < len(block):
            break
    return bytes(result[:limit])


def _undo_differences(unpacked: bytes, first: int) -> NDArray[np.int32]:
    """Return the samples of a lead out of its bytes: high bytes, then low bytes, of second differences."""
    half = (len(unpacked) + 1) // 2
    both = np.frombuffer(unpacked.ljust(2 * half, b"\0"), np.uint8)
    values = (both[:half].astype(np.uint16) << 8 | both[half:]).view(np.int16).astype(np.int64)
    if len(values) > 2:
        bends = np.concatenate([[first], values[2:-1] - 64])
        slopes = (values[1] - values[0]) - np.cumsum(bends)
        values[2:] = values[1] + np.cumsum(slopes)
    return values.astype(np.int16).astype(np.int32)  # what overflows 16 bits wraps around, as in the recorder


def _einthoven(rows: list[NDArray[np.int32]], names: list[str]) -> list[NDArray[np.int32]]:
    """Return the leads with III and the augmented ones made of I, II and what they are stored as."""
    if [name.lower() for name in names[:6]] != [name.lower() for name in LEADS[:6]]:
        return rows
    n_samples = min(len(row) for row in rows[:6])
    one, two, three, avr, avl, avf = (row[:n_samples] for row in rows[:6])
    three = two - one - three
    limbs = [one, two, three, -avr - (one + two) // 2, (one - three) // 2 - avl, (two + three) // 2 - avf]
    return [*limbs, *rows[6:]]


def _statements(root: Element) -> Iterator[str]:
    interpretation = root.find(".//interpretations/interpretation")
    for statement in interpretation.iter("statement") if interpretation is not None else ():
        yield f"{text_of(statement, 'leftstatement')} {text_of(statement, 'rightstatement')}"


def _measurements(root: Element) -> Iterator[str]:
    interpreted = "interpretations/interpretation"
    places = [f"{interpreted}/globalmeasurements", f"{interpreted}/interpretationmeasurements"]
    places += ["internalmeasurements/crossleadmeasurements"]
    found = next((each for place in places if (each := root.find(f".//{place}")) is not None), None)
    for name, (ours, unit) in _MEASUREMENTS.items():
        value = number_of(text_of(found, name)) if found is not None else None
        if value is not None:
            yield f"{ours} {value:g} {unit}"
