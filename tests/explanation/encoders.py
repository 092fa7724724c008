"""Encoders that have learnt nothing: of one lead, several leads, single heartbeats, and heartbeats as tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from physiolect import Checkpoint, InputContract
from physiolect.checkpoint import Outputs
from physiolect.models.encoder import ENCODER_PRESETS, Encoder, EncoderConfig
from physiolect.tokenizers import BeatTokenizer

SMALL: dict[str, Any] = {"width": 16, "n_layers": 2, "n_heads": 2, "mlp_width": 16}
CONTRACT = InputContract(fs=100.0, min_samples=100, max_samples=300, modality="ecg")
CLASSES = ("N", "S", "V")


def random_encoder(config: EncoderConfig, seed: int = 0) -> Encoder:
    torch.manual_seed(seed)
    model = Encoder(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return model


def one_lead(**settings: Any) -> Checkpoint:
    """Finds beats in one lead, in patches of ten samples."""
    config = EncoderConfig(
        context_length=300,
        patch=10,
        scaling="standard",
        class_token=False,
        positions="rotary",
        **SMALL | settings,
    )
    return Checkpoint(random_encoder(config), None, CONTRACT, Outputs("beats"))


def leads(*names: str, **settings: Any) -> Checkpoint:
    """Sorts windows of several leads into classes."""
    chosen = {"per_lead": True, "scaling": "standard", **settings}
    config = EncoderConfig(context_length=300, patch=20, n_channels=len(names), n_outputs=3, **SMALL | chosen)
    return Checkpoint(
        random_encoder(config), None, replace(CONTRACT, channels=names), Outputs("classify", classes=CLASSES)
    )


def ecgformer() -> Checkpoint:
    """Reads single heartbeats, sample by sample."""
    config = replace(ENCODER_PRESETS["ecgformer"], n_outputs=3, **SMALL)
    contract = replace(CONTRACT, fs=125.0, max_samples=186)
    return Checkpoint(random_encoder(config), None, contract, Outputs("classify", classes=CLASSES))


def beat_model(task: str = "heartbeats", context: int = 8) -> Checkpoint:
    """Reads heartbeats described by two leads."""
    tokenizer = BeatTokenizer(features=("waveform", "difference", "shape", "intervals", "pace"))
    n = tokenizer.n_features
    tokenizer = replace(tokenizer, mean=(0.0,) * n, sd=(1.0,) * n)
    heartbeats = task == "heartbeats"
    config = EncoderConfig(
        context_length=context if heartbeats else 32, n_channels=n + 1, class_token=False, embedding="two-layer",
        padding_channel=True, positions="rotary", n_outputs=3 if heartbeats else 1, **SMALL,
    )  # fmt: skip
    contract = replace(CONTRACT, max_samples=1000)
    classes = {"classes": CLASSES} if heartbeats else {}
    return Checkpoint(random_encoder(config), tokenizer, contract, Outputs(task, **classes))  # type: ignore[arg-type]


def output(checkpoint: Checkpoint, inputs: np.ndarray) -> torch.Tensor:
    """Return the model's logits for one window."""
    with torch.inference_mode():
        return checkpoint.model(
            torch.from_numpy(np.asarray(inputs, np.float32))[None],
            last_only=checkpoint.outputs.scope == "window",
        )[0].double()
