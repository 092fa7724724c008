from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physiolect.errors import FormatError
from physiolect.formats import as_recording, read_every_rate, read_recording
from physiolect.formats.edf_annotations import SKIPPED
from physiolect.formats.edf_timeline import Marks

Writer = Callable[..., None]


@pytest.mark.parametrize("bdf", [False, True])
def test_signals_units_and_annotations(tmp_path: Path, write_edf: Writer, bdf: bool) -> None:
    path = tmp_path / ("x.bdf" if bdf else "x.edf")
    write_edf(path, bdf=bdf)
    recording = read_recording(path)
    assert (recording.fs, recording.channels, recording.unit) == (250, ("ECG II", "V5"), "uV")
    assert recording.modality == "ecg"
    np.testing.assert_allclose(recording.signal[0], 1000 * np.sin(np.arange(1000) / 10), atol=0.1)
    assert list(recording.annotations) == [(500, "AF", "")]


def test_a_stretch_equals_the_slice_of_the_whole(tmp_path: Path, write_edf: Writer) -> None:
    write_edf(tmp_path / "x.edf")
    part = read_recording(tmp_path / "x.edf", start=1.5, stop=3, channels="II")
    sliced = read_recording(tmp_path / "x.edf").slice(1.5, 3)
    np.testing.assert_array_equal(part.signal, sliced.signal[:1])
    assert list(part.annotations) == list(sliced.annotations) == [(125, "AF", "")]


def test_where_rates_differ_the_ecg_is_read_and_the_rest_is_listed(tmp_path: Path, write_edf: Writer) -> None:
    path = tmp_path / "x.edf"
    write_edf(path, rates=(250, 250, 100))
    recording = read_recording(path)
    assert (recording.fs, recording.channels) == (250, ("ECG II", "V5"))
    assert recording.notices == (
        "read ECG II, V5 at 250 Hz; channels of other rates are left out: PLETH (100 Hz)",
    )
    assert read_recording(path, channels="PLETH").fs == read_recording(path, modality="ppg").fs == 100
    assert read_recording(path, channel="PLETH").channels == ("PLETH",)
    assert as_recording(path, "PLETH").channels == ("PLETH",)
    assert read_recording(path, channel="1").channels == ("ECG II", "V5")
    assert read_recording(path, channels=["V5", "II"]).fs == 250
    assert [part.fs for part in read_every_rate(path)] == [250, 100]
    with pytest.raises(FormatError, match=r"channel 2 of .* has another number") as caught:
        read_recording(path, channel="2")  # 0 and 1 are left
    assert caught.value.hint == "name it: PLETH"
    with pytest.raises(FormatError, match="differ in sampling rate: ECG II 250 Hz, PLETH 100 Hz"):
        read_recording(path, channels=["II", "PLETH"])


def test_rates_that_differ_without_a_name_are_refused(tmp_path: Path) -> None:
    make_edf(tmp_path / "x.edf", labels=("A", "B"), counts=(100, 50))
    with pytest.raises(FormatError, match="differ in sampling rate: A 100 Hz, B 50 Hz") as caught:
        read_recording(tmp_path / "x.edf")
    assert str(caught.value.hint) == "choose a channel, or several of one rate (--channel 'A')"


def test_the_content_tells_where_the_name_does_not(tmp_path: Path, write_edf: Writer) -> None:
    write_edf(tmp_path / "x.edf")
    (tmp_path / "x.edf").rename(tmp_path / "night.rec")
    assert read_recording(tmp_path / "night.rec").fs == 250


