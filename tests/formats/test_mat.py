from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from physiolect.errors import FormatError
from physiolect.formats import read_recording, read_recordings
from physiolect.recording import LEADS

Writer = Callable[..., None]


@pytest.fixture(params=["4", "5", "5 compressed", "7.3"])
def write(request: pytest.FixtureRequest, write_mat73: Writer) -> Writer:
    """Write variables to a file of each version."""
    if request.param == "7.3":
        return write_mat73
    options = {"4": {"format": "4"}, "5": {}, "5 compressed": {"do_compression": True}}[request.param]
    return lambda path, **variables: scipy.io.savemat(path, variables, **options)


@pytest.mark.parametrize("shape", [(1, 200), (200, 1)])
def test_a_vector_is_one_channel(tmp_path: Path, write: Writer, shape: tuple[int, int]) -> None:
    wave = np.random.default_rng(0).standard_normal(200)
    write(tmp_path / "x.mat", ecg=wave.reshape(shape), fs=np.array([[250.0]]))
    recording = read_recording(tmp_path / "x.mat")
    assert recording.fs == 250
    np.testing.assert_array_equal(recording.signal, wave[np.newaxis].astype(np.float32))
    part = read_recording(tmp_path / "x.mat", start=0.2, stop=0.4)
    np.testing.assert_array_equal(part.signal, recording.signal[:, 50:100])


@pytest.mark.parametrize("transposed", [False, True])
def test_leads_are_channels(tmp_path: Path, write: Writer, transposed: bool) -> None:
    leads = np.random.default_rng(0).standard_normal((12, 200))
    write(tmp_path / "x.mat", val=leads.T if transposed else leads)
    recording = read_recording(tmp_path / "x.mat", fs=500, channels=[3, 0], stop=0.2)
    np.testing.assert_array_equal(recording.signal, leads[[3, 0], :100].astype(np.float32))


def test_a_matrix_of_records_is_many_recordings(tmp_path: Path, write: Writer) -> None:
    matrix = np.random.default_rng(0).standard_normal((40, 50))
    write(tmp_path / "x.mat", data=matrix)
    with pytest.raises(FormatError, match="40 recordings in a matrix of 40 x 50"):
        read_recording(tmp_path / "x.mat", fs=100)
    many = list(read_recordings(tmp_path / "x.mat", fs=100))
    np.testing.assert_array_equal([r.signal[0] for r in many], matrix.astype(np.float32))


def test_the_variable_is_chosen_or_listed(tmp_path: Path, write: Writer) -> None:
    write(tmp_path / "x.mat", wave=np.zeros((1, 100)), labels=np.ones((1, 7)))
    with pytest.raises(FormatError, match="several variables") as caught:
        read_recording(tmp_path / "x.mat", fs=100)
    assert "wave 1x100" in str(caught.value)
    assert "labels 1x7" in str(caught.value)
    assert read_recording(tmp_path / "x.mat", fs=100, variable="wave").n_samples == 100
    with pytest.raises(FormatError, match="no numeric variable 'wavy'") as caught:
        read_recording(tmp_path / "x.mat", fs=100, variable="wavy")
    assert "did you mean 'wave'" in str(caught.value.hint)


def test_a_file_without_numbers_is_refused(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "x.mat", {"note": "words"})
    with pytest.raises(FormatError, match="no variable that could be a signal"):
        read_recording(tmp_path / "x.mat", fs=100)


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "x.mat", {"z": np.ones(9) * 1j})
    with pytest.raises(FormatError, match="not real numbers"):
        read_recording(tmp_path / "x.mat", fs=100)


def test_fields_of_a_structure(tmp_path: Path) -> None:
    ecg = {"sex": "Male", "age": 60.0, "data": np.random.default_rng(0).standard_normal((12, 100))}
    scipy.io.savemat(tmp_path / "x.mat", {"ECG": ecg})
    recording = read_recording(tmp_path / "x.mat", fs=500)
    assert (recording.channels, recording.modality) == (LEADS, "ecg")
    named = read_recording(tmp_path / "x.mat", fs=500, variable="ECG.data", channels="aVR")
    np.testing.assert_array_equal(named.signal, recording.signal[3:4])


def test_the_rate_may_lie_in_the_structure(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "x.mat", {"s": {"Fs": 125.0, "wave": np.zeros(100)}})
    assert read_recording(tmp_path / "x.mat").fs == 125


def test_a_structure_of_hdf5(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "x.mat", "w") as file:
        file["ECG/data"] = np.arange(300.0).reshape(100, 3)
        file["ECG/fs"] = np.array([[100.0]])
    recording = read_recording(tmp_path / "x.mat")
    assert (recording.fs, recording.signal.shape) == (100, (3, 100))


def test_hdf5_reads_nothing_outside_itself(tmp_path: Path) -> None:
    import h5py

    (tmp_path / "secret").write_bytes(b"\x01" * 800)
    with h5py.File(tmp_path / "other.mat", "w") as file:
        file["wave"] = np.ones(100)
    with h5py.File(tmp_path / "x.mat", "w") as file:
        file.create_dataset("raw", (100,), "f8", external=[(str(tmp_path / "secret"), 0, 800)])
        file["linked"] = h5py.ExternalLink(str(tmp_path / "other.mat"), "wave")
    with pytest.raises(FormatError, match="lies in another file"):
        read_recording(tmp_path / "x.mat", fs=100, variable="raw")
    with pytest.raises(FormatError, match="no numeric variable 'linked'"):
        read_recording(tmp_path / "x.mat", fs=100, variable="linked")


def test_hdf5_that_states_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "x.mat", "w") as file:
        file.create_dataset("wave", (10**9,), "f4", chunks=(1000,))
    with pytest.raises(FormatError, match="states 4000000000 bytes and 0 are there"):
        read_recording(tmp_path / "x.mat", fs=100)


@pytest.mark.parametrize(
    "content", [b"MATLAB 5.0 MAT-file", b"MATLAB 7.3 " * 100, b"\x89HDF\r\n\x1a\n junk", b"x"]
)
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.mat").write_bytes(content)
    with pytest.raises(FormatError) as caught:
        read_recording(tmp_path / "x.mat", fs=100)
    assert caught.value.hint


def test_a_variable_that_states_more_than_fits_is_refused(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "x.mat", {"wave": np.zeros((1, 100))})
    content = bytearray((tmp_path / "x.mat").read_bytes())
    content[128 + 8 + 16 + 12 : 128 + 8 + 16 + 16] = (2**31 - 1).to_bytes(4, "little")
    (tmp_path / "x.mat").write_bytes(content)
    with pytest.raises(FormatError, match="declares 16 GiB"):
        read_recording(tmp_path / "x.mat", fs=100)


def test_real_files(data: Path) -> None:
    struct = read_recording(data / "cinc" / "cpsc2018" / "A1980.mat", fs=500)
    one, two, three = struct.select(["I", "II", "III"]).signal
    np.testing.assert_allclose(
        two, one + three, atol=1e-5
    )  # Einthoven: the leads are in the order we name them
    column = read_recording(data / "cinc" / "cpsc2019" / "data" / "data_00014.mat", fs=500)
    assert column.signal.shape == (1, 5000)
    exam = next((data / "code15_sample" / "org").glob("*.mat"))
    found = read_recording(exam)  # curr_sample_rate
    assert (found.fs, found.signal.shape[0]) == (400, 12)
    with pytest.raises(FormatError, match="states 400 Hz, but fs=500"):
        read_recording(exam, fs=500)
