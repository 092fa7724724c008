"""Explanations of models that turn windows into vectors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from physiolect.checkpoint import Checkpoint, Outputs
from physiolect.contract import CONTRACTS
from physiolect.errors import CheckpointError
from physiolect.explanation.cutting import _maker
from physiolect.models.encoder import Encoder, EncoderConfig

CONFIG = EncoderConfig(
    n_channels=12,
    context_length=64,
    patch=8,
    per_lead=True,
    width=16,
    n_layers=1,
    n_heads=2,
    mlp_width=16,
    n_outputs=4,
)


def checkpoint(**changed: Any) -> Checkpoint:
    torch.manual_seed(0)
    contract = replace(CONTRACTS["ecg-byte"], min_samples=64, max_samples=64, preprocessing=None)
    return Checkpoint(Encoder(replace(CONFIG, **changed)).eval(), None, contract, Outputs("embed"))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"separators": True}, "separators between leads among its tokens"),
        ({"image_patch": 4, "positions": "each"}, "patches of an image among its tokens"),
    ],
)
def test_tokens_that_cannot_be_drawn_are_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(CheckpointError, match=told):
        _maker(checkpoint(**changed))


def test_a_vector_is_explained_along_its_direction() -> None:
    from physiolect import synthetic
    from physiolect.explanation.cutting import cut_window
    from physiolect.explanation.target import choose_target

    model = checkpoint()
    recording = synthetic.ecg(seconds=2, fs=250.0, seed=0)
    window = cut_window(model, recording)
    target = choose_target(model, window)
    with torch.no_grad():
        out = model.model(window.tensor(model), last_only=True)
    torch.testing.assert_close(target.of_logits(out), out[:, -1].norm(dim=-1))
