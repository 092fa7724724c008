"""Starting up: what a user waits for before anything is done.

`import physiolect` loads the interpreter's own modules and no array library; each public name is imported at its first
use. `physiolect --help` is answered from a static table, and most of its time is the interpreter starting.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from statistics import median

IMPORT = "import sys, time; t = time.perf_counter(); import physiolect; print(time.perf_counter() - t)"
NO_TORCH = "; assert 'torch' not in sys.modules and 'numpy' not in sys.modules"


def import_seconds() -> float:
    """Return the seconds of `import physiolect` in a fresh interpreter, which must not load torch."""
    return float(_python("-c", IMPORT + NO_TORCH))


def whole(*words: str) -> float:
    """Return the seconds of an interpreter from start to end."""
    start = time.perf_counter()
    _python(*words)
    return time.perf_counter() - start


def _python(*words: str) -> str:
    return subprocess.run([sys.executable, *words], check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    works = {
        "`import physiolect`, without torch": (import_seconds, "0.1 s"),
        "`physiolect --help`, whole process": (lambda: whole("-m", "physiolect", "--help"), "0.3 s"),
        "an empty Python process, for comparison": (lambda: whole("-c", ""), ""),
    }
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, (work, _) in works.items():
            seconds[name].append(work())
    print("| work | median (range) | promised, less than |")
    print("|---|---|---|")
    for name, (_, bound) in works.items():
        low, middle, high = (1000 * f(seconds[name]) for f in (min, median, max))
        print(f"| {name} | **{middle:.0f} ms** ({low:.0f} to {high:.0f}) | {bound} |")
