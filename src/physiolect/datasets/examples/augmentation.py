"""Windows varied in tempo, noise, wander and polarity, as each window's own random bits say."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from physiolect.datasets.examples.loader import random_uniform
from physiolect.errors import ConfigError

_DRAWS = 8
"""Random numbers that each window has for itself, before those of its samples."""


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

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = []
        if not 1 <= self.tempo <= 4:
            found.append(f"tempo is {self.tempo}, but must be from 1 to 4")
        for name in ("noise", "wander"):
            if not 0 <= getattr(self, name) < math.inf:
                found.append(f"{name} is {getattr(self, name)}, but cannot be negative")
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

    def vary(self, signal: Tensor, other: Tensor | None, bits: Tensor, length: int) -> Tensor:
        """Return varied windows (B, length) in float32.

        Args:
            signal: (B, S) with S = samples_for(length).
            other: the same stretches in another lead, for `mix`; a lead beside itself stays as it is.
            bits: (B,) int64 that decide everything.
            length: samples wanted.
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


def _normal(bits: Tensor, n: int) -> Tensor:
    """Return normal numbers (B, n) out of bits (B, 1), by Box and Muller 1958."""
    one, two = random_uniform(bits, 2 * n, first=_DRAWS).chunk(2, 1)
    return (-2 * torch.log1p(-one)).sqrt() * (2 * math.pi * two).cos()
