"""The model before its first update: random weights, or those of a published ViT or CLIP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from physiolect.checkpoint import Checkpoint
from physiolect.checkpoint.tensor_file import check_whole
from physiolect.datasets import Store
from physiolect.errors import CheckpointError
from physiolect.events import Reporter
from physiolect.learning.new_model import new_checkpoint
from physiolect.learning.pretrain_settings import PretrainSettings
from physiolect.models.encoder_config import EncoderConfig
from physiolect.models.model import Model
from physiolect.models.published.huggingface_vision import from_vision, vision_config

_FILES = ("config.json", "model.safetensors")


def first_model(settings: PretrainSettings, store: Store, reporter: Reporter) -> Checkpoint:
    """Return a model that takes the windows of a store.

    Raises:
        CheckpointError: the published weights cannot be had, or are of another model.
        ConfigError: the store's windows are shorter than a patch.
    """
    config = settings.stage.network
    if settings.image_encoder is not None:
        config = vision_config(_described(settings.image_encoder), store.contract.max_samples)
    elif isinstance(config, EncoderConfig) and config.image_patch:  # the image stands for the store's windows
        patch = max(1, store.contract.max_samples // config.n_patches)
        config = replace(config, context_length=patch * config.n_patches, patch=patch)
    found = new_checkpoint(config, store, seed=settings.seed, reporter=reporter)
    if settings.image_encoder is not None:
        weights = from_vision(
            _weights(settings.image_encoder), _described(settings.image_encoder), found.model.config
        )
        own = found.model.state_dict()
        wrong = [name for name, value in weights.items() if own[name].shape != value.shape]
        if wrong:
            raise CheckpointError(
                f"{settings.image_encoder}: {wrong[0]} has the shape {tuple(weights[wrong[0]].shape)}, but config.json "
                f"describes {tuple(own[wrong[0]].shape)}",
                hint="fetch the model again",
            )
        found.model.load_state_dict({**own, **weights})
    return found


def use_visual_projection(name: str | None, model: Model) -> None:
    """Begin with CLIP's own projection of images, where the model's head has its shape."""
    weight = None if name is None else _weights(name).get("visual_projection.weight")
    for part in model.head_parts:
        if weight is not None and isinstance(part, torch.nn.Linear) and part.weight.shape == weight.shape:
            part.weight.data.copy_(weight)
            torch.nn.init.zeros_(part.bias)


def _described(name: str) -> Mapping[str, Any]:
    file = _folder(name) / _FILES[0]
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{file} cannot be read: {error}", hint="name a ViT or CLIP of Hugging Face"
        ) from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{file} holds no settings", hint="name a ViT or CLIP of Hugging Face")
    return found


def _weights(name: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = _folder(name) / _FILES[1]
    if not file.is_file():
        raise CheckpointError(
            f"{file} is missing", hint="only safetensors are read: fetch or convert the weights"
        )
    check_whole(file)
    try:
        return dict(load_file(str(file)))
    except SafetensorError as error:
        raise CheckpointError(f"{file} cannot be read: {error}", hint="fetch the model again") from error


def _folder(name: str) -> Path:
    """Return the folder, or that of a name on the Hub, fetched at its first use."""
    if Path(name).is_dir():
        return Path(name)
    if name.count("/") != 1:
        raise CheckpointError(
            f"the image encoder {name} is no folder, and no owner/name of the Hugging Face Hub",
            hint="name a folder with config.json and model.safetensors",
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(_FILES)))
    except Exception as error:  # the library raises its own, its HTTP client's and the system's errors
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"the Hub did not give '{name}': {reason}", hint="check the name and the connection"
        ) from error
