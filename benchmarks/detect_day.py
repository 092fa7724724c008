"""A day of PPG through `detect_beats` in one call: how long it takes, and what memory it asks for.

`python benchmarks/detect_day.py --hours 24`, on one thread, prints a line of what was measured.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from detect import beats
from interleave import status

from physiolect import detect_beats, synthetic


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--hours", type=float, default=24.0)
    hours = parser.parse_args().hours
    torch.set_num_threads(1)
    checkpoint = beats()
    recording = synthetic.ppg(seconds=3600 * hours, fs=125.0)
    detect_beats(checkpoint, recording.slice(0, 20))  # what loads at first use is nobody's
    Path("/proc/self/clear_refs").write_text("5")  # the peak forgets what came before
    before, begun = status("VmRSS"), time.process_time()
    found = detect_beats(checkpoint, recording)
    taken, grown = time.process_time() - begun, status("VmHWM") - before
    print(
        f"{hours:g} h: {taken:.0f} s of processor time, {3600 * hours / taken:.0f} times as fast as the signal; "
        f"{grown / 1e6:.0f} MB beyond the recording's {recording.signal.nbytes / 1e6:.0f} MB; "
        f"{len(found.samples):,} beats found, {len(recording.annotations):,} made"
    )


if __name__ == "__main__":
    main()
