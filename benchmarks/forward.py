"""Forward pass of HeartGPT, 64 windows of 500 tokens.

The plain side writes every head's 500 x 500 scores to memory four times over, and most of its time goes there.
Ours keeps blocks of scores in the processor's cache, skips what lies in the future, and spends about half its time
on softmax and products of attention, a quarter on the linear layers.
"""

from __future__ import annotations

import torch
from interleave import Contest, Run, main
from plain import plain_like
from torch import nn
from weights import heartgpt, ids

BATCH = ids(64, 500)


def forward_of(model: nn.Module) -> Run:
    return torch.inference_mode()(lambda: model(BATCH))


if __name__ == "__main__":
    sides = {"plain": lambda: forward_of(plain_like(heartgpt())), "ours": lambda: forward_of(heartgpt())}
    main([Contest("forward, 64 x 500", sides, tolerance=1e-3, bound=8)])
