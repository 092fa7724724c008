"""Copies of a recording in which its beats are made ectopic, or its rhythm fibrillating: numpy in, numpy out.

Recordings with many kinds of ectopic beats are few. A copy moves normal beats forward, changes their P waves, puts
ventricular beats of other recordings in their place or mixes both, and keeps everything else as it was recorded. In
some copies all normal beats are widened in one way, as in bundle branch block: width alone makes no ectopic beat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]

NORMAL, SUPRAVENTRICULAR, VENTRICULAR, FUSION = range(4)
"""Kinds of beats; others are left as they are."""
EARLY_SHARE, VENTRICULAR_SHARE, FUSION_SHARE = 0.06, 0.02, 0.02
"""Share of the normal beats that a copy makes ectopic."""
BLOCK_SHARE = 0.4
"""Share of the copies whose normal beats are widened; in half of them for about a minute at a time."""

BEFORE, AFTER = 0.25, 0.55
"""Seconds of a beat before its R peak, with the P wave, and of a ventricular beat from it on."""
_P_END = 0.04
"""Seconds before R at which the P wave and its interval end."""


class MadeCopy(NamedTuple):
    """A copy of a recording."""

    signal: Samples
    """(C, T'), as long as its beats take."""
    beats: Samples
    """(n,) samples, those of the recording in order."""
    kinds: NDArray[np.int64]
    """(n,)"""


@dataclass(frozen=True, eq=False)
class _Plan:
    """What becomes of n beats of C channels."""

    factor: Samples
    """(n,) of the interval that ends at each beat."""
    p_wave: Samples
    """(n, C) its height, 1 as recorded."""
    kinds: NDArray[np.int64]
    """(n,) what each is made, -1 for nothing."""
    block: Samples
    """(n,) share of `wide` that is mixed into it."""
    wide: Samples | None
    """(C, D) of the height of a usual beat."""

    @classmethod
    def of(
        cls, kinds: NDArray[np.int64], channels: int, donors: list[Samples], rng: np.random.Generator
    ) -> _Plan:
        """Return a plan that changes nothing but widens normal beats, in some of the copies."""
        n = len(kinds)
        block, wide = np.zeros(n), None
        if donors and rng.random() < BLOCK_SHARE:
            wide = donors[rng.integers(len(donors))][:channels] * rng.uniform(0.6, 1.2)
            wide = wide * rng.choice([-1, 1], (channels, 1), p=[0.3, 0.7])
            widened = kinds == NORMAL
            if rng.random() < 0.5:
                widened &= np.cumsum(rng.random(n) < 1 / 60) % 2 == 0
            block[widened] = rng.uniform(0.4, 0.99)
        return cls(np.ones(n), np.ones((n, channels)), np.full(n, -1), block, wide)


def ventricular_beats(
    signal: NDArray[np.floating],
    beats: NDArray[np.floating],
    kinds: NDArray[np.int64],
    fs: float,
    most: int = 40,
) -> list[Samples]:
    """Return ventricular beats of a recording, each (C, D), where a usual normal beat is 1 high.

    Args:
        signal: (C, T).
        beats: (n,) R peaks in samples.
        kinds: (n,)
        fs: in Hz.
        most: beats, spread over the recording.
    """
    before, after = round(BEFORE * fs), round(AFTER * fs)
    found = np.flatnonzero(
        (np.asarray(kinds) == VENTRICULAR) & (beats > before) & (beats < signal.shape[1] - after)
    )
    found = found[:: max(1, len(found) // most)][:most]
    height = _heights(signal, beats, kinds, fs)[:, None]
    return [
        np.asarray(signal[:, at - before : at + after], np.float64) / height
        for at in np.rint(beats[found]).astype(int)
    ]


def with_ectopy(
    signal: NDArray[np.floating],
    beats: NDArray[np.floating],
    kinds: NDArray[np.int64],
    donors: list[Samples],
    fs: float,
    rng: np.random.Generator,
) -> MadeCopy:
    """Return a copy in which some normal beats come early, are ventricular, or are fused with ventricular ones.

    Args:
        signal: (C, T).
        beats: (n,) R peaks in samples, in order.
        kinds: (n,) what each is; normal beats between normal beats may change.
        donors: ventricular beats of recordings that may teach, as `ventricular_beats` returns them.
        fs: in Hz.
        rng: draws everything.
    """
    x, at = np.asarray(signal, np.float64), np.asarray(beats, np.float64)
    n, kinds = len(at), np.asarray(kinds)
    plan = _Plan.of(kinds, len(x), donors, rng)
    rr = np.diff(at, prepend=at[:1] - 0.8 * fs) / fs
    steady = np.zeros(n, np.bool_)  # normal, among normal beats, in an even rhythm
    normal = kinds == NORMAL
    even = np.abs(rr[1:] / np.maximum(rr[:-1], 1e-9) - 1) < 0.25
    steady[1:-1] = normal[1:-1] & normal[:-2] & normal[2:] & even[1:] & (rr[1:-1] > 0.4) & (rr[1:-1] < 1.6)
    shares = np.cumsum([EARLY_SHARE, *((VENTRICULAR_SHARE, FUSION_SHARE) if donors else ())])
    k = 2
    while k < n - 3:
        made = int(np.searchsorted(shares, rng.random(), side="right")) + 1
        if not steady[k] or made > len(shares):
            k += 1
        elif made == FUSION:
            plan.kinds[k], plan.factor[k] = FUSION, rng.uniform(0.82, 1.02)
            k += 2
        else:
            k = _plan_early(plan, kinds, k, made, rng)
    return _rearranged(x, at, kinds, plan, donors, fs, rng)


def with_fibrillation(
    signal: NDArray[np.floating],
    beats: NDArray[np.floating],
    kinds: NDArray[np.int64],
    donors: list[Samples],
    fs: float,
    rng: np.random.Generator,
) -> MadeCopy:
    """Return a copy whose beats come irregularly, without P waves and over waves of 4.5 to 8 Hz; their kinds stay.

    Args: see `with_ectopy`.
    """
    x, at = np.asarray(signal, np.float64), np.asarray(beats, np.float64)
    kinds = np.asarray(kinds)
    plan = _Plan.of(kinds, len(x), donors, rng)
    normal = kinds == NORMAL
    normal[:2] = False
    spread, pace = rng.uniform(0.12, 0.3), np.exp(0.1 * rng.standard_normal())
    drawn = np.clip(pace * np.exp(spread * rng.standard_normal(len(at))), 0.5, 1.9)
    plan.factor[normal] = drawn[normal]
    plan.p_wave[normal] = rng.uniform(0, 0.15, (normal.sum(), len(x)))
    copy = _rearranged(x, at, kinds, plan, donors, fs, rng)
    m = copy.signal.shape[1]
    steps = rng.standard_normal(m + 49)
    wandering = np.convolve(steps, np.full(50, 50**-0.5), "valid")
    phase = 2 * np.pi * np.cumsum(rng.uniform(4.5, 8) * (1 + 0.1 * wandering)) / fs
    size = rng.uniform(0, 0.06) * np.append(1.0, rng.uniform(-1.5, 1.5, len(x) - 1))
    waves = (size * _heights(x, at, kinds, fs))[:, None] * np.sin(phase)
    return copy._replace(signal=copy.signal + waves)


def _plan_early(plan: _Plan, kinds: NDArray[np.int64], k: int, made: int, rng: np.random.Generator) -> int:
    """Plan one early beat or a run of them from beat k on, and a pause; return the next beat to look at."""
    n, channels = plan.p_wave.shape
    p_wave: Samples = np.ones(channels)
    if made == SUPRAVENTRICULAR:
        long, factor, pause = (2, 9), rng.uniform(0.5, 0.9), rng.uniform(0.9, 1.4)
        way = rng.random()
        if way < 0.3:
            p_wave = np.zeros(channels)
        elif way < 0.7:
            p_wave = rng.uniform(-1, 1, (channels,))
        else:
            p_wave = rng.uniform(0.4, 1.2, (channels,))
    else:
        long, factor, pause = (2, 5), rng.uniform(0.45, 0.95), rng.uniform(1.0, 1.6)
    run = 1 if rng.random() < 0.75 else int(rng.integers(*long))
    end = min(k + run, n - 3)
    for each in range(k, end):
        if kinds[each] != NORMAL:
            end = each
            break
        plan.kinds[each], plan.factor[each] = made, factor * (1 if each == k else rng.uniform(0.93, 1.1))
        plan.p_wave[each] = p_wave
    if kinds[end] == NORMAL:
        plan.factor[end] = pause
    return end + 1


def _rearranged(
    x: Samples, at: Samples, kinds: NDArray[np.int64], plan: _Plan, donors: list[Samples], fs: float,
    rng: np.random.Generator,
) -> MadeCopy:  # fmt: skip
    """Return the recording beat after beat, each from BEFORE its R peak to BEFORE the next, as planned."""
    if not len(at):
        return MadeCopy(x, at, kinds)
    n, T, before = len(at), x.shape[1], round(BEFORE * fs)
    whole = np.rint(at).astype(np.int64)
    ends = np.append(whole[1:] - before, T)
    pieces, length = [x[:, : max(0, whole[0] - before)]], max(0, int(whole[0]) - before)
    beats = np.empty(n)
    own = ventricular_beats(x, at, kinds, fs)
    height = _heights(x, at, kinds, fs)[:, None]
    donor: Samples | None = None
    for k in range(n):
        begin = int(whole[k]) - before
        piece = x[:, max(0, begin) : max(0, int(ends[k]))].copy()
        if begin < 0:
            piece = np.pad(piece, ((0, 0), (-begin, 0)), mode="edge")
        if k + 1 < n and plan.factor[k + 1] != 1:
            piece = _lasting(piece, plan.factor[k + 1] * (whole[k + 1] - whole[k]), before, fs)
        if (plan.p_wave[k] != 1).any():
            _scale_p_wave(piece, plan.p_wave[k], fs)
        made = plan.kinds[k]
        if plan.wide is not None and plan.block[k] and made not in (VENTRICULAR, FUSION):
            _mix(piece, plan.wide * height, plan.block[k], fs)
        if made in (VENTRICULAR, FUSION):
            if donor is None or made == FUSION or plan.kinds[k - 1] != VENTRICULAR:
                donor = _donor(own, donors, 0.7 if made == FUSION else 0.4, rng)[: len(x)] * height
            _mix(piece, donor, 1.0 if made == VENTRICULAR else rng.uniform(0.3, 0.7), fs)
        else:
            donor = None
        beats[k] = length + before + at[k] - whole[k]
        pieces.append(piece)
        length += piece.shape[1]
    return MadeCopy(np.concatenate(pieces, 1), beats, np.where(plan.kinds >= 0, plan.kinds, kinds))


def _lasting(piece: Samples, samples: float, before: int, fs: float) -> Samples:
    """Return a beat that lasts so many samples: cut in its last part, or that part drawn out."""
    has = piece.shape[1]
    wanted = max(round(0.2 * fs), round(samples))
    if has < round(0.25 * fs) or wanted == has:
        return piece
    if wanted < has:
        fade = min(round(0.08 * fs), wanted // 3)
        kept, weight = piece[:, :wanted].copy(), np.linspace(0, 1, fade)
        kept[:, -fade:] += weight * (piece[:, -fade:] - kept[:, -fade:])
        return kept
    still = min(before + round((0.55 if has > 0.6 * fs else 0.4) * has), has - round(0.1 * fs))
    rest = piece[:, still:]
    places = np.linspace(0, rest.shape[1] - 1, rest.shape[1] + wanted - has)
    drawn_out = [np.interp(places, np.arange(rest.shape[1]), row) for row in rest]
    return np.concatenate([piece[:, :still], np.stack(drawn_out)], 1)


def _scale_p_wave(piece: Samples, height: Samples, fs: float) -> None:
    """Scale the P wave of a beat over the line between its ends."""
    end = min(round((BEFORE - _P_END) * fs), piece.shape[1])
    if end < 4:
        return
    wave = piece[:, :end]
    first, last = wave[:, :2].mean(1, keepdims=True), wave[:, -2:].mean(1, keepdims=True)
    line = first + np.linspace(0, 1, end) * (last - first)
    piece[:, :end] = line + height[:, None] * (wave - line)


def _donor(own: list[Samples], others: list[Samples], likely_own: float, rng: np.random.Generator) -> Samples:
    """Return a ventricular beat of the recording itself or of another, which is varied in size and direction."""
    if own and (not others or rng.random() < likely_own):
        return own[rng.integers(len(own))]
    beat = others[rng.integers(len(others))] * rng.uniform(0.7, 1.4)
    return beat * rng.choice([-1, 1], (len(beat), 1)) if rng.random() < 0.3 else beat


def _mix(piece: Samples, donor: Samples, share: float, fs: float) -> None:
    """Mix a ventricular beat into a beat; as a whole beat it also takes the P wave's place."""
    n = min(piece.shape[1], donor.shape[1])
    level = np.median(donor[:, : round(0.12 * fs)], 1, keepdims=True)
    rise, fade = np.linspace(0, 1, round(0.08 * fs)), np.linspace(1, 0, round(0.15 * fs))
    window = np.ones(n)
    quiet = round((BEFORE - 0.16) * fs)
    window[:quiet] = 0
    window[quiet : quiet + len(rise)] = rise[: n - quiet]
    last = min(len(fade), n)
    window[n - last :] *= fade[-last:]
    base = np.median(piece[:, :5], 1, keepdims=True)
    beat = base + window * (donor[:, :n] - level)
    weight = share * window
    if share == 1:  # nothing of the beat itself is left
        weight = np.maximum(window, np.minimum(np.arange(n) / len(rise), 1) * (np.arange(n) < n - last))
    piece[:, :n] += weight * (beat - piece[:, :n])


def _heights(
    signal: NDArray[np.floating], beats: NDArray[np.floating], kinds: NDArray[np.int64], fs: float
) -> Samples:
    """Return the usual height of a normal QRS in each channel, (C,)."""
    near = round(0.08 * fs)
    chosen = np.rint(beats[(np.asarray(kinds) == NORMAL)]).astype(int)
    chosen = chosen[(chosen >= near) & (chosen < signal.shape[1] - near)]
    chosen = chosen[:: max(1, len(chosen) // 200)]
    if not len(chosen):
        return np.ptp(np.asarray(signal, np.float64), axis=1) + 1e-9
    around = np.asarray(signal)[:, chosen[:, None] + np.arange(-near, near + 1)]
    return np.median(np.ptp(around, axis=2), axis=1).astype(np.float64) + 1e-9
