"""Made recordings whose truth is known: 12-lead ECG, finger PPG, and cohorts of them on disk.

A heartbeat is a sum of Gaussians in time, the idea of McSharry et al. (IEEE Trans. Biomed. Eng. 50:289,
2003). Here each Gaussian moves a heart dipole, and Dower's matrix (Clin. Cardiol. 3:87, 1980) turns it into
leads, so that leads agree with one another as on a body. Nothing loops over beats or samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from physiolect.errors import ConfigError, check_option
from physiolect.recording import LEADS, Annotations, Recording

Rhythm = Literal["sinus", "af"]
_NOTES = {"sinus": "(N", "af": "(AFIB"}

_DOWER = np.array(
    [
        [0.632, -0.235, 0.059],  # I
        [0.235, 1.066, -0.132],  # II
        [-0.515, 0.157, -0.917],  # V1
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],  # V6
    ]
)
"""From the dipole (left, down, back) to the eight leads that are independent."""

_GRID_HZ = 8.0
"""Rate at which slow things (heart rate, breathing, wander) are drawn before they are interpolated."""
_MARGIN = 2.0
"""Seconds of heartbeats before the start and after the end, whose waves reach in."""
_AF_SPREAD = 0.24
"""Standard deviation over mean of the RR intervals in atrial fibrillation."""


class _Wave(NamedTuple):
    offset: float
    """Seconds after the beat, at an RR interval of 1 s."""
    width: float
    """Standard deviation in seconds, at an RR interval of 1 s."""
    stretches: bool
    """Whether offset and width grow with the square root of the preceding RR interval."""
    size: Sequence[float] | NDArray[np.float64]
    """Height along every axis, (axes,)."""


@dataclass(frozen=True)
class _Beats:
    time: NDArray[np.float64]
    """Seconds, (n,); from before the start to after the end."""
    before: NDArray[np.float64]
    """The RR interval that ends at each beat, seconds, (n,)."""
    ventricular: NDArray[np.bool_]
    """Which beats are premature ventricular ones, (n,)."""

    def annotations(self, sample: NDArray[np.int64], n_samples: int, rhythm: Rhythm) -> Annotations:
        """Return the rhythm mark and the beats that lie inside the recording, beat i at `sample[i]`."""
        inside = np.flatnonzero((sample >= 0) & (sample < n_samples))
        symbols = np.where(self.ventricular[inside], "V", "N").tolist()
        return Annotations(
            np.concatenate([[0], sample[inside]]), ("+", *symbols), (_NOTES[rhythm], *[""] * len(inside))
        )


def ecg(
    *,
    seconds: float,
    fs: float = 500.0,
    heart_rate: float = 70.0,
    variability: float = 0.05,
    rhythm: Rhythm = "sinus",
    ectopic_rate: float = 0.0,
    leads: Sequence[str] = LEADS,
    noise: float = 1.0,
    seed: int = 0,
) -> Recording:
    """Make an ECG in mV whose beats are annotated "N" or "V" at the R peak of lead II, and its rhythm "+".

    Limb leads obey Einthoven's and Goldberger's equations with the noise on them. The seed also draws the
    patient: axis, wave heights, breathing rate.

    Args:
        seconds: length.
        fs: sampling rate in Hz.
        heart_rate: mean, in beats a minute.
        variability: standard deviation over mean of the heart rate in sinus rhythm, half of its power
            from breathing and half 1/f. Atrial fibrillation has its own, 0.24.
        rhythm: "sinus", or "af": irregular, without P waves, with fibrillatory waves of 4 to 9 Hz.
        ectopic_rate: share of premature ventricular beats, at most 0.25; a compensatory pause follows each.
        leads: which of the twelve, in which order.
        noise: 0 for none; 1 for the baseline wander, muscle noise and mains hum of a good recording.
        seed: the same seed and arguments give the same recording.

    Raises:
        ConfigError: an argument is out of range.
    """
    for lead in leads:
        check_option("lead", lead, LEADS)
    n_samples = _check(seconds, fs, heart_rate, variability, rhythm, ectopic_rate, noise)
    patient, heart, disturbance = np.random.default_rng(seed).spawn(3)
    breathing = patient.uniform(0.18, 0.32)
    normal, ventricular = _dipole_waves(patient, atria=rhythm == "sinus")
    beats = _draw_beats(heart, seconds, heart_rate, variability, rhythm, ectopic_rate, breathing)

    gain = 1 + 0.04 * np.sin(2 * np.pi * breathing * beats.time)
    dipole = np.zeros((3, n_samples))
    _add_waves(dipole, beats, normal, gain * ~beats.ventricular, fs)
    _add_waves(dipole, beats, ventricular, gain * beats.ventricular, fs)
    if rhythm == "af":
        dipole += np.outer([-0.06, 0.06, -0.07], _fibrillation(heart, n_samples, fs))
    eight = (_DOWER @ dipole).astype(np.float32)  # (8, time)
    sample = _peaks(eight[1], beats.time, fs, reach=0.012)
    if noise > 0:
        eight += np.float32(noise) * _ecg_noise(disturbance, eight.shape, fs, breathing)

    return Recording(
        _twelve(eight)[[LEADS.index(lead) for lead in leads]],
        fs,
        tuple(leads),
        "mV",
        "ecg",
        beats.annotations(sample, n_samples, rhythm),
        f"synthetic ECG, seed {seed}",
    )


def ppg(
    *,
    seconds: float,
    fs: float = 100.0,
    heart_rate: float = 70.0,
    variability: float = 0.05,
    rhythm: Rhythm = "sinus",
    ectopic_rate: float = 0.0,
    noise: float = 1.0,
    seed: int = 0,
) -> Recording:
    """Make a finger PPG in arbitrary units whose beats are annotated "N" or "V" at the systolic peak.

    A pulse is a systolic and a diastolic Gaussian with the dicrotic notch between them. It is the weaker the
    shorter the heart had to fill, and breathing moves both its height and the baseline.

    Args:
        seconds: length.
        fs: sampling rate in Hz.
        heart_rate: mean, in beats a minute.
        variability: standard deviation over mean of the heart rate in sinus rhythm.
        rhythm: "sinus", or "af": irregular in time and height.
        ectopic_rate: share of premature ventricular beats, at most 0.25.
        noise: 0 for none; 1 for the wander and noise of a good recording.
        seed: the same seed and arguments give the same recording.

    Raises:
        ConfigError: an argument is out of range.
    """
    n_samples = _check(seconds, fs, heart_rate, variability, rhythm, ectopic_rate, noise)
    patient, heart, disturbance = np.random.default_rng(seed).spawn(3)
    breathing = patient.uniform(0.18, 0.32)
    diastolic = _Wave(patient.uniform(0.27, 0.31), 0.105, True, [patient.uniform(0.38, 0.50)])
    waves = [_Wave(0.0, patient.uniform(0.075, 0.085), True, [1.0]), diastolic]
    beats = _draw_beats(heart, seconds, heart_rate, variability, rhythm, ectopic_rate, breathing)

    filling = np.clip(beats.before * heart_rate / 60, 0.2, 1.2) ** 1.5
    signal = np.zeros((1, n_samples))
    _add_waves(signal, beats, waves, filling * (1 + 0.08 * np.sin(2 * np.pi * breathing * beats.time)), fs)
    sample = _peaks(signal[0], beats.time, fs, reach=0.03)
    if noise > 0:
        time = np.arange(n_samples) / fs
        wander = 0.5 * _slow(disturbance, time) + np.sin(2 * np.pi * breathing * time + 1.0)
        signal += noise * (0.06 * wander + 0.004 * disturbance.standard_normal(n_samples))
    return Recording(
        signal.astype(np.float32),
        fs,
        ("PPG",),
        "au",
        "ppg",
        beats.annotations(sample, n_samples, rhythm),
        f"synthetic PPG, seed {seed}",
    )


def write_cohort(
    folder: str | Path,
    *,
    n_recordings: int,
    seconds: float,
    seed: int,
    modality: Literal["ecg", "ppg"] = "ecg",
) -> list[Path]:
    """Write recordings of different made patients as WFDB files and return what was written, one path each.

    About one in seven is in atrial fibrillation and one in three has ectopic beats. A longer cohort of the
    same seed begins with the shorter one.

    Raises:
        ConfigError: an argument is out of range.
    """
    from physiolect.formats import write_recording

    check_option("modality", modality, ("ecg", "ppg"))
    if n_recordings < 1:
        raise ConfigError(f"n_recordings is {n_recordings}, but must be 1 or more", hint="ask for one")
    make = ecg if modality == "ecg" else ppg
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, rng in enumerate(np.random.default_rng(seed).spawn(n_recordings)):
        fibrillates = rng.random() < 0.15
        recording = make(
            seconds=seconds,
            heart_rate=rng.uniform(70, 125) if fibrillates else rng.uniform(50, 100),
            variability=rng.uniform(0.02, 0.08),
            rhythm="af" if fibrillates else "sinus",
            ectopic_rate=rng.uniform(0.02, 0.15) if rng.random() < 0.35 else 0.0,
            noise=rng.uniform(0.4, 1.5),
            seed=int(rng.integers(2**32)),
        )
        path = folder / f"{modality}_{number:04d}.hea"
        write_recording(recording, path)
        paths.append(path)
    return paths


def _check(
    seconds: float,
    fs: float,
    heart_rate: float,
    variability: float,
    rhythm: str,
    ectopic_rate: float,
    noise: float,
) -> int:
    """Return the number of samples, or raise ConfigError for the first argument out of range."""
    check_option("rhythm", rhythm, _NOTES)
    for name, value, low, high in (
        ("seconds", seconds, 1.0, np.inf),
        ("fs", fs, 20.0, np.inf),
        ("heart_rate", heart_rate, 25.0, 220.0),
        ("variability", variability, 0.0, 0.2),
        ("ectopic_rate", ectopic_rate, 0.0, 0.25),
        ("noise", noise, 0.0, np.inf),
    ):
        if not (low <= value <= high and np.isfinite(value)):
            limits = f"at least {low:g}" if high == np.inf else f"from {low:g} to {high:g}"
            raise ConfigError(f"{name} is {value}, but must be {limits}", hint=f"choose {name} {limits}")
    return round(seconds * fs)


def _draw_beats(
    rng: Generator,
    seconds: float,
    heart_rate: float,
    variability: float,
    rhythm: Rhythm,
    ectopic_rate: float,
    breathing: float,
) -> _Beats:
    mean = 60 / heart_rate
    span = seconds + 2 * _MARGIN
    if rhythm == "af":
        # Refractory floor plus gamma: skewed as RR intervals in fibrillation are, and never absurdly short.
        shape = ((1 - 0.45) / _AF_SPREAD) ** 2
        n_drawn = int(1.5 * span / mean) + 50
        time = np.cumsum(mean * (0.45 + 0.55 * rng.gamma(shape, 1 / shape, n_drawn)))
    else:
        # Beats fall where the integral of the heart rate passes whole numbers.
        grid = np.arange(0, span + 1, 1 / _GRID_HZ)
        sway = np.sin(2 * np.pi * breathing * (grid - _MARGIN)) + _slow(rng, grid) / np.sqrt(2)
        rate = np.clip(1 + variability * sway, 0.4, 2.0) / mean
        phase = np.cumsum(rate) / _GRID_HZ + rng.random()
        time = np.interp(np.arange(1, int(phase[-1])), phase, grid)
    time = time[time < span] - _MARGIN

    # A beat after a premature one stays where it was, which is the compensatory pause; thinning out
    # neighbours would lower the share, so more are drawn.
    chosen = rng.random(len(time)) < (1 - np.sqrt(1 - 4 * ectopic_rate)) / 2
    chosen[1:] &= ~chosen[:-1].copy()
    chosen[:1] = False
    early = rng.uniform(0.58, 0.72, len(time))
    previous = np.concatenate([time[:1] - mean, time[:-1]])
    time = np.where(chosen, previous + early * (time - previous), time)
    return _Beats(time, np.diff(time, prepend=time[:1] - mean), chosen)


def _dipole_waves(patient: Generator, *, atria: bool) -> tuple[list[_Wave], list[_Wave]]:
    """Return the waves of a normal and of a ventricular beat of one patient; sizes in mV."""
    angle = np.deg2rad(patient.normal(0, 8))
    cos, sin = np.cos(angle), np.sin(angle)
    axis = patient.uniform(0.75, 1.25) * np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    p, s, t = patient.uniform(0.7, 1.3, 3)

    def turned(left: float, down: float, back: float) -> NDArray[np.float64]:
        return axis @ np.array([left, down, back])

    normal = [
        _Wave(-0.028, 0.008, False, turned(-0.12, -0.08, -0.12)),
        _Wave(0.0, 0.010, False, turned(1.0, 0.85, 0.25)),
        _Wave(0.020, 0.012, False, s * turned(-0.10, -0.12, 0.45)),
        # The T wave rises slowly and falls fast: two Gaussians, the earlier one wide and low.
        _Wave(0.245, 0.055, True, t * turned(0.12, 0.11, -0.09)),
        _Wave(0.295, 0.032, True, t * turned(0.17, 0.14, -0.12)),
    ]
    if atria:
        normal += [
            _Wave(-0.175, 0.020, True, p * turned(0.03, 0.07, -0.04)),
            _Wave(-0.150, 0.020, True, p * turned(0.08, 0.07, 0.03)),
        ]
    ventricular = [
        _Wave(0.0, 0.030, False, turned(0.40, 1.20, 0.65)),
        _Wave(0.065, 0.028, False, turned(-0.10, -0.35, 0.10)),
        _Wave(0.300, 0.065, False, turned(-0.20, -0.40, -0.30)),
    ]
    return normal, ventricular


def _add_waves(
    out: NDArray[np.float64], beats: _Beats, waves: Sequence[_Wave], gain: NDArray[np.float64], fs: float
) -> None:
    """Add every wave of the beats whose gain is not 0 to `out`, (axes, time)."""
    beat = np.flatnonzero(gain)
    if beat.size == 0:
        return
    n_samples = out.shape[1]
    root = np.sqrt(np.clip(beats.before[beat], 0.35, 1.5))
    for wave in waves:
        stretch = root if wave.stretches else np.ones_like(root)
        centre = ((beats.time[beat] + wave.offset * stretch) * fs)[:, None]  # (beats, 1)
        width = (wave.width * stretch * fs)[:, None]
        reach = int(np.ceil(5 * width.max()))
        sample = np.round(centre).astype(np.int64) + np.arange(-reach, reach + 1)  # (beats, 2 reach + 1)
        height = gain[beat, None] * np.exp(-0.5 * ((sample - centre) / width) ** 2)
        inside = (sample >= 0) & (sample < n_samples)
        course = np.bincount(sample[inside], height[inside], minlength=n_samples)
        for row, size in zip(out, wave.size, strict=True):
            row += size * course


def _twelve(eight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the twelve leads in the house's order from I, II, V1 … V6, (8, time)."""
    one, two = eight[:2]
    limb = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.concatenate([np.stack(limb), eight[2:]])


