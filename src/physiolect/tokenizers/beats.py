"""Heartbeats as tokens: each beat becomes numbers that describe its waveform, its timing and its rhythm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from math import ceil, inf, isfinite
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from physiolect.errors import ConfigError, FormatError
from physiolect.recording import canonical_channel
from physiolect.signals import filter_band
from physiolect.signals.heartbeats import (
    N_TEMPO,
    cut_beats,
    local_median,
    neighbour_features,
    pace_features,
    rr_intervals,
    shape_features,
    slope_centres,
    typical_beat,
)

Features: TypeAlias = NDArray[np.float32]
FeatureGroup = Literal["waveform", "p-wave", "difference", "shape", "intervals", "pace", "rhythm"]
"""Waveform around R; the part before it enlarged; difference from the typical beat; likeness to it, height and width;
RR intervals against their neighbours; against the pace; the probability of a rhythm around the beat."""
BeatNormalisation = Literal["recording", "causal"]
BeatPlace = Literal["mark", "slopes"]

LIMIT = 6.0
"""Standardised features lie within this many standard deviations."""

_P_GAIN, _P_LIMIT = 5.0, 3.0
_STRETCH = 2500
"""Beats, about half an hour, that are normalised together; longer recordings are cut into equal stretches."""
_MEMORY, _EVERY = 256, 64
"""Causal: beats so far that the typical beat is taken of, and beats after which it is taken anew."""
_FIRST_LEAD = "II"
_SECOND_LEADS = ("V1", "V5", "V2", "V6", "V4", "V3")
"""Which leads are taken where there are more than the tokens describe, best first."""


@dataclass(frozen=True)
class BeatTokenizer:
    """Describes each heartbeat of a signal by numbers; what is not known of a beat is NaN before it is standardised.

    With normalisation "recording" a beat is compared with half an hour around it. With "causal" its numbers depend on
    nothing later than `after` + 0.1 seconds from it.

    Raises:
        ConfigError: a setting is out of range.
    """

    fs: float = 100.0
    """Sampling rate in Hz."""
    n_leads: int = 2
    """Leads that describe a beat; one that a recording lacks counts as not known."""
    before: float = 0.3
    """Seconds of waveform before the R peak."""
    after: float = 0.45
    """Seconds of waveform from the R peak on."""
    passband: tuple[float, float] = (0.5, 40.0)
    """Band in Hz that the signal is filtered to."""
    features: tuple[FeatureGroup, ...] = ("waveform", "difference", "shape", "intervals", "pace", "rhythm")
    """Groups of features, in the order of the numbers."""
    normalisation: BeatNormalisation = "recording"
    """What a beat is compared with: half an hour around it, or what came before it."""
    place: BeatPlace = "slopes"
    """Where a beat is: at its mark, which is some ms off, or at the centre of the slopes within 80 ms of it."""
    scale_beats: int | None = None
    """Beats to each side whose median height is 1; None takes all that are normalised together."""
    mean: tuple[float, ...] = field(default=(), repr=False)
    """Mean of each number over the training beats; () leaves the numbers as they are."""
    sd: tuple[float, ...] = field(default=(), repr=False)
    """Standard deviation of each number."""

    def __post_init__(self) -> None:
        problems = self.problems()
        if problems:
            raise ConfigError(
                "; ".join(problems), hint="mend the tokenizer's settings, or start from a preset"
            )

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        found = []
        if not 0 < self.fs < inf:
            found.append(f"fs is {self.fs}, but must be above 0 Hz")
        elif not (0.15 <= self.before <= 2 and 0.1 <= self.after <= 2 and self.before * self.fs >= 4):
            found.append(
                f"before and after are {self.before:g} and {self.after:g} s, but must be 0.15 to 2 s"
            )
        elif not 0 < self.passband[0] < self.passband[1] < self.fs / 2:
            found.append(f"passband {self.passband} does not lie between 0 and {self.fs / 2:g} Hz")
        if not 1 <= self.n_leads <= 64:
            found.append(f"n_leads is {self.n_leads}, but must be from 1 to 64")
        known = get_args(FeatureGroup)
        if (
            not self.features
            or len(set(self.features)) < len(self.features)
            or set(self.features) - set(known)
        ):
            found.append(f"features are {', '.join(self.features)}, but must be some of {', '.join(known)}")
        if self.normalisation not in get_args(BeatNormalisation):
            found.append(f"normalisation is {self.normalisation}, but must be recording or causal")
        if self.place not in get_args(BeatPlace):
            found.append(f"place is {self.place}, but must be mark or slopes")
        if self.scale_beats is not None and self.scale_beats < 1:
            found.append(f"scale_beats is {self.scale_beats}, but must be at least 1")
        if found:
            return found
        n = self.n_features
        if self.mean and not (len(self.mean) == len(self.sd) == n and all(map(isfinite, self.mean))):
            found.append(f"mean and sd have {len(self.mean)} and {len(self.sd)} numbers, but a beat has {n}")
        elif len(self.sd) != len(self.mean) or not all(0 < each < inf for each in self.sd):
            found.append("sd must hold one number above 0 for each of mean")
        return found

    @property
    def causal(self) -> bool:
        """Whether a beat's numbers depend on nothing later than `after` + 0.1 seconds from it."""
        return self.normalisation == "causal"

    @property
    def n_before(self) -> int:
        """Samples of waveform before the R peak."""
        return round(self.before * self.fs)

    @property
    def n_samples(self) -> int:
        """Samples of waveform."""
        return self.n_before + round(self.after * self.fs)

    @cached_property
    def places(self) -> dict[FeatureGroup, slice]:
        """Where the numbers of each group are; those of waveforms lie lead after lead."""
        widths: dict[FeatureGroup, int] = {
            "waveform": self.n_leads * self.n_samples,
            "p-wave": self.n_leads * self._n_p,
            "difference": self.n_leads * self.n_samples,
            "shape": 3 * self.n_leads,
            "intervals": 3 if self.causal else 6,
            "pace": 4 if self.causal else 7,
            "rhythm": 1,
        }
        found, at = {}, 0
        for group in self.features:
            found[group] = slice(at, at + widths[group])
            at += widths[group]
        return found

    @property
    def n_features(self) -> int:
        """Numbers that describe a beat."""
        return max(each.stop for each in self.places.values())

    @property
    def tempo_places(self) -> list[int]:
        """Which numbers shift alike where the whole heart beats faster."""
        first = self.places["intervals"].start if "intervals" in self.places else 0
        return [first + k for k in N_TEMPO[self.causal]] if "intervals" in self.places else []

    def lead_places(self, lead: int) -> NDArray[np.int64]:
        """Return which numbers describe one lead."""
        shape = self.places.get("shape")
        found = [] if shape is None else [np.arange(shape.start + lead, shape.stop, self.n_leads)]
        return np.sort(np.concatenate([*found, self.wave_places(lead)]))

    def wave_places(self, lead: int) -> NDArray[np.int64]:
        """Return which numbers are samples of one lead's waveform, or differences of such."""
        found = [np.empty(0, np.int64)]
        for group, place in self.places.items():
            if group in ("waveform", "p-wave", "difference"):
                width = (place.stop - place.start) // self.n_leads
                found.append(np.arange(place.start + lead * width, place.start + (lead + 1) * width))
        return np.concatenate(found)

    def choose_leads(self, names: Sequence[str]) -> list[int]:
        """Return which channels describe the beats, at most `n_leads`: II or the first, then V1, V5 …, or any other."""
        canonical = [canonical_channel(name) for name in names]
        first = canonical.index(_FIRST_LEAD) if _FIRST_LEAD in canonical else 0
        rank = {name: k for k, name in enumerate(_SECOND_LEADS)}
        others = sorted(
            (k for k in range(len(names)) if k != first), key=lambda k: rank.get(canonical[k], len(rank))
        )
        return [first, *others][: self.n_leads]

    def encode(
        self,
        signal: NDArray[np.floating],
        beats: NDArray[np.floating | np.integer],
        rhythm: NDArray[np.floating] | None = None,
    ) -> Features:
        """Return the numbers of each beat, (n, F): standardised where the tokenizer has been fitted.

        Args:
            signal: (C, T) at `fs`, finite, at most `n_leads` channels.
            beats: (n,) R peaks in samples, in order; fractions count.
            rhythm: (n,) probability of a rhythm, such as atrial fibrillation, around each beat; NaN where not known.

        Raises:
            FormatError: the signal has too many channels or missing samples, or the beats are not in order.
        """
        samples: NDArray[np.float64] = np.asarray(beats, np.float64)
        self._check(signal, samples, rhythm)
        n = len(samples)
        if not n:
            return np.empty((0, self.n_features), np.float32)
        filtered = self._filtered(signal)
        if self.place == "slopes":
            samples = slope_centres(filtered, samples, self.fs)
        rr = rr_intervals(samples, self.fs, causal=self.causal)
        found = np.full((n, self.n_features), np.nan, np.float32)
        edges = [0, n] if self.causal else np.linspace(0, n, ceil(n / _STRETCH) + 1).astype(int).tolist()
        for begin, end in pairwise(edges):
            self._describe(found[begin:end], filtered, samples[begin:end], rr[begin:end])
        if "rhythm" in self.places and rhythm is not None:
            found[:, self.places["rhythm"]] = 2 * np.asarray(rhythm, np.float32)[:, None] - 1
        if self.mean:
            for begin, end in pairwise(edges):
                found[begin:end] = self.standardise(found[begin:end])
        return found

    def standardise(self, features: Features) -> Features:
        """Return numbers (…, F) in standard deviations from the mean, within ±6; what is not known becomes 0."""
        assert self.mean
        mean, sd = np.asarray(self.mean, np.float32), np.asarray(self.sd, np.float32)
        scaled = np.asarray((features - mean) / sd, np.float32)
        scaled[np.isnan(scaled)] = 0
        return np.clip(scaled, -LIMIT, LIMIT, out=scaled)

    def fitted(self, features: Features) -> BeatTokenizer:
        """Return this tokenizer with mean and standard deviation of the numbers (n, F) of training beats."""
        known = np.isfinite(features)
        count = np.maximum(known.sum(0), 1)
        mean = np.where(known, features, 0).sum(0, dtype=np.float64) / count
        sd = np.sqrt(np.where(known, np.square(features - mean), 0).sum(0, dtype=np.float64) / count) + 0.05
        return replace(self, mean=_rounded(mean), sd=_rounded(sd))

    @property
    def _n_p(self) -> int:
        """Samples of the part before R that is enlarged."""
        return self.n_before - round(0.04 * self.fs)

    def _check(
        self, signal: NDArray[np.floating], beats: NDArray[np.float64], rhythm: NDArray[np.floating] | None
    ) -> None:
        if signal.ndim != 2 or not 1 <= len(signal) <= self.n_leads:
            raise FormatError(
                f"the signal is {signal.shape}, but beats are described by 1 to {self.n_leads} channels of samples",
                hint="choose channels by choose_leads",
            )
        if not np.isfinite(signal).all():
            raise FormatError(
                "the signal has missing or infinite samples", hint="bridge the gaps first (adapt does)"
            )
        if beats.ndim != 1 or not np.isfinite(beats).all() or (np.diff(beats) < 0).any():
            raise FormatError(
                "beats must be positions in samples, in order of time", hint="sort them, and leave out NaN"
            )
        if rhythm is not None and np.shape(rhythm) != beats.shape:
            raise FormatError(
                f"{np.size(rhythm)} probabilities are given for {len(beats)} beats",
                hint="give one for each beat",
            )

    def _filtered(self, signal: NDArray[np.floating]) -> Features:
        if not self.causal:
            each = (
                filter_band(np.asarray(lead, np.float32)[None], self.fs, self.passband) for lead in signal
            )
            return np.concatenate(list(each)).astype(np.float32, copy=False)
        from scipy.signal import butter, sosfilt, sosfilt_zi

        sections = butter(2, self.passband, "bandpass", fs=self.fs, output="sos")
        settled = sosfilt_zi(sections)[:, None] * signal[None, :, :1]
        return np.asarray(sosfilt(sections, signal, axis=1, zi=settled)[0], np.float32)

    def _describe(
        self, out: Features, signal: Features, beats: NDArray[np.float64], rr: NDArray[np.float64]
    ) -> None:
        """Write the numbers of beats that are normalised together into out (n, F)."""
        n, n_known = len(beats), len(signal)
        waveforms = cut_beats(signal, beats, self.n_before, self.n_samples - self.n_before)
        waveforms = np.clip(waveforms / self._heights(waveforms), -2 * LIMIT, 2 * LIMIT)  # (n, C, D)
        made: dict[FeatureGroup, Callable[[], Features]] = {
            "waveform": lambda: waveforms,
            "p-wave": lambda: np.clip(_P_GAIN * waveforms[..., : self._n_p], -_P_LIMIT, _P_LIMIT),
            "difference": lambda: waveforms - typical,
            "shape": lambda: shape_features(waveforms, typical, self.n_before, self.fs).reshape(n, 3, -1),
            "intervals": lambda: neighbour_features(rr, causal=self.causal),
            "pace": lambda: pace_features(rr, causal=self.causal),
        }
        typical = self._typical(waveforms, rr) if {"difference", "shape"} & set(self.features) else waveforms
        for group, place in self.places.items():
            if group == "rhythm":
                continue
            values = made[group]()
            whole = out[:, place]
            if group in ("intervals", "pace"):
                whole[:] = values
            elif group == "shape":
                missing = ((0, 0), (0, 0), (0, self.n_leads - n_known))
                whole[:] = np.pad(values, missing, constant_values=np.nan).reshape(n, -1)
            else:
                whole[:, : n_known * values.shape[2]] = values.reshape(n, -1)

    def _heights(self, waveforms: Features) -> Features:
        """Return the common height of the beats, (n or 1, C, 1)."""
        near = max(2, round(0.08 * self.fs))
        first = max(0, self.n_before - near)
        heights = np.ptp(waveforms[..., first : self.n_before + near + 1], axis=2)  # (n, C)
        if self.causal or self.scale_beats is not None:
            common = local_median(heights, self.scale_beats or _EVERY, causal=self.causal)
        else:
            common = np.median(heights, axis=0, keepdims=True)
        return (np.maximum(common, 0) + 1e-3).astype(np.float32)[..., None]

    def _typical(self, waveforms: Features, rr: NDArray[np.float64]) -> Features:
        """Return the typical beat (C, D), or that of each beat's past (n, C, D), NaN where there is none."""
        n, shape = len(waveforms), waveforms.shape[1:]
        flat = waveforms.reshape(n, -1)
        if not self.causal:
            return typical_beat(flat, rr).reshape(shape)
        found = np.full((n, *shape), np.nan, np.float32)
        begin = 1
        while begin < n:
            end = min(n, begin + min(begin, _EVERY))
            past = slice(max(0, begin - _MEMORY), begin)
            found[begin:end] = typical_beat(flat[past], rr[past]).reshape(shape)
            begin = end
        return found


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(each, 6) for each in values.tolist())


BEAT_TOKENIZERS: dict[str, BeatTokenizer] = {
    "window": BeatTokenizer(n_leads=1, features=("waveform", "p-wave", "intervals"), scale_beats=8),
    "position": BeatTokenizer(),
}
"""Tokenizers by the scope of the task: for a rhythm, one lead and the intervals nearby; for classes of beats, two leads
and comparisons with the recording's typical beat."""
