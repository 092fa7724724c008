"""Preprocessing a ten-second 12-lead record, 500 to 250 Hz.

The plain side is the published sequence as ECG-Byte's authors run it: scipy's filters in one quotient of polynomials
over the record, PyWavelets and a cubic `interp1d` lead by lead. "published" must equal it; "modern" is held against
its own definition written with `sosfiltfilt`, PyWavelets and `resample` lead by lead, then timed against the published
sequence. Ours runs each filter's recursion over sixteen leads at once, transforms all leads in one call, and solves a
grid's spline equations once; modern also filters 3 s beyond either end. All numbers are float64.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pywt
import torch
from interleave import Contest, Run, main
from numpy.typing import NDArray
from scipy.interpolate import interp1d
from scipy.signal import butter, filtfilt, iirnotch, sosfiltfilt, tf2sos

from physiolect.signals import preprocess, resample
from physiolect.signals.preprocessing import Preset

FS, TARGET_FS, SECONDS = 500, 250, 10
BAND, WANDER, MAINS = [0.5, 100], 0.05, (50, 60)
MANY = (500, 3000)
"""Records after which the resident memory is compared."""

Signal = NDArray[np.float64]


def records(n: int, seed: int = 0) -> Signal:
    """Return made records (n, 12, time): a random walk with noise; the work does not depend on what they show."""
    rng = np.random.default_rng(seed)
    shape = (n, 12, FS * SECONDS)
    return rng.standard_normal(shape).cumsum(axis=-1) / 50 + rng.standard_normal(shape) / 20


def published(record: Signal) -> Signal:
    """Return the published sequence's result for a record (time, 12) at 250 Hz."""
    for frequency in MAINS:
        record = filtfilt(*iirnotch(frequency, 30, FS), record, axis=0)
    record = filtfilt(*butter(4, BAND, "bandpass", fs=FS), record, axis=0)
    record = filtfilt(*butter(4, WANDER, "highpass", fs=FS), record, axis=0)
    clean = np.stack([denoised(lead) for lead in record.T], axis=1)
    then, now = (np.linspace(0, SECONDS, rate * SECONDS) for rate in (FS, TARGET_FS))
    return np.stack([interp1d(then, lead, kind="cubic")(now) for lead in clean.T], axis=1)


def denoised(lead: Signal) -> Signal:
    """Return one lead with its wavelet details shrunk."""
    coarse, *details = pywt.wavedec(lead, "db6", level=4)
    threshold = np.median(np.abs(details[0])) / 0.6745
    details = [pywt.threshold(detail, threshold, "soft") for detail in details]
    details = [np.where(np.abs(detail) <= 1e-10, 0, detail) for detail in details]
    return pywt.waverec([coarse, *details], "db6")[: len(lead)]


def modern(record: Signal) -> Signal:
    """Return what "modern" means, lead by lead, for a record (12, time)."""
    stages = [tf2sos(*iirnotch(frequency, 30, FS)) for frequency in MAINS]
    stages.append(butter(4, BAND, "bandpass", fs=FS, output="sos"))
    stages.append(butter(4, WANDER, "highpass", fs=FS, output="sos"))
    margin = 3 * FS
    clean = []
    for lead in record:
        lead = np.pad(lead, margin, mode="reflect")
        for sections in stages:
            lead = sosfiltfilt(sections, lead, padlen=3 * (2 * len(sections) + 1))
        clean.append(denoised(lead[margin:-margin]))
    return resample(np.stack(clean), FS, TARGET_FS)


def one_by_one(work: Callable[[Signal], Signal], given: Iterable[Signal]) -> Run:
    """Return a run of some work over records, one after another."""
    given = list(given)
    return lambda: torch.from_numpy(np.stack([work(record) for record in given]))


def plain(n: int) -> Run:
    """Return the published sequence over n records, which lie as the authors' reader gives them."""
    run = one_by_one(published, (np.ascontiguousarray(record.T) for record in records(n)))
    return lambda: run().mT


def ours(n: int, preset: Preset) -> Run:
    """Return ours over n records at once."""
    given = records(n) if n > 1 else records(n)[0]
    preprocess(given[..., :200], FS, preset=preset)  # what is imported and compiled once is no record's
    return lambda: torch.from_numpy(preprocess(given, FS, preset=preset)[0]).reshape(n, 12, -1)


def contest(n: int, preset: Preset, bound: float) -> Contest:
    """Return the contest of one preset over n records."""
    sides = {"plain": partial(plain, n), "ours": partial(ours, n, preset)}
    proof = {"plain": partial(one_by_one, modern, records(n)), "ours": sides["ours"]}
    name = f"{preset}, {'one record' if n == 1 else f'{n} records at once'}"
    return Contest(name, sides, 1e-8, proof if preset == "modern" else None, bound)


def resident_memory() -> str:
    """Say by how much the process grew from some hundred records to some thousand, one after another."""
    told = []
    for preset in ("published", "modern"):
        given, sizes = records(8), []
        for n in range(1, MANY[1] + 1):
            preprocess(given[n % 8], FS, preset=preset)
            if n in MANY:
                sizes.append(_resident())
        told.append(f"{preset} {(sizes[1] - sizes[0]) / 1e6:+.1f} MB of {sizes[1] / 1e6:.0f} MB")
    return f"\nResident memory from {MANY[0]} records to {MANY[1]}, one after another: {', '.join(told)}."


def _resident() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


CONTESTS = [contest(1, "published", 2.7), contest(1, "modern", 4), contest(8, "modern", 4)]

if __name__ == "__main__":
    main(CONTESTS)
    if "--peak" not in sys.argv:
        print(resident_memory())
