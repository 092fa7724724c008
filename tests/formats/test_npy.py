from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from physiolect.errors import FormatError
from physiolect.formats import read_recording, read_recordings


class Hostile:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize(
    ("shape", "found"),
    [((500,), (1, 500)), ((1, 500), (1, 500)), ((500, 3), (3, 500)), ((12, 500), (12, 500))],
)
def test_the_longer_axis_is_time(tmp_path: Path, shape: tuple[int, ...], found: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).standard_normal(shape)
    np.save(tmp_path / "x.npy", array)
    recording = read_recording(tmp_path / "x.npy", fs=100)
    assert recording.signal.shape == found
    np.testing.assert_array_equal(
        recording.signal.reshape(-1),
        array.astype(np.float32).reshape(found[::-1]).T.reshape(-1)
        if shape == (500, 3)
        else array.astype(np.float32).reshape(-1),
    )


def test_a_stretch_and_channels(tmp_path: Path) -> None:
    array = np.arange(600, dtype=np.int16).reshape(3, 200)
    np.save(tmp_path / "x.npy", array)
    part = read_recording(tmp_path / "x.npy", fs=100, channels=[2, "ch1"], start=0.5, stop=1)
    np.testing.assert_array_equal(part.signal, array[[2, 0], 50:100])


def test_records_in_a_matrix_or_cube_are_many(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(40 * 50).reshape(40, 50))
    np.save(tmp_path / "b.npy", np.arange(4 * 2 * 50).reshape(4, 2, 50))
    for name, count in (("a", 40), ("b", 4)):
        with pytest.raises(FormatError, match=f"{count} recordings"):
            read_recording(tmp_path / f"{name}.npy", fs=10)
        assert len(list(read_recordings(tmp_path / f"{name}.npy", fs=10))) == count
    assert [
        r.source.endswith(f"b.npy[{i}]") for i, r in enumerate(read_recordings(tmp_path / "b.npy", fs=10))
    ]


def test_any_npz_by_its_variable(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", wave=np.zeros(100), labels=np.ones(3), sampling_rate=250)
    with pytest.raises(FormatError, match="several variables: wave 100, labels 3"):
        read_recording(tmp_path / "x.npz")
    assert read_recording(tmp_path / "x.npz", variable="wave").fs == 250
    with pytest.raises(FormatError, match="no numeric variable 'wav'") as caught:
        read_recording(tmp_path / "x.npz", variable="wav")
    assert "did you mean 'wave'" in str(caught.value.hint)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def lying(shape: str) -> bytes:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + b"\x00" * 40


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (npy(np.array([1, "a", None], object)), "Python objects, which are never loaded"),
        (npy(np.array(["a", "b"])), "not real numbers"),
        (npy(np.zeros(5, complex)), "not real numbers"),
        (npy(np.zeros(0)), "which is no signal"),
        (npy(np.zeros((2, 2, 2, 2))), "which is no signal"),
        (npy(np.zeros(500))[:-8], "truncated or damaged"),
        (npy(np.zeros(500))[:20], "not a readable NPY"),
        (npy(np.full(5, np.nan)), "has no valid sample"),
        (lying("(1000000000000,)"), "promises 4000000000000 bytes"),
        (lying("(-5, -2)"), "truncated or damaged"),
        (lying("(10, 10**9)"), "not a readable NPY"),
        (b"text, not numbers", "not a readable NPY"),
    ],
)
def test_wrong_things_say_what_and_what_to_do(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(FormatError, match=message) as caught:
        read_recording(tmp_path / "x.npy", fs=100)
    assert caught.value.hint


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    for name, content in (
        ("a.npy", npy(np.array([Hostile(mark)], object))),
        ("b.npy", pickle.dumps(Hostile(mark))),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FormatError):
            read_recording(tmp_path / name, fs=100)
    np.savez(tmp_path / "c.npz", signal=np.array([Hostile(mark)], object))
    with pytest.raises(FormatError):
        read_recording(tmp_path / "c.npz", fs=100)
    assert not mark.exists()


def test_a_member_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("signal.npy", lying("(1000000000000,)"))
    with pytest.raises(FormatError, match="promises 4000000000000 bytes"):
        read_recording(tmp_path / "x.npz", fs=100)


def test_annotations_of_unequal_columns_are_refused(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "x.npz",
        signal=np.zeros((1, 9)),
        fs=10.0,
        channels=np.array(["II"]),
        annotation_sample=[1, 2],
    )
    with pytest.raises(FormatError, match="unequal columns"):
        read_recording(tmp_path / "x.npz")
