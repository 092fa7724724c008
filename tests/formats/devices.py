"""What makes tiny files of hospitals' and laboratories' formats; no person is in them."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
NAME, IDENTITY = "Zebedee", "ID-4711"


def make_leads(n_leads: int = 8, n_samples: int = 500) -> NDArray[np.int16]:
    """Whole numbers that differ from lead to lead, (leads, time)."""
    time = np.arange(n_samples)
    return np.stack([np.round((100 + 40 * k) * np.sin(time / (7 + k))) for k in range(n_leads)]).astype(
        np.int16
    )


def base64_of(row: NDArray[np.int16]) -> str:
    return base64.encodebytes(row.astype("<i2").tobytes()).decode()


def muse(leads: NDArray[np.int16], names: Sequence[str] = EIGHT, fs: int = 500) -> bytes:
    """A MUSE file with a median beat before its rhythm, statements, measurements and a patient."""

    def waveform(kind: str, rows: NDArray[np.int16]) -> str:
        data = "".join(
            f"<LeadData><LeadSampleCountTotal>{len(row)}</LeadSampleCountTotal><LeadSampleSize>2</LeadSampleSize>"
            "<LeadAmplitudeUnitsPerBit>4.88</LeadAmplitudeUnitsPerBit>"
            f"<LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits><LeadID>{name}</LeadID>"
            f"<WaveFormData>{base64_of(row)}</WaveFormData></LeadData>"
            for name, row in zip(names, rows, strict=True)
        )
        return (
            f"<Waveform><WaveformType>{kind}</WaveformType><SampleBase>{fs}</SampleBase>"
            f"<SampleExponent>0</SampleExponent>{data}</Waveform>"
        )

    def statement(text: str) -> str:
        return f"<DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag><StmtText>{text}</StmtText></DiagnosisStatement>"

    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE RestingECG SYSTEM "restecg.dtd"><RestingECG>'
        f"<PatientDemographics><PatientID>{IDENTITY}</PatientID><PatientLastName>{NAME}</PatientLastName>"
        "<DateofBirth>01-02-1950</DateofBirth></PatientDemographics>"
        "<RestingECGMeasurements><VentricularRate>61</VentricularRate><PRInterval>158</PRInterval>"
        "</RestingECGMeasurements>"
        f"<Diagnosis>{statement('Sinus rhythm')}{statement(f'Known patient {NAME}')}"
        f"{statement('When compared with ECG of 12-JAN-2001')}{statement('Confirmed by Roe, Jane (12) on 1/2/2020')}"
        "</Diagnosis><QRSTimesTypes><QRS><Number>1</Number><Type>0</Type><Time>200</Time></QRS>"
        "<QRS><Number>2</Number><Type>1</Type><Time>600</Time></QRS></QRSTimesTypes>"
        f"{waveform('Median', leads[:, :100] // 2)}{waveform('Rhythm', leads)}</RestingECG>"
    ).encode("latin-1")


def lzw(content: bytes) -> bytes:
    """LZW with codes of 10 bits, as Philips packs its leads."""
    table = {bytes([value]): value for value in range(256)}
    codes, word = [], b""
    for value in content:
        longer = word + bytes([value])
        if longer in table:
            word = longer
            continue
        codes.append(table[word])
        if len(table) <= 1022:
            table[longer] = len(table)
        word = bytes([value])
    codes.append(table[word])
    bits = "".join(f"{code:010b}" for code in codes)
    bits += "1" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


def xli(row: NDArray[np.int16]) -> bytes:
    """One lead as second differences, high bytes first, packed."""
    values = row.astype(int).tolist()
    stored, first = values[:2], 0
    errors = [2 * b - a - c for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    first = errors[0] if errors else 0
    stored += [error + 64 for error in errors[1:]] + [64]
    both = np.array(stored, "<i2").view(np.uint8).reshape(-1, 2)
    packed = lzw(both[:, 1].tobytes() + both[:, 0].tobytes())
    return struct.pack("<IHh", len(packed), 0, first) + packed


def sierra(leads: NDArray[np.int16], *, packed: bool, version: str = "1.04") -> bytes:
    """A Philips file of twelve leads; packed ones hold III and the augmented leads as differences."""
    n_samples = leads.shape[1]
    if packed:
        one, two, three, avr, avl, avf = leads[:6].astype(int)
        residuals = [
            one,
            two,
            two - one - three,
            -avr - (one + two) // 2,
            (one - three) // 2 - avl,
            (two + three) // 2 - avf,
        ]
        data = b"".join(xli(np.asarray(row).astype(np.int16)) for row in [*residuals, *leads[6:]])
    else:
        data = leads.astype("<i2").tobytes()
    text = (
        '<?xml version="1.0" encoding="utf-16"?>'
        '<restingecgdata xmlns="http://www3.medical.philips.com"><documentinfo><documenttype>PhilipsECG</documenttype>'
        f"<documentversion>{version}</documentversion></documentinfo>"
        "<dataacquisition><signalcharacteristics><samplingrate>500</samplingrate><resolution>5</resolution>"
        "<signaloffset>0</signaloffset><numberchannelsallocated>12</numberchannelsallocated>"
        "</signalcharacteristics></dataacquisition>"
        f"<patient><generalpatientdata><patientid>{IDENTITY}</patientid><name><lastname>{NAME}</lastname></name>"
        "</generalpatientdata></patient><interpretations><interpretation><globalmeasurements><heartrate>64</heartrate>"
        "</globalmeasurements><statement><leftstatement>Sinus rhythm</leftstatement>"
        "<rightstatement>normal P axis</rightstatement></statement></interpretation></interpretations>"
        f'<waveforms><parsedwaveforms dataencoding="Base64" compression="{"XLI" if packed else "Uncompressed"}" '
        f'numberofleads="12" leadlabels="{" ".join(TWELVE)}" durationperchannel="{n_samples * 2}" '
        'samplespersecond="500" resolution="5" signaloffset="0">'
        f"{base64.b64encode(data).decode()}</parsedwaveforms></waveforms></restingecgdata>"
    )
    return text.encode("utf-16")


def aecg(leads: NDArray[np.int16], names: Sequence[str] = ("MDC_ECG_LEAD_I", "MDC_ECG_LEAD_AVR")) -> bytes:
    """An aECG file with absolute times, a representative beat and annotations."""

    def sequences(rows: NDArray[np.int16]) -> str:
        parts = [
            '<component><sequence><code code="TIME_ABSOLUTE"/><value xsi:type="GLIST_TS"><head value="20200101"/>'
            '<increment value="0.002" unit="s"/></value></sequence></component>'
        ]
        parts += [
            f'<component><sequence><code code="{name}"/><value xsi:type="SLIST_PQ"><origin value="10" unit="uV"/>'
            f'<scale value="2.5" unit="uV"/><digits>{" ".join(map(str, row.tolist()))}</digits></value></sequence>'
            "</component>"
            for name, row in zip(names, rows, strict=True)
        ]
        return f"<component><sequenceSet>{''.join(parts)}</sequenceSet></component>"

    return (
        '<?xml version="1.0"?><AnnotatedECG xmlns="urn:hl7-org:v3" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><componentOf><timepointEvent><componentOf>'
        f'<subjectAssignment><subject><trialSubject><id root="1.2" extension="{IDENTITY}"/>'
        f"<subjectDemographicPerson><name>{NAME}</name></subjectDemographicPerson></trialSubject></subject>"
        "</subjectAssignment></componentOf></timepointEvent></componentOf>"
        f'<component><series><code code="RHYTHM"/>{sequences(leads[: len(names)])}'
        f'<derivation><derivedSeries><code code="REPRESENTATIVE_BEAT"/>{sequences(leads[: len(names), :50])}'
        "</derivedSeries></derivation><subjectOf><annotationSet><component><annotation>"
        '<code code="MDC_ECG_HEART_RATE"/><value xsi:type="PQ" value="61" unit="bpm"/></annotation></component>'
        '<component><annotation><code code="MDC_ECG_INTERPRETATION_STATEMENT"/><value xsi:type="ST">Sinus rhythm'
        "</value></annotation></component></annotationSet></subjectOf></series></component></AnnotatedECG>"
    ).encode()


def scp(
    leads: NDArray[np.int16], *, huffman: bool = False, difference: int = 0, bimodal: int = 0, first: int = 1
) -> bytes:
    """An SCP-ECG file: plain or with the standard's Huffman table."""
    codes = (1, 2, 3, 4, 5, 6, 7, 8, 61, 62, 63, 64)[: len(leads)]
    chunks = []
    for row in leads.astype(int):
        values = row.tolist()
        if difference == 1:
            values = [values[0], *np.diff(row).tolist()]
        elif difference == 2:
            values = [*values[:2], *np.diff(row, 2).tolist()]
        chunks.append(_huffman(values) if huffman else np.array(values, "<i2").tobytes())
    n_samples = leads.shape[1]
    flags = 4 | len(leads) << 3
    three = bytes([len(leads), flags & 0xFF]) + b"".join(
        struct.pack("<IIB", first, n_samples, code) for code in codes
    )
    six = struct.pack("<HHBB", 2500, 2000, difference, bimodal)
    six += b"".join(struct.pack("<H", len(chunk)) for chunk in chunks) + b"".join(chunks)
    one = b"".join(
        struct.pack("<BH", tag, len(text) + 1) + text.encode() + b"\0"
        for tag, text in ((0, NAME), (2, IDENTITY))
    ) + struct.pack("<BH", 255, 0)
    bodies = {1: one, 3: three, 6: six}
    if huffman:
        bodies[2] = struct.pack("<H", 19999)
    return scp_file(bodies)


