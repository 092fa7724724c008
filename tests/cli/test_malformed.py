"""Malformed inputs through the command line: `error:`, `hint:`, an exit code, and never a traceback."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from physiolect.cli import main

WAVE = np.sin(np.arange(2000) / 13)


class Hostile:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.mark,)


def npz(**arrays: object) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def npy(array: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)  # type: ignore[arg-type]
    return buffer.getvalue()


def mat(**variables: object) -> bytes:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, variables)
    return buffer.getvalue()


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


FILES: dict[str, bytes] = {
    "empty.csv": b"",
    "words.csv": b"to be,or not\nto be,that is\n",
    "binary.csv": b"1\n2\0\n3",
    "infinite.csv": b"II\n1\ninf\n3\n",
    "missing.csv": b"II\n" + b"nan\n" * 500,
    "ragged.csv": b"I,II\n1,2\n3\n",
    "uneven.csv": b"time,II\n0,1\n0.1,2\n0.9,3\n",
    "dates.csv": b"time,II\n2024-01-01,1\n2024-01-02,2\n",
    "complex.npy": npy(WAVE * 1j),
    "text.npy": npy(np.array(["a"])),
    "scalar.npy": npy(np.float64(3)),
    "four.npy": npy(np.zeros((2, 2, 2, 2))),
    "truncated.npy": npy(WAVE)[:300],
    "no.npz": b"PK\3\4garbage",
    "two.npz": npz(a=WAVE, b=WAVE),
    "rate.npz": npz(signal=WAVE, fs=np.nan),
    "units.npz": npz(signal=WAVE[None], fs=100.0, channels=["II"], unit=["mV", "V"]),
    "truncated.mat": mat(val=WAVE, fs=100)[:300],
    "cell.mat": mat(val=np.array([[1, 2], ["a"]], object)),
    "hdf5.mat": b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n" + b"x" * 100,
    "blank.edf": b"0       " + b" " * 300,
    "digits.bdf": b"\xffBIOSEMI" + b"9" * 600,
    "lonely.dat": b"123",
    "outside.hea": b"outside 1 360 100\n../../secret 16 200 11 0 0 0 0 II\n",
    "itself.hea": b"itself/1 1 360 10\nitself 10\n",
    "short.hea": b"short\n",
}
WEIGHTS: dict[str, bytes] = {
    "no.zip": b"PK\3\4garbage",
    "other.zip": archive(**{"a.txt": b"x"}),
    "empty.pth": b"",
    "text.pth": b"weights",
}


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(words) in (1, 2)
    out, err = capsys.readouterr()
    assert out == ""
    told = err[err.index("error: ") :]
    assert "\nhint: " in told
    assert "Traceback" not in err
    assert "unexpected" not in told
    return told


@pytest.mark.parametrize("name", FILES)
def test_a_recording(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_bytes(FILES[name])
    states_a_rate = name.endswith((".hea", ".edf", ".bdf", ".npz")) or name in ("uneven.csv", "dates.csv")
    rate = [] if states_a_rate and name != "two.npz" else ["--fs", "100"]
    assert name in refused(["inspect", str(tmp_path / name), *rate], capsys)
    out = tmp_path / "store"
    told = refused(["prepare", str(tmp_path / name), "--out", str(out), "--workers", "1", *rate], capsys)
    assert "none of 1 files could be prepared" in told


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_bytes(WEIGHTS[name])
    refused(["convert", str(tmp_path / name), str(tmp_path / "out")], capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.pth", "x.zip"])
def test_nothing_hostile_runs(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = Hostile(tmp_path / "mark")
    array = npy(np.array([hostile], object))
    content = {
        "x.npy": array,
        "x.npz": archive(**{"signal.npy": array}),
        "x.pth": pickle.dumps(hostile),
        "x.zip": archive(**{"x.pth": pickle.dumps(hostile)}),
    }[name]
    (tmp_path / name).write_bytes(content)
    rate = ["--fs", "100"] if ".n" in name else []
    refused(["inspect", str(tmp_path / name), *rate], capsys)
    assert not hostile.mark.exists()


@pytest.mark.parametrize("path", ["", ".", "nowhere", "nowhere/x.csv", "owner/name", "a\0b", "x" * 5000])
def test_a_path(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    refused(["inspect", path], capsys)
    refused(["prepare", path, "--out", "store"], capsys)
