"""A store of short recordings of three leads in two kinds, with captions that say which: what encoders learn from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from physiolect.contract import CONTRACTS
from physiolect.datasets import Row, StoreWriter
from physiolect.recording import Recording

CONTRACT = replace(
    CONTRACTS["ecg-byte"], channels=("I", "II", "V1"), min_samples=32, max_samples=64, preprocessing=None
)
CAPTIONS = {"slow": "sinus bradycardia", "fast": "sinus tachycardia"}
ENCODER: dict[str, Any] = {
    "n_channels": 3, "context_length": 64, "patch": 8, "width": 16, "n_layers": 2, "n_heads": 2, "mlp_width": 32
}  # fmt: skip
SETTINGS: dict[str, Any] = {
    "steps": 6, "batch_size": 8, "validate_on": ["test"], "validation_windows": 8, "device": "cpu", "threads": 1,
    "log_every": 1, "evaluate_every": 3, "save_every": 3, "encoder": ENCODER,
    "masking": {
        "decoder": {"width": 8, "n_layers": 1, "n_heads": 2}, "predictor": {"width": 8, "n_layers": 1, "n_heads": 2}
    },
}  # fmt: skip
"""Of a small run."""


def write_store(folder: Path, n: int = 24, *, without_text: int = 0) -> Path:
    """Write a store and `captions.jsonl` into a folder, and return the folder of the store."""
    rng = np.random.default_rng(0)
    time = np.arange(72) / 250
    with StoreWriter(folder / "store", CONTRACT) as writer, (folder / "captions.jsonl").open("w") as captions:
        for k in range(n):
            kind = ("slow", "fast")[k % 2]
            wave = np.sin(2 * np.pi * ({"slow": 6, "fast": 25}[kind] * time + rng.random()))
            signal = np.outer([1.0, 0.7, -0.4], wave) + 0.05 * rng.standard_normal((3, 72))
            recording = Recording(
                signal.astype(np.float32), CONTRACT.fs, CONTRACT.channels, CONTRACT.unit, "ecg"
            )
            row = Row.from_recording(
                recording,
                source=f"r{k}",
                patient=f"p{k}",
                labels=(kind,),
                split="test" if k >= n - 6 else "train",
            )
            writer.add(f"r{k}", [row])
            if k >= without_text:
                captions.write(json.dumps({"recording": f"r{k}", "text": CAPTIONS[kind]}) + "\n")
    return folder / "store"
