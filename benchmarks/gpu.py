"""Speed on one GPU: `python benchmarks/gpu.py > gpu.md`, in about four minutes.

`plain` is HeartGPT's maths written down directly (`benchmarks/plain.py`), in float32 as published and as PyTorch does
it unless told otherwise; with TF32, too, where a row says so. Both sides hold the same weights and take turns in one
process. Times are of a clock on the wall around work that the device has finished;
ratios are medians over the rounds, with their range. Ours draws its windows and cuts them into levels within the time;
plain is given ids.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from plain import plain_like
from torch import Tensor
from weights import heartgpt, ids

from physiolect.contract import CONTRACTS
from physiolect.datasets import Row, Store, StoreWriter, open_store
from physiolect.datasets.examples.batches import LevelBatches, StreamedBatches
from physiolect.generation import Sampling, decode
from physiolect.generation.steps import release_graphs
from physiolect.models.gpt import GPT, GPT_PRESETS
from physiolect.recording import Recording
from physiolect.tokenizers import LevelTokenizer
from physiolect.training import RECIPES, NextToken, Step, next_token_loss

DEVICE = torch.device("cuda")
T = 500
Where = Literal["resident", "streamed"]


PROMISED = {
    ("exact past the context", "float32"): 1600,
    ("exact past the context", "bfloat16"): 3000,
    ("inside the context, cached", "float32"): 4600,
}
"""Least tokens/s of a first call, batch 1, on an H200."""
PROMISED_STEP_MS = {
    ("HeartGPT, every dropout", 64): 5.5,
    ("HeartGPT, every dropout", 1024): 62.0,
    ("HeartGPT, no attention dropout", 64): 5.0,
    ("HeartGPT, no attention dropout", 1024): 53.0,
    ("modern", 64): 3.9,
    ("modern", 1024): 38.0,
}
"""Longest captured step of training in ms, by model and windows, on an H200: the page's figure and a tenth."""
PROMISED_SECOND_CALL = 3.0
"""How many times faster the second call of 100 tokens must be than the first."""

