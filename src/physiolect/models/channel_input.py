"""What stands before a model of continuous signals: roots of counts, statistics of channels, and noise in training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from physiolect.errors import ConfigError

Counts = Literal["as-they-are", "square-root"]
Statistics = Literal["none", "fixed", "adapting"]
COUNTS: tuple[Counts, ...] = ("as-they-are", "square-root")
STATISTICS: tuple[Statistics, ...] = ("none", "fixed", "adapting")

_LEAST_SHARE = 0.2
"""Least running standard deviation, as a share of the training data's: a channel that falls silent is not scaled up."""


@dataclass
class Running:
    """Sums of what was seen so far, from which running statistics follow."""

    n: Tensor
    """Steps that were there, (B, C) float64."""
    total: Tensor
    """Their sum, (B, C) float64."""
    squares: Tensor
    """The sum of their squares, (B, C) float64."""


class ChannelInput(nn.Module):
    """Standardises each channel by statistics that the checkpoint carries, or that adapt to the signal without labels.

    The running mean and standard deviation of a step are those of the training data, counted as `prior` steps, and of
    all steps of the signal up to this one. So they are causal. Missing samples (NaN) become the mean, and do not count.

    Args:
        n_channels: channels C.
        counts: "square-root" takes roots first, which makes the variance of spike counts even.
        statistics: "none", "fixed" from training, or "adapting".
        prior: steps that the training data count for, where statistics adapt.
        dropout: share of the channels that are silenced in training, for a whole window.
        noise: standard deviation of the noise that is added in training.
    """

    mean: Tensor
    sd: Tensor

    def __init__(
        self,
        *,
        n_channels: int,
        counts: Counts = "as-they-are",
        statistics: Statistics = "fixed",
        prior: int = 200,
        dropout: float = 0.0,
        noise: float = 0.0,
    ) -> None:
        super().__init__()
        self.counts, self.prior, self.dropout, self.noise = counts, prior, dropout, noise
        self.scales = statistics != "none"
        self.adapting = statistics == "adapting"
        if self.scales:
            self.register_buffer("mean", torch.zeros(n_channels))
            self.register_buffer("sd", torch.ones(n_channels))

    def fit(self, x: Tensor) -> None:
        """Take the statistics of training windows (n, C, T)."""
        if not self.scales:
            return
        rooted = self._rooted(x.transpose(1, 2)).double()  # (n, T, C)
        there = rooted.isfinite()
        n = there.sum((0, 1)).clamp_min(1)
        rooted = rooted.where(there, 0)
        mean = rooted.sum((0, 1)) / n
        sd = ((rooted - mean).where(there, 0).square().sum((0, 1)) / n).sqrt()
        self.mean.copy_(mean)
        self.sd.copy_(sd.where(sd > 1e-6 * mean.abs().clamp_min(1e-6), 1))

    def adapt(self, adapting: bool = True) -> None:
        """Let the statistics adapt to the signal, or keep those of training.

        Raises:
            ConfigError: the model has no statistics.
        """
        if adapting and not self.scales:
            raise ConfigError(
                "the model does not standardise its channels, so there is nothing to adapt",
                hint="train one with statistics: fixed, such as preset decoder",
            )
        self.adapting = adapting

    def start(self, n_rows: int) -> Running:
        """Return the sums before the first step of `n_rows` signals."""
        zeros = torch.zeros(n_rows, len(self.mean), dtype=torch.float64, device=self.mean.device)
        return Running(zeros, zeros.clone(), zeros.clone())

    def forward(self, x: Tensor, running: Running | None = None) -> Tensor:
        """Map windows (B, C, T) to standardised steps (B, T, C).

        Args:
            x: windows; missing samples are NaN.
            running: where statistics adapt, the sums before the first step, which this call moves on; None starts anew.
        """
        x = self._rooted(x.transpose(1, 2))
        there = x.isfinite()
        if not self.scales:
            z = x
        elif self.adapting:
            mean, sd = self._running(x.where(there, 0), there, running or self.start(len(x)))
            z = (x - mean) / sd
        else:
            z = (x - self.mean) / self.sd
        z = z.where(there, 0)
        if self.training and self.dropout:
            kept = torch.rand(len(z), 1, z.shape[2], device=z.device) >= self.dropout
            z = z * kept / (1 - self.dropout)
        if self.training and self.noise:
            z = z + self.noise * torch.randn_like(z)
        return z

    def _rooted(self, x: Tensor) -> Tensor:
        return x.clamp_min(0).sqrt() if self.counts == "square-root" else x

    def _running(self, x: Tensor, there: Tensor, running: Running) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of each step (B, T, C), and move the sums on."""
        wide, prior = x.double(), float(self.prior)
        mean, sd = self.mean.double(), self.sd.double()
        n = running.n.unsqueeze(1) + there.double().cumsum(1)
        total = running.total.unsqueeze(1) + wide.cumsum(1)
        squares = running.squares.unsqueeze(1) + wide.square().cumsum(1)
        running.n, running.total, running.squares = n[:, -1], total[:, -1], squares[:, -1]
        now = (prior * mean + total) / (prior + n)
        variance = (prior * (sd.square() + mean.square()) + squares) / (prior + n) - now.square()
        return now.to(x.dtype), variance.clamp_min(0).sqrt().maximum(_LEAST_SHARE * sd).to(x.dtype)
