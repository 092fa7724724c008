"""The plain reference of every benchmark: HeartGPT's maths written down directly, one head at a time.

It follows Davies et al. 2024 and Vaswani et al. 2017 as a careful reader would type them: a Linear per head and
projection, the full attention matrix under a stored triangular mask, the whole context anew for each token.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physiolect.models.gpt import GPT, GPTConfig
from physiolect.models.published.heartgpt import to_heartgpt


class PlainHead(nn.Module):
    def __init__(self, c: GPTConfig) -> None:
        super().__init__()
        size = c.width // c.n_heads
        self.key = nn.Linear(c.width, size, bias=False)
        self.query = nn.Linear(c.width, size, bias=False)
        self.value = nn.Linear(c.width, size, bias=False)
        self.register_buffer("tril", torch.ones(c.context_length, c.context_length).tril())
        self.dropout = nn.Dropout(c.attention_dropout)

    def forward(self, x: Tensor) -> Tensor:
        T = x.shape[1]
        scores = self.query(x) @ self.key(x).transpose(-2, -1) * x.shape[-1] ** -0.5
        scores = scores.masked_fill(self.tril[:T, :T] == 0, float("-inf"))
        return self.dropout(F.softmax(scores, dim=-1)) @ self.value(x)


class PlainAttention(nn.Module):
    def __init__(self, c: GPTConfig) -> None:
        super().__init__()
        self.heads = nn.ModuleList(PlainHead(c) for _ in range(c.n_heads))
        self.proj = nn.Linear(c.width, c.width)
        self.dropout = nn.Dropout(c.residual_dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.proj(torch.cat([head(x) for head in self.heads], dim=-1)))


class PlainMLP(nn.Module):
    def __init__(self, c: GPTConfig) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(c.width, c.mlp_width),
            nn.ReLU(),
            nn.Linear(c.mlp_width, c.width),
            nn.Dropout(c.residual_dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class PlainBlock(nn.Module):
    def __init__(self, c: GPTConfig) -> None:
        super().__init__()
        self.sa = PlainAttention(c)
        self.ffwd = PlainMLP(c)
        self.ln1 = nn.LayerNorm(c.width)
        self.ln2 = nn.LayerNorm(c.width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.sa(self.ln1(x))
        return x + self.ffwd(self.ln2(x))


class PlainGPT(nn.Module):
    """HeartGPT under the authors' parameter names, so that their weights load as they are."""

    def __init__(self, c: GPTConfig) -> None:
        super().__init__()
        self.context_length = c.context_length
        self.token_embedding_table = nn.Embedding(c.vocabulary_size, c.width)
        self.position_embedding_table = nn.Embedding(c.context_length, c.width)
        self.blocks = nn.Sequential(*(PlainBlock(c) for _ in range(c.n_layers)))
        self.ln_f = nn.LayerNorm(c.width)
        self.lm_head = nn.Linear(c.width, c.vocabulary_size)

    def forward(self, ids: Tensor) -> Tensor:
        positions = torch.arange(ids.shape[1], device=ids.device)
        x = self.token_embedding_table(ids) + self.position_embedding_table(positions)
        return self.lm_head(self.ln_f(self.blocks(x)))

    @torch.no_grad()
    def generate(self, ids: Tensor, n_tokens: int) -> Tensor:
        """Append the likeliest token n times, each from a pass over the last `context_length` ids."""
        for _ in range(n_tokens):
            logits = self(ids[:, -self.context_length :])[:, -1]
            ids = torch.cat((ids, logits.argmax(-1, keepdim=True)), dim=1)
        return ids


def plain_like(model: GPT) -> PlainGPT:
    """Return the plain model with the same weights."""
    plain = PlainGPT(model.config)
    plain.load_state_dict(to_heartgpt(model.state_dict(), model.config), strict=True)
    return plain.train(model.training)
