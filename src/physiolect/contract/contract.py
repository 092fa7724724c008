"""The input contract: what a model accepts, written beside its weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Literal

from physiolect.errors import ConfigError
from physiolect.recording import LEADS, MODALITIES, Modality, canonical_channel
from physiolect.signals.neural import NeuralFeatures
from physiolect.signals.preprocessing import PREPROCESSINGS, Preset

Normalisation = Literal["tokenizer", "zscore", "none"]
NORMALISATIONS: tuple[Normalisation, ...] = ("tokenizer", "zscore", "none")

ANY_CHANNEL = "*"
"""Stands in `channels` for any one channel of the modality."""


@dataclass(frozen=True)
class InputContract:
    """What a model accepts; a recording is adapted to it or refused."""

    fs: float
    """Sampling rate in Hz."""
    min_samples: int
    """Shortest window, in samples at `fs`."""
    max_samples: int
    """Longest window, in samples at `fs`; of a longer recording the last window is taken."""
    modality: Modality | None = None
    """ "ecg", "ppg" or "ecog"; None accepts any."""
    channels: tuple[str, ...] = (ANY_CHANNEL,)
    """Names in the model's order; "*" stands for any one channel."""
    unit: str | None = None
    """Unit the samples must have; None where the tokenizer is scale-free."""
    normalisation: Normalisation = "tokenizer"
    """Who scales the amplitude: the tokenizer (window by window), `adapt` (z-score a channel), or nobody."""
    passband: tuple[float | None, float | None] | None = None
    """Band-pass in Hz applied before resampling; None on a side leaves it open."""
    preprocessing: Preset | None = None
    """ECG-Byte's cleaning (`signals.preprocess`) in place of a passband: "modern", "published", or None for none."""
    max_gap: float = 0.1
    """Longest run of missing samples, in seconds, that is bridged by a straight line."""
    features: NeuralFeatures | None = None
    """Band power of electrodes that the channels are; None where the channels are the recording's own."""

    def __post_init__(self) -> None:
        problems = self.problems()
        if problems:
            raise ConfigError("; ".join(problems), hint="mend contract.yaml, or name a preset")

    def problems(self) -> list[str]:
        """List everything that is wrong with the contract."""
        found = []
        if not 0 < self.fs < inf:
            found.append(f"contract fs is {self.fs}, but it must be above 0 Hz")
        if not 1 <= self.min_samples <= self.max_samples:
            found.append(
                f"contract window is {self.min_samples} to {self.max_samples} samples, which is no range"
            )
        if self.modality is not None and self.modality not in MODALITIES:
            found.append(f"contract modality '{self.modality}' is not one of {', '.join(MODALITIES)}")
        if not self.channels:
            found.append("contract names no channel")
        if ANY_CHANNEL in self.channels and len(self.channels) > 1:
            found.append(
                f"contract channel '{ANY_CHANNEL}' stands for any one channel and cannot have company"
            )
        if len({canonical_channel(name).lower() for name in self.channels}) < len(self.channels):
            found.append(f"contract names a channel twice: {', '.join(self.channels)}")
        if self.normalisation not in NORMALISATIONS:
            found.append(
                f"contract normalisation '{self.normalisation}' is not one of {', '.join(NORMALISATIONS)}"
            )
        if self.unit is not None and self.normalisation == "zscore":
            found.append(f"contract asks for {self.unit} and for z-scores, which have no unit")
        if self.preprocessing not in (None, *PREPROCESSINGS):
            found.append(
                f"contract preprocessing '{self.preprocessing}' is not one of {', '.join(PREPROCESSINGS)}, or none"
            )
        elif self.preprocessing and self.passband:
            found.append(
                f"contract asks for {self.preprocessing} preprocessing, which has a passband of its own"
            )
        if self.features is not None:
            found += [f"contract features: {each}" for each in self.features.problems()]
            if self.features.rate != self.fs:
                found.append(
                    f"contract features are in {self.features.rate:g} bins a second, but fs is {self.fs:g} Hz"
                )
        if not self.max_gap >= 0:
            found.append(f"contract max_gap is {self.max_gap} s, but it cannot be negative")
        low, high = self.passband or (None, None)
        edges = [edge for edge in (low, high) if edge is not None]
        if edges and not (edges[0] > 0 and edges[-1] < self.fs / 2 and edges == sorted(set(edges))):
            found.append(f"contract passband {self.passband} does not lie between 0 and {self.fs / 2:g} Hz")
        return found


_HEARTGPT_ECG = InputContract(modality="ecg", fs=100.0, min_samples=100, max_samples=500)

CONTRACTS: dict[str, InputContract] = {
    "heartgpt-ecg": _HEARTGPT_ECG,
    "heartgpt-ppg": replace(_HEARTGPT_ECG, modality="ppg", fs=50.0),
    "ecg-byte": InputContract(
        modality="ecg",
        fs=250.0,
        min_samples=250,
        max_samples=2500,
        channels=LEADS,
        unit="mV",
        normalisation="none",
        preprocessing="modern",
    ),
}
"""Contracts by name: any one lead at 100 Hz, or finger PPG at 50 Hz, up to 500 samples (HeartGPT, Davies et al. 2024);
twelve leads in mV, cleaned, at 250 Hz, up to ten seconds (ECG-Byte, Han et al. 2024)."""
