from __future__ import annotations

from pathlib import Path

import numpy as np
import pyedflib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physiolect.errors import FormatError
from physiolect.formats import read_recording, write_recording
from physiolect.recording import Annotations, Recording


def a_recording(n_samples: int, fs: float, *, gaps: bool = False, unit: str = "mV") -> Recording:
    time = np.arange(n_samples) / fs
    signal = np.stack([np.sin(9 * time), 1234.5 + 3 * np.cos(5 * time)]).astype(np.float32)
    if gaps:
        signal[:, 3:6] = signal[0, 8:12] = signal[1, -2:] = np.nan
    marks = Annotations([1, n_samples // 2, n_samples - 1], ("N", "+", "é"), ("", "(AFIB", ""))
    return Recording(signal, fs, ("II", "PLETH"), (unit, "au"), annotations=marks)


@pytest.mark.parametrize("suffix", [".edf", ".bdf"])
@given(
    n_samples=st.integers(13, 3000),
    fs=st.sampled_from([1.0, 12.5, 25, 64, 100, 128, 250, 360, 500, 512, 513.6, 1000, 1000 / 3, 31.25, 4096]),
    gaps=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_what_is_written_comes_back(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, n_samples: int, fs: float, gaps: bool
) -> None:
    recording = a_recording(n_samples, fs, gaps=gaps)
    path = tmp_path_factory.mktemp("w") / f"x{suffix}"
    write_recording(recording, path)
    back = read_recording(path)
    assert (back.fs, back.n_samples) == (pytest.approx(fs, rel=1e-7), n_samples)
    assert (back.channels, back.units) == (recording.channels, recording.units)
    assert back.notices == ()
    steps = 2 ** (24 if suffix == ".bdf" else 16) - 1
    for own, other in zip(back.signal, recording.signal, strict=True):
        np.testing.assert_array_equal(np.isnan(own), np.isnan(other))
        width = max(
            np.nanmax(other) - np.nanmin(other), 0.003
        )  # eight characters hold three decimals of 1234.567
        assert np.nanmax(np.abs(own - other)) <= 0.8 * width / steps + np.nanmax(np.abs(other)) * 1.3e-7
    assert back.annotations.sample.tolist() == recording.annotations.sample.tolist()
    assert back.annotations.symbol == ("N", "+ (AFIB", "é")
    with pyedflib.EdfReader(str(path)) as reader:
        assert [label.strip() for label in reader.getSignalLabels()] == ["II", "PLETH"]
        assert reader.getSampleFrequencies().tolist() == [back.fs, back.fs]
        for row, own in enumerate(back.signal):
            theirs = reader.readSignal(row).astype(np.float32)[:n_samples]
            np.testing.assert_array_equal(theirs[~np.isnan(own)], own[~np.isnan(own)])
        onsets, _, texts = reader.readAnnotations()
        kept = [(round(t * fs), text) for t, text in zip(onsets, texts, strict=True) if "SKIP" not in text]
        assert kept == list(zip(back.annotations.sample.tolist(), back.annotations.symbol, strict=True))


def test_many_annotations_and_a_dead_channel(tmp_path: Path) -> None:
    marks = Annotations(np.arange(0, 2500, 2), ("N",) * 1250, ("a longer note",) * 1250)
    signal = np.stack([np.arange(2500.0), np.full(2500, np.nan), np.full(2500, 7.0)])
    write_recording(Recording(signal, 250, ("II", "V5", "aVR"), "uV", annotations=marks), tmp_path / "x.edf")
    back = read_recording(tmp_path / "x.edf")
    np.testing.assert_allclose(back.signal, signal, atol=0.02)
    assert back.annotations.sample.tolist() == marks.sample.tolist()
    with pyedflib.EdfReader(str(tmp_path / "x.edf")) as reader:
        assert len(reader.readAnnotations()[0]) == 1251


def test_nothing_of_a_person_or_a_place_is_written(tmp_path: Path) -> None:
    recording = Recording(np.arange(500.0), 250, ("II",), "mV", source="/home/jane/jane_doe_1970.csv")
    write_recording(recording, tmp_path / "x.edf")
    assert b"jane" not in (tmp_path / "x.edf").read_bytes()
    with pyedflib.EdfReader(str(tmp_path / "x.edf")) as reader:
        assert (reader.getPatientName(), reader.getPatientCode(), reader.getBirthdate()) == ("X", "", "")


@pytest.mark.parametrize(
    ("recording", "told"),
    [
        (
            Recording(np.arange(9.0), 250, ("a name of many letters",)),
            "cannot hold the name 'a name of many letters'",
        ),
        (Recording(np.arange(9.0), 250, ("Précord",)), "cannot hold the name"),
        (Recording(np.arange(9.0), 250, ("II",), "beats a minute"), "cannot hold the unit"),
        (Recording(np.arange(9.0) * 1e9, 250, ("II",)), "do not fit EDF's header"),
        (Recording(np.arange(9.0) * 1e-9, 250, ("II",), "V"), "do not fit EDF's header"),
        (Recording(np.arange(9.0), np.pi * 1e9, ("II",)), "cannot state 3.14159e\\+09 Hz exactly"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, recording: Recording, told: str) -> None:
    with pytest.raises(FormatError, match=told) as caught:
        write_recording(recording, tmp_path / "x.edf")
    assert caught.value.hint
    assert not (tmp_path / "x.edf").exists()
