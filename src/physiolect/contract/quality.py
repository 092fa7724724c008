"""What is remarkable about a recording's quality, in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physiolect.contract.channels import channel_modality, rows_of
from physiolect.contract.samples import has_two_states
from physiolect.contract.units import conversion_factor
from physiolect.recording import Recording, stated_kind
from physiolect.signals.quality import Quality, RemarkKind, Swap, limb_swap, measure_quality

_LARGEST = 10.0
"""mV from the median beyond which no surface ECG goes."""

_NEARLY_ALL = 0.995
_NO_WAVEFORM = (
    "time", "a counter", "a heart rate", "intervals of beats", "a temperature", "a marker", "a quality",
    "oxygen saturation", "light",
)  # fmt: skip
"""Of what `stated_kind` names."""

_SWAPPED: dict[Swap, tuple[str, str]] = {
    "RA/LA": ("I", "right and left arm"),
    "RA/LL": ("II", "right arm and left leg"),
}


@dataclass(frozen=True)
class Remark:
    """One thing about a recording that is worth a look before it is learnt from."""

    source: str
    """Name of the recording."""
    kind: RemarkKind
    """What kind of thing it is."""
    note: str
    """What was found, and in which channel."""

    def __str__(self) -> str:
        return f"{self.source}: {self.note}"


def quality_remarks(recording: Recording, quality: Quality | None = None) -> list[Remark]:
    """Return what is remarkable about a recording: one remark a kind, naming the channels.

    - "missing": samples are missing or infinite.
    - "flat": a second or more at one value.
    - "clipped": a waveform is cut off at its highest or lowest value (`signals.quality.measure_quality`).
    - "amplitude": an ECG lead that goes farther than 10 mV from its median; only where its unit is a voltage.
    - "swap": limb electrodes may be swapped (`signals.quality.limb_swap`); only where I, II and V6 are there.

    "swap" is remarked of none of 1,625 records of PTB-XL and 50 of CinC 2021; with the arms' electrodes swapped by
    computation of 94 % of the same PTB-XL records, with right arm and left leg swapped of 87 % (every fifth of them in
    tests/contract/test_quality.py).

    Args:
        recording: What to look at.
        quality: What was measured of the whole, where `recording` is one stretch of it.
    """
    quality = quality or measure_quality(recording.signal, recording.fs)
    limit = np.array([_limit(recording, row) for row in range(len(recording.channels))])
    found: list[tuple[RemarkKind, str]] = [
        ("missing", _shares(recording, quality.missing, "misses", "of its samples")),
        ("flat", _flat(recording, quality)),
        (
            "clipped",
            _shares(recording, _of_waveforms(recording, quality.clipped), "is cut off at", "of its samples"),
        ),
        ("amplitude", _amplitudes(recording, quality.largest, limit)),
        ("swap", _swap(recording)),
    ]
    return [Remark(recording.source, kind, note) for kind, note in found if note]


def _flat(recording: Recording, quality: Quality) -> str:
    """Return which channels stay at one value; a step wave, which stays at each of its values, is no flat channel."""
    steps = (quality.flat > _NEARLY_ALL) & (quality.largest > 0)
    flat = _shares(recording, np.where(steps, 0, quality.flat), "is flat for", "of its length")
    held = "holds each of its values for a second or more during"
    return ", ".join(
        filter(None, [flat, _shares(recording, np.where(steps, quality.flat, 0), held, "of its length")])
    )


def _of_waveforms(recording: Recording, share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shares with 0 for what is no waveform, such as a marker or a temperature: it cannot be cut off."""
    is_none = [
        stated_kind(name, unit) in _NO_WAVEFORM or has_two_states(signal)
        for name, unit, signal in zip(recording.channels, recording.units, recording.signal, strict=True)
    ]
    return np.where(is_none, 0, share)


def _shares(recording: Recording, share: NDArray[np.float64], verb: str, of: str) -> str:
    percent = [float(f"{100 * each:.2g}") for each in share]  # 2 digits, and 100 without an exponent
    shares = [f"{recording.channels[row]} {verb} {percent[row]:g} %" for row in np.flatnonzero(share)]
    return f"{', '.join(shares)} {of}" if shares else ""


def _limit(recording: Recording, row: int) -> float:
    """Return beyond which amplitude a channel is out of range, in its own unit; infinity where that is unknown."""
    unit = recording.units[row]
    factor = conversion_factor("mV", unit) if unit and channel_modality(recording, row) == "ecg" else None
    return np.inf if factor is None else _LARGEST * factor


def _amplitudes(recording: Recording, largest: NDArray[np.float64], limit: NDArray[np.float64]) -> str:
    shares = [
        f"{recording.channels[row]} by {largest[row]:.3g} {recording.units[row]}"
        for row in np.flatnonzero(largest > limit)
    ]
    return f"farther from its median than an ECG goes: {', '.join(shares)}" if shares else ""


def _swap(recording: Recording) -> str:
    rows = [rows_of(recording, lead) for lead in ("I", "II", "V6")]
    if any(len(found) != 1 for found in rows):
        return ""
    one, two, v6 = (recording.signal[found[0]] for found in rows)
    swap = limb_swap(one, two, v6, recording.fs)
    if swap is None:
        return ""
    lead, electrodes = _SWAPPED[swap]
    return f"lead {lead} opposes V6: the electrodes of {electrodes} may be swapped"
