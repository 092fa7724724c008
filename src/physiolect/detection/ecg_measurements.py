"""The measurements of a recorded ECG: its leads by name, its voltages in mV."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from physiolect.contract.channels import channel_modality
from physiolect.contract.units import conversion_factor
from physiolect.errors import ContractError
from physiolect.formats import as_recording
from physiolect.recording import Recording, canonical_channel
from physiolect.signals.delineation import Measurements, measure


def measure_ecg(recording: Recording | str | Path) -> Measurements:
    """Measure rate, PR, QRS, QT, QTc, axis and voltages of a recording's ECG.

    All ECG channels are used together; other channels are left out. Voltages are in mV where every lead's unit is a
    voltage, else in the recording's unit. Where a unit is unknown, or leads have units that do not convert, the
    voltages are NaN.

    Args:
        recording: or its file. Its own rate is used, at least 50 Hz.

    Raises:
        ContractError: no channel is an ECG, two channels are the same lead, or the recording is too slow or too short.
        FormatError: the file cannot be read.
    """
    whole = as_recording(recording)
    rows = [row for row in range(len(whole.channels)) if channel_modality(whole, row) == "ecg"]
    if not rows:
        raise ContractError(
            f"no channel of {whole.source or 'the recording'} is an ECG: {', '.join(whole.channels)}",
            hint="state what it is when it is read (modality='ecg'), or name its channels (names)",
        )
    leads = [canonical_channel(whole.channels[row]) for row in rows]
    twice = sorted({lead for lead in leads if leads.count(lead) > 1})
    if twice:
        raise ContractError(
            f"several channels are lead {', '.join(twice)}", hint="select one of each (Recording.select)"
        )
    signal, units = whole.signal[rows], [whole.units[row] for row in rows]
    factors = [None if unit is None else conversion_factor(unit, "mV") for unit in units]
    if all(factor is not None for factor in factors):
        scale = np.array(factors, np.float32)[:, np.newaxis]
        return measure(signal * scale, whole.fs, leads, unit="mV")
    found = measure(signal, whole.fs, leads, unit=units[0])
    if len(set(units)) == 1 and units[0] is not None:
        return found
    return replace(found, voltages=np.full_like(found.voltages, np.nan), axis=float("nan"), unit=None)
