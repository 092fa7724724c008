from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

from physiolect.errors import FormatError
from physiolect.formats import (
    list_recordings,
    read_every_rate,
    read_recording,
    read_recordings,
    write_annotations,
    write_recording,
)
from physiolect.formats.wfdb_annotations import read_annotations
from physiolect.recording import Annotations, Recording


@pytest.fixture
def record(recording: Recording, tmp_path: Path) -> Path:
    write_recording(recording, tmp_path / "r1")
    return tmp_path / "r1"


@pytest.mark.parametrize("suffix", ["", ".hea", ".dat", ".atr"])
def test_a_record_is_read_by_any_of_its_names(record: Path, suffix: str, recording: Recording) -> None:
    back = read_recording(f"{record}{suffix}")
    assert (back.channels, back.unit, back.fs, back.modality) == (("II", "V5"), "mV", 250, "ecg")
    assert list(back.annotations) == list(recording.annotations)
    assert np.array_equal(np.isnan(back.signal), np.isnan(recording.signal))
    for row, wrote in zip(back.signal, recording.signal, strict=True):
        step = np.ptp(wrote[~np.isnan(wrote)]) / 65534
        assert np.nanmax(np.abs(row - wrote)) <= 0.51 * step


def test_a_stretch_equals_the_slice_of_the_whole(record: Path) -> None:
    whole, part = (
        read_recording(record),
        read_recording(record, start=0.3, stop=1.7, channels=["V5", "ECG II"]),
    )
    sliced = whole.slice(0.3, 1.7).select(["V5", "II"])
    np.testing.assert_array_equal(part.signal, sliced.signal)
    assert list(part.annotations) == list(sliced.annotations)
    assert part.channels == ("V5", "II")


def test_a_channel_may_be_asked_for_twice(record: Path) -> None:
    twice = read_recording(record, channels=[1, 0, 1])
    np.testing.assert_array_equal(twice.signal[0], twice.signal[2])
    assert twice.channels == ("V5", "II", "V5")


@pytest.mark.parametrize("layout", ["fixed", "variable"])
def test_segments_are_joined_and_gaps_are_nan(segments: Callable[[str], Path], layout: str) -> None:
    path = segments(layout)
    joined = read_recording(path)
    piece = read_recording(path.with_name("m_2"))
    assert joined.signal.shape == (2, 250)
    assert np.isnan(joined.signal[:, 100:150]).all()
    assert np.isnan(joined.signal[1, :100]).all() == (layout == "variable")
    np.testing.assert_array_equal(joined.signal[:, 150:], piece.signal)
    part = read_recording(path, start=0.2, stop=0.8)
    np.testing.assert_array_equal(part.signal, joined.signal[:, 50:200])


@pytest.mark.parametrize("layout", ["fixed", "variable"])
def test_a_folder_holds_a_record_of_segments_once(segments: Callable[[str], Path], layout: str) -> None:
    path = segments(layout)
    assert list_recordings(path.parent) == [path.with_name("m.hea")]


def test_a_segment_in_itself_is_refused(segments: Callable[[str], Path]) -> None:
    path = segments("fixed").with_suffix(".hea")
    path.write_text("m/2 2 250 200\nm 100\nm 100\n")
    with pytest.raises(FormatError):
        read_recording(path)


def test_a_record_of_almost_nothing_but_gaps_is_refused(segments: Callable[[str], Path]) -> None:
    path = segments("fixed").with_suffix(".hea")
    path.write_text("m/2 2 250 1000000100\nm_1 100\n~ 1000000000\n")
    with pytest.raises(FormatError, match="states 1000000100 samples, but its segments hold 100"):
        read_recording(path)
    assert read_recording(path, stop=0.4).n_samples == 100


