"""Made ECoG of a hand that reaches for eight targets: its velocity is known, and so is what each electrode says of it.

High-gamma power of an electrode rises with the hand's speed where the hand moves towards the electrode's preferred
direction (a rectified cosine). Preferred directions turn smoothly over the grid, and power leads movement by 100 ms.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import lfilter

from physiolect.errors import ConfigError
from physiolect.recording import Annotations, Recording
from physiolect.signals import filter_band

TARGETS = ("velocity_x", "velocity_y")
"""Channels beside the electrodes, in cm/s."""
BIN_HZ = 20.0
"""Rate of the high-gamma power."""
DIRECTIONS = 8

_MIDDLE_NOISE = 0.345
"""Standard deviation of the noise at noise=1, in units of the largest modulation: ridge regression on ten bins then
reaches an R² of .5 (tests/test_reaches.py)."""
_LEAD_BINS = 2
_TUNED = 0.5
"""Share of the electrodes that say anything of the movement."""
_DRIFT = 0.15
"""Standard deviation of the logarithm of an electrode's gain from one day to the next."""
_MOVE_BINS = 14
_PEAK_CM_S = 30.0


class _Grid(NamedTuple):
    """What each electrode is, (C,) each."""

    preferred: NDArray[np.float64]
    depth: NDArray[np.float64]
    base: NDArray[np.float64]


def ecog_reaches(
    duration: float = 600.0,
    *,
    grid: tuple[int, int] = (8, 8),
    noise: float = 1.0,
    day: int = 0,
    seed: int = 0,
    fs: float = BIN_HZ,
) -> Recording:
    """Return high-gamma power of a grid, or with a higher rate the ECoG itself, with the hand's velocity beside it.

    Trials are marked "trial" with their target ("target 1" to "target 8"), and "trial end".

    Args:
        duration: in seconds.
        grid: rows and columns of electrodes.
        noise: 0 for none; 1 is the middle level, at which ridge regression reaches an R² of .5.
        day: each day has other gains and offsets of the electrodes, and other reaches; preferred directions stay.
        seed: another seed is another brain.
        fs: 20 Hz gives high-gamma power in dB; 400 Hz or more gives voltages in uV, with line noise at 60 Hz.

    Raises:
        ConfigError: a setting is out of range.
    """
    rows, columns = grid
    if duration < 10 or rows < 1 or columns < 1 or noise < 0 or not (fs == BIN_HZ or 400 <= fs <= 4000):
        raise ConfigError(
            f"duration {duration:g} s, grid {rows} x {columns}, noise {noise:g} or fs {fs:g} Hz is out of range",
            hint="10 s or more, one electrode or more, noise from 0, fs 20 or from 400 to 4000",
        )
    brain, today = np.random.default_rng(seed), np.random.default_rng([seed, day, 7])
    n, n_electrodes = int(duration * BIN_HZ), rows * columns
    electrodes = _draw_grid(brain, rows, columns)
    velocity, marks = _reach(today, n + _LEAD_BINS)
    gain = np.exp(_DRIFT * today.standard_normal(n_electrodes) * (day > 0))
    offset = 2.0 * today.standard_normal(n_electrodes) * (day > 0)
    along = velocity[:, :1] * np.cos(electrodes.preferred) + velocity[:, 1:] * np.sin(electrodes.preferred)
    driven = electrodes.depth * np.maximum(along, 0) / _PEAK_CM_S  # (n + lead, C)
    level = gain * driven[_LEAD_BINS:] + noise * _MIDDLE_NOISE * _noise(today, n, rows, columns)
    power = electrodes.base + offset + 8.0 * level  # dB
    velocity = velocity[:n]
    names = tuple(f"ecog {row + 1}.{column + 1}" for row in range(rows) for column in range(columns))
    if fs == BIN_HZ:
        signal, unit, held = power.T, "dB", velocity.T
    else:
        signal, unit = _voltages(today, power, fs).T, "uV"
        at = np.arange(signal.shape[1]) / fs * BIN_HZ
        held = np.stack([np.interp(at, np.arange(n), each) for each in velocity.T])
    return Recording(
        np.concatenate([signal, held]).astype(np.float32),
        fs,
        (*names, *TARGETS),
        (*(unit,) * n_electrodes, "cm/s", "cm/s"),
        "ecog",
        marks.window(0, n).at_rate(fs / BIN_HZ),
        source=f"made reaches, day {day}",
        beside=TARGETS,
    )


