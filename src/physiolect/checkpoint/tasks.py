"""A checkpoint for a task of its own, out of one that continues signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from physiolect.checkpoint.checkpoint import Checkpoint, Task
from physiolect.contract import ANY_CHANNEL
from physiolect.models.gpt import with_head
from physiolect.models.heads import Pooling
from physiolect.recording import Modality


def for_task(
    base: Checkpoint,
    task: Task,
    *,
    classes: Sequence[str] = (),
    several: bool = False,
    pooling: Pooling = "last",
    unmask_last: bool = False,
    dropout: float | None = None,
    channels: Sequence[str] | None = None,
    modality: Modality | None = None,
) -> Checkpoint:
    """Return a checkpoint with the trunk of another, copied, and a fresh head that PyTorch's random numbers decide.

    It takes whole windows, as long as the base's longest.

    Args:
        base: left as it is.
        task: any but "forecast".
        classes: names of the outputs, for classify one each.
        several: a window may be of several classes.
        pooling: whose features speak for a window.
        unmask_last: let the last block look ahead.
        dropout: in training; None leaves the base's.
        channels: names to ask for where the base takes any.
        modality: to ask for where the base takes any.

    Raises:
        ConfigError: a setting is out of range.
    """
    model = with_head(
        base.model,
        n_outputs=len(classes) if task == "classify" else 1,
        pooling=pooling,
        unmask_last=unmask_last,
        dropout=dropout,
    )
    accepts = base.contract
    longest = min(accepts.max_samples, model.config.context_length)
    contract = replace(
        accepts,
        min_samples=longest,
        max_samples=longest,
        channels=tuple(channels) if channels and accepts.channels == (ANY_CHANNEL,) else accepts.channels,
        modality=accepts.modality or modality,
    )
    named = tuple(classes) if task in ("classify", "rhythm") else ()
    return Checkpoint(model.eval(), base.tokenizer, contract, task, classes=named, several=several)
