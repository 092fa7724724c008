"""A small recording of trials that each stand for a string of symbols, and a model that learned to write them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from physiolect import Recording, finetune
from physiolect.datasets import prepare
from physiolect.formats.npy import write
from physiolect.models.seq2seq import SEQ2SEQ_PRESETS
from physiolect.recording import Annotations
from tests.spike_store import Made

SYMBOLS = ("one", "three", "two")
SMALL = replace(
    SEQ2SEQ_PRESETS["modern"], patch=2, width=32, n_layers=1, n_decoder_layers=1, n_heads=2, mlp_width=64, longest=8,
    context_length=128, time_mask=0.0, residual_dropout=0.0, noise=0.05, channel_dropout=0.0,
)  # fmt: skip
SETTINGS: dict[str, Any] = {"task": "translate", "preset": "seq2seq", "seq2seq": SMALL, "device": "cpu"}


def make_trials(n: int = 500, *, seed: int = 0) -> Recording:
    """Return trials of one to five symbols; each symbol is eight bins in which its own channels are active."""
    rng = np.random.default_rng(seed)
    patterns = np.random.default_rng(9).standard_normal((3, 6))
    parts, marks, at = [], list[tuple[int, str, str]](), 0
    for _ in range(n):
        said = rng.integers(0, 3, rng.integers(1, 6))
        quiet = np.zeros((6, int(rng.integers(3, 6))))
        spoken = np.concatenate(
            [quiet, *(np.outer(patterns[each], np.hanning(10)[1:-1]) for each in said), quiet], 1
        )
        marks += [
            (at, "trial", " ".join(SYMBOLS[each] for each in said)), (at + spoken.shape[1], "trial end", "")
        ]  # fmt: skip
        parts += [spoken, np.zeros((6, 5))]
        at += spoken.shape[1] + 5
    signal = np.concatenate(parts, 1)
    signal = signal + 0.1 * rng.standard_normal(signal.shape)
    sample, symbol, note = zip(*marks, strict=True)
    names = tuple(f"unit {i}" for i in range(6))
    return Recording(
        signal.astype(np.float32), 50.0, names, "uV", "ecog", Annotations(np.array(sample), symbol, note)
    )


def make_translator(folder: Path, *, steps: int = 500) -> Made:
    """Write trials, prepare them, and train a small model for some seconds."""
    file = folder / "trials.npz"
    write(make_trials(), file)
    prepare(file, folder / "store", trials=True, blocks=(0.7, 0.15, 0.15), gap=0.5, workers=1)
    finetune(folder / "store", out=folder / "run", steps=steps, evaluate_every=250, **SETTINGS)
    return Made(file, folder / "store", folder / "run")
