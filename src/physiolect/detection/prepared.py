"""What a model says of windows that lie prepared in a store."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.datasets.examples.examples import Examples
from physiolect.detection.windows import OnWindow
from physiolect.errors import CheckpointError, ConfigError


def check_examples(checkpoint: Checkpoint, examples: Examples) -> None:
    """Refuse windows that a checkpoint's contract does not allow.

    Raises:
        CheckpointError: the store was prepared for another rate, modality or length.
    """
    accepts, offered = checkpoint.contract, examples.store.contract
    wrong = []
    hint = "prepare the recordings with the model's contract: physiolect prepare … --contract CHECKPOINT"
    if accepts.fs != offered.fs:
        wrong.append(f"is at {offered.fs:g} Hz, but the model takes {accepts.fs:g} Hz")
    if accepts.modality and offered.modality and accepts.modality != offered.modality:
        wrong.append(f"holds {offered.modality}, but the model takes {accepts.modality}")
        hint = f"take a model for {offered.modality}, or recordings of {accepts.modality}"
    if len(accepts.channels) > 1:
        wrong.append(f"gives one channel a window, but the model takes {len(accepts.channels)}")
    for name in ("passband", "preprocessing"):
        if getattr(accepts, name) != getattr(offered, name):
            wrong.append(f"has the {name} {getattr(offered, name)}, but the model {getattr(accepts, name)}")
    if not accepts.min_samples <= examples.length <= accepts.max_samples:
        wrong.append(
            f"is cut into windows of {examples.length} samples, but the model takes "
            f"{accepts.min_samples} to {accepts.max_samples}"
        )
    if wrong:
        raise CheckpointError(f"the store {examples.store.path} {'; it '.join(wrong)}", hint=hint)


def check_window_task(checkpoint: Checkpoint, task: str) -> None:
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
    if examples.task == "classify" and (checkpoint.classes, checkpoint.several) != (
        examples.classes,
        examples.several,
    ):
        raise CheckpointError(
            f"the checkpoint tells {', '.join(checkpoint.classes)}, but the windows are labelled "
            f"{', '.join(examples.classes)}",
            hint="name the checkpoint's classes, in its order",
        )
    check_examples(checkpoint, examples)


def predict_windows(
    checkpoint: Checkpoint, examples: Examples, *, batch_size: int = 64, on_window: OnWindow | None = None
) -> NDArray[np.float32]:
    """Return what a model says of each window of some examples.

    A window is cut into levels by itself; of a flat one, which has none, the model sees level 0 alone.

    Args:
        checkpoint: a model of the examples' task. It runs where its weights are, and in their type.
        examples: windows of a store.
        batch_size: windows that go through the model at once.
        on_window: called with the windows judged so far and the number of all.

    Returns:
        rhythm: probability (n,); classify: probabilities (n, classes), which are one in all unless a window may be of
        several; regress: (n,) in the target's unit; beats: probability of every sample (n, T).

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
        ids, _ = checkpoint.tokenizer.encode(examples.windows(index), flat="level")
        found.append(_say(checkpoint, ids))
        if on_window is not None:
            on_window(int(index[-1]) + 1, len(examples))
    return np.concatenate(found)


@torch.inference_mode()
def _say(checkpoint: Checkpoint, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    model = checkpoint.model.eval()
    device = model.tokens.weight.device
    outputs = model(torch.from_numpy(ids).to(device), last_only=checkpoint.task != "beats").float()
    if checkpoint.task == "classify":
        scores = outputs[:, 0]  # (B, classes)
        said = torch.sigmoid(scores) if checkpoint.several else torch.softmax(scores, -1)
    elif checkpoint.task == "regress":
        said = outputs[:, 0, 0] * checkpoint.target_sd + checkpoint.target_mean
    else:
        said = torch.sigmoid(outputs[..., 0])  # (B, T or 1)
        said = said[:, 0] if checkpoint.task == "rhythm" else said
    return said.cpu().numpy()