def test_several_samples_a_frame(tmp_path: Path) -> None:
    frames = np.arange(60, dtype="<i2").reshape(10, 6)  # five of A and one of B a frame
    (tmp_path / "f.dat").write_bytes(frames.tobytes())
    (tmp_path / "f.hea").write_text(
        "f 2 50 10\nf.dat 16x5 1(0)/mV 16 0 0 0 0 A\nf.dat 16 1(0)/mV 16 0 0 0 0 B\n"
    )
    both = read_recording(tmp_path / "f")
    assert both.fs == 50
    np.testing.assert_allclose(both.signal[0], frames[:, :5].mean(1), atol=0.5)
    np.testing.assert_array_equal(both.signal[1], frames[:, 5])
    alone = read_recording(tmp_path / "f", channels=["A"], start=0.04)
    assert alone.fs == 250
    np.testing.assert_array_equal(alone.signal[0], frames[2:, :5].reshape(-1))


@pytest.mark.parametrize("spelling", ["µV", "μV", "uV"])
def test_microvolts_stay_microvolts(tmp_path: Path, spelling: str) -> None:
    (tmp_path / "u.dat").write_bytes(np.arange(10, dtype="<i2").tobytes())
    (tmp_path / "u.hea").write_text(f"u 1 100 10\nu.dat 16 1(0)/{spelling} 16 0 0 0 0 II\n", encoding="utf-8")
    assert read_recording(tmp_path / "u").unit == "uV"


@pytest.mark.parametrize(
    ("calibration", "unit"),
    [
        ("", None),
        (" 0", None),
        (" 0.0(5)/mV", None),
        (" 200", "mV"),
        (" 1e3(0)", "mV"),
        (" 200/?", None),
        (" 200/NU", "NU"),
        (" .5/mmHg", "mmHg"),
    ],
)
def test_a_signal_without_a_gain_is_uncalibrated(tmp_path: Path, calibration: str, unit: str | None) -> None:
    (tmp_path / "u.dat").write_bytes(np.arange(10, dtype="<i2").tobytes())
    (tmp_path / "u.hea").write_text(f"u 1 100 10\nu.dat 16{calibration}\n")
    assert read_recording(tmp_path / "u").unit == unit


def test_an_unknown_unit_stays_unknown(tmp_path: Path) -> None:
    wrote = Recording(np.arange(20.0).reshape(2, 10), 100, ("II", "PLETH"), (None, "NU"))
    write_recording(wrote, tmp_path / "u")
    assert read_recording(tmp_path / "u").units == (None, "NU")


def test_a_channel_calibrated_in_one_segment_alone_is_refused(segments: Callable[[str], Path]) -> None:
    path = segments("fixed")
    second = path.with_name("m_2.hea")
    second.write_text(re.sub(r" 16 \S+", " 16 0", second.read_text()))
    with pytest.raises(FormatError, match="from mV to an unknown one"):
        read_recording(path)


def test_a_header_without_a_rate_needs_one(tmp_path: Path) -> None:
    (tmp_path / "u.dat").write_bytes(np.arange(10, dtype="<i2").tobytes())
    (tmp_path / "u.hea").write_text("u 1\nu.dat 16 1(0)/mV 16 0 0 0 0 II\n")
    with pytest.raises(FormatError, match="states no sampling rate"):
        read_recording(tmp_path / "u")
    assert read_recording(tmp_path / "u", fs=100).duration == 0.1


def test_wrong_things_say_what_and_what_to_do(record: Path) -> None:
    header, signal = record.with_suffix(".hea"), record.with_suffix(".dat")
    text, samples = header.read_text(), signal.read_bytes()

    def refused(match: str, **keywords: object) -> None:
        with pytest.raises(FormatError, match=match) as caught:
            read_recording(record, **keywords)  # type: ignore[arg-type]
        assert caught.value.hint

    refused("states 250 Hz, but fs=500 was given", fs=500)
    refused("does not lie in .* which lasts 2 s", start=1, stop=3)
    refused("does not lie in", start=float("nan"))
    refused("no channel named 'V6'", channels=["V6"])
    refused("channels is empty", channels=[])
    refused("has no variables", variable="x")
    signal.write_bytes(samples[:-40])
    refused("truncated: it holds 490 of the 500 samples")
    signal.unlink()
    refused("a header without its signal: r1.dat")
    signal.write_bytes(samples)
    header.write_text(text.replace("r1 2 250", "r1 3 250"))
    refused("states 3 signals and lists 2")
    header.write_text(text.replace("r1 2 250", "r1 2 0"))
    refused("is 0 Hz")
    header.write_text(text.replace("r1.dat 16", "r1.dat 99"))
    refused("in format 99")
    header.write_text(text.replace(" 500\n", " 99999999999999\n", 1))
    refused("truncated")
    header.write_bytes(b"\x00\x01garbage")
    refused("is not a WFDB header")
    header.write_text("")
    refused("is not a WFDB header")
    header.unlink()
    with pytest.raises(FormatError, match=r"has no header r1\.hea"):
        read_recording(signal)


