"""The weights of classes in the loss of a fine-tuning."""

from __future__ import annotations

import numpy as np
import torch

from physiolect.datasets import Examples
from physiolect.datasets.examples.beat_examples import BeatExamples
from physiolect.errors import ConfigError
from physiolect.learning.tunings import ClassWeights
from physiolect.training import balanced_weights


def class_weights(asked: ClassWeights, train: Examples) -> list[float] | None:
    """Return the weights of the classes in the loss.

    Raises:
        ConfigError: a class does not occur, or there are more or fewer weights than classes.
    """
    if isinstance(train, BeatExamples) and train.values is None:
        return _weights_of_beats(asked, train)
    binary, at_positions = train.kind == "binary", train.task.scope == "position"
    if train.kind in ("number", "sequence") or (at_positions and asked == "none"):
        return None  # at positions no class can be missing, and to check it costs a target for every sample
    weights = balanced_weights(train.kind, torch.from_numpy(train.target))
    names = train.classes
    if binary:
        names = ("no", "yes") if at_positions else (f"not {train.classes[0]}", train.classes[0])
    missing = [name for name, weight in zip(names, weights, strict=True) if weight == 0]
    if missing:
        raise ConfigError(
            f"no training window is of class {', '.join(missing)}",
            hint="keep fewer patients for validation, or choose other parts",
        )
    if asked == "fourth-root":
        return [weight**0.25 for weight in weights]
    if asked == "balanced":
        return weights
    if asked == "none":
        return None
    if len(asked) != len(names):
        there = ", ".join(f"'{name}'" for name in names)
        raise ConfigError(
            f"{len(asked)} class weights are given, but the classes are "
            + (f"'no', 'yes' ({there})" if binary and not at_positions else there),
            hint="give one number a class, or balanced, or none",
        )
    return list(asked)


def _weights_of_beats(asked: ClassWeights, train: BeatExamples) -> list[float] | None:
    """Return the weights of the classes of heartbeats in the loss.

    Raises:
        ConfigError: a class does not occur, or there are more or fewer weights than classes.
    """
    counts = np.bincount(train.table.value[train.known_beats], minlength=len(train.classes))
    missing = [name for name, count in zip(train.classes, counts, strict=True) if not count]
    if missing:
        raise ConfigError(
            f"no training beat is of class {', '.join(missing)}",
            hint="name the classes that occur (classes, --classes), or keep fewer patients for validation",
        )
    if asked == "none":
        return None
    if isinstance(asked, tuple):
        if len(asked) != len(counts):
            raise ConfigError(
                f"{len(asked)} class weights are given, but the classes are {', '.join(train.classes)}",
                hint="give one number a class, or balanced, fourth-root, or none",
            )
        return list(asked)
    rarity = counts.sum() / counts
    return (rarity ** (0.25 if asked == "fourth-root" else 1.0)).tolist()