def test_damaged_files_are_refused(tmp_path: Path, write_edf: Writer) -> None:
    path = tmp_path / "x.edf"
    write_edf(path)
    content = path.read_bytes()
    for damaged, message in (
        (content[:300], "ends within the header"),
        (b"0       junk", "not a readable EDF or BDF file"),
        (content[:252] + b"-3  " + content[256:], "not a readable EDF or BDF file"),
        (content[:252] + b"9999" + content[256:], "ends within the header of its 9999 signals"),
        (
            content[: 256 + 648] + b"many    " + content[256 + 656 :],
            "channel ECG II states 'many' samples a record",
        ),
        (content[: 256 + 648] + b"99999999" + content[256 + 656 :], "holds no whole record"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match=message) as caught:
            read_recording(path)
        assert caught.value.hint


def make_edf(
    path: Path,
    *,
    labels: tuple[str | bytes, ...] = ("ECG II",),
    unit: bytes = b"mV",
    counts: tuple[int, ...] = (100,),
    limits: tuple[str, str, str, str] = ("-3.2768", "3.2767", "-32768", "32767"),
    n_records: str = "4",
    duration: str = "1",
    clock: bytes = b"01.02.0310.11.12",
    kind: bytes = b"",
    starts: tuple[str, ...] = (),
    more: bytes = b"",
) -> Path:
    """Write four records of which sample k of a channel is k, and annotations where `starts` are given."""
    texts = [f"{start}\x14\x14\x00".encode().ljust(40, b"\x00") for start in starts]
    if texts:
        texts[-1] = (texts[-1].rstrip(b"\x00") + b"\x00" + more).ljust(40, b"\x00")
    names = [label if isinstance(label, bytes) else label.encode() for label in labels]
    rows = [(name, unit, limits, count) for name, count in zip(names, counts, strict=True)]
    if texts:
        rows.append((b"EDF Annotations", b"", ("-1", "1", "-32768", "32767"), 20))
    columns = [
        *([row[0].ljust(16) for row in rows], [b" " * 80] * len(rows), [row[1].ljust(8) for row in rows]),
        *([row[2][k].encode().ljust(8) for row in rows] for k in range(4)),
        *([b" " * 80] * len(rows), [str(row[3]).encode().ljust(8) for row in rows], [b" " * 32] * len(rows)),
    ]
    fixed = (
        b"0".ljust(8) + b"X".ljust(80) + b"X".ljust(80) + clock + str(256 * (1 + len(rows))).encode().ljust(8)
    )
    fixed += (
        kind.ljust(44)
        + n_records.encode().ljust(8)
        + duration.encode().ljust(8)
        + str(len(rows)).encode().ljust(4)
    )
    body = b""
    for record in range(4):
        for count in counts:
            body += (np.arange(count) + record * count).astype("<i2").tobytes()
        body += texts[record] if texts else b""
    path.write_bytes(fixed + b"".join(b"".join(column) for column in columns) + body)
    return path


STEPS = np.arange(400, dtype=np.float32) / 10_000  # mV


def test_the_file_s_size_counts_its_records(tmp_path: Path) -> None:
    for stated, told in (
        ("-1", "states no number of records; the file holds 4"),
        ("", "states no number of records"),
        ("2", "states 2 records; the file holds 4"),
        ("9", "states 9 records; the file holds 4"),
        ("4,0", "decimal comma"),
    ):
        recording = read_recording(make_edf(tmp_path / "x.edf", n_records=stated))
        np.testing.assert_allclose(recording.signal[0], STEPS, atol=1e-7)
        assert told in recording.notices[0]
    whole = make_edf(tmp_path / "x.edf").read_bytes()
    (tmp_path / "x.edf").write_bytes(whole[:-7])
    recording = read_recording(tmp_path / "x.edf")
    assert recording.n_samples == 300
    assert recording.notices == (
        "the header states 4 records; the file holds 3 and a part of one more, which is left out",
    )
    (tmp_path / "x.edf").write_bytes(whole + b"\x01\x02\x03")
    assert read_recording(tmp_path / "x.edf").n_samples == 400


@pytest.mark.parametrize(
    "unit",
    [
        b"uV",
        b"\xb5V",
        "µV".encode(),
        "μV".encode(),
        b"\xe6V",
        b"\x83\xcaV",
        b"UV",
        b"microV",
        b"\xb5Volt",
        b"\xc3\x82\xc2\xb5V",
        b"\xef\xbf\xbdV",
        b"uV\x00\x00",
    ],
)
def test_a_microvolt_in_any_spelling(tmp_path: Path, unit: bytes) -> None:
    assert read_recording(make_edf(tmp_path / "x.edf", unit=unit)).unit == "uV"


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("ECG Précord", "ECG Précord"),
        ("ECG Précord".encode("latin-1"), "ECG Précord"),
        (b"\x00ECG\x00rest", "ECG"),
        ("ECG aaaaaaaaaé1".encode() + "é".encode()[:1], "ECG aaaaaaaaaé1"),
        (b"ECG \xe9", "ECG é"),
        (b"ECG\x1b[31m", "ECG\\x1b[31m"),
        (b"", "ch1"),
    ],
)
def test_labels_of_any_encoding(tmp_path: Path, label: str | bytes, name: str) -> None:
    assert read_recording(make_edf(tmp_path / "x.edf", labels=(label,)), modality="ecg").channels == (name,)