def words(*pairs: tuple[int, int]) -> bytes:
    return np.array([code << 10 | value for code, value in pairs], "<u2").tobytes()


def note(text: str) -> bytes:
    return words((22, 0), (63, len(text))) + text.encode() + b"\x00" * (len(text) % 2)


def test_annotations_may_define_their_own_rate_and_codes(record: Path) -> None:
    definitions = [
        "## time resolution: 1000",
        "## annotation type definitions",
        "45 X a spike",
        "## end of definitions",
    ]
    marks = words((1, 400), (45, 100), (59, 0)) + b"\x01\x00\x00\x00" + words((1, 0), (0, 0))
    record.with_suffix(".atr").write_bytes(b"".join(map(note, definitions)) + marks)
    found = read_recording(record).annotations
    # counted at 1000 Hz over a record at 250 Hz; the third mark lies far behind its end
    assert list(found) == [(100, "N", ""), (125, "X", "")]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:wfdb")
def test_annotations_equal_those_of_the_wfdb_library(data: Path) -> None:
    import wfdb

    for path in (data / "mitdb" / "203", data / "cinc" / "cpsc2021" / "data_21_7"):
        theirs, ours = wfdb.rdann(str(path), "atr"), read_recording(path).annotations
        np.testing.assert_array_equal(ours.sample, theirs.sample)
        assert ours.symbol == tuple(theirs.symbol)
        assert ours.note == tuple(text.strip("\x00") for text in theirs.aux_note)


def test_a_dead_channel_refuses_nothing_but_itself(tmp_path: Path) -> None:
    signal = np.vstack([np.arange(10.0), np.full(10, np.nan)])
    write_recording(Recording(signal, 100, ("II", "V5")), tmp_path / "d")
    assert read_recording(tmp_path / "d").notices == ("no valid sample in channel V5",)
    assert read_recording(tmp_path / "d", channels=["II"]).notices == ()
    with pytest.raises(FormatError, match=r"channel 'V5' of .* has no valid sample"):
        read_recording(tmp_path / "d", channels=["II", "V5"])


def test_a_missing_file_costs_its_own_channels_alone(tmp_path: Path) -> None:
    write_recording(Recording(np.arange(10.0), 100, ("II",)), tmp_path / "d")
    header = (tmp_path / "d.hea").read_text().replace("d 1 ", "d 2 ")
    (tmp_path / "d.hea").write_text(header + "gone.dat 16 200/mV 16 0 0 0 0 V5\n")
    recording = read_recording(tmp_path / "d")
    assert recording.channels == ("II",)
    assert recording.notices == ("left out V5: gone.dat is not beside the header",)
    with pytest.raises(FormatError, match=r"gone\.dat is not beside it"):
        read_recording(tmp_path / "d", channels="V5")


def write_frames(folder: Path, name: str, first: str = "II", second: str = "ABP") -> None:
    """Write ten frames of four samples of one signal and one of another; sample 5 and all of frame 3 are invalid."""
    frames = np.arange(50, dtype="<i2").reshape(10, 5)
    frames[1, 1] = frames[3, :] = -32768
    (folder / f"{name}.dat").write_bytes(frames.tobytes())
    (folder / f"{name}.hea").write_text(
        f"{name} 2 50 10\n{name}.dat 16x4 1(0)/mV 16 0 0 0 0 {first}\n{name}.dat 16 1(0)/mmHg 16 0 0 0 0 {second}\n"
    )


