"""Three small encoders of random weights in the place of the detectors that come with the package."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from physiolect import Checkpoint, InputContract
from physiolect.checkpoint import Outputs
from physiolect.detection import Detectors
from physiolect.models.encoder import Encoder, EncoderConfig
from physiolect.tokenizers import BEAT_TOKENIZERS

CONTRACT = InputContract(modality="ecg", fs=100.0, min_samples=100, max_samples=500, normalisation="none")


class Slopes(Encoder):
    """Finds R peaks by hand: a sample is likely one where the window stands out most."""

    def forward(self, x: torch.Tensor, **_: object) -> torch.Tensor:
        lead = x[:, 0] - x[:, 0].median(-1, keepdim=True).values
        top = lead.abs().amax(-1, keepdim=True)
        return (20 * lead.abs() / top - 10).unsqueeze(-1)  # (B, T, 1)


def beat_finder(kind: type[Encoder] = Slopes) -> Checkpoint:
    torch.manual_seed(1)
    config = EncoderConfig(
        context_length=500, patch=10, class_token=False, scaling="standard", width=16, n_layers=1, n_heads=2,
        mlp_width=16, positions="rotary", each_sample=True, n_outputs=1,
    )  # fmt: skip
    return Checkpoint(kind(config).eval(), None, CONTRACT, Outputs("beats"))


def beat_reader(task: str, classes: tuple[str, ...] = ()) -> Checkpoint:
    torch.manual_seed(2)
    tokenizer = replace(BEAT_TOKENIZERS["position" if classes else "window"], fs=100.0)
    n = tokenizer.n_features
    config = EncoderConfig(
        context_length=32, class_token=False, padding_channel=True, width=16, n_layers=1, n_heads=2, mlp_width=16,
        positions="rotary", n_channels=n + 1, n_outputs=len(classes) or 1,
    )  # fmt: skip
    fitted = replace(tokenizer, mean=(0.0,) * n, sd=(1.0,) * n)
    contract = replace(CONTRACT, max_samples=1000)
    return Checkpoint(Encoder(config).eval(), fitted, contract, Outputs(task, classes=classes))


def three() -> Detectors:
    return Detectors(beat_finder(), beat_reader("rhythm"), beat_reader("heartbeats", ("N", "S", "V", "F")))


def peaks_near(found: np.ndarray, truth: np.ndarray, seconds: float) -> float:
    """Return the share of true moments that have a found one near."""
    return float((np.abs(found[:, None] - truth).min(0) < seconds).mean())
