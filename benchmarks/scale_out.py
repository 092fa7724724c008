"""Training on several GPUs beside one: tokens per second of `physiolect pretrain`, in turns.

Each GPU gets as many windows an update as one GPU alone. One process may capture its step as a CUDA graph and several
may not, so one GPU stands here in both forms. Each process cuts its own windows, and gradients are the only large
thing that travels, while the backward pass still goes on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from physiolect.datasets import prepare
from physiolect.synthetic import write_cohort


def main() -> None:
    """Run every side in every round and print one markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", type=Path, help="what to train on; made-up ECG unless told")
    parser.add_argument("--sides", nargs="+", default=["1:captured", "1:compiled", "2:compiled"])
    parser.add_argument("--batch", type=int, default=1024, help="windows an update of each GPU")
    parser.add_argument("--steps", type=int, default=150, help="updates a turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--launch", nargs="*", default=[], help="more words for accelerate launch, as use_fsdp"
    )
    parser.add_argument("--settings", nargs="*", default=[], help="more settings, as preset=heartgpt-ecg")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        store = options.store or made_up(folder)
        rates: dict[str, list[float]] = {side: [] for side in options.sides}
        for turn in range(options.rounds):
            for side in options.sides:
                rates[side].append(rate(side, folder / f"{side.replace(':', '-')}-{turn}", store, options))
                print(
                    f"round {turn + 1}, {side}: {rates[side][-1]:,.0f} tokens/s", file=sys.stderr, flush=True
                )
    first = options.sides[0]
    print(f"| processes | form | windows an update | tokens/s (range) | ratio to {first} (range) |")
    print("|---|---|---|---|---|")
    for side, seen in rates.items():
        n, _, form = side.partition(":")
        ratios = [one / other for one, other in zip(seen, rates[first], strict=True)]
        print(
            f"| {n} | {form} | {int(n) * options.batch} | {median(seen):,.0f} ({min(seen):,.0f} to {max(seen):,.0f}) "
            f"| **{median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f}) |"
        )


def made_up(folder: Path) -> Path:
    """Return a store of made-up ECG, one lead, sixteen minutes in all."""
    write_cohort(folder / "recordings", n_recordings=16, seconds=60, seed=0)
    prepare(folder / "recordings", folder / "store", channel="II", workers=1)
    return folder / "store"


def rate(side: str, out: Path, store: Path, options: argparse.Namespace) -> float:
    """Return the tokens per second of one run, without its first third: libraries warm up and compile there."""
    n, _, form = side.partition(":")
    command = [sys.executable, "-m", "physiolect"]
    if int(n) > 1:
        launch = ["accelerate.commands.launch", "--num_processes", n, "--main_process_port", "0"]
        launch += [f"--{word}" for word in options.launch or ["multi_gpu"]]
        command = [sys.executable, "-m", *launch, "-m", "physiolect"]
    command += ["pretrain", str(store), "--out", str(out), "--batch-size", str(int(n) * options.batch)]
    command += [
        "--form",
        form,
        "--steps",
        str(options.steps),
        "--log-every",
        str(max(1, options.steps // 15)),
    ]
    command += ["--evaluate-every", str(options.steps), "--save-every", str(options.steps)]
    for setting in options.settings:
        name, _, value = setting.partition("=")
        command += [f"--{name}", value]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    told = [line["tokens_per_second"] for line in lines if "tokens_per_second" in line]
    return median(told[len(told) // 3 :])


if __name__ == "__main__":
    main()
