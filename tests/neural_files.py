"""Small files of neural signals: BrainVision with its markers, and NWB."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np


def vhdr(folder: Path, stem: str = "sub-x_task-y_ieeg", **changed: str) -> Path:
    """Write three channels of 100 steps."""
    settings = {
        "DataFile": f"{stem}.eeg", "MarkerFile": f"{stem}.vmrk", "DataFormat": "BINARY",
        "DataOrientation": "MULTIPLEXED",
        "NumberOfChannels": "3", "SamplingInterval": "2000", "BinaryFormat": "INT_16", **changed,
    }  # fmt: skip
    common = "\n".join(f"{key}={value}" for key, value in settings.items() if key != "BinaryFormat")
    (folder / f"{stem}.vhdr").write_text(
        f"Brain Vision Data Exchange Header File Version 1.0\n; a comment\n[Common Infos]\n{common}\n[Binary Infos]\n"
        f"BinaryFormat={settings['BinaryFormat']}\n[Channel Infos]\nCh1=G1,,0.5,µV\nCh2=G2,,0.25\nCh3=hand\\1x,,1,N\n",
        encoding="utf-8",
    )
    (folder / f"{stem}.vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Marker Infos]\n"
        "Mk1=New Segment,,1,1,0,20200102030405000000\n"
        "Mk2=Stimulus,S  1,11,1,0\nMk3=Response,R1,5000,1,0\n"
    )
    samples = np.arange(300, dtype="<i2")
    (folder / f"{stem}.eeg").write_bytes(samples.tobytes())
    return folder / f"{stem}.vhdr"


def nwb(path: Path, *, units: bool = False) -> Path:
    """Write six channels of ten seconds, or the spikes of two units, with a force beside them."""
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.6.0"
        force = file.create_group("acquisition/force")
        force.attrs["neurodata_type"] = "TimeSeries"
        force["data"] = np.arange(500.0)
        force["data"].attrs["unit"] = "N"
        force["starting_time"] = 0.0
        force["starting_time"].attrs["rate"] = 50.0
        if units:
            file["units/spike_times"] = np.array([0.01, 0.06, 0.07, 1.0, 9.9])
            file["units/spike_times_index"] = np.array([3, 5])
            file["units/id"] = np.array([4, 9])
            return path
        series = file.create_group("processing/ecephys/LFP/lfp")
        series.attrs["neurodata_type"] = "ElectricalSeries"
        series["data"] = np.random.default_rng(0).standard_normal((5000, 6)) * 1e-5
        series["data"].attrs.update(unit="volts", conversion=2.0)
        series["timestamps"] = np.arange(5000) / 500
        file["intervals/trials/start_time"] = np.array([1.0, 4.0])
        file["intervals/trials/stop_time"] = np.array([2.0, 5.0])
        file["intervals/trials/target_id"] = np.array([1, 2])
    return path
