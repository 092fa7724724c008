"""A checkpoint for a task of its own, out of one that continues signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from physiolect.checkpoint.checkpoint import Checkpoint
from physiolect.checkpoint.outputs import Outputs
from physiolect.contract import ANY_CHANNEL
from physiolect.models.heads import Pooling
from physiolect.models.model import Model
from physiolect.models.seq2seq_config import N_SPECIAL
from physiolect.recording import Modality


def for_task(
    base: Checkpoint,
    outputs: Outputs,
    *,
    pooling: Pooling | None = None,
    unmask_last: bool = False,
    dropout: float | None = None,
    channels: Sequence[str] | None = None,
    modality: Modality | None = None,
) -> Checkpoint:
    """Return a checkpoint with the trunk of another, copied, and a new head, initialised by PyTorch's random numbers.

    It takes whole windows, as long as the base's longest; of a model that reads heartbeats, any that the base takes.

    Args:
        base: left as it is.
        outputs: what the head's numbers mean; any task that is learned from labels.
        pooling: which features represent a window; the family's default where it is None.
        unmask_last: let the last block look ahead.
        dropout: in training; None leaves the base's.
        channels: names to ask for where the base takes any.
        modality: to ask for where the base takes any.

    Raises:
        ConfigError: a setting is out of range.
    """
    n_outputs = {
        "one-of": len(outputs.classes),
        "several": len(outputs.classes),
        "sequence": len(outputs.symbols) + N_SPECIAL,
    }.get(outputs.kind, len(outputs.targets) or 1)
    model = base.model.with_head(
        n_outputs=n_outputs,
        scope=outputs.scope,
        pooling=pooling,
        unmask_last=unmask_last,
        dropout=dropout,
    )
    accepts = base.contract
    longest = min(accepts.max_samples, model.context_length)
    contract = replace(
        accepts,
        min_samples=accepts.min_samples if base.reads_beats or _takes_short(model, outputs) else longest,
        max_samples=accepts.max_samples if base.reads_beats else longest,
        channels=tuple(channels)
        if channels and accepts.channels == (ANY_CHANNEL,) and not base.reads_beats
        else accepts.channels,
        modality=accepts.modality or modality,
    )
    return Checkpoint(model.eval(), base.tokenizer, contract, outputs)


def _takes_short(model: Model, outputs: Outputs) -> bool:
    """Whether a model says of a short window what it says of a long one, at each position."""
    return outputs.kind == "sequence" or (outputs.scope == "position" and (not model.causal or model.streams))
