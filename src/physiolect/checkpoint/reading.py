"""What a checkpoint's model reads: the tokenizer that fits it, and heartbeats as its inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physiolect.errors import CheckpointError, ConfigError
from physiolect.models.model import Model
from physiolect.tokenizers import BeatTokenizer, LevelTokenizer, SignalTokenizer


def beat_windows(x: NDArray[Any], tokenizer: BeatTokenizer) -> Tensor:
    """Return standardised beats (B, F + 1, n); the last number is 1 where there is a beat, and 0 at padding.

    Args:
        x: (B, F, n), as the tokenizer gives them before they are standardised; NaN throughout at padding.
        tokenizer: fitted.

    Raises:
        ConfigError: these are not beats as the tokenizer describes them.
    """
    if x.shape[1] != tokenizer.n_features:
        raise ConfigError(
            f"the checkpoint's model reads heartbeats, of {tokenizer.n_features} numbers each, but the windows have "
            f"{x.shape[1]} channels",
            hint="describe the heartbeats first: encode_beats",
        )
    real = ~np.isnan(x).all(1, keepdims=True)  # (B, 1, n)
    scaled = np.where(real, tokenizer.standardise(x.swapaxes(1, 2)).swapaxes(1, 2), np.float32(0))
    return torch.from_numpy(np.concatenate([scaled, real], 1).astype(np.float32))


def fitting_tokenizer(tokenizer: SignalTokenizer, model: Model, file: Path) -> LevelTokenizer | BeatTokenizer:
    """Return a tokenizer if it is one whose output a model reads.

    Raises:
        CheckpointError: it is not.
    """
    hint = "the two come from different models"
    if model.takes != "levels" and isinstance(tokenizer, BeatTokenizer):
        if not tokenizer.mean or tokenizer.n_features + 1 != model.n_channels:
            raise CheckpointError(
                f"{file} describes a heartbeat by {tokenizer.n_features} numbers, but the model of config.yaml does "
                "not take these",
                hint=hint,
            )
        return tokenizer
    if model.takes != "levels" or not isinstance(tokenizer, LevelTokenizer):
        raise CheckpointError(
            f"{file} holds an {type(tokenizer).__name__}, but the model of config.yaml reads {model.takes}",
            hint=hint,
        )
    if tokenizer.vocabulary_size != model.config.vocabulary_size:
        raise CheckpointError(
            f"{file} has {tokenizer.vocabulary_size} token ids, "
            f"but the model of config.yaml has {model.config.vocabulary_size}",
            hint=hint,
        )
    return tokenizer