broken: list[str] = []
"""Rows below their promise."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("training", "generation"))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; {ceilings()}\n")
    if options.only != "training":
        second_call()  # before anything else: kernels compile once a process
    if options.only != "generation":
        with tempfile.TemporaryDirectory() as folder:
            store = made_store(Path(folder) / "store")
            training(store, options.rounds)
            shares(store)
            forms(store)
    if options.only != "training":
        generation(min(options.rounds, 3))
    if broken:
        raise SystemExit("below the promise:\n" + "\n".join(broken))


def ceilings() -> str:
    """Measure what the device can do at most."""
    a = torch.randn(8192, 8192, device=DEVICE, dtype=torch.bfloat16)
    x = torch.empty(2**30, device=DEVICE, dtype=torch.int8)
    y = torch.empty_like(x)
    product = steady(lambda: a @ a, 20)
    copied = steady(lambda: y.copy_(x), 20)
    return (
        f"measured ceilings: {2 * 8192**3 / product / 1e12:.0f} TFLOP/s in bfloat16 products, "
        f"{2 * x.numel() / copied / 1e12:.1f} TB/s copied"
    )


def made_store(folder: Path) -> Store:
    """Write 64 long rows of noise that wanders: what it is decides nothing about the time."""
    rng = np.random.default_rng(0)
    with StoreWriter(folder, CONTRACTS["heartgpt-ecg"]) as writer:
        for k in range(64):
            signal = rng.standard_normal((1, 100_000)).cumsum(1).astype(np.float32)
            recording = Recording(signal, 100.0, ("II",), unit="mV", modality="ecg")
            writer.add(f"row {k}", [Row.from_recording(recording, source=f"row {k}")])
    return open_store(folder)


def model_like(source: GPT, attention_dropout: float, residual_dropout: float) -> GPT:
    config = replace(source.config, attention_dropout=attention_dropout, residual_dropout=residual_dropout)
    model = GPT(config)
    model.load_state_dict(source.state_dict())
    return model.to(DEVICE).train()


def our_step(
    model: GPT,
    store: Store,
    size: int,
    *,
    form: Literal["eager", "compiled", "captured"] = "captured",
    where: Where = "resident",
) -> Step[Tensor]:
    """Return the step that `pretrain` would take: windows drawn, scaled over 1000 samples, cut into levels."""
    torch._dynamo.reset()  # a run has one shape: what an earlier one compiled must not make this one flexible
    batches = LevelBatches(
        store, np.arange(len(store)), LevelTokenizer(), length=T + 1, seed=0, scale_samples=1000,
        device=DEVICE, resident=where == "resident",
    )  # fmt: skip
    streamed = StreamedBatches(batches, size) if where == "streamed" else None
    objective = NextToken(torch.bfloat16)
    return Step(
        model, objective, streamed.batch if streamed else lambda step, _: batches.batch(step, size),
        RECIPES["published"], 10**6, stage=streamed.stage if streamed else None, form=form,
        regions=[*model.blocks, objective.score],
    )  # fmt: skip


def plain_step(model: GPT, size: int) -> Callable[[], object]:
    plain, batch = plain_like(model).to(DEVICE), ids(size, T + 1).to(DEVICE)
    optimizer = torch.optim.AdamW(plain.parameters(), lr=3e-4)

    def step() -> None:
        loss = F.cross_entropy(plain(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def training(store: Store, rounds: int) -> None:
    print("| training step | plain | ours, bfloat16 | ratio (range) | tokens/s | memory |")
    print("|---|---|---|---|---|---|")
    source = heartgpt()
    for name, dropouts in (("every dropout", (0.2, 0.2)), ("no attention dropout", (0.0, 0.2))):
        model = model_like(source, *dropouts)
        prove_step(source, store)
        plain = plain_step(model, 64)
        torch.cuda.reset_peak_memory_stats()
        step = our_step(model, store, 64)
        for precision, products in (("highest", "float32"), ("high", "TF32")):
            torch.set_float32_matmul_precision(precision)
            theirs, ours, ratios = in_turns(plain, step, rounds, 5, 30)
            print(row(f"HeartGPT, {name}, 64 x {T}; plain in {products}", theirs, ours, ratios, 64 * T))
            check_step(f"HeartGPT, {name}", 64, ours)
        torch.set_float32_matmul_precision("highest")
        del plain
        largest(f"HeartGPT, {name}", model, store)
    torch.manual_seed(0)
    modern = GPT(GPT_PRESETS["modern"]).to(DEVICE).train()
    ours = steady(our_step(modern, store, 64), 30)
    check_step("modern", 64, ours)
    print(f"| modern, 64 x {T} | | {1e3 * ours:.2f} ms | | {64 * T / ours / 1e6:.1f} M | |", flush=True)
    largest("modern", modern, store)
    print()


def largest(name: str, model: GPT, store: Store) -> None:
    """Time the batch beyond which nothing is gained."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    ours = steady(our_step(model, store, 1024), 8)
    memory = torch.cuda.max_memory_allocated() / 2**30
    check_step(name, 1024, ours)
    print(
        f"| {name}, 1024 x {T} | | {1e3 * ours:.1f} ms | | {1024 * T / ours / 1e6:.1f} M | {memory:.1f} GB |",
        flush=True,
    )


def check_step(name: str, size: int, seconds: float) -> None:
    """Note a training step that takes longer than promised."""
    most = PROMISED_STEP_MS[name, size]
    if 1e3 * seconds > most:
        broken.append(f"{name}, {size} x {T}: a step takes {1e3 * seconds:.2f} ms, promised {most:g}")