def scp_file(bodies: dict[int, bytes]) -> bytes:
    """Sections with their pointers."""
    sections = {
        k: struct.pack("<HHIBB6s", 0, k, len(body) + 16, 13, 13, b"") + body for k, body in bodies.items()
    }
    at = 6 + 16 + 10 * 12 + 1
    pointers = struct.pack("<HII", 0, 136, 7)
    for number in range(1, 12):
        size = len(sections.get(number, b""))
        pointers += struct.pack("<HII", number, size, at if size else 0)
        at += size
    zero = struct.pack("<HHIBB6s", 0, 0, 136, 13, 13, b"SCPECG") + pointers
    content = zero + b"".join(sections[k] for k in sorted(sections))
    return struct.pack("<HI", 0, len(content) + 6) + content


def _huffman(values: Sequence[int]) -> bytes:
    bits = ""
    for value in values:
        if value == 0:
            bits += "0"
        elif abs(value) <= 8:
            bits += "1" * abs(value) + "0" + ("1" if value < 0 else "0")
        elif -128 <= value < 128:
            bits += "1" * 9 + "0" + f"{value & 0xFF:08b}"
        else:
            bits += "1" * 10 + f"{value & 0xFFFF:016b}"
    bits += "1" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


def ishne(
    leads: NDArray[np.int16], codes: Sequence[int] = (6, 11), fs: int = 250, magic: bytes = b"ISHNE1.0"
) -> bytes:
    """An ISHNE header with its samples; codes 6 and 11 are leads II and V1."""
    n_leads, n_samples = len(codes), leads.shape[1]
    padded = [*codes, *[-9] * (12 - n_leads)]
    header = struct.pack("<iiiih", 0, n_samples, 522, 522, 1)
    header += NAME.encode().ljust(40, b"\0") + b"".ljust(40, b"\0") + IDENTITY.encode().ljust(20, b"\0")
    header += struct.pack("<14h", 1, 1, 1, 1, 1950, 1, 1, 2000, 1, 1, 2000, 10, 0, 0)
    header += struct.pack("<h12h12h12hh", n_leads, *padded, *[0] * 12, *[2500] * 12, 0)
    header += b"digital".ljust(40, b"\0") + struct.pack("<h", fs)
    return magic + b"\0\0" + header.ljust(512, b"\0") + leads[:n_leads].T.astype("<i2").tobytes()


