from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from physiolect.formats import read_recording
from physiolect.recording import Recording

Leads = NDArray[np.int16]


def with_pulse(leads: Leads, step: float, *, first: bool = False, height: float = 1000.0) -> Leads:
    """Leads with a rectangular pulse at the end, 0.4 s long, or at the beginning."""
    pulse = np.zeros((len(leads), 200), np.int16)
    pulse[:, 50:150] = round(height / step)
    return np.hstack([pulse, leads] if first else [leads, pulse])


WRITERS: dict[str, tuple[str, float, Callable[[ModuleType, Leads], bytes]]] = {
    "Philips": ("x.xml", 5.0, lambda make, leads: make.sierra(leads, packed=False)),
    "MUSE, limb leads computed": ("x.xml", 4.88, lambda make, leads: make.muse(leads[:8])),
    "SCP-ECG": ("x.scp", 2.5, lambda make, leads: make.scp(leads[:8])),
    "ISHNE": ("x.ecg", 2.5, lambda make, leads: make.ishne(leads[:2], codes=(6, 11), fs=500)),
    "aECG": ("x.xml", 2.5, lambda make, leads: make.aecg(leads[:2], ("MDC_ECG_LEAD_II", "MDC_ECG_LEAD_V1"))),
}


def read(tmp_path: Path, make: ModuleType, name: str, leads: Leads) -> Recording:
    file, _, write = WRITERS[name]
    (tmp_path / file).write_bytes(write(make, leads))
    return read_recording(tmp_path / file)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("name", WRITERS)
def test_a_pulse_is_cut_off_with_a_notice(tmp_path: Path, make: ModuleType, name: str, first: bool) -> None:
    leads = make.make_leads(12, 2100)[:, 100:]
    whole = read(tmp_path, make, name, leads)
    recording = read(tmp_path, make, name, with_pulse(leads, WRITERS[name][1], first=first))
    np.testing.assert_array_equal(recording.signal, whole.signal)
    (notice,) = set(recording.notices) - set(whole.notices)
    assert notice == (
        f"left out the {'first' if first else 'last'} 0.4 s: a calibration pulse of 1 mV in all leads"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda leads: with_pulse(leads, 5.0, height=500.0),  # no millivolt
        lambda leads: np.hstack([leads, np.zeros((12, 200), np.int16)]),  # filled up
        lambda leads: np.vstack([with_pulse(leads[:11], 5.0), np.hstack([leads, leads[:, :200]])[11:]]),
        lambda leads: np.hstack([leads, np.tile(np.linspace(0, 200, 200).astype(np.int16), (12, 1))]),
    ],
    ids=["half a millivolt", "zeros", "one lead goes on", "a ramp"],
)
def test_what_is_no_pulse_stays(tmp_path: Path, make: ModuleType, change: Callable[[Leads], Leads]) -> None:
    leads = change(make.make_leads(12, 2000)).astype(np.int16)
    recording = read(tmp_path, make, "Philips", leads)
    np.testing.assert_array_equal(recording.signal, leads * 5)
    assert not any("pulse" in notice for notice in recording.notices)
