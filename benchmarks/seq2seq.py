"""Speed of sequence-to-sequence models: beam search of 4 over 64 sentences.

    python benchmarks/seq2seq.py                         # on the CPU, one thread; two minutes
    python benchmarks/seq2seq.py --device cuda

The plain side takes one sentence at a time and, for every symbol, runs encoder and decoder again over the window and
the four sentences so far. Ours takes all sentences together, and keeps the keys and values of windows and of what was
written. Same weights (random, so that every answer has 24 symbols), same answers (checked), in turns. On a CPU the
processor's time is measured, on a GPU the time of a clock around finished work.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import torch
from torch import Tensor

from physiolect.models.search import search
from physiolect.models.seq2seq import END, SEQ2SEQ_PRESETS, START, Seq2Seq

SENTENCES, BEAMS, BINS, SYMBOLS = 64, 4, 200, 24


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(given.device)
    torch.manual_seed(0)
    model = Seq2Seq(replace(SEQ2SEQ_PRESETS["modern"], n_channels=64, longest=SYMBOLS)).eval().to(device)
    with torch.no_grad():
        model.head.bias[END] = -20.0  # no answer ends by itself
    x = torch.randn(SENTENCES, 64, BINS, device=device)
    seconds: list[tuple[float, float]] = []
    for _ in range(given.rounds):
        theirs, plain = _timed(lambda: plainly(model, x), device)
        mine, ours = _timed(lambda: [each[0].ids for each in search(model, x, beams=BEAMS)], device)
        same = sum(a == b for a, b in zip(plain, ours, strict=True))
        assert same >= SENTENCES - 1, (
            f"only {same} of {SENTENCES} answers agree"
        )  # one tie may fall either way
        seconds.append((theirs, mine))
    ratios = [theirs / mine for theirs, mine in seconds]
    print("| work | plain | ours | ratio (range) |\n|---|---|---|---|")
    print(
        f"| beam search of {BEAMS}, {SENTENCES} sentences of {BINS} bins and {SYMBOLS} symbols "
        f"| {median(each[0] for each in seconds):.2f} s | {median(each[1] for each in seconds):.2f} s "
        f"| **{median(ratios):.1f}** ({min(ratios):.1f} to {max(ratios):.1f}) |"
    )


@torch.inference_mode()
def plainly(model: Seq2Seq, x: Tensor) -> list[tuple[int, ...]]:
    """Return the best answers, one sentence after another, with nothing kept."""
    found = []
    for row in x:
        ids = torch.full((1, 1), START, device=x.device)
        total = torch.zeros(1, device=x.device)
        for _ in range(SYMBOLS):
            logits = model.teach(row.expand(len(ids), -1, -1), ids[:, 1:]).logits[:, -1]
            logs = logits.float().log_softmax(-1)
            logs[:, :END] = -torch.inf
            total, best = (total.unsqueeze(1) + logs).flatten().topk(BEAMS)
            ids = torch.cat((ids[best // logs.shape[1]], (best % logs.shape[1]).unsqueeze(1)), 1)
        # what may come at last is the end alone
        ends = model.teach(row.expand(len(ids), -1, -1), ids[:, 1:]).logits[:, -1].float().log_softmax(-1)
        found.append(tuple(ids[int((total + ends[:, END]).argmax()), 1:].tolist()))
    return found


def _timed(
    run: Callable[[], list[tuple[int, ...]]], device: torch.device
) -> tuple[float, list[tuple[int, ...]]]:
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    if device.type == "cuda":
        torch.cuda.synchronize()
    began = clock()
    found = run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - began, found


if __name__ == "__main__":
    main()
