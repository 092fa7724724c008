"""Decoding wrist force from spikes: how the decoders are trained, what they reach, and what leaking windows do.

    python benchmarks/wrist_force.py stores OUT          # day 0 of PHYSIOLECT_DATA/m1_wrist_force as stores; seconds
    python benchmarks/wrist_force.py train OUT           # minutes on a GPU, about ten minutes a model on a CPU
    python benchmarks/wrist_force.py leak OUT            # the tutorial's split against blocks of time; two minutes
    python benchmarks/wrist_force.py day OUT FILE        # another day, adapted without labels; FILE is like day0.npz

`train` and `leak` need OUT alone: they can be run on another machine. Numbers are printed, and written to OUT/*.json.
The first 70 % of day 0 train, 15 % choose the checkpoint, the last 15 % test, with 6 s left out between.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cohorts import data_folder
from numpy.typing import NDArray

from physiolect import evaluate, finetune
from physiolect.datasets import open_store, prepare
from physiolect.evaluation.baselines.decoders import Trials, ridge
from physiolect.models.continuous import Continuous
from physiolect.models.continuous_config import tutorial

TARGETS = ("Force_x", "Force_y")
BLOCKS = (0.7, 0.15, 0.15)
MODELS: dict[str, dict[str, Any]] = {
    "decoder": {"preset": "decoder", "task": "decode"},
    "gru": {"preset": "gru", "task": "decode"},
    "state-space": {"preset": "state-space", "task": "decode"},
}
WINDOW = 10
"""Bins of the tutorial's windows."""

Array = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("stores", "train", "leak", "day"))
    parser.add_argument("out", type=Path)
    parser.add_argument("file", type=Path, nargs="?", help="another day, for day")
    parser.add_argument("--only", nargs="+", choices=tuple(MODELS), default=list(MODELS))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, help="updates, to try things out")
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    {"stores": stores, "train": train, "leak": leak, "day": day}[given.what](given)


def stores(given: argparse.Namespace) -> None:
    """Prepare day 0 with its force, and its trials to eight targets."""
    file = data_folder() / "m1_wrist_force" / "day0.npz"
    print(prepare(file, given.out / "force", targets=TARGETS, blocks=BLOCKS, workers=1).summary)
    print(prepare(file, given.out / "reaches", trials=True, blocks=BLOCKS, workers=1).summary)


def train(given: argparse.Namespace) -> None:
    """Train each model with each seed, and evaluate it on the last 15 %."""
    found = {}
    for seed in range(given.seeds):
        for name in given.only:
            run, begun = given.out / f"{name}-{seed}", time.perf_counter()
            finetune(
                given.out / "force", out=run, **MODELS[name], seed=seed, device=given.device, steps=given.steps,
                evaluate_every=100, on_event=lambda event: None,
            )  # fmt: skip
            minutes = (time.perf_counter() - begun) / 60
            first = seed == 0 and name == given.only[0]
            result = evaluate(
                given.out / "force",
                run,
                task="decode",
                device=given.device,
                baselines="all" if first else "none",
            )
            print(f"\n{name}, seed {seed}, trained in {minutes:.1f} min\n{result.summary}")
            found[f"{name}-{seed}"] = {"minutes": minutes, **result.to_dict()}
    if {"decoder", "gru"} <= set(given.only):
        compared = evaluate(
            given.out / "force", given.out / "decoder-0", task="decode", compare=given.out / "gru-0",
            baselines="none", device=given.device,
        )  # fmt: skip
        print(f"\n{compared.summary}")
        found["decoder against gru"] = compared.to_dict()
    (given.out / "train.json").write_text(json.dumps(found, indent=1) + "\n")


def day(given: argparse.Namespace) -> None:
    """Evaluate on another day: as trained, adapting causally, and with that day's own z-score."""
    found = {}
    for name in given.only:
        run = given.out / f"{name}-0"
        store = given.out / f"day-{given.file.stem}"
        if not store.exists():
            prepare(given.file, store, contract=run, targets=TARGETS, workers=1)
        for adapt, skip in (("none", 0.0), ("running", 120.0), ("recording", 0.0)):
            result = evaluate(
                store, run, task="decode", adapt=adapt, skip=skip, device=given.device, baselines="none"
            )
            print(f"\n{name}, statistics: {adapt}, without the first {skip:g} s\n{result.summary}")
            for warning in result.warnings:
                print(f"WARNING: {warning}")
            found[f"{name}, {adapt}"] = result.to_dict()
    (given.out / "day.json").write_text(json.dumps(found, indent=1) + "\n")


