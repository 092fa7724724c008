"""Encoders as ONNX files: the same numbers under onnxruntime, and what is no encoder is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from physiolect import Checkpoint
from physiolect.checkpoint import Outputs
from physiolect.checkpoint.onnx import export_onnx
from physiolect.cli import main
from physiolect.models.encoder import ENCODER_PRESETS, Encoder, EncoderConfig

from ..detectors import CONTRACT, beat_finder, beat_reader

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

SMALL = {"context_length": 60, "width": 32, "n_heads": 2, "n_layers": 2, "mlp_width": 64, "n_outputs": 3}
CONFIGS = {
    "ecgformer": replace(ENCODER_PRESETS["ecgformer"], **SMALL),  # type: ignore[arg-type]
    "modern": replace(ENCODER_PRESETS["modern"], n_channels=2, **SMALL),  # type: ignore[arg-type]
    "class token": EncoderConfig(patch=5, pooling="class", scaling="range", **SMALL),  # type: ignore[arg-type]
}


def export(checkpoint: Checkpoint, folder: Path) -> Path:
    checkpoint.save(folder / "model")
    assert main(["convert", str(folder / "model"), str(folder / "model.onnx")]) == 0
    return folder / "model.onnx"


@pytest.mark.parametrize("name", CONFIGS)
def test_windows_of_signal(name: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = Encoder(CONFIGS[name]).eval()
    channels = ("II", "V1")[: model.n_channels]
    contract = replace(
        CONTRACT, channels=channels if len(channels) > 1 else ("*",), min_samples=60, max_samples=60
    )
    checkpoint = Checkpoint(model, None, contract, Outputs("classify", classes=("a", "b", "c")))
    session = onnxruntime.InferenceSession(str(export(checkpoint, tmp_path)))
    x = torch.randn(7, model.n_channels, 60)
    with torch.no_grad():
        wanted = model(x, last_only=True)
    (given,) = session.run(None, {"windows": x.numpy()})
    np.testing.assert_allclose(given, wanted, atol=1e-4)
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["physiolect_outputs"])["classes"] == ["a", "b", "c"]
    assert json.loads(facts["physiolect_contract"])["fs"] == 100.0


def test_beats_in_samples_and_classes_of_heartbeats(tmp_path: Path) -> None:
    finder = beat_finder(Encoder)
    (tmp_path / "finder").mkdir()
    session = onnxruntime.InferenceSession(str(export(finder, tmp_path / "finder")))
    x = torch.randn(2, 1, 500)
    with torch.no_grad():
        np.testing.assert_allclose(session.run(None, {"windows": x.numpy()})[0], finder.model(x), atol=1e-4)
    reader = beat_reader("heartbeats", ("N", "V"))
    session = onnxruntime.InferenceSession(str(export(reader, tmp_path)))
    x = torch.randn(5, reader.model.n_channels, 11)
    x[:, -1] = 1
    x[2:, -1, 6:] = 0  # no beats
    with torch.no_grad():
        wanted = reader.model(x)
    np.testing.assert_allclose(session.run(None, {"windows": x.numpy()})[0], wanted, atol=1e-4)
    assert json.loads(session.get_modelmeta().custom_metadata_map["physiolect_tokenizer"])["n_leads"] == 2


def test_what_cannot_be_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "ecg", str(tmp_path / "ecg.onnx")]) == 1
    assert "no encoder" in capsys.readouterr().err
    assert not (tmp_path / "ecg.onnx").exists()
    (tmp_path / "there.onnx").write_bytes(b"")
    assert main(["convert", "ecg", str(tmp_path / "there.onnx")]) == 1
    assert "exists already" in capsys.readouterr().err


def test_the_checkpoint_keeps_its_type(tmp_path: Path) -> None:
    reader = beat_reader("heartbeats", ("N", "V"))
    reader.model.bfloat16().train()
    export_onnx(reader, tmp_path / "model.onnx")
    assert reader.model.dtype == torch.bfloat16
    assert reader.model.training
