from __future__ import annotations

import socket
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from physiolect.errors import FormatError
from physiolect.formats import read_recording, read_recordings
from physiolect.formats.hospital import sierra

NOTE = '"'


def notes_of(recording) -> list[str]:  # type: ignore[no-untyped-def]
    return [note for _, symbol, note in recording.annotations if symbol == NOTE]


def test_muse_rhythm_in_microvolts_with_the_limb_leads(tmp_path: Path, make: ModuleType) -> None:
    leads = make.make_leads()
    (tmp_path / "x.xml").write_bytes(make.muse(leads))
    recording = read_recording(tmp_path / "x.xml")
    assert (recording.fs, recording.channels, recording.unit, recording.modality) == (
        500,
        make.TWELVE,
        "uV",
        "ecg",
    )
    one, two = leads[0] * 4.88, leads[1] * 4.88
    expected = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2, *(leads[2:] * 4.88)]
    np.testing.assert_allclose(recording.signal, expected, atol=1e-3)
    assert [mark for mark in recording.annotations if mark[1] != NOTE] == [(100, "Q", ""), (300, "Q", "")]


def test_statements_stay_and_persons_do_not(tmp_path: Path, make: ModuleType) -> None:
    (tmp_path / "x.xml").write_bytes(make.muse(make.make_leads()))
    recording = read_recording(tmp_path / "x.xml")
    assert notes_of(recording) == [
        "Sinus rhythm", "When compared with ECG of (date)", "ventricular rate 61 /min", "PR interval 158 ms"
    ]  # fmt: skip
    for word in (make.NAME, make.IDENTITY, "Roe", "1950", "2001"):
        assert word not in repr(list(recording.annotations)) + repr(recording)


def test_a_patient_becomes_a_pseudonym_where_a_key_is_given(tmp_path: Path, make: ModuleType) -> None:
    (tmp_path / "x.xml").write_bytes(make.muse(make.make_leads()))
    told = [notes_of(read_recording(tmp_path / "x.xml", patient_key=key))[0] for key in ("a", "a", "b")]
    assert told[0] == told[1] != told[2]
    assert told[0].startswith("patient ")
    assert len(told[0]) == len("patient ") + 16
    assert make.IDENTITY not in told[0]


@pytest.mark.parametrize("packed", [True, False])
def test_philips_leads_plain_and_packed(tmp_path: Path, make: ModuleType, packed: bool) -> None:
    leads = make.make_leads(12)
    (tmp_path / "x.xml").write_bytes(make.sierra(leads, packed=packed))
    recording = read_recording(tmp_path / "x.xml")
    assert (recording.fs, recording.channels, recording.unit) == (500, make.TWELVE, "uV")
    np.testing.assert_array_equal(recording.signal, leads * 5)
    assert notes_of(recording) == ["Sinus rhythm normal P axis", "ventricular rate 64 /min"]


def test_philips_files_that_state_utf_16_and_are_utf_8(tmp_path: Path, make: ModuleType) -> None:
    text = make.sierra(make.make_leads(12), packed=False).decode("utf-16")
    (tmp_path / "x.xml").write_text(text, encoding="utf-8")
    assert read_recording(tmp_path / "x.xml").channels == make.TWELVE


def test_aecg_rhythm_series(tmp_path: Path, make: ModuleType) -> None:
    leads = make.make_leads()
    (tmp_path / "x.xml").write_bytes(make.aecg(leads))
    recording = read_recording(tmp_path / "x.xml")
    assert (recording.fs, recording.channels, recording.unit) == (500, ("I", "aVR"), "uV")
    np.testing.assert_array_equal(recording.signal, leads[:2] * 2.5 + 10)
    assert notes_of(recording) == ["Sinus rhythm", "ventricular rate 61 bpm"]
    assert read_recording(tmp_path / "x.xml", fs=500, start=0.2, stop=0.4, channels="aVR").n_samples == 100
    with pytest.raises(FormatError, match="states 500 Hz, but fs=250"):
        read_recording(tmp_path / "x.xml", fs=250)


@pytest.mark.parametrize(
    ("digits", "samples"),
    [
        ("\n-3\t4  5\r\n", [-3, 4, 5]),
        ("1.5 -2e1 0", [1.5, -20, 0]),
        ("99999999999999999999 -1 2", [1e20, -1, 2]),  # beyond int64
        ("  ", None),
        ("1 - 2", None),
        ("1 2 -", None),
        ("1-2 3", None),
        ("1 x 3", None),
        ("", None),
    ],
)
def test_aecg_digits(tmp_path: Path, make: ModuleType, digits: str, samples: list[float] | None) -> None:
    text = make.aecg(np.zeros((1, 3), np.int16), ("MDC_ECG_LEAD_I",)).decode()
    (tmp_path / "x.xml").write_text(text.replace("<digits>0 0 0<", f"<digits>{digits}<", 1))
    if samples is None:
        with pytest.raises(FormatError, match="holds no numbers for lead MDC_ECG_LEAD_I"):
            read_recording(tmp_path / "x.xml")
    else:
        signal = read_recording(tmp_path / "x.xml").signal
        np.testing.assert_array_equal(signal, [np.float32(np.array(samples) * 2.5 + 10)])


