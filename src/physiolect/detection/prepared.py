"""A model's predictions for windows of a store."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.contract import ANY_CHANNEL, InputContract
from physiolect.datasets.examples.examples import Examples
from physiolect.datasets.store.store import Store
from physiolect.detection.windows import OnWindow
from physiolect.errors import CheckpointError, ConfigError
from physiolect.recording import canonical_channel
from physiolect.tasks import Task

_PREPARE = "prepare the recordings with the model's contract: physiolect prepare … --contract CHECKPOINT"


def check_examples(checkpoint: Checkpoint, examples: Examples) -> None:
    """Refuse windows that a checkpoint's contract does not allow.

    Raises:
        CheckpointError: the store was prepared for another rate, modality, filter, amplitude or length.
    """
    check_store(checkpoint, examples.store)
    accepts = checkpoint.contract
    wrong = _wrong_channels(accepts, examples)
    if not accepts.min_samples <= examples.length <= accepts.max_samples:
        wrong.append(
            f"is cut into windows of {examples.length} samples, but the model takes "
            f"{accepts.min_samples} to {accepts.max_samples}"
        )
    if wrong:
        raise CheckpointError(f"the store {examples.store.path} {'; it '.join(wrong)}", hint=_PREPARE)


def check_store(checkpoint: Checkpoint, store: Store, *, all_leads: bool = False) -> None:
    """Refuse a store that was prepared for other inputs than a checkpoint's.

    Args:
        checkpoint: any.
        store: made by `prepare`.
        all_leads: the model reads all leads of each row, in the order in which they lie there.

    Raises:
        CheckpointError: rate, modality, filters, amplitudes or leads differ.
    """
    accepts, offered = checkpoint.contract, store.contract
    wrong, hint = [], _PREPARE
    if accepts.fs != offered.fs:
        wrong.append(f"is at {offered.fs:g} Hz, but the model takes {accepts.fs:g} Hz")
    if accepts.modality and offered.modality and accepts.modality != offered.modality:
        wrong.append(f"holds {offered.modality}, but the model takes {accepts.modality}")
        hint = f"take a model for {offered.modality}, or recordings of {accepts.modality}"
    for name in ("passband", "preprocessing"):
        if getattr(accepts, name) != getattr(offered, name):
            wrong.append(f"has the {name} {getattr(offered, name)}, but the model {getattr(accepts, name)}")
    one, other = _amplitudes(offered), _amplitudes(accepts)
    if one != other and not _scales_each_lead(checkpoint):
        wrong.append(f"holds {one}, but the model takes {other}")
    leads = [tuple(map(canonical_channel, each.channels)) for each in (offered, accepts)]
    if all_leads and leads[0] != leads[1]:
        wrong.append(f"holds {', '.join(leads[0])}, but the model takes {', '.join(leads[1])}")
    if wrong:
        raise CheckpointError(f"the store {store.path} {'; it '.join(wrong)}", hint=hint)


def _scales_each_lead(checkpoint: Checkpoint) -> bool:
    """Return whether the amplitudes of a window cannot change what the model sees."""
    return checkpoint.tokenizer is not None or checkpoint.model.config.scaling in ("range", "standard")


def _amplitudes(contract: InputContract) -> str:
    """Return what samples are in, in words."""
    if contract.normalisation == "zscore":
        return "standardised amplitudes"
    return f"amplitudes in {contract.unit}" if contract.unit else "amplitudes as they were recorded"


def _wrong_channels(accepts: InputContract, examples: Examples) -> list[str]:
    """Return what is wrong where the windows show other channels than the model names."""
    if not len(examples):
        return []
    n_shown = examples.channels.shape[1] if examples.channels.ndim == 2 else 1
    if n_shown != len(accepts.channels):
        n = len(accepts.channels)
        return [f"gives {n_shown} channel{'s' * (n_shown != 1)} a window, but the model takes {n}"]
    if accepts.channels == (ANY_CHANNEL,):
        return []
    places = np.column_stack([examples.rows, examples.channels])
    _, first = np.unique(
        places, axis=0, return_index=True
    )  # one window of each choice of channels of each row
    wanted = tuple(map(canonical_channel, accepts.channels))
    other = sorted(
        {
            ", ".join(names)
            for names in map(examples.channel_names, first.tolist())
            if tuple(map(canonical_channel, names)) != wanted
        }
    )
    return (
        [f"shows {', '.join(other[:5])}, but the model takes {', '.join(accepts.channels)}"] if other else []
    )


def check_window_task(checkpoint: Checkpoint, task: Task) -> None:
    """Refuse a checkpoint that is for another task than windows are labelled for.

    Raises:
        CheckpointError: it is.
    """
    if checkpoint.task != task:
        raise CheckpointError(
            f"the checkpoint is for {checkpoint.task}, but the windows are labelled for {task}",
            hint="fine-tune one for it: physiolect finetune",
        )


def check_windows(checkpoint: Checkpoint, examples: Examples) -> None:
    """Refuse a checkpoint that cannot judge some labelled windows.

    Raises:
        CheckpointError: the checkpoint is for another task, other classes or another contract.
    """
    check_window_task(checkpoint, examples.task)
    outputs = checkpoint.outputs
    named = outputs.kind in ("one-of", "several") or examples.several
    if named and (outputs.classes, outputs.several) != (examples.classes, examples.several):
        raise CheckpointError(
            f"the checkpoint's classes are {', '.join(outputs.classes)}, but the windows are labelled "
            f"{', '.join(examples.classes)}",
            hint="name the checkpoint's classes, in its order",
        )
    check_examples(checkpoint, examples)


def predict_windows(
    checkpoint: Checkpoint, examples: Examples, *, batch_size: int = 64, on_window: OnWindow | None = None
) -> NDArray[np.float32]:
    """Return a model's prediction for each window of some examples.

    A window is encoded by itself; a flat one has level 0 throughout.

    Args:
        checkpoint: a model of the examples' task. It runs where its weights are, and in their type.
        examples: windows of a store.
        batch_size: windows that go through the model at once.
        on_window: called with the windows judged so far and the number of all.

    Returns:
        what `Outputs.read` gives for each: a rhythm's probability (n,); probabilities of classes (n, classes); a number
        (n,) in its unit; probabilities of a beat at every sample (n, T).

    Raises:
        CheckpointError: the checkpoint is for another task, other classes or another contract.
        ConfigError: the batch size is not above 0.
    """
    check_windows(checkpoint, examples)
    if batch_size < 1:
        raise ConfigError(f"batch_size is {batch_size}, but must be at least 1", hint="64 is usual")
    found = []
    for first in range(0, len(examples), batch_size):
        index = np.arange(first, min(first + batch_size, len(examples)))
        inputs, _ = checkpoint.encode(examples.windows(index))
        found.append(checkpoint.predict(inputs))
        if on_window is not None:
            on_window(int(index[-1]) + 1, len(examples))
    return np.concatenate(found)
