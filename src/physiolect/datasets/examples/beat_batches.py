"""Batches of heartbeats to learn from: windows drawn around beats, and varied."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from physiolect.datasets.examples.beat_copies import BeatCopies, make_copies
from physiolect.datasets.examples.beat_examples import BeatExamples
from physiolect.datasets.examples.beat_table import NOTHING, join_tables
from physiolect.errors import ConfigError
from physiolect.tokenizers import BeatTokenizer
from physiolect.tokenizers.beats import LIMIT


@dataclass(frozen=True)
class BeatAugmentation:
    """How far windows of heartbeats are varied in training."""

    noise: float = 0.1
    """Standard deviation of noise on every number, in standard deviations."""
    gain: float = 0.2
    """Standard deviation of the logarithm of a window's amplitude."""
    lead: float = 0.15
    """Share of windows without their second lead; of those of one lead, share without any waveform."""
    flip: float = 0.0
    """Share of windows in which a lead is turned upside down, as by swapped electrodes; each lead by itself."""
    tempo: float = 1.0
    """Largest factor by which a window's heart beats faster or slower."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = [
            f"{name} is {getattr(self, name)}, but must be from 0 to {most:g}"
            for name, most in (("noise", 4), ("gain", 2), ("lead", 1), ("flip", 1))
            if not 0 <= getattr(self, name) <= most
        ]
        return found if 1 <= self.tempo <= 4 else [*found, f"tempo is {self.tempo}, but must be from 1 to 4"]

    def __post_init__(self) -> None:
        problems = self.problems()
        if problems:
            raise ConfigError("; ".join(problems), hint="leave these out to train on the beats as they are")


@dataclass(frozen=True)
class BeatDraws:
    """Which windows of heartbeats a step of training takes."""

    balance: float = 0.5
    """A class is drawn as often as its share of the beats to this power says: 0 draws all alike."""
    fewest: int = 32
    """Least beats of a window; fewer where a stretch has fewer."""
    most: int = 32
    """Most beats of a window."""


class BeatBatches:
    """Windows around drawn beats, in an order that is a function of (seed, step) alone.

    A class is drawn first, then a patient by the square root of how many of the class are theirs, then a beat of it,
    then where in its window it lies.

    Args:
        examples: whose rows are learned from.
        tokenizer: fitted.
        size: windows a batch.
        parts: batches a step.
        seed: another seed gives another order.
        device: where the beats are kept.
        draws: which windows a step takes.
        augmentation: how they are varied.
        copies: made copies that are drawn too; for classes of heartbeats alone.
    """

    def __init__(
        self,
        examples: BeatExamples,
        tokenizer: BeatTokenizer,
        *,
        size: int,
        parts: int = 1,
        seed: int = 0,
        device: torch.device | str = "cpu",
        draws: BeatDraws | None = None,
        augmentation: BeatAugmentation | None = None,
        copies: BeatCopies | None = None,
    ) -> None:
        self.size, self.seed = size, seed
        self.draws, self.augmentation = draws or BeatDraws(), augmentation or BeatAugmentation()
        self.examples, self.tokenizer, self.table = examples, tokenizer, examples.table
        self.at_beats = examples.values is None
        beats = examples.known_beats
        if not self.at_beats:  # shorter stretches say little of their rhythm
            beats = beats[(self.table.end - self.table.begin)[beats] >= 5]
        self.beats = beats
        shares = self._shares(beats)
        made = make_copies(examples, copies, seed=seed) if copies and self.at_beats else None
        if copies and made is not None:
            n = len(self.table)
            self.table = join_tables(self.table, made)
            of_copies = n + np.flatnonzero(made.value != NOTHING)
            self.beats = np.concatenate([beats, of_copies])
            shares = np.concatenate([(1 - copies.share) * shares, copies.share * self._shares(of_copies)])
        self._real = beats
        self._up_to = shares.cumsum()
        self._features = torch.from_numpy(self.table.features).to(device)
        self._mean, self._sd = (
            torch.tensor(each, dtype=torch.float32, device=device) for each in (tokenizer.mean, tokenizer.sd)
        )
        self._waves = [
            torch.from_numpy(places).to(device)
            for places in map(tokenizer.wave_places, range(tokenizer.n_leads))
        ]
        n, K = size * parts, len(examples.classes)
        self._lead = torch.from_numpy(tokenizer.lead_places(1 if tokenizer.n_leads > 1 else 0)).to(device)
        self._inputs = torch.zeros(n, tokenizer.n_features + 1, self.draws.most, device=device)
        shape = (n, self.draws.most, K) if self.at_beats else (n,)
        self._target = torch.zeros(shape, device=device)

    def __len__(self) -> int:
        return len(self.examples)

    def stage(self, step: int) -> None:
        """Draw, vary and lay out the windows of this step."""
        rng = np.random.default_rng([self.seed, step, len(self._inputs)])
        beats, inside, drawn = self._drawn(rng)
        device = self._features.device
        index, real = torch.from_numpy(beats).to(device), torch.from_numpy(inside).to(device)
        x = self._varied(self._features[index], rng, step)  # (B, n, F)
        x = x.masked_fill(~real.unsqueeze(-1), 0)
        self._inputs[:, :-1].copy_(x.swapaxes(1, 2))
        self._inputs[:, -1].copy_(real)
        if self.at_beats:
            value = np.where(inside, self.table.value[beats], NOTHING)
            target = (value[..., None] == np.arange(self._target.shape[-1])).astype(np.float32)
        else:
            target = self.table.value[drawn].astype(np.float32)
        self._target.copy_(torch.from_numpy(target))

    def batch(self, step: int | Tensor, part: int) -> tuple[Tensor, Tensor]:
        """Return inputs (size, F + 1, n) and targets of a part of the step last staged."""
        mine = slice(part * self.size, (part + 1) * self.size)
        return self._inputs[mine], self._target[mine]

    def inputs(self, index: ArrayLike) -> Tensor:
        """Frozen blocks are not computed beforehand for beats: windows differ at each draw."""
        raise NotImplementedError

    def hold(self, features: Tensor) -> None:
        """See `inputs`."""
        raise NotImplementedError

    def class_shares(self) -> NDArray[np.float64]:
        """Return the share of the real beats to learn from that are of each class, (K,)."""
        K = max(2, len(self.examples.classes))
        counts = np.bincount(self.table.value[self._real], minlength=K)
        return counts / counts.sum()

    def _shares(self, beats: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how likely each of these beats of the table is drawn, 1 in all."""
        examples, value = self.examples, self.table.value[beats]
        group_of = dict(zip(examples.rows.tolist(), examples.groups, strict=True))
        names = [group_of[row] for row in self.table.row[beats].tolist()]
        _, owners = np.unique(np.array(names), return_inverse=True)
        cells = np.stack([value, owners])
        _, cell, counts = np.unique(cells, axis=1, return_inverse=True, return_counts=True)
        shares = counts[cell.ravel()] ** -0.5  # the square root of a patient's n beats
        of_class = np.bincount(value, shares)
        wanted = np.bincount(value).astype(np.float64) ** self.draws.balance * (np.bincount(value) > 0)
        shares *= (wanted / np.where(of_class > 0, of_class, 1))[value]
        return shares / shares.sum()

    def _drawn(
        self, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
        """Return the beats of windows (B, n), which are in their window, and the beat each was drawn for (B,)."""
        B, n = len(self._inputs), self.draws.most
        drawn = self.beats[np.searchsorted(self._up_to, self._up_to[-1] * rng.random(B), side="right")]
        begin, end = self.table.begin[drawn], self.table.end[drawn]
        lengths = np.minimum(rng.integers(self.draws.fewest, n + 1, B), end - begin)
        start = drawn - (rng.random(B) * lengths).astype(np.int64)
        start = np.clip(start, begin, end - lengths)
        place = np.arange(n)
        inside = place < lengths[:, None]
        return np.where(inside, start[:, None] + place, 0), inside, drawn

    def _varied(self, x: Tensor, rng: np.random.Generator, step: int) -> Tensor:
        """Return beats x (B, n, F) varied and standardised."""
        vary, tokenizer, device = self.augmentation, self.tokenizer, x.device

        def drawn(values: NDArray[np.float64]) -> Tensor:
            return torch.from_numpy(values.astype(np.float32)).to(device)[:, None, None]

        B = len(x)
        factor = np.exp(vary.gain * rng.standard_normal(B))
        turned = np.where(rng.random((tokenizer.n_leads, B)) < vary.flip, -1, 1)
        for lead, places in enumerate(self._waves):
            x[..., places] *= drawn(factor * turned[lead])
        if tokenizer.tempo_places and vary.tempo > 1:
            shift = 2 * np.log(vary.tempo) * rng.uniform(-1, 1, B)
            x[..., tokenizer.tempo_places] += drawn(shift)
        lost = torch.from_numpy(rng.random(B) < vary.lead).to(device)
        x[..., self._lead] = x[..., self._lead].masked_fill(lost[:, None, None], torch.nan)
        x = ((x - self._mean) / self._sd).nan_to_num(0.0).clamp(-LIMIT, LIMIT)
        if vary.noise:
            generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
            x = x + vary.noise * torch.randn(x.shape, generator=generator).to(device)
        return x