def test_invalid_samples_of_a_frame_are_no_voltage(tmp_path: Path) -> None:
    write_frames(tmp_path, "f")
    both = read_recording(tmp_path / "f", channels=["II", "ABP"])
    assert both.fs == 50
    assert both.notices == ("averaged down to 50 Hz: II 200 Hz; one channel alone keeps its rate",)
    np.testing.assert_allclose(both.signal[0, :4], [1.5, (5 + 7 + 8) / 3, 11.5, np.nan], rtol=1e-6)
    assert np.isnan(both.signal[1, 3])
    alone = read_recording(tmp_path / "f", channels="II")
    assert alone.fs == 200
    assert np.flatnonzero(np.isnan(alone.signal[0])).tolist() == [5, 12, 13, 14, 15]


def test_an_ecg_keeps_its_own_rate(tmp_path: Path) -> None:
    write_frames(tmp_path, "f")
    recording = read_recording(tmp_path / "f")
    assert (recording.fs, recording.channels, recording.n_samples) == (200, ("II",), 40)
    assert recording.notices == ("read II at 200 Hz; channels of other rates are left out: ABP (50 Hz)",)
    assert read_recording(tmp_path / "f", channel="ABP").fs == 50
    assert [part.fs for part in read_every_rate(tmp_path / "f")] == [200, 50]


def test_an_ecg_keeps_its_own_rate_in_segments(tmp_path: Path) -> None:
    write_frames(tmp_path, "a")
    write_frames(tmp_path, "b")
    (tmp_path / "m.hea").write_text("m/3 2 50 25\na 10\n~ 5\nb 10\n")
    whole, segment = read_recording(tmp_path / "m"), read_recording(tmp_path / "a")
    assert (whole.fs, whole.channels, whole.n_samples) == (200, ("II",), 100)
    np.testing.assert_array_equal(whole.signal[:, :40], segment.signal)
    np.testing.assert_array_equal(whole.signal[:, 60:], segment.signal)
    assert np.isnan(whole.signal[:, 40:60]).all()
    part = read_recording(tmp_path / "m", start=0.1, stop=0.4)
    np.testing.assert_array_equal(part.signal, whole.slice(0.1, 0.4).signal)
    assert read_recording(tmp_path / "m", channels="ABP").fs == 50


def test_a_stretch_keeps_the_rate_of_a_channel_that_its_segments_lack(tmp_path: Path) -> None:
    write_frames(tmp_path, "b")
    (tmp_path / "a.dat").write_bytes(np.arange(10, dtype="<i2").tobytes())
    (tmp_path / "a.hea").write_text("a 1 50 10\na.dat 16 1(0)/mmHg 16 0 0 0 0 ABP\n")
    (tmp_path / "o.hea").write_text("o 2 50 0\n~ 0x4 1(0)/mV 0 0 0 0 0 II\n~ 0 1(0)/mmHg 0 0 0 0 0 ABP\n")
    (tmp_path / "m.hea").write_text("m/3 2 50 20\no 0\na 10\nb 10\n")
    whole = read_recording(tmp_path / "m")
    assert (whole.fs, whole.channels, whole.n_samples) == (200, ("II",), 80)
    with pytest.raises(FormatError, match=r"channel 'II' of .* has no valid sample"):
        read_recording(tmp_path / "m", stop=0.2)  # the pressure alone is no ECG


def test_annotators(record: Path) -> None:
    read = partial(read_recording, record)
    assert read().notices == ()
    record.with_suffix(".st").write_bytes(words((1, 10), (0, 0)))
    record.with_suffix(".qrs").write_bytes(words((1, 200), (0, 0)))
    assert read().notices == ("the annotations are those of r1.atr; there are also qrs, st (annotator)",)
    assert list(read(annotator="st").annotations) == [(10, "N", "")]
    assert read(annotator=["qrs", "st"]).annotations.sample.tolist() == [10, 200]
    assert read(annotator=()).annotations.sample.tolist() == []
    record.with_suffix(".own").write_bytes(words((5, 7), (0, 0)))
    assert list(read(annotator="own").annotations) == [(7, "V", "")]
    record.with_suffix(".atr").unlink()
    assert read().annotations.sample.tolist() == [200]
    record.with_suffix(".qrs").rename(record.with_suffix(".ecg"))
    assert "those of r1.ecg; there are also st" in read().notices[0]
    record.with_suffix(".ecg").write_bytes(b"ISHNE1.0" + b"\x01" * 600)  # a Holter recording
    assert not len(read().annotations)
    for name in ("atr", "../st", ""):
        with pytest.raises(FormatError, match="there is no annotation file") as caught:
            read(annotator=name)
        assert caught.value.hint
        assert "st" in caught.value.hint


