"""Stretches of a recording, put together, are the recording, in every format that is read in stretches."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest

from physiolect.formats import read_every_rate, read_recording, read_stretches, write_recording
from physiolect.formats.request import Request
from physiolect.recording import Annotations, Recording

N = 5000


@pytest.fixture
def whole() -> Recording:
    """Three leads with a gap, of which one is missing for longer than a stretch, and marks."""
    rng = np.random.default_rng(0)
    signal = (rng.integers(-400, 400, (3, N)) * 0.005).astype(np.float32)
    signal[1, 10:14] = signal[2, 500:2600] = np.nan
    marks = Annotations(np.arange(7, N, 210), tuple("NV"[k % 2] for k in range(24)))
    return Recording(signal, 250.0, ("I", "II", "V1"), "mV", "ecg", marks)


def assert_equal(parts: list[Recording], whole: Recording) -> None:
    """Stretches are the whole: samples, marks, names and units."""
    np.testing.assert_array_equal(np.concatenate([part.signal for part in parts], axis=1), whole.signal)
    at = np.cumsum([0, *(part.n_samples for part in parts)])
    marks = [
        (sample + int(begin), *rest)
        for part, begin in zip(parts, at, strict=False)
        for sample, *rest in part.annotations
    ]
    assert marks == list(whole.annotations)
    for part in parts:
        assert (part.fs, part.channels, part.units, part.modality, part.source) == (
            whole.fs,
            whole.channels,
            whole.units,
            whole.modality,
            whole.source,
        )
        assert part.notices == whole.notices


@pytest.mark.parametrize("name", ["x.edf", "x.bdf", "x.hea", "x.npz", "x.npy", "x.h5"])
def test_the_parts_are_the_whole(tmp_path: Path, whole: Recording, name: str) -> None:
    path = tmp_path / name
    fs = None
    if path.suffix == ".npy":
        np.save(path, whole.signal)
        fs = 250.0
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["signal"], file["fs"] = whole.signal, 250.0
    else:
        write_recording(whole, path)
    parts = list(read_stretches(path, 997, fs=fs))
    assert [part.n_samples for part in parts] == [997] * 5 + [15]
    assert_equal(parts, read_recording(path, fs=fs))
    (one,) = read_stretches(path, N, fs=fs, channels=[2, 0])
    assert_equal([one], read_recording(path, fs=fs, channels=[2, 0]))


def test_a_holter_recording(tmp_path: Path, make: ModuleType) -> None:
    (tmp_path / "x.ecg").write_bytes(make.ishne(make.make_leads()))
    parts = list(read_stretches(tmp_path / "x.ecg", 130))
    assert len(parts) == 4
    assert_equal(parts, read_recording(tmp_path / "x.ecg"))


@pytest.mark.parametrize("layout", ["fixed", "variable"])
def test_a_record_of_segments(segments: Callable[[str], Path], layout: str) -> None:
    path = segments(layout)
    assert_equal(list(read_stretches(path, 70)), read_recording(path))


def test_every_rate_follows_as_a_recording_of_its_own(tmp_path: Path, write_edf: Callable[..., None]) -> None:
    path = tmp_path / "x.edf"
    write_edf(path, (250, 100))
    found = list(read_stretches(path, 90, every_rate=True))
    first, second = read_every_rate(path)
    n = -(-first.n_samples // 90)
    assert_equal(found[:n], first)
    assert_equal(found[n:], second)


def test_many_channels_make_shorter_stretches() -> None:
    want = Request(stretch=1 << 20)
    for n_channels, length in ((1, 1 << 20), (64, 1 << 18), (5000, 1 << 16)):
        spans = list(want.spans(1 << 21, 250.0, Path("x"), n_channels))
        assert spans[0] == (0, length)
        assert spans[-1][1] == 1 << 21
        assert all(one[1] == other[0] for one, other in pairwise(spans))
    assert list(Request(start=1, stop=5).spans(2000, 250.0, Path("x"), 5000)) == [(250, 1250)]
