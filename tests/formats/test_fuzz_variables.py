"""MAT, HDF5 and NPZ files with bytes changed or cut off give recordings or our own errors, and nothing else."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from physiolect.errors import PhysiolectError
from physiolect.formats import read_recordings

WAVE = np.random.default_rng(0).standard_normal((3, 60))


def write(path: Path, kind: str) -> None:
    cells = np.empty((1, 2), object)
    cells[0, 0], cells[0, 1] = WAVE, WAVE
    if kind == "npz":
        np.savez(path, signal=WAVE.astype("f4"), fs=100.0, channels=np.array(["a", "b", "c"]))
    elif kind == "hdf5":
        import h5py

        with h5py.File(path, "w") as file:
            file.create_dataset("g/x", data=WAVE, chunks=(3, 30), compression="gzip")
            file["fs"] = 100.0
            file.attrs["sfreq"] = 100.0
    elif kind == "4":
        scipy.io.savemat(path, {"p": WAVE, "fs": 100.0}, format="4")
    else:
        held = {"p": cells, "fs": 100.0, "s": {"fs": 100.0, "x": WAVE}, "note": "words"}
        scipy.io.savemat(path, held, do_compression=kind == "packed")


@pytest.mark.parametrize("kind", ["4", "5", "packed", "hdf5", "npz"])
def test_changed_bytes(tmp_path: Path, kind: str) -> None:
    suffix = ".npz" if kind == "npz" else ".mat"
    write(tmp_path / f"whole{suffix}", kind)
    whole = (tmp_path / f"whole{suffix}").read_bytes()
    rng = np.random.default_rng(1)
    for case in range(120):
        content = bytearray(whole)
        if case % 3 == 2:
            content = content[: rng.integers(1, len(content))]
        else:  # everywhere, or in the headers
            reach = len(content) if case % 3 else min(len(content), 1200)
            for _ in range(rng.integers(1, 6)):
                content[rng.integers(0, reach)] = rng.choice([0, 1, 127, 128, 255, rng.integers(256)])
        path = tmp_path / f"x{suffix}"
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for variable in (None, "p"):
                with suppress(PhysiolectError):
                    list(read_recordings(path, variable=variable))
