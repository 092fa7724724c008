"""Preparing ten-second 12-lead WFDB records, one process and two.

Every turn is a whole `physiolect prepare` of recordings that lie in the machine's memory, the start of the interpreter
and of the workers included, and the two stores of a round must be equal, byte for byte. A core's rate is records per
second of processor time, all processes together: what a second process costs (its start, and the pipes) shows there.
The wall's clock depends on who else works on the machine; turns are interleaved, and a ratio is taken within its round.
The process that writes holds one shard (64 MB of samples, more than 500 records fill) and its copy for the file.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from physiolect.formats import write_recording
from physiolect.recording import LEADS, Recording

FS, SECONDS = 500.0, 10
RECORDS = 600
"""Made records that differ; where more are wanted, their names do."""
FEW, MANY = 500, 4000
"""Records whose memory is compared."""
TINY = (5_000, 20_000, 100_000)
"""The same for records so short that what is kept of each counts; 5,000 fill no shard, which ends at 16,384."""


@dataclass(frozen=True)
class Work:
    """Recordings, and what they are prepared for."""

    name: str
    inputs: list[str]
    settings: list[str]


@dataclass(frozen=True)
class Turn:
    """What one `prepare` took."""

    records: int
    wall: float
    """Seconds."""
    processor: float
    """Seconds, of all processes."""
    writing: float
    """Most bytes that the process held which writes."""
    working: float
    """Most bytes that a worker held."""


def write_records(folder: Path, n: int) -> None:
    """Write n made records: a random walk with noise; the work does not depend on what they show."""
    folder.mkdir(parents=True)
    for k in range(n):
        rng = np.random.default_rng(k)
        shape = (len(LEADS), round(FS * SECONDS))
        signal = rng.standard_normal(shape).cumsum(axis=-1) / 50 + rng.standard_normal(shape) / 20
        write_recording(Recording(signal, FS, LEADS, unit="mV", modality="ecg"), folder / f"{k:05}.hea")


def many(records: Path, folder: Path, n: int) -> Path:
    """Fill a folder with n records that are other names of those there are."""
    stems = sorted(path.stem for path in records.glob("*.hea"))
    for k in range(n):
        there = folder / f"{k // len(stems):03}"
        there.mkdir(parents=True, exist_ok=True)
        for path in records.glob(f"{stems[k % len(stems)]}.*"):
            os.link(path, there / path.name)
    return folder


def prepare(work: Work, out: Path, workers: int) -> Turn:
    """Prepare in a process of its own and say what it took."""
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, __file__, "--turn", "prepare", *work.inputs, "--out", str(out)]
    command += [*work.settings, "--workers", str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    files, *taken = map(float, done.stdout.split())
    return Turn(int(files), *taken)


def turn(words: list[str]) -> None:
    """Run `physiolect` here and print what it and its processes took."""
    start = time.perf_counter()
    from physiolect.cli import main as physiolect
    from physiolect.datasets import open_store

    if code := physiolect(words):
        raise SystemExit(code)
    wall = time.perf_counter() - start
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    processor = sum(use.ru_utime + use.ru_stime for use in uses)
    files = open_store(words[words.index("--out") + 1]).manifests[0].files
    print(files, wall, processor, *(1024 * use.ru_maxrss for use in uses))


def compare(work: Work, scratch: Path, rounds: int) -> str:
    """Return the table's row of one work, prepared by one process and by two in turns."""
    turns: dict[int, list[Turn]] = {1: [], 2: []}
    for _ in range(rounds):
        for workers, seen in turns.items():
            seen.append(prepare(work, scratch / f"by {workers}", workers))
        names = sorted(path.name for path in (scratch / "by 1").iterdir())
        _, differ, missing = filecmp.cmpfiles(scratch / "by 1", scratch / "by 2", names, shallow=False)
        assert not differ
        assert not missing
    rates = {workers: [each.records / each.wall for each in seen] for workers, seen in turns.items()}
    cores = {workers: [each.records / each.processor for each in seen] for workers, seen in turns.items()}
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    cells = [
        f"{median(seen):.0f} ({min(seen):.0f} to {max(seen):.0f})"
        for seen in (*rates.values(), *cores.values())
    ]
    return (
        f"| {work.name}, {turns[1][0].records} files | {' | '.join(cells)} "
        f"| **{median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f}) |"
    )


def memory(records: Path, scratch: Path) -> str:
    """Say how much the processes held for few records and for many."""
    told = []
    for n in (FEW, MANY):
        folder = many(records, scratch / f"{n}", n)
        each = prepare(Work("", [str(folder)], ["--contract", "ecg-byte"]), scratch / "memory", 2)
        told.append(f"{each.working / 1e6:.0f} and {each.writing / 1e6:.0f} MB for {n} records")
    return f"\nMost memory that a worker and the process that writes held: {', '.join(told)}."


def growth(scratch: Path) -> str:
    """Say how much the process that writes held for more and more records of two seconds."""
    (scratch / "tiny").mkdir()
    for k in range(500):
        signal = np.random.default_rng(k).standard_normal((1, 200))
        write_recording(Recording(signal, 100.0, ("II",), unit="mV"), scratch / "tiny" / f"{k:03}.hea")
    held = {}
    for n in TINY:
        folder = many(scratch / "tiny", scratch / f"tiny {n}", n)
        held[n] = prepare(Work("", [str(folder)], ["--channel", "II"]), scratch / "memory", 2).writing
        shutil.rmtree(folder)
    each = (held[TINY[2]] - held[TINY[1]]) / (TINY[2] - TINY[1])
    told = ", ".join(f"{most / 1e6:.0f} MB for {n}" for n, most in held.items())
    return f"The process that writes held {told} records of 2 s: {each:.0f} bytes for each beyond {TINY[1]}."


def main() -> None:
    """Print one markdown table and what is said of memory; `--turn WORDS` is one turn instead."""
    if sys.argv[1:2] == ["--turn"]:
        turn(sys.argv[2:])
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--growth", action="store_true", help="measure the memory of many tiny records alone")
    options = parser.parse_args()
    rounds = options.rounds
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        if options.growth:
            print(growth(scratch))
            return
        records = scratch / "records"
        write_records(records, RECORDS)
        lead = ["--channel", "II"]
        works = [
            Work(
                "made, `ecg-byte`: twelve leads cleaned, 250 Hz",
                [str(many(records, scratch / "a", 1200))],
                ["--contract", "ecg-byte"],
            ),
            Work("made, `heartgpt-ecg`: lead II at 100 Hz", [str(many(records, scratch / "b", 4000))], lead),
        ]
        if data := os.environ.get("PHYSIOLECT_DATA"):
            shutil.copytree(Path(data, "cinc", "cinc2021"), scratch / "cinc")
            cinc = str(many(scratch / "cinc", scratch / "c", 600))
            works.append(Work("CinC 2021, `ecg-byte`", [cinc], ["--contract", "ecg-byte"]))
            works.append(Work("MIT-BIH, half an hour each, lead II", [str(Path(data, "mitdb"))], lead))
        print(
            "| work | one process, records/s | two | one, records/s of a core | two | two to one, by the wall (range) |"
        )
        print("|---|---|---|---|---|---|")
        for work in works:
            print(compare(work, scratch, rounds), flush=True)
        print(memory(records, scratch))


if __name__ == "__main__":
    main()
