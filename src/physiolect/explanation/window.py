"""One window of a recording as a model sees it, with its place in the recording's time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physiolect.contract import AdaptationReport
from physiolect.errors import ConfigError
from physiolect.recording import Recording

if TYPE_CHECKING:
    from physiolect.checkpoint import Checkpoint

Replacement = Literal["interpolation", "median"]
"""What takes the place of a part of the signal: the line between its kept neighbours, or the window's median."""

_NAMED = 3
"""Words name no more channels than these."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Window(ABC):
    """What a model saw, and when that was.

    Positions are what the model gives outputs for: samples, or heartbeats. Tokens are what maps are of: samples of a
    model that reads levels, patches of one that reads the signal, heartbeats of one that reads those.
    """

    token: ClassVar[str]
    """What a token is, in a word."""
    inputs: NDArray[np.generic]
    """What the model takes, without the axis of windows: levels (T,), numbers (C, T), or those of beats (F + 1, n)."""
    signal: NDArray[np.float32]
    """(T,) of one channel, or (C, T), the samples on the model's grid, in `unit`."""
    start: float
    """When the first sample was, in seconds of the recording."""
    fs: float
    """Rate in Hz: the contract's."""
    channels: tuple[str, ...]
    """Which channels of the recording."""
    unit: str | None
    """Of the signal; None where unknown, or not one for all channels."""
    report: AdaptationReport
    """How the recording was adapted."""
    recording: Recording
    """The same stretch and channels at the recording's own rate, for figures."""

    @property
    def channel(self) -> str:
        """The channel, or all of them."""
        return ", ".join(self.channels)

    @property
    def channels_in_words(self) -> str:
        """Up to three channels by name, or how many there are."""
        return self.channel if len(self.channels) <= _NAMED else f"{len(self.channels)} channels"

    @property
    def time(self) -> NDArray[np.float64]:
        """When each position was, in seconds of the recording."""
        return self.start + np.arange(self.signal.shape[-1]) / self.fs

    @property
    def n_positions(self) -> int:
        """Positions that the model gives outputs for."""
        return len(self.time)

    @property
    def n_tokens(self) -> int:
        """Tokens that maps are of."""
        return len(self.token_rows)

    @property
    @abstractmethod
    def token_rows(self) -> NDArray[np.int64]:
        """Channel that each token is of, (N,); -1 for all channels together."""

    @property
    @abstractmethod
    def token_spans(self) -> NDArray[np.float64]:
        """When each token begins and ends, in seconds of the recording, (N, 2)."""

    @property
    def n_class(self) -> int:
        """Tokens before these that are of no part of the window: the class token, where there is one."""
        return 0

    @property
    def n_patches_read(self) -> int:
        """Tokens that the model makes of the signal, from which the values of these tokens come."""
        return self.n_tokens

    @property
    def n_separators(self) -> int:
        """Tokens after those that are of no part of the window: the separators between leads, where there are any."""
        return 0

    @property
    def extra_tokens(self) -> str:
        """What the model's tokens of no part of the window are, in words; "" where there are none."""
        found = (("class token", self.n_class), ("separators", self.n_separators))
        return " and ".join(name for name, n in found if n)

    def of_model(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return what each token gets of what the model's tokens of the signal have, (..., n_patches_read)."""
        return values

    @property
    def distance(self) -> float:
        """Seconds from a token to the next."""
        spans = self.token_spans
        return float(spans[0, 1] - spans[0, 0])

    def sample(self, moment: float | None) -> int:
        """Return the position nearest to a moment in seconds of the recording; None means the last.

        Raises:
            ConfigError: the moment lies outside the window.
        """
        if moment is None:
            return self.n_positions - 1
        at = round((moment - self.start) * self.fs) if isfinite(moment) else -1
        if not 0 <= at < self.n_positions:
            raise self._outside(moment)
        return at

    @abstractmethod
    def tokens_at(self, position: int) -> list[int]:
        """Return the model's tokens that the output at a position is read from, several of as many leads."""

    @abstractmethod
    def without(
        self,
        out: NDArray[np.int64],
        *,
        replacement: Replacement = "interpolation",
        n_context: int | None = None,
    ) -> NDArray[np.generic]:
        """Return `inputs` with some tokens replaced.

        Args:
            out: numbers of the tokens.
            replacement: what takes their place.
            n_context: nothing after the first so many tokens is used for that; None means all.
        """

    def tensor(self, checkpoint: Checkpoint) -> Tensor:
        """Return the inputs as a batch of one, where the model is."""
        return torch.from_numpy(self.inputs)[None].to(checkpoint.model.device)

    def _outside(self, moment: float) -> ConfigError:
        return ConfigError(
            f"{moment:g} s lies outside the window, which is {self.time[0]:.2f} to {self.time[-1]:.2f} s",
            hint="choose a moment within it, or another stretch of the recording: the window is the last one in it",
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class LevelWindow(Window):
    """What a model of levels saw, sample by sample."""

    token = "sample"

    @property
    def ids(self) -> NDArray[np.int64]:
        """(T,) level of each sample."""
        return self.inputs.astype(np.int64, copy=False)

    @property
    def token_rows(self) -> NDArray[np.int64]:
        """All of the one channel."""
        return np.zeros(len(self.inputs), np.int64)

    @property
    def token_spans(self) -> NDArray[np.float64]:
        """A sample each."""
        return self.time[:, np.newaxis] + np.array([-0.5, 0.5]) / self.fs

    def tokens_at(self, position: int) -> list[int]:
        """Return the sample itself."""
        return [position]

    def without(
        self,
        out: NDArray[np.int64],
        *,
        replacement: Replacement = "interpolation",
        n_context: int | None = None,
    ) -> NDArray[np.int64]:
        """Return the levels with some replaced by the line between those kept, or by the median level."""
        n, ids = n_context or len(self.inputs), self.ids.copy()
        kept = np.delete(np.arange(n), out)
        if replacement == "median" or not len(kept):
            ids[out] = int(np.median(self.ids[:n]))
        else:
            ids[out] = np.round(np.interp(out, kept, ids[kept]))
        return ids


@dataclass(frozen=True, eq=False, kw_only=True)
class SignalWindow(Window):
    """What a model of the signal saw: patches of one lead each, or of all leads together.

    An encoder's tokens are these patches. Of an encoder of images, what a patch of the image has is divided among the
    leads that it shows. A residual network has no tokens: its window is cut into short stretches of each lead.
    """

    token = "patch"
    patch: int
    """Samples of a token."""
    per_lead: bool
    """Whether a token is of one lead."""
    class_token: bool
    """Whether a class token stands before the others."""
    separators: bool = False
    """Whether a token stands at both ends of each lead."""
    image_side: int = 0
    """Patches on each side of the image that the model sees; 0 where it sees samples."""

    @property
    def n_patches_read(self) -> int:
        """Tokens that the model makes of the signal."""
        return self.image_side**2 or self.n_tokens

    @property
    def n_separators(self) -> int:
        """Two a lead, or none."""
        return 2 * len(self.channels) if self.separators else 0

    def of_model(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return what each token gets of what the model's tokens have; the sum of all stays, but for padding."""
        n = self.image_side
        if not n:
            return values
        edges = [
            np.arange(each + 1) / each for each in (len(self.channels), n)
        ]  # of leads, of rows of patches
        begin, end = (np.add.outer(edges[0][cut], np.zeros(n)) for cut in (slice(None, -1), slice(1, None)))
        shown = np.minimum(end, edges[1][1:]) - np.maximum(begin, edges[1][:-1])
        shares = np.maximum(shown, 0) * n  # (leads, rows): the part of a row that shows a lead
        rows = values.reshape(*values.shape[:-1], n, n)[..., : self.n_patches]
        of_leads = np.einsum("lr,...rc->...lc", shares.astype(values.dtype), rows)
        return of_leads.reshape(*values.shape[:-1], -1)

    def of_samples(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the sum over each token of values of samples (C, T), (N,)."""
        padded = np.pad(values, ((0, 0), (0, self.n_patches * self.patch - values.shape[1])))
        return padded.reshape(len(values), self.n_patches, self.patch).sum(-1).ravel()

    @property
    def n_patches(self) -> int:
        """Patches of a lead, or of all together."""
        return -(-self.inputs.shape[-1] // self.patch)

    @property
    def token_rows(self) -> NDArray[np.int64]:
        """Lead after lead, or -1 throughout."""
        if not self.per_lead:
            one = 0 if len(self.channels) == 1 else -1
            return np.full(self.n_patches, one, np.int64)
        return np.repeat(np.arange(len(self.channels)), self.n_patches)

    @property
    def token_spans(self) -> NDArray[np.float64]:
        """A patch each; the last one may be short."""
        first = np.arange(self.n_patches) * self.patch
        last = np.minimum(first + self.patch, self.inputs.shape[-1])
        spans = self.start + (np.stack([first, last], 1) - 0.5) / self.fs
        return np.tile(spans, (len(self.channels) if self.per_lead else 1, 1))

    @property
    def n_class(self) -> int:
        """One class token, or none."""
        return int(self.class_token)

    def tokens_at(self, position: int) -> list[int]:
        """Return the model's patch that holds the sample, of each lead, or of each row of an image."""
        rows = self.image_side or (len(self.channels) if self.per_lead else 1)
        columns = self.image_side or self.n_patches
        return [row * columns + position // self.patch for row in range(rows)]

    def without(
        self,
        out: NDArray[np.int64],
        *,
        replacement: Replacement = "interpolation",
        n_context: int | None = None,
    ) -> NDArray[np.float32]:
        """Return the signal with some patches replaced by the line between what is kept, or by the lead's median."""
        C, T = self.inputs.shape
        left_out = np.zeros((len(self.channels) if self.per_lead else 1) * self.n_patches, np.bool_)
        left_out[out] = True
        gone = np.repeat(left_out.reshape(-1, self.n_patches), self.patch, 1)[:, :T]  # (1 or C, T)
        signal = self.inputs.astype(np.float32)
        for lead, away in zip(signal, np.broadcast_to(gone, (C, T)), strict=True):
            kept = np.flatnonzero(~away)
            if replacement == "median" or not len(kept):
                lead[away] = np.median(lead)
            else:
                lead[away] = np.interp(np.flatnonzero(away), kept, lead[kept])
        return signal


@dataclass(frozen=True, eq=False, kw_only=True)
class BeatWindow(Window):
    """What a model of heartbeats saw: some tens of beats, each described by numbers."""

    token = "beat"
    beats: NDArray[np.float64]
    """(n,) when each was, in seconds of the recording."""
    core: tuple[int, int]
    """First of the beats that are judged in this window, and the one after the last; the others are beside them."""

    @property
    def time(self) -> NDArray[np.float64]:
        """When each beat was, in seconds of the recording, (n,)."""
        return self.beats

    @property
    def token_rows(self) -> NDArray[np.int64]:
        """A beat is of all leads."""
        return np.full(len(self.beats), -1, np.int64)

    @property
    def token_spans(self) -> NDArray[np.float64]:
        """From half way to the beat before to half way to the next, at most 0.6 s to each side."""
        halves = np.diff(self.beats) / 2
        usual = float(np.median(halves)) if len(halves) else 0.4
        before, after = np.append(usual, halves), np.append(halves, usual)
        reach = np.minimum(np.stack([-before, after], 1), 0.6)
        return self.beats[:, np.newaxis] + np.maximum(reach, -0.6)

    @property
    def distance(self) -> float:
        """Seconds from a beat to the next, typically."""
        return float(np.median(np.diff(self.beats))) if len(self.beats) > 1 else 1.0

    def sample(self, moment: float | None) -> int:
        """Return the beat nearest to a moment in seconds of the recording; None means the last that is judged.

        Raises:
            ConfigError: the moment lies further than a second from all beats that are judged here.
        """
        begin, end = self.core
        if moment is None:
            return end - 1
        away = np.abs(self.beats[begin:end] - moment) if isfinite(moment) else np.full(end - begin, np.inf)
        if away.min() > 1:
            raise self._outside(moment)
        return begin + int(away.argmin())

    def tokens_at(self, position: int) -> list[int]:
        """Return the beat itself."""
        return [position]

    def without(
        self,
        out: NDArray[np.int64],
        *,
        replacement: Replacement = "interpolation",
        n_context: int | None = None,
    ) -> NDArray[np.float32]:
        """Return the numbers with some beats replaced by the average beat of training: 0 throughout."""
        inputs = self.inputs.astype(np.float32)
        inputs[:-1, out] = 0
        return inputs
