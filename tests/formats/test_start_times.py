"""When recordings began: read, written, cut, and held against other programs' readers and the raw headers."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta, timezone
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from physiolect.errors import FormatError
from physiolect.formats import export, read_recording, read_stretches, write_recording
from physiolect.formats.time_stamps import moment_in
from physiolect.recording import Recording, StartTime

START = datetime(2020, 2, 3, 4, 5, 6)
ZONE = timezone(timedelta(hours=2))
ENDINGS = (".hea", ".npz", ".edf", ".bdf", ".dcm", ".xml", ".csv")


def recording(start: StartTime | None, fs: float = 100.0) -> Recording:
    signal = np.round(100 * np.sin(np.arange(1000) / 7)).astype(np.float32) / 100
    return Recording.from_array(signal, fs, channels="II", unit="mV", start_time=start)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "start", [None, START, START.replace(microsecond=250_000), datetime(2150, 7, 8, 9, 10, 11)]
)
def test_what_is_written_is_read(tmp_path: Path, ending: str, start: datetime | None) -> None:
    path = tmp_path / f"x{ending}"
    write_recording(recording(start), path)
    assert read_recording(path).start_time == start
    cut = read_recording(path, start=2.5, stop=4)
    assert cut.start_time == (None if start is None else start + timedelta(seconds=2.5))
    assert cut.notices == ()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_time_of_day_alone_is_written_where_the_format_has_a_place(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x{ending}"
    write_recording(recording(time(23, 59, 59, 500_000)), path)
    expected = None if ending == ".xml" else time(23, 59, 59, 500_000)
    assert read_recording(path).start_time == expected
    assert read_recording(path, start=1).start_time == (expected and time(0, 0, 0, 500_000))


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_zone_is_kept_where_the_format_has_a_place(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x{ending}"
    write_recording(recording(START.replace(tzinfo=ZONE)), path)
    with_zone = ending not in (".hea", ".edf", ".bdf")
    assert read_recording(path).start_time == (START.replace(tzinfo=ZONE) if with_zone else START)


def test_the_field_s_libraries_read_it(tmp_path: Path) -> None:
    wfdb, pyedflib, pydicom = map(pytest.importorskip, ("wfdb", "pyedflib", "pydicom"))
    start = START.replace(microsecond=250_000)
    for ending in ENDINGS:
        write_recording(recording(start), tmp_path / f"x{ending}")
    assert wfdb.rdheader(str(tmp_path / "x")).base_datetime == start
    dataset = pydicom.dcmread(tmp_path / "x.dcm")
    assert pydicom.valuerep.DT(dataset.AcquisitionDateTime) == start
    for ending in (".edf", ".bdf"):
        with pyedflib.EdfReader(str(tmp_path / f"x{ending}")) as file:
            # its getStartdatetime divides the part of a second by 10 once too often (0.1.42)
            assert file.getStartdatetime().replace(microsecond=0) == START
            assert file.starttime_subsecond == 2_500_000  # of 100 ns


def test_exports_without_persons_keep_the_time_of_day_alone(tmp_path: Path) -> None:
    source = tmp_path / "in.npz"
    write_recording(recording(START), source)
    for to, ending in (
        ("wfdb", ".hea"),
        ("edf", ".edf"),
        ("dicom", ".dcm"),
        ("csv", ".csv"),
        ("npz", ".npz"),
    ):
        (out,) = export(source, tmp_path / f"clean{ending}", to=to).files  # type: ignore[arg-type]
        assert read_recording(out).start_time == START.time(), to
        for file in tmp_path.glob("clean*"):
            content = file.read_bytes()
            assert not re.search(rb"2020-?02-?03|03/02/2020|03.02.20|03-FEB-2020", content), file
        (out,) = export(source, tmp_path / f"whole{ending}", to=to, deidentify=False).files  # type: ignore[arg-type]
        assert read_recording(out).start_time == START, to
    done = export(source, tmp_path / "clean.xml", to="aecg")
    assert read_recording(done.files[0]).start_time is None
    assert done.lost == ("aecg holds no time of day without a date: it is left out",)


def test_a_zone_that_the_format_cannot_hold_is_told(tmp_path: Path) -> None:
    source = tmp_path / "in.npz"
    write_recording(recording(START.replace(tzinfo=ZONE)), source)
    done = export(source, tmp_path / "x.edf", to="edf", deidentify=False)
    assert done.lost == ("edf holds no time zone: the start is written as its local time",)
    assert read_recording(done.files[0]).start_time == START


@pytest.mark.parametrize(
    ("stated", "start", "told"),
    [
        ("12:13:14 1/2/2003", datetime(2003, 2, 1, 12, 13, 14), ""),
        ("12:13:14.5 01/02/2003", datetime(2003, 2, 1, 12, 13, 14, 500_000), ""),
        ("12:13:14", time(12, 13, 14), ""),
        ("13:14", time(0, 13, 14), ""),
        ("12:13:14 0/0/0", time(12, 13, 14), "the date of its start"),
        ("12:13:14 31/02/2003", time(12, 13, 14), "the date of its start"),
        ("25:13:14", None, "the time of its start"),
    ],
)
def test_headers_of_wfdb(tmp_path: Path, stated: str, start: StartTime | None, told: str) -> None:
    np.arange(1000, dtype="<i2").tofile(tmp_path / "x.dat")
    (tmp_path / "x.hea").write_text(f"x 1 100 1000 {stated}\nx.dat 16 200/mV 16 0 0 0 0 II\n")
    found = read_recording(tmp_path / "x.hea", start=1)
    expected = None if start is None else read_later(start)
    assert found.start_time == expected
    assert bool(told) == bool(found.notices)
    assert told in " ".join(found.notices)


def read_later(start: StartTime) -> StartTime:
    if isinstance(start, datetime):
        return start + timedelta(seconds=1)
    return (datetime.combine(START, start) + timedelta(seconds=1)).time()


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2021-04-05 15:48:04.834", datetime(2021, 4, 5, 15, 48, 4, 834_000)),
        ("2020-01-01T10:00:00+02:00", datetime(2020, 1, 1, 10, tzinfo=ZONE)),
        ("2020-01-01T10:00:00Z", datetime(2020, 1, 1, 10, tzinfo=UTC)),
        ("2020-01-01 10:00:00 CET", datetime(2020, 1, 1, 10)),
        ("13/04/2020 10:00:00", datetime(2020, 4, 13, 10)),
        ("03.04.2020 10:00:00", datetime(2020, 4, 3, 10)),
        ("03/04/2020 10:00:00", time(10)),  # the day or the month may come first
        ("[12:34:56.000 03/02/2010]", datetime(2010, 2, 3, 12, 34, 56)),
        ("[00:00:01.000]", time(0, 0, 1)),
        ("10:15:30", time(10, 15, 30)),
        ("9:15:30 pm", time(21, 15, 30)),
        ("00:00:00.004", None),  # counts from the start
        ("0:00.003", None),
        ("2020-02-31 10:00:00", None),
        ("25:00:00", None),
        ("II", None),
    ],
)
def test_cells_of_times(cell: str, moment: StartTime | None) -> None:
    assert moment_in(cell) == moment


def table(head: str, first: Callable[[int], str], n: int = 200) -> str:
    rows = (f"{first(k)}{round(100 * np.sin(k / 7))}" for k in range(n))
    return head + "\n".join(rows) + "\n"


def iso(k: int, zone: str = "") -> str:
    return f"{(START + timedelta(milliseconds=10 * k)).isoformat(timespec='milliseconds')}{zone},"


SECONDS = 1_580_702_706  # START as a Unix time

TEXTS: dict[str, tuple[str, StartTime | None]] = {
    "iso": (table("time,II (mV)\n", iso), START),
    "zone": (table("time,II (mV)\n", lambda k: iso(k, "+02:00")), START.replace(tzinfo=ZONE)),
    "epoch": (table("timestamp,II (mV)\n", lambda k: f"{SECONDS + k / 100:.2f},"), START.replace(tzinfo=UTC)),
    "epoch ms": (table("time_ms,II (mV)\n", lambda k: f"{SECONDS * 1000 + 10 * k},"), START.replace(tzinfo=UTC)),
    "elapsed": (table("time (s),II (mV)\n", lambda k: f"{k / 100:.2f},"), None),
    "elapsed clock": (table("elapsed time,II (mV)\n", lambda k: f"10:00:{k / 100:05.2f},"), None),
    "clock": (table("time,II (mV)\n", lambda k: f"10:00:{k / 100:05.2f},"), time(10)),
    "of 2000": (table("sensor timestamp [ns],II (mV)\n", lambda k: f"{599616019000000000 + 10**7 * k},"), None),
    "since": (table("time (s since 2020-02-03T04:05:01),II (mV)\n", lambda k: f"{5 + k / 100:.2f},"), START),
    "above": (table("# Start time: 2020-02-03 04:05:06\n# Rate: 100 Hz\nII (mV)\n", lambda k: ""), START),
    "apart": (table("# Date: 2020-02-03\n# Time: 04:05:06\n# Sampling rate: 100 Hz\nII\n", lambda k: ""), START),
    "duration": (table("# Recording time: 04:05:06\n# Sampling rate: 100 Hz\nII\n", lambda k: ""), None),
    "birth": (table("# Date of birth: 1980-02-03 04:05:06\n# Sampling rate: 100 Hz\nII\n", lambda k: ""), None),
    "watch": (
        table(
            'Name,X\nGeburtsdatum,01.01.1980\nAufgezeichnet,2020-02-03 04:05:06 +0200\nGerät,"Watch6,1"\n'
            "Messrate,100 Hertz\n\nAbleitung,Ableitung I\nEinheit,µV\n\n",
            lambda k: "",
        ),
        START.replace(tzinfo=ZONE),
    ),
    "labchart": (
        table(
            "Interval=\t0.01 s\nExcelDateTime=\t4.3864170208333335e+04\t3/2/2020 04:05:06.000000\n"
            "TimeFormat=\tStartOfBlock\nChannelTitle=\tECG\nRange=\t2.0 mV\n",
            lambda k: f"{k / 100:.2f}\t",
        ),
        START,
    ),
    "opensignals": (
        table(
            "# OpenSignals Text File Format\n# "
            + json.dumps(
                {"x": {"sensor": ["ECG"], "column": ["nSeq", "A1"], "label": ["A1"], "sampling rate": 100,
                       "date": "2020-2-3", "time": "4:5:6.0"}}
            )
            + "\n# EndOfHeader\n",
            lambda k: f"{k % 16}\t",
        ),
        START,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", TEXTS)
def test_text_tables(tmp_path: Path, kind: str) -> None:
    content, start = TEXTS[kind]
    path = tmp_path / "x.txt"
    path.write_text(content, encoding="utf-8")
    assert read_recording(path).start_time == start
    if isinstance(start, datetime):
        assert read_recording(path, start=0.5).start_time == start + timedelta(seconds=0.5)


def test_stretches_follow_each_other_in_time(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = (
        f"{(START + timedelta(milliseconds=10 * k)).isoformat(timespec='milliseconds')},{k % 97}"
        for k in range(300_000)
    )
    path.write_text("time,II (mV)\n" + "\n".join(rows) + "\n")
    begin = 0
    for part in read_stretches(path, 50_000):
        assert part.start_time == START + timedelta(seconds=begin / 100)
        begin += part.n_samples
    assert begin == 300_000


def test_dates_of_parquet(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    for zone, expected in ((None, START), ("+02:00", START.replace(tzinfo=ZONE))):
        times = pd.date_range(START, periods=200, freq="10ms", tz=zone)
        pd.DataFrame({"time": times, "II": np.sin(np.arange(200) / 7)}).to_parquet(tmp_path / "x.parquet")
        assert read_recording(tmp_path / "x.parquet").start_time == expected
    spans = pd.to_timedelta(np.arange(200) * 10, unit="ms")
    pd.DataFrame({"time": spans, "II": np.sin(np.arange(200) / 7)}).to_parquet(tmp_path / "y.parquet")
    assert read_recording(tmp_path / "y.parquet").start_time is None
    for year in (1995, 2150):  # before Unix times are taken for dates, and shifted as MIMIC's are
        shifted = pd.date_range(f"{year}-05-06 07:08:09", periods=200, freq="4ms")
        pd.DataFrame({"time": shifted, "II": np.sin(np.arange(200) / 7)}).to_parquet(tmp_path / "z.parquet")
        assert read_recording(tmp_path / "z.parquet").start_time == datetime(year, 5, 6, 7, 8, 9)


def test_button_presses_of_an_e4_are_marks(tmp_path: Path) -> None:
    values = "\n".join(f"{round(50 * np.sin(k / 9), 2)}" for k in range(640))
    (tmp_path / "BVP.csv").write_text(f"{SECONDS}.00\n64.000000\n{values}\n")
    assert len(read_recording(tmp_path / "BVP.csv").annotations) == 0
    (tmp_path / "tags.csv").write_text(f"{SECONDS + 2.5}\n{SECONDS + 9}\n{SECONDS - 3}\n{SECONDS + 99}\nx\n")
    found = read_recording(tmp_path / "BVP.csv")
    assert found.start_time == START.replace(tzinfo=UTC)
    assert list(found.annotations) == [(160, "button", ""), (576, "button", "")]
    cut = read_recording(tmp_path / "BVP.csv", start=2, stop=5)
    assert list(cut.annotations) == [(32, "button", "")]
    (tmp_path / "other.csv").write_text(f"{SECONDS}.00\n64.000000\n{values}\n")
    assert len(read_recording(tmp_path / "other.csv").annotations) == 0


def opensignals(raw: bytes) -> datetime:
    (about,) = json.loads(raw.decode().splitlines()[1].lstrip("# ")).values()
    return datetime.strptime(f"{about['date']} {about['time']}", "%Y-%m-%d %H:%M:%S.%f")


def sierra(raw: bytes) -> datetime:
    text = raw.replace(b"\0", b"").decode("latin-1")
    found = re.search(r'<dataacquisition date="([\d-]+)" time="([\d:]+)"', text)
    assert found
    return datetime.fromisoformat(f"{found[1]} {found[2]}")


def ishne(raw: bytes) -> datetime:
    day, month, year = struct.unpack_from("<3h", raw, 138)
    return datetime(year, month, day, *struct.unpack_from("<3h", raw, 150))


def scp(raw: bytes) -> datetime:
    at, then = (
        raw.index(b"\x19\x04\x00") + 3,
        raw.index(b"\x1a\x03\x00") + 3,
    )  # tags 25 and 26 with their lengths
    return datetime(*struct.unpack_from("<HBB", raw, at), *raw[then : then + 3])


def epoch(raw: bytes) -> datetime:
    return datetime.fromtimestamp(float(raw.split(b"\n")[0].split(b",")[0]), UTC)


RAW: dict[str, Callable[[bytes], datetime]] = {
    "opensignals/OSmontage1A.txt": opensignals,
    "opensignals/OSmontage2J.txt": opensignals,
    "philips_sierra_xml/129DYPRG.XML": sierra,
    "philips_sierra_xml/2020-5-18_15-48-11.xml": sierra,
    "philips_sierra_xml/3191723_ZZDEMOPTONLY_1-04_orig.xml": sierra,
    "ishne/ECG_P28.01.ecg": ishne,
    "contec_ecg/0000037.ECG": lambda raw: datetime.fromisoformat(raw[10:29].decode()),
    "empatica_e4/BVP.csv": epoch,
    "empatica_e4/HR.csv": epoch,
    "muse_headband/read_test_data.csv": lambda raw: datetime.fromisoformat(
        raw.split(b"\n")[1].split(b",")[0].decode()
    ),
    "shimmer/read_test_data.csv": lambda raw: datetime.fromtimestamp(
        float(raw.split(b"\n")[3].split(b";")[0]) / 1e3, UTC
    ),
    "edf_bdf/test.bdf": lambda raw: datetime.strptime(raw[168:184].decode(), "%d.%m.%y%H.%M.%S"),
    "scp/Example.scp": scp,
    "scp/demo.scp": scp,
}
"""Sample -> what its header states, taken from the bytes."""


@pytest.mark.parametrize("sample", RAW)
def test_real_samples_against_their_headers(data: Path, sample: str) -> None:
    path = data / "format_samples" / sample
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    found = read_recording(path).start_time
    expected = RAW[sample](path.read_bytes())
    assert isinstance(found, datetime)
    assert abs(found - expected) < timedelta(microseconds=2)


@pytest.mark.parametrize(
    "name",
    [
        "edf_bdf/duplicate_channel_labels.edf",
        "edf_bdf/test_generator.bdf",
        "edf_bdf/test_utf8.edf",
        "edf_bdf/test_subsecond.edf",
        "edf_bdf/test_uneven_samp.edf",
        "faros/testfile_read.EDF",
    ],
)
def test_real_samples_against_pyedflib(data: Path, name: str) -> None:
    pyedflib = pytest.importorskip("pyedflib")
    path = data / "format_samples" / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    found = read_recording(path, channels=[0]).start_time
    with pyedflib.EdfReader(str(path)) as file:
        second = file.getStartdatetime().replace(microsecond=0)
        expected = second + timedelta(microseconds=round(file.starttime_subsecond / 10))
    assert isinstance(found, datetime)
    assert abs(found - expected) < timedelta(microseconds=2)


def test_real_samples_against_pydicom(data: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    for path in sorted((data / "format_samples" / "dicom").iterdir()):
        stated = pydicom.dcmread(path).AcquisitionDateTime
        assert read_recording(path, variable="0").start_time == datetime.strptime(
            str(stated)[:14], "%Y%m%d%H%M%S"
        )


def test_xdf_states_when_its_recording_began(make: ModuleType, tmp_path: Path) -> None:
    content = make.xdf(make.make_leads())
    stated = b"<info><version>1.0</version><datetime>2020-02-03T04:05:06+0200</datetime></info>"
    old = b"<?xml version='1.0'?><info><version>1.0</version></info>"
    new = b"<?xml version='1.0'?>" + stated
    at = content.index(old)
    size = struct.pack("<I", len(new) + 2)
    (tmp_path / "x.xdf").write_bytes(
        content[: at - 6] + size + content[at - 2 : at] + new + content[at + len(old) :]
    )
    assert read_recording(tmp_path / "x.xdf").start_time == START.replace(tzinfo=ZONE)
    assert read_recording(tmp_path / "x.xdf", start=1).start_time == START.replace(tzinfo=ZONE) + timedelta(
        seconds=1
    )


def test_a_time_of_thousands_of_digits_is_no_time(tmp_path: Path) -> None:
    for digits in (400, 5000):
        rows = "\n".join(f"{'9' * digits}:00:00,{k % 7}" for k in range(100))
        (tmp_path / "x.csv").write_text(f"time,II (mV)\n{rows}\n")
        with pytest.raises(FormatError):
            read_recording(tmp_path / "x.csv")