def contec(leads: NDArray[np.int16], *, tail: bytes = b"") -> bytes:
    """II, III, V1 to V6 around 2048, of an ECG90A."""
    head = (
        b"0000001\0"
        + b"\0\0"
        + b"2020-01-02 03:04:05\0"
        + b"\0\0"
        + NAME.encode().ljust(8, b"\0")
        + b"\1\x32\x46"
    )
    return head + (leads.T.astype(int) + 2048).astype("<u2").tobytes() + tail + b"\0" * 37


def mfer(leads: NDArray[np.int16], *, big: bool = True, extra: bytes = b"") -> bytes:
    """Two channels in sequences of 100 samples, 5 uV a step, at 500 Hz."""
    order = ">" if big else "<"

    def item(tag: int, value: bytes) -> bytes:
        size = bytes([len(value)]) if len(value) < 128 else b"\x84" + struct.pack(">I", len(value))
        return bytes([tag]) + size + value

    n_sequences = leads.shape[1] // 100
    frames = leads[:2, : 100 * n_sequences].reshape(2, n_sequences, 100).transpose(1, 0, 2)
    return b"".join(
        [
            item(0x40, b"MFR Standard 12 leads ECG".ljust(32)),
            item(0x01, b"\0" if big else b"\1"),
            item(0x82, IDENTITY.encode()),
            item(0x0B, b"\x01" + struct.pack("b", -6) + struct.pack(f"{order}H", 2000)),
            item(0x0C, b"\x00" + struct.pack("b", -6) + struct.pack(f"{order}H", 5)),
            item(0x0A, b"\0"),
            item(0x04, struct.pack(f"{order}H", 100)),
            item(0x05, b"\2"),
            item(0x06, struct.pack(f"{order}H", n_sequences)),
            b"\x3f\0" + bytes([4]) + item(0x09, struct.pack(f"{order}H", 2)),
            b"\x3f\1" + bytes([4]) + item(0x09, struct.pack(f"{order}H", 3)),
            extra,
            item(0x1E, frames.astype(f"{order}i2").tobytes()),
            b"\x80\0",
        ]
    )