def leak(given: argparse.Namespace) -> None:
    """Compare the tutorial's overlapping random windows with blocks of time, on force x of the same windows."""
    store = open_store(given.out / "force")
    x, y = [], []
    for row in range(len(store)):
        held = store.recording(row)
        signal, force = held.signal[: len(store.contract.channels)].T, held.signal[held.index(TARGETS[0])]
        x.append(np.sqrt(signal.clip(0)).astype(np.float64))
        y.append(force.astype(np.float64))
    mean, sd = np.concatenate(x).mean(0), np.concatenate(x).std(0)
    scale = np.concatenate(y).mean(), np.concatenate(y).std()
    windows = [
        np.lib.stride_tricks.sliding_window_view((each - mean) / np.where(sd > 0, sd, 1), WINDOW, 0)
        for each in x
    ]
    targets = [np.lib.stride_tricks.sliding_window_view((each - scale[0]) / scale[1], WINDOW) for each in y]
    whole, wanted = np.concatenate(windows).swapaxes(1, 2), np.concatenate(targets)  # (n, 10, C), (n, 10)
    blocks = np.concatenate([np.full(len(each), k) for k, each in enumerate(windows)])
    shuffled = np.random.default_rng(0).permutation(len(whole))
    splits = {
        "overlapping random windows": (shuffled[: int(0.7 * len(whole))], shuffled[int(0.85 * len(whole)) :]),
        "blocks of time with a gap": (np.flatnonzero(blocks == 0), np.flatnonzero(blocks == 2)),
    }
    ways: dict[str, Callable[..., Array]] = {
        "the tutorial's model": lambda *parts: _tutorial(*parts, given),
        "ridge, 10 bins": _ridge,
        "nearest window": _nearest,
    }
    found: dict[str, dict[str, float]] = {}
    print("| decoder | " + " | ".join(splits) + " | unexplained, times less |\n|---|" + "---|" * 3)
    for name, way in ways.items():
        scores = {}
        for split, (train_at, test_at) in splits.items():
            predicted = way(whole[train_at], wanted[train_at], whole[test_at])
            scores[split] = _r2(predicted, wanted[test_at])
        found[name] = scores
        random, honest = scores.values()
        print(f"| {name} | {random:.3f} | {honest:.3f} | {(1 - honest) / (1 - random):.1f} |", flush=True)
    (given.out / "leak.json").write_text(json.dumps(found, indent=1) + "\n")


def _r2(predicted: Array, truth: Array) -> float:
    """Return R² of the last step of each window, so that each step counts once."""
    mine, own = predicted[:, -1], truth[:, -1]
    return float(1 - ((mine - own) ** 2).sum() / ((own - own.mean()) ** 2).sum())


def _ridge(x: Array, y: Array, test: Array) -> Array:
    flat = x.reshape(len(x), -1)
    found, _ = ridge(Trials([flat], [y]), Trials([test.reshape(len(test), -1)], []), 1)
    return found


def _nearest(x: Array, y: Array, test: Array) -> Array:
    """Return the targets of the training window that is most alike."""
    known = torch.from_numpy(x.reshape(len(x), -1)).float()
    squares, found = known.square().sum(1), []
    for part in torch.from_numpy(test.reshape(len(test), -1)).float().split(256):
        found.append((squares - 2 * part @ known.T).argmin(1))
    return y[torch.cat(found).numpy()]


def _tutorial(x: Array, y: Array, test: Array, given: argparse.Namespace) -> Array:
    """Train the tutorial's model as it does: AdamW at 1e-3, weight decay 1e-2, batches of 32."""
    torch.manual_seed(0)
    device = torch.device("cuda" if given.device == "auto" and torch.cuda.is_available() else "cpu")
    C = x.shape[2]
    model = Continuous(
        tutorial(input_size=C, num_layers=2, num_heads=4, n_embd=C, out_dim=WINDOW, trial_len=WINDOW)
    ).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=1e-2)
    inputs, wanted = (torch.from_numpy(each).float().to(device) for each in (x.swapaxes(1, 2), y))
    draws = torch.Generator().manual_seed(0)
    for _ in range(given.steps or 5000):
        index = torch.randint(len(inputs), (32,), generator=draws).to(device)
        loss = (model(inputs[index])[..., 0] - wanted[index]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.inference_mode():
        parts = torch.from_numpy(test.swapaxes(1, 2)).float().to(device).split(1024)
        return torch.cat([model(part)[..., 0] for part in parts]).cpu().double().numpy()


if __name__ == "__main__":
    main()