def _ecg_noise(rng: Generator, shape: tuple[int, ...], fs: float, breathing: float) -> NDArray[np.float32]:
    """Return noise in mV, (leads, time): wander, muscle, mains."""
    n_leads, n_samples = shape
    time = np.arange(n_samples) / fs
    # Muscle noise lies high: the difference of white noise rises with frequency.
    noise = np.float32(0.010) * np.diff(rng.standard_normal((n_leads, n_samples + 1), dtype=np.float32))
    breath = np.sin(2 * np.pi * breathing * time)
    hum = np.sin(2 * np.pi * 50 * time + rng.uniform(0, 2 * np.pi)) if fs > 100 else np.zeros(n_samples)
    for row in noise:
        row += 0.05 * _slow(rng, time) + 0.03 * rng.normal() * breath + 0.005 * rng.random() * hum
    return noise


def _fibrillation(rng: Generator, n_samples: int, fs: float) -> NDArray[np.float64]:
    """Return atrial waves of wandering frequency and height, about 1 high, (time,)."""
    time = np.arange(n_samples) / fs
    frequency = np.clip(rng.uniform(5, 7.5) + 0.5 * _slow(rng, time), 4, 9)
    phase = 2 * np.pi * np.cumsum(frequency) / fs
    return (1 + 0.3 * _slow(rng, time)) * (np.sin(phase) + 0.2 * np.sin(2 * phase + 0.8))


