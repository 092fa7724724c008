"""Neural signals with targets beside them: NPZ, MAT, NPY, BrainVision with BIDS tables, NWB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io

from physiolect import Recording, read_recording
from physiolect.errors import FormatError
from physiolect.formats.npy import write
from tests.neural_files import nwb, vhdr

RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(2, (200, 40)).astype(np.uint8)
FORCE = RNG.standard_normal((200, 2)).astype(np.float32)


def npz(path: Path, **arrays: Any) -> Path:
    held: dict[str, Any] = {"spike_counts": COUNTS, "force": FORCE, "bin_s": 0.05}
    np.savez(path, **{name: value for name, value in {**held, **arrays}.items() if value is not None})
    return path


def test_spike_counts_with_force(tmp_path: Path) -> None:
    trials = np.array([[0.5, 3.0, 4], [4.0, 6.0, 7]])
    found = read_recording(
        npz(
            tmp_path / "a.npz", force_names=np.array(["Force_x", "Force_y"]),
            neuron_ids=np.stack([np.arange(40) + 3, np.zeros(40)], 1),
            time_s=np.arange(200) * 0.05, trials=trials,
            trial_columns=np.array(["trial start time", "trial end time", "tgt_id"]),
        )
    )  # fmt: skip
    assert (found.fs, found.modality, len(found.channels)) == (20.0, "spikes", 42)
    assert found.channels[:2] == ("unit 3", "unit 4")
    assert found.beside == ("Force_x", "Force_y")
    assert found.units[0] == "count"
    np.testing.assert_array_equal(found.signal[:40], COUNTS.T)
    np.testing.assert_array_equal(found.signal[40:], FORCE.T)
    assert list(found.annotations)[:2] == [(10, "trial", "target 4"), (60, "trial end", "")]
    part = read_recording(tmp_path / "a.npz", channels=["unit 4", "Force_y"], start=1.0, stop=2.0)
    np.testing.assert_array_equal(part.signal[1], FORCE[20:40, 1])
    assert part.beside == ("Force_y",)


def test_axes_may_stand_the_other_way(tmp_path: Path) -> None:
    found = read_recording(npz(tmp_path / "a.npz", spike_counts=COUNTS.T, force=FORCE[:, 0]))
    np.testing.assert_array_equal(found.signal[:40], COUNTS.T)
    assert found.beside == ("force",)
    few = read_recording(
        npz(tmp_path / "b.npz", spike_counts=COUNTS[:30], force=FORCE[:30])
    )  # 30 steps of 40 units
    np.testing.assert_array_equal(few.signal[:40], COUNTS[:30].T)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"force": FORCE[:199]}, "no target has that length"),
        ({"position": FORCE[:150]}, "do not have one time step in common"),
        (
            {"force": np.where(np.arange(200)[:, None] == 7, np.nan, FORCE)},
            "column 0 of 'force' is nan at step 7",
        ),
        ({"spike_counts": COUNTS - 1.5}, "below 0"),
        ({"bin_s": None}, "no sampling rate"),
        ({"fs": 25.0}, "contradict"),
        ({"time_s": np.arange(200) * 0.1}, "contradict"),
    ],
)
def test_pairs_that_do_not_fit(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(FormatError, match=words) as caught:
        read_recording(npz(tmp_path / "a.npz", **changed))
    assert caught.value.hint


def test_a_matlab_structure_of_rates(tmp_path: Path) -> None:
    held = {
        "timeframe": np.arange(200)[:, None] * 0.05, "spikeratedata": COUNTS * 20.0, "forcedatabin": FORCE,
        "neuronIDs": np.stack([np.arange(1, 41), np.zeros(40)], 1), "meta": {"duration": 10.0},
    }  # fmt: skip
    scipy.io.savemat(tmp_path / "a.mat", {"binnedData": held})
    found = read_recording(tmp_path / "a.mat")
    np.testing.assert_array_equal(found.signal[:40], COUNTS.T)
    assert found.fs == 20.0
    assert found.units[0] == "count"
    assert any("taken as such" in notice for notice in found.notices)


def test_the_tutorials_pair_of_files(tmp_path: Path) -> None:
    data = RNG.standard_normal((300, 50))
    np.save(tmp_path / "data.npy", data)
    np.save(tmp_path / "labels.npy", data[:, :3])
    found = read_recording(tmp_path / "data.npy", modality="ecog", fs=100.0)
    assert len(found.channels) == 53
    assert found.beside == ("labels 1", "labels 2", "labels 3")
    np.testing.assert_allclose(found.signal[50:], data[:, :3].T, rtol=1e-6)


def test_records_with_labels_stay_records(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", signals=RNG.standard_normal((50, 400)), labels=np.arange(50), fs=100.0)
    with pytest.raises(FormatError, match="holds 50 recordings"):
        read_recording(tmp_path / "a.npz")


def test_ours_keeps_what_lies_beside(tmp_path: Path) -> None:
    made = Recording(
        np.float32(RNG.standard_normal((3, 50))), 20.0, ("a", "b", "force"), None, "ecog", beside=("force",)
    )
    write(made, tmp_path / "a.npz")
    assert read_recording(tmp_path / "a.npz").beside == ("force",)


# BrainVision and BIDS


def test_brainvision(tmp_path: Path) -> None:
    found = read_recording(vhdr(tmp_path))
    raw = np.arange(300).reshape(100, 3).T
    np.testing.assert_allclose(found.signal, raw * np.array([[0.5], [0.25], [1]]))
    assert (found.fs, found.channels, found.units) == (500.0, ("G1", "G2", "hand,x"), ("uV", "uV", "N"))
    assert list(found.annotations) == [(10, "S  1", "Stimulus")]
    assert str(found.start_time) == "2020-01-02 03:04:05"
    part = read_recording(tmp_path / "sub-x_task-y_ieeg.vhdr", channels=["G2"], start=0.1, stop=0.12)
    np.testing.assert_allclose(part.signal, found.signal[1:2, 50:60])


def test_vectorized_floats(tmp_path: Path) -> None:
    path = vhdr(tmp_path, DataOrientation="VECTORIZED", BinaryFormat="IEEE_FLOAT_32")
    values = RNG.standard_normal((3, 80)).astype("<f4")
    path.with_suffix(".eeg").write_bytes(values.tobytes())
    np.testing.assert_allclose(read_recording(path).signal[2], values[2])


def test_tables_of_bids(tmp_path: Path) -> None:
    path = vhdr(tmp_path)
    (tmp_path / "sub-x_task-y_channels.tsv").write_text(
        "name\ttype\tunits\tsampling_frequency\tstatus\nG1\tECOG\tmV\t500\tgood\nG2\tECOG\tn/a\t500\tbad\nhand,x\tMISC\tN\t500\tgood\n"
    )
    (tmp_path / "sub-x_task-y_events.tsv").write_text(
        "onset\tduration\ttrial_type\n0.05\t0.1\tgo\nn/a\t1\tx\n"
    )
    found = read_recording(path)
    assert found.modality == "ecog"
    assert found.beside == ("hand,x",)
    assert found.units == ("mV", "uV", "N")
    assert found.notices == ("channels.tsv calls G2 bad",)
    assert (25, "go", "") in list(found.annotations)
    (tmp_path / "sub-x_task-y_channels.tsv").write_text("name\ttype\tsampling_frequency\nG1\tECOG\t1000\n")
    with pytest.raises(FormatError, match="says 1000 Hz"):
        read_recording(path)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"DataFormat": "ASCII"}, "binary ones"),
        ({"BinaryFormat": "INT_24"}, "binary format 'INT_24'"),
        ({"NumberOfChannels": "0"}, "0 channels"),
        ({"NumberOfChannels": "4"}, "no channel 4"),
        ({"NumberOfChannels": "999999999"}, "999999999 channels"),
        ({"SamplingInterval": "nan"}, "interval of nan"),
        ({"SamplingInterval": "x"}, "not a readable BrainVision"),
        ({"DataOrientation": "VECTORIZED", "BinaryFormat": "IEEE_FLOAT_64"}, "cut short|no multiple"),
    ],
)
def test_headers_that_cannot_be_read(tmp_path: Path, changed: dict[str, str], words: str) -> None:
    path = vhdr(tmp_path, **changed)
    if "FLOAT_64" in changed.get("BinaryFormat", ""):
        path.with_suffix(".eeg").write_bytes(bytes(8 * 100))
    with pytest.raises(FormatError, match=words):
        read_recording(path)


def test_a_renamed_file_and_a_path_out_of_the_folder(tmp_path: Path) -> None:
    found = read_recording(vhdr(tmp_path, DataFile="../../other.eeg"))
    assert found.signal.shape == (3, 100)
    assert any("which is not there" in notice for notice in found.notices)
    (tmp_path / "sub-x_task-y_ieeg.eeg").unlink()
    with pytest.raises(FormatError, match="no samples beside it"):
        read_recording(tmp_path / "sub-x_task-y_ieeg.vhdr")


def test_a_last_step_that_is_cut(tmp_path: Path) -> None:
    path = vhdr(tmp_path)
    path.with_suffix(".eeg").write_bytes(np.arange(301, dtype="<i2").tobytes())
    found = read_recording(path)
    assert found.n_samples == 100
    assert any("ends within a step" in notice for notice in found.notices)


def test_real_brainvision(data: Path) -> None:
    folder = data / "format_samples" / "brainvision"
    found = read_recording(folder / "test.vhdr")
    raw = np.fromfile(folder / "test.eeg", "<i2").reshape(-1, 32).T
    np.testing.assert_allclose(found.signal, raw * 0.5)
    grip = read_recording(next((data / "ecog_gripforce").rglob("*.vhdr")))
    assert grip.modality == "ecog"
    assert grip.beside == ("MOV_RIGHT",)


# NWB


def test_an_electrical_series_of_nwb(tmp_path: Path) -> None:
    path = nwb(tmp_path / "a.nwb")
    found = read_recording(path)
    with h5py.File(path) as file:
        np.testing.assert_allclose(
            found.signal[:6], file["processing/ecephys/LFP/lfp/data"][...].T * 2e6, rtol=1e-5
        )
    assert (found.fs, found.modality, found.beside, found.units[0]) == (500.0, "ecog", ("force",), "uV")
    np.testing.assert_allclose(found.signal[6, :3], [0, 0.1, 0.2], atol=1e-6)
    assert next(iter(found.annotations)) == (500, "trial", "target 1")


def test_units_of_nwb_are_counted(tmp_path: Path) -> None:
    found = read_recording(nwb(tmp_path / "a.nwb", units=True))
    assert found.channels == ("unit 4", "unit 9", "force")
    assert found.modality == "spikes"
    assert found.signal[0, :3].tolist() == [1, 2, 0]
    assert found.signal[1, 20] == 1
    assert read_recording(tmp_path / "a.nwb", fs=10.0).signal[0, :2].tolist() == [3, 0]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("units/spike_times_index", np.array([3, 99]), "do not fit their index"),
        ("units/spike_times_index", np.array([3, 1]), "do not fit their index"),
        ("acquisition/force/starting_time", None, "no rate and no times"),
    ],
)
def test_nwb_that_contradicts_itself(tmp_path: Path, name: str, value: Any, words: str) -> None:
    path = nwb(tmp_path / "a.nwb", units=True)
    with h5py.File(path, "r+") as file:
        del file[name]
        if value is not None:
            file[name] = value
    with pytest.raises(FormatError, match=words):
        read_recording(path)


def test_nwb_without_a_signal_and_damaged(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.nwb", "w") as file:
        file["x"] = 1
    with pytest.raises(FormatError, match="neither an electrical series"):
        read_recording(tmp_path / "a.nwb")
    whole = nwb(tmp_path / "b.nwb").read_bytes()
    for cut in (100, len(whole) // 2):
        (tmp_path / "c.nwb").write_bytes(whole[:cut])
        with pytest.raises(FormatError):
            read_recording(tmp_path / "c.nwb")
