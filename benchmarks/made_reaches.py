"""Decoding a hand's velocity from made ECoG, where the truth is known: transformer, GRU and ridge, by noise and by day.

    python benchmarks/made_reaches.py stores OUT         # day 0 and day 1 at three levels of noise; seconds
    python benchmarks/made_reaches.py train OUT          # minutes on a GPU

There is no public ECoG with movement that could be had. What these numbers say of real ECoG is nothing; they show that
a decoder finds what was put in, where ridge regression finds half of it (noise 1).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from physiolect import evaluate, finetune, synthetic
from physiolect.datasets import prepare
from physiolect.formats.npy import write
from physiolect.synthetic.reaches import TARGETS

NOISES = (0.5, 1.0, 2.0)
PRESETS = ("decoder", "gru")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("stores", "train"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=1200.0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--noises", type=float, nargs="+", default=list(NOISES))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    (stores if given.what == "stores" else train)(given)


def stores(given: argparse.Namespace) -> None:
    """Make recordings, and prepare them."""
    for noise in given.noises:
        for day in (0, 1):
            file = given.out / f"noise{noise:g}-day{day}.npz"
            write(synthetic.ecog_reaches(given.seconds, noise=noise, day=day), file)
            blocks = (0.7, 0.15, 0.15) if day == 0 else ()
            print(prepare(file, file.with_suffix(""), targets=TARGETS, blocks=blocks, workers=1).summary)


def train(given: argparse.Namespace) -> None:
    """Train on day 0; evaluate on its last 15 %, and on day 1 with and without adapting."""
    found = {}
    for noise in given.noises:
        for preset in PRESETS:
            store, run = given.out / f"noise{noise:g}-day0", given.out / f"noise{noise:g}-{preset}"
            finetune(store, task="decode", preset=preset, out=run, device=given.device, steps=given.steps)
            name = f"noise {noise:g}, {preset}"
            result = evaluate(store, run, task="decode", device=given.device)
            print(f"\n{name}\n{result.summary}")
            found[name] = result.to_dict()
            for adapt in ("none", "running"):
                other = evaluate(
                    given.out / f"noise{noise:g}-day1", run, task="decode", adapt=adapt, skip=120.0,
                    device=given.device, baselines="none",
                )  # fmt: skip
                print(f"\n{name}, day 1, statistics: {adapt}\n{other.table}")
                found[f"{name}, day 1, {adapt}"] = other.to_dict()
    (given.out / "train.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
