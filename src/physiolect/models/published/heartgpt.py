"""The published HeartGPT weights, renamed key by key, and back.

Source: names, shapes and the list of files are those of the authors' repository (harryjdavies/HeartGPT, MIT),
commit 3acd468; the paper is Davies et al. 2024, arXiv:2407.20775.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from physiolect.errors import CheckpointError
from physiolect.models.gpt import GPT_PRESETS, GPTConfig

_TRAINING_ONLY = ("initialisation", "attention_dropout", "residual_dropout")


def from_heartgpt(source: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], GPTConfig, list[str]]:
    """Rename a HeartGPT state dict to ours, with every tensor accounted for.

    Returns:
        our state dict, the config that its shapes tell, and one line a tensor of what became of it.

    Raises:
        CheckpointError: a key is missing, unknown, or of another shape than the rest says.
    """
    config = _config_of(source)
    expected = _key_map(config)
    _check_keys(source, expected)
    target: dict[str, Tensor] = {}
    lines = []
    for name, moves in expected.items():
        target[name] = (
            torch.cat([source[key].float() for key in moves]) if len(moves) > 1 else source[moves[0]].float()
        )
        lines += [f"{key} -> {name} {tuple(target[name].shape)}" for key in moves]
    masks = [key for key in source if key.endswith(".tril")]
    wrong = [key for key in masks if not _is_causal(source[key], config.context_length)]
    if wrong:
        raise CheckpointError(f"{wrong[0]} is no causal mask", hint="this is not a HeartGPT decoder")
    lines += [f"{len(masks)} causal masks dropped: the model makes its own"] if masks else []
    return target, config, lines


def to_heartgpt(state: Mapping[str, Tensor], config: GPTConfig) -> dict[str, Tensor]:
    """Rename our state dict to HeartGPT's, masks included, so that the authors' code loads it.

    Raises:
        CheckpointError: the model does something that HeartGPT's code cannot.
    """
    free = ("vocabulary_size", "context_length", "n_outputs", "width", "n_layers", "n_heads", "mlp_width")
    like = replace(
        GPT_PRESETS["heartgpt-ecg"],
        attention_scale=config.width**-0.5,
        **{name: getattr(config, name) for name in (*free, *_TRAINING_ONLY)},
    )
    differing = [
        f"{name} {getattr(config, name)} (HeartGPT: {getattr(like, name)})"
        for name in GPTConfig.__dataclass_fields__
        if getattr(config, name) != getattr(like, name)
    ]
    if differing:
        raise CheckpointError(
            f"HeartGPT's code cannot run this model: {'; '.join(differing)}",
            hint="export one of preset heartgpt-*",
        )
    tril = torch.ones(config.context_length, config.context_length).tril()
    result: dict[str, Tensor] = {}
    for name, keys in _key_map(config).items():
        for key, part in zip(keys, state[name].detach().float().cpu().chunk(len(keys)), strict=True):
            result[key] = part.clone()
    for i in range(config.n_layers):
        for j in range(config.n_heads):
            result[f"blocks.{i}.sa.heads.{j}.tril"] = tril.clone()
    return result


def _is_causal(mask: Tensor, length: int) -> bool:
    """Tell whether a stored mask is that of a causal decoder."""
    return mask.shape == (length, length) and torch.equal(mask.float(), torch.ones(length, length).tril())


def _key_map(config: GPTConfig) -> dict[str, list[str]]:
    """Return our name -> HeartGPT's keys, whose tensors are stacked along the first axis in this order."""
    names = {
        "tokens.weight": ["token_embedding_table.weight"],
        "positions.weight": ["position_embedding_table.weight"],
    }
    for i in range(config.n_layers):
        theirs, ours = f"blocks.{i}", f"trunk.blocks.{i}"
        names[f"{ours}.attention.qkv.weight"] = [
            f"{theirs}.sa.heads.{j}.{part}.weight"
            for part in ("query", "key", "value")
            for j in range(config.n_heads)
        ]
        for suffix in ("weight", "bias"):
            names[f"{ours}.attention.projection.{suffix}"] = [f"{theirs}.sa.proj.{suffix}"]
            names[f"{ours}.mlp.up.{suffix}"] = [f"{theirs}.ffwd.net.0.{suffix}"]
            names[f"{ours}.mlp.down.{suffix}"] = [f"{theirs}.ffwd.net.2.{suffix}"]
            names[f"{ours}.attention_norm.{suffix}"] = [f"{theirs}.ln1.{suffix}"]
            names[f"{ours}.mlp_norm.{suffix}"] = [f"{theirs}.ln2.{suffix}"]
    head = "lm_head" if config.n_outputs is None else "lm_head.linear1.0"
    for suffix in ("weight", "bias"):
        names[f"trunk.norm.{suffix}"] = [f"ln_f.{suffix}"]
        names[f"head.{suffix}"] = [f"{head}.{suffix}"]
    return names


def _config_of(source: Mapping[str, Tensor]) -> GPTConfig:
    """Read the model's sizes off the shapes."""
    try:
        vocabulary_size, width = source["token_embedding_table.weight"].shape
        context_length = source["position_embedding_table.weight"].shape[0]
        mlp_width = source["blocks.0.ffwd.net.0.weight"].shape[0]
        heads = [re.match(r"blocks\.(\d+)\.sa\.heads\.(\d+)\.query\.weight$", key) for key in source]
        blocks = {int(match[1]) for match in heads if match}
        n_heads = len({int(match[2]) for match in heads if match})
        detection = source.get("lm_head.linear1.0.weight")
    except (KeyError, ValueError, IndexError) as error:
        raise CheckpointError(
            f"these are no HeartGPT weights: {error} is missing or of another shape",
            hint="pass one of the authors' five files, or a model trained by their code",
        ) from error
    return replace(
        GPT_PRESETS["heartgpt-ecg"],
        vocabulary_size=vocabulary_size,
        context_length=context_length,
        width=width,
        n_layers=len(blocks),  # not the largest number: a lying key must cost nothing
        n_heads=n_heads,
        mlp_width=mlp_width,
        attention_scale=width**-0.5,
        n_outputs=None if detection is None else detection.shape[0],
    )


def _check_keys(source: Mapping[str, Tensor], expected: dict[str, list[str]]) -> None:
    wanted = {key for keys in expected.values() for key in keys}
    missing = sorted(wanted - set(source))
    unknown = sorted(key for key in set(source) - wanted if not key.endswith(".tril"))
    for trouble, keys in (("missing", missing), ("unknown", unknown)):
        if keys:
            some = ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
            raise CheckpointError(
                f"{trouble} in the HeartGPT weights: {some}", hint="the file is incomplete or altered"
            )