def test_an_annotation_file_stands_for_its_record(record: Path) -> None:
    record.with_suffix(".ecg").write_bytes(words((1, 10), (0, 0)))
    assert read_recording(record.with_suffix(".ecg")).n_samples == read_recording(record).n_samples
    assert list_recordings(record.parent) == [record.with_suffix(".hea")]


@given(content=st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_as_annotations(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.atr"
    path.write_bytes(content)
    found = read_annotations(path, {1: "N"})
    assert (found.marks.sample >= 0).all()
    assert (np.diff(found.marks.sample) >= 0).all()


def test_damaged_annotations_give_the_part_before(record: Path) -> None:
    whole = list(read_recording(record).annotations)
    content = record.with_suffix(".atr").read_bytes()
    back = words((1, 5), (59, 0)) + b"\xff\xff\x00\x00" + words((1, 0), (0, 0))
    for damaged, marks, told in (
        (content[:-2], whole, "is cut short"),
        (b"\x05\x04\xff", [(5, "N", "")], "is cut short"),
        (words((1, 5), (59, 0)), [(5, "N", "")], "is cut short"),
        (b"\xff", [], "is cut short"),
        (back, [(5, "N", "")], "a mark at an impossible time"),
    ):
        record.with_suffix(".atr").write_bytes(damaged)
        recording = read_recording(record)
        assert list(recording.annotations) == marks
        assert told in recording.notices[0]
        assert f"the {len(marks)} marks before that are read" in recording.notices[0]


def test_an_annotation_file_is_bounded(record: Path) -> None:
    with record.with_suffix(".atr").open("wb") as file:
        file.truncate(3 << 30)  # no byte of it is on the disk
    recording = read_recording(record)
    assert not len(recording.annotations)
    assert "is too large for annotations (3,072 MiB)" in recording.notices[0]


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("x 1 250 3\n. 16 1000 16 0 0 0 0 II\n", r"x\.hea names the file '\.'"),
        ("x 1 250 3\n.. 16 1000 16 0 0 0 0 II\n", r"names the file '\.\.'"),
        ("x 1 250 3\n../x.dat 16 1000 16 0 0 0 0 II\n", "cannot lie beside it"),
        ("x 1 250 3\n/etc/passwd 16 1000 16 0 0 0 0 II\n", "cannot lie beside it"),
        ("x 1 250 3\na\x1bb.dat 16 1000/mV 16 0 0 0 0 II\n", r"names the file 'a\\x1bb\.dat'"),
        ("x/2000 1 250 6000\n" + "y 3\n" * 2000, "lists its segments many times over: 6000 samples out of 3"),
        ("x 40000 250 1\n" + "x.dat 16 1/mV 0 0 0 0 0 a\n" * 40000, "lists 40,000 signals"),
    ],
)
def test_headers_that_would_cost_or_lead_astray(tmp_path: Path, header: str, told: str) -> None:
    (tmp_path / "x.hea").write_text(header)
    (tmp_path / "x.dat").write_bytes(bytes(80_000))
    (tmp_path / "y.hea").write_text("y 1 250 3\nx.dat 16 1000/mV 16 0 0 0 0 II\n")
    with pytest.raises(FormatError, match=told) as caught:
        read_recording(tmp_path / "x")
    assert caught.value.hint


def test_control_characters_of_names_are_escaped(tmp_path: Path) -> None:
    (tmp_path / "x.dat").write_bytes(np.arange(30, dtype="<i2").tobytes())
    (tmp_path / "x.hea").write_text("x 1 250 30\nx.dat 16 1000/mV 16 0 0 0 0 II\x1b]0;pwned\x07\x1b[2J\n")
    assert read_recording(tmp_path / "x").channels == ("II\\x1b]0;pwned\\x07\\x1b[2J",)


