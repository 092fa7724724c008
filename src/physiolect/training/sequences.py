"""What training of sequences makes smaller: the answer's cross-entropy, and the CTC loss of its encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_PADDING, _END = 0, 2
"""Ids that every vocabulary of sequences begins with: padding, which is also CTC's blank; start; and end."""


def answer_loss(logits: Tensor, ids: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Return the mean cross-entropy of answers with their ends, in nats per symbol.

    Args:
        logits: (B, L + 1, V), of each symbol given those before it.
        ids: (B, L) symbols, 0 at the right of shorter answers.
        smoothing: share of a symbol that is spread evenly over the vocabulary.
    """
    wanted = F.pad(ids, (0, 1), value=_PADDING)  # (B, L + 1)
    length = (ids != _PADDING).sum(1, keepdim=True)
    wanted = wanted.scatter(1, length, _END)
    return F.cross_entropy(
        logits.flatten(0, 1).float(), wanted.flatten(), ignore_index=_PADDING, label_smoothing=smoothing
    )


def frame_loss(frames: Tensor, n_frames: Tensor, ids: Tensor) -> Tensor:
    """Return the mean CTC loss of answers, in nats per symbol; an answer that does not fit its frames counts nothing.

    Args:
        frames: (B, N, V) logits.
        n_frames: (B,) frames of each row.
        ids: (B, L) symbols, 0 at the right of shorter answers.

    Source: Graves et al. 2006.
    """
    logs = frames.float().log_softmax(-1).transpose(0, 1)  # (N, B, V)
    lengths = (ids != _PADDING).sum(1)
    return F.ctc_loss(logs, ids, n_frames, lengths, blank=_PADDING, zero_infinity=True)


class Sequences(nn.Module):
    """Loss of windows whose answers are sequences; a batch is (x (B, C, T), ids (B, L)).

    Args:
        ctc: share of the CTC loss in the joint loss, from 0 to 1; at 1 the decoder does not learn.
        smoothing: share of a symbol that is spread evenly over the vocabulary.
        precision: of products and attention; losses are computed in float32.
    """

    def __init__(
        self, *, ctc: float = 0.0, smoothing: float = 0.0, precision: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self.ctc, self.smoothing, self.precision = ctc, smoothing, precision

    def forward(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the joint loss of a batch."""
        x, ids = batch[0], batch[1].long()
        teach: Callable[..., Any] = model.teach  # type: ignore[assignment]
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            taught = teach(x, ids)
        loss = answer_loss(taught.logits, ids, smoothing=self.smoothing)
        if not self.ctc:
            return loss
        return (1 - self.ctc) * loss + self.ctc * frame_loss(taught.frames, taught.n_frames, ids)

    @torch.no_grad()
    def of_all(self, model: nn.Module, pieces: Sequence[Tensor], ids: Tensor) -> float:
        """Return the loss of many windows, in float32, piece by piece; each piece counts by its rows."""
        parts = ids.split([len(piece) for piece in pieces])
        losses = [float(self(model, batch)) * len(batch[1]) for batch in zip(pieces, parts, strict=True)]
        return sum(losses) / max(1, len(ids))