def test_two_channels_of_one_name_are_chosen_by_number(tmp_path: Path) -> None:
    path = make_edf(tmp_path / "x.edf", labels=("ECG", "ECG"), counts=(100, 100))
    with pytest.raises(FormatError, match="2 channels named 'ECG'") as caught:
        read_recording(path, channels="ECG")
    assert caught.value.hint == "choose by number: 0 or 1"
    assert read_recording(path, channels=1).channels == ("ECG",)


def test_the_header_s_own_length_is_not_believed(tmp_path: Path) -> None:
    path = make_edf(tmp_path / "x.edf")
    content = path.read_bytes()
    for stated in (b"256     ", b"        ", b"99999999", b"600     "):
        path.write_bytes(content[:184] + stated + content[192:])
        recording = read_recording(path)
        np.testing.assert_allclose(recording.signal[0], STEPS, atol=1e-7)
        assert recording.notices == ("the header states another length than it has",)
    path.write_bytes(content[:184] + b"600     " + content[192:512] + bytes(88) + content[512:])
    np.testing.assert_allclose(
        read_recording(path).signal[0], STEPS, atol=1e-7
    )  # now the file has 88 bytes more


def test_odd_fields_do_not_touch_the_samples(tmp_path: Path) -> None:
    for changed, told in (
        ({"limits": ("-3,2768", "3,2767", "-32768", "32767")}, "decimal comma"),
        ({"limits": ("-3.2768\x00", "+3.2767", "-32768 ", " 32767")}, ""),
        ({"clock": b"01:02:0310:11:12"}, ""),
        ({"clock": b"31.02.0310.11.12"}, "the time of day is kept"),
        ({"clock": b"01.02.0310.61.12"}, "date or time"),
        ({"clock": b"00.00.0000.00.00"}, "date or time"),
        ({"clock": b"\x00" * 16}, "date or time"),
        ({"duration": "1,0"}, "decimal comma"),
        ({"duration": "\x001"}, ""),
    ):
        recording = read_recording(make_edf(tmp_path / "x.edf", **changed))
        np.testing.assert_allclose(recording.signal[0], STEPS, atol=1e-7)
        assert recording.fs == 100
        assert told in " ".join(recording.notices)
        assert bool(told) == bool(recording.notices)


def test_a_channel_without_a_range_is_in_steps_of_no_unit(tmp_path: Path) -> None:
    recording = read_recording(make_edf(tmp_path / "x.edf", limits=("0", "0", "-32768", "32767")))
    np.testing.assert_array_equal(recording.signal[0], np.arange(400))
    assert recording.unit is None
    assert "no valid range" in recording.notices[0]