def _slow(rng: Generator, time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1/f noise from 0.01 to 0.5 Hz at these evenly spaced times, of unit variance on average."""
    n_points = max(16, 2 ** int(np.ceil(np.log2((time[-1] - time[0] + 100) * _GRID_HZ))))
    frequency = np.fft.rfftfreq(n_points, 1 / _GRID_HZ)
    band = (frequency >= 0.01) & (frequency <= 0.5)
    amplitude = np.zeros(len(frequency))
    amplitude[band] = frequency[band] ** -0.5
    spectrum = amplitude * (rng.standard_normal(len(frequency)) + 1j * rng.standard_normal(len(frequency)))
    course = np.fft.irfft(spectrum, n_points) * n_points / (2 * np.sqrt(np.sum(amplitude**2)))
    return np.interp(time - time[0], np.arange(n_points) / _GRID_HZ, course)


def _peaks(
    signal: NDArray[np.floating], time: NDArray[np.float64], fs: float, *, reach: float
) -> NDArray[np.int64]:
    """Return the highest sample within `reach` seconds of each beat; beats outside stay where they are."""
    sample = np.round(time * fs).astype(np.int64)
    steps = max(1, round(reach * fs))
    around = sample[:, None] + np.arange(-steps, steps + 1)
    inside = (around >= 0) & (around < len(signal))
    height = np.where(inside, signal[np.clip(around, 0, len(signal) - 1)], -np.inf)
    highest = around[np.arange(len(sample)), height.argmax(axis=1)]
    return np.where((sample >= 0) & (sample < len(signal)), highest, sample)