def xdf(
    leads: NDArray[np.int16],
    *,
    fs: float = 100.0,
    stamped: str = "all",
    gap: float = 0.0,
    clock: float = 1.0,
    mark: float = 101.0,
) -> bytes:
    """A stream of two named channels and one of marks; `stamped` is all, first or mixed.

    Args:
        leads: Samples.
        fs: Rate that the file states.
        stamped: Which samples have a stamp.
        gap: Seconds that are missing in the middle.
        clock: Rate by the stamps, as a share of `fs`.
        mark: Time of the mark.
    """

    def chunk(tag: int, body: bytes) -> bytes:
        return b"\4" + struct.pack("<IH", len(body) + 2, tag) + body

    def header(stream: int, kind: str, form: str, n: int, rate: float, more: str = "") -> bytes:
        text = (
            f"<?xml version='1.0'?><info><name>n</name><type>{kind}</type><channel_count>{n}</channel_count>"
            f"<nominal_srate>{rate}</nominal_srate><channel_format>{form}</channel_format>{more}</info>"
        )
        return chunk(2, struct.pack("<I", stream) + text.encode())

    channels = "".join(
        f"<channel><label>{name}</label><unit>microvolts</unit></channel>" for name in ("II", "V1")
    )
    data = b"XDF:" + chunk(1, b"<?xml version='1.0'?><info><version>1.0</version></info>")
    data += header(1, "ECG", "float32", 2, fs, f"<desc><channels>{channels}</channels></desc>")
    data += header(2, "Markers", "string", 1, 0)
    n_samples = leads.shape[1]
    for first in range(0, n_samples, 50):
        body = b""
        for k in range(first, min(first + 50, n_samples)):
            time = 100 + k / (fs * clock) + (gap if k >= n_samples // 2 else 0)
            stamp = stamped == "all" or k == first or (stamped == "mixed" and k % 7 == 0)
            body += (b"\x08" + struct.pack("<d", time)) if stamp else b"\0"
            body += leads[:2, k].astype("<f4").tobytes()
        count = min(50, n_samples - first)
        data += chunk(3, struct.pack("<I", 1) + b"\1" + bytes([count]) + body)
    data += chunk(3, struct.pack("<I", 2) + b"\1\1" + b"\x08" + struct.pack("<d", mark) + b"\1\4beat")
    data += chunk(4, struct.pack("<Idd", 1, 100, 0.5)) + chunk(4, struct.pack("<Idd", 2, 100, 0.5))
    return data


def dicom(path: Path, leads: NDArray[np.int16], *, names: Sequence[str] = EIGHT, **changed: object) -> None:
    """A 12-lead file with a rhythm, a median beat, a statement and a measurement; `changed` goes to the rhythm."""
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset

    def code(value: str, scheme: str, meaning: str) -> Dataset:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
        return item

    def group(rows: NDArray[np.int16], label: str, originality: str) -> Dataset:
        item = Dataset()
        item.MultiplexGroupTimeOffset, item.WaveformOriginality, item.MultiplexGroupLabel = (
            0,
            originality,
            label,
        )
        item.NumberOfWaveformChannels, item.NumberOfWaveformSamples = rows.shape
        item.SamplingFrequency, item.WaveformBitsAllocated, item.WaveformSampleInterpretation = 500, 16, "SS"
        item.add_new("WaveformData", "OW", rows.T.astype("<i2").tobytes())
        item.ChannelDefinitionSequence = []
        for name in names:
            channel = Dataset()
            channel.ChannelSourceSequence = [code("5.6.3-9-1", "SCPECG", f"Lead {name} (Einthoven)")]
            channel.ChannelSensitivity, channel.ChannelSensitivityCorrectionFactor = 2.5, 1.0
            channel.ChannelSensitivityUnitsSequence = [code("uV", "UCUM", "microvolt")]
            channel.ChannelBaseline = 10.0
            item.ChannelDefinitionSequence.append(channel)
        return item

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.9.1.1"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = pydicom.uid.generate_uid()
    dataset.PatientID, dataset.PatientName, dataset.PatientBirthDate = IDENTITY, f"{NAME}^Ann", "19500101"
    rhythm = group(leads, "RHYTHM", "ORIGINAL")
    for name, value in changed.items():
        setattr(rhythm, name, value)
    dataset.WaveformSequence = [group(leads[:, :100] // 2, "MEDIAN BEAT", "DERIVED"), rhythm]
    statement, rate = Dataset(), Dataset()
    statement.UnformattedTextValue = "Sinus rhythm"
    rate.ConceptNameCodeSequence = [code("8867-4", "LN", "Heart rate")]
    rate.MeasurementUnitsCodeSequence = [code("{H.B.}/min", "UCUM", "per minute")]
    rate.NumericValue = 61
    for item in (statement, rate):
        item.ReferencedWaveformChannels = [2, 0]
    dataset.WaveformAnnotationSequence = [statement, rate]
    dataset.save_as(path, enforce_file_format=True)
