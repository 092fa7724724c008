"""A day of ECG: our three detectors, NeuroKit2 and XQRS on the same 24 hours, with time, memory and F1.

The day is MIT-BIH's test records (DS2 of de Chazal, without paced beats), joined and resampled to 250 Hz, over and over
until it has 24 hours. `python benchmarks/holter.py --data /path/to/mitdb` prints one table, on one thread. NeuroKit2
and XQRS read one lead of the whole day in one call, as we do.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from interleave import status

from physiolect import Recording, read_recording
from physiolect.checkpoint import load_checkpoint
from physiolect.detection import Detectors, HolterResult, detect_all, load_detectors
from physiolect.evaluation.baselines import find_pulses
from physiolect.evaluation.beats import match_beats
from physiolect.signals import resample

FS = 250.0
DS2 = (
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210", "212", "213", "214", "219", "221",
    "222", "228", "231", "232", "233", "234",
)  # fmt: skip
"""Test records of de Chazal et al., IEEE Trans Biomed Eng 51:1196, 2004."""
BEATS = frozenset("NLRBAaJSVrFejnE/fQ?")


def make_day(folder: Path, hours: float, records: Sequence[str]) -> tuple[Recording, np.ndarray]:
    """Return the day, and when its beats are in seconds."""
    n_samples = round(hours * 3600 * FS)
    signal = np.empty((2, n_samples), np.float32)
    beats, at, k = [], 0, 0
    while at < n_samples:
        part = read_recording(folder / records[k % len(records)])
        piece = resample(np.nan_to_num(part.signal), part.fs, FS)[:, : n_samples - at]
        signal[:, at : at + piece.shape[1]] = piece
        seconds = np.array([sample for sample, symbol, _ in part.annotations if symbol in BEATS]) / part.fs
        beats.append(at / FS + seconds[seconds < piece.shape[1] / FS])
        at, k = at + piece.shape[1], k + 1
    return Recording(signal, FS, ("MLII", "V1"), "mV", source="a day"), np.unique(np.concatenate(beats))


def measured(work: Callable[[], np.ndarray]) -> tuple[np.ndarray, float, float]:
    """Return what the work gives, its seconds of processor time, and MB beyond what was held before."""
    Path("/proc/self/clear_refs").write_text("5")
    before, begun = status("VmRSS"), time.process_time()
    found = work()
    return found, time.process_time() - begun, (status("VmHWM") - before) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("mitdb"))
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--records", nargs="+", default=DS2)
    parser.add_argument("--checkpoints", nargs=3, help="of beats, rhythm, heartbeats; default: the package's")
    parser.add_argument("--without", nargs="*", default=[], choices=["neurokit", "xqrs"])
    given = parser.parse_args()
    torch.set_num_threads(1)
    detectors = Detectors(*map(load_checkpoint, given.checkpoints)) if given.checkpoints else load_detectors()
    day, truth = make_day(given.data, given.hours, given.records)
    warm = day.slice(0, 60)
    detect_all(warm, detectors=detectors)  # what loads at first use is not counted
    results: list[HolterResult] = []

    def ours() -> np.ndarray:
        found = detect_all(day, detectors=detectors, threads=1)
        assert isinstance(found, HolterResult)
        results.append(found)
        return found.times

    methods: dict[str, Callable[[], np.ndarray]] = {"physiolect: beats, rhythm, classes": ours}
    for name, title in (("neurokit", "NeuroKit2: beats"), ("xqrs", "XQRS: beats")):
        if name not in given.without:
            find_pulses(warm.signal[0], FS, name)
            methods[title] = lambda name=name: find_pulses(day.signal[0], FS, name) / FS
    print(
        f"{given.hours:g} h at {FS:g} Hz, {len(truth):,} beats, {status('VmRSS') / 1e6:.0f} MB held before\n"
    )
    print(
        "| method | seconds | MB | sensitivity | PPV | F1 | median error, ms |\n|---|---|---|---|---|---|---|"
    )
    for title, work in methods.items():
        found, seconds, grown = measured(work)
        match = match_beats(truth, found, duration=day.duration, skip=0.0)
        error = 1000 * float(np.median(np.abs(match.errors))) if len(match.errors) else float("nan")
        print(
            f"| {title} | {seconds:.1f} | {grown:.0f} | {match.sensitivity:.4f} | {match.ppv:.4f} | {match.f1:.4f} | "
            f"{error:.1f} |",
            flush=True,
        )
    begun = time.process_time()
    variability = results[0].variability
    print(
        f"\nHeart-rate variability beside it: {time.process_time() - begun:.1f} s ({variability is not None})"
    )


if __name__ == "__main__":
    main()
