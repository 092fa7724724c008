"""What fine-tuning changed of where a model looks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.errors import CheckpointError
from physiolect.explanation.attention import attend, choose_heads, n_layers, pooled_attention
from physiolect.explanation.window import Window

_SHAPE = (
    "n_layers", "n_heads", "width", "vocabulary_size", "context_length", "positions", "band", "n_channels", "patch",
    "per_lead", "class_token", "separators", "image_patch",
)  # fmt: skip
"""Settings of a model that fine-tuning does not change."""


def attention_change(
    checkpoint: Checkpoint,
    base: Checkpoint,
    window: Window,
    *,
    layer: int | None = None,
    heads: Iterable[int] | None = None,
    query: float | None = None,
    pooled: bool = False,
) -> NDArray[np.float32]:
    """Return what fine-tuning added to the attention of each token, (tokens,); what it took away is negative.

    Args:
        checkpoint: the fine-tuned model.
        base: the model that it was made from.
        window: from `cut_window` with the fine-tuned model.
        layer: number from 1; None means the last.
        heads: numbers from 1, summed over; None means all.
        query: a moment in seconds of the recording; None takes the window's last sample.
        pooled: compare what speaks for the window as a whole, as `pooled_attention` does, and not one query.

    Raises:
        ConfigError: the layer, a head or the query does not exist.
        CheckpointError: the two models differ in shape, or in how they read signals.

    Source: Davies et al. 2024, arXiv:2407.20775: last query, last block, summed over heads.
    """
    check_base(checkpoint, base)
    layers = [n_layers(checkpoint) if layer is None else layer]
    wanted = list(choose_heads(checkpoint, heads))
    after, before = (
        pooled_attention(model, window, layers=layers, heads=wanted).band()
        if pooled
        else attend(model, window, layers=layers, heads=wanted, queries=[query]).band()
        for model in (checkpoint, base)
    )
    return after - before


def check_base(checkpoint: Checkpoint, base: Checkpoint) -> None:
    """Refuse a base that the model cannot have been fine-tuned from.

    Raises:
        CheckpointError: the two differ in shape, or in how they read signals.
    """
    ours, theirs = checkpoint.model.config, base.model.config
    other = [
        f"{name} {getattr(theirs, name, 'none')} (here {getattr(ours, name, 'none')})"
        for name in _SHAPE
        if getattr(ours, name, None) != getattr(theirs, name, None)
    ]
    a, b = checkpoint.contract, base.contract
    if (a.modality, a.fs) != (b.modality, b.fs):
        other.append(f"it reads {b.modality} at {b.fs:g} Hz (here {a.modality} at {a.fs:g} Hz)")
    if other:
        raise CheckpointError(
            f"the base is of another shape than the checkpoint: {'; '.join(other)}",
            hint="give the model that the checkpoint was fine-tuned from, such as ECGPT_560k_iters for ECGPT_AF",
        )
