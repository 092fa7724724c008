"""Windows varied in tempo, noise, wander and polarity, as each window's own random bits say."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from physiolect.datasets.examples.loader import random_uniform
from physiolect.errors import ConfigError
from physiolect.formats import read_recording
from physiolect.signals import resample

_DRAWS = 8
"""Random numbers that each window has for itself, before those of its samples."""
_RECORDED = 1 << 24
"""The first of those that choose a stretch of recorded noise, beyond those of any samples."""


@dataclass(frozen=True)
class Augmentation:
    """How far training windows may be varied; gain and offset are left alone, since levels do not see them."""

    tempo: float = 1.0
    """Largest factor by which a window is played faster or slower; 1 leaves it."""
    noise: float = 0.0
    """Largest standard deviation of white noise, as a share of the window's range (0.01 is one level)."""
    wander: float = 0.0
    """Largest amplitude of a slow sine (0.1 to 1.5 periods a window), as a share of the window's range."""
    flip: float = 0.0
    """Share of windows turned upside down, as by swapped electrodes."""
    mix: float = 0.0
    """Share of windows that are a weighted sum of two simultaneous leads, as an electrode between theirs would see."""

    recording: str | None = None
    """A recording of noise, a stretch of which is added to each window; WFDB, or any other format."""
    recording_channel: str | None = None
    """Its channel, a name or a number from 0 (default: all, by chance); keep another channel for testing."""
    recorded: float = 0.25
    """Largest standard deviation of that noise, as a share of the window's range."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = []
        if not 1 <= self.tempo <= 4:
            found.append(f"tempo is {self.tempo}, but must be from 1 to 4")
        for name in ("noise", "wander", "recorded"):
            if not 0 <= getattr(self, name) < math.inf:
                found.append(f"{name} is {getattr(self, name)}, but cannot be negative")
        if self.recording_channel is not None and self.recording is None:
            found.append("recording_channel is a channel of recording, which is not given")
        for name in ("flip", "mix"):
            if not 0 <= getattr(self, name) <= 1:
                found.append(f"{name} is {getattr(self, name)}, but must be from 0 to 1")
        return found

    def __post_init__(self) -> None:
        problems = self.problems()
        if problems:
            raise ConfigError("; ".join(problems), hint="leave these out to train on the windows as they are")

    def samples_for(self, length: int) -> int:
        """Return how many samples must be read so that every tempo leaves `length` of them."""
        return length if self.tempo == 1 else math.ceil((length - 1) * self.tempo) + 3

    def recorded_noise(self, fs: float, device: torch.device | str = "cpu") -> Tensor | None:
        """Return the recorded noise at a rate in Hz, each channel (C, S) with a variance of 1; None without any.

        Raises:
            ConfigError: the file states no rate, has gaps, or a channel that does not vary.
            FormatError: it cannot be read.
        """
        if self.recording is None:
            return None
        named = self.recording_channel
        channel = int(named) if named is not None and named.isdecimal() else named
        found = read_recording(self.recording, channels=channel)
        signal = resample(found.signal, found.fs, fs)
        if not np.isfinite(signal).all() or (signal.std(1) == 0).any():
            raise ConfigError(
                f"the noise in {self.recording} has missing samples, or a channel that does not vary",
                hint="cut out a whole stretch of it, or name another channel",
            )
        return _standard(torch.from_numpy(np.ascontiguousarray(signal, np.float32)).to(device))

    def vary(
        self, signal: Tensor, other: Tensor | None, bits: Tensor, length: int, recorded: Tensor | None = None
    ) -> Tensor:
        """Return varied windows (B, length) in float32.

        Args:
            signal: (B, S) with S = samples_for(length).
            other: the same stretches in another lead, for `mix`; a lead beside itself stays as it is.
            bits: (B,) int64 that decide everything.
            length: samples wanted.
            recorded: noise (C, S), from `recorded_noise`.
        """
        x = signal.float()
        draws = random_uniform(bits.unsqueeze(1), _DRAWS)  # (B, _DRAWS)
        if self.mix and other is not None:
            turn = (draws[:, 6:7] - 0.5) * (2 / 3 * math.pi)  # up to 60 degrees either way
            mixed = _standard(x) * turn.cos() + _standard(other.float()) * turn.sin()
            alone = (signal == other).all(
                1, keepdim=True
            )  # mixed with itself it would but shrink, or turn over
            x = torch.where((draws[:, 7:8] < self.mix) & ~alone, mixed, _standard(x))
        if self.tempo > 1:
            x = _played(x, self.tempo ** (2 * draws[:, :1] - 1), length)
        span = x.amax(1, keepdim=True) - x.amin(1, keepdim=True)  # (B, 1)
        if self.wander:
            time = torch.linspace(0, 2 * math.pi, length, device=x.device)
            phase = time * (0.1 + 1.4 * draws[:, 1:2]) + 2 * math.pi * draws[:, 2:3]
            x = x + span * (self.wander * draws[:, 3:4]) * phase.sin()
        if self.noise:
            x = x + span * (self.noise * draws[:, 4:5]) * _normal(bits.unsqueeze(1), length)
        if recorded is not None:
            x = x + span * _stretch(recorded, bits.unsqueeze(1), length, self.recorded)
        if self.flip:
            x = torch.where(draws[:, 5:6] < self.flip, -x, x)
        return x


def _standard(x: Tensor) -> Tensor:
    """Return x (B, S) about zero, each row with a variance of 1 unless it is flat."""
    x = x - x.mean(1, keepdim=True)
    return x / x.square().mean(1, keepdim=True).sqrt().clamp(min=1e-6)


def _played(x: Tensor, speed: Tensor, length: int) -> Tensor:
    """Read x (B, S) at `length` places `speed` (B, 1) apart, centred, by cubic convolution (Keys 1981, eq. 8)."""
    at = (x.shape[1] - 1) / 2 + speed * (
        torch.arange(length, device=x.device) - (length - 1) / 2
    )  # (B, length)
    first = at.floor().clamp(1, x.shape[1] - 3)
    t = at - first
    before, here, after, beyond = (x.gather(1, first.long() + k) for k in (-1, 0, 1, 2))
    slope = (after - before) / 2
    bend = before - 2.5 * here + 2 * after - beyond / 2
    twist = (beyond - before) / 2 + 1.5 * (here - after)
    return here + t * (slope + t * (bend + t * twist))


def _stretch(recorded: Tensor, bits: Tensor, length: int, most: float) -> Tensor:
    """Return stretches (B, length) of noise (C, S), which is repeated where it is short, out of bits (B, 1)."""
    draws = random_uniform(bits, 3, first=_RECORDED)  # (B, 3)
    n_channels, n = recorded.shape
    channel, start = (draws[:, :1] * n_channels).long(), (draws[:, 1:2] * n).long()
    at = (start + torch.arange(length, device=bits.device)) % n  # (B, length)
    return most * draws[:, 2:] * recorded[channel, at]


def _normal(bits: Tensor, n: int) -> Tensor:
    """Return normal numbers (B, n) out of bits (B, 1), by Box and Muller 1958."""
    one, two = random_uniform(bits, 2 * n, first=_DRAWS).chunk(2, 1)
    return (-2 * torch.log1p(-one)).sqrt() * (2 * math.pi * two).cos()
