"""Which samples of a recording the window depends on."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Literal

from physiolect.contract.contract import InputContract
from physiolect.contract.report import Findings
from physiolect.errors import ContractError
from physiolect.recording import Recording, seconds_text
from physiolect.signals import kernel_reach, rate_ratio, settling_samples
from physiolect.signals.filters import Band
from physiolect.signals.preprocessing import check_preprocessing, preprocessed_samples

WindowChoice = Literal["last", "all"]


@dataclass(frozen=True)
class Plan:
    """Where the window lies, counted before and after the change of rate."""

    ratio: Fraction
    """New rate / old rate."""
    band: Band
    """What the passband filter keeps, in Hz."""
    first: int
    """First sample that is read; at the new rate this too is a whole sample."""
    opening: int
    """Sample at which the window begins."""
    start: int
    """The same at the new rate."""
    length: int
    """Samples in the window at the new rate."""

    @property
    def skip(self) -> int:
        """Samples at the new rate between `first` and the window."""
        return self.start - int(self.first * self.ratio)


def plan_window(
    recording: Recording, contract: InputContract, window: WindowChoice, findings: Findings
) -> Plan | None:
    """Lay out the work; None where rate or length are refused."""
    fs = recording.fs
    try:
        ratio = rate_ratio(fs, contract.fs)
        if contract.preprocessing:
            check_preprocessing(recording.n_samples, fs, contract.preprocessing)
    except ContractError as error:
        findings.refuse(str(error), error.hint or "")
        return None
    if contract.preprocessing:
        total = preprocessed_samples(recording.n_samples, fs, contract.fs, contract.preprocessing)
    else:
        total = ceil(recording.n_samples * ratio)
    if total < contract.min_samples:
        needed = seconds_text(contract.min_samples / contract.fs)
        findings.refuse(
            f"the recording lasts {seconds_text(recording.duration)} ({total} samples at {contract.fs:g} Hz), "
            f"but the model needs at least {needed} ({contract.min_samples} samples)",
            f"give a recording of at least {needed}",
        )
        return None
    _notice_rate(fs, contract.fs, ratio, findings)

    band = _band(contract, fs, findings)
    length = total if window == "all" else min(total, contract.max_samples)
    start = total - length
    opening = int(start / ratio)
    # A gap of allowed length that `first` cuts in two must end before what the filters see begins.
    margin = kernel_reach(ratio) + settling_samples(fs, band) + gap_samples(fs, contract.max_gap) + 1
    # Preprocessing goes by the whole recording: its noise sets how much the wavelets take away.
    first = 0 if window == "all" or contract.preprocessing else max(0, opening - margin)
    return Plan(ratio, band, first - first % ratio.denominator, opening, start, length)


def gap_samples(fs: float, max_gap: float) -> int:
    """Return how many samples a gap may have; 0.1 s at 100 Hz is 10, whatever floats make of it."""
    return int(min(max_gap * fs * (1 + 1e-9), 2**62))


def _notice_rate(fs: float, target_fs: float, ratio: Fraction, findings: Findings) -> None:
    if ratio > 1:
        findings.notices.append(
            f"sampled at {fs:g} Hz, the recording holds nothing above {fs / 2:g} Hz; "
            f"the model has learnt from signals that reach {target_fs / 2:g} Hz"
        )
    error = abs(float(ratio) * fs / target_fs - 1)
    if error > 1e-9:
        findings.notices.append(f"{target_fs:g} Hz is met within {1e6 * error:.2g} parts in a million")


def _band(contract: InputContract, fs: float, findings: Findings) -> Band:
    """Return the contract's passband without an edge that the recording cannot reach."""
    low, high = contract.passband or (None, None)
    if low is not None and low >= fs / 2:
        findings.refuse(
            f"the model looks at what lies above {low:g} Hz, but a recording at {fs:g} Hz ends at {fs / 2:g} Hz",
            f"give a recording sampled faster than {2 * low:g} Hz",
        )
        low = None
    if high is not None and high >= fs / 2:
        findings.notices.append(f"at {fs:g} Hz the passband needs no upper edge at {high:g} Hz")
        high = None
    return low, high