@pytest.mark.parametrize("bdf", [False, True])
def test_a_stretch_of_long_records(tmp_path: Path, bdf: bool) -> None:
    starts = ("+0", "+1", "+2", "+3") if not bdf else ()
    path = make_edf(
        tmp_path / "x.edf", labels=("II", "V5"), counts=(600_001, 7), limits=("0", "1", "0", "1"), starts=starts,
        more=b"+2\x14beat\x14",
    )  # fmt: skip
    content = bytearray(path.read_bytes())
    stored = np.frombuffer(content[1024 if starts else 768 :], "<i2").astype("<i4")
    if bdf:
        content[:8] = b"\xffBIOSEMI"
        content[768:] = stored.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
        path.write_bytes(content)
    truth = stored.reshape(4, -1)[:, :600_001].reshape(-1)
    np.testing.assert_array_equal(read_recording(path, channels="II").signal[0], truth)
    for first, last in ((0, 5), (600_000, 600_003), (1_199_999, 2_100_007)):
        part = read_recording(path, channels="II", start=first / 600_001, stop=last / 600_001)
        np.testing.assert_array_equal(part.signal[0], truth[first:last])
    assert len(read_recording(path, channels="II").annotations) == len(starts) // 4


def test_an_unknown_length_of_record_asks_for_the_rate(tmp_path: Path) -> None:
    path = make_edf(tmp_path / "x.edf", duration="0")
    with pytest.raises(FormatError, match="states no sampling rate"):
        read_recording(path)
    assert read_recording(path, fs=50).duration == 8
    with pytest.raises(FormatError, match="states 100 Hz, but fs=50 was given"):
        read_recording(make_edf(path), fs=50)


@pytest.mark.parametrize("kind", [b"EDF+D", b"EDF+C"])
def test_gaps_between_records_are_missing_samples(tmp_path: Path, kind: bytes) -> None:
    starts = ("+0.5", "+1.5", "+4.5", "+5.5")
    path = make_edf(tmp_path / "x.edf", kind=kind, starts=starts, more=b"+5.25\x150.1\x14beat\x14\x00")
    recording = read_recording(path)
    assert recording.n_samples == 600
    assert np.isnan(recording.signal[0, 200:400]).all()
    np.testing.assert_allclose(recording.signal[0, np.r_[:200, 400:600]], STEPS, atol=1e-7)
    assert list(recording.annotations) == [(475, "beat", "")]
    assert recording.notices == ("a gap between its records, 2 s in all: missing samples (NaN)",)
    part = read_recording(path, start=1.5, stop=4.8)
    np.testing.assert_array_equal(part.signal, recording.slice(1.5, 4.8).signal)
    assert list(part.annotations) == [(325, "beat", "")]


def test_rounding_of_many_gaps_does_not_add_up(tmp_path: Path) -> None:
    starts = ("+0", "+1.304", "+2.608", "+3.912")  # each gap is 30.4 samples
    recording = read_recording(make_edf(tmp_path / "x.edf", kind=b"EDF+D", starts=starts))
    begins = np.flatnonzero(np.diff(np.isnan(recording.signal[0]).astype(int)) == -1) + 1
    assert begins.tolist() == [130, 261, 391]


def test_records_out_of_time(tmp_path: Path) -> None:
    unfilled = ("+0", "+0", "+0", "+0")
    assert read_recording(make_edf(tmp_path / "x.edf", kind=b"EDF+C", starts=unfilled)).n_samples == 400
    with pytest.raises(FormatError, match="overlap in time"):
        read_recording(make_edf(tmp_path / "x.edf", kind=b"EDF+D", starts=unfilled))
    with pytest.raises(FormatError, match="not every record states when it begins"):
        read_recording(make_edf(tmp_path / "x.edf", kind=b"EDF+D", starts=("+0", "", "+2", "+3")))
    far = make_edf(tmp_path / "x.edf", kind=b"EDF+D", starts=("+0", "+1", "+2", "+999999"))
    with pytest.raises(FormatError, match="lasts 1e\\+06 s, but holds 4 s"):
        read_recording(far)
    assert read_recording(far, start=0, stop=3).n_missing() == 0
    jitter = make_edf(tmp_path / "x.edf", kind=b"EDF+D", starts=("+0", "+1.001", "+1.999", "+3"))
    assert read_recording(jitter).n_missing() == 0