def test_remote_addresses_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "x::http:" / "example.org"
    folder.mkdir(parents=True)
    write_recording(Recording(np.arange(10.0), 100, ("II",)), tmp_path / "r")
    for suffix in (".hea", ".dat"):
        (tmp_path / f"r{suffix}").rename(folder / f"r{suffix}")
    with pytest.raises(FormatError, match="not a plain path"):
        read_recording(folder / "r")
    with pytest.raises(FormatError, match="there is no file"):
        read_recording("s3://bucket/100")


def test_real_records(data: Path) -> None:
    whole = read_recording(data / "mitdb" / "100")
    assert (whole.fs, whole.channels, whole.unit, whole.n_samples) == (360, ("MLII", "V5"), "mV", 650_000)
    assert len(whole.annotations) == 2274
    assert whole.annotations.note[0] == "(N"
    np.testing.assert_allclose(whole.signal[0, :3], -0.145, atol=1e-6)
    part = read_recording(data / "mitdb" / "100", start=600, stop=610, channels="II")
    np.testing.assert_array_equal(part.signal, whole.slice(600, 610).signal[:1])
    samples = data / "wfdb_samples"
    assert read_recording(samples / "a103l").channels == ("II", "V", "PLETH")
    assert read_recording(samples / "a103l.mat", channels="PLETH").modality == "ppg"
    monitor = read_recording(samples / "03700181")
    assert (monitor.fs, monitor.channels) == (500, ("MCL1",))
    assert read_recording(samples / "03700181", channels=["MCL1", "ABP"]).fs == 125
    assert read_recording(samples / "03700181", channels="MCL1").fs == 500
    assert read_recording(samples / "test01_00s").modality == "ecg"
    assert read_recording(samples / "v102s").units == ("mV", "mV", "NU", "NU")
    assert read_recording(samples / "s0010_re", channels=["II", "V5"]).channels == ("ii", "v5")
    with pytest.raises(FormatError, match="header without its signal"):
        read_recording(samples / "1003")


def test_real_folders(data: Path) -> None:
    found = list(read_recordings(data / "cinc" / "cinc2021", stop=1))
    assert len(found) == 50
    assert all(r.fs == 500 and r.channels[1] == "II" and r.modality == "ecg" for r in found)
    beats = [len(r.annotations) for r in read_recordings(data / "cinc" / "cpsc2021")]
    assert len(beats) == 18
    assert min(beats) > 0
    assert len(list_recordings(data / "mitdb")) == 48


def test_annotations_alone_are_read_by_wfdb(tmp_path: Path) -> None:
    marks = Annotations([5, 70_000, 70_010], ("+", "N", '"'), ("(AFIB", "low", "not judged: flat"))
    write_annotations(marks, 360.0, tmp_path / "found.qrs")
    read = wfdb.rdann(str(tmp_path / "found"), "qrs")
    assert (read.fs, read.sample.tolist(), read.symbol) == (360, [5, 70_000, 70_010], ["+", "N", '"'])
    assert [note.strip("\x00") for note in read.aux_note] == ["(AFIB", "low", "not judged: flat"]
    write_annotations(marks.window(0, 10), 360.0, tmp_path / "found.qrs")
    assert len(wfdb.rdann(str(tmp_path / "found"), "qrs").sample) == 1


@pytest.mark.parametrize(
    ("name", "marks", "told"),
    [
        ("a b.qrs", Annotations([1], ("N",)), "cannot name"),
        ("beats", Annotations([1], ("N",)), "cannot name"),
        ("beats.qrs", Annotations(), "no mark"),
        ("beats.qrs", Annotations([1], ("beat",)), "no annotation code"),
        ("beats.qrs", Annotations([1], ("N",), ("ä",)), "ASCII"),
        ("gone/beats.qrs", Annotations([1], ("N",)), "does not exist"),
    ],
)
def test_annotations_that_cannot_be_written(tmp_path: Path, name: str, marks: Annotations, told: str) -> None:
    with pytest.raises(FormatError, match=told):
        write_annotations(marks, 100.0, tmp_path / name)
