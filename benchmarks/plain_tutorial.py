"""The tutorial's model written down directly, as its file describes it, for tests and the benchmark."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from physiolect.models.continuous import Continuous

NAMES = {
    "ln_1": "attention_norm", "c_attn": "attention.qkv", "c_proj": "attention.projection",
    "ln_2": "mlp_norm", "c_fc": "mlp.up", "c_out": "mlp.down",
}  # fmt: skip
"""Its layers, and ours."""


class PlainTutorial(nn.Module):
    """Blocks of nanoGPT, no positions, both ways; the sum over time after the last norm; one linear layer."""

    def __init__(self, n_embd: int, n_layers: int, n_heads: int, out_dim: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.h = nn.ModuleList(
            nn.ModuleDict(
                {
                    "ln_1": nn.LayerNorm(n_embd),
                    "c_attn": nn.Linear(n_embd, 3 * n_embd),
                    "c_proj": nn.Linear(n_embd, n_embd),
                    "ln_2": nn.LayerNorm(n_embd),
                    "c_fc": nn.Linear(n_embd, 4 * n_embd),
                    "c_out": nn.Linear(4 * n_embd, n_embd),
                }
            )
            for _ in range(n_layers)
        )
        self.ln_f = nn.LayerNorm(n_embd)
        self.head = nn.Linear(n_embd, out_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, C) to (B, out_dim)."""
        B, T, C = x.shape
        for block in self.h:
            q, k, v = block["c_attn"](block["ln_1"](x)).split(C, 2)
            q, k, v = (each.view(B, T, self.n_heads, C // self.n_heads).transpose(1, 2) for each in (q, k, v))
            weights = (q @ k.transpose(-2, -1) / math.sqrt(C // self.n_heads)).softmax(-1)
            x = x + block["c_proj"]((weights @ v).transpose(1, 2).reshape(B, T, C))
            x = x + block["c_out"](F.gelu(block["c_fc"](block["ln_2"](x))))
        return self.head(self.ln_f(x).sum(1))


def renamed(model: Continuous) -> dict[str, nn.Parameter]:
    """Return the weights of our model by the plain one's names."""
    found = {}
    for name, parameter in model.named_parameters():
        for theirs, ours in NAMES.items():
            name = name.replace(f".{ours}.", f".{theirs}.")
        found[name.replace("trunk.blocks.", "h.").replace("trunk.norm", "ln_f")] = parameter
    return found
