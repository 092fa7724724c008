"""Two ways to the same result, timed in turns in one process, each one's memory taken in a process of its own.

What is timed is the processor's time: with one thread that is the time on a machine with nothing else to do, and
neighbours disturb it less than a clock on the wall.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import math
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

Run = Callable[[], Tensor]

TURN = 1.0
"""Seconds the reference works in each round at least; the other side then works as long as it did."""


@dataclass(frozen=True)
class Contest:
    """Some work, and the two sides that do it."""

    name: str
    sides: dict[str, Callable[[], Run]]
    """Label -> what builds the side, model and all, and returns what is timed; the reference first."""
    tolerance: float = 0.0
    """Largest difference of the two results, relative or absolute; 0 asks for identical ones."""
    proof: dict[str, Callable[[], Run]] | None = None
    """The sides without chance, to be compared where those that are timed draw random numbers."""
    bound: float | None = None
    """The ratio that is promised."""


def main(contests: Sequence[Contest], argv: Sequence[str] | None = None) -> None:
    """Run every contest and print one markdown table; `--peak NAME SIDE` prints one side's memory instead."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--peak", nargs=2, metavar=("NAME", "SIDE"), help="print one side's peak memory in bytes"
    )
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    if options.peak:
        (contest,) = (each for each in contests if each.name == options.peak[0])
        print(_peak_growth(contest.sides[options.peak[1]]()))
        return
    reference, ours = contests[0].sides
    print(f"| work | {reference} | {ours} | ratio (range) | promised | memory of {reference} | of {ours} |")
    print("|---|---|---|---|---|---|---|")
    for contest in contests:
        print(_row(contest, options.rounds), flush=True)


def _row(contest: Contest, rounds: int) -> str:
    memory = [_peak_elsewhere(contest.name, label) for label in contest.sides]
    seconds = _in_turns(contest, rounds)
    ratios = [theirs / ours for theirs, ours in zip(*seconds, strict=True)]
    return (
        f"| {contest.name} | {_duration(median(seconds[0]))} | {_duration(median(seconds[1]))} "
        f"| **{median(ratios):.1f}** ({min(ratios):.1f} to {max(ratios):.1f}) "
        f"| {'' if contest.bound is None else f'{contest.bound:g}'} | {_size(memory[0])} | {_size(memory[1])} |"
    )


def _in_turns(contest: Contest, rounds: int) -> list[list[float]]:
    """Return the seconds of one run in every round, one list a side, after proving the sides equal."""
    compared = [build() for build in (contest.proof or contest.sides).values()]
    for _ in range(2):  # a second training step sees the gradient of the first
        reference, ours = (run() for run in compared)
        torch.testing.assert_close(ours, reference, rtol=contest.tolerance, atol=contest.tolerance)
    runs = [build() for build in contest.sides.values()] if contest.proof else compared
    seconds: list[list[float]] = [[], []]
    for _ in range(rounds):
        length = TURN
        for run, means in zip(runs, seconds, strict=True):
            n, length = _turn(run, length)
            means.append(length / n)
    return seconds


def _turn(run: Run, at_least: float) -> tuple[int, float]:
    """Run again and again for so many seconds; return how often, and how long it took."""
    n, start, taken = 0, time.process_time(), 0.0
    while taken < at_least:
        run()
        n, taken = n + 1, time.process_time() - start
    return n, taken


def _peak_elsewhere(name: str, side: str) -> float:
    """Return the peak of one side in a fresh process, so that no memory is shared or left over."""
    command = [sys.executable, sys.argv[0], "--peak", name, side]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def _peak_growth(run: Run) -> float:
    """Return by how many bytes the process grew at most while it ran; NaN where the system does not tell."""
    reset = Path("/proc/self/clear_refs")
    if not reset.exists():
        return math.nan
    torch.ones(64, 64) @ torch.ones(64, 64)  # what the library sets up once is nobody's
    gc.collect()
    release = getattr(ctypes.CDLL(None), "malloc_trim", None)  # what building left over must not hide growth
    if release:
        release(0)
    reset.write_text("5")  # the peak forgets building and importing
    before = status("VmRSS")
    run()
    return status("VmHWM") - before


def status(field: str) -> int:
    """Return one of the sizes that Linux keeps of this process, in bytes: "VmRSS" is memory now, "VmHWM" its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"


def _size(size: float) -> str:
    return "" if math.isnan(size) else f"{size / 1e6:.0f} MB"
