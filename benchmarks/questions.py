"""Questions and answers, token to token: made sums and look-ups, learned from 16,000 and asked of 2,000 held-out ones.

    python benchmarks/questions.py                       # on the CPU, one thread; two minutes

Training and held-out questions all differ. An answer counts only if every symbol of it and its end are right.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from physiolect.models.search import search
from physiolect.models.seq2seq import N_SPECIAL, SEQ2SEQ_PRESETS, Seq2Seq
from physiolect.synthetic.questions import SYMBOLS, Question, as_ids, as_text, made_questions
from physiolect.training import Recipe, Sequences, Step, choose_device

BATCH = 128


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    asked = made_questions(18_000, seed=given.seed)
    began = time.perf_counter()
    model = train(asked[2000:], steps=given.steps, seed=given.seed, device=choose_device(given.device))
    print(f"{given.steps} updates in {time.perf_counter() - began:.0f} s")
    for name, held in (
        ("sums", [each for each in asked[:2000] if "+" in each.question]),
        ("look-ups", [each for each in asked[:2000] if "?" in each.question]),
    ):
        right = [mine == each.answer for mine, each in zip(answers(model, held), held, strict=True)]
        print(f"{name}: {sum(right)} of {len(right)} exactly right ({np.mean(right):.2%})", flush=True)


def train(questions: list[Question], *, steps: int, seed: int, device: torch.device) -> Seq2Seq:
    """Return a model that learned these questions from random weights."""
    torch.manual_seed(seed)
    model = Seq2Seq(SEQ2SEQ_PRESETS["questions"]).to(device)
    x = (
        torch.from_numpy(as_ids([each.question for each in questions], first=1))
        .float()
        .unsqueeze(1)
        .to(device)
    )
    ids = torch.from_numpy(as_ids([each.answer for each in questions], first=N_SPECIAL)).to(device)
    step = Step(
        model.train(), Sequences(), _batches(x, ids, seed), Recipe(3e-3, warmup_steps=100, weight_decay=0.1), steps
    )  # fmt: skip
    for _ in range(steps):
        step()
    step.read()
    return model.eval()


def answers(model: Seq2Seq, questions: list[Question]) -> list[str]:
    """Return a model's answers, found greedily."""
    x = torch.from_numpy(as_ids([each.question for each in questions], first=1)).float().unsqueeze(1)
    found = search(model, x.to(model.device))
    return [as_text(each[0].ids, first=N_SPECIAL) if each[0].ended else "" for each in found]


def _batches(x: Tensor, ids: Tensor, seed: int) -> Callable[[int | Tensor, int], tuple[Tensor, Tensor]]:
    def batch(step: int | Tensor, part: int) -> tuple[Tensor, Tensor]:
        chosen = np.random.default_rng([seed, int(step)]).integers(0, len(x), BATCH)
        return x[chosen], ids[chosen]

    return batch


assert SEQ2SEQ_PRESETS["questions"].input_vocabulary == len(SYMBOLS) + 1
assert SEQ2SEQ_PRESETS["questions"].n_outputs == len(SYMBOLS) + N_SPECIAL

if __name__ == "__main__":
    main()