def _draw_grid(rng: Generator, rows: int, columns: int) -> _Grid:
    row, column = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    turns = rng.uniform(-0.6, 0.6, 2)
    preferred = rng.uniform(0, 2 * np.pi) + turns[0] * row.ravel() + turns[1] * column.ravel()
    preferred = preferred + 0.4 * rng.standard_normal(row.size)
    depth = np.where(rng.random(row.size) < _TUNED, rng.uniform(0.4, 1.0, row.size), 0.0)
    return _Grid(preferred, depth, rng.normal(30.0, 4.0, row.size))


def _reach(rng: Generator, n: int) -> tuple[NDArray[np.float64], Annotations]:
    """Return velocities (n, 2) of reaches out and back, and marks of the trials."""
    profile = np.sin(np.pi * (np.arange(_MOVE_BINS) + 0.5) / _MOVE_BINS) ** 2
    velocity, marks, at = np.zeros((n, 2)), list[tuple[int, str, str]](), int(rng.integers(4, 10))
    while True:
        target, size = int(rng.integers(DIRECTIONS)), _PEAK_CM_S * rng.uniform(0.7, 1.0)
        wait, hold, pause = (int(each) for each in rng.integers(5, 12, 3))
        out, back = at + wait, at + wait + _MOVE_BINS + hold
        end = back + _MOVE_BINS
        if end + pause >= n:
            break
        angle = 2 * np.pi * target / DIRECTIONS + 0.1 * rng.standard_normal()
        move = size * profile[:, None] * np.array([np.cos(angle), np.sin(angle)])
        velocity[out : out + _MOVE_BINS] += move
        velocity[back:end] -= move
        marks += [(at, "trial", f"target {target + 1}"), (back, "trial end", "")]
        at = end + pause
    sample, symbol, note = zip(*marks, strict=True)
    return velocity, Annotations(np.array(sample, np.int64), symbol, note)


def _noise(rng: Generator, n: int, rows: int, columns: int) -> NDArray[np.float64]:
    """Return noise (n, C) of variance 1: of each electrode alone, of its neighbourhood, and of the whole grid."""
    alone, near = rng.standard_normal((2, n, rows, columns))
    near = near + np.roll(near, 1, 1) + np.roll(near, 1, 2)
    whole = rng.standard_normal((n, 1, 1))
    mixed = (0.7 * alone + 0.55 * near / 3**0.5 + 0.45 * whole).reshape(n, -1)
    found: NDArray[np.float64] = lfilter(
        [0.8], [1.0, -0.6], mixed, axis=0
    )  # each bin keeps some of the one before
    return found


def _voltages(rng: Generator, power: NDArray[np.float64], fs: float) -> NDArray[np.float64]:
    """Return ECoG (time, C) in uV whose power from 70 to 150 Hz is the one given, on 1/f noise and line noise."""
    steps = int(len(power) / BIN_HZ * fs)
    time, C = np.arange(steps) / fs, power.shape[1]
    level = np.stack([np.interp(time * BIN_HZ, np.arange(len(power)) + 0.5, each) for each in power.T], 1)
    carrier = filter_band(rng.standard_normal((C, steps)), fs, (70.0, 150.0)).T
    fast = 10 ** (level / 20) / 10 * carrier / carrier.std(0)
    walk = np.cumsum(rng.standard_normal((steps, C)), 0)
    slow = filter_band(walk.T, fs, (1.0, 40.0)).T
    line = 8.0 * np.sin(2 * np.pi * 60.0 * time)[:, None]
    return fast + 30.0 * slow / slow.std(0) + line
