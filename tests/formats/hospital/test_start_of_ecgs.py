"""When the ECGs of hospitals' formats were acquired, and dates that are none."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import datetime, time, timedelta, timezone
from pathlib import Path
from types import ModuleType

import pytest

from physiolect.formats import read_recording
from physiolect.recording import StartTime

TOLD = "the date of its start cannot be read; the samples do not depend on it"


def muse(make: ModuleType, day: str, clock: str) -> bytes:
    stated = (
        f"<TestDemographics><AcquisitionTime>{clock}</AcquisitionTime>"
        f"<AcquisitionDate>{day}</AcquisitionDate></TestDemographics>"
    )
    return make.muse(make.make_leads()).replace(
        b"<RestingECGMeasurements>", stated.encode() + b"<RestingECGMeasurements>"
    )


def sierra(make: ModuleType, day: str, clock: str) -> bytes:
    text = make.sierra(make.make_leads(12), packed=False).decode("utf-16")
    return text.replace("<dataacquisition>", f'<dataacquisition date="{day}" time="{clock}">').encode(
        "utf-16"
    )


def aecg(make: ModuleType, value: str, low: str = "") -> bytes:
    content = make.aecg(make.make_leads()).replace(
        b'<head value="20200101"/>', f'<head value="{value}"/>'.encode()
    )
    series = b'<component><series><code code="RHYTHM"/>'
    return content.replace(series, series + f'<effectiveTime><low value="{low}"/></effectiveTime>'.encode())


def relative(make: ModuleType, offset: str, low: str) -> bytes:
    return (
        aecg(make, offset, low)
        .replace(b"TIME_ABSOLUTE", b"TIME_RELATIVE")
        .replace(f'<head value="{offset}"/>'.encode(), f'<head value="{offset}" unit="s"/>'.encode())
    )


def ishne(make: ModuleType, day: tuple[int, int, int], clock: tuple[int, int, int]) -> bytes:
    content = bytearray(make.ishne(make.make_leads()))
    struct.pack_into("<3h", content, 138, *day)
    struct.pack_into("<3h", content, 150, *clock)
    return bytes(content)


def scp(make: ModuleType, day: bytes, clock: bytes, zone: bytes = b"") -> bytes:
    fields = [(2, b"x\0"), (25, day), (26, clock), *([(34, zone)] if zone else [])]
    one = b"".join(struct.pack("<BH", tag, len(value)) + value for tag, value in fields)
    three = bytes([1, 12]) + struct.pack("<IIB", 1, 100, 1)
    row = make.make_leads()[0, :100].astype("<i2").tobytes()
    six = struct.pack("<HHBB", 2500, 2000, 0, 0) + struct.pack("<H", len(row)) + row
    return make.scp_file({1: one + struct.pack("<BH", 255, 0), 3: three, 6: six})


def mfer(make: ModuleType, *parts: int, big: bool = True) -> bytes:
    value = struct.pack(f"{'>' if big else '<'}H5B2H", *parts)
    return make.mfer(make.make_leads(), big=big, extra=bytes([0x85, len(value)]) + value)


FILES: dict[str, tuple[Callable[[ModuleType], bytes], StartTime | None, str]] = {
    "a.xml": (lambda make: muse(make, "01-31-2014", "08:09:10"), datetime(2014, 1, 31, 8, 9, 10), ""),
    "b.xml": (lambda make: muse(make, "31-JAN-2014", "08:09:10"), datetime(2014, 1, 31, 8, 9, 10), ""),
    "c.xml": (lambda make: muse(make, "02-31-2014", "08:09:10"), time(8, 9, 10), TOLD),
    "d.xml": (lambda make: muse(make, "", ""), None, ""),
    "e.xml": (lambda make: sierra(make, "2011-12-01", "07:27:34"), datetime(2011, 12, 1, 7, 27, 34), ""),
    "f.xml": (lambda make: sierra(make, "2011-13-01", "07:27:34"), None, TOLD),
    "g.xml": (lambda make: aecg(make, "20021122091000.500"), datetime(2002, 11, 22, 9, 10, 0, 500_000), ""),
    "h.xml": (
        lambda make: aecg(make, "20021122091000+0100"),
        datetime(2002, 11, 22, 9, 10, tzinfo=timezone(timedelta(hours=1))),
        "",
    ),
    "i.xml": (lambda make: relative(make, "2", "20021122091000"), datetime(2002, 11, 22, 9, 10, 2), ""),
    "j.xml": (lambda make: relative(make, "0", "20021322091000"), None, TOLD),
    "k.ecg": (lambda make: ishne(make, (3, 2, 2001), (22, 30, 5)), datetime(2001, 2, 3, 22, 30, 5), ""),
    "l.ecg": (lambda make: ishne(make, (0, 0, 0), (22, 30, 5)), time(22, 30, 5), ""),
    "m.ecg": (lambda make: ishne(make, (31, 2, 2001), (22, 30, 5)), time(22, 30, 5), TOLD),
    "w.ecg": (lambda make: ishne(make, (-9, -9, -9), (-9, -9, -9)), None, ""),
    "x.xml": (lambda make: relative(make, "0", "20021122"), None, ""),
    "y.xml": (lambda make: muse(make, "01-31-2014", ""), None, ""),
    "z.scp": (lambda make: scp(make, struct.pack("<HBB", 2002, 11, 22), b""), None, ""),
    "n.scp": (
        lambda make: scp(make, struct.pack("<HBB", 2002, 11, 22), bytes([9, 10, 11])),
        datetime(2002, 11, 22, 9, 10, 11),
        "",
    ),
    "o.scp": (
        lambda make: scp(
            make, struct.pack("<HBB", 2002, 11, 22), bytes([9, 10, 11]), struct.pack("<hH", -90, 0)
        ),
        datetime(2002, 11, 22, 9, 10, 11, tzinfo=timezone(timedelta(minutes=-90))),
        "",
    ),
    "p.scp": (
        lambda make: scp(make, struct.pack("<HBB", 2002, 13, 22), bytes([9, 10, 11])),
        time(9, 10, 11),
        TOLD,
    ),
    "q.scp": (lambda make: scp(make, b"", b""), None, ""),
    "r.mwf": (lambda make: mfer(make, 2003, 4, 5, 6, 7, 8, 9, 10), datetime(2003, 4, 5, 6, 7, 8, 9_010), ""),
    "s.mwf": (
        lambda make: mfer(make, 2003, 4, 5, 6, 7, 8, 0, 0, big=False),
        datetime(2003, 4, 5, 6, 7, 8),
        "",
    ),
    "t.mwf": (lambda make: mfer(make, 2003, 14, 5, 6, 7, 8, 0, 0), time(6, 7, 8), TOLD),
    "u.ecg": (lambda make: make.contec(make.make_leads()), datetime(2020, 1, 2, 3, 4, 5), ""),
    "v.ecg": (lambda make: make.contec(make.make_leads()).replace(b"-01-02", b"-01-42"), None, TOLD),
}


@pytest.mark.parametrize("name", FILES)
def test_starts(make: ModuleType, tmp_path: Path, name: str) -> None:
    written, start, told = FILES[name]
    path = tmp_path / name
    path.write_bytes(written(make))
    found = read_recording(path)
    assert found.start_time == start
    assert found.notices == ((told,) if told else ())
    cut = read_recording(path, start=0.1).start_time
    if isinstance(start, datetime):
        assert cut == start + timedelta(seconds=0.1)
        assert isinstance(cut, datetime)
        assert cut.tzinfo == start.tzinfo


@pytest.mark.parametrize(
    ("stated", "start"),
    [
        ({"AcquisitionDateTime": "20200203040506"}, datetime(2020, 2, 3, 4, 5, 6)),
        ({"AcquisitionDateTime": "20200203040506.5"}, datetime(2020, 2, 3, 4, 5, 6, 500_000)),
        (
            {"AcquisitionDateTime": "20200203040506+0200"},
            datetime(2020, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2))),
        ),
        (
            {"AcquisitionDateTime": "20200203040506", "TimezoneOffsetFromUTC": "+0200"},
            datetime(2020, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2))),
        ),
        ({"AcquisitionDate": "20200203", "AcquisitionTime": "040506"}, datetime(2020, 2, 3, 4, 5, 6)),
        ({"ContentDate": "20200203", "ContentTime": "040506"}, datetime(2020, 2, 3, 4, 5, 6)),
        ({"StudyDate": "20200203", "StudyTime": "040506"}, None),  # when the study began, not its ECG
        ({"AcquisitionDateTime": "20200203"}, None),
        ({"AcquisitionDate": "20200203"}, None),
        ({}, None),
    ],
)
def test_dicom(make: ModuleType, tmp_path: Path, stated: dict[str, str], start: datetime | None) -> None:
    pydicom = pytest.importorskip("pydicom")
    for offset in (0, 1500):
        make.dicom(tmp_path / "x.dcm", make.make_leads(), MultiplexGroupTimeOffset=offset)
        dataset = pydicom.dcmread(tmp_path / "x.dcm")
        for name, value in stated.items():
            setattr(dataset, name, value)
        dataset.save_as(tmp_path / "y.dcm")
        found = read_recording(tmp_path / "y.dcm")
        assert found.start_time == (start and start + timedelta(milliseconds=offset))
        assert found.notices == ()


def test_a_date_of_dicom_that_is_none(make: ModuleType, tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    make.dicom(tmp_path / "x.dcm", make.make_leads())
    dataset = pydicom.dcmread(tmp_path / "x.dcm")
    dataset.AcquisitionDateTime = "20200203040506"
    dataset.save_as(tmp_path / "x.dcm")
    content = (tmp_path / "x.dcm").read_bytes().replace(b"20200203040506", b"20201303040506")
    (tmp_path / "x.dcm").write_bytes(content)
    found = read_recording(tmp_path / "x.dcm")
    assert found.start_time is None
    assert found.notices == (TOLD,)
