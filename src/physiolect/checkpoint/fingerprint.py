"""A checkpoint's proof of itself: a digest of its weights and a few of its outputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from physiolect import config as settings
from physiolect.errors import CheckpointError
from physiolect.models.model import Model

TOLERANCE = 1e-3
"""Largest difference of a logit between machines; 4e-5 was seen between kernels, weights set apart by 1e-2 and more."""


@dataclass(frozen=True)
class Fingerprint:
    """What the weights gave for the model's probe on the machine that wrote them."""

    weights_sha256: str
    """Digest of the weights, see `weights_digest`."""
    positions: tuple[int, ...]
    """Positions whose outputs are kept."""
    logits: tuple[tuple[float, ...], ...]
    """(len(positions), outputs)."""


@dataclass(frozen=True)
class Verification:
    """The result of a passed check."""

    deviation: float
    """Largest difference of a logit from the fingerprint."""
    tolerance: float = TOLERANCE

    def __str__(self) -> str:
        return f"weights identical; outputs within {self.deviation:.1e} of the fingerprint (allowed {self.tolerance:g})"


def take_fingerprint(model: Model) -> Fingerprint:
    """Run the probe through a model, on a CPU wherever the model is: a GPU may have been told to multiply in TF32."""
    if model.device.type != "cpu":
        model = deepcopy(model).cpu()
    outputs = _probe_logits(model)  # (T, outputs)
    T = len(outputs)
    positions = tuple(sorted({0, T // 2, T - 1}))
    logits = outputs[list(positions)]
    return Fingerprint(
        weights_digest(model.state_dict()),
        positions,
        tuple(tuple(round(value, 6) for value in row) for row in logits.tolist()),
    )


def check_fingerprint(model: Model, fingerprint: Fingerprint) -> Verification:
    """Compare a model with the fingerprint taken when it was saved.

    Raises:
        CheckpointError: weights or outputs differ.
    """
    hint = "the folder was altered or damaged: fetch or convert it again"
    if weights_digest(model.state_dict()) != fingerprint.weights_sha256:
        raise CheckpointError("the weights are not those the fingerprint was taken from", hint=hint)
    expected = torch.tensor(fingerprint.logits)
    length, last = getattr(model.config, "context_length", 0), max(fingerprint.positions, default=0)
    if 0 < last < length - 1:  # before a probe that long is run
        raise CheckpointError("the fingerprint is of a model with other sizes", hint=hint)
    logits = _probe_logits(model)  # (T, outputs)
    positions = list(fingerprint.positions)
    if expected.shape != (len(positions), logits.shape[1]) or not set(positions) <= set(range(len(logits))):
        raise CheckpointError("the fingerprint is of a model with other sizes", hint=hint)
    deviation = (logits[positions] - expected).abs().max().item()
    if not deviation <= TOLERANCE:
        raise CheckpointError(
            f"the outputs differ from the fingerprint by {deviation:.2g} (allowed {TOLERANCE:g})",
            hint="the settings in config.yaml were altered, or this machine computes wrongly",
        )
    return Verification(deviation)


def read_fingerprint(file: Path) -> Fingerprint | None:
    """Read the fingerprint of a folder; None where there is none.

    Raises:
        CheckpointError: the file holds something else.
    """
    if not file.is_file():
        return None
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
        return settings.from_dict(Fingerprint, dict(fields), where=str(file))
    except (ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{file} is no fingerprint ({error})", hint="the folder was altered or damaged"
        ) from error


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of float32 weights by name, the same whatever file they came in."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _probe_logits(model: Model) -> Tensor:
    """Return logits (T, outputs) in float32 for the model's own probe.

    They are computed in float32 whatever the model is in, since that is how it will be loaded.
    """
    if model.dtype != torch.float32:
        model = deepcopy(model).float()
    training = model.training
    try:
        with torch.inference_mode():
            return model.eval()(model.probe())[0].float().cpu()
    finally:
        model.train(training)
