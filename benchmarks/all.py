"""Run every benchmark of the CPU and write its part of docs/benchmarks.md: `python benchmarks/all.py [--rounds 7]`.

What `benchmarks/gpu.py` found stands at the page's end and stays.
"""

from __future__ import annotations

import argparse
import ast
import os
import platform
import subprocess
import sys
from pathlib import Path

import torch

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
ON_GPU = "# Speed on one GPU"
NAMES = (
    "forward",
    "generate",
    "detect",
    "train_step",
    "encoder",
    "continuous",
    "seq2seq",
    "attention",
    "preprocess",
    "prepare",
    "formats",
    "bpe",
    "imports",
)


def main() -> None:
    """Run the benchmarks one after another and write the page when all are done."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    sections = [section(name, rounds) for name in NAMES]
    _, heading, on_gpu = PAGE.read_text(encoding="utf-8").partition(ON_GPU)
    PAGE.write_text("\n\n".join([preface(rounds), *sections, heading + on_gpu]), encoding="utf-8")


def section(name: str, rounds: int) -> str:
    """Return one benchmark's part of the page: its docstring, its command, its table."""
    path = HERE / f"{name}.py"
    title, _, text = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or name).partition(
        "\n\n"
    )
    command = [sys.executable, str(path), "--rounds", str(rounds)]
    table = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    print(table, flush=True)
    return f"## {title.rstrip('.')}\n\n`python benchmarks/{name}.py --rounds {rounds}`\n\n{table}\n\n{text}"


def preface(rounds: int) -> str:
    """Return what all tables share: how and where they were made."""
    weights = "the published ECG model's" if os.environ.get("PHYSIOLECT_DATA") else "seeded"
    python = platform.python_version()
    return f"""# Speed on the CPU

`make bench` writes this page. Here: {processor()}, one thread, float32, torch {torch.__version__},
Python {python}.

`plain` is, of a model, HeartGPT's maths written down directly (`benchmarks/plain.py`); both sides hold the same weights
({weights}). Two sides must agree before they are timed, in turns of equal length in one process. Times are the
processor's, per run, medians of {rounds} rounds; a ratio is taken within its round, and the median of the ratios stands
beside their range. Memory is the most by which a fresh process grew during one run. `promised` is the least ratio that
this project holds itself to."""


def processor() -> str:
    """Return the processor's name and its number of cores."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
