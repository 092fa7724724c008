"""How fast folders of DICOM and XML files are prepared, beside WFDB records of the same recordings.

`python benchmarks/folders.py` writes made ten-second 12-lead recordings at 500 Hz in each format, and prepares each
folder by one process, formats in turn. The rate is records per second of processor time; the start of the interpreter,
which is what a folder of one record takes, is subtracted. The promise is half the rate of WFDB; the exit code is 1
where it is broken.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from physiolect.formats import write_recording
from physiolect.recording import LEADS, Recording

FS, SECONDS = 500.0, 10
LEAST = 0.5
FORMATS = {"WFDB": ".hea", "DICOM": ".dcm", "HL7 aECG": ".xml"}
"""Name of a format -> extension of its files; the first is what the others are compared with."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sys.exit(0 if compare(options.records, options.rounds) else 1)


def compare(records: int, rounds: int) -> bool:
    """Print how fast folders of each format are prepared; return whether the promise is kept."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for name in FORMATS:
            write_records(root / name, records)
            write_records(root / f"one {name}", 1)
        rates: dict[str, list[float]] = {name: [] for name in FORMATS}
        for _ in range(rounds):
            for name, found in rates.items():
                spent = prepare(root / name, root / "out") - prepare(root / f"one {name}", root / "out")
                found.append((records - 1) / spent)
    best = {name: max(found) for name, found in rates.items()}
    reference = next(iter(best.values()))
    print(f"| folder of {records} files | records a second | of the rate of WFDB |")
    print("|---|---|---|")
    for name, rate in best.items():
        print(f"| {name} | {rate:.0f} | {rate / reference:.2f} |")
    return all(rate >= LEAST * reference for rate in best.values())


def write_records(folder: Path, n: int) -> None:
    """Fill a folder with n recordings, of which 100 differ: a random walk with noise, in steps of 5 uV."""
    folder.mkdir()
    suffix = FORMATS[folder.name.removeprefix("one ")]
    for k in range(n):
        if k >= 100:
            for path in folder.glob(f"r{k % 100:05}.*"):
                os.link(path, folder / f"r{k:05}{path.suffix}")
            continue
        rng = np.random.default_rng(k)
        shape = (len(LEADS), round(FS * SECONDS))
        steps = 4 * rng.standard_normal(shape).cumsum(axis=-1) + 10 * rng.standard_normal(shape)
        signal = (np.round(steps) * 0.005).astype(np.float32)
        write_recording(Recording(signal, FS, LEADS, "mV", "ecg"), folder / f"r{k:05}{suffix}")


def prepare(folder: Path, out: Path) -> float:
    """Prepare a folder and return the seconds of processor time that it took."""
    shutil.rmtree(out, ignore_errors=True)
    before = _spent()
    command = [
        sys.executable,
        "-m",
        "physiolect",
        "prepare",
        str(folder),
        "--out",
        str(out),
        "--workers",
        "1",
    ]
    subprocess.run(command, check=True, capture_output=True)
    return _spent() - before


def _spent() -> float:
    use = resource.getrusage(resource.RUSAGE_CHILDREN)
    return use.ru_utime + use.ru_stime


if __name__ == "__main__":
    main()
