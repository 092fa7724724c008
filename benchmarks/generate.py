"""Generation with HeartGPT, greedy, one continuation.

Inside the context a cache of keys and values leaves one position to compute per token, and what remains is the cost of
calling some two hundred small operations. Past the context every learned position shifts, so an exact continuation
needs a whole pass per token on either side: the ratio is that of the attention kernels, less a last block of one query.
"""

from __future__ import annotations

from itertools import islice

import torch
from interleave import Contest, Run, main
from plain import plain_like
from torch import Tensor
from weights import heartgpt, ids

from physiolect.generation import Sampling, decode


def plain(prompt: Tensor, n_tokens: int) -> Run:
    model = plain_like(heartgpt())
    return lambda: model.generate(prompt[None], n_tokens)[0, len(prompt) :]


def ours(prompt: Tensor, n_tokens: int) -> Run:
    model = heartgpt()

    @torch.inference_mode()
    def run() -> Tensor:
        steps = decode(model, prompt, sampling=Sampling(greedy=True))
        return torch.cat(list(islice(steps, n_tokens)), 1)[0]

    return run


def contest(name: str, n_context: int, n_tokens: int, bound: float) -> Contest:
    prompt = ids(n_context)
    sides = {"plain": lambda: plain(prompt, n_tokens), "ours": lambda: ours(prompt, n_tokens)}
    return Contest(name, sides, bound=bound)


if __name__ == "__main__":
    main(
        [
            contest("inside the context: 492 tokens after 8", 8, 492, bound=30),
            contest("exact past the context: 20 tokens after 500", 500, 20, bound=3.5),
        ]
    )
