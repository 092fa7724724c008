"""Training step of ECGformer's shape: loss, gradient and Adam, 64 windows of 186 samples, width 768, 8 heads.

The plain side is the description written down directly, with `torch.einsum`: projections, the whole attention matrix,
its division after the softmax, `torch.optim.Adam`. Ours is the step that `finetune --preset ecgformer` makes, in the
form that it takes on the device. Both sides hold the same weights, are proved to make the same first two losses, and
take turns in one process. A row names the numbers that each side multiplies in; ratios are medians over the rounds,
with their range. On the CPU the processor's time is measured, on a GPU the time of a clock around finished work.

Four fifths of a step on a CPU are products of large matrices, which both sides leave to the library. So a row gains
what its numbers gain: float32 by oneDNN in place of MKL, bf16 by the processor's own instructions for it
(`--precision bf16`). With the same library and the same numbers on both sides (bf16 and bf16)
ours is no faster.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

import torch
import torch.nn.functional as F
from plain_ecgformer import plain_like
from torch import Tensor

from physiolect.models.encoder import ENCODER_PRESETS, Encoder
from physiolect.training import RECIPES, Labelled, Step, choose_form, fast_products

Numbers = Literal["float32", "tf32", "bf16"]
N_CLASSES = 5
TURN = 1.0
"""Seconds that the plain side works in each round at least; ours then works for as long."""


@dataclass(frozen=True)
class Work:
    """What both sides do."""

    device: torch.device
    model: Encoder
    x: Tensor
    """Windows (B, C, T)."""
    target: Tensor
    """Classes (B, K), one of each row 1."""


def make_work(device: torch.device, *, n_layers: int, batch: int) -> Work:
    """Return seeded weights and windows."""
    torch.manual_seed(0)
    config = replace(ENCODER_PRESETS["ecgformer"], n_layers=n_layers, n_outputs=N_CLASSES)
    x = torch.rand(batch, 1, config.context_length)
    target = F.one_hot(torch.randint(N_CLASSES, (batch,)), N_CLASSES).float()
    return Work(device, Encoder(config).train().to(device), x.to(device), target.to(device))


def multiplying(numbers: Numbers, device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which products take these numbers, and set how a GPU multiplies float32."""
    torch.backends.cuda.matmul.allow_tf32 = numbers == "tf32"
    if numbers == "bf16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def plain(work: Work, numbers: Numbers) -> Callable[[], Tensor]:
    """Return a step of the plain side; calling it returns the loss."""
    model = plain_like(work.model).to(work.device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4)
    x, classes = work.x.transpose(1, 2), work.target.argmax(-1)

    def step() -> Tensor:
        with multiplying(numbers, work.device):
            loss = F.cross_entropy(model(x), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def ours(work: Work, numbers: Numbers, form: str) -> Callable[[], Tensor]:
    """Return a step of the training loop; calling it returns the sum of losses, which is read seldom."""
    model = Encoder(work.model.config).train().to(work.device)
    model.load_state_dict(work.model.state_dict())
    precision = torch.bfloat16 if numbers == "bf16" else torch.float32
    objective = Labelled("one-of", precision=precision).to(work.device)
    chosen = choose_form(form, work.device)  # type: ignore[arg-type]
    made = Step(
        model, objective, lambda step, part: (work.x, work.target), RECIPES["ecgformer"], 10**6,
        form=chosen, regions=[*model.blocks, objective.score],
    )  # fmt: skip

    def step() -> Tensor:
        torch.backends.cuda.matmul.allow_tf32 = numbers == "tf32"
        with fast_products(work.device, model.config.width) if work.device.type == "cpu" else nullcontext():
            made()
        return made._total

    return step


def row(work: Work, theirs: Numbers, own: Numbers, form: str, rounds: int) -> str:
    """Return a row of the table."""
    reference, mine = plain(work, theirs), ours(work, own, form)
    losses = [float(reference()) for _ in range(2)]
    own_losses = [float(mine()) for _ in range(2)]  # sums of losses
    own_losses[1] -= own_losses[0]
    tolerance = 1e-4 if {theirs, own} == {"float32"} else 2e-2
    torch.testing.assert_close(torch.tensor(own_losses), torch.tensor(losses), rtol=tolerance, atol=tolerance)
    for _ in range(3 if work.device.type == "cuda" else 0):
        reference(), mine()
    seconds: list[list[float]] = [[], []]
    for _ in range(rounds):
        length = TURN
        for run, found in zip((reference, mine), seconds, strict=True):
            n, length = turn(run, length, work.device)
            found.append(length / n)
    ratios = [a / b for a, b in zip(*seconds, strict=True)]
    speeds = [len(work.x) / median(each) for each in seconds]
    return (
        f"| {theirs} | {own} | {speeds[0]:,.1f} | {speeds[1]:,.1f} "
        f"| **{median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f}) |"
    )


def turn(run: Callable[[], Tensor], at_least: float, device: torch.device) -> tuple[int, float]:
    """Run again and again for so many seconds; return how often, and how long it took."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    n, start, taken = 0, clock(), 0.0
    while taken < at_least:
        for _ in range(5 if device.type == "cuda" else 1):
            run()
            n += 1
        wait()
        taken = clock() - start
    return n, taken


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--layers", type=int, help="default: 6 on a GPU, 2 on a CPU; all are alike")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--form", default="auto", help="of our step: eager, compiled, captured")
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(options.device)
    layers = options.layers or (6 if device.type == "cuda" else 2)
    work = make_work(device, n_layers=layers, batch=options.batch)
    pairs: list[tuple[Numbers, Numbers]] = [("float32", "float32"), ("float32", "bf16"), ("bf16", "bf16")]
    if device.type == "cuda":
        pairs = [("float32", "float32"), ("float32", "tf32"), ("tf32", "tf32"), *pairs[1:]]
    print("| plain multiplies in | ours in | plain, samples/s | ours, samples/s | ratio (range) |")
    print("|---|---|---|---|---|")
    for theirs, own in pairs:
        print(row(work, theirs, own, options.form, options.rounds), flush=True)


if __name__ == "__main__":
    main()
