"""Training step of HeartGPT: loss, gradient and AdamW, 8 windows of 500 tokens.

The plain side keeps every head's scores, several times over, for the gradient; ours recomputes them block by block, and
keeps one byte for each attention weight that may be dropped. Two thirds of our time are attention, a quarter the linear
layers; with attention dropout, drawing and applying it takes as long as the rest of attention. The sides are proved
equal without dropout, since they draw differently.
"""

from __future__ import annotations

from collections.abc import Callable
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


def trained(attention_dropout: float, residual_dropout: float) -> GPT:
    source = heartgpt()
    config = replace(source.config, attention_dropout=attention_dropout, residual_dropout=residual_dropout)
    model = GPT(config)
    model.load_state_dict(source.state_dict())
    return model.train()


def plain(*dropouts: float) -> Run:
    model = plain_like(trained(*dropouts))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)

    def step() -> Tensor:
        logits = model(BATCH[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), BATCH[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def ours(*dropouts: float) -> Run:
    model = trained(*dropouts)
    optimizer = make_optimizer(model, RECIPES["published"])

    def step() -> Tensor:
        loss = next_token_loss(model, BATCH)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def sides(*dropouts: float) -> dict[str, Callable[[], Run]]:
    return {"plain": lambda: plain(*dropouts), "ours": lambda: ours(*dropouts)}


if __name__ == "__main__":
    proof = sides(0.0, 0.0)
    main(
        [
            Contest("without attention dropout", sides(0.0, 0.2), tolerance=1e-3, bound=3.5, proof=proof),
            Contest("with every dropout", sides(0.2, 0.2), tolerance=1e-3, bound=0.9, proof=proof),
        ]
    )
