"""Training beyond memory: processor time and memory against the number of ten-second twelve-lead records.

    python benchmarks/bpe_scale.py 256MB 1000 3000 10000

The training records of `letters.py`, as often as needed; each time over they are stretched in amplitude by 13 % more,
so that they are other symbols. Each size runs in a process of its own. Memory is the most by which it grew. "all"
allows whatever it takes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from letters import letters, source
from numpy.typing import NDArray

from physiolect.tokenizers.bpe import train_bpe

N_MERGES = 3500


def records(n: int, file: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield records one at a time out of a file, so that they do not lie in memory themselves."""
    size = 12 * 2500
    there = file.stat().st_size // size
    for k in range(n):
        record = np.fromfile(file, np.uint8, size, offset=k % there * size).reshape(12, 2500)
        again = k // there
        if again:
            stretched = (record.astype(np.float32) - 12) * (1 + 0.13 * again) + 12.5
            record = np.clip(stretched, 0, 25).astype(np.uint8)
        yield record


def one(n: int, memory: str | None, file: Path) -> None:
    """Train once and print seconds, growth of memory and a digest as JSON."""
    for some in ("16MB", None):  # compiled
        train_bpe(records(20, file), n_symbols=26, n_merges=300, memory=some)
    Path("/proc/self/clear_refs").write_text("5")
    before, begun = _status("VmRSS"), time.process_time()
    found = train_bpe(records(n, file), n_symbols=26, n_merges=N_MERGES, memory=memory)
    seconds, grown = time.process_time() - begun, _status("VmHWM") - before
    print(json.dumps({"seconds": seconds, "grown": grown, "last": int(found.counts[-1])}))


def _status(field: str) -> int:
    text = Path("/proc/self/status").read_text()
    match = re.search(rf"{field}:\s+(\d+)", text)
    assert match
    return 1024 * int(match[1])


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        one(int(sys.argv[2]), None if sys.argv[3] == "all" else sys.argv[3], Path(sys.argv[4]))
        raise SystemExit
    limit, *sizes = sys.argv[1:]
    file = Path("letters.tmp").resolve()
    file.write_bytes(letters(1_000_000).tobytes())
    try:
        print(
            f"| records ({source()}) | symbols | memory allowed | processor time | grew by | last pair's count |"
        )
        print("|---|---|---|---|---|---|")
        for n in map(int, sizes):
            command = [sys.executable, __file__, "--one", str(n), limit, str(file)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            told = json.loads(done.stdout)
            print(
                f"| {n:,} | {n * 30_000:,} | {limit} | {told['seconds']:.1f} s | {told['grown'] / 1e6:.0f} MB "
                f"| {told['last']:,} |",
                flush=True,
            )
    finally:
        file.unlink()