def test_several_series_are_chosen_by_number(tmp_path: Path, make: ModuleType) -> None:
    text = make.aecg(make.make_leads()).decode()
    series = text[text.index("<component><series>") : text.index("</AnnotatedECG>")]
    (tmp_path / "x.xml").write_text(text.replace(series, series + series.replace("AVR", "V5")))
    assert [found.channels for found in read_recordings(tmp_path / "x.xml")] == [("I", "aVR"), ("I", "V5")]
    assert read_recording(tmp_path / "x.xml", variable="1").channels == ("I", "V5")
    with pytest.raises(FormatError, match="holds 2 series: 0: I, aVR at 500 Hz"):
        read_recording(tmp_path / "x.xml")
    with pytest.raises(FormatError, match="has no '7' among its 2 series"):
        read_recording(tmp_path / "x.xml", variable="7")


def test_the_content_tells_where_the_name_does_not(tmp_path: Path, make: ModuleType) -> None:
    (tmp_path / "export").write_bytes(make.muse(make.make_leads()))
    (tmp_path / "export16").write_bytes(make.sierra(make.make_leads(12), packed=True))
    assert read_recording(tmp_path / "export").fs == read_recording(tmp_path / "export16").fs == 500


def test_xml_whose_name_is_that_of_a_text(tmp_path: Path, make: ModuleType) -> None:
    (tmp_path / "x.txt").write_bytes(make.muse(make.make_leads()))
    assert read_recording(tmp_path / "x.txt").fs == 500


def test_entities_networks_and_depth_are_refused(
    tmp_path: Path, make: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("XML touched the network")

    monkeypatch.setattr(socket, "socket", refuse)
    path = tmp_path / "x.xml"
    (tmp_path / "secret").write_text("secret")
    bomb = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    for document, message in (
        (
            f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a0 "x">{bomb}]><RestingECG>&a9;</RestingECG>',
            "XML entities",
        ),
        (
            f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a SYSTEM "file://{tmp_path}/secret">]><RestingECG>&a;</RestingECG>',
            "XML entities",
        ),
        ("<?xml version='1.0'?>" + "<a>" * 5000, "nested too deeply"),
        ("<?xml version='1.0'?><r>" + "<a/>" * 300_000 + "</r>", "too many elements"),
        ("<?xml version='1.0'?><HealthData></HealthData>", "its root is <HealthData>"),
        ("<?xml version='1.0'?><RestingECG></RestingECG>", "without a rhythm waveform"),
        ("<?xml version='1.0'?><restingecgdata></restingecgdata>", "without a waveform"),
        ("<?xml version='1.0'?><AnnotatedECG></AnnotatedECG>", "without a rhythm series"),
        ("<?xml version='1.0'?><Resting", "not a readable XML file"),
    ):
        path.write_text(document)
        with pytest.raises(FormatError, match=message) as caught:
            read_recording(path)
        assert caught.value.hint


def test_waveforms_that_contradict_themselves_are_refused(tmp_path: Path, make: ModuleType) -> None:
    path = tmp_path / "x.xml"
    whole = make.muse(make.make_leads()).decode("latin-1")
    packed = make.sierra(make.make_leads(12), packed=True).decode("utf-16")
    for document, message in (
        (
            whole.replace("<LeadSampleCountTotal>500<", "<LeadSampleCountTotal>501<", 1),
            "states 501 samples of lead I",
        ),
        (
            whole.replace("<LeadAmplitudeUnitsPerBit>4.88<", "<LeadAmplitudeUnitsPerBit>?<"),
            "does not state the step",
        ),
        (whole.replace("<SampleBase>500<", "<SampleBase><"), "states no sampling rate"),
        (whole.replace("<WaveFormData>", "<WaveFormData>€!"), "not base64"),
        (
            packed.replace('durationperchannel="1000"', 'durationperchannel="2000"'),
            "states 1000 samples a lead",
        ),
        (packed.replace('compression="XLI"', 'compression="ZIP"'), "which is not known"),
        (
            packed.replace('resolution="5"', "").replace("<resolution>5</resolution>", ""),
            "does not state its resolution",
        ),
    ):
        path.write_text(document, encoding="utf-8")
        with pytest.raises(FormatError, match=message):
            read_recording(path)


def test_a_packed_lead_cannot_fill_the_memory(
    tmp_path: Path, make: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sierra, "_MOST_SAMPLES", 10_000)
    flat = np.zeros((12, 1000), np.int16)
    (tmp_path / "x.xml").write_bytes(make.sierra(flat, packed=True))
    with pytest.raises(FormatError, match="unpack to more than"):
        read_recording(tmp_path / "x.xml")


def test_real_files_equal_the_fields_own_readers(data: Path) -> None:
    sierraecg = pytest.importorskip("sierraecg")
    for path in sorted((data / "format_samples" / "philips_sierra_xml").iterdir()):
        ours, theirs = read_recording(path), sierraecg.read_file(str(path))
        assert list(ours.channels) == [lead.label for lead in theirs.leads]
        assert ours.n_samples in (5264, 5300)  # of 5,500: the others are the calibration pulse
        assert any("calibration pulse" in notice for notice in ours.notices)
        for row, lead in zip(ours.signal, theirs.leads, strict=True):
            np.testing.assert_array_equal(row, 5.0 * lead.samples[: len(row)])
    for path in sorted((data / "format_samples" / "muse_xml").iterdir()):
        recording = read_recording(path)
        assert (recording.fs, recording.n_samples, recording.unit, len(recording.channels)) == (
            500,
            5000,
            "uV",
            12,
        )
        rows = dict(zip(recording.channels, recording.signal, strict=True))
        np.testing.assert_allclose(rows["III"], rows["II"] - rows["I"], atol=1e-3)
