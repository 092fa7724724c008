"""The published weights of ViT and of CLIP's vision side, in the layout of Hugging Face, renamed key by key.

Source: names and settings as transformers 5.24 writes them; Dosovitskiy et al. 2021 (arXiv:2010.11929), Radford et al.
2021 (arXiv:2103.00020).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from physiolect.errors import CheckpointError
from physiolect.models.encoder_config import ENCODER_PRESETS, EncoderConfig
from physiolect.models.layers import Activation

_ACTIVATIONS: dict[str, Activation] = {"gelu": "gelu", "quick_gelu": "quick-gelu"}
_PARTS = {
    "vit": (
        "embeddings.cls_token", "embeddings.position_embeddings", "embeddings.patch_embeddings.projection",
        "encoder.layer.{}", ("attention.attention.query", "attention.attention.key", "attention.attention.value"),
        "attention.output.dense", "layernorm_before", "layernorm_after", "intermediate.dense", "output.dense",
        "layernorm",
    ),
    "clip": (
        "embeddings.class_embedding", "embeddings.position_embedding.weight", "embeddings.patch_embedding",
        "encoder.layers.{}", ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "self_attn.out_proj", "layer_norm1", "layer_norm2", "mlp.fc1", "mlp.fc2",
        "post_layernorm",
    ),
}  # fmt: skip
"""Kind -> names of class token, positions, patches, block, queries to values, their output, norms, MLP, last norm."""


def vision_config(settings: Mapping[str, Any], context_length: int) -> EncoderConfig:
    """Return the encoder that a `config.json` describes, for windows of about so many samples.

    Args:
        settings: of ViT, CLIP, or CLIP's vision side.
        context_length: of a window; the encoder's is the longest multiple of its columns of patches that fits.

    Raises:
        CheckpointError: it describes another model, or an activation or an image that is unknown here.
    """
    kind = _kind(settings)
    own = settings.get("vision_config", settings) if kind == "clip" else settings
    preset = ENCODER_PRESETS[kind]
    try:
        pixels, side = int(own["patch_size"]), int(own["image_size"])
        columns = side // pixels
        found = replace(
            preset, context_length=context_length // columns * columns, patch=context_length // columns,
            image_patch=pixels, width=int(own["hidden_size"]), n_layers=int(own["num_hidden_layers"]),
            n_heads=int(own["num_attention_heads"]), mlp_width=int(own["intermediate_size"]),
            activation=_ACTIVATIONS[own["hidden_act"]], norm_epsilon=float(own["layer_norm_eps"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"config.json describes no {kind} that is known here ({error})",
            hint="name an ordinary ViT or CLIP",
        ) from error
    if side % pixels or own.get("num_channels", 3) != 3 or own.get("qkv_bias", True) is not True:
        raise CheckpointError(
            "config.json describes an image of other colours or patches", hint="name an ordinary ViT or CLIP"
        )
    return found


def from_vision(
    source: Mapping[str, Tensor], settings: Mapping[str, Any], config: EncoderConfig
) -> dict[str, Tensor]:
    """Return the weights of an encoder's trunk by our names; its head and pooling are not among them.

    Args:
        source: a state dict; its text side, pooler and decoder are left out.
        settings: of `config.json`.
        config: that `vision_config` returned.

    Raises:
        CheckpointError: a weight is missing.
    """
    kind = _kind(settings)
    prefix = next(
        (each for each in ("vit.", "vision_model.", "") if f"{each}{_PARTS[kind][0]}" in source), ""
    )
    token, places, patches, block, qkv, out, first, second, up, down, last = _PARTS[kind]

    def held(name: str) -> Tensor:
        if prefix + name not in source:
            raise CheckpointError(f"the weights of {kind} lack {prefix}{name}", hint="fetch the model again")
        return source[prefix + name].float()

    weight = held(f"{patches}.weight").flatten(1)  # (E, 3 p p)
    found = {
        "class_token.weight": held(str(token)).reshape(1, -1),
        "positions.weight": held(str(places)).reshape(-1, config.width),
        "embedding.weight": weight,
        "embedding.bias": held(f"{patches}.bias") if kind == "vit" else weight.new_zeros(config.width),
    }
    pairs: list[tuple[str, str]] = [("trunk.norm", str(last))]
    if config.first_norm:
        pairs.append(("first_norm", "pre_layrnorm"))
    for number in range(config.n_layers):
        ours, theirs = f"trunk.blocks.{number}", str(block).format(number)
        pairs += [
            (f"{ours}.{mine}", f"{theirs}.{name}")
            for mine, name in (
                ("attention.projection", out), ("attention_norm", first), ("mlp_norm", second), ("mlp.up", up),
                ("mlp.down", down),
            )
        ]  # fmt: skip
        for each in ("weight", "bias"):
            found[f"{ours}.attention.qkv.{each}"] = torch.cat(
                [held(f"{theirs}.{name}.{each}") for name in qkv]
            )
    for mine, name in pairs:
        found |= {f"{mine}.{each}": held(f"{name}.{each}") for each in ("weight", "bias")}
    return found


def _kind(settings: Mapping[str, Any]) -> str:
    kind = {"vit": "vit", "clip": "clip", "clip_vision_model": "clip"}.get(str(settings.get("model_type")))
    if kind is None:
        raise CheckpointError(
            f"config.json is of a model of type {settings.get('model_type')}, but a vit or clip is needed",
            hint="name an ordinary ViT or CLIP",
        )
    return kind
