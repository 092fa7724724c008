"""Training step of HeartGPT: loss, gradient and AdamW, 8 windows of 500 tokens.

The plain side keeps every head's scores, several times over, for the gradient; ours recomputes them block by block, and
keeps one byte for each attention weight that may be dropped. With attention dropout a quarter of our time goes into
drawing random numbers; the draws of the two sides differ, so there the losses agree in the mean only.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from interleave import Contest, Run, main
from plain import plain_like
from torch import Tensor
from weights import heartgpt, ids

from physiolect.models.gpt import GPT
from physiolect.training import RECIPES, make_optimizer, next_token_loss

BATCH = ids(8, 501)


def trained(attention_dropout: float) -> GPT:
    source = heartgpt()
    model = GPT(replace(source.config, attention_dropout=attention_dropout, residual_dropout=0.2))
    model.load_state_dict(source.state_dict())
    return model.train()


def plain(attention_dropout: float) -> Run:
    model = plain_like(trained(attention_dropout))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)

    def step() -> Tensor:
        logits = model(BATCH[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), BATCH[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def ours(attention_dropout: float) -> Run:
    model = trained(attention_dropout)
    optimizer = make_optimizer(model, RECIPES["published"])

    def step() -> Tensor:
        loss = next_token_loss(model, BATCH)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def contest(name: str, attention_dropout: float, tolerance: float, bound: float) -> Contest:
    sides = {"plain": lambda: plain(attention_dropout), "ours": lambda: ours(attention_dropout)}
    return Contest(name, sides, tolerance, bound)


if __name__ == "__main__":
    main(
        [
            contest("step at 8 x 500, without attention dropout", 0.0, tolerance=1e-3, bound=3.5),
            contest("step at 8 x 500, with every dropout", 0.2, tolerance=0.05, bound=0.9),
        ]
    )