def prove_step(source: GPT, store: Store) -> None:
    """Compare the loss and the gradient of both sides on the same ids, without chance."""
    model = model_like(source, 0.0, 0.0)
    plain, batch = plain_like(model).to(DEVICE), ids(8, T + 1).to(DEVICE)
    ours = NextToken(torch.bfloat16)(model, batch)
    theirs = F.cross_entropy(plain(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
    torch.testing.assert_close(ours, theirs, atol=0.01, rtol=0.005)
    assert torch.allclose(next_token_loss(model, batch), theirs, atol=2e-3)


def shares(store: Store) -> None:
    """Tell where the time of a captured step goes, and how long the device waits."""
    from torch.profiler import ProfilerActivity, profile

    print(
        "| captured step, every dropout | attention | products | the rest | kernels | device idle | of the model |"
    )
    print("|---|---|---|---|---|---|---|")
    wheres: tuple[Where, ...] = ("resident", "streamed")
    for size in (64, 1024):
        for where in wheres:
            step = our_step(model_like(heartgpt(), 0.2, 0.2), store, size, where=where)
            wall = steady(step, 8)
            with profile(activities=[ProfilerActivity.CUDA]) as seen:
                for _ in range(4):
                    step()
                torch.cuda.synchronize()
            spent = {"attention": 0.0, "products": 0.0, "the rest": 0.0}
            kernels = 0
            for event in seen.key_averages():
                kernels += event.count / 4
                tiny = event.key in ("attention_forward", "attention_backward_q", "attention_backward_kv")
                product = any(word in event.key for word in ("nvjet", "gemm", "cutlass", "splitK"))
                kind = "attention" if tiny else "products" if product else "the rest"
                spent[kind] += event.self_device_time_total / 4e6
            busy = sum(spent.values())
            cells = " | ".join(f"{value / busy:.0%}" for value in spent.values())
            c = GPT_PRESETS["heartgpt-ecg"]
            weights = c.n_layers * (4 * c.width**2 + 2 * c.width * c.mlp_width) + c.width * c.vocabulary_size
            flops = size * T * (6 * weights + 12 * c.n_layers * c.width * T / 2)
            print(
                f"| {size} x {T}, {where}: {1e3 * wall:.2f} ms | {cells} | {kernels:.0f} "
                f"| {max(0.0, 1 - busy / wall):.0%} | {flops / wall / 1e12:.0f} TFLOP/s |", flush=True,
            )  # fmt: skip
    print()


def forms(store: Store) -> None:
    """Time the three forms of the step."""
    print("| form of the step, every dropout, 64 x 500, bfloat16 | ms | first step |")
    print("|---|---|---|")
    choices: tuple[Literal["eager", "compiled", "captured"], ...] = ("eager", "compiled", "captured")
    for form in choices:
        step = our_step(model_like(heartgpt(), 0.2, 0.2), store, 64, form=form)
        began = time.perf_counter()
        step()
        torch.cuda.synchronize()
        first = time.perf_counter() - began
        print(f"| {form} | {1e3 * steady(step, 20):.2f} | {first:.1f} s |", flush=True)
    print()


def generation(rounds: int) -> None:
    print(
        "| generation, greedy | plain, float32, tokens/s | ours, first call | ratio (range) | ours, later calls |"
    )
    print("|---|---|---|---|---|")
    full = heartgpt().to(DEVICE).eval()
    half = copy.deepcopy(full).bfloat16()
    plain = plain_like(full).to(DEVICE).eval()
    for size, past, inside in ((1, 300, 492), (64, 100, 200), (1024, 16, 60)):
        for name, prompt, n in (
            ("exact past the context", T, past),
            ("inside the context, cached", 8, inside),
        ):
            context = ids(prompt).to(DEVICE)
            sides = {
                "plain": lambda n=n, x=context, size=size: plain.generate(x.expand(size, -1), n)[:, len(x) :],
                "float32": Decoding(full, context, size, n),
                "bfloat16": Decoding(half, context, size, n),
                "float32 later": Decoding(full, context, size, n, keep=True),
                "bfloat16 later": Decoding(half, context, size, n, keep=True),
            }
            assert torch.equal(sides["float32"](), sides["plain"]()), "tokens differ"
            for label in ("bfloat16", "float32 later", "bfloat16 later"):
                sides[label]()
            taken = [{label: seconds(run, 1) for label, run in sides.items()} for _ in range(rounds)]
            theirs = size * n / median(each["plain"] for each in taken)
            for label in ("float32", "bfloat16"):
                ours = size * n / median(each[label] for each in taken)
                later = size * n / median(each[f"{label} later"] for each in taken)
                ratios = [each["plain"] / each[label] for each in taken]
                least = PROMISED.get((name, label), 0) if size == 1 else 0
                if ours < least:
                    broken.append(f"{name}, {label}: {ours:,.0f} of {least:,} tokens/s")
                print(
                    f"| {name}: {n} after {prompt}, {label}, batch {size} | {theirs:,.0f} | {ours:,.0f} "
                    f"| **{median(ratios):.1f}** ({min(ratios):.1f} to {max(ratios):.1f}) | {later:,.0f} |",
                    flush=True,
                )  # fmt: skip
    batch = ids(16, T).to(DEVICE)
    with torch.inference_mode():
        apart = (half(batch).float() - full(batch)).abs()
    print(
        f"\nbfloat16 logits differ from float32's by {apart.mean():.3f} on average, {apart.max():.2f} at most."
    )


def second_call() -> None:
    """Time the first call of 100 tokens in this process, those that capture a graph anew, and those that find one."""
    model = heartgpt().to(DEVICE).eval()
    runs = {
        name: Decoding(model, ids(prompt).to(DEVICE), 1, 100, keep=True)
        for name, prompt in (("inside the context", 200), ("past the context", T))
    }
    first = seconds(runs["inside the context"], 1)
    print("| 100 tokens, greedy, float32, batch 1 | graph captured anew | graph of an earlier call |")
    print("|---|---|---|")
    for name, run in runs.items():
        run()
        later = median(seconds(run, 1) for _ in range(5))
        anew = median(seconds(Decoding(model, run.context, 1, 100), 1) for _ in range(5))
        run()
        print(f"| {name} | {1e3 * anew:.1f} ms | {1e3 * later:.1f} ms |", flush=True)
    second = seconds(runs["inside the context"], 1)
    print(f"\nThe first call of the process took {1e3 * first:,.0f} ms, a later one {1e3 * second:.1f} ms.\n")
    if first / second < PROMISED_SECOND_CALL:
        broken.append(f"second call: {first / second:.1f} times faster than the first")


class Decoding:
    """Continuations that start anew at each call: graphs included, or with `keep` those of the call before."""

    def __init__(self, model: GPT, context: Tensor, size: int, n: int, *, keep: bool = False) -> None:
        self.model, self.context, self.size, self.n, self.keep = model, context, size, n, keep

    @torch.inference_mode()
    def __call__(self) -> Tensor:
        if not self.keep:
            release_graphs()
        steps = decode(self.model, self.context, n_samples=self.size, sampling=Sampling(greedy=True))
        return torch.cat(list(islice(steps, self.n)), 1)


def in_turns(
    theirs: Callable[[], object], ours: Callable[[], object], rounds: int, n_theirs: int, n_ours: int
) -> tuple[float, float, list[float]]:
    """Return the median seconds of each, and the ratios."""
    steady(theirs, 1), steady(ours, 1)
    taken = [(seconds(theirs, n_theirs), seconds(ours, n_ours)) for _ in range(rounds)]
    return median(a for a, _ in taken), median(b for _, b in taken), [a / b for a, b in taken]


def steady(work: Callable[[], object], n: int) -> float:
    """Return the seconds of one run after the first ones."""
    for _ in range(3):
        work()
    return seconds(work, n)


def seconds(work: Callable[[], object], n: int) -> float:
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(n):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / n


def row(name: str, theirs: float, ours: float, ratios: list[float], tokens: int) -> str:
    memory = torch.cuda.max_memory_allocated() / 2**30
    return (
        f"| {name} | {1e3 * theirs:.1f} ms | {1e3 * ours:.2f} ms | **{median(ratios):.1f}** "
        f"({min(ratios):.1f} to {max(ratios):.1f}) | {tokens / ours / 1e6:.1f} M | {memory:.1f} GB with plain's |"
    )


if __name__ == "__main__":
    main()
