"""Tiny files of every format, made by code."""

from __future__ import annotations

import importlib.util
import resource
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from physiolect.formats import write_recording
from physiolect.recording import Annotations, Recording


def _make_recording(n_samples: int = 500, fs: float = 250.0) -> Recording:
    """Two leads with a gap, and three marks."""
    time = np.arange(n_samples) / fs
    signal = np.stack([np.sin(2 * np.pi * time), 0.3 * np.cos(5 * time)]).astype(np.float32)
    signal[1, 10:14] = np.nan
    return Recording(
        signal,
        fs,
        ("II", "V5"),
        "mV",
        "ecg",
        Annotations([5, 100, 400], ("+", "N", "V"), ("(AFIB", "", "")),
    )


@pytest.fixture
def confined(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """No network, no output, no more resident memory than the module's `MAX_GROWTH`, in KiB."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a reader touched the network")

    monkeypatch.setattr(socket, "socket", refuse)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < request.module.MAX_GROWTH
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="session")
def make() -> ModuleType:
    """What makes files of hospitals and laboratories: devices.py."""
    spec = importlib.util.spec_from_file_location("devices", Path(__file__).with_name("devices.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def recording() -> Recording:
    return _make_recording()


@pytest.fixture
def write_edf() -> Callable[..., None]:
    return _write_edf


@pytest.fixture
def write_mat73() -> Callable[..., None]:
    return _write_mat73


def _write_edf(path: Path, rates: tuple[int, ...] = (250, 250), *, bdf: bool = False) -> None:
    import pyedflib

    kind = pyedflib.FILETYPE_BDFPLUS if bdf else pyedflib.FILETYPE_EDFPLUS
    top = 8388607 if bdf else 32767
    with pyedflib.EdfWriter(str(path), len(rates), file_type=kind) as writer:
        writer.setSignalHeaders(
            [
                {
                    "label": ("ECG II", "V5", "PLETH")[i],
                    "dimension": "uV",
                    "sample_frequency": rate,
                    "physical_max": 3000.0,
                    "physical_min": -3000.0,
                    "digital_max": top,
                    "digital_min": -top - 1,
                    "transducer": "",
                    "prefilter": "",
                }
                for i, rate in enumerate(rates)
            ]
        )
        writer.writeSamples([1000 * np.sin(np.arange(4 * rate) / 10 + i) for i, rate in enumerate(rates)])
        writer.writeAnnotation(2.0, 0.5, "AF")


def _write_mat73(path: Path, **variables: np.ndarray) -> None:
    """Write a file as MATLAB 7.3 does: axes reversed, behind 512 bytes of text."""
    import h5py

    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            stored = file.create_dataset(name, data=np.atleast_2d(value).T)
            stored.attrs["MATLAB_class"] = np.bytes_("double")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(512))


@pytest.fixture
def segments(tmp_path: Path) -> Callable[[str], Path]:
    """Make a multi-segment record of 100 + 50 missing + 100 samples; variable layouts lack V5 in the first."""

    def make(layout: str) -> Path:
        folder, variable = tmp_path / layout, layout == "variable"
        if not folder.exists():
            folder.mkdir()
            whole = _make_recording(100)
            write_recording(whole.select(["II"]) if variable else whole, folder / "m_1")
            write_recording(whole, folder / "m_2")
        lines = ["m_1 100", "~ 50", "m_2 100"]
        if variable:
            lines.insert(0, "m_0 0")
            (folder / "m_0.hea").write_text("m_0 2 250 0\n~ 0 200/mV 0 0 0 0 0 II\n~ 0 200/mV 0 0 0 0 0 V5\n")
        (folder / "m.hea").write_text(f"m/{len(lines)} 2 250 250\n" + "\n".join(lines) + "\n")
        return folder / "m"

    return make
