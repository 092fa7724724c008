from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from physiolect.errors import FormatError, WriteError
from physiolect.formats import read_recording, write_recording
from physiolect.recording import Annotations, Recording

SAMPLES = st.one_of(st.floats(width=32, allow_infinity=False), st.just(float("nan")))


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    channels, length = draw(st.integers(1, 3)), draw(st.integers(2, 40))
    signal = draw(arrays(np.float32, (channels, length), elements=SAMPLES))
    signal[:, 0] = np.where(np.isnan(signal).all(1), 0, signal[:, 0])  # a channel of NaN alone is refused
    fs = draw(st.one_of(st.integers(1, 5000), st.floats(3, 5000)))
    names = draw(st.permutations(["II", "ECG 1", "a,b", "PLETH (x)", 'quo"ted', "V5", "7"]))[:channels]
    units = draw(
        st.lists(st.sampled_from(["mV", "uV", "au", "MV", "", "%"]), min_size=channels, max_size=channels)
    )
    at = sorted(draw(st.lists(st.integers(0, length - 1), max_size=4)))
    return Recording(
        signal,
        fs,
        tuple(names),
        tuple(unit or None for unit in units),
        annotations=Annotations(at, ("N",) * len(at), ("(AFIB",) * len(at)),
    )


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
@given(recording=recordings())
@settings(max_examples=60, deadline=None)
def test_text_and_arrays_come_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, recording: Recording
) -> None:
    path = tmp_path_factory.mktemp("w") / f"x{suffix}"
    write_recording(recording, path)
    back = read_recording(path)
    np.testing.assert_array_equal(back.signal, recording.signal)
    # text holds times: of two neighbouring rates whose samples fall on the same, it cannot know which it was
    assert back.fs == (pytest.approx(recording.fs, rel=1e-14, abs=0) if suffix == ".csv" else recording.fs)
    assert back.channels == recording.channels
    assert back.units == recording.units
    if suffix == ".npz":
        assert list(back.annotations) == list(recording.annotations)
        assert back.annotations.sample.dtype == np.int64


@given(recording=recordings())
@settings(max_examples=40, deadline=None)
def test_wfdb_comes_back_within_half_a_step(
    tmp_path_factory: pytest.TempPathFactory, recording: Recording
) -> None:
    path = tmp_path_factory.mktemp("w") / "x"
    write_recording(recording, path)
    back = read_recording(path)
    assert (back.fs, back.channels) == (pytest.approx(recording.fs, rel=1e-12), recording.channels)
    assert list(back.annotations) == list(recording.annotations)
    for row, wrote in zip(back.signal.astype(float), recording.signal.astype(float), strict=True):
        np.testing.assert_array_equal(np.isnan(row), np.isnan(wrote))
        largest = np.nanmax(np.abs(wrote))
        step = max(np.ptp(wrote[~np.isnan(wrote)]), largest * 2**-14, 1e-30) / 65534
        assert np.nanmax(np.abs(row - wrote)) <= 0.51 * step + 2**-22 * largest


def test_more_leads_than_samples_come_back(tmp_path: Path) -> None:
    signal = np.random.default_rng(0).standard_normal((64, 50)).astype(np.float32)
    for name in ("x.npz", "x.csv"):
        write_recording(Recording(signal, 100.0), tmp_path / name)
        np.testing.assert_array_equal(read_recording(tmp_path / name).signal, signal)


def test_a_stretch_of_what_was_written(tmp_path: Path, recording: Recording) -> None:
    write_recording(recording, tmp_path / "x.npz")
    part = read_recording(tmp_path / "x.npz", start=0.2, stop=1, channels="V5")
    sliced = recording.slice(0.2, 1).select(["V5"])
    np.testing.assert_array_equal(part.signal, sliced.signal)
    assert list(part.annotations) == list(sliced.annotations)
    assert part.modality == "ecg"


@pytest.mark.parametrize(
    ("name", "message"),
    [("x.mp3", "cannot write '.mp3'"), ("gone/x.csv", "cannot be written"), ("gone/x.npz", "cannot be written"),
     ("gone/x", "does not exist"), ("a b.hea", "cannot name a WFDB record")],
)  # fmt: skip
def test_what_cannot_be_written_is_said(
    tmp_path: Path, recording: Recording, name: str, message: str
) -> None:
    with pytest.raises((FormatError, WriteError), match=message) as caught:
        write_recording(recording, tmp_path / name)
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        (Annotations([1], ("AF",)), "no annotation code of WFDB"),
        (Annotations([1], ("N",), ("é",)), "254 ASCII characters"),
        (Annotations([5, 1], ("N", "N")), "cannot be written"),
    ],
)
def test_annotations_that_wfdb_cannot_hold(tmp_path: Path, annotations: Annotations, message: str) -> None:
    with pytest.raises((FormatError, WriteError), match=message):
        write_recording(Recording(np.zeros(9), 10, annotations=annotations), tmp_path / "x")
    assert not (tmp_path / "x.hea").exists()


def test_two_channels_of_one_name_do_not_fit_wfdb(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="one name"):
        write_recording(Recording(np.zeros((2, 9)), 10, ("a", "a")), tmp_path / "x")


def test_a_failure_leaves_the_old_file(
    tmp_path: Path, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recording(recording, tmp_path / "x.npz")
    before = (tmp_path / "x.npz").read_bytes()

    def fail(file: object, **_: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(KeyboardInterrupt):
        write_recording(recording, tmp_path / "x.npz")
    assert (tmp_path / "x.npz").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]
