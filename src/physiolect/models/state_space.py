"""A diagonal state-space layer: each feature is filtered by a sum of damped oscillations that are learned."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_CHUNK = 128
"""Steps that are filtered by one product."""


class StateSpace(nn.Module):
    """x + gate(GELU(filter(norm(x)))); the filter of a feature is a sum of complex exponentials, causal.

    A stretch of steps is one product of matrices, and the states carry what came before it; so a step gives the numbers
    that a whole window gives.

    Args:
        width: features E.
        n_states: complex states N of a feature.
        dropout: on the branch, in training.

    Source: Gu et al. 2022 (S4D, arXiv:2206.11893), with the real parts spread over time scales of 1 to 100 steps.
    """

    def __init__(self, *, width: int, n_states: int = 8, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        rates = torch.logspace(-2, 0, n_states).log().expand(width, n_states)
        self.log_rate = nn.Parameter(rates.clone())
        self.angle = nn.Parameter(torch.linspace(0, math.pi / 4, n_states).expand(width, n_states).clone())
        self.mix = nn.Parameter(torch.randn(width, n_states, 2) * (0.5 / n_states) ** 0.5)
        self.direct = nn.Parameter(torch.ones(width))
        self.gate = nn.Linear(width, 2 * width)
        self.dropout = dropout

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map x (B, T, E) to the same shape, from a state (B, E, N) complex on, and return the last state."""
        u = self.norm(x).float()
        with torch.autocast(x.device.type, enabled=False):
            state = self.start(len(x)) if state is None else state
            parts = []
            for part in u.split(_CHUNK, 1):
                filtered, state = self._filter(part, state)
                parts.append(filtered)
            filtered = torch.cat(parts, 1) + self.direct * u
        value, gate = self.gate(nn.functional.gelu(filtered)).chunk(2, -1)
        branch = value * gate.sigmoid()
        return x + nn.functional.dropout(branch, self.dropout, self.training), state

    def start(self, n_rows: int) -> Tensor:
        """Return the state before the first step, (B, E, N) complex."""
        return torch.zeros(n_rows, *self.log_rate.shape, dtype=torch.complex64, device=self.log_rate.device)

    def _filter(self, u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Filter some steps u (B, T, E), given the state before them; return the state after them."""
        T = u.shape[1]
        steps = torch.arange(T + 1, device=u.device)
        real, turned = (each.float().unsqueeze(-1) * steps for each in (-self.log_rate.exp(), self.angle))
        powers = torch.complex(real, turned).exp()  # (E, N, T + 1)
        weights = torch.view_as_complex(self.mix.float())  # (E, N)
        kernel = torch.einsum("en,ent->et", weights, powers).real  # (E, T + 1)
        later = steps[:T] - steps[:T, None]  # (from, to)
        matrix = kernel[:, later.clamp_min(0)] * (later >= 0)  # (E, T, T), exactly causal
        own = torch.einsum("bse,est->bte", u, matrix)
        before = torch.einsum("en,ent,ben->bte", weights, powers[..., 1:], state).real
        moved = torch.einsum("bte,ent->ben", u.to(powers.dtype), powers[..., :T].flip(-1))
        return own + before, moved + powers[..., T] * state
