"""How long it takes to open a recording of 24 hours and read one hour of it, and how much memory.

`python benchmarks/formats.py` writes a made recording of three leads at 250 Hz in each format (to --folder, else a
temporary one), and reads the eleventh hour. Time: the least of --rounds calls, files in the system's cache. Memory: the
peak of what Python and numpy allocate during a call, over the bytes of that hour as float32. The promises are 1 s and
1.5 hours; the exit code is 1 where one is broken.
"""

from __future__ import annotations

import argparse
import struct
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from physiolect.formats import read_recording, write_recording
from physiolect.recording import Annotations, Recording

FS, LEADS, HOURS = 250, ("I", "II", "V1"), 24
MOST_SECONDS, MOST_MEMORY = 1.0, 1.5
Writer = Callable[[Recording, Path], Path]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", help="where the files are kept for the next call")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.folder or temporary)
        print("| format | file (MB) | one hour of 24 (s) | memory (hours) |")
        print("|---|---|---|---|")
        kept = [row(name, write, folder, options.rounds) for name, write in WRITERS.items()]
    sys.exit(0 if all(kept) else 1)


def row(name: str, write: Writer, folder: Path, rounds: int) -> bool:
    """Print what a format takes; return whether the promises are kept."""
    path = folder / name
    if not path.exists():
        write(a_day(), path)
    seconds, memory = least_seconds(path, rounds), memory_of(path)
    print(f"| {name} | {path.stat().st_size / 1e6:.0f} | {seconds:.2f} | {memory:.2f} |")
    return seconds < MOST_SECONDS and memory < MOST_MEMORY


def a_day() -> Recording:
    """Return three leads of 24 hours with a mark at each beat of 75 a minute."""
    n_samples = HOURS * 3600 * FS
    signal = np.random.default_rng(0).standard_normal((len(LEADS), n_samples), np.float32)
    at = np.arange(0, n_samples, FS * 60 // 75)
    return Recording(signal, FS, LEADS, "mV", annotations=Annotations(at, ("N",) * len(at)))


def read_hour(path: Path) -> Recording:
    """Read the eleventh hour."""
    return read_recording(path, start=36_000, stop=39_600)


def least_seconds(path: Path, rounds: int) -> float:
    """Return the time of the fastest of some calls, after one that is not counted."""
    read_hour(path)
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        read_hour(path)
        times.append(time.perf_counter() - begin)
    return min(times)


def memory_of(path: Path) -> float:
    """Return the peak of what a call allocates, in hours of signal."""
    tracemalloc.start()
    recording = read_hour(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / recording.signal.nbytes


def without_marks(recording: Recording, path: Path) -> Path:
    """Write a recording without its annotations."""
    write_recording(Recording(recording.signal, recording.fs, recording.channels, recording.unit), path)
    return path


def with_marks(recording: Recording, path: Path) -> Path:
    """Write a recording with its annotations."""
    write_recording(recording, path)
    return path


def as_ishne(recording: Recording, path: Path) -> Path:
    """Write a recording as an ISHNE Holter file in steps of 5 uV; Physiolect itself writes none."""
    whole = np.round(recording.signal.T / np.float32(0.005)).clip(-32767, 32767).astype("<i2")
    codes = [_ISHNE_LEADS[name] for name in recording.channels]
    rest = 12 - len(codes)
    head = struct.pack("<iiiih", 0, recording.n_samples, 522, 522, 1).ljust(146, b"\0")  # no name, no dates
    head += struct.pack("<h12h12h12hh", len(codes), *codes, *[-9] * rest, *[0] * 12, *[5000] * 12, 0)
    head += b"digital".ljust(40, b"\0") + struct.pack("<h", round(recording.fs))
    with path.open("wb") as file:
        file.write(b"ISHNE1.0\0\0" + head.ljust(512, b"\0"))
        whole.tofile(file)
    return path


_ISHNE_LEADS = {"I": 5, "II": 6, "V1": 11}

WRITERS: dict[str, Writer] = {
    "marks.edf": with_marks,
    "signal.edf": without_marks,
    "signal.bdf": without_marks,
    "holter.ecg": as_ishne,
}
"""What writes each file; its name is the row's."""


if __name__ == "__main__":
    main()
