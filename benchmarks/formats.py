"""Reading and inspecting recordings of 24 hours, and preparing folders of DICOM and XML files.

The recording is made: three leads at 250 Hz, 259 MB as float32. `--folder` keeps its files.

The first table reads the eleventh hour. The time is the least of `--rounds` calls, with the file in the system's cache.
The memory is the peak of what Python and numpy allocate in one call, over the bytes of that hour as float32. The
promises are 1 s and 1.5 hours.

The second table inspects the whole file (`physiolect inspect`), each in a new process: processor time with imports, and
the most memory that the process held. The promises are 10 s and twice the recording as float32, and 1 GB for a CSV file
of `--gigabytes`.

The third table prepares folders by one process, the formats in turn (`benchmarks/folders.py`): records per second of
processor time, without the start of the interpreter. The promise is half the rate of WFDB.
"""

from __future__ import annotations

import argparse
import struct
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import folders
import numpy as np

from physiolect.formats import read_recording, write_recording
from physiolect.recording import Annotations, Recording

FS, LEADS, HOURS = 250, ("I", "II", "V1"), 24
MOST_SECONDS, MOST_MEMORY = 1.0, 1.5
MOST_TO_INSPECT = 10.0
"""Seconds."""
MOST_OF_A_DAY, MOST_OF_A_TABLE = 2 * HOURS * 3600 * FS * len(LEADS) * 4 / 1e6, 1000.0
"""MB."""
INSPECT = (
    "import sys, time; from physiolect.report.inspection import inspect; inspect(sys.argv[1]);"
    "most = next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'));"
    "print(time.process_time(), int(most) * 1024 / 1e6)"
)
"""What a process of its own runs: it prints its processor time in seconds, and in MB the most memory that it held."""
Writer = Callable[[Recording, Path], Path]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", help="where the files are kept for the next call")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=10_000, help="files of a folder that is prepared")
    parser.add_argument("--gigabytes", type=float, default=0, help="size of a CSV file to inspect; 0: none")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.folder or temporary)
        print("| format | file (MB) | one hour of 24 (s) | memory (hours) |")
        print("|---|---|---|---|")
        kept = [hour_row(name, write, folder, options.rounds) for name, write in WRITERS.items()]
        print("\n| inspected | file (MB) | processor time (s) | memory (MB) |")
        print("|---|---|---|---|")
        kept += [inspect_row(folder / name, MOST_OF_A_DAY) for name in WRITERS]
        if options.gigabytes:
            kept.append(inspect_row(write_table(folder / "table.csv", options.gigabytes), MOST_OF_A_TABLE))
    print()
    kept.append(folders.compare(options.records, min(options.rounds, 3)))
    sys.exit(0 if all(kept) else 1)


def hour_row(name: str, write: Writer, folder: Path, rounds: int) -> bool:
    """Print what reading an hour takes; return whether the promises are kept."""
    path = folder / name
    if not path.exists():
        write(a_day(), path)
    seconds, memory = least_seconds(path, rounds), memory_of(path)
    print(f"| {name} | {megabytes(path):.0f} | {seconds:.2f} | {memory:.2f} |")
    return seconds < MOST_SECONDS and memory < MOST_MEMORY


def inspect_row(path: Path, most: float) -> bool:
    """Print what inspecting a file takes; return whether it takes less than `most` MB and, of a day, less than 10 s."""
    command = [sys.executable, "-c", INSPECT, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, memory = (float(word) for word in done.stdout.split())
    print(f"| {path.name} | {megabytes(path):.0f} | {seconds:.1f} | {memory:.0f} |")
    return memory < most and (seconds < MOST_TO_INSPECT or path.name not in WRITERS)


def megabytes(path: Path) -> float:
    """Return the size of a file; of a WFDB record, that of its samples."""
    return path.with_suffix(".dat" if path.suffix == ".hea" else path.suffix).stat().st_size / 1e6


def write_table(path: Path, gigabytes: float) -> Path:
    """Write three leads at 250 Hz with a column of times as text, until the file is so large."""
    values = np.random.default_rng(0).standard_normal((100_000, 3)).tolist()
    cells = ["{:.4f},{:.4f},{:.4f}".format(*row) for row in values]
    at = 0
    with path.open("w", encoding="ascii") as file:
        file.write("time (s),II (mV),V1 (mV),V5 (mV)\n")
        while file.tell() < gigabytes * 1e9:
            file.writelines(f"{(at + k) / FS:.3f},{row}\n" for k, row in enumerate(cells))
            at += len(cells)
    return path


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
    "record.hea": with_marks,
}
"""What writes each file; its name is the row's."""


if __name__ == "__main__":
    main()
