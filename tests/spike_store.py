"""A small recording of made spikes with the movement they follow, and a decoder that learned a little of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from physiolect import Checkpoint, finetune, load_checkpoint
from physiolect.datasets import prepare
from physiolect.models.continuous_config import CONTINUOUS_PRESETS

TARGETS = ("force x", "force y")
N_UNITS = 12
FS = 20.0


def write_spikes(path: Path, *, seconds: float = 120.0, seed: int = 0, exchanged: bool = False, silent: int = 0,
                 gain: float = 1.0) -> Path:  # fmt: skip
    """Write spike counts that follow a force, as users write them: features in columns, targets beside them."""
    rng = np.random.default_rng(seed)
    n = int(seconds * FS)
    drive = rng.standard_normal((n + 60, 2))
    force = np.stack([np.convolve(each, np.hanning(30), "same") for each in drive.T], 1)[:n]
    force /= force.std(0)
    tuning = np.random.default_rng(1).standard_normal((2, N_UNITS))
    counts = rng.poisson(gain * np.exp(0.8 + 0.7 * force @ tuning / 1.5))
    counts[:, :silent] = 0
    held = force[:, ::-1] if exchanged else force
    np.savez(
        path, spike_counts=counts.astype(np.uint8), force=held.astype(np.float32), force_names=np.array(["x", "y"]),
        bin_s=1 / FS,
    )  # fmt: skip
    return path


class Made(NamedTuple):
    """Files, a store and a run."""

    file: Path
    store: Path
    run: Path

    @property
    def checkpoint(self) -> Checkpoint:
        return load_checkpoint(self.run)


def make(folder: Path) -> Made:
    """Write spikes, prepare them, and train a small decoder for a few seconds."""
    file = write_spikes(folder / "day0.npz")
    prepare(file, folder / "store", targets=TARGETS, blocks=(0.7, 0.15, 0.15), gap=2.0, workers=1)
    small = replace(
        CONTINUOUS_PRESETS["modern"],
        context_length=40,
        band=10,
        width=32,
        n_layers=2,
        n_heads=2,
        mlp_width=32,
    )
    finetune(
        folder / "store", task="decode", preset="decoder", decoder=small, out=folder / "run", steps=120,
        device="cpu", evaluate_every=60,
    )  # fmt: skip
    return Made(file, folder / "store", folder / "run")
