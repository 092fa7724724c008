"""ViT and CLIP as encoders: held to transformers with the same random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from physiolect.errors import CheckpointError
from physiolect.models.encoder import Encoder
from physiolect.models.encoder_parts import image_patches
from physiolect.models.published.huggingface_vision import from_vision, vision_config

transformers = pytest.importorskip("transformers", reason="transformers is not installed (extra lm)")

SIZES = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "image_size": 32,
    "patch_size": 8,
}  # fmt: skip


def made(kind: str) -> Any:
    torch.manual_seed(0)
    if kind == "vit":
        model = transformers.ViTModel(transformers.ViTConfig(**SIZES), add_pooling_layer=False)
    else:
        text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
                "vocab_size": 30, "bos_token_id": 0, "eos_token_id": 1}  # fmt: skip
        model = transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=SIZES))
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval()


@pytest.mark.parametrize("kind", ["vit", "clip"])
def test_features_are_those_of_transformers(kind: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    model = made(kind)
    model.save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    config = vision_config(settings, 90)
    assert (config.context_length, config.patch, config.n_patches) == (88, 22, 4)
    encoder = Encoder(config).eval()
    weights = from_vision(load_file(tmp_path / "model.safetensors"), settings, config)
    assert set(encoder.state_dict()) - set(weights) == {"head.weight", "head.bias"}
    encoder.load_state_dict({**encoder.state_dict(), **weights})
    x = torch.randn(3, 12, 88)
    low, high = x.amin((1, 2), keepdim=True), x.amax((1, 2), keepdim=True)
    image = torch.nn.functional.interpolate(
        ((x - low) / (high - low)).unsqueeze(1), (32, 32), mode="bilinear", antialias=True
    ).expand(-1, 3, -1, -1)
    mean, sd = (torch.tensor(each).view(3, 1, 1) for each in (config.image_mean, config.image_sd))
    with torch.no_grad():
        if kind == "vit":
            theirs = model((image - mean) / sd).last_hidden_state
        else:
            vision = model.vision_model
            theirs = vision.post_layernorm(vision((image - mean) / sd).last_hidden_state)
        torch.testing.assert_close(encoder.features(x), theirs, rtol=1e-4, atol=1e-5)


def test_patches_are_the_pixels_of_the_image() -> None:
    config = vision_config({"model_type": "vit", "hidden_act": "gelu", "layer_norm_eps": 1e-12, **SIZES}, 32)
    x = torch.arange(32.0).expand(1, 12, 32) / 31
    pixels = image_patches(x, config).view(4, 4, 3, 8, 8)
    assert pixels.shape == (4, 4, 3, 8, 8)
    torch.testing.assert_close(pixels[0, 0, 0, 0], (torch.arange(8.0) / 31 - 0.5) / 0.5)
    assert torch.equal(pixels[0, 1], pixels[3, 1])  # all leads alike


def test_other_models_are_refused() -> None:
    with pytest.raises(CheckpointError, match="of type bert"):
        vision_config({"model_type": "bert"}, 100)
    with pytest.raises(CheckpointError, match="describes no vit"):
        vision_config({"model_type": "vit", "patch_size": 16}, 100)
    settings = {"model_type": "vit", "hidden_act": "gelu", "layer_norm_eps": 1e-12, **SIZES}
    with pytest.raises(CheckpointError, match=r"lack embeddings\.patch_embeddings"):
        from_vision({}, settings, vision_config(settings, 100))
