"""Speed of models of continuous signals: the tutorial's training step, and decoding step by step.

    python benchmarks/continuous.py                      # on the CPU, one thread
    python benchmarks/continuous.py --device cuda

Training: 200 channels, 2 layers, 4 heads, windows of 10 steps, batches of 32, AdamW, as the tutorial has it. The plain
side is the model written down directly (`plain_tutorial.py`) with `torch.optim.AdamW`; ours is the step of `finetune`
in the form that it takes on the device, captured as a graph on a GPU. Same weights, same losses (checked), in turns.
Decoding: 96 channels, 40 to 640 steps of context. The plain side runs the window of the last steps through the model
again for every step; ours keeps keys and values. Same outputs (checked, on the first window).
On a CPU the processor's time is measured, on a GPU the time of a clock around finished work.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import numpy as np
import torch
from plain_tutorial import PlainTutorial, renamed
from torch import Tensor

from physiolect.models.continuous import CONTINUOUS_PRESETS, Continuous
from physiolect.models.continuous_config import tutorial
from physiolect.models.recurrent import RECURRENT_PRESETS, Recurrent
from physiolect.training import Labelled, Recipe, Step, choose_form

RECIPE = Recipe(1e-3, "constant", 0, 1e-2, decay_all=True, beta2=0.999, clip_norm=None)
CONTEXTS = (40, 160, 640)
"""Steps of context; 40 of 50 ms are two seconds."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(given.device)
    print("| work | plain | ours | ratio (range) |\n|---|---|---|---|")
    print(_row("training step of the tutorial's model", *_training(device), device, given.rounds), flush=True)
    for context in CONTEXTS:
        print(
            _row(
                f"decoding step, {context} steps of context",
                *_decoding(device, context),
                device,
                given.rounds,
            ),
            flush=True,
        )
    print("\n| one step, a line of 96 counts | median | 99 % |\n|---|---|---|")
    for name, model in (
        ("decoder, 40 steps of context", _decoder(40)),
        ("GRU", Recurrent(RECURRENT_PRESETS["gru"]).eval()),
    ):
        middle, late = _latency(model, device)
        print(f"| {name} | {middle:.2f} ms | {late:.2f} ms |")


def _training(device: torch.device) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    torch.manual_seed(0)
    config = tutorial(input_size=200, num_layers=2, num_heads=4, n_embd=200, out_dim=10, trial_len=10)
    model = Continuous(config).train().to(device)
    plain = PlainTutorial(200, 2, 4, 10).to(device)
    plain.load_state_dict({name: value.detach() for name, value in renamed(model).items()})
    x, target = torch.randn(32, 200, 10, device=device), torch.randn(32, 10, 1, device=device)
    optimizer = torch.optim.AdamW(plain.parameters(), lr=1e-3, weight_decay=1e-2)
    objective = Labelled("number", scope="position").to(device)
    made = Step(
        model, objective, lambda step, part: (x, target), RECIPE, 10**6, form=choose_form("auto", device),
        regions=[*model.blocks, objective.score],
    )  # fmt: skip

    def theirs() -> Tensor:
        loss = torch.nn.functional.mse_loss(plain(x.transpose(1, 2)), target[..., 0])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    def ours() -> Tensor:
        made()
        return made._total

    first = [float(theirs()) for _ in range(3)]
    second = np.diff([0.0, *(float(ours()) for _ in range(3))])
    np.testing.assert_allclose(second, first, rtol=1e-3)
    return theirs, ours


def _decoder(context: int) -> Continuous:
    torch.manual_seed(0)
    config = replace(CONTINUOUS_PRESETS["modern"], context_length=context, band=None, n_outputs=2)
    return Continuous(config).eval()


def _decoding(device: torch.device, context: int) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    """Return a step that runs the window again, and one that goes on from what was kept."""
    model = _decoder(context).to(device)
    x = torch.poisson(torch.ones(1, 96, context, device=device))
    with torch.inference_mode():
        stream = model.start()
        steps = torch.stack([model.step(x[:, :, t], stream) for t in range(context)], 1)
        torch.testing.assert_close(steps, model(x), rtol=1e-4, atol=1e-4)
    at = 0

    def again() -> Tensor:
        with torch.inference_mode():
            return model(x)[:, -1]

    def onward() -> Tensor:
        nonlocal at
        at = (at + 1) % context
        with torch.inference_mode():
            return model.step(x[:, :, at], stream)

    return again, onward


def _latency(model: Continuous | Recurrent, device: torch.device) -> tuple[float, float]:
    """Return the milliseconds of a step, its middle and its 99th percentile."""
    model = model.to(device)
    x = torch.poisson(torch.ones(1, 96, 200))
    found, stream = [], model.start()
    with torch.inference_mode():
        for number in range(2000):
            begun = time.perf_counter()
            model.step(x[:, :, number % 200].to(device), stream).cpu()
            found.append(1000 * (time.perf_counter() - begun))
    middle, late = np.percentile(found[100:], (50, 99)).tolist()
    return middle, late


def _row(
    name: str, plain: Callable[[], Tensor], ours: Callable[[], Tensor], device: torch.device, rounds: int
) -> str:
    seconds: list[list[float]] = [[], []]
    for _ in range(rounds):
        length = 1.0
        for run, found in zip((plain, ours), seconds, strict=True):
            n, length = _turn(run, length, device)
            found.append(length / n)
    ratios = [a / b for a, b in zip(*seconds, strict=True)]
    times = [1000 * median(each) for each in seconds]
    ratio = f"**{median(ratios):.1f}** ({min(ratios):.1f} to {max(ratios):.1f})"
    return f"| {name} | {times[0]:.3f} ms | {times[1]:.3f} ms | {ratio} |"


def _turn(run: Callable[[], Tensor], at_least: float, device: torch.device) -> tuple[int, float]:
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    for _ in range(5):
        run()
    wait()
    n, start, taken = 0, clock(), 0.0
    while taken < at_least:
        for _ in range(10):
            run()
        wait()
        n, taken = n + 10, clock() - start
    return n, taken


if __name__ == "__main__":
    main()
