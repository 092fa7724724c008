"""Which decoder would one choose today at HeartGPT's size? Variants at equal compute, on held-out patients.

`python benchmarks/choose_modern.py STORE` trains every variant on the same windows of a store for the same number
of floating-point operations (so a cheaper model takes more updates) and prints the validation loss, as a table.
The store is MIT-BIH DS1 without 201; DS2 is not looked at. Runs on one GPU, several variants at a time.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context

import numpy as np

from physiolect.models.gpt import GPT_PRESETS, GPTConfig
from physiolect.training import RECIPES, Recipe

PUBLISHED, MODERN = GPT_PRESETS["heartgpt-ecg"], RECIPES["modern"]
UNDROPPED = replace(PUBLISHED, attention_dropout=0.0, residual_dropout=0.0)
ROTARY = GPTConfig(n_heads=4)
PICK = replace(ROTARY, activation="swiglu", mlp_width=170, norm="rms", bias=False)

VARIANTS: dict[str, tuple[GPTConfig, Recipe]] = {
    "published model and recipe": (PUBLISHED, RECIPES["published"]),
    "published model, modern recipe": (PUBLISHED, MODERN),
    "the same without dropout": (UNDROPPED, MODERN),
    "rotary, 8 heads": (replace(ROTARY, n_heads=8), MODERN),
    "rotary, 4 heads": (ROTARY, MODERN),
    "rotary, 2 heads": (replace(ROTARY, n_heads=2), MODERN),
    "rotary base 1000": (replace(ROTARY, rotary_base=1000.0), MODERN),
    "RMSNorm, no biases": (replace(ROTARY, norm="rms", bias=False), MODERN),
    "query-key norm": (replace(ROTARY, qk_norm=True), MODERN),
    "SwiGLU": (replace(ROTARY, activation="swiglu", mlp_width=170), MODERN),
    "ReLU squared": (replace(ROTARY, activation="relu2"), MODERN),
    "tied head": (replace(ROTARY, tied=True), MODERN),
    "width 96, 4 layers": (replace(ROTARY, width=96, n_layers=4, mlp_width=384), MODERN),
    "width 96, 4 layers, 8 heads": (replace(ROTARY, width=96, n_layers=4, mlp_width=384, n_heads=8), MODERN),
    "pick: SwiGLU, RMSNorm, no biases": (PICK, MODERN),
    "pick, band of 250": (replace(PICK, band=250), MODERN),
    "pick, rotary base 100000": (replace(PICK, rotary_base=100_000.0), MODERN),
    "pick, learning rate 6e-3": (PICK, replace(MODERN, learning_rate=6e-3)),
    "pick, learning rate 1.5e-3": (PICK, replace(MODERN, learning_rate=1.5e-3)),
    "pick, 8 heads": (replace(PICK, n_heads=8), MODERN),
    "pick, width 96, 4 layers, 8 heads": (replace(PICK, width=96, n_layers=4, mlp_width=256, n_heads=8), MODERN),
    "pick, residual dropout 0.1": (replace(PICK, residual_dropout=0.1), MODERN),
    "pick, band of 125": (replace(PICK, band=125), MODERN),
    "pick, weight decay 0.01": (PICK, replace(MODERN, weight_decay=0.01)),
    "pick, 8 heads, band of 128": (replace(PICK, n_heads=8, band=128), MODERN),
    "the same, residual dropout 0.1, weight decay 0.01": (
        replace(PICK, n_heads=8, band=128, residual_dropout=0.1), replace(MODERN, weight_decay=0.01)
    ),
    "pick, width 96, 4 layers, 8 heads, band of 128": (
        replace(PICK, width=96, n_layers=4, mlp_width=256, n_heads=8, band=128), MODERN
    ),
    "pick, width 128, 3 layers, 8 heads, band of 128": (
        replace(PICK, width=128, n_layers=3, mlp_width=256, n_heads=8, band=128), MODERN
    ),
}  # fmt: skip


def flops_per_token(c: GPTConfig) -> float:
    """Return operations of one forward and backward pass a token: 6 a weight, 12 a query-key pair and feature."""
    gate = 3 if c.activation == "swiglu" else 2
    weights = c.n_layers * (4 * c.width**2 + gate * c.width * c.mlp_width) + c.width * c.vocabulary_size
    seen = np.minimum(np.arange(1, c.context_length + 1), c.band or c.context_length).mean()
    return float(6 * weights + 12 * c.n_layers * c.width * seen)


def train(name: str, seed: int, store: str, tokens: int, batch_size: int) -> dict[str, object]:
    import torch

    from physiolect.datasets import open_store, split_rows
    from physiolect.datasets.examples.batches import LevelBatches
    from physiolect.models.gpt import GPT
    from physiolect.tokenizers import LevelTokenizer
    from physiolect.training import Callbacks, Progress, Schedule, Step, choose_device, fit, next_token_loss

    config, recipe = VARIANTS[name]
    device = choose_device()
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(seed)
    opened, length = open_store(store), config.context_length + 1
    train_rows, validation_rows = split_rows(opened, 0.2, 0)
    tokenizer = LevelTokenizer()
    batches = LevelBatches(opened, train_rows, tokenizer, length=length, seed=seed, device=device)
    held_out = LevelBatches(opened, validation_rows, tokenizer, length=length, seed=0, device=device).fixed(
        400
    )
    model = GPT(config).to(device)
    steps = round(
        tokens * flops_per_token(UNDROPPED) / flops_per_token(config) / batch_size / config.context_length
    )
    losses: list[float] = []

    def evaluate() -> float:
        with torch.inference_mode():
            return sum(
                next_token_loss(model, piece).item() * len(piece) for piece in held_out.split(100)
            ) / len(held_out)

    def report(progress: Progress) -> None:
        if progress.validation_loss is not None:
            losses.append(progress.validation_loss)

    began = time.perf_counter()
    step = Step(model, next_token_loss, lambda step, _: batches.batch(step, batch_size), recipe, steps)
    callbacks = Callbacks(lambda *_: None, report, evaluate)
    fit(step, Schedule(10**9, max(1, steps // 8), 10**9), callbacks)
    return {
        "name": name, "seed": seed, "parameters": model.n_parameters(), "updates": steps, "last": losses[-1],
        "best": min(losses), "curve": losses, "seconds": round(time.perf_counter() - began),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument(
        "--tokens", type=int, default=64_000_000, help="for the published shape; others by operations"
    )
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--only", nargs="*", default=list(VARIANTS))
    parser.add_argument("--log", default="choose_modern.jsonl")
    options = parser.parse_args()
    results: dict[str, list[dict[str, object]]] = {}
    with (
        ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool,
        open(options.log, "a") as log,
    ):
        runs = [
            pool.submit(train, name, seed, options.store, options.tokens, options.batch_size)
            for seed in range(options.first_seed, options.first_seed + options.seeds)
            for name in options.only
        ]
        for done in as_completed(runs):
            result = done.result()
            results.setdefault(str(result["name"]), []).append(result)
            log.write(json.dumps(result) + "\n")
            log.flush()
            print(
                f"{result['name']}, seed {result['seed']}: {result['last']:.4f} in {result['seconds']} s",
                flush=True,
            )
    print("| variant | parameters | updates | validation loss (nats per token), by seed |\n|---|---|---|---|")
    for name in sorted(results, key=lambda n: np.mean([r["last"] for r in results[n]])):
        first, losses = results[name][0], " ".join(f"{r['last']:.4f}" for r in results[name])
        print(f"| {name} | {first['parameters']:,} | {first['updates']:,} | {losses} |")


if __name__ == "__main__":
    main()