def test_a_stretch_without_data_is_missing(tmp_path: Path) -> None:
    path = make_edf(
        tmp_path / "x.edf", labels=("II", "V5"), counts=(100, 100), starts=("+0", "+1", "+2", "+3"),
        more=b"+1\x150.5\x14BAD_ACQ_SKIP@@V5\x14\x00",
    )  # fmt: skip
    recording = read_recording(path)
    assert not np.isnan(recording.signal[0]).any()
    assert np.flatnonzero(np.isnan(recording.signal[1])).tolist() == list(range(100, 150))
    assert not len(recording.annotations)


SAMPLES = ["edf_bdf/duplicate_channel_labels.edf", "edf_bdf/test_generator.bdf", "edf_bdf/test_subsecond.edf",
           "edf_bdf/test_uneven_samp.edf", "edf_bdf/test_utf8.edf", "faros/testfile_read.EDF"]  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_real_files_equal_the_library(data: Path, name: str) -> None:
    import pyedflib

    path = data / "format_samples" / name
    with pyedflib.EdfReader(str(path)) as reader:
        onsets, _, texts = reader.readAnnotations()
        for row, label in enumerate(reader.getSignalLabels()):
            recording = read_recording(path, channels=row)
            assert recording.channels == (label.strip(),)
            assert recording.fs == reader.getSampleFrequency(row)
            np.testing.assert_array_equal(recording.signal[0], reader.readSignal(row).astype(np.float32))
            np.testing.assert_array_equal(recording.annotations.sample, np.round(onsets * recording.fs))
            assert list(recording.annotations.symbol) == list(texts)


def test_a_real_file_of_73_channels(data: Path) -> None:
    recording = read_recording(data / "format_samples/edf_bdf/test.bdf")
    assert (recording.signal.shape, recording.fs, recording.channels[-1]) == ((73, 2048), 2048, "Status")


SPOILS = [
    b"0",
    b"9",
    b"-",
    b".",
    b",",
    b" ",
    b"\x00",
    b"\xb5",
    b"\x14",
    b"\x15",
    b"+9",
    b"99999999",
    b"-1",
    b"\xff",
]


@given(
    edits=st.lists(st.tuples(st.integers(0, 1700), st.sampled_from(SPOILS)), min_size=1, max_size=8),
    kind=st.sampled_from([b"EDF+D", b"EDF+C", b""]),
    keep=st.integers(0, 4000),
    bdf=st.booleans(),
)  # fmt: skip
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_headers_and_times_raise_our_errors_in_little_memory(
    tmp_path: Path, edits: list[tuple[int, bytes]], kind: bytes, keep: int, bdf: bool
) -> None:
    path = make_edf(
        tmp_path / "x.edf", labels=("ECG", "Resp"), counts=(100, 50), kind=kind, starts=("+0", "+1", "+4", "+5"),
        more=b"+2\x150.1\x14N\x14\x00",
    )  # fmt: skip
    content = bytearray(path.read_bytes())
    content[:8] = b"\xffBIOSEMI" if bdf else content[:8]
    for at, new in edits:
        content[at : at + len(new)] = new
    path.write_bytes(content[: len(content) - keep] if keep < 400 else content)
    tracemalloc.start()
    with suppress(FormatError):
        for recording in read_every_rate(path):
            repr(recording)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_marks_of_samples_without_data_are_found_by_their_texts() -> None:
    one, two, other = (f"{SKIPPED}{end}" for end in ("", "@@II", "@@V5"))
    marks = Marks(np.arange(6.0), np.zeros(6), [one, two, "N", one, other, two])
    assert marks.without_data({one, two, f"{SKIPPED}@@gone"}) == [0, 1, 3, 5]
    assert marks.without_data(set()) == []


def test_many_marks_of_beats_take_no_index() -> None:
    marks = Marks(np.arange(1e5), np.zeros(100_000), ["N"] * 100_000)
    tracemalloc.start()
    assert marks.without_data({SKIPPED}) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000  # a list of their rows would take 3.6 MB
