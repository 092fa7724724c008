"""An encoder as an ONNX file, which runs without PyTorch."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from physiolect import config as settings
from physiolect.checkpoint.checkpoint import Checkpoint
from physiolect.errors import CheckpointError, require
from physiolect.files import replacing
from physiolect.models.encoder import Encoder
from physiolect.tokenizers import BeatTokenizer

TOLERANCE = 1e-4
"""Largest difference of an output from PyTorch's that is accepted."""
_OPSET = 18
_ROWS = 3
"""Windows of the comparison."""


class _Logits(nn.Module):
    """The encoder as one function of its windows: outputs of each position, or of windows as a whole."""

    def __init__(self, model: Encoder, *, whole: bool) -> None:
        super().__init__()
        self.model, self.whole = model, whole

    def forward(self, windows: Tensor) -> Tensor:
        """Map windows (B, C, T) to outputs (B, T, K) or (B, 1, K)."""
        return self.model(windows, last_only=self.whole)


def export_onnx(checkpoint: Checkpoint, path: str | os.PathLike[str]) -> float:
    """Write an encoder as an ONNX file, and compare it under onnxruntime.

    Its input "windows" is (batch, channels, time) of real numbers, as `Checkpoint.encode` or `encode_beats` gives them;
    a model of beats takes any number of beats up to its context, with the last channel 1 at beats. Its output "logits"
    is (batch, time or 1, outputs). The file's metadata hold contract, outputs and, of a model of beats, its tokenizer.

    Args:
        checkpoint: its model is an encoder.
        path: of the file; replaced only once the new one is proved.

    Returns:
        the largest difference from PyTorch.

    Raises:
        CheckpointError: the model is no encoder, or the file computes something else.
        PhysiolectError: onnx, onnxruntime or onnxscript is not installed.
        WriteError: the file cannot be written.
    """
    model = checkpoint.model
    if not isinstance(model, Encoder):
        raise CheckpointError(
            "the checkpoint's model is no encoder, and only encoders are exported to ONNX",
            hint="use an encoder, such as one of finetune --preset modern or beat-tokens",
        )
    onnx, runtime = require("onnx", extra="onnx"), require("onnxruntime", extra="onnx")
    require("onnxscript", extra="onnx")
    whole = checkpoint.outputs.scope == "window"
    model = deepcopy(model).cpu().float()  # the checkpoint keeps its device and its type
    logits = _Logits(model, whole=whole).eval()
    inputs = _inputs(checkpoint, model)
    beats = isinstance(checkpoint.tokenizer, BeatTokenizer)
    dynamic = {
        0: torch.export.Dim("batch"),
        **({2: torch.export.Dim("time", max=model.context_length)} if beats else {}),
    }
    with replacing(Path(path)) as temporary:
        with _quiet(), torch.enable_grad():  # without a gradient the trunk cuts large batches into parts
            program = torch.onnx.export(
                logits, (inputs,), dynamo=True, input_names=["windows"], output_names=["logits"],
                dynamic_shapes=(dynamic,), opset_version=_OPSET, verbose=False,
            )  # fmt: skip
        assert program is not None
        held = program.model_proto
        for name, text in _facts(checkpoint).items():
            entry = held.metadata_props.add()
            entry.key, entry.value = name, text
        onnx.save(held, str(temporary))
        deviation = _deviation(runtime, temporary, logits, inputs, beats)
        if not deviation <= TOLERANCE:
            raise CheckpointError(
                f"the ONNX file differs from the checkpoint by {deviation:.2g}, but at most {TOLERANCE:g} is accepted",
                hint="use other versions of torch, onnx and onnxruntime",
            )
    return deviation


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter from writing to the terminal."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def _inputs(checkpoint: Checkpoint, model: Encoder) -> Tensor:
    """Return made windows; of beats the last channel is 1."""
    generator = torch.Generator().manual_seed(0)
    channels, length = model.n_channels, model.context_length
    windows = torch.randn(_ROWS, channels, length, generator=generator)
    if isinstance(checkpoint.tokenizer, BeatTokenizer):
        windows[:, -1] = 1.0
        windows[-1, :, length // 2 :] = 0.0
    return windows


def _deviation(runtime: object, path: Path, logits: _Logits, inputs: Tensor, beats: bool) -> float:
    """Return the largest difference of the file's outputs from PyTorch's, over batches of several sizes."""
    session = runtime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])  # type: ignore[attr-defined]
    found = 0.0
    short = inputs[..., : max(2, inputs.shape[-1] // 3)]
    for windows in (inputs, inputs[:1], *((short,) if beats else ())):
        with torch.no_grad():
            wanted = logits(windows).numpy()
        (given,) = session.run(["logits"], {"windows": windows.contiguous().numpy()})
        found = max(found, float(np.abs(given - wanted).max()))
    return found


def _facts(checkpoint: Checkpoint) -> dict[str, str]:
    """Return what a user of the file has to know, as JSON by name."""
    facts = {
        "contract": settings.to_dict(checkpoint.contract),
        "outputs": settings.to_dict(checkpoint.outputs),
    }
    if isinstance(checkpoint.tokenizer, BeatTokenizer):
        facts["tokenizer"] = settings.to_dict(checkpoint.tokenizer)
    return {f"physiolect_{name}": json.dumps(value) for name, value in facts.items()}
