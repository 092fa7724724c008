"""Named arrays of MAT, HDF5 and NPZ files: which is the signal, at which rate, and what is refused unread."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from physiolect.errors import FormatError
from physiolect.formats import read_recording, read_recordings

Writer = Callable[..., None]
RNG = np.random.default_rng(0)


def cells(*items: object) -> np.ndarray:
    array = np.empty((1, len(items)), object)
    for i, item in enumerate(items):
        array[0, i] = item
    return array


def test_hdf5_of_other_programs_keeps_its_axes(tmp_path: Path) -> None:
    import h5py

    exams = RNG.standard_normal((5, 512, 12)).astype("f4")
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["exam_id"], file["tracings"], file["fs"] = np.arange(5), exams, 400.0
    read = list(read_recordings(tmp_path / "x.hdf5", variable="tracings"))
    assert [(r.fs, r.signal.shape) for r in read] == [(400, (12, 512))] * 5
    np.testing.assert_array_equal([r.signal for r in read], exams.transpose(0, 2, 1))
    with pytest.raises(FormatError, match="several variables") as caught:
        read_recording(tmp_path / "x.hdf5")
    assert "--variable tracings" in str(caught.value.hint)


def test_matlab_7_3_is_reversed(tmp_path: Path, write_mat73: Writer) -> None:
    exams = RNG.standard_normal((5, 3, 64))
    write_mat73(tmp_path / "x.mat", exams=exams, fs=100.0)
    read = list(read_recordings(tmp_path / "x.mat"))
    np.testing.assert_array_equal([r.signal for r in read], exams.astype("f4"))


@pytest.mark.parametrize("where", ["scalar", "vector", "attribute", "root", "outer"])
def test_a_rate_beside_the_data_of_hdf5_is_found(tmp_path: Path, where: str) -> None:
    import h5py

    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("a/b/ecg", data=RNG.standard_normal(100))
        if where in ("scalar", "vector"):
            file["a/b/sampling_rate"] = 250.0 if where == "scalar" else [250.0]
        else:
            {"attribute": data, "root": file, "outer": file["a"]}[where].attrs["fs"] = 250
    assert read_recording(tmp_path / "x.h5").fs == 250
    with pytest.raises(FormatError, match="states 250 Hz, but fs=500 was given"):
        read_recording(tmp_path / "x.h5", fs=500)


def test_a_rate_in_another_file_is_not_read(tmp_path: Path) -> None:
    import h5py

    (tmp_path / "rate.raw").write_bytes(np.float64(321).tobytes())
    with h5py.File(tmp_path / "x.mat", "w") as file:
        file["ecg"] = RNG.standard_normal(100)
        file.create_dataset("fs", (1,), "f8", external=[("rate.raw", 0, 8)])
    with pytest.raises(FormatError, match=r"scalar 'fs' of .* lies in another file"):
        read_recording(tmp_path / "x.mat")


def test_cells_of_hdf5_are_recordings_and_may_not_go_in_circles(tmp_path: Path, write_mat73: Writer) -> None:
    import h5py

    write_mat73(tmp_path / "x.mat", fs=100.0)
    waves = RNG.standard_normal((2, 3, 50))
    with h5py.File(tmp_path / "x.mat", "r+") as file:
        for i, wave in enumerate(waves):
            file[f"#refs#/{i}"] = wave.T
        part = file.create_dataset("part", (3, 1), h5py.ref_dtype)
        part[0, 0], part[1, 0], part[2, 0] = file["#refs#/0"].ref, file["#refs#/1"].ref, part.ref
    read = list(read_recordings(tmp_path / "x.mat"))
    np.testing.assert_array_equal([r.signal for r in read], waves.astype("f4"))


@pytest.mark.parametrize("packed", [False, True])
def test_cells_are_recordings(tmp_path: Path, packed: bool) -> None:
    part = RNG.standard_normal((2, 3, 100))
    scipy.io.savemat(tmp_path / "x.mat", {"part": cells(*part), "fs": 125.0}, do_compression=packed)
    read = list(read_recordings(tmp_path / "x.mat"))
    np.testing.assert_array_equal([r.signal for r in read], part.astype("f4"))
    assert [r.source for r in read] == [f"{tmp_path / 'x.mat'}[{i}]" for i in (0, 1)]
    with pytest.raises(FormatError, match="holds 2 recordings in 'part', of 3x100 each"):
        read_recording(tmp_path / "x.mat")


@pytest.mark.parametrize("array", [False, True])
def test_structures_of_records_have_rates_of_their_own(tmp_path: Path, array: bool) -> None:
    waves, rates = RNG.standard_normal((2, 100)), (250.0, 500.0)
    if array:
        records = np.empty((1, 2), [("ecg", object), ("fs", object)])
        for i in range(2):
            records[0, i] = (waves[i], rates[i])
    else:
        records = cells(*({"ecg": wave, "fs": fs} for wave, fs in zip(waves, rates, strict=True)))
    scipy.io.savemat(tmp_path / "x.mat", {"s": records})
    read = list(read_recordings(tmp_path / "x.mat"))
    assert [r.fs for r in read] == [250, 500]
    np.testing.assert_array_equal([r.signal[0] for r in read], waves.astype("f4"))


def test_an_empty_record_does_not_shift_the_rates(tmp_path: Path) -> None:
    records = np.empty((1, 3), [("ecg", object), ("fs", object)])
    waves = [np.empty((0, 0)), RNG.standard_normal(100), RNG.standard_normal(100)]
    for i, fs in enumerate((250.0, 500.0, 1000.0)):
        records[0, i] = (waves[i], fs)
    scipy.io.savemat(tmp_path / "x.mat", {"s": records})
    assert [r.fs for r in read_recordings(tmp_path / "x.mat")] == [500, 1000]


def test_cells_of_words_and_numbers_are_no_recordings(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "x.mat", {"info": cells("age", 60.0, "id", np.arange(5.0)), "fs": 100.0})
    with pytest.raises(FormatError, match="no variable that could be a signal"):
        read_recording(tmp_path / "x.mat")


@pytest.mark.parametrize("name", ["curr_sample_rate", "Fs", "sampling_frequency", "SamplingRate"])
def test_rates_under_other_names(tmp_path: Path, name: str) -> None:
    scipy.io.savemat(tmp_path / "x.mat", {"feats": RNG.standard_normal((12, 100)), name: 500})
    assert read_recording(tmp_path / "x.mat").fs == 500
    with pytest.raises(FormatError, match="states 500 Hz, but fs=250 was given"):
        read_recording(tmp_path / "x.mat", fs=250)


@pytest.mark.parametrize("suffix", ["mat", "npz", "h5"])
def test_two_rates_that_disagree_are_refused(tmp_path: Path, suffix: str, write_mat73: Writer) -> None:
    held = {"ecg": RNG.standard_normal(100), "fs": 250.0, "sfreq": 500.0}
    path = tmp_path / f"x.{suffix}"
    if suffix == "npz":
        np.savez(path, **held)
    elif suffix == "mat":
        scipy.io.savemat(path, held)
    else:
        write_mat73(path, **held)
    with pytest.raises(FormatError, match=r"states 250 Hz \(fs\) and 500 Hz \(sfreq\)"):
        read_recording(path)


@pytest.mark.parametrize("suffix", ["mat", "npz", "h5"])
def test_a_vector_of_times_gives_the_rate_and_is_no_signal(
    tmp_path: Path, suffix: str, write_mat73: Writer
) -> None:
    wave = RNG.standard_normal(1000)
    held = {"t": np.arange(1000) / 500, "ecg": wave}
    path = tmp_path / f"x.{suffix}"
    {"mat": scipy.io.savemat, "npz": lambda p, v: np.savez(p, **v), "h5": lambda p, v: write_mat73(p, **v)}[
        suffix
    ](path, held)
    recording = read_recording(path)
    assert recording.fs == 500
    np.testing.assert_array_equal(recording.signal[0], wave.astype("f4"))
    with pytest.raises(FormatError, match=r"'t' .* is no signal") as caught:
        read_recording(path, variable="t", fs=500)
    assert "--variable ecg" in str(caught.value.hint)
    with pytest.raises(FormatError, match="states 500 Hz, but fs=250"):
        read_recording(path, fs=250)


@pytest.mark.parametrize("suffix", ["mat", "npz", "h5"])
def test_a_vectors_name_is_that_of_its_channel(tmp_path: Path, suffix: str, write_mat73: Writer) -> None:
    for name, channel in (("abp", "abp"), ("ecg", "ecg"), ("val", "ch1"), ("x", "ch1")):
        held = {name: RNG.standard_normal(100)}
        path = tmp_path / f"{name}.{suffix}"
        {
            "mat": scipy.io.savemat,
            "npz": lambda p, v: np.savez(p, **v),
            "h5": lambda p, v: write_mat73(p, **v),
        }[suffix](path, held)
        assert read_recording(path, fs=100).channels == (channel,)
        assert read_recording(path, fs=100, names=["II"]).channels == ("II",)


def test_matlab_files_equal_scipys_reading(tmp_path: Path) -> None:
    from physiolect.formats import mat4, mat5

    kinds = ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?")
    held = {f"v_{kind.strip('?')}": RNG.integers(0, 2, (3, 7)).astype(kind) for kind in kinds}
    for packed in (False, True):
        scipy.io.savemat(tmp_path / "x.mat", held, do_compression=packed)
        for name, (found,) in mat5.list_arrays(tmp_path / "x.mat").items():
            np.testing.assert_array_equal(found.load(), held[name])
    plain = {name: value for name, value in held.items() if name[2:] in ("f8", "f4", "i4", "i2", "u2", "u1")}
    scipy.io.savemat(tmp_path / "x.mat", plain, format="4")
    found4 = mat4.list_arrays(tmp_path / "x.mat")
    assert found4.keys() == plain.keys()
    for name, (found,) in found4.items():
        np.testing.assert_array_equal(found.load(), held[name])


def matrix(kind: int, shape: tuple[int, ...], content: bytes, name: bytes = b"v") -> bytes:
    """Return a MAT element of version 5."""
    dims = struct.pack(f"<{len(shape)}i", *shape)
    parts = (
        struct.pack("<IIII", 6, 8, kind, 0)
        + struct.pack("<II", 5, len(dims))
        + dims
        + b"\0" * (-len(dims) % 8)
    )
    parts += struct.pack("<II", 1, len(name)) + name + b"\0" * (-len(name) % 8) + content
    return struct.pack("<II", 14, len(parts)) + parts


def write_mat5(path: Path, *elements: bytes) -> Path:
    path.write_bytes(b"MATLAB 5.0".ljust(124) + struct.pack("<H", 0x100) + b"IM" + b"".join(elements))
    return path


def nested(depth: int) -> bytes:
    element = matrix(6, (1, 1), struct.pack("<IId", 9, 8, 1.0))
    for _ in range(depth):
        element = matrix(1, (1, 1), element)
    return element


@pytest.mark.parametrize(
    ("element", "said"),
    [
        (matrix(1, (30000, 30000), b""), "900000000 cells"),
        (matrix(6, (1, 4), struct.pack("<II", 99, 8) + b"\0" * 8), "unknown type 99"),
        (matrix(6, (1, 4), struct.pack("<II", 9, 1 << 30) + b"\0" * 8), "states 1073741824 bytes"),
        (matrix(6, (1, 4), struct.pack("<II", 9, 8) + b"\0" * 8), "shape states 32"),
        (matrix(6, (-1, 4), struct.pack("<II", 9, 8) + b"\0" * 8), "shape"),
        (
            matrix(2, (20000, 20000), struct.pack("<HHIII", 5, 4, 8, 1, 8) + b"field\0\0\0"),
            "cells or elements",
        ),
        (nested(500), "deep"),
        (struct.pack("<II", 77, 0), "type 77"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_mat_file_is_held_against_its_size_first(
    tmp_path: Path, element: bytes, said: str, packed: bool
) -> None:
    if packed:
        body = zlib.compress(element)
        element = struct.pack("<II", 15, len(body)) + body
    with pytest.raises(FormatError, match=said):
        read_recording(write_mat5(tmp_path / "x.mat", element), fs=100)


@pytest.mark.parametrize("machine", [2000, 3000, 4000])
def test_floats_of_old_machines_are_refused(tmp_path: Path, machine: int) -> None:
    (tmp_path / "x.mat").write_bytes(struct.pack("<5i", machine, 1, 4, 0, 2) + b"v\0" + b"\0" * 32)
    with pytest.raises(FormatError, match="floats, which are not supported"):
        read_recording(tmp_path / "x.mat", fs=100)


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    import h5py

    size = 40_000_000
    with (
        zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w") as file,
    ):
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (size,)})
        for _ in range(40):
            file.write(bytes(8_000_000))
    engine = zlib.compressobj()
    head = matrix(6, (1, size), struct.pack("<II", 9, size * 8))
    head = struct.pack("<II", 14, len(head) - 8 + size * 8) + head[8:]
    body = (
        engine.compress(head)
        + b"".join(engine.compress(bytes(8_000_000)) for _ in range(40))
        + engine.flush()
    )
    write_mat5(tmp_path / "x.mat", struct.pack("<II", 15, len(body)) + body)
    for name in ("x.npz", "x.mat"):
        with pytest.raises(FormatError, match="unpack to 305 MB"):
            read_recording(tmp_path / name, fs=100)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("v", (1000,), "f8", chunks=(1000,), compression="gzip")
        engine = zlib.compressobj()
        bomb = b"".join(engine.compress(bytes(8_000_000)) for _ in range(100)) + engine.flush()
        data.id.write_direct_chunk((0,), bomb)
    with pytest.raises(FormatError, match="unpacks to more than the chunk"):
        read_recording(tmp_path / "x.h5", fs=100)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"modality": np.array([], "U1")}, None),
        ({"modality": np.array("ecg\x1b[31m")}, "modality"),
        ({"annotation_sample": np.array(["a", "b"])}, "not whole numbers"),
        ({"annotation_symbol": np.array([1, 2])}, "unequal columns"),
        ({"channels": np.array([1, 2])}, None),
    ],
)
def test_odd_members_of_our_own_archives(
    tmp_path: Path, changed: dict[str, np.ndarray], said: str | None
) -> None:
    held = {
        "signal": RNG.standard_normal((2, 100)).astype("f4"), "fs": np.float64(250), "channels": np.array(["II", "V5"]),
        "annotation_sample": np.array([3, 5]), "annotation_symbol": np.array(["N", "N"]),
    }  # fmt: skip
    np.savez(tmp_path / "x.npz", **{**held, **changed})
    if said is None:
        assert read_recording(tmp_path / "x.npz").signal.shape[0] == 2
    else:
        with pytest.raises(FormatError, match=said) as caught:
            read_recording(tmp_path / "x.npz")
        assert "\x1b" not in str(caught.value)


def test_many_cells_are_walked_in_time_linear_in_the_file(tmp_path: Path) -> None:
    import time

    cell = matrix(6, (1, 1), struct.pack("<IId", 9, 8, 1.0), b"")
    path = write_mat5(tmp_path / "x.mat", matrix(1, (1, 100_000), cell * 100_000))
    begun = time.process_time()
    with pytest.raises(FormatError):
        read_recording(path, fs=100)
    assert time.process_time() - begun < 5
    path = write_mat5(tmp_path / "x.mat", matrix(1, (1, 250_000), cell * 250_000))
    with pytest.raises(FormatError, match="more than 200000 arrays"):
        read_recording(path, fs=100)
